#include "tests/sim/sim_parts.h"

#include "common/base/error.h"
#include "common/base/memory.h"

const struct sim_settings sim_defaults = {
        .n_nodes = 6,
        .latency_min = 2 * NSEC_PER_MSEC,
        .latency_max = 30 * NSEC_PER_MSEC,
        .skew_max = 5 * NSEC_PER_SEC,
};

/* Keys are the same in every simulation: deriving them costs more than a run. */
static const struct sim_keys {
        struct sign_secret secret;
        struct sign_public key;
        struct peer_id peer;
} * keys_of(unsigned index) {
        static struct sim_keys keys[SIM_NODES_MAX];
        struct sim_keys *k = &keys[index];

        if (peer_id_is_none(&k->peer)) {
                uint8_t seed[SIGN_SEED_SIZE] = { 's', 'i', 'm', (uint8_t) index };

                sign_keypair(seed, &k->secret, &k->key);
                k->peer = peer_id_from_ed25519(&k->key);
        }
        return k;
}

static void mix(struct sim *s, uint64_t v) {
        s->trace = (s->trace ^ v) * UINT64_C(0x9e3779b97f4a7c15);
        s->trace ^= s->trace >> 29;
}

static void mix_bytes(struct sim *s, const struct refbuf *b) {
        for (size_t i = 0; b && i + 8 <= b->len; i += 8) {
                uint64_t v;

                memcpy(&v, b->data + i, 8);
                mix(s, v);
        }
        mix(s, b ? b->len : 0);
}

/* ---- Events ---- */

struct sim_event *sim_after(struct sim *s, unsigned node, nsec_t delay, sim_fire_fn fire) {
        struct sim_event *e = xnew(struct sim_event);

        e->fire = fire;
        e->node = e->sender = node;
        e->epoch = e->sender_epoch = s->nodes[node].epoch;
        e->left = s->now;
        heap_set(&s->events, &e->entry, nsec_add(s->now, delay));
        return e;
}

void sim_send(struct sim *s, struct sim_event *e, unsigned sender, nsec_t left) {
        e->sender = sender;
        e->sender_epoch = s->nodes[sender].epoch;
        e->left = left;
}

static void event_free(struct sim_event *e) {
        refbuf_unref(e->data);
        refbuf_unref(e->more);
        free(e);
}

static bool is_void(const struct sim *s, const struct sim_event *e) {
        const struct sim_node *to = &s->nodes[e->node], *from = &s->nodes[e->sender];

        if (to->epoch != e->epoch)
                return true;
        return from->epoch != e->sender_epoch && from->down_since <= e->left;
}

static void turn(struct sim *s) {
        struct sim_event *e = container_of(heap_first(&s->events), struct sim_event, entry);

        s->now = e->entry.when;
        heap_remove(&s->events, &e->entry);
        if (!is_void(s, e)) {
                s->n_events++;
                mix(s, s->now);
                mix(s, e->node);
                mix(s, e->id);
                mix_bytes(s, e->data);
                e->fire(s, e);
        }
        event_free(e);
}

/* ---- Life ---- */

struct sim *sim_new(const struct sim_settings *settings) {
        struct sim *s = xnew(struct sim);

        check(settings->n_nodes >= 1 && settings->n_nodes <= SIM_NODES_MAX);
        s->settings = *settings;
        rng_init(&s->rng, settings->seed);
        heap_init(&s->events);
        list_init(&s->streams);
        s->now = NSEC_PER_SEC;
        for (unsigned i = 0; i < settings->n_nodes; i++) {
                struct sim_node *n = &s->nodes[i];
                const struct sim_keys *k = keys_of(i);

                n->sim = s;
                n->index = i;
                n->secret = k->secret;
                n->key = k->key;
                n->peer = k->peer;
                n->engines[n->n_engines++] = "sim/1/model";
                n->run_min = 5 * NSEC_PER_MSEC;
                n->run_max = 60 * NSEC_PER_MSEC;
                n->ip[0] = 10;
                n->ip[2] = (uint8_t) i;
                n->ip[3] = 1;
                n->skew = settings->skew_max ? rng_below(&s->rng, settings->skew_max) : 0;
                list_init(&n->journal);
        }
        return s;
}

struct sim *sim_free(struct sim *s) {
        struct heap_entry *e;

        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                struct sim_node *n = &s->nodes[i];

                sim_node_down(n);
                LIST_FOREACH_SAFE (it, &n->journal) {
                        struct sim_record *r = LIST_ENTRY(it, struct sim_record, link);

                        refbuf_unref(r->data);
                        free(r);
                }
                refbuf_unref(n->receipt);
        }
        while ((e = heap_first(&s->events))) {
                heap_remove(&s->events, e);
                event_free(container_of(e, struct sim_event, entry));
        }
        sim_link_done(s);
        sim_client_done(&s->client);
        heap_done(&s->events);
        free(s);
        return NULL;
}

void sim_start(struct sim *s) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                sim_node_boot(&s->nodes[i]);
}

static void fire_boot(struct sim *s, struct sim_event *e) {
        sim_node_boot(&s->nodes[e->node]);
        if (e->node == s->client.node)
                sim_client_submit(s);
}

static void fire_crash(struct sim *s, struct sim_event *e) {
        sim_node_down(&s->nodes[e->node]);
        sim_after(s, e->node, e->n, fire_boot);
}

void sim_crash(struct sim *s, unsigned node, nsec_t at, nsec_t down_for) {
        sim_after(s, node, nsec_sub(at, s->now), fire_crash)->n = down_for;
}

void sim_query(struct sim *s, const char *verify, uint32_t replicas, uint32_t quorum,
               uint32_t max_replicas) {
        struct sim_client *c = &s->client;

        (void) snprintf(c->verify, sizeof(c->verify), "%s", verify);
        c->replicas = replicas;
        c->quorum = quorum;
        c->max_replicas = max_replicas;
        c->began = s->now;
        sim_client_submit(s);
}

const struct sim_result *sim_run(struct sim *s, nsec_t limit) {
        nsec_t end = nsec_add(s->now, limit);

        while (!s->client.result.is_done && heap_when(&s->events) <= end)
                turn(s);
        return &s->client.result;
}

void sim_cancel(struct sim *s) {
        struct sim_node *n = &s->nodes[s->client.node];

        if (s->client.has_job && n->is_up)
                (void) coordinator_cancel(n->core, hash_bytes(&s->client.job), s->now);
        sim_drain(n);
}

void sim_settle(struct sim *s, nsec_t time) {
        nsec_t end = nsec_add(s->now, time);

        while (heap_when(&s->events) <= end)
                turn(s);
        s->now = end;
}
