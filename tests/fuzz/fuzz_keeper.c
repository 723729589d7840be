/* The record half of a dht among hostile holders: what they answer to a reader of topics, letters
 * and receipts, and to who fetches what belongs to it. The input is a script: op, number, length,
 * bytes. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/dht/inherit.h"
#include "services/dht/internal.h"
#include "services/dht/keeper.h"
#include "services/dht/store_memory.h"

#define NOW           INT64_C(1800000000000000)
#define NEIGHBOURS    3
#define QUESTIONS_MAX 64
#define RECORDS       64
#define FOUND_MAX     1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OP_REPLY, OP_FAIL, OP_TIME, OP_CALL, OP_SIGN, OP_STORE, _OP_N };

struct drive {
        struct dht *dht;
        struct keeper *keeper;
        struct store store;
        struct dht_remote neighbours[NEIGHBOURS];
        nsec_t now;
        uint64_t kad[QUESTIONS_MAX], asks[QUESTIONS_MAX], sign;
        struct peer_id asked[QUESTIONS_MAX], asked_kad[QUESTIONS_MAX];
        size_t n_kad, n_asks, n_calls, n_done, n_found;
};

/* Most of them hold, so that scripts come far. */
static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        (void) userdata, (void) key, (void) message;
        return signature.data[0] != 0xff;
}

static struct peer_id peer_of(uint8_t n) {
        uint8_t seed[SIGN_SEED_SIZE];
        struct sign_secret secret;
        struct sign_public public;

        memset(seed, n, sizeof(seed));
        sign_keypair(seed, &secret, &public);
        return peer_id_from_ed25519(&public);
}

static struct dht_remote remote(uint8_t n) {
        struct dht_remote r = { .is_server = true, .pow_bits = 16 };
        struct peer_id peer = peer_of(n);
        struct multiaddr address;

        r.endpoint = endpoint_ip4((uint8_t[4]){ 11, n, 1, 1 }, 4001);
        address = multiaddr_from_endpoint(&r.endpoint);
        contact_init(&r.contact, &peer, &address, 1);
        return r;
}

static const struct dht_remote *neighbour(const struct drive *f, const struct peer_id *peer) {
        for (size_t i = 0; i < NEIGHBOURS; i++)
                if (peer_id_equal(&f->neighbours[i].contact.peer, peer))
                        return &f->neighbours[i];
        return NULL;
}

static void note(struct drive *f, const struct dht_action *a) {
        if (a->type == DHT_SIGN)
                f->sign = a->id;
        if (a->type != DHT_ASK || a->n == 0)
                return;
        if (a->protocol == DHT_PROTOCOL_KAD && f->n_kad < QUESTIONS_MAX) {
                f->asked_kad[f->n_kad] = a->contact.peer;
                f->kad[f->n_kad++] = a->id;
        } else if (a->protocol == DHT_PROTOCOL_RECORD && f->n_asks < QUESTIONS_MAX) {
                f->asked[f->n_asks] = a->contact.peer;
                f->asks[f->n_asks++] = a->id;
        }
}

/* Look-ups end at once: everybody knows nobody. */
static void drain(struct drive *f) {
        struct kad_parts parts = { .type = KAD_FIND_NODE };
        CLEANUP(refbuf_unrefp) struct refbuf *nobody = kad_message_new(&parts);
        struct dht_action a;

        do {
                while (dht_output(f->dht, &a)) {
                        note(f, &a);
                        dht_action_done(&a);
                }
                if (f->n_kad > 0) {
                        const struct dht_remote *from = neighbour(f, &f->asked_kad[--f->n_kad]);

                        if (from)
                                dht_answered(f->dht, f->kad[f->n_kad], from, refbuf_bytes(nobody),
                                             f->now);
                        else
                                dht_failed(f->dht, f->kad[f->n_kad], DHT_UNREACHABLE, f->now);
                }
        } while (f->n_kad > 0);
}

static void on_done(void *userdata, const struct keeper_result *result, nsec_t now) {
        struct drive *f = userdata;

        check(result->n_stored <= result->n_asked);
        f->n_done++;
        f->n_found = 0;
}

static void on_found(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct drive *f = userdata;

        check(n_copies <= NEIGHBOURS && r->value.len > 0);
        check(++f->n_found <= FOUND_MAX);
}

