#include "tests/support/lone_dht.h"

struct peer peer_number(unsigned i, bool is_server) {
        struct sign_public key = { .bytes = { 9 } };
        struct peer p = { .remote = { .is_server = is_server, .pow_bits = 16 } };
        struct multiaddr address;
        struct peer_id id;

        store_be32(key.bytes + 1, i);
        id = peer_id_from_ed25519(&key);
        p.remote.endpoint = endpoint_ip4(
                (uint8_t[4]){ (uint8_t) (11 + (i >> 16)), (uint8_t) (i >> 8), (uint8_t) i, 1 },
                4001);
        address = multiaddr_from_endpoint(&p.remote.endpoint);
        contact_init(&p.remote.contact, &id, &address, 1);
        return p;
}

void peer_done(struct peer *p) {
        contact_done(&p->remote.contact);
}

struct dht *node_new(void (*adjust)(struct dht_config *)) {
        struct dht_config config;
        struct peer self = peer_number(0, true);
        struct multiaddr own = multiaddr_from_endpoint(&self.remote.endpoint);
        struct dht *d;

        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        if (adjust)
                adjust(&config);
        d = dht_new(&config, &self.remote.contact.peer, NULL, 1);
        dht_clock(d, SECOND, INT64_C(1790000000000000));
        dht_addresses(d, &own, 1, SECOND);
        dht_start(d, SECOND);
        dht_expire(d, SECOND);
        peer_done(&self);
        return d;
}

unsigned drain(struct dht *d, enum dht_action_type type, struct dht_action *ret_last) {
        struct dht_action a;
        unsigned n = 0;

        while (dht_output(d, &a)) {
                if (a.type != type) {
                        dht_action_done(&a);
                        continue;
                }
                n++;
                if (ret_last) {
                        dht_action_done(ret_last);
                        *ret_last = a;
                } else {
                        dht_action_done(&a);
                }
        }
        return n;
}

/* Answers the latest DHT_ASK to this peer with these contacts. */
void answer(struct dht *d, const struct dht_action *ask, const struct dht_remote *from,
            const struct contact *closer, size_t n) {
        struct kad_parts parts = { .type = KAD_FIND_NODE, .closer = closer, .n_closer = n };
        struct refbuf *message = kad_message_new(&parts);

        dht_answered(d, ask->id, from, refbuf_bytes(message), 2 * SECOND);
        refbuf_unref(message);
}

bool is_in_table(const struct dht *d, const struct peer *p) {
        return table_find(&d->table, &p->remote.contact.key) != NULL;
}

void fill_table(struct dht *d, unsigned first, unsigned n) {
        for (unsigned i = first; i < first + n; i++) {
                struct peer p = peer_number(i, true);

                peer_answered(d, &p.remote, NULL, 50 * NSEC_PER_MSEC, 2 * SECOND);
                peer_done(&p);
        }
}
