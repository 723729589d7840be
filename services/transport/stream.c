#include "services/transport/stream.h"

void stream_attach(struct stream *s, const struct stream_handler *handler, void *userdata) {
        s->handler = handler;
        s->userdata = userdata;
        if (handler && handler->on_open)
                handler->on_open(s);
}

void stream_abandon(struct stream *s, uint64_t code) {
        s->handler = NULL;
        s->userdata = NULL;
        s->ops->reset(s, code);
}

int stream_write(struct stream *s, struct bytes data) {
        CLEANUP(refbuf_unrefp) struct refbuf *b = NULL;

        if (data.len == 0)
                return STREAM_OK;
        if (data.len > s->ops->room(s)) /* refused before the copy is made */
                return s->ops->write(s, NULL);
        b = refbuf_new(data);
        return s->ops->write(s, b);
}

int stream_write_refbuf(struct stream *s, struct refbuf *b) {
        return b->len == 0 ? STREAM_OK : s->ops->write(s, b);
}

size_t stream_room(const struct stream *s) {
        return s->ops->room(s);
}

void stream_finish(struct stream *s) {
        s->ops->finish(s);
}

void stream_reset(struct stream *s, uint64_t code) {
        s->ops->reset(s, code);
}

void stream_stop(struct stream *s, uint64_t code) {
        s->ops->stop(s, code);
}

void stream_consumed(struct stream *s, size_t n) {
        s->ops->consumed(s, n);
}

void stream_deliver(struct stream *s, struct bytes data) {
        if (s->handler && s->handler->on_data)
                s->handler->on_data(s, data);
        else
                s->ops->consumed(s, data.len);
}
