#include "tests/support/gossips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/hash.h"
#include "common/wire/unpack.h"
#include "services/gossip/rpc_message.h"

#define WALL_NS  UINT64_C(1790000000000000000)
#define OVERHEAD 70                  /* UDP, QUIC and framing, per RPC */
#define MISSED   (30 * NSEC_PER_SEC) /* transport's idle-timeout */

enum event_type {
        EVENT_RPC,
        EVENT_OPENED,
        EVENT_QUESTION,
        EVENT_ANSWER,
        EVENT_FAILED,
        EVENT_FOUND,
        EVENT_MISSED
};

struct event {
        struct heap_entry entry;
        enum event_type type;
        unsigned from, to;
        uint64_t id;
        size_t n;
        bool local;
        uint8_t key[32];
        struct refbuf *data;
};

const struct gossips_settings gossips_defaults = {
        .seed = 1,
        .n_nodes = 20,
        .delay_min = 5 * NSEC_PER_MSEC,
        .delay_max = 50 * NSEC_PER_MSEC,
        .rare = 0.05,
};

/* ---- Signatures: a keyed hash in their place ---- */

static struct signature sign(const struct gossips_node *n, struct bytes prefix, struct bytes data) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct signature s = {};
        struct hash_value h;

        buffer_init(&b, PUBSUB_MESSAGE_MAX + 2048);
        buffer_put_bytes(&b, prefix);
        buffer_put_bytes(&b, data);
        h = hash_keyed(sign_public_bytes(&n->key), buffer_bytes(&b));
        memcpy(s.bytes, h.bytes, HASH_SIZE);
        return s;
}

static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        struct hash_value h = hash_keyed(sign_public_bytes(key), message);

        return signature.len == SIGNATURE_SIZE && memcmp(signature.data, h.bytes, HASH_SIZE) == 0;
}

/* ---- Making ---- */

static void node_init(struct gossips *s, unsigned i) {
        struct gossips_node *n = &s->nodes[i];
        uint8_t ip[4] = { 10, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i };
        struct endpoint at = endpoint_ip4(ip, 4001);

        *n = (struct gossips_node){ .net = s, .index = i, .is_up = true };
        rng_bytes(&s->rng, n->key.bytes, sizeof(n->key.bytes));
        n->peer = peer_id_from_ed25519(&n->key);
        sha256_of(peer_id_bytes(&n->peer), n->dht_key);
        n->address = multiaddr_from_endpoint(&at);
        n->is_rare = rng_chance(&s->rng, s->settings.rare);
        n->core = gossip_new(&s->settings.config, &n->peer, rng_u64(&s->rng));
        gossip_verifier(n->core, verify, NULL);
        gossip_clock(n->core, s->now, WALL_NS + s->now);
        gossip_addresses(n->core, &n->address, 1, s->now);
}

static const struct gossips *sorting;
static int compare_keys(const void *a, const void *b) {
        return memcmp(sorting->nodes[*(const unsigned *) a].dht_key,
                      sorting->nodes[*(const unsigned *) b].dht_key, 32);
}

void gossips_init(struct gossips *s, const struct gossips_settings *settings) {
        *s = (struct gossips){ .settings = *settings, .now = NSEC_PER_SEC };
        if (!s->settings.config.network) {
                gossip_config_default(&s->settings.config);
                s->settings.config.pow_bits = 0;
                s->settings.config.is_private = true;
        }
        rng_init(&s->rng, settings->seed);
        heap_init(&s->events);
        heap_init(&s->timers);
        s->nodes = xnew_n(struct gossips_node, settings->n_nodes);
        s->by_key = xnew_n(unsigned, settings->n_nodes);
        for (unsigned i = 0; i < settings->n_nodes; i++) {
                node_init(s, i);
                s->by_key[i] = i;
        }
        sorting = s;
        qsort(s->by_key, settings->n_nodes, sizeof(*s->by_key), compare_keys);
}

