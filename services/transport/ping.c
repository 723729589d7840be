#include "services/transport/ping.h"

#include "common/base/memory.h"
#include "common/base/rng.h"

#define ECHO_HELD_MAX 4096

/* ---- the answering side ---- */

struct echo {
        uint64_t *counter, n_bytes;
        bool is_over;       /* the peer has finished */
        struct buffer held; /* read, and not written back yet */
};

static void echo_drop(struct stream *s, struct echo *e) {
        buffer_done(&e->held);
        free(e);
        stream_abandon(s, 0);
}

/* Everything held, or nothing: it is little. */
static void echo_write(struct stream *s, struct echo *e) {
        if (e->held.len == 0 || stream_write(s, buffer_bytes(&e->held)) != STREAM_OK)
                return;
        e->n_bytes += e->held.len;
        *e->counter += e->n_bytes / PING_SIZE;
        e->n_bytes %= PING_SIZE;
        buffer_clear(&e->held);
        if (e->is_over)
                stream_finish(s);
}

static void echo_on_data(struct stream *s, struct bytes data) {
        struct echo *e = s->userdata;

        stream_consumed(s, data.len);
        buffer_put_bytes(&e->held, data);
        if (e->held.failed)
                echo_drop(s, e);
        else
                echo_write(s, e);
}

static void echo_on_fin(struct stream *s) {
        struct echo *e = s->userdata;

        e->is_over = true;
        if (e->held.len == 0)
                stream_finish(s);
}

static void echo_on_reset(struct stream *s, uint64_t code) {
        echo_drop(s, s->userdata);
}

static void echo_on_writable(struct stream *s) {
        echo_write(s, s->userdata);
}

static void echo_on_close(struct stream *s, enum stream_end end) {
        struct echo *e = s->userdata;

        buffer_done(&e->held);
        free(e);
}

static const struct stream_handler echoing = {
        .on_data = echo_on_data,
        .on_fin = echo_on_fin,
        .on_reset = echo_on_reset,
        .on_stop = echo_on_reset,
        .on_writable = echo_on_writable,
        .on_close = echo_on_close,
};

void ping_serve(struct stream *s, uint64_t *counter) {
        struct echo *e = xnew(struct echo);

        e->counter = counter;
        buffer_init(&e->held, ECHO_HELD_MAX);
        stream_attach(s, &echoing, e);
}

/* ---- the asking side ---- */

struct ping {
        struct stream *stream;
        const nsec_t *clock;
        struct rng rng;
        uint8_t payload[PING_SIZE];
        size_t n_back; /* bytes of the payload that came back */
        nsec_t sent;
        size_t count, n_done;
        nsec_t *rtts;
        ping_done_fn fn;
        void *userdata;
};

static void ping_end(struct ping *p) {
        p->fn(p->userdata, p->rtts, p->n_done, p->count);
        free(p->rtts);
        free(p);
}

/* Finishes properly: our FIN, and no interest in what might still come. */
static void ping_leave(struct ping *p) {
        struct stream *s = p->stream;

        s->handler = NULL;
        s->userdata = NULL;
        stream_finish(s);
        stream_stop(s, 0);
        ping_end(p);
}

void ping_stop(struct ping *p) {
        stream_abandon(p->stream, 0);
        ping_end(p);
}

static bool ping_send(struct ping *p) {
        rng_bytes(&p->rng, p->payload, PING_SIZE);
        p->n_back = 0;
        p->sent = *p->clock;
        return stream_write(p->stream, BYTES_OF(p->payload)) == STREAM_OK;
}

static void ping_on_data(struct stream *s, struct bytes data) {
        struct ping *p = s->userdata;

        stream_consumed(s, data.len);
        if (data.len > PING_SIZE - p->n_back ||
            memcmp(p->payload + p->n_back, data.data, data.len) != 0) {
                ping_stop(p);
                return;
        }
        p->n_back += data.len;
        if (p->n_back < PING_SIZE)
                return;
        p->rtts[p->n_done++] = nsec_sub(*p->clock, p->sent);
        if (p->n_done == p->count)
                ping_leave(p);
        else if (!ping_send(p))
                ping_stop(p);
}

static void ping_on_fin(struct stream *s) {
        ping_stop(s->userdata);
}

static void ping_on_reset(struct stream *s, uint64_t code) {
        ping_stop(s->userdata);
}

static void ping_on_close(struct stream *s, enum stream_end end) {
        ping_end(s->userdata);
}

static const struct stream_handler pinging = {
        .on_data = ping_on_data,
        .on_fin = ping_on_fin,
        .on_reset = ping_on_reset,
        .on_stop = ping_on_reset,
        .on_close = ping_on_close,
};

struct ping *ping_start(struct stream *s, size_t count, const nsec_t *clock, uint64_t seed,
                        ping_done_fn fn, void *userdata) {
        struct ping *p = xnew(struct ping);

        *p = (struct ping){
                .stream = s, .clock = clock, .count = count, .fn = fn, .userdata = userdata
        };
        p->rtts = xnew_n(nsec_t, count);
        rng_init(&p->rng, seed);
        stream_attach(s, &pinging, p);
        if (ping_send(p))
                return p;
        ping_stop(p);
        return NULL;
}
