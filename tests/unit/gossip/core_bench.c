#include "tests/unit/gossip/core_bench.h"

#include "common/base/error.h"
#include "common/wire/unpack.h"
#include "services/gossip/rpc_message.h"

struct peer_id core_peer(unsigned n, struct sign_secret *ret_secret) {
        uint8_t seed[SIGN_SEED_SIZE] = { 3, (uint8_t) n, (uint8_t) (n >> 8) };
        struct sign_secret secret;
        struct sign_public key;

        sign_keypair(seed, ret_secret ? ret_secret : &secret, &key);
        return peer_id_from_ed25519(&key);
}

struct multiaddr core_address(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
        uint8_t ip[4] = { a, b, c, d };
        struct endpoint at = endpoint_ip4(ip, 4001);

        return multiaddr_from_endpoint(&at);
}

void core_init(struct core_bench *c, const struct gossip_config *config) {
        struct multiaddr own = core_address(8, 8, 8, 8);
        struct gossip_config defaults;

        *c = (struct core_bench){ .now = 100 * NSEC_PER_SEC, .signs = true };
        gossip_config_default(&defaults);
        defaults.pow_bits = 0;
        c->self = core_peer(9999, &c->secret);
        c->g = gossip_new(config ? config : &defaults, &c->self, 5);
        gossip_clock(c->g, c->now, CORE_WALL);
        gossip_addresses(c->g, &own, 1, c->now);
        gossip_size(c->g, 10, c->now);
}

void core_forget(struct core_bench *c) {
        struct gossip_action a = { .drawn = c->drawn, .crawled = c->crawled };

        gossip_action_done(&a);
        c->drawn = NULL;
        c->crawled = NULL;
        memset(c->n, 0, sizeof(c->n));
        c->n_asked = c->n_lookups = 0;
}

void core_done(struct core_bench *c) {
        core_forget(c);
        refbuf_unref(c->stored);
        refbuf_unref(c->statement);
        refbuf_unref(c->answer);
        refbuf_unref(c->question);
        gossip_free(c->g);
}

static void keep(struct refbuf **to, struct gossip_action *a) {
        refbuf_unref(*to);
        *to = TAKE(a->data);
}

static void sign(struct core_bench *c, struct gossip_action *a, struct bytes prefix) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct signature s;

        c->sign_id = a->id;
        if (!c->signs)
                return;
        buffer_init(&b, PUBSUB_MESSAGE_MAX + 2048);
        buffer_put_bytes(&b, prefix);
        buffer_put_bytes(&b, refbuf_bytes(a->data));
        s = sign_make(&c->secret, buffer_bytes(&b));
        gossip_signed(c->g, a->id, BYTES_NONE, signature_bytes(&s), c->now);
}

static void asked(struct core_bench *c, const struct gossip_action *a) {
        c->asked_addresses =
                a->n_addresses > c->asked_addresses ? a->n_addresses : c->asked_addresses;
        c->n_given += a->n == 0;
        if (c->n_asked == ELEMENTSOF(c->asked))
                return;
        c->asked_peers[c->n_asked] = a->peer;
        c->asked[c->n_asked++] = a->id;
}

static void look_into(struct core_bench *c, const struct gossip_action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        if (!peer_id_equal(&a->peer, &c->watched))
                return;
        check(rpc_read(refbuf_bytes(a->data), &u));
        c->watched_messages += (unsigned) ((const Gossipsub__RPC *) u.message)->n_publish;
}

static void carry_out(struct core_bench *c, struct gossip_action *a) {
        bool is_dial = a->type == GOSSIP_CONNECT || a->type == GOSSIP_HINT;

        c->n[a->type]++;
        if (is_dial && a->n_addresses > c->connect_addresses)
                c->connect_addresses = a->n_addresses;
        for (size_t i = 0; i < a->n_addresses; i++)
                c->private_dials += multiaddr_scope(&a->addresses[i]) != SCOPE_PUBLIC;
        if (a->type == GOSSIP_ASK) {
                asked(c, a);
                keep(&c->question, a);
        } else if (a->type == GOSSIP_SEND)
                look_into(c, a);
        else if (a->type == GOSSIP_LOOKUP && a->id > 0 && c->n_lookups < ELEMENTSOF(c->lookups))
                c->lookups[c->n_lookups++] = a->id;
        else if (a->type == GOSSIP_STORE)
                keep(&c->stored, a);
        else if (a->type == GOSSIP_ANSWER)
                keep(&c->answer, a);
        else if (a->type == GOSSIP_SIGN_MESSAGE)
                sign(c, a, PUBSUB_PREFIX);
        else if (a->type == GOSSIP_SIGN_CAPABILITY) {
                c->stored_before_signing = c->n[GOSSIP_STORE] > 0;
                sign(c, a, CAPABILITY_PREFIX);
                keep(&c->statement, a);
        }
        if (a->drawn || a->crawled) {
                struct gossip_action old = { .drawn = c->drawn, .crawled = c->crawled };

                gossip_action_done(&old);
                c->drawn = TAKE(a->drawn);
                c->crawled = TAKE(a->crawled);
        }
}

void core_drain(struct core_bench *c) {
        struct gossip_action a;

        while (gossip_output(c->g, &a)) {
                carry_out(c, &a);
                gossip_action_done(&a);
        }
}

