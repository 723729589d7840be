#include "services/dht/dht.h"

#include "common/base/memory.h"
#include "services/dht/internal.h"

#define VERIFY_BURST 8 /* newcomers asked at once … */
#define VERIFY_RATE  1 /* … and per second */

static const char *const counter_names[_COUNT_N] = {
        [COUNT_REQUESTS] = "requests",
        [COUNT_REQUESTS_LIMITED] = "requests_limited",
        [COUNT_REQUESTS_INVALID] = "requests_invalid",
        [COUNT_REQUESTS_REFUSED] = "requests_refused",
        [COUNT_REQUESTS_FAR] = "requests_far",
        [COUNT_WALKS_WEAK] = "walks_weak",
        [COUNT_WALKS_LIMITED] = "walks_limited",
        [COUNT_ASKED] = "asked",
        [COUNT_ASKS_FAILED] = "asks_failed",
        [COUNT_ASKS_UNSPOKEN] = "asks_unspoken",
        [COUNT_ANSWERS_INVALID] = "answers_invalid",
        [COUNT_ANSWERS_STRANGE] = "answers_strange",
        [COUNT_PEERS_WEAK] = "peers_weak",
        [COUNT_PEERS_UNCOUNTED] = "peers_uncounted",
        [COUNT_LOOKUPS] = "lookups",
        [COUNT_LOOKUPS_REFUSED] = "lookups_refused",
        [COUNT_LOOKUPS_TIMED_OUT] = "lookups_timed_out",
        [COUNT_LOOKUP_HOPS] = "lookup_hops",
        [COUNT_LOOKUP_ASKS] = "lookup_asks",
        [COUNT_LOOKUP_DROPPED] = "lookup_dropped",
        [COUNT_LOOKUPS_WIDENED] = "lookups_widened",
        [COUNT_REGION_OVERFLOWS] = "region_overflows",
        [COUNT_PROBES] = "probes",
        [COUNT_GROWTHS] = "growths",
        [COUNT_VERIFIED] = "verified",
        [COUNT_REPAIRED] = "repaired",
        [COUNT_CONNECTS] = "connects",
        [COUNT_SUBNET_REFUSED] = "subnet_refused",
        [COUNT_TABLE_FULL] = "table_full",
        [COUNT_EVICTED] = "evicted",
        [COUNT_PROMOTED] = "promoted",
        [COUNT_FAILURES_NOT_CHARGED] = "failures_not_charged",
        [COUNT_OUTAGES] = "outages",
};

void dht_config_default(struct dht_config *ret) {
        *ret = (struct dht_config){
                .network = "quorate",
                .k = 20,
                .parallel = 10,
                .paths = 3,
                .pow_bits = 16,
                .request_timeout = 3 * NSEC_PER_SEC,
                .lookup_timeout = 20 * NSEC_PER_SEC,
                .refresh = 600 * NSEC_PER_SEC,
                .republish = 22 * 3600 * NSEC_PER_SEC,
                .gap_fill = 180 * NSEC_PER_SEC,
                .ttl_max = 48 * 3600 * NSEC_PER_SEC,
                .records_max = 65536,
                .bytes_max = 256 * 1024 * 1024,
                .lookups_max = 64,
        };
}

/* ---- Life ---- */

struct dht *dht_new(const struct dht_config *config, const struct peer_id *self,
                    const struct store *store, uint64_t seed) {
        struct table_config table = { config->k, config->without_subnet_caps, config->without_age };
        struct dht *d = xnew(struct dht);
        uint8_t bytes[8];

        d->config = *config;
        d->self = *self;
        d->self_key = key_of_peer(self);
        if (store)
                d->store = *store;
        rng_init(&d->rng, seed);
        store_be64(bytes, seed);
        d->secret = hash_of("quorate.rank.2", BYTES_OF(bytes));
        table_init(&d->table, &table, &d->self_key);
        seen_init(&d->seen, rng_u64(&d->rng));
        health_init(&d->health);
        mode_init(&d->mode, config->mode);
        contact_init(&d->own, self, NULL, 0);
        list_init(&d->actions);
        list_init(&d->asks);
        list_init(&d->operations);
        d->ask_ids = map_new(rng_u64(&d->rng));
        d->neighbours = map_new(rng_u64(&d->rng));
        d->denied = map_new(rng_u64(&d->rng));
        heap_init(&d->timers);
        heap_init(&d->operation_timers);
        rate_init(&d->verifications, VERIFY_BURST, VERIFY_RATE);
        rate_init(&d->walks, WALK_BURST, WALK_RATE);
        d->mode_reason = "not started";
        d->tick_at = NSEC_NEVER;
        for (size_t i = 0; i < _COUNT_N; i++)
                d->counters[i].name = counter_names[i];
        return d;
}

