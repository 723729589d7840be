#include <stdlib.h>

#include "common/base/error.h"
#include "services/transport/perf.h"
#include "services/transport/ping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stream without a network: what the handlers of ping and perf do with any order of
 * events. Its memory goes with on_close, so that nothing may be touched afterwards. */
struct fake {
        struct stream base;
        size_t room, unconsumed;
        bool is_shut, peer_finished;
};

static nsec_t now;
static bool is_done;

static struct fake *of(struct stream *s) {
        return (struct fake *) s;
}

static int fake_write(struct stream *s, struct refbuf *b) {
        struct fake *f = of(s);

        if (f->is_shut)
                return STREAM_E_CLOSED;
        if (!b || b->len > f->room)
                return STREAM_E_FULL;
        f->room -= b->len;
        return STREAM_OK;
}

static size_t fake_room(const struct stream *s) {
        const struct fake *f = (const struct fake *) s;

        return f->is_shut ? 0 : f->room;
}

static void fake_finish(struct stream *s) {
        of(s)->is_shut = true;
}

static void fake_reset(struct stream *s, uint64_t code) {
        of(s)->is_shut = true;
}

static void fake_stop(struct stream *s, uint64_t code) {
}

static void fake_consumed(struct stream *s, size_t n) {
        check(n <= of(s)->unconsumed);
        of(s)->unconsumed -= n;
}

static const struct stream_ops ops = {
        .write = fake_write,
        .room = fake_room,
        .finish = fake_finish,
        .reset = fake_reset,
        .stop = fake_stop,
        .consumed = fake_consumed,
};

static void on_pinged(void *userdata, const nsec_t *rtts, size_t n_done, size_t count) {
        check(!is_done && n_done <= count);
        is_done = true;
}

static void on_measured(void *userdata, const struct perf_result *result) {
        check(!is_done);
        is_done = true;
}

static void attach(struct fake *f, unsigned which) {
        static uint64_t counter;

        switch (which % 4) {
        case 0:
                ping_serve(&f->base, &counter);
                break;
        case 1:
                perf_serve(&f->base);
                break;
        case 2:
                (void) ping_start(&f->base, 3, &now, 1, on_pinged, NULL);
                break;
        default:
                (void) perf_start(&f->base, 100000, 50, &now, on_measured, NULL);
        }
}

static void deliver(struct fake *f, struct bytes data) {
        if (f->peer_finished || data.len == 0)
                return;
        f->unconsumed += data.len;
        stream_deliver(&f->base, data);
}

static void finish(struct fake *f) {
        const struct stream_handler *h = f->base.handler;

        if (!f->peer_finished && h && h->on_fin)
                h->on_fin(&f->base);
        f->peer_finished = true;
}

static void abort_stream(struct fake *f, bool stop) {
        const struct stream_handler *h = f->base.handler;

        if (stop) {
                f->is_shut = true;
                if (h && h->on_stop)
                        h->on_stop(&f->base, 0);
        } else if (!f->peer_finished) {
                f->peer_finished = true;
                if (h && h->on_reset)
                        h->on_reset(&f->base, 0);
        }
}

static void make_room(struct fake *f, size_t n) {
        const struct stream_handler *h = f->base.handler;

        f->room += n;
        if (!f->is_shut && h && h->on_writable)
                h->on_writable(&f->base);
}

/* Two bytes a step: what, and how much. */
static size_t step(struct fake *f, const uint8_t *data, size_t size) {
        size_t n = data[1];

        now += n;
        switch (data[0] % 5) {
        case 0:
                n = n < size - 2 ? n : size - 2;
                deliver(f, BYTES(data + 2, n));
                return 2 + n;
        case 1:
                finish(f);
                return 2;
        case 2:
        case 3:
                abort_stream(f, data[0] % 5 == 3);
                return 2;
        default:
                make_room(f, n * 512);
                return 2;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct fake *f = calloc(1, sizeof(*f));
        bool asks;

        check(f);
        if (size < 2) {
                free(f);
                return 0;
        }
        is_done = false;
        asks = data[0] % 4 >= 2;
        f->base.ops = &ops;
        f->room = data[1] * 64;
        attach(f, data[0]);
        for (size_t at = 2; at + 2 <= size;)
                at += step(f, data + at, size - at);
        if (f->base.handler && f->base.handler->on_close)
                f->base.handler->on_close(&f->base, STREAM_END_LOST);
        check(!asks || is_done);
        free(f);
        return 0;
}
