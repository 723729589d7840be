/* gossip_validate_per_s: capability records of a shard, each by another author in turn, from the
 * bytes of a neighbour's RPC to the verdict: budgets, the message's signature and the record's
 * (Ed25519 both), the table of offers, forwarding. One core. Time is virtual, so no budget is
 * exceeded. One line of JSON. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "proto/peers.pb-c.h"
#include "services/gossip/gossip.h"
#include "services/gossip/rpc_message.h"

#define AUTHORS 1000
#define ROUNDS  10
#define STEP    (100 * NSEC_PER_MSEC) /* between two messages */
#define WALL    UINT64_C(1790000000000000000)
#define MESH    8

struct author {
        struct sign_secret secret;
        struct peer_id peer;
};

struct bench {
        struct gossip *g;
        nsec_t now;
        struct author self, authors[AUTHORS];
        struct refbuf *messages[AUTHORS];
        char topic[256];
};

static double seconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static struct author author(uint32_t n) {
        uint8_t seed[SIGN_SEED_SIZE] = { 0xa };
        struct sign_public key;
        struct author a;

        store_be32(seed + 4, n);
        sign_keypair(seed, &a.secret, &key);
        a.peer = peer_id_from_ed25519(&key);
        return a;
}

static struct signature sign(const struct author *a, struct bytes prefix, struct bytes message) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 4096);
        buffer_put_bytes(&b, prefix);
        buffer_put_bytes(&b, message);
        return sign_make(&a->secret, buffer_bytes(&b));
}

/* As a host of our kind says it: about 250 bytes. */
static void put_record(struct buffer *b, struct author *a, uint64_t sequence) {
        static const uint8_t address[] = { 4, 8, 8, 8, 8, 0x91, 2, 0x0f, 0xa1, 0xcd, 3 };
        ProtobufCBinaryData addresses[] = { { sizeof(address), (uint8_t *) address } };
        char *engines[] = { (char *) "sqlite/3.40.1+quorate.1/x86_64-linux-gnu/ieee754" };
        Peers__Capability m = PEERS__CAPABILITY__INIT;
        CLEANUP(buffer_donep) struct buffer body = {};
        struct signature s;

        m.peer = (ProtobufCBinaryData){ a->peer.len, a->peer.bytes };
        m.sequence = sequence;
        m.network = (char *) "default";
        m.name = (char *) "a host";
        m.version = (char *) "0.1.0";
        m.addresses = addresses;
        m.n_addresses = 1;
        m.engines = engines;
        m.n_engines = 1;
        m.cores = m.slots = m.free_slots = 8;
        m.memory_mib = 16384;
        m.data_classes = DATA_PUBLIC;
        buffer_init(&body, CAPABILITY_SIZE_MAX);
        wire_pack(&body, &m.base);
        s = sign(a, CAPABILITY_PREFIX, buffer_bytes(&body));
        capability_put(b, buffer_bytes(&body), signature_bytes(&s));
        check(!b->failed);
}

static struct refbuf *rpc_of(struct bench *b, struct author *a, uint64_t sequence) {
        CLEANUP(buffer_donep) struct buffer record = {}, raw = {};
        struct rpc_writer w;
        struct refbuf *rpc;
        struct signature s;

        buffer_init(&record, 2048);
        buffer_init(&raw, 4096);
        put_record(&record, a, sequence);
        message_put(&raw, &a->peer, buffer_bytes(&record), sequence, b->topic);
        s = sign(a, PUBSUB_PREFIX, buffer_bytes(&raw));
        message_put_signature(&raw, signature_bytes(&s));
        rpc_writer_init(&w);
        rpc_put_message(&w, buffer_bytes(&raw));
        rpc = rpc_take(&w);
        rpc_writer_done(&w);
        return rpc;
}

static void drain(struct bench *b) {
        struct gossip_action a;

        while (gossip_output(b->g, &a)) {
                if (a.type == GOSSIP_SIGN_MESSAGE || a.type == GOSSIP_SIGN_CAPABILITY)
                        gossip_sign_failed(b->g, a.id, b->now);
                gossip_action_done(&a);
        }
}

static void run_to(struct bench *b, nsec_t now) {
        while (gossip_deadline(b->g) <= now) {
                b->now = nsec_max(b->now, gossip_deadline(b->g));
                gossip_expire(b->g, b->now);
                drain(b);
        }
        b->now = now;
}

/* A neighbour that is subscribed and in the mesh. */
static void neighbour(struct bench *b, struct author *a) {
        struct gossip_peer p = { .peer = a->peer, .version = PUBSUB_V1_2 };
        struct rpc_writer w;
        struct refbuf *rpc;

        gossip_peer_up(b->g, &p, b->now);
        gossip_stream_opened(b->g, &a->peer, PUBSUB_V1_2, b->now);
        rpc_writer_init(&w);
        rpc_put_subscription(&w, b->topic, true);
        rpc_put_graft(&w, b->topic);
        rpc = rpc_take(&w);
        gossip_rpc(b->g, &a->peer, refbuf_bytes(rpc), b->now);
        refbuf_unref(rpc);
        rpc_writer_done(&w);
        drain(b);
}

static void begin(struct bench *b) {
        struct gossip_status status;
        struct gossip_config config;

        gossip_config_default(&config);
        config.pow_bits = 0;
        b->now = 100 * NSEC_PER_SEC;
        b->self = author(UINT32_MAX);
        b->g = gossip_new(&config, &b->self.peer, 1);
        gossip_clock(b->g, b->now, WALL);
        gossip_size(b->g, 10, b->now);
        gossip_start(b->g, b->now);
        drain(b);
        gossip_status(b->g, &status);
        (void) snprintf(b->topic, sizeof(b->topic), "%s", status.shard);
        for (uint32_t i = 0; i < AUTHORS; i++)
                b->authors[i] = author(i);
        for (uint32_t i = 0; i < MESH; i++)
                neighbour(b, &b->authors[i]);
}

static double one_round(struct bench *b) {
        double began;

        for (size_t i = 0; i < AUTHORS; i++)
                b->messages[i] = rpc_of(b, &b->authors[i], WALL + b->now - 100 * NSEC_PER_SEC + i);
        began = seconds();
        for (size_t i = 0; i < AUTHORS; i++) {
                run_to(b, b->now + STEP);
                gossip_rpc(b->g, &b->authors[i % MESH].peer, refbuf_bytes(b->messages[i]), b->now);
                drain(b);
        }
        began = seconds() - began;
        for (size_t i = 0; i < AUTHORS; i++)
                refbuf_unref(b->messages[i]);
        return began;
}

static uint64_t counter(const struct bench *b, const char *name) {
        const struct pubsub_counter *x;
        size_t n = pubsub_counters(gossip_router(b->g), &x);

        for (size_t i = 0; i < n; i++)
                if (strcmp(x[i].name, name) == 0)
                        return x[i].value;
        return 0;
}

int main(void) {
        static struct bench b;
        double took = 0;

        begin(&b);
        for (unsigned i = 0; i < ROUNDS; i++)
                took += one_round(&b);
        if (counter(&b, "accepted") != AUTHORS * ROUNDS) {
                fprintf(stderr, "bench_gossip: accepted %lu of %u\n",
                        (unsigned long) counter(&b, "accepted"), AUTHORS * ROUNDS);
                return 1;
        }
        printf("{\"gossip_validate_per_s\":%.1f}\n", AUTHORS * ROUNDS / took);
        gossip_free(b.g);
        return 0;
}
