#include "tests/support/dhts.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/hash.h"
#include "services/sim/costs.h"

#define IDLE SIM_IDLE_TIMEOUT

enum event_type {
        EVENT_REQUEST,
        EVENT_ANSWER,
        EVENT_FAILED,
        EVENT_CONNECTED,
        EVENT_IDENTIFIED,
        EVENT_IDLE,
};

struct event {
        struct heap_entry entry;
        enum event_type type;
        size_t from, to; /* who caused it, who is told */
        unsigned epoch;  /* of `to` when it was sent */
        uint64_t id;
        enum dht_protocol protocol;
        enum dht_failure failure;
        struct refbuf *data;
        bool wants_answer, is_there;
};

/* An inbound request that waits for its answer. */
struct waiting {
        size_t asker;
        unsigned epoch;
        uint64_t id;
        bool wants_answer;
};

struct dhts_connection {
        nsec_t last, ready;
        bool is_dialler;
};

void dhts_config_default(struct dhts_config *ret) {
        *ret = (struct dhts_config){ .seed = 1,
                                     .n = 30,
                                     .latency_min = 5 * NSEC_PER_MSEC,
                                     .latency_max = 60 * NSEC_PER_MSEC,
                                     .per_subnet = 1 };
        dht_config_default(&ret->dht);
        ret->dht.mode = DHT_MODE_SERVER;
        ret->dht.pow_bits = 0;
}

/* ---- Nodes ---- */

static void node_init(struct dhts *net, size_t i) {
        struct dhts_node *n = &net->nodes[i];
        uint8_t seed[8], subnet = (uint8_t) (i / net->config.per_subnet);
        struct sign_public key;
        struct hash_value h;
        struct multiaddr address;

        n->net = net;
        n->index = i;
        store_be64(seed, net->config.seed * 1000003 + i);
        h = hash_of("test-dhts", BYTES_OF(seed));
        memcpy(key.bytes, h.bytes, sizeof(key.bytes));
        n->peer = peer_id_from_ed25519(&key);
        n->endpoint =
                endpoint_ip4((uint8_t[4]){ 45, (uint8_t) (i / net->config.per_subnet >> 8), subnet,
                                           (uint8_t) (i % net->config.per_subnet + 1) },
                             (uint16_t) (4000 + i % 1000));
        address = multiaddr_from_endpoint(&n->endpoint);
        contact_init(&n->contact, &n->peer, &address, 1);
        list_init(&n->store);
        (void) map_set(net->by_peer, peer_id_bytes(&n->peer), n);
}

struct dhts *dhts_new(const struct dhts_config *config) {
        struct dhts *net = xnew(struct dhts);

        net->config = *config;
        rng_init(&net->rng, config->seed);
        heap_init(&net->events);
        heap_init(&net->timers);
        net->by_peer = map_new(1);
        net->requests = map_new(2);
        net->now = NSEC_PER_SEC;
        net->nodes = xnew_n(struct dhts_node, config->n);
        for (size_t i = 0; i < config->n; i++)
                node_init(net, i);
        return net;
}

static void free_values(struct map *m) {
        size_t cursor = 0;
        void *value;

        while (m && map_next(m, &cursor, NULL, &value))
                free(value);
        map_free(m);
}

static void event_free(struct event *e) {
        refbuf_unref(e->data);
        free(e);
}

struct dhts *dhts_free(struct dhts *net) {
        struct heap_entry *entry;

        for (size_t i = 0; i < net->config.n; i++) {
                if (net->nodes[i].dht) {
                        dht_free(net->nodes[i].dht);
                        if (net->config.records)
                                net->config.records->stop(&net->nodes[i]);
                }
                free_values(net->nodes[i].connections);
                dhts_store_done(&net->nodes[i].store);
                contact_done(&net->nodes[i].contact);
        }
        while ((entry = heap_pop_due(&net->events, NSEC_NEVER)))
                event_free(container_of(entry, struct event, entry));
        heap_done(&net->events);
        heap_done(&net->timers);
        map_free(net->by_peer);
        free_values(net->requests);
        free(net->nodes);
        free(net);
        return NULL;
}

/* ---- Connections ---- */

