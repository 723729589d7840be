#include "tests/support/pubsubs.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/hash.h"
#include "services/gossip/rpc_message.h"

#define WALL_NS UINT64_C(1790000000000000000)

struct pubsubs_edge {
        struct pubsubs_edge *next;
        unsigned to;
        nsec_t delay, last; /* RPCs on one stream keep their order */
        bool drops;
};

struct arrival {
        struct heap_entry entry;
        unsigned from, to;
        struct refbuf *rpc;
};

const struct pubsubs_settings pubsubs_defaults = {
        .seed = 1,
        .n_nodes = 20,
        .delay_min = 5 * NSEC_PER_MSEC,
        .delay_max = 50 * NSEC_PER_MSEC,
        .real_signatures = true,
};

/* ---- Signatures ---- */

struct signature pubsubs_sign(const struct pubsubs_node *n, struct bytes message) {
        struct signature s = {};
        struct hash_value h;

        if (n->net->settings.real_signatures)
                return sign_make(&n->secret, message);
        h = hash_keyed(sign_public_bytes(&n->key), message);
        memcpy(s.bytes, h.bytes, HASH_SIZE);
        return s;
}

static bool verify_hash(void *userdata, const struct sign_public *key, struct bytes message,
                        struct bytes signature) {
        struct hash_value h = hash_keyed(sign_public_bytes(key), message);

        return signature.len == SIGNATURE_SIZE && memcmp(signature.data, h.bytes, HASH_SIZE) == 0;
}

/* ---- Making ---- */

static void node_init(struct pubsubs *s, unsigned i) {
        struct pubsubs_node *n = &s->nodes[i];
        uint8_t seed[SIGN_SEED_SIZE] = { (uint8_t) i, (uint8_t) (i >> 8),
                                         (uint8_t) s->settings.seed };

        *n = (struct pubsubs_node){ .net = s, .index = i, .is_up = true };
        if (s->settings.real_signatures)
                sign_keypair(seed, &n->secret, &n->key);
        else
                rng_bytes(&s->rng, n->key.bytes, sizeof(n->key.bytes));
        n->peer = peer_id_from_ed25519(&n->key);
        n->router = pubsub_new(&s->settings.config, &n->peer, rng_u64(&s->rng));
        if (!s->settings.real_signatures)
                pubsub_verifier(n->router, verify_hash, NULL);
        pubsub_clock(n->router, s->now, WALL_NS + s->now);
        heap_set(&s->beats, &n->beat, pubsub_deadline(n->router));
}

void pubsubs_init(struct pubsubs *s, const struct pubsubs_settings *settings) {
        *s = (struct pubsubs){ .settings = *settings, .now = NSEC_PER_SEC };
        if (s->settings.config.d == 0)
                pubsub_config_default(&s->settings.config);
        rng_init(&s->rng, settings->seed);
        heap_init(&s->events);
        heap_init(&s->beats);
        s->nodes = xnew_n(struct pubsubs_node, settings->n_nodes);
        for (unsigned i = 0; i < settings->n_nodes; i++)
                node_init(s, i);
}

static void arrival_free(struct pubsubs *s, struct arrival *a) {
        heap_remove(&s->events, &a->entry);
        refbuf_unref(a->rpc);
        free(a);
}

void pubsubs_done(struct pubsubs *s) {
        struct heap_entry *e;

        while ((e = heap_first(&s->events)))
                arrival_free(s, container_of(e, struct arrival, entry));
        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                struct pubsubs_edge *edge;

                while ((edge = s->nodes[i].edges)) {
                        s->nodes[i].edges = edge->next;
                        free(edge);
                }
                pubsub_free(s->nodes[i].router);
        }
        heap_done(&s->events);
        heap_done(&s->beats);
        free(s->nodes);
}

/* ---- Links ---- */

static struct pubsubs_edge *edge_of(const struct pubsubs *s, unsigned from, unsigned to) {
        struct pubsubs_edge *e = s->nodes[from].edges;

        while (e && e->to != to)
                e = e->next;
        return e;
}