static void call(struct drive *f, unsigned n, struct bytes bytes) {
        struct keeper_call c = { .done = on_done, .found = on_found, .userdata = f };
        uint8_t slots[1][32] = {};
        struct inherited inherited;

        if (bytes.len >= 32)
                memcpy(slots[0], bytes.data, 32);
        f->n_calls++;
        if (n % 8 == 0)
                keeper_find(f->keeper, bytes, &c, f->now);
        else if (n % 8 == 1)
                keeper_mailbox(f->keeper, &c, f->now);
        else if (n % 8 == 2)
                keeper_receipt(f->keeper, &f->neighbours[n % NEIGHBOURS].contact.peer, slots[0], &c,
                               f->now);
        else if (n % 8 == 3)
                keeper_forget(f->keeper, slots, 1, &c, f->now);
        else if (n % 8 == 4)
                keeper_send(f->keeper, bytes, &c, f->now);
        else if (n % 8 == 5)
                keeper_publish(f->keeper, bytes, &c, f->now);
        else if (n % 8 == 6)
                keeper_put(f->keeper, &(struct keeper_record){ .kind = n / 8, .payload = bytes },
                           &c, f->now);
        else
                f->n_calls--, keeper_inherit(f->keeper, &inherited, f->now);
}

/* To the question that waits longest. */
static void reply(struct drive *f, const struct bytes *bytes, unsigned n) {
        const struct dht_remote *from;
        uint64_t id = f->asks[0];

        if (f->n_asks == 0)
                return;
        from = neighbour(f, &f->asked[0]);
        f->n_asks--;
        memmove(f->asks, f->asks + 1, f->n_asks * sizeof(f->asks[0]));
        memmove(f->asked, f->asked + 1, f->n_asks * sizeof(f->asked[0]));
        if (bytes && from)
                dht_answered(f->dht, id, from, *bytes, f->now);
        else
                dht_failed(f->dht, id, n % 4, f->now);
}

static void sign(struct drive *f, struct bytes value) {
        size_t n = value.len >= SIGNATURE_SIZE ? SIGNATURE_SIZE : 0;

        if (f->sign && n == 0)
                dht_sign_failed(f->dht, f->sign, f->now);
        else if (f->sign)
                dht_signed(f->dht, f->sign, BYTES(value.data, value.len - n),
                           BYTES(value.data + value.len - n, n), f->now);
        f->sign = 0;
}

static void perform(struct drive *f, unsigned op, unsigned n, struct bytes bytes) {
        static uint64_t id;

        if (op == OP_REPLY)
                reply(f, &bytes, n);
        else if (op == OP_FAIL)
                reply(f, NULL, n);
        else if (op == OP_TIME)
                dht_expire(f->dht, f->now += n * NSEC_PER_SEC);
        else if (op == OP_CALL)
                call(f, n, bytes);
        else if (op == OP_SIGN)
                sign(f, bytes);
        else
                dht_request(f->dht, ++id, &f->neighbours[n % NEIGHBOURS], DHT_PROTOCOL_RECORD,
                            bytes, f->now);
        drain(f);
}

static void begin(struct drive *f) {
        static const struct store_limits limits = { RECORDS, 1 << 20, 64 };
        struct peer_id self = peer_of(4);
        struct keeper_config keeper;
        struct dht_config config;

        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        keeper_config_default(&keeper);
        keeper.rules.mailbox_bits = 4;
        keeper.quota.records_max = RECORDS;
        f->now = NSEC_PER_SEC;
        f->store = store_memory_new(&limits, 1);
        f->dht = dht_new(&config, &self, &f->store, 1);
        dht_verifier(f->dht, verify, NULL);
        f->keeper = keeper_new(&keeper, f->dht, &self, 1);
        keeper_region(f->keeper, 1);
        dht_clock(f->dht, f->now, NOW);
        dht_start(f->dht, f->now);
        for (uint8_t i = 0; i < NEIGHBOURS; i++) {
                f->neighbours[i] = remote((uint8_t) (5 + i));
                dht_peer_identified(f->dht, &f->neighbours[i], f->now);
                drain(f);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct store_counts counts;
        struct drive f = {};

        begin(&f);
        while (reader_left(&r) >= 4) {
                unsigned op = reader_u8(&r) % _OP_N, n = reader_u8(&r);
                size_t len = reader_u16(&r);

                if (len > reader_left(&r))
                        len = reader_left(&r);
                perform(&f, op, n, reader_take(&r, len));
                check(f.n_done <= f.n_calls);
                f.store.ops->counts(f.store.self, &counts);
                check(counts.records <= RECORDS);
        }
        dht_free(f.dht);
        keeper_free(f.keeper);
        store_memory_free(&f.store);
        for (size_t i = 0; i < NEIGHBOURS; i++)
                contact_done(&f.neighbours[i].contact);
        return 0;
}