static nsec_t latency(struct dhts *net) {
        nsec_t spread = net->config.latency_max - net->config.latency_min;

        return net->config.latency_min + rng_below(&net->rng, spread + 1);
}

static struct event *event_at(struct dhts *net, nsec_t when, enum event_type type, size_t from,
                              size_t to) {
        struct event *e = xnew(struct event);

        e->type = type;
        e->from = from;
        e->to = to;
        e->epoch = net->nodes[to].epoch;
        heap_set(&net->events, &e->entry, when);
        return e;
}

static struct dht_remote remote_of(struct dhts_node *from, const struct dhts_node *to) {
        const struct dhts_connection *c = map_get_u64(to->connections, from->index + 1);

        return (struct dht_remote){ .contact = from->contact,
                                    .endpoint = from->endpoint,
                                    .is_inbound = c && !c->is_dialler,
                                    .is_server = from->is_serving,
                                    .pow_bits = 64,
                                    .rtt = 50 * NSEC_PER_MSEC };
}

static void connect_one(struct dhts_node *at, struct dhts_node *to, bool is_dialler) {
        struct dhts_connection *c = xnew(struct dhts_connection);

        c->is_dialler = is_dialler;
        c->last = at->net->now;
        free(map_set_u64(at->connections, to->index + 1, c));
        at->bytes_out += is_dialler ? SIM_COST_HANDSHAKE_OUT : SIM_COST_HANDSHAKE_IN;
        at->bytes_in += is_dialler ? SIM_COST_HANDSHAKE_IN : SIM_COST_HANDSHAKE_OUT;
        at->n_handshakes++;
        event_at(at->net, at->net->now + IDLE, EVENT_IDLE, to->index, at->index);
}

/* Returns how much later a first message goes out because of the handshake. */
static nsec_t connect_to(struct dhts *net, struct dhts_node *a, struct dhts_node *b) {
        struct dhts_connection *c = map_get_u64(a->connections, b->index + 1);
        nsec_t pause;

        if (c) {
                c->last = net->now;
                return c->ready > net->now ? c->ready - net->now : 0;
        }
        pause = 2 * latency(net);
        connect_one(a, b, true);
        connect_one(b, a, false);
        ((struct dhts_connection *) map_get_u64(a->connections, b->index + 1))->ready =
                net->now + pause;
        event_at(net, net->now + pause, EVENT_IDENTIFIED, a->index, b->index);
        event_at(net, net->now + pause, EVENT_IDENTIFIED, b->index, a->index);
        return pause;
}

static void on_idle(struct dhts *net, size_t at, size_t other) {
        struct dhts_node *n = &net->nodes[at];
        struct dhts_connection *c = map_get_u64(n->connections, other + 1);

        if (!c)
                return;
        if (c->last + IDLE > net->now) {
                event_at(net, c->last + IDLE, EVENT_IDLE, other, at);
                return;
        }
        free(map_remove_u64(n->connections, other + 1));
        dht_peer_gone(n->dht, &net->nodes[other].peer, net->now);
}

/* ---- Actions ---- */

