/* Two ways: the bytes as one RPC; and frames, each a peer, what it does, and bytes for
 * that. Signatures are taken as right when their first byte is even. */

#include "common/base/error.h"
#include "tests/unit/gossip/bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 6

static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        return signature.data[0] % 2 == 0;
}

static void turn(struct bench *b, unsigned peer, unsigned what, struct bytes in) {
        b->verdict = in.len % 3;
        switch (what) {
        case 0:
                bench_down(b, peer);
                break;
        case 1:
                bench_up(b, peer, in.len % 2);
                break;
        case 2:
                bench_run(b, in.len * 100 * NSEC_PER_MSEC);
                break;
        case 3:
                pubsub_deny(b->p, &b->peers[peer], in.len % 2, b->now);
                break;
        case 4:
                pubsub_queued(b->p, &b->peers[peer], in.len * 32 * 1024, b->now);
                break;
        case 5:
                pubsub_unsubscribe(b->p, TOPIC, b->now);
                break;
        case 6:
                (void) pubsub_subscribe(b->p, TOPIC, NULL, b->now);
                break;
        case 7:
                (void) pubsub_publish(b->p, b->now + in.len, TOPIC, in, b->now);
                break;
        default:
                bench_rpc(b, peer, in);
        }
        bench_drain(b);
}

/* A byte: who and what; a byte: how long; so many bytes. */
static void structured(struct bench *b, struct bytes in) {
        while (in.len >= 2) {
                uint8_t head = in.data[0];
                size_t n = in.data[1] < in.len - 2 ? in.data[1] : in.len - 2;

                turn(b, head % PEERS, head / PEERS % 16, BYTES(in.data + 2, n));
                in = BYTES(in.data + 2 + n, in.len - 2 - n);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bench b;

        bench_init(&b, NULL);
        pubsub_verifier(b.p, verify, NULL);
        check(!pubsub_subscribe(b.p, TOPIC, NULL, b.now));
        for (unsigned i = 0; i < PEERS; i++)
                bench_join(&b, i);
        if (size > 0 && data[0] == 0xff)
                structured(&b, BYTES(data + 1, size - 1));
        else
                bench_rpc(&b, 0, BYTES(data, size));
        bench_run(&b, 2 * NSEC_PER_SEC);
        check(pubsub_mesh_size(b.p, TOPIC) <= PEERS);
        for (unsigned i = 0; i < PEERS; i++)
                check(b.sent[i].largest <= PUBSUB_RPC_MAX);
        bench_done(&b);
        return 0;
}
