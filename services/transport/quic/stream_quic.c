#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/transport/quic/internal.h"

/* Streams of a QUIC connection. ngtcp2 keeps pointers into what it sent until the
 * peer acknowledged it, so buffers stay where they are and are let go in order. */

#define RING_FIRST 8

static struct quic_stream *of(struct stream *s) {
        return container_of(s, struct quic_stream, base);
}

static struct refbuf *chunk(const struct quic_stream *s, size_t i) {
        return s->chunks[(s->first + i) & (s->capacity - 1)];
}

static void ring_grow(struct quic_stream *s) {
        size_t capacity = s->capacity ? s->capacity * 2 : RING_FIRST;
        struct refbuf **chunks = xnew_n(struct refbuf *, capacity);

        for (size_t i = 0; i < s->n_chunks; i++)
                chunks[i] = chunk(s, i);
        free(s->chunks);
        s->chunks = chunks;
        s->capacity = capacity;
        s->first = 0;
}

static void ring_push(struct quic_stream *s, struct refbuf *b) {
        if (s->n_chunks == s->capacity)
                ring_grow(s);
        s->chunks[(s->first + s->n_chunks++) & (s->capacity - 1)] = refbuf_ref(b);
}

static void ring_pop(struct quic_stream *s) {
        struct refbuf *b = chunk(s, 0);

        budget_give(&s->budget, b->len + CHUNK_OVERHEAD);
        s->acked += b->len;
        s->first = (s->first + 1) & (s->capacity - 1);
        s->n_chunks--;
        if (s->next_chunk > 0)
                s->next_chunk--;
        refbuf_unref(b);
}

bool quic_stream_has_output(const struct quic_stream *s) {
        return !s->is_shut && (s->sent < s->end || (s->wants_fin && !s->fin_sent));
}

static void enqueue(struct quic_stream *s) {
        if (!quic_stream_has_output(s))
                return;
        if (list_is_empty(&s->queued))
                list_push_back(&s->connection->sending, &s->queued);
        connection_wake(s->connection);
}

static bool is_writable(const struct quic_stream *s) {
        return !s->is_shut && !s->wants_fin && !s->is_closed &&
               s->connection->state == CONNECTION_CONFIRMED;
}

static size_t quic_stream_room(const struct stream *base) {
        const struct quic_stream *s = container_of(base, struct quic_stream, base);
        uint64_t left;

        if (!is_writable(s))
                return 0;
        left = budget_left(&s->budget);
        return left > CHUNK_OVERHEAD ? left - CHUNK_OVERHEAD : 0;
}

/* The shared budgets are at fault when the stream's own has room: somebody else's
 * acknowledgement must wake this stream, since the next of its own may never come. */
static void starve(struct quic_stream *s) {
        if (s->wants_room && is_writable(s) && list_is_empty(&s->starved) &&
            s->budget.limit - s->budget.used >= s->budget.limit / 2)
                list_push_back(&s->connection->quic->starved, &s->starved);
}

static int refuse(struct quic_stream *s) {
        s->wants_room = true;
        starve(s);
        return STREAM_E_FULL;
}

static int quic_stream_write(struct stream *base, struct refbuf *b) {
        struct quic_stream *s = of(base);

        if (!is_writable(s))
                return STREAM_E_CLOSED;
        if (!b || budget_take(&s->budget, b->len + CHUNK_OVERHEAD) != BUDGET_OK)
                return refuse(s);
        ring_push(s, b);
        s->end += b->len;
        if (s->budget.used > s->budget.limit / 2)
                s->wants_room = true;
        enqueue(s);
        return STREAM_OK;
}

static void quic_stream_finish(struct stream *base) {
        struct quic_stream *s = of(base);

        if (!is_writable(s))
                return;
        s->wants_fin = true;
        enqueue(s);
}

static bool is_over(const struct quic_stream *s) {
        return s->is_closed || !s->connection->ngtcp2;
}

static void quic_stream_reset(struct stream *base, uint64_t code) {
        struct quic_stream *s = of(base);

        if (is_over(s))
                return;
        s->is_shut = s->is_stopped = true;
        s->wants_room = false;
        list_remove(&s->queued);
        list_remove(&s->starved);
        qc_reset_stream(s->connection->ngtcp2, (int64_t) base->id, code);
        connection_wake(s->connection);
}

static void quic_stream_stop(struct stream *base, uint64_t code) {
        struct quic_stream *s = of(base);

        if (is_over(s) || s->is_stopped)
                return;
        s->is_stopped = true;
        qc_stop_stream(s->connection->ngtcp2, (int64_t) base->id, code);
        connection_wake(s->connection);
}

static void quic_stream_consumed(struct stream *base, size_t n) {
        struct quic_stream *s = of(base);

        check(n <= s->unconsumed);
        if (is_over(s) || n == 0)
                return; /* quic_stream_end() gives back what is left */
        s->unconsumed -= n;
        window_consumed(s->connection, s->is_stopped ? NULL : s, n);
        connection_wake(s->connection);
}

static const struct stream_ops quic_stream_ops = {
        .write = quic_stream_write,
        .room = quic_stream_room,
        .finish = quic_stream_finish,
        .reset = quic_stream_reset,
        .stop = quic_stream_stop,
        .consumed = quic_stream_consumed,
};

