#pragma once

/* Whole dhts with their keepers on virtual time. Signatures are hashes: who may sign is not the
 * question here, and 48 µs a check would be. */

#include "common/crypto/hash.h"
#include "common/wire/unpack.h"
#include "proto/keyring.pb-c.h"
#include "services/dht/keeper.h"
#include "services/dht/store_memory.h"
#include "tests/support/dhts.h"
#include "tests/unit/dht/records.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define HOURS  (60 * MINUTE)
#define BITS   4

static struct store stores[400]; /* survive a kill */
static struct replicate_config replication;

static inline struct signature fake_signature(const struct sign_public *key, struct bytes message) {
        struct hash_value h = hash_of2("test.sign", sign_public_bytes(key), message);
        struct signature s = {};

        memcpy(s.bytes, h.bytes, HASH_SIZE);
        return s;
}

static inline bool fake_verify(void *userdata, const struct sign_public *key, struct bytes message,
                               struct bytes signature) {
        struct signature s = fake_signature(key, message);

        return bytes_equal(signature, signature_bytes(&s));
}

static inline struct store store_of(struct dhts_node *n) {
        if (!stores[n->index].ops)
                stores[n->index] = store_memory_new(&store_limits_default, n->index);
        return stores[n->index];
}

static inline void start(struct dhts_node *n) {
        struct keeper_config config;

        keeper_config_default(&config);
        config.rules.mailbox_bits = BITS;
        config.replicate = replication;
        dht_verifier(n->dht, fake_verify, NULL);
        n->records = keeper_new(&config, n->dht, &n->peer, n->net->config.seed + n->index);
        keeper_region(n->records, n->net->config.n > 40 ? 40.0 / (double) n->net->config.n : 1);
}

static inline void stop(struct dhts_node *n) {
        n->records = keeper_free(n->records);
}

/* What keyring does. */
static inline void sign(struct dhts_node *n, uint64_t id, struct bytes request) {
        CLEANUP(unpacked_donep) struct unpacked unpacked = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        const Keyring__SignRecordRequest *in;
        struct record_statement s;
        struct sign_public key;
        struct signature signature;

        buffer_init(&b, RECORD_BYTES_MAX);
        assert_int_equal(
                wire_unpack(&keyring__sign_record_request__descriptor, request, NULL, &unpacked),
                UNPACK_OK);
        in = unpacked.message;
        s = (struct record_statement){ .kind = in->kind,
                                       .network = BYTES_STR(in->network),
                                       .label = BYTES(in->label.data, in->label.len),
                                       .publisher = n->peer,
                                       .sequence = in->sequence,
                                       .created_us = in->created_us,
                                       .ttl_s = in->ttl_s,
                                       .payload = BYTES(in->payload.data, in->payload.len) };
        assert_int_equal(record_encode(&s, &b), RECORD_OK);
        assert_true(peer_id_ed25519(&n->peer, &key));
        signature = fake_signature(&key, buffer_bytes(&b));
        dht_signed(n->dht, id, buffer_bytes(&b), signature_bytes(&signature), n->net->now);
}

static const struct dhts_records records = {
        .store = store_of, .start = start, .stop = stop, .sign = sign
};

static inline struct dhts *network(size_t n, uint64_t seed) {
        struct dhts_config config;
        struct dhts *net;

        dhts_config_default(&config);
        config.n = n;
        config.seed = seed;
        config.records = &records;
        net = dhts_new(&config);
        dhts_start_all(net, NSEC_PER_SEC);
        dhts_run(net, 5 * MINUTE);
        return net;
}

static inline void network_done(struct dhts *net) {
        dhts_free(net);
        for (size_t i = 0; i < ELEMENTSOF(stores); i++)
                store_memory_free(&stores[i]);
        replicate_config_default(&replication);
}

static inline int setup(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(stores); i++)
                store_memory_free(&stores[i]);
        replicate_config_default(&replication);
        return 0;
}

/* ---- calls that end ---- */

struct outcome {
        bool is_done;
        struct keeper_result result;
        size_t n_found, fewest_copies;
        struct bytes expected;
        size_t n_expected;
};

static inline void on_done(void *userdata, const struct keeper_result *result, nsec_t now) {
        struct outcome *o = userdata;

        o->is_done = true;
        o->result = *result;
}

static inline void on_found(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct outcome *o = userdata;

        if (o->n_found++ == 0 || n_copies < o->fewest_copies)
                o->fewest_copies = n_copies;
        o->n_expected += o->expected.len && r->value.len >= o->expected.len &&
                         memmem(r->value.data, r->value.len, o->expected.data, o->expected.len);
}

#define CALL(o) ((struct keeper_call){ .done = on_done, .found = on_found, .userdata = (o) })

/* The shell empties actions after each call; the harness does when time goes on. */
static inline void wait_for(struct dhts *net, struct outcome *o) {
        for (int i = 0; i < 100 && !o->is_done; i++)
                dhts_run(net, NSEC_PER_SEC);
        assert_true(o->is_done);
}
