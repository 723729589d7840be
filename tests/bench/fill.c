/* Fills a node's dht.db, before that node starts, with records of others, each by another publisher
 * and as large as asked: every one comes in as PUT_VALUE through the production core, rules and
 * quotas. One JSON object on stdout.
 * usage: fill DHT.DB NETWORK COUNT BYTES */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/error.h"
#include "common/wire/varint.h"
#include "services/dht/keeper.h"
#include "services/dht/message.h"
#include "services/dht/record.h"
#include "services/dht/store_sqlite.h"

#define PER_COMMIT    1000
#define ADDRESS_FRAME 9 /* bytes of such an address, with its length, beside the name */

struct fill {
        const char *network;
        size_t bytes;
        int64_t wall_us;
        struct store store;
        struct dht *dht;
        struct keeper *keeper;
        nsec_t now;
        size_t n_answers, n_refusals;
        const char *reason;
};

static void die(const char *what) {
        fprintf(stderr, "fill: %s\n", what);
        exit(1);
}

static double seconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void carry_out(struct fill *f) {
        struct dht_action a;

        while (dht_output(f->dht, &a)) {
                f->n_answers += a.type == DHT_ANSWER;
                f->n_refusals += a.type == DHT_REFUSE;
                if (a.type == DHT_REFUSE)
                        f->reason = a.event.text;
                dht_action_done(&a);
        }
}

static struct peer_id person(uint32_t n, struct sign_secret *ret_secret) {
        uint8_t seed[SIGN_SEED_SIZE] = { 0xb };
        struct sign_public key;

        store_be32(seed + 4, n);
        sign_keypair(seed, ret_secret, &key);
        return peer_id_from_ed25519(&key);
}

/* An endpoint record may be of any length: eight names as long as needed. */
static void put_payload(struct buffer *b, size_t bytes) {
        if (bytes < RECORD_ADDRESSES_MAX * 16 || bytes > RECORD_ADDRESSES_MAX * 128)
                die("records of 320 to 1,100 bytes");
        for (size_t i = RECORD_ADDRESSES_MAX; i > 0; i--) {
                size_t room = bytes / i;
                struct multiaddr a;
                char text[256];

                (void) snprintf(text, sizeof(text), "/dns4/%0*d/udp/4001/quic-v1",
                                (int) (room - ADDRESS_FRAME), 7);
                check(multiaddr_from_text(BYTES_STR(text), &a) == MULTIADDR_OK);
                buffer_put_prefixed(b, multiaddr_bytes(&a));
                bytes -= room;
        }
}

static void put_value(struct buffer *b, const struct fill *f, const struct peer_id *peer,
                      const struct sign_secret *secret) {
        CLEANUP(buffer_donep) struct buffer payload = {};
        struct record_statement s = { .kind = RECORD_ENDPOINT,
                                      .network = BYTES_STR(f->network),
                                      .publisher = *peer,
                                      .sequence = (uint64_t) f->wall_us,
                                      .created_us = f->wall_us,
                                      .ttl_s = 48 * 3600 };
        struct signature signature;

        check(record_encode(&s, b) == RECORD_OK);
        buffer_init(&payload, RECORD_PAYLOAD_MAX);
        put_payload(&payload, f->bytes - b->len - SIGNATURE_SIZE);
        s.payload = buffer_bytes(&payload);
        buffer_clear(b);
        check(record_encode(&s, b) == RECORD_OK);
        signature = sign_make(secret, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&signature));
}

/* Everybody brings a record of his own, from subnets of 512. */
static struct refbuf *message_of(struct fill *f, uint32_t n, struct dht_remote *ret_from) {
        CLEANUP(buffer_donep) struct buffer name = {}, value = {};
        uint8_t ip[4] = { (uint8_t) (20 + (n >> 25)), (uint8_t) (n >> 17), (uint8_t) (n >> 9), 1 };
        struct kad_parts parts = { .type = KAD_PUT_VALUE, .has_record = true };
        struct sign_secret secret;
        struct peer_id peer = person(n, &secret);

        *ret_from = (struct dht_remote){ .endpoint = endpoint_ip4(ip, 4001), .is_inbound = true };
        contact_init(&ret_from->contact, &peer, NULL, 0);
        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        check(record_name_put(&name, RECORD_ENDPOINT, &peer, BYTES_NONE));
        put_value(&value, f, &peer, &secret);
        parts.key = parts.record_key = buffer_bytes(&name);
        parts.value = buffer_bytes(&value);
        return kad_message_new(&parts);
}

static double bring(struct fill *f, uint32_t first, uint32_t n) {
        struct refbuf *messages[PER_COMMIT];
        struct dht_remote from[PER_COMMIT];
        double began;

        for (uint32_t i = 0; i < n; i++)
                messages[i] = message_of(f, first + i, &from[i]);
        began = seconds();
        for (uint32_t i = 0; i < n; i++) {
                dht_request(f->dht, first + i + 1, &from[i], DHT_PROTOCOL_KAD,
                            refbuf_bytes(messages[i]), f->now);
                carry_out(f);
        }
        if (store_sqlite_commit(&f->store) != STORE_OK)
                die(store_sqlite_error(&f->store));
        began = seconds() - began;
        for (uint32_t i = 0; i < n; i++) {
                refbuf_unref(messages[i]);
                contact_done(&from[i].contact);
        }
        return began;
}

static void begin(struct fill *f, const char *path, uint64_t count) {
        const struct store_limits limits = { count, UINT64_MAX, count };
        struct sign_secret secret;
        struct peer_id self = person(UINT32_MAX, &secret);
        char error[STORE_ERROR_SIZE];
        struct keeper_config keeper;
        struct dht_config config;

        if (store_sqlite_open(path, &limits, &f->store, error) != STORE_OPEN_OK)
                die(error);
        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        keeper_config_default(&keeper);
        keeper.rules.network = f->network;
        keeper.quota.records_max = count;
        keeper.quota.bytes_max = UINT64_MAX;
        f->now = NSEC_PER_SEC;
        f->dht = dht_new(&config, &self, &f->store, 1);
        f->keeper = keeper_new(&keeper, f->dht, &self, 2);
        dht_clock(f->dht, f->now, f->wall_us);
        dht_start(f->dht, f->now);
        dht_expire(f->dht, f->now);
        carry_out(f);
}

int main(int argc, char **argv) {
        struct fill f = {};
        struct store_counts counts;
        struct timespec wall;
        uint32_t count;
        double took = 0;

        if (argc != 5)
                die("usage: fill DHT.DB NETWORK COUNT BYTES");
        clock_gettime(CLOCK_REALTIME, &wall);
        f.network = argv[2];
        f.bytes = (size_t) atoi(argv[4]);
        f.wall_us = (int64_t) wall.tv_sec * 1000000;
        count = (uint32_t) atoi(argv[3]);
        begin(&f, argv[1], count);
        for (uint32_t i = 0; i < count; i += PER_COMMIT)
                took += bring(&f, i, count - i < PER_COMMIT ? count - i : PER_COMMIT);
        if (f.n_answers != count)
                die(f.reason ? f.reason : "not all were answered");
        f.store.ops->counts(f.store.self, &counts);
        printf("{\"fill_per_s\":%.1f,\"record_bytes\":%.1f}\n", count / took,
               (double) counts.bytes / (double) counts.records);
        dht_free(f.dht);
        keeper_free(f.keeper);
        store_sqlite_close(&f.store);
        return 0;
}