static void free_neighbours(struct map *m) {
        size_t cursor = 0;
        void *value;

        while (map_next(m, &cursor, NULL, &value)) {
                contact_done(&((struct neighbour *) value)->contact);
                free(value);
        }
        map_free(m);
}

struct dht *dht_free(struct dht *d) {
        struct dht_action a;

        if (!d)
                return NULL;
        LIST_FOREACH_SAFE (link, &d->operations)
                operation_free(d, LIST_ENTRY(link, struct operation, link));
        LIST_FOREACH_SAFE (link, &d->asks)
                ask_drop(d, LIST_ENTRY(link, struct ask, link));
        while (dht_output(d, &a))
                dht_action_done(&a);
        table_done(&d->table);
        seen_done(&d->seen);
        peerstore_done(&d->peerstore);
        bootstrap_done(&d->bootstrap);
        map_free(d->ask_ids);
        map_free(d->denied);
        free_neighbours(d->neighbours);
        heap_done(&d->timers);
        heap_done(&d->operation_timers);
        contact_done(&d->own);
        free(d);
        return NULL;
}

void dht_rules(struct dht *d, const struct record_rules *rules, void *userdata) {
        d->rules = rules;
        d->rules_userdata = userdata;
}

void dht_verifier(struct dht *d, dht_verify_fn fn, void *userdata) {
        d->verify = fn;
        d->verify_userdata = userdata;
}

bool dht_verify(const struct dht *d, const struct sign_public *key, struct bytes message,
                struct bytes signature) {
        return d->verify ? d->verify(d->verify_userdata, key, message, signature)
                         : sign_verify(key, message, signature);
}

void dht_clock(struct dht *d, nsec_t now, int64_t wall_us) {
        d->wall_offset_us = wall_us - (int64_t) (now / NSEC_PER_USEC);
}

void dht_start(struct dht *d, nsec_t now) {
        d->now = now;
        maintain_start(d, now);
}

void dht_stop(struct dht *d, nsec_t now) {
        d->now = now;
        maintain_save(d);
        d->is_started = false;
        d->tick_at = NSEC_NEVER;
}

nsec_t dht_deadline(const struct dht *d) {
        return nsec_min(d->tick_at,
                        nsec_min(heap_when(&d->timers), heap_when(&d->operation_timers)));
}

void dht_expire(struct dht *d, nsec_t now) {
        d->now = now;
        asks_expire(d, now);
        operation_expire(d, now);
        if (d->tick_at <= now)
                maintain_tick(d, now);
}

/* ---- Requests of others ---- */

void serve_for(const struct dht *d, struct serve *ret, nsec_t now) {
        *ret = (struct serve){ .table = &d->table,
                               .store = &d->store,
                               .rules = d->rules,
                               .userdata = d->rules_userdata,
                               .denied = d->denied,
                               .self = &d->self,
                               .self_key = d->self_key,
                               .secret = &d->secret,
                               .k = d->config.k,
                               .wall_us = dht_wall_us(d, now),
                               .provider_life_us = (int64_t) (d->config.ttl_max / NSEC_PER_USEC) };
}

static void refuse(struct dht *d, uint64_t id, enum counter why, const char *text) {
        struct dht_action *a = dht_act(d, DHT_REFUSE, id);

        a->event.text = text;
        dht_count(d, why);
}

static void answer_record(struct dht *d, uint64_t id, const struct dht_remote *from,
                          struct bytes message) {
        struct buffer b;

        buffer_init(&b, KAD_MESSAGE_MAX);
        if (!d->rules || !d->rules->request ||
            !d->rules->request(d->rules_userdata, from, message, &b, d->now) || b.failed)
                refuse(d, id, COUNT_REQUESTS_REFUSED, "the record table");
        else
                /* Also without bytes: that is RESULT_OK. */
                dht_act(d, DHT_ANSWER, id)->data = refbuf_new(buffer_bytes(&b));
        buffer_done(&b);
}

static void answer_kad(struct dht *d, uint64_t id, const struct dht_remote *from,
                       struct bytes message) {
        static const enum counter counters[] = { [SERVE_E_INVALID] = COUNT_REQUESTS_INVALID,
                                                 [SERVE_E_REFUSED] = COUNT_REQUESTS_REFUSED,
                                                 [SERVE_E_FAR] = COUNT_REQUESTS_FAR,
                                                 [SERVE_E_STORE] = COUNT_REQUESTS_REFUSED };
        CLEANUP(kad_message_donep) struct kad_message in = {};
        const struct neighbour *exact;
        struct refbuf *answer = NULL;
        const char *reason = NULL;
        struct serve s;
        struct key key;
        int r;

        if (kad_message_read(message, &in)) {
                refuse(d, id, COUNT_REQUESTS_INVALID, "no kad message within the limits");
                return;
        }
        serve_for(d, &s, d->now);
        key = key_of(in.key);
        exact = map_get(d->neighbours, key_bytes(&key));
        if (exact && exact->contact.addresses && !peer_is_denied(d, &key))
                s.exact = &exact->contact;
        r = serve_message(&s, from, &in, &answer, &reason);
        if (r > SERVE_NOTHING)
                refuse(d, id, counters[r], reason);
        else
                dht_act(d, DHT_ANSWER, id)->data = answer;
}