void core_run(struct core_bench *c, nsec_t time) {
        nsec_t end = c->now + time;

        while (gossip_deadline(c->g) <= end) {
                c->now = nsec_max(c->now, gossip_deadline(c->g));
                gossip_expire(c->g, c->now);
                core_drain(c);
        }
        c->now = end;
}

static void up(struct core_bench *c, unsigned n, bool is_outbound) {
        struct multiaddr at = core_address(8, 9, (uint8_t) (n >> 8), (uint8_t) n);
        struct gossip_peer p = { .peer = core_peer(n, NULL),
                                 .is_outbound = is_outbound,
                                 .version = PUBSUB_V1_2,
                                 .speaks_peers = true,
                                 .n_addresses = 1,
                                 .addresses = &at };

        gossip_peer_up(c->g, &p, c->now);
        core_drain(c);
}

void core_up(struct core_bench *c, unsigned n) {
        up(c, n, false);
}

void core_dialled(struct core_bench *c, unsigned n) {
        up(c, n, true);
}

void core_rpc(struct core_bench *c, unsigned n, struct rpc_writer *w) {
        struct peer_id peer = core_peer(n, NULL);
        struct refbuf *rpc;

        while ((rpc = rpc_take(w))) {
                gossip_rpc(c->g, &peer, refbuf_bytes(rpc), c->now);
                refbuf_unref(rpc);
                core_drain(c);
        }
        rpc_writer_done(w);
}

void core_join(struct core_bench *c, unsigned n, const char *topic) {
        struct peer_id peer = core_peer(n, NULL);
        struct rpc_writer w;

        core_up(c, n);
        gossip_stream_opened(c->g, &peer, PUBSUB_V1_2, c->now);
        rpc_writer_init(&w);
        rpc_put_subscription(&w, topic, true);
        rpc_put_graft(&w, topic);
        core_rpc(c, n, &w);
}

void core_say(struct core_bench *c, unsigned author, unsigned from, const char *topic,
              const struct refbuf *record) {
        CLEANUP(buffer_donep) struct buffer raw = {}, form = {};
        static uint64_t sequence = CORE_WALL;
        struct sign_secret secret;
        struct peer_id peer = core_peer(author, &secret);
        struct signature s;
        struct rpc_writer w;

        buffer_init(&raw, 4096);
        buffer_init(&form, 4096);
        message_put(&raw, &peer, refbuf_bytes(record), ++sequence, topic);
        check(message_put_signed(&form, buffer_bytes(&raw), false));
        s = sign_make(&secret, buffer_bytes(&form));
        message_put_signature(&raw, signature_bytes(&s));
        rpc_writer_init(&w);
        rpc_put_message(&w, buffer_bytes(&raw));
        core_rpc(c, from, &w);
}

/* ---- Records of others ---- */

static struct refbuf *sign_body(const Peers__Capability *m, const struct sign_secret *secret,
                                bool is_right) {
        CLEANUP(buffer_donep) struct buffer body = {}, form = {}, out = {};
        struct signature s;

        buffer_init(&body, 1024);
        buffer_init(&form, 1024);
        buffer_init(&out, 1024);
        wire_pack(&body, &m->base);
        buffer_put_bytes(&form, CAPABILITY_PREFIX);
        buffer_put_bytes(&form, buffer_bytes(&body));
        s = sign_make(secret, buffer_bytes(&form));
        s.bytes[0] ^= !is_right;
        capability_put(&out, buffer_bytes(&body), signature_bytes(&s));
        return refbuf_new(buffer_bytes(&out));
}

struct refbuf *core_record(unsigned n, uint64_t sequence, const char *name, bool is_right) {
        Peers__Capability m = PEERS__CAPABILITY__INIT;
        struct sign_secret secret;
        struct peer_id peer = core_peer(n, &secret);

        m.peer = (ProtobufCBinaryData){ peer.len, peer.bytes };
        m.sequence = sequence;
        m.network = (char *) "default";
        m.name = (char *) name;
        m.slots = m.free_slots = 2;
        return sign_body(&m, &secret, is_right);
}

struct refbuf *core_record_at(unsigned n, uint64_t sequence, const struct multiaddr *at,
                              size_t n_at) {
        ProtobufCBinaryData addresses[GOSSIP_ADDRESSES_MAX];
        Peers__Capability m = PEERS__CAPABILITY__INIT;
        struct sign_secret secret;
        struct peer_id peer = core_peer(n, &secret);

        check(n_at <= GOSSIP_ADDRESSES_MAX);
        for (size_t i = 0; i < n_at; i++)
                addresses[i] = (ProtobufCBinaryData){ at[i].len, (uint8_t *) at[i].bytes };
        m.peer = (ProtobufCBinaryData){ peer.len, peer.bytes };
        m.sequence = sequence;
        m.network = (char *) "default";
        m.slots = m.free_slots = 2;
        m.addresses = addresses;
        m.n_addresses = n_at;
        return sign_body(&m, &secret, true);
}

uint64_t core_counter(const struct core_bench *c, const char *name) {
        const struct pubsub_counter *x;
        size_t n = gossip_counters(c->g, &x);

        for (size_t i = 0; i < n; i++)
                if (strcmp(x[i].name, name) == 0)
                        return x[i].value;
        n = pubsub_counters(gossip_router(c->g), &x);
        for (size_t i = 0; i < n; i++)
                if (strcmp(x[i].name, name) == 0)
                        return x[i].value;
        check(false);
        return 0;
}
