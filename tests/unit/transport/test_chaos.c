#include <stdlib.h>

#include "common/base/rng.h"
#include "services/transport/ping.h"
#include "tests/support/test.h"
#include "tests/unit/transport/mesh.h"

/* Five transports and a person who tries everything at once: opens, cancels, resets,
 * disconnects, cuts cables. Whatever happens, every request is answered once, every stream
 * closed once, and nothing is touched after it is gone (run this with a sanitizer). */

#define NODES    5
#define STEPS    400
#define REQUESTS 4096
#define STREAMS  64
#define ECHO     "/test/echo/1"

static struct {
        struct mesh mesh;
        struct rng rng;
        uint64_t numbers[REQUESTS];
        bool is_answered[REQUESTS], is_cancelled[REQUESTS];
        size_t owner[REQUESTS], n_requests, n_by_code[TRANSPORT_E_BACKING_OFF + 1];
        struct stream *streams[STREAMS]; /* open ones of requesters */
        size_t n_open;                   /* streams with a handler of ours */
} w;

static void on_data(struct stream *s, struct bytes data) {
        stream_consumed(s, data.len);
        if (stream_write(s, data) == STREAM_E_CLOSED)
                stream_reset(s, 0);
}

static void on_fin(struct stream *s) {
        stream_finish(s);
}

static void on_close(struct stream *s, enum stream_end end) {
        size_t slot = (size_t) (uintptr_t) s->userdata;

        w.n_open--;
        if (slot > 0)
                w.streams[slot - 1] = NULL;
}

static const struct stream_handler serving = { .on_data = on_data,
                                               .on_fin = on_fin,
                                               .on_close = on_close };

static void consume(struct stream *s, struct bytes data) {
        stream_consumed(s, data.len);
}

static const struct stream_handler calling = { .on_data = consume, .on_close = on_close };

static void open_echo(void *userdata, struct stream *s, const char *name) {
        if (rng_chance(&w.rng, 0.1))
                return; /* the manager abandons it */
        w.n_open++;
        stream_attach(s, &serving, NULL);
}

static void on_opened(void *userdata, const struct transport_opened *o) {
        size_t i = (size_t) (uintptr_t) userdata, slot = rng_below(&w.rng, STREAMS);

        assert_false(w.is_answered[i]);
        assert_false(w.is_cancelled[i]);
        w.is_answered[i] = true;
        w.n_by_code[o->code]++;
        if (!o->stream || w.streams[slot])
                return;
        w.streams[slot] = o->stream;
        w.n_open++;
        stream_attach(o->stream, &calling, (void *) (uintptr_t) (slot + 1));
}

static void do_open(size_t from, size_t to) {
        static const char *const protocols[] = { "/none/1", ECHO, PING_PROTOCOL };
        struct multiaddr at = mesh_address(&w.mesh.nodes[rng_below(&w.rng, NODES)]);
        size_t first = rng_below(&w.rng, 3), i = w.n_requests++;
        struct transport_open o = {
                .peer = *mesh_peer(&w.mesh.nodes[to]),
                .protocols = protocols + first,
                .n_protocols = rng_below(&w.rng, 4 - first),
                .addrs = &at,
                .n_addrs = 1,
                .timeout = rng_below(&w.rng, 5000) * NSEC_PER_MSEC,
                .force = rng_chance(&w.rng, 0.5),
                .is_needed = rng_chance(&w.rng, 0.5),
                .fn = on_opened,
                .userdata = (void *) (uintptr_t) i,
        };

        assert_true(w.n_requests < REQUESTS);
        w.owner[i] = from;
        if (rng_chance(&w.rng, 0.8))
                at = mesh_address(&w.mesh.nodes[to]);
        w.numbers[i] = transport_open(w.mesh.nodes[from].transport, &o, w.mesh.now);
}

static void do_cancel(size_t from, size_t to) {
        size_t i;

        if (w.n_requests == 0)
                return;
        i = w.n_requests - 1 - rng_below(&w.rng, w.n_requests < 8 ? w.n_requests : 8);
        if (w.is_answered[i])
                return;
        w.is_cancelled[i] = true;
        transport_cancel(w.mesh.nodes[w.owner[i]].transport, w.numbers[i]);
}