static bool is_walk(const struct dht *d, struct bytes message) {
        return d->rules && d->rules->is_walk && d->rules->is_walk(d->rules_userdata, message);
}

void dht_request(struct dht *d, uint64_t id, const struct dht_remote *from,
                 enum dht_protocol protocol, struct bytes message, nsec_t now) {
        unsigned units = protocol == DHT_PROTOCOL_KAD ? serve_cost(message) : SERVE_WRITE;

        d->now = now;
        dht_count(d, COUNT_REQUESTS);
        mode_peer(&d->mode, &from->endpoint, from->is_inbound, now);
        if (!d->is_server)
                refuse(d, id, COUNT_REQUESTS_REFUSED, "client mode");
        else if (peer_is_denied(d, &from->contact.key))
                refuse(d, id, COUNT_REQUESTS_REFUSED, "the peer is on the deny list");
        else if (!peer_rate(d, &from->contact.peer, units, now))
                refuse(d, id, COUNT_REQUESTS_LIMITED, "too many requests of one peer");
        else if (protocol == DHT_PROTOCOL_RECORD && is_walk(d, message) &&
                 !peer_may_walk(d, from, now))
                refuse(d, id, COUNT_REQUESTS_REFUSED, "too many look at what is held here");
        else if (protocol == DHT_PROTOCOL_KAD)
                answer_kad(d, id, from, message);
        else
                answer_record(d, id, from, message);
}

/* Answers are made within the call that asks: nothing is waiting. */
void dht_request_gone(struct dht *d, uint64_t id, nsec_t now) {
        (void) id;
        d->now = now;
}

/* ---- Looking ---- */

static unsigned count_servers(const struct dht *d) {
        size_t cursor = 0;
        void *value;
        unsigned n = 0;

        while (map_next(d->neighbours, &cursor, NULL, &value)) {
                const struct neighbour *p = value;

                n += p->is_server && !peer_is_denied(d, &p->contact.key);
        }
        return n;
}

void dht_status(const struct dht *d, struct dht_status *ret) {
        const int64_t hour = INT64_C(3600) * 1000000;
        struct estimate_value size = estimate_get(&d->estimate);
        int64_t wall = dht_wall_us(d, d->now);

        *ret = (struct dht_status){
                .is_server = d->is_server,
                .mode_reason = d->mode_reason,
                .peers = (unsigned) d->table.n_entries,
                .servers = count_servers(d),
                .size = size.size,
                .size_low = size.low,
                .size_high = size.high,
                .seen_hour = seen_count(&d->seen, hour, wall),
                .seen_day = seen_count(&d->seen, 24 * hour, wall),
                .seen_week = seen_count(&d->seen, 7 * 24 * hour, wall),
                .lookups = d->n_operations,
                .is_bootstrapped = d->is_bootstrapped,
                .has_outage = health_has_outage(&d->health, d->now),
        };
        for (size_t i = 0; i < TABLE_BUCKETS; i++)
                ret->buckets += d->table.buckets[i].n_entries > 0;
        if (d->store.ops)
                d->store.ops->counts(d->store.self, &ret->store);
}

size_t dht_places(const struct dht *d, struct dht_place *ret, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < d->bootstrap.n && n < max; i++) {
                const struct bootstrap_entry *e = &d->bootstrap.entries[i];
                const struct contact *c = bootstrap_peer(e);
                bool is_known = c && table_find(&d->table, &c->key);

                if (e->source == BOOTSTRAP_CONFIG)
                        ret[n++] = (struct dht_place){ &e->contact, is_known ? NULL : e->why,
                                                       is_known || e->is_met };
        }
        return n;
}

size_t dht_counters(const struct dht *d, const struct dht_counter **ret) {
        struct dht_counter *c = ((struct dht *) d)->counters;

        c[COUNT_SUBNET_REFUSED].value = d->table.refused_subnet;
        c[COUNT_TABLE_FULL].value = d->table.refused_full;
        c[COUNT_EVICTED].value = d->table.evicted;
        c[COUNT_PROMOTED].value = d->table.promoted;
        c[COUNT_FAILURES_NOT_CHARGED].value = d->health.not_charged;
        c[COUNT_OUTAGES].value = d->health.outages;
        *ret = c;
        return _COUNT_N;
}
