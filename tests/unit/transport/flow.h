#pragma once

/* One direction of bytes over a stream, with known contents: byte i of flow k is a
 * hash of both, so that loss, doubling and mixing up of streams all show. */

#include "common/base/error.h"
#include "services/transport/stream.h"

struct flow {
        uint64_t key, to_send, sent, received;
        uint32_t n_full, n_writable, n_open, n_fin, n_reset, n_stop, n_close;
        uint64_t reset_code;
        enum stream_end end;
        struct stream *stream; /* NULL after on_close */
        bool is_corrupt, keeps /* does not consume */, no_finish, echoes;
};

static inline uint8_t flow_byte(const struct flow *f, uint64_t i) {
        uint64_t x = (i + 1) * 0x9e3779b97f4a7c15 ^ f->key * 0xbf58476d1ce4e5b9;

        return (uint8_t) (x >> 56 ^ x >> 24);
}

static inline void flow_send(struct flow *f) {
        uint8_t chunk[8192];

        while (f->sent < f->to_send) {
                size_t n =
                        f->to_send - f->sent < sizeof(chunk) ? f->to_send - f->sent : sizeof(chunk);

                for (size_t i = 0; i < n; i++)
                        chunk[i] = flow_byte(f, f->sent + i);
                if (stream_write(f->stream, BYTES(chunk, n)) != STREAM_OK) {
                        f->n_full++;
                        return;
                }
                f->sent += n;
        }
        if (!f->no_finish)
                stream_finish(f->stream);
}

static inline void flow_on_open(struct stream *s) {
        struct flow *f = s->userdata;

        f->stream = s;
        f->n_open++;
        if (!f->echoes)
                flow_send(f);
}

static inline void flow_on_data(struct stream *s, struct bytes data) {
        struct flow *f = s->userdata;

        for (size_t i = 0; i < data.len; i++)
                f->is_corrupt |= data.data[i] != flow_byte(f, f->received + i);
        f->received += data.len;
        if (!f->keeps)
                stream_consumed(s, data.len);
        if (f->echoes)
                check(stream_write(s, data) == STREAM_OK);
}

static inline void flow_on_fin(struct stream *s) {
        struct flow *f = s->userdata;

        f->n_fin++;
        if (f->echoes)
                stream_finish(s);
}

static inline void flow_on_reset(struct stream *s, uint64_t code) {
        struct flow *f = s->userdata;

        f->n_reset++;
        f->reset_code = code;
}

static inline void flow_on_stop(struct stream *s, uint64_t code) {
        struct flow *f = s->userdata;

        f->n_stop++;
        check(stream_write(s, BYTES_LIT("x")) == STREAM_E_CLOSED);
}

static inline void flow_on_writable(struct stream *s) {
        struct flow *f = s->userdata;

        f->n_writable++;
        if (!f->echoes)
                flow_send(f);
}

static inline void flow_on_close(struct stream *s, enum stream_end end) {
        struct flow *f = s->userdata;

        f->n_close++;
        f->end = end;
        f->stream = NULL;
}

static const struct stream_handler flow_handler = {
        .on_open = flow_on_open,
        .on_data = flow_on_data,
        .on_fin = flow_on_fin,
        .on_reset = flow_on_reset,
        .on_stop = flow_on_stop,
        .on_writable = flow_on_writable,
        .on_close = flow_on_close,
};
