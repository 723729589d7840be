/* stream_mb_s: 1 GiB each way between two nodes (keyring and transport as real processes)
 * through both stream services, on one stream; every byte is checked. The slower direction
 * counts. stream_transport_peak_mib: the greater peak of the two transports by then.
 * stream_open_us: opening one more stream on a connection that stands. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "tests/support/node.h"
#include "tests/support/peers.h"
#include "tests/support/streams.h"

#define PROTOCOL      "/bench/move/1"
#define BYTES_ONE_WAY (UINT64_C(1) << 30)
#define OPENINGS      200
#define LONG          (300 * NSEC_PER_SEC)

struct side {
        struct test_node *node;
        struct peers_client peers;
        struct streams_client streams;
        struct peer_id id;
        char address[256];
};

static void side_init(struct side *s, struct loop *loop) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r;

        s->node = test_node_new("");
        peers_client_init(&s->peers, loop, test_node_path(s->node, "transport/peers"));
        streams_client_init(&s->streams, loop, test_node_path(s->node, "transport/streams"));
        r = peers_call(&s->peers, "Status", &in, LONG);
        check(r && peer_id_parse(BYTES(r->peer.data, r->peer.len), &s->id));
        (void) snprintf(s->address, sizeof(s->address), "%s", r->listen[0]);
}

static void side_done(struct side *s) {
        streams_client_done(&s->streams);
        peers_client_done(&s->peers);
        test_node_free(s->node);
}

static double mb_s(uint64_t bytes, nsec_t took) {
        return (double) bytes * 1e3 / (double) took;
}

static double move(struct loop *loop, struct side *a, struct side *b) {
        struct test_stream *s = streams_client_open(&a->streams, &b->id, PROTOCOL, b->address),
                           *other;
        nsec_t began;
        double there, back;

        check(streams_wait(loop, &s->is_accepted, LONG));
        began = loop_now(loop);
        test_stream_send(s, BYTES_ONE_WAY, true);
        while (b->streams.n_streams == 0)
                check(loop_turn(loop, LONG) >= 0);
        other = &b->streams.streams[0];
        check(streams_wait(loop, &other->peer_finished, LONG));
        there = mb_s(BYTES_ONE_WAY, loop_now(loop) - began);
        began = loop_now(loop);
        test_stream_send(other, BYTES_ONE_WAY, true);
        check(streams_wait(loop, &s->has_ended, LONG));
        back = mb_s(BYTES_ONE_WAY, loop_now(loop) - began);
        check(s->received == BYTES_ONE_WAY && other->received == BYTES_ONE_WAY);
        check(!s->is_wrong && !other->is_wrong);
        return there < back ? there : back;
}

static double openings(struct loop *loop, struct side *a, struct side *b) {
        nsec_t began = loop_now(loop);

        for (int i = 0; i < OPENINGS; i++) {
                struct test_stream *s = streams_client_open(&a->streams, &b->id, PROTOCOL, NULL);

                check(streams_wait(loop, &s->is_accepted, LONG));
                test_stream_reset(s);
        }
        return (double) (loop_now(loop) - began) / 1e3 / OPENINGS;
}

int main(void) {
        struct side *a = xnew(struct side), *b = xnew(struct side);
        struct loop *loop;
        double rate, open_us;
        long peak;

        (void) setenv("QUORATE_KEYRING", KEYRING_PROGRAM, 0);
        (void) setenv("QUORATE_TRANSPORT", TRANSPORT_PROGRAM, 0);
        check(loop_new(&loop) == 0);
        side_init(a, loop);
        side_init(b, loop);
        check(streams_client_serve(&b->streams, PROTOCOL) == 0);
        rate = move(loop, a, b);
        open_us = openings(loop, a, b);
        peak = test_node_rss(a->node, true);
        if (test_node_rss(b->node, true) > peak)
                peak = test_node_rss(b->node, true);
        (void) printf("{\"stream_mb_s\":%.0f,\"stream_transport_peak_mib\":%.1f,"
                      "\"stream_open_us\":%.1f}\n",
                      rate, (double) peak / 1024, open_us);
        side_done(a);
        side_done(b);
        loop_free(loop);
        free(a);
        free(b);
        return 0;
}