bool pubsubs_is_connected(const struct pubsubs *s, unsigned a, unsigned b) {
        return edge_of(s, a, b) != NULL;
}

static void flush(struct pubsubs_node *n);

static void add_edge(struct pubsubs *s, unsigned from, unsigned to, nsec_t delay, bool outbound) {
        struct pubsubs_edge *e = xnew(struct pubsubs_edge);
        struct pubsub_peer_info info = { .peer = s->nodes[to].peer,
                                         .version = PUBSUB_V1_2,
                                         .is_outbound = outbound,
                                         .may_mesh = true };

        *e = (struct pubsubs_edge){ .to = to, .delay = delay, .next = s->nodes[from].edges };
        s->nodes[from].edges = e;
        pubsub_peer_up(s->nodes[from].router, &info, s->now);
        flush(&s->nodes[from]);
}

void pubsubs_connect(struct pubsubs *s, unsigned from, unsigned to) {
        nsec_t spread = s->settings.delay_max - s->settings.delay_min + 1;
        nsec_t delay = s->settings.delay_min + rng_below(&s->rng, spread);

        if (from == to || edge_of(s, from, to))
                return;
        add_edge(s, from, to, delay, true);
        add_edge(s, to, from, delay, false);
}

static void remove_edge(struct pubsubs *s, unsigned from, unsigned to) {
        struct pubsubs_edge **at = &s->nodes[from].edges, *e;

        while (*at && (*at)->to != to)
                at = &(*at)->next;
        e = *at;
        if (!e)
                return;
        *at = e->next;
        free(e);
        if (s->nodes[from].is_up)
                pubsub_peer_down(s->nodes[from].router, &s->nodes[to].peer, s->now);
}

void pubsubs_disconnect(struct pubsubs *s, unsigned a, unsigned b) {
        remove_edge(s, a, b);
        remove_edge(s, b, a);
}

void pubsubs_connect_randomly(struct pubsubs *s, unsigned degree) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                for (unsigned k = 0; k < degree / 2; k++)
                        pubsubs_connect(s, i, (unsigned) rng_below(&s->rng, s->settings.n_nodes));
}

void pubsubs_drop(struct pubsubs *s, unsigned a, unsigned b, bool drops) {
        struct pubsubs_edge *e = edge_of(s, a, b);

        if (e)
                e->drops = drops;
}

void pubsubs_kill(struct pubsubs *s, unsigned node) {
        s->nodes[node].is_up = false;
        heap_remove(&s->beats, &s->nodes[node].beat);
}

/* ---- Moving ---- */

static void mix(struct pubsubs *s, uint64_t v) {
        s->trace = (s->trace ^ v) * UINT64_C(0x9e3779b97f4a7c15);
        s->trace ^= s->trace >> 29;
}

static void mix_bytes(struct pubsubs *s, struct bytes v) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < v.len; i++)
                h = (h ^ v.data[i]) * UINT64_C(0x100000001b3);
        mix(s, h);
}

static unsigned index_of(const struct pubsubs_node *n, const struct peer_id *peer) {
        for (struct pubsubs_edge *e = n->edges; e; e = e->next)
                if (peer_id_equal(&n->net->nodes[e->to].peer, peer))
                        return e->to;
        return UINT32_MAX;
}

static void carry(struct pubsubs_node *n, struct pubsub_output *o) {
        struct pubsubs *s = n->net;
        unsigned to = index_of(n, &o->peer);
        struct pubsubs_edge *e = to == UINT32_MAX ? NULL : edge_of(s, n->index, to);
        struct arrival *a;

        if (!e)
                return;
        n->bytes_out += o->data->len;
        n->rpcs_out++;
        if (e->drops)
                return;
        a = xnew(struct arrival);
        a->from = n->index;
        a->to = to;
        a->rpc = TAKE(o->data);
        e->last = nsec_max(e->last, s->now + e->delay);
        heap_set(&s->events, &a->entry, e->last);
}