static void trace(struct dhts *net, const void *p, size_t n) {
        const uint8_t *bytes = p;

        for (size_t i = 0; i < n; i++)
                net->trace = (net->trace ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void trace_action(struct dhts_node *n, const struct dht_action *a) {
        uint64_t head[] = { n->index, n->net->now, a->type, a->protocol, a->id, a->n };

        trace(n->net, head, sizeof(head));
        trace(n->net, &a->contact.peer, sizeof(a->contact.peer));
        if (a->data)
                trace(n->net, a->data->data, a->data->len);
        if (a->contact.addresses)
                trace(n->net, a->contact.addresses->data, a->contact.addresses->len);
}

static struct dhts_node *find_node(struct dhts *net, const struct contact *c) {
        struct multiaddr address;
        struct endpoint e;

        if (!peer_id_is_none(&c->peer))
                return map_get(net->by_peer, peer_id_bytes(&c->peer));
        if (contact_addresses(c, &address, 1) == 0 || !multiaddr_endpoint(&address, &e))
                return NULL;
        for (size_t i = 0; i < net->config.n; i++)
                if (endpoint_equal(&net->nodes[i].endpoint, &e))
                        return &net->nodes[i];
        return NULL;
}

static void fail_later(struct dhts_node *n, uint64_t id, nsec_t after, enum dht_failure why) {
        struct event *e = event_at(n->net, n->net->now + after, EVENT_FAILED, n->index, n->index);

        e->id = id;
        e->failure = why;
}

static void carry(struct dhts_node *from, struct dhts_node *to, size_t n) {
        n += n * SIM_COST_BYTE_PERMILLE / 1000;
        from->bytes_out += n;
        to->bytes_in += n;
}

static void on_ask(struct dhts_node *n, struct dht_action *a) {
        struct dhts *net = n->net;
        struct dhts_node *to = find_node(net, &a->contact);
        struct event *e;
        nsec_t pause;

        n->n_requests++;
        if (!to || !to->is_up || rng_chance(&net->rng, net->config.loss)) {
                n->bytes_out += SIM_COST_DIAL_DEAD;
                fail_later(n, a->id, 10 * NSEC_PER_SEC, DHT_UNREACHABLE);
                return;
        }
        pause = connect_to(net, n, to);
        if (!to->is_serving && a->protocol == DHT_PROTOCOL_KAD) {
                fail_later(n, a->id, pause + latency(net), DHT_NO_PROTOCOL);
                return;
        }
        e = event_at(net, net->now + pause + latency(net), EVENT_REQUEST, n->index, to->index);
        e->id = a->id;
        e->protocol = a->protocol;
        e->wants_answer = a->n;
        e->data = refbuf_ref(a->data);
        carry(n, to, a->data->len + SIM_COST_REQUEST);
}

static void on_connect(struct dhts_node *n, struct dht_action *a) {
        struct dhts *net = n->net;
        struct dhts_node *to = find_node(net, &a->contact);
        bool is_there = to && to->is_up;
        nsec_t pause = is_there ? connect_to(net, n, to) : 5 * NSEC_PER_SEC;
        struct event *e = event_at(net, net->now + pause, EVENT_CONNECTED,
                                   to ? to->index : n->index, n->index);

        e->id = a->id;
        e->is_there = is_there;
}

static void on_reply(struct dhts_node *n, struct dht_action *a, bool is_refused) {
        struct dhts *net = n->net;
        struct waiting *w = map_remove_u64(net->requests, a->id);
        struct event *e;

        check(w);
        is_refused |= w->wants_answer && !a->data; /* closed without one */
        e = event_at(net, net->now + latency(net), is_refused ? EVENT_FAILED : EVENT_ANSWER,
                     n->index, w->asker);
        e->epoch = w->epoch;
        e->id = w->id;
        e->failure = DHT_RESET;
        e->data = a->data ? refbuf_ref(a->data) : NULL;
        if (a->data) {
                carry(n, &net->nodes[w->asker], a->data->len);
        }
        free(w);
}

static void on_result(struct dhts *net, struct dht_action *a) {
        struct dhts_outcome *o = net->outcome;

        if (!o || a->id != net->last_call)
                return;
        if (a->type == DHT_DONE) {
                o->is_done = true;
                o->code = (enum dht_code) a->n;
                o->text = a->event.text;
                o->elapsed = net->now - net->asked_at;
                o->stored = a->copies;
                o->asked = a->asked;
                return;
        }
        if (o->n < ELEMENTSOF(o->contacts))
                o->contacts[o->n++] = contact_ref(&a->result->contact);
        o->copies = a->result->copies;
        o->is_unverified |= a->result->is_unverified;
        o->is_of_table |= a->result->is_of_table;
        o->is_connected |= a->result->is_connected;
        refbuf_unref(o->value);
        o->value = a->result->value ? refbuf_ref(a->result->value) : NULL;
}

static void carry_out(struct dhts_node *n, struct dht_action *a) {
        n->n_actions++;
        trace_action(n, a);
        if (a->type == DHT_ASK)
                on_ask(n, a);
        else if (a->type == DHT_CONNECT)
                on_connect(n, a);
        else if (a->type == DHT_ANSWER || a->type == DHT_REFUSE)
                on_reply(n, a, a->type == DHT_REFUSE);
        else if (a->type == DHT_SIGN && n->net->config.records)
                n->net->config.records->sign(n, a->id, refbuf_bytes(a->data));
        else if (a->type == DHT_SERVE)
                n->is_serving = a->n;
        else if (a->type == DHT_RESULT || a->type == DHT_DONE)
                on_result(n->net, a);
}

static void settle(struct dhts_node *n) {
        struct dht_action a;

        while (dht_output(n->dht, &a)) {
                carry_out(n, &a);
                dht_action_done(&a);
        }
        heap_set(&n->net->timers, &n->timer, dht_deadline(n->dht));
}

/* ---- Life ---- */

void dhts_start(struct dhts *net, size_t i, const size_t *at, size_t n_at) {
        struct dhts_node *n = &net->nodes[i];
        struct dht_config config = net->config.dht;
        const struct dhts_records *records = net->config.records;
        struct store store = records ? records->store(n) : dhts_store(n);
        struct multiaddr address = multiaddr_from_endpoint(&n->endpoint);
        const size_t first = 0;

        if (i + net->config.n_clients >= net->config.n)
                config.mode = DHT_MODE_CLIENT;
        n->dht = dht_new(&config, &n->peer, &store, net->config.seed + i + 1000003 * n->epoch);
        n->connections = map_new(i + 1);
        n->is_up = true;
        n->born = net->now;
        if (records)
                records->start(n);
        else
                dht_rules(n->dht, &dhts_rules, NULL);
        dht_clock(n->dht, net->now, DHTS_WALL_US + (int64_t) (net->now / NSEC_PER_USEC));
        dht_addresses(n->dht, &address, 1, net->now);
        if (!at && i > 0)
                at = &first, n_at = 1;
        for (size_t j = 0; j < n_at; j++)
                dht_bootstrap(n->dht, &net->nodes[at[j]].contact, BOOTSTRAP_CONFIG, net->now);
        dht_start(n->dht, net->now);
        settle(n);
}

void dhts_start_all(struct dhts *net, nsec_t apart) {
        for (size_t i = 0; i < net->config.n; i++) {
                dhts_start(net, i, NULL, 0);
                dhts_run(net, apart);
        }
}

void dhts_kill(struct dhts *net, size_t i) {
        struct dhts_node *n = &net->nodes[i];

        heap_remove(&net->timers, &n->timer);
        n->dht = dht_free(n->dht);
        if (net->config.records)
                net->config.records->stop(n);
        free_values(n->connections);
        n->connections = NULL;
        n->is_up = n->is_serving = false;
        n->epoch++;
}

/* ---- Time ---- */

static void on_request(struct dhts *net, struct event *e) {
        struct dhts_node *to = &net->nodes[e->to], *from = &net->nodes[e->from];
        struct dht_remote remote = remote_of(from, to);
        struct dhts_connection *c = map_get_u64(to->connections, e->from + 1);
        struct waiting *w = xnew(struct waiting);

        if (c)
                c->last = net->now;
        *w = (struct waiting){ e->from, from->epoch, e->id, e->wants_answer };
        (void) map_set_u64(net->requests, ++net->last_request, w);
        dht_request(to->dht, net->last_request, &remote, e->protocol, refbuf_bytes(e->data),
                    net->now);
}

static void deliver(struct dhts *net, struct event *e) {
        struct dhts_node *to = &net->nodes[e->to];
        struct dht_remote remote;

        if (!to->is_up || to->epoch != e->epoch)
                return;
        remote = remote_of(&net->nodes[e->from], to);
        if (e->type == EVENT_REQUEST)
                on_request(net, e);
        else if (e->type == EVENT_ANSWER)
                dht_answered(to->dht, e->id, &remote, e->data ? refbuf_bytes(e->data) : BYTES_NONE,
                             net->now);
        else if (e->type == EVENT_FAILED)
                dht_failed(to->dht, e->id, e->failure, net->now);
        else if (e->type == EVENT_CONNECTED)
                dht_connected(to->dht, e->id,
                              e->is_there ? &net->nodes[e->from].peer : &(struct peer_id){}, NULL,
                              net->now);
        else if (e->type == EVENT_IDENTIFIED)
                dht_peer_identified(to->dht, &remote, net->now);
        else
                on_idle(net, e->to, e->from);
        settle(to);
}

static bool step(struct dhts *net, nsec_t until) {
        nsec_t event = heap_when(&net->events), timer = heap_when(&net->timers);
        struct heap_entry *entry;

        if (nsec_min(event, timer) > until)
                return false;
        net->now = nsec_max(net->now, nsec_min(event, timer));
        if (event <= timer) {
                entry = heap_pop_due(&net->events, net->now);
                deliver(net, container_of(entry, struct event, entry));
                event_free(container_of(entry, struct event, entry));
        } else {
                struct dhts_node *n;

                entry = heap_pop_due(&net->timers, net->now);
                n = container_of(entry, struct dhts_node, timer);
                dht_expire(n->dht, net->now);
                settle(n);
        }
        return true;
}

/* What a test called meanwhile is under way at once, as in the shell: an action that lay until its
 * node's next timer would have used up its time. */
void dhts_run(struct dhts *net, nsec_t duration) {
        nsec_t until = net->now + duration;

        for (size_t i = 0; i < net->config.n; i++)
                if (net->nodes[i].is_up)
                        settle(&net->nodes[i]);
        while (step(net, until))
                continue;
        net->now = until;
}

/* ---- Calls ---- */

struct dhts_outcome dhts_call(struct dhts *net, size_t node, dhts_call_fn begin, void *userdata) {
        struct dhts_outcome o = {};
        nsec_t until = net->now + 120 * NSEC_PER_SEC;

        net->outcome = &o;
        net->asked_at = net->now;
        begin(net->nodes[node].dht, ++net->last_call, userdata, net->now);
        settle(&net->nodes[node]);
        while (!o.is_done && step(net, until))
                continue;
        net->outcome = NULL;
        return o;
}

void dhts_outcome_done(struct dhts_outcome *o) {
        for (size_t i = 0; i < o->n; i++)
                contact_done(&o->contacts[i]);
        refbuf_unref(o->value);
        *o = (struct dhts_outcome){};
}

static void begin_find(struct dht *d, uint64_t call, void *userdata, nsec_t now) {
        dht_find_closest(d, call, userdata, now);
}

struct dhts_outcome dhts_find(struct dhts *net, size_t node, const struct key *key) {
        return dhts_call(net, node, begin_find, (void *) key);
}

struct put {
        const char *name;
        uint64_t sequence;
};

static void begin_put(struct dht *d, uint64_t call, void *userdata, nsec_t now) {
        const struct put *put = userdata;
        uint8_t value[12] = "........data";

        store_be64(value, put->sequence);
        dht_put(d, call, BYTES_STR(put->name), BYTES_OF(value), now);
}

static void begin_get(struct dht *d, uint64_t call, void *userdata, nsec_t now) {
        dht_get(d, call, BYTES_STR((const char *) userdata), now);
}

struct dhts_outcome dhts_put(struct dhts *net, size_t node, const char *name, uint64_t sequence) {
        struct put put = { name, sequence };

        return dhts_call(net, node, begin_put, &put);
}

struct dhts_outcome dhts_get(struct dhts *net, size_t node, const char *name) {
        return dhts_call(net, node, begin_get, (void *) name);
}

/* ---- Truth ---- */

size_t dhts_true_closest(const struct dhts *net, size_t asker, const struct key *key,
                         const struct contact *found, size_t n) {
        size_t good = 0;

        for (size_t i = 0; i < n; i++) {
                size_t closer = 0;

                for (size_t j = 0; j < net->config.n; j++)
                        closer += j != asker && net->nodes[j].is_up && net->nodes[j].is_serving &&
                                  key_compare(key, &net->nodes[j].contact.key, &found[i].key) < 0;
                good += closer < net->config.dht.k;
        }
        return good;
}

uint64_t dhts_counter(const struct dhts *net, size_t node, const char *name) {
        const struct dht_counter *c;
        size_t n = dht_counters(net->nodes[node].dht, &c);

        for (size_t i = 0; i < n; i++)
                if (strcmp(c[i].name, name) == 0)
                        return c[i].value;
        check(false);
        return 0;
}