/* No more than those above have: streams are told of room once half of this is free. */
static uint64_t send_limit(const struct quic_limits *l) {
        uint64_t n = l->stream_send_bytes;

        if (n > l->connection_send_bytes)
                n = l->connection_send_bytes;
        return n > l->total_send_bytes ? l->total_send_bytes : n;
}

struct quic_stream *quic_stream_new(struct connection *c, int64_t id, bool is_inbound) {
        struct quic_stream *s = xnew(struct quic_stream);

        s->base.ops = &quic_stream_ops;
        s->base.connection = c;
        s->base.peer = *connection_peer(c);
        s->base.id = (uint64_t) id;
        s->base.is_inbound = is_inbound;
        s->connection = c;
        s->window = (struct window){ .size = window_first(c->quic), .since = c->quic->now };
        budget_init(&s->budget, send_limit(&c->quic->config.limits), &c->budget);
        list_init(&s->queued);
        list_init(&s->starved);
        list_push_back(&c->streams, &s->link);
        c->n_streams++;
        ngtcp2_conn_set_stream_user_data(c->ngtcp2, id, s);
        return s;
}

void quic_stream_end(struct quic_stream *s, enum stream_end end) {
        struct connection *c = s->connection;

        s->is_closed = true;
        if (s->base.handler && s->base.handler->on_close)
                s->base.handler->on_close(&s->base, end);
        if (s->base.on_gone)
                s->base.on_gone(&s->base);
        if (c->ngtcp2 && c->state != CONNECTION_CLOSED && s->unconsumed > 0)
                window_consumed(c, NULL, s->unconsumed);
        while (s->n_chunks > 0)
                ring_pop(s);
        list_remove(&s->link);
        list_remove(&s->queued);
        list_remove(&s->starved);
        c->n_streams--;
        quic_feed_starved(c->quic);
        free(s->chunks);
        free(s);
}

size_t quic_stream_vectors(const struct quic_stream *s, size_t enough, ngtcp2_vec *ret,
                           size_t *ret_len) {
        size_t n = 0, len = 0, at = s->next_at;

        for (size_t i = s->next_chunk; i < s->n_chunks && n < VECTORS_MAX && len < enough; i++) {
                struct refbuf *b = chunk(s, i);

                ret[n++] = (ngtcp2_vec){ b->data + at, b->len - at };
                len += b->len - at;
                at = 0;
        }
        *ret_len = len;
        return n;
}

void quic_stream_sent(struct quic_stream *s, size_t n, bool fin) {
        s->sent += n;
        s->next_at += n;
        while (s->next_chunk < s->n_chunks && s->next_at >= chunk(s, s->next_chunk)->len) {
                s->next_at -= chunk(s, s->next_chunk)->len;
                s->next_chunk++;
        }
        if (fin)
                s->fin_sent = true;
        list_remove(&s->queued);
        if (quic_stream_has_output(s))
                list_push_back(&s->connection->sending, &s->queued);
}

static void offer_room(struct quic_stream *s) {
        if (!s->wants_room || !is_writable(s) ||
            quic_stream_room(&s->base) < s->budget.limit / 2 - CHUNK_OVERHEAD)
                return;
        s->wants_room = false;
        list_remove(&s->starved);
        if (s->base.handler && s->base.handler->on_writable)
                s->base.handler->on_writable(&s->base);
}

/* Those who wait for the shared budgets, longest first, as far as there is room. Each
 * is asked once, so that one that writes again cannot keep the others out. */
void quic_feed_starved(struct quic *q) {
        struct list turn, *l;

        list_init(&turn);
        while ((l = list_pop_front(&q->starved)))
                list_push_back(&turn, l);
        while ((l = list_pop_front(&turn))) {
                struct quic_stream *s = LIST_ENTRY(l, struct quic_stream, starved);

                offer_room(s);
                starve(s);
        }
}

void quic_stream_acked(struct quic_stream *s, uint64_t upto) {
        bool freed = false;

        while (s->n_chunks > 0 && s->acked + chunk(s, 0)->len <= upto) {
                ring_pop(s);
                freed = true;
        }
        if (!freed)
                return;
        offer_room(s);
        starve(s);
        if (!list_is_empty(&s->connection->quic->starved))
                quic_feed_starved(s->connection->quic);
}

/* Callbacks may abandon the stream; it is freed only when ngtcp2 says so. */
void quic_stream_received(struct quic_stream *s, struct bytes data, bool fin) {
        if (data.len > 0) {
                s->unconsumed += data.len;
                window_received(s->connection, data.len);
                stream_deliver(&s->base, data);
        }
        if (fin && s->base.handler && s->base.handler->on_fin)
                s->base.handler->on_fin(&s->base);
}

void quic_stream_unblock(struct quic_stream *s) {
        struct connection *c = s->connection;

        if (!quic_stream_has_output(s) ||
            (s->sent < s->end &&
             (ngtcp2_conn_get_max_data_left(c->ngtcp2) == 0 ||
              ngtcp2_conn_get_max_stream_data_left(c->ngtcp2, (int64_t) s->base.id) == 0)))
                return;
        list_remove(&s->queued);
        enqueue(s);
}

void quic_stream_refused(struct quic_stream *s) {
        if (s->is_shut)
                return;
        s->is_shut = true;
        if (s->base.handler && s->base.handler->on_stop)
                s->base.handler->on_stop(&s->base, 0);
}
