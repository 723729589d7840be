#include "services/transport/shell/splice.h"

#include <stdio.h>

#include "common/base/error.h"
#include "services/transport/transport.h"

#define OVERHEAD 64 /* charged for a buffer beside its bytes */

/* Bytes on their way from the peer: one unit of the channel, full or not. */
struct parcel {
        struct list link;
        struct refbuf *buffer; /* CHANNEL_UNIT bytes */
        size_t filled;
};

/* A unit that the QUIC stream would not take yet. */
struct waiting {
        struct list link;
        struct refbuf *content;
};

struct splice {
        struct list link, dirty;
        struct splices *all;
        struct channel *channel;                       /* NULL: over */
        struct stream *stream;                         /* NULL: over */
        struct list parcels;                           /* from the peer to the service */
        struct list waiting;                           /* from the service to the peer */
        bool peer_finished, service_finished, is_mute; /* mute: the peer wants no more of ours */
};

static const struct stream_handler stream_side;

/* ---- life ---- */

void splices_init(struct splices *all, uint64_t held_max) {
        *all = (struct splices){};
        list_init(&all->all);
        list_init(&all->dirty);
        budget_init(&all->held, held_max, NULL);
}

struct splice *splice_new(struct splices *all) {
        struct splice *p = xnew(struct splice);

        p->all = all;
        list_init(&p->link);
        list_init(&p->dirty);
        list_init(&p->parcels);
        list_init(&p->waiting);
        list_push_back(&all->all, &p->link);
        all->n_open++;
        return p;
}

static void parcel_free(struct splice *p, struct parcel *parcel) {
        list_remove(&parcel->link);
        budget_give(&p->all->held, CHANNEL_UNIT + OVERHEAD);
        refbuf_unref(parcel->buffer);
        free(parcel);
}

static void waiting_free(struct waiting *w) {
        list_remove(&w->link);
        refbuf_unref(w->content);
        free(w);
}

static void splice_free(struct splice *p) {
        struct list *link;

        while ((link = list_first(&p->parcels)))
                parcel_free(p, LIST_ENTRY(link, struct parcel, link));
        while ((link = list_first(&p->waiting)))
                waiting_free(LIST_ENTRY(link, struct waiting, link));
        list_remove(&p->link);
        list_remove(&p->dirty);
        p->all->n_open--;
        free(p);
}

/* Both ends at once, as far as they are still there. */
static void splice_break(struct splice *p, uint32_t code, const char *text) {
        struct channel *c = TAKE(p->channel);
        struct stream *s = TAKE(p->stream);

        if (c)
                channel_reset(c, code, text);
        if (s)
                stream_abandon(s, 0);
        splice_free(p);
}

void splices_done(struct splices *all) {
        struct list *link;

        while ((link = list_first(&all->all)))
                splice_break(LIST_ENTRY(link, struct splice, link), TRANSPORT_E_LOST,
                             "the transport is stopping");
}

/* ---- from the peer to the service ---- */

/* False when the channel takes no more now. */
static bool send_parcel(struct splice *p, struct parcel *parcel) {
        if (channel_send_refbuf(p->channel, parcel->buffer, 0, parcel->filled) != CHANNEL_OK)
                return false;
        p->all->bytes_in += parcel->filled;
        if (p->stream)
                stream_consumed(p->stream, parcel->filled);
        return true;
}

static void finish_channel(struct splice *p) {
        if (p->peer_finished && list_is_empty(&p->parcels) && p->channel)
                (void) channel_finish(p->channel);
}

/* Parcels leave when full, or with `partly` as they are. */
static void forward(struct splice *p, bool partly) {
        struct list *link;

        while (p->channel && (link = list_first(&p->parcels))) {
                struct parcel *parcel = LIST_ENTRY(link, struct parcel, link);

                if (parcel->filled < CHANNEL_UNIT && !partly)
                        return;
                if (!send_parcel(p, parcel))
                        return;
                parcel_free(p, parcel);
        }
        finish_channel(p);
}

static struct parcel *parcel_to_fill(struct splice *p) {
        struct parcel *parcel;

        if (!list_is_empty(&p->parcels)) {
                parcel = LIST_ENTRY(p->parcels.previous, struct parcel, link);
                if (parcel->filled < CHANNEL_UNIT)
                        return parcel;
        }
        if (budget_take(&p->all->held, CHANNEL_UNIT + OVERHEAD) != BUDGET_OK)
                return NULL;
        parcel = xnew(struct parcel);
        parcel->buffer = refbuf_alloc(CHANNEL_UNIT);
        list_init(&parcel->link);
        list_push_back(&p->parcels, &parcel->link);
        return parcel;
}

static bool put(struct splice *p, struct bytes data) {
        while (data.len > 0) {
                struct parcel *parcel = parcel_to_fill(p);
                size_t room, n;

                if (!parcel)
                        return false;
                room = CHANNEL_UNIT - parcel->filled;
                n = data.len < room ? data.len : room;
                memcpy(parcel->buffer->data + parcel->filled, data.data, n);
                parcel->filled += n;
                data = BYTES(data.data + n, data.len - n);
                if (parcel->filled == CHANNEL_UNIT)
                        forward(p, false);
        }
        return true;
}