static void deliver(struct pubsubs_node *n, struct pubsub_output *o) {
        struct pubsubs *s = n->net;

        n->delivered++;
        n->delivered_at = s->now;
        mix(s, s->now);
        mix(s, n->index);
        mix_bytes(s, refbuf_bytes(o->data));
        if (s->on_delivered)
                s->on_delivered(n, o);
        pubsub_validated(n->router, o->id, n->verdict, s->now);
}

static void sign(struct pubsubs_node *n, const struct pubsub_output *o) {
        struct signature signature;
        struct buffer b;

        buffer_init(&b, PUBSUB_MESSAGE_MAX + 2048);
        buffer_put_bytes(&b, PUBSUB_PREFIX);
        buffer_put_bytes(&b, refbuf_bytes(o->data));
        signature = pubsubs_sign(n, buffer_bytes(&b));
        buffer_done(&b);
        pubsub_signed(n->router, o->id, signature_bytes(&signature), n->net->now);
}

static void flush(struct pubsubs_node *n) {
        struct pubsub_output o;

        while (pubsub_output(n->router, &o)) {
                switch (o.type) {
                case PUBSUB_SEND:
                        carry(n, &o);
                        break;
                case PUBSUB_MESSAGE:
                        deliver(n, &o);
                        break;
                case PUBSUB_SIGN:
                        sign(n, &o);
                        break;
                case PUBSUB_CONNECT:
                        n->asked = (struct pubsub_output){ .type = o.type, .peer = o.peer };
                        break;
                default:
                        break;
                }
                pubsub_output_done(&o);
        }
        if (n->is_up)
                heap_set(&n->net->beats, &n->beat, pubsub_deadline(n->router));
}

static void arrive(struct pubsubs *s, struct arrival *a) {
        struct pubsubs_node *n = &s->nodes[a->to];

        if (n->is_up && s->nodes[a->from].is_up && edge_of(s, a->to, a->from)) {
                pubsub_receive(n->router, &s->nodes[a->from].peer, refbuf_bytes(a->rpc), s->now);
                flush(n);
        }
        arrival_free(s, a);
}

static void beat(struct pubsubs *s, struct pubsubs_node *n) {
        pubsub_expire(n->router, s->now);
        flush(n);
}

void pubsubs_run(struct pubsubs *s, nsec_t time) {
        nsec_t end = s->now + time;

        for (;;) {
                nsec_t event = heap_when(&s->events), tick = heap_when(&s->beats);

                s->now = nsec_min(event, tick);
                if (s->now > end)
                        break;
                if (event <= tick)
                        arrive(s, container_of(heap_first(&s->events), struct arrival, entry));
                else
                        beat(s, container_of(heap_first(&s->beats), struct pubsubs_node, beat));
        }
        s->now = end;
}

/* ---- What nodes do ---- */

void pubsubs_subscribe_all(struct pubsubs *s, const char *topic) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                check(!pubsub_subscribe(s->nodes[i].router, topic, NULL, s->now));
                flush(&s->nodes[i]);
        }
}

void pubsubs_publish(struct pubsubs *s, unsigned node, const char *topic, struct bytes data) {
        check(!pubsub_publish(s->nodes[node].router, s->now, topic, data, s->now));
        flush(&s->nodes[node]);
}

void pubsubs_inject(struct pubsubs *s, unsigned from, unsigned to, struct bytes rpc) {
        pubsub_receive(s->nodes[to].router, &s->nodes[from].peer, rpc, s->now);
        flush(&s->nodes[to]);
}

uint64_t pubsubs_counter(const struct pubsubs_node *n, const char *name) {
        const struct pubsub_counter *c;
        size_t count = pubsub_counters(n->router, &c);

        for (size_t i = 0; i < count; i++)
                if (strcmp(c[i].name, name) == 0)
                        return c[i].value;
        check(false);
        return 0;
}

uint64_t pubsubs_total(const struct pubsubs *s, const char *name) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                if (s->nodes[i].is_up)
                        sum += pubsubs_counter(&s->nodes[i], name);
        return sum;
}