static void do_write(size_t from, size_t to) {
        static const uint8_t bytes[20000];
        struct stream *s = w.streams[rng_below(&w.rng, STREAMS)];

        if (s)
                (void) stream_write(s, BYTES(bytes, rng_below(&w.rng, sizeof(bytes))));
}

static void do_finish(size_t from, size_t to) {
        struct stream *s = w.streams[rng_below(&w.rng, STREAMS)];

        if (s)
                stream_finish(s);
}

static void do_reset(size_t from, size_t to) {
        struct stream *s = w.streams[rng_below(&w.rng, STREAMS)];

        if (s)
                stream_reset(s, 0);
}

static void do_disconnect(size_t from, size_t to) {
        (void) transport_disconnect(w.mesh.nodes[from].transport, mesh_peer(&w.mesh.nodes[to]));
}

static void do_keep(size_t from, size_t to) {
        (void) transport_keep(w.mesh.nodes[from].transport, mesh_peer(&w.mesh.nodes[to]));
}

static void do_unkeep(size_t from, size_t to) {
        transport_unkeep(w.mesh.nodes[from].transport, mesh_peer(&w.mesh.nodes[to]));
}

static void do_pin(size_t from, size_t to) {
        struct multiaddr at = mesh_address(&w.mesh.nodes[to]);

        if (from != to && rng_chance(&w.rng, 0.2))
                transport_pin(w.mesh.nodes[from].transport, &at, w.mesh.now);
}

static void do_cut(size_t from, size_t to) {
        w.mesh.nodes[from].is_down = !w.mesh.nodes[from].is_down;
}

static void do_unserve(size_t from, size_t to) {
        const struct transport_protocol echo = {
                .name = ECHO, .max_per_peer = 4, .is_needed = true, .open = open_echo
        };

        if (transport_serve(w.mesh.nodes[from].transport, &echo, w.mesh.now))
                transport_unserve(w.mesh.nodes[from].transport, ECHO, w.mesh.now);
}

static void (*const actions[])(size_t from, size_t to) = {
        do_open,   do_open,  do_open,  do_open,    do_open,       do_cancel,
        do_write,  do_write, do_write, do_reset,   do_disconnect, do_keep,
        do_unkeep, do_pin,   do_cut,   do_unserve, do_finish,
};

static void tight(struct transport_config *c) {
        c->peers_max = 4;
        c->openings_max = 12;
        c->quic.limits.connections = 8;
        c->quic.idle_timeout = 3 * NSEC_PER_SEC;
        c->negotiate_timeout = c->identify_timeout = 2 * NSEC_PER_SEC;
}

static void run(uint64_t seed) {
        memset(&w, 0, sizeof(w));
        rng_init(&w.rng, seed);
        mesh_init(&w.mesh);
        for (size_t i = 0; i < NODES; i++) {
                (void) mesh_add(&w.mesh, tight);
                do_unserve(i, i);
        }
        for (int i = 0; i < STEPS; i++) {
                actions[rng_below(&w.rng, ELEMENTSOF(actions))](rng_below(&w.rng, NODES),
                                                                rng_below(&w.rng, NODES));
                (void) mesh_run(&w.mesh, rng_below(&w.rng, 200) * NSEC_PER_MSEC, NULL);
        }
        mesh_done(&w.mesh);
        for (size_t i = 0; i < w.n_requests; i++)
                assert_true(w.is_answered[i] != w.is_cancelled[i]);
        assert_int_equal(w.n_open, 0);
}

/* QUORATE_TEST_SEEDS: how many, from 1. */
static void test_seeds(void **state) {
        const char *text = getenv("QUORATE_TEST_SEEDS");
        uint64_t n = text ? strtoull(text, NULL, 10) : 3;
        size_t n_ok = 0;

        for (uint64_t seed = 1; seed <= n; seed++) {
                print_message("# seed %llu\n", (unsigned long long) seed);
                run(seed);
                print_message("# %zu requests, answers by code:", w.n_requests);
                for (size_t i = 0; i < ELEMENTSOF(w.n_by_code); i++)
                        print_message(" %zu", w.n_by_code[i]);
                print_message("\n");
                n_ok += w.n_by_code[TRANSPORT_OK];
        }
        /* Worth its time only if things also work now and then. */
        assert_true(n_ok > 10 * n);
}

TEST_MAIN(cmocka_unit_test(test_seeds))