static void stream_on_data(struct stream *s, struct bytes data) {
        struct splice *p = s->userdata;

        if (!put(p, data)) {
                p->all->n_over_budget++;
                splice_break(p, TRANSPORT_E_REFUSED,
                             "receive-buffer is full: services take too little of what peers send");
                return;
        }
        if (list_is_empty(&p->dirty))
                list_push_back(&p->all->dirty, &p->dirty);
}

void splices_flush(struct splices *all) {
        struct list *link;

        while ((link = list_pop_front(&all->dirty)))
                forward(LIST_ENTRY(link, struct splice, dirty), true);
}

static void stream_on_fin(struct stream *s) {
        struct splice *p = s->userdata;

        p->peer_finished = true;
        forward(p, true);
}

static void stream_on_reset(struct stream *s, uint64_t code) {
        char text[64];

        (void) snprintf(text, sizeof(text), "the peer reset the stream (code %llu)",
                        (unsigned long long) code);
        splice_break(s->userdata, TRANSPORT_E_RESET, text);
}

/* ---- from the service to the peer ---- */

static bool write_waiting(struct splice *p) {
        struct list *link;

        while ((link = list_first(&p->waiting))) {
                struct waiting *w = LIST_ENTRY(link, struct waiting, link);
                int r = p->is_mute ? STREAM_E_CLOSED : stream_write_refbuf(p->stream, w->content);

                if (r == STREAM_E_FULL)
                        return false;
                p->all->bytes_out += r == STREAM_OK ? w->content->len : 0;
                if (p->channel)
                        channel_consumed(p->channel, 1);
                waiting_free(w);
        }
        return true;
}

/* Without a channel any more this was the last duty: QUIC delivers what it has queued. The
 * splice may be gone afterwards. */
static void push(struct splice *p) {
        if (!p->stream || !write_waiting(p))
                return;
        if (p->service_finished)
                stream_finish(p->stream);
        if (p->channel)
                return;
        p->stream->handler = NULL;
        p->stream->userdata = NULL;
        splice_free(p);
}

static void channel_on_data(struct channel *c, void *userdata, struct bytes data) {
        struct splice *p = userdata;
        struct waiting *w;

        if (!p->stream) {
                channel_consumed(c, 1);
                return;
        }
        w = xnew(struct waiting);
        w->content = refbuf_new(data);
        list_init(&w->link);
        list_push_back(&p->waiting, &w->link);
        push(p);
}

static void channel_on_finish(struct channel *c, void *userdata) {
        struct splice *p = userdata;

        p->service_finished = true;
        push(p);
}

static void channel_on_writable(struct channel *c, void *userdata) {
        forward(userdata, true);
}

static void channel_on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        forward(userdata, true);
}

/* Code 0 comes when both sides have finished, perhaps before all bytes found room. */
static void channel_on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct splice *p = userdata;

        p->channel = NULL;
        if (code == 0 && p->stream)
                push(p);
        else
                splice_break(p, 0, "");
}

static void stream_on_stop(struct stream *s, uint64_t code) {
        struct splice *p = s->userdata;

        p->is_mute = true;
        push(p);
}

static void stream_on_writable(struct stream *s) {
        push(s->userdata);
}

/* What has arrived still goes to the service, if the peer had finished. */
static void stream_on_close(struct stream *s, enum stream_end end) {
        struct splice *p = s->userdata;
        struct list *link;

        p->stream = NULL;
        if (end == STREAM_END_LOST || !p->peer_finished || !p->channel) {
                splice_break(p, end == STREAM_END_LOST ? TRANSPORT_E_LOST : TRANSPORT_E_RESET,
                             end == STREAM_END_LOST ? "the connection was lost"
                                                    : "the stream was reset");
                return;
        }
        while ((link = list_first(&p->waiting))) {
                waiting_free(LIST_ENTRY(link, struct waiting, link));
                channel_consumed(p->channel, 1);
        }
}

/* ---- joining ---- */

static const struct stream_handler stream_side = {
        .on_data = stream_on_data,
        .on_fin = stream_on_fin,
        .on_reset = stream_on_reset,
        .on_stop = stream_on_stop,
        .on_writable = stream_on_writable,
        .on_close = stream_on_close,
};

const struct channel_handler splice_channel_handler = {
        .on_accepted = channel_on_accepted,
        .on_data = channel_on_data,
        .on_writable = channel_on_writable,
        .on_finish = channel_on_finish,
        .on_end = channel_on_end,
};

bool splice_accepting(struct splices *all, struct channel *c, struct stream *s,
                      struct bytes metadata) {
        struct splice *p = splice_new(all);

        if (channel_accept(c, metadata, &splice_channel_handler, p)) {
                splice_free(p);
                stream_abandon(s, 0);
                return false;
        }
        p->channel = c;
        p->stream = s;
        stream_attach(s, &stream_side, p);
        return true;
}

bool splice_opening(struct splice *p, struct channel *c, struct stream *s) {
        if (!c) {
                splice_free(p);
                return false;
        }
        p->channel = c;
        p->stream = s;
        stream_attach(s, &stream_side, p);
        return true;
}