static void event_free(struct gossips *s, struct event *e) {
        heap_remove(&s->events, &e->entry);
        refbuf_unref(e->data);
        free(e);
}

void gossips_forget(struct gossips_node *n) {
        struct gossip_action a = { .drawn = n->drawn, .crawled = n->crawled };

        gossip_action_done(&a);
        n->drawn = NULL;
        n->crawled = NULL;
}

void gossips_done(struct gossips *s) {
        struct heap_entry *e;

        while ((e = heap_first(&s->events)))
                event_free(s, container_of(e, struct event, entry));
        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                gossips_forget(&s->nodes[i]);
                refbuf_unref(s->nodes[i].stored);
                gossip_free(s->nodes[i].core);
                free(s->nodes[i].links);
        }
        heap_done(&s->events);
        heap_done(&s->timers);
        free(s->nodes);
        free(s->by_key);
}

/* ---- Links ---- */

unsigned gossips_find(const struct gossips *s, const struct peer_id *peer) {
        uint8_t key[32];
        unsigned low = 0, high = s->settings.n_nodes;

        sha256_of(peer_id_bytes(peer), key);
        while (low < high) {
                unsigned middle = (low + high) / 2;

                if (memcmp(s->nodes[s->by_key[middle]].dht_key, key, 32) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < s->settings.n_nodes && peer_id_equal(&s->nodes[s->by_key[low]].peer, peer)
                       ? s->by_key[low]
                       : UINT32_MAX;
}

static bool is_linked(const struct gossips_node *n, unsigned to) {
        for (unsigned i = 0; i < n->n_links; i++)
                if (n->links[i] == to)
                        return true;
        return false;
}

static void flush(struct gossips_node *n);

static void link_to(struct gossips *s, unsigned from, unsigned to, bool outbound) {
        struct gossips_node *n = &s->nodes[from];
        struct gossip_peer p = { .peer = s->nodes[to].peer,
                                 .is_outbound = outbound,
                                 .version = PUBSUB_V1_2,
                                 .speaks_peers = true,
                                 .n_addresses = 1,
                                 .addresses = &s->nodes[to].address };

        n->links = xrealloc(n->links, (n->n_links + 1) * sizeof(*n->links));
        n->links[n->n_links++] = to;
        gossip_peer_up(n->core, &p, s->now);
        flush(n);
}

void gossips_connect(struct gossips *s, unsigned from, unsigned to) {
        if (from == to || is_linked(&s->nodes[from], to) || !s->nodes[to].is_up)
                return;
        link_to(s, from, to, true);
        link_to(s, to, from, false);
}

static void end_links(struct gossips *s, unsigned node) {
        struct gossips_node *n = &s->nodes[node];

        for (unsigned i = 0; i < n->n_links; i++) {
                struct gossips_node *other = &s->nodes[n->links[i]];

                for (unsigned k = 0; k < other->n_links; k++)
                        if (other->links[k] == node)
                                other->links[k--] = other->links[--other->n_links];
                if (other->is_up) {
                        gossip_peer_down(other->core, &n->peer, s->now);
                        flush(other);
                }
        }
        n->n_links = 0;
}

static void die(struct gossips *s, unsigned node) {
        s->nodes[node].is_up = false;
        heap_remove(&s->timers, &s->nodes[node].timer);
}

void gossips_kill(struct gossips *s, unsigned node) {
        die(s, node);
        end_links(s, node);
}

/* ---- Actions ---- */

static struct event *event_new(struct gossips *s, enum event_type type, unsigned from, unsigned to,
                               uint64_t id, unsigned trips) {
        struct event *e = xnew(struct event);
        /* The same pair has the same delay, so that RPCs keep their order. */
        uint64_t h = ((uint64_t) (from < to ? from : to) << 32 | (from < to ? to : from)) *
                     UINT64_C(0x9e3779b97f4a7c15);
        nsec_t spread = s->settings.delay_max - s->settings.delay_min + 1;

        *e = (struct event){ .type = type, .from = from, .to = to, .id = id };
        heap_set(&s->events, &e->entry,
                 s->now + trips * (s->settings.delay_min + (h >> 20) % spread));
        return e;
}

void gossips_kill_silently(struct gossips *s, unsigned node) {
        struct event *e = event_new(s, EVENT_MISSED, node, node, 0, 0);

        heap_set(&s->events, &e->entry, s->now + MISSED);
        die(s, node);
}

static void account(struct gossips_node *from, struct gossips_node *to, size_t n) {
        from->bytes_sent += n + OVERHEAD;
        to->bytes_received += n + OVERHEAD;
}

static void do_send(struct gossips_node *n, struct gossip_action *a) {
        struct gossips *s = n->net;
        unsigned to = gossips_find(s, &a->peer);

        if (!is_linked(n, to))
                return;
        account(n, &s->nodes[to], a->data->len);
        event_new(s, EVENT_RPC, n->index, to, 0, 1)->data = TAKE(a->data);
}

static void do_ask(struct gossips_node *n, struct gossip_action *a) {
        struct gossips *s = n->net;
        unsigned to = gossips_find(s, &a->peer);
        bool works = to != UINT32_MAX && s->nodes[to].is_up;

        if (!works) {
                (void) event_new(s, EVENT_FAILED, n->index, n->index, a->id, 20);
                return;
        }
        gossips_connect(s, n->index, to);
        account(n, &s->nodes[to], a->data->len);
        event_new(s, EVENT_QUESTION, n->index, to, a->id, is_linked(n, to) ? 1 : 3)->data =
                TAKE(a->data);
}

static void do_sign(struct gossips_node *n, struct gossip_action *a, struct bytes prefix) {
        struct signature x = sign(n, prefix, refbuf_bytes(a->data));

        gossip_signed(n->core, a->id, BYTES_NONE, signature_bytes(&x), n->net->now);
}

static void do_lookup(struct gossips_node *n, struct gossip_action *a) {
        struct event *e =
                event_new(n->net, EVENT_FOUND, n->index, n->index, a->id, a->local ? 0 : 4);

        n->lookups += !a->local;
        e->n = a->n;
        e->local = a->local;
        memcpy(e->key, a->key, sizeof(e->key));
}

static void keep_result(struct gossips_node *n, struct gossip_action *a) {
        gossips_forget(n);
        n->drawn = TAKE(a->drawn);
        n->crawled = TAKE(a->crawled);
        n->ended = n->net->now;
}

static void carry_out(struct gossips_node *n, struct gossip_action *a) {
        switch (a->type) {
        case GOSSIP_STREAM_OPEN:
                (void) event_new(n->net, EVENT_OPENED, n->index, gossips_find(n->net, &a->peer), 0,
                                 1);
                break;
        case GOSSIP_SEND:
                do_send(n, a);
                break;
        case GOSSIP_ASK:
                do_ask(n, a);
                break;
        case GOSSIP_ANSWER:
        case GOSSIP_REFUSE: {
                unsigned to = (unsigned) (a->id & 0xffffff); /* see arrive(): who asked */
                struct event *e = event_new(n->net, a->data ? EVENT_ANSWER : EVENT_FAILED, n->index,
                                            to, a->id >> 24, 1);

                if (a->data)
                        account(n, &n->net->nodes[to], a->data->len);
                e->data = TAKE(a->data);
                break;
        }
        case GOSSIP_LOOKUP:
                do_lookup(n, a);
                break;
        case GOSSIP_CONNECT:
                if (gossips_find(n->net, &a->peer) != UINT32_MAX)
                        gossips_connect(n->net, n->index, gossips_find(n->net, &a->peer));
                break;
        case GOSSIP_SIGN_MESSAGE:
                do_sign(n, a, PUBSUB_PREFIX);
                break;
        case GOSSIP_SIGN_CAPABILITY:
                do_sign(n, a, CAPABILITY_PREFIX);
                break;
        case GOSSIP_DRAWN:
        case GOSSIP_CRAWLED:
                keep_result(n, a);
                break;
        case GOSSIP_HINT:
                n->n_hints++;
                break;
        case GOSSIP_STORE:
                refbuf_unref(n->stored);
                n->stored = TAKE(a->data);
                break;
        default:
                break;
        }
}

static void mix(struct gossips *s, uint64_t v) {
        s->trace = (s->trace ^ v) * UINT64_C(0x9e3779b97f4a7c15);
        s->trace ^= s->trace >> 29;
}

static void flush(struct gossips_node *n) {
        struct gossip_action a;

        while (gossip_output(n->core, &a)) {
                mix(n->net, n->net->now);
                mix(n->net, (uint64_t) n->index << 32 | a.type);
                mix(n->net, a.data ? a.data->len : a.n);
                carry_out(n, &a);
                gossip_action_done(&a);
        }
        if (n->is_up)
                heap_set(&n->net->timers, &n->timer, gossip_deadline(n->core));
}

/* ---- The oracle ---- */

/* The closest by XOR of those with a long common prefix are near in key order; a table
 * knows a node with a chance that falls with its distance from the asker. */
static bool is_in_table(const struct gossips *s, const struct gossips_node *n, unsigned other) {
        unsigned common = 0;
        uint64_t h = ((uint64_t) n->index << 32 | other) * UINT64_C(0xbf58476d1ce4e5b9);
        double chance;

        while (common < 64 && !((n->dht_key[common / 8] ^ s->nodes[other].dht_key[common / 8]) >>
                                        (7 - common % 8) &
                                1))
                common++;
        chance = 20.0 / (double) s->settings.n_nodes * (double) (UINT64_C(2) << common);
        return (double) (h >> 11) / 9007199254740992.0 < chance;
}

static int closer(const uint8_t key[32], const uint8_t a[32], const uint8_t b[32]) {
        for (unsigned i = 0; i < 32; i++)
                if (a[i] != b[i])
                        return (a[i] ^ key[i]) < (b[i] ^ key[i]) ? -1 : 1;
        return 0;
}

static void find(struct gossips *s, struct event *e) {
        struct gossips_node *n = &s->nodes[e->to];
        struct gossip_contact list[32];
        unsigned best[32], n_best = 0, max = e->n < 32 ? (unsigned) e->n : 32;

        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                unsigned at = n_best;

                if (!s->nodes[i].is_up || i == n->index || (e->local && !is_in_table(s, n, i)))
                        continue;
                while (at > 0 &&
                       closer(e->key, s->nodes[i].dht_key, s->nodes[best[at - 1]].dht_key) < 0)
                        at--;
                if (at == max)
                        continue;
                n_best += n_best < max;
                memmove(&best[at + 1], &best[at], (n_best - at - 1) * sizeof(*best));
                best[at] = i;
        }
        for (unsigned i = 0; i < n_best; i++)
                list[i] = (struct gossip_contact){ s->nodes[best[i]].peer,
                                                   1,
                                                   { s->nodes[best[i]].address } };
        gossip_found(n->core, e->id, list, n_best, s->now);
}

/* ---- Time ---- */

static void arrive(struct gossips *s, struct event *e) {
        struct gossips_node *n = &s->nodes[e->to], *from = &s->nodes[e->from];
        static const uint8_t rubbish[] = { 0x0a, 0x03, 1, 2, 3, 0x12, 0xff };

        switch (e->type) {
        case EVENT_RPC:
                if (is_linked(n, e->from))
                        gossip_rpc(n->core, &from->peer, refbuf_bytes(e->data), s->now);
                break;
        case EVENT_OPENED:
                n = from;
                if (is_linked(n, e->to))
                        gossip_stream_opened(n->core, &s->nodes[e->to].peer, PUBSUB_V1_2, s->now);
                break;
        case EVENT_QUESTION:
                if (n->mutters)
                        event_new(s, EVENT_ANSWER, e->to, e->from, e->id, 1)->data =
                                refbuf_new(BYTES_OF(rubbish));
                else
                        gossip_asked(n->core, e->id << 24 | e->from, &from->peer,
                                     refbuf_bytes(e->data), s->now);
                break;
        case EVENT_ANSWER:
                gossip_answered(n->core, e->id, refbuf_bytes(e->data), s->now);
                break;
        case EVENT_FAILED:
                gossip_ask_failed(n->core, e->id, s->now);
                break;
        case EVENT_FOUND:
                find(s, e);
                break;
        case EVENT_MISSED:
                break;
        }
        flush(n);
}

void gossips_run(struct gossips *s, nsec_t time) {
        nsec_t end = s->now + time;

        for (;;) {
                nsec_t event = heap_when(&s->events), timer = heap_when(&s->timers);

                if (nsec_min(event, timer) > end)
                        break;
                s->now = nsec_max(s->now, nsec_min(event, timer));
                if (event <= timer) {
                        struct event *e = container_of(heap_first(&s->events), struct event, entry);

                        if (e->type == EVENT_MISSED)
                                end_links(s, e->to);
                        else if (s->nodes[e->to].is_up && s->nodes[e->from].is_up)
                                arrive(s, e);
                        event_free(s, e);
                } else {
                        struct gossips_node *n =
                                container_of(heap_first(&s->timers), struct gossips_node, timer);

                        gossip_expire(n->core, s->now);
                        flush(n);
                }
        }
        s->now = end;
}

bool gossips_wait(struct gossips *s, unsigned node) {
        struct gossips_node *n = &s->nodes[node];

        flush(n);
        for (unsigned i = 0; i < 6000 && !n->drawn && !n->crawled; i++)
                gossips_run(s, 10 * NSEC_PER_MSEC);
        return n->drawn || n->crawled;
}

/* ---- Beginning ---- */

static void offer(struct gossips_node *n) {
        Peers__Capability c = PEERS__CAPABILITY__INIT;
        char *engines[] = { (char *) "common", (char *) "rare" };
        char name[32];
        struct buffer b;

        snprintf(name, sizeof(name), "node %u", n->index);
        c.engines = engines;
        c.n_engines = n->is_rare ? 2 : 1;
        c.cores = 4;
        c.memory_mib = 8192;
        c.slots = c.free_slots = 4;
        c.data_classes = DATA_PUBLIC;
        c.name = name;
        buffer_init(&b, 1024);
        wire_pack(&b, &c.base);
        gossip_offer(n->core, buffer_bytes(&b), n->net->now);
        buffer_done(&b);
}

void gossips_join(struct gossips *s, unsigned node, unsigned links) {
        struct gossips_node *n = &s->nodes[node];

        n->is_up = true;
        gossip_size(n->core, s->settings.n_nodes, s->now);
        offer(n);
        gossip_start(n->core, s->now);
        flush(n);
        for (unsigned k = 0; k < links; k++)
                gossips_connect(s, node, (unsigned) rng_below(&s->rng, s->settings.n_nodes));
}

void gossips_start(struct gossips *s) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                if (s->nodes[i].is_up)
                        gossips_join(s, i, 3);
}

uint64_t gossips_counter(const struct gossips_node *n, const char *name) {
        const struct pubsub_counter *c;
        size_t count = gossip_counters(n->core, &c);

        for (size_t i = 0; i < count; i++)
                if (strcmp(c[i].name, name) == 0)
                        return c[i].value;
        count = pubsub_counters(gossip_router(n->core), &c);
        for (size_t i = 0; i < count; i++)
                if (strcmp(c[i].name, name) == 0)
                        return c[i].value;
        check(false);
        return 0;
}
