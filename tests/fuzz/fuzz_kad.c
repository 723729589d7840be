/* A dht fed by a hostile network: every message of others is arbitrary bytes. The input
 * is a script: op, number, length, bytes. */
#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/dht/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        OP_REQUEST,
        OP_ANSWER,
        OP_FAIL,
        OP_TIME,
        OP_CALL,
        OP_IDENTIFY,
        OP_GONE,
        OP_DENY,
        OP_RECORD,
        _OP_N
};

static const char *validate(void *userdata, struct bytes name, struct bytes value, int64_t now_us,
                            struct stored_record *ret) {
        (void) userdata;
        *ret = (struct stored_record){ .name = name,
                                       .value = value,
                                       .expires_us = now_us + 1000000 };
        return value.len % 2 ? "odd" : NULL;
}

static bool is_kad(void *userdata, const struct stored_record *r) {
        (void) userdata, (void) r;
        return true;
}

static int choose(void *userdata, struct bytes name, struct bytes a, struct bytes b) {
        (void) userdata, (void) name;
        return bytes_compare(a, b);
}

static const struct record_rules rules = { .validate = validate,
                                           .is_kad = is_kad,
                                           .select = choose };

struct drive {
        struct dht *dht;
        nsec_t now;
        uint64_t asks[64], last_request;
        size_t n_asks;
};

static struct dht_remote remote(unsigned n) {
        struct sign_public key = { .bytes = { (uint8_t) n } };
        struct dht_remote r = { .is_server = n % 5, .is_inbound = n % 2, .pow_bits = n % 7 };
        struct peer_id id = peer_id_from_ed25519(&key);
        struct multiaddr address;

        r.endpoint = endpoint_ip4((uint8_t[4]){ 11, (uint8_t) n, 1, 1 }, 4001);
        address = multiaddr_from_endpoint(&r.endpoint);
        contact_init(&r.contact, &id, &address, n % 3 > 0);
        return r;
}

static void drain(struct drive *f) {
        struct dht_action a;
        unsigned answers = 0;

        while (dht_output(f->dht, &a)) {
                if (a.type == DHT_ASK || a.type == DHT_CONNECT)
                        f->asks[f->n_asks++ % 64] = a.id;
                if (a.data)
                        check(a.data->len <= KAD_MESSAGE_MAX);
                answers += a.type == DHT_ANSWER || a.type == DHT_REFUSE;
                dht_action_done(&a);
        }
        check(answers <= 1);
}

static void call(struct drive *f, unsigned n, struct bytes bytes) {
        struct key key = key_of(bytes);

        if (n % 3 == 0)
                dht_get(f->dht, n + 1, bytes, f->now);
        else if (n % 3 == 1)
                dht_find_closest(f->dht, n + 1, &key, f->now);
        else
                dht_find_providers(f->dht, n + 1, bytes, n, f->now);
}

static void perform(struct drive *f, unsigned op, unsigned n, struct bytes bytes) {
        struct dht_remote from = remote(n);
        uint64_t id = f->asks[n % 64];

        if (op == OP_REQUEST || op == OP_RECORD)
                dht_request(f->dht, ++f->last_request, &from, op == OP_RECORD, bytes, f->now);
        else if (op == OP_ANSWER)
                dht_answered(f->dht, id, &from, bytes, f->now);
        else if (op == OP_FAIL)
                dht_failed(f->dht, id, n % 4, f->now);
        else if (op == OP_TIME)
                dht_expire(f->dht, f->now += n * 100 * NSEC_PER_MSEC);
        else if (op == OP_CALL)
                call(f, n, bytes);
        else if (op == OP_IDENTIFY)
                dht_peer_identified(f->dht, &from, f->now);
        else if (op == OP_GONE)
                dht_peer_gone(f->dht, &from.contact.peer, f->now);
        else if (op == OP_DENY)
                dht_deny(f->dht, &from.contact.peer, n % 2, f->now);
        contact_done(&from.contact);
        drain(f);
}

/* An answer has to come from who was asked: the script says with n which of 256 peers that is,
 * so asks to peers that answers made up fail, as they would. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct dht_config config;
        struct drive f = { .now = NSEC_PER_SEC };
        struct dht_remote self = remote(250);

        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        config.pow_bits = 0;
        f.dht = dht_new(&config, &self.contact.peer, NULL, 1);
        dht_rules(f.dht, &rules, NULL);
        dht_clock(f.dht, f.now, 1);
        dht_start(f.dht, f.now);
        dht_expire(f.dht, f.now);
        drain(&f);
        for (unsigned i = 1; i < 8; i++) {
                struct dht_remote peer = remote(i);

                peer_answered(f.dht, &peer, NULL, 1, f.now);
                contact_done(&peer.contact);
        }
        while (reader_left(&r) >= 4) {
                unsigned op = reader_u8(&r) % _OP_N, n = reader_u8(&r);
                size_t len = reader_u16(&r);

                if (len > reader_left(&r))
                        len = reader_left(&r);
                perform(&f, op, n, reader_take(&r, len));
                check(f.dht->table.n_entries <= 256 &&
                      f.dht->n_operations <= config.lookups_max + 1);
                check(f.dht->health.n_peers <= HEALTH_MAX);
        }
        dht_free(f.dht);
        contact_done(&self.contact);
        return 0;
}
