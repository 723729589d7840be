/* A lookup from its beginning to the set of nodes it found. */
#include "common/base/memory.h"
#include "services/dht/internal.h"

#define FILL_K  8 /* a bucket needs somebody, not everybody */
#define SEEDS   3 /* times k */
#define SETTLED 4 /* samples: our own neighbourhood and the first points */

/* So much farther than expected the k-th closest hardly ever stands: in 1 of 10,000 look-ups, by
 * the Poisson distribution with a mean of 40 (fewer than 20), or of 24 (fewer than 8). */
#define SPARSE      2.0
#define SPARSE_FILL 3.0

static bool uses_regions(enum operation_kind kind) {
        return kind == OPERATION_PUT || kind == OPERATION_GET || kind == OPERATION_PROVIDE ||
               kind == OPERATION_PROVIDERS || kind == OPERATION_LOCATE;
}

bool dht_knows_size(const struct dht *d) {
        return estimate_samples(&d->estimate) >= 3;
}

static double radius_for(const struct dht *d, enum operation_kind kind) {
        if (d->config.without_regions || !uses_regions(kind) || !dht_knows_size(d))
                return 0;
        return estimate_radius(&d->estimate, d->config.k);
}

static double sparse_for(const struct dht *d, enum operation_kind kind) {
        double sparse = kind == OPERATION_FILL ? SPARSE_FILL * FILL_K : SPARSE * d->config.k;

        if (d->config.without_density || estimate_samples(&d->estimate) == 0)
                return 0;
        sparse /= estimate_at_most(&d->estimate);
        return sparse < 1 ? sparse : 0;
}

struct operation *operation_new(struct dht *d, enum operation_kind kind, const struct key *target,
                                nsec_t now) {
        struct operation *o = xnew(struct operation);
        struct lookup_config config = { .k = kind == OPERATION_FILL ? FILL_K : d->config.k,
                                        .parallel = d->config.parallel,
                                        .paths = d->config.without_paths ? 1 : d->config.paths,
                                        .radius = radius_for(d, kind),
                                        .sparse = sparse_for(d, kind) };

        o->kind = kind;
        o->lookup = lookup_new(&config, target, &d->self_key);
        o->began = now;
        list_init(&o->link);
        list_push_back(&d->operations, &o->link);
        heap_set(&d->operation_timers, &o->timer, nsec_add(now, d->config.lookup_timeout));
        d->n_operations++;
        dht_count(d, COUNT_LOOKUPS);
        return o;
}

static void drop_asks(struct dht *d, struct operation *o) {
        LIST_FOREACH_SAFE (link, &d->asks) {
                struct ask *a = LIST_ENTRY(link, struct ask, link);

                if (a->owner == o)
                        ask_drop(d, a);
        }
}

void operation_free(struct dht *d, struct operation *o) {
        if (o->n_asks > 0)
                drop_asks(d, o);
        heap_remove(&d->operation_timers, &o->timer);
        list_remove(&o->link);
        lookup_free(o->lookup);
        refbuf_unref(o->request);
        refbuf_unref(o->name);
        refbuf_unref(o->value);
        for (size_t i = 0; i < o->n_values; i++)
                refbuf_unref(o->values[i].value);
        for (size_t i = 0; i < o->n_told; i++)
                contact_done(&o->told[i].contact);
        free(o->told);
        map_free(o->providers);
        d->n_operations--;
        d->n_calls -= o->call != 0;
        free(o);
}

/* ---- Asking ---- */

static size_t usable(struct dht *d, const struct kad_message *answer, struct contact *ret) {
        size_t n = 0;

        for (size_t i = 0; i < answer->n_closer; i++)
                if (peer_is_usable(d, &answer->closer[i], d->now))
                        ret[n++] = answer->closer[i];
        return n;
}

static void on_answer(struct dht *d, struct ask *a, const struct kad_message *answer,
                      const struct bytes *message, nsec_t now) {
        struct operation *o = a->owner;
        struct contact told[KAD_PEERS_MAX]; /* views */
        struct candidate *c;

        (void) message;
        o->n_asks--;
        if (!answer) {
                lookup_failed(o->lookup, &a->contact.key, a->edge);
        } else {
                c = lookup_answered(o->lookup, &a->contact.key, a->edge, told,
                                    usable(d, answer, told));
                if (c)
                        operation_heard(d, o, c, answer, now);
        }
        operation_settle(d, o, now);
}

/* Whose request the last one is. */
void operation_account(struct dht *d, const struct operation *o) {
        struct dht_action *a = dht_last_action(d);

        a->call = o->call;
        a->is_for_records = o->kind < OPERATION_SELF;
}

static void ask_one(struct dht *d, struct operation *o, const struct lookup_ask *ask) {
        CLEANUP(contact_donep) struct contact to = contact_ref(&ask->contact);
        CLEANUP(refbuf_unrefp) struct refbuf *message = NULL;
        struct ask *a;

        if (!o->is_of_neighbours && !health_may_ask(&d->health, &to, d->now) &&
            !health_has_outage(&d->health, d->now)) {
                lookup_skip(o->lookup, &to.key, ask->edge);
                return;
        }
        message = ask->edge == LOOKUP_MAIN ? refbuf_ref(o->request) : ask_find_exact(&ask->target);
        a = ask_send(d, &to, DHT_PROTOCOL_KAD, message, true);
        operation_account(d, o);
        a->owner = o;
        a->done = on_answer;
        a->edge = ask->edge;
        o->n_asks++;
}

/* After a rest of ours all may be in doubt or in back-off, or those that are asked be denied
 * meanwhile: before a look-up ends with nobody, those that are connected are asked all the same. */
static bool turn_to_neighbours(struct dht *d, struct operation *o) {
        size_t cursor = 0;
        void *value;

        if (o->is_of_neighbours || o->lookup->n_answered > 0)
                return false;
        o->is_of_neighbours = true;
        while (map_next(d->neighbours, &cursor, NULL, &value)) {
                const struct neighbour *p = value;

                if (p->is_server && peer_is_usable(d, &p->contact, d->now))
                        lookup_seed_again(o->lookup, &p->contact);
        }
        return true;
}

static void ask_on(struct dht *d, struct operation *o) {
        struct lookup_ask ask;

        do
                while (lookup_next(o->lookup, &ask))
                        ask_one(d, o, &ask);
        while (o->n_asks == 0 && turn_to_neighbours(d, o));
}

static void end_lookup(struct dht *d, struct operation *o, nsec_t now) {
        struct lookup *l = o->lookup;
        struct candidate *nearest;

        o->is_storing = true;
        d->counters[COUNT_LOOKUP_ASKS].value += l->n_asked;
        d->counters[COUNT_LOOKUP_DROPPED].value += l->n_dropped;
        d->counters[COUNT_LOOKUPS_WIDENED].value += l->n_wide > 0;
        d->counters[COUNT_REGION_OVERFLOWS].value += l->has_overflow;
        if (lookup_result(l, &nearest, 1) == 1)
                d->counters[COUNT_LOOKUP_HOPS].value += nearest->hops;
        operation_found(d, o, now);
}

/* Goes as far as it can; what is over is freed. */
void operation_settle(struct dht *d, struct operation *o, nsec_t now) {
        if (!o->is_storing)
                ask_on(d, o);
        if (!o->is_storing && o->n_asks == 0)
                end_lookup(d, o, now);
        if (o->is_storing && o->n_asks == 0 && !o->is_done)
                operation_done(d, o, o->n_copies > 0 ? DHT_OK : DHT_E_NO_PEERS, now);
        if (o->is_done)
                operation_free(d, o);
}

/* Peers of other libraries hash what stands in `key`. */
static struct refbuf *find_named(struct bytes name) {
        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = name };

        return kad_message_new(&parts);
}

/* Until the size of the network is known, whoever answered first could pass for all of it. */
static void begin_everywhere(struct dht *d, struct operation *o) {
        if (d->config.without_density || o->kind < OPERATION_SELF ||
            estimate_samples(&d->estimate) >= SETTLED)
                return;
        for (size_t i = 0; i < d->bootstrap.n; i++) {
                const struct bootstrap_entry *e = &d->bootstrap.entries[i];
                const struct contact *c = bootstrap_peer(e);

                if (e->source == BOOTSTRAP_CONFIG && c && peer_is_usable(d, c, d->now))
                        lookup_begin_at(o->lookup, c);
        }
}

void operation_begin(struct dht *d, struct operation *o, nsec_t now) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = table_closest(&d->table, &o->lookup->target, NULL, near, SEEDS * d->config.k);

        if (!o->request)
                o->request = o->name ? find_named(refbuf_bytes(o->name))
                                     : ask_find_exact(&o->lookup->target);
        begin_everywhere(d, o);
        for (size_t i = 0; i < n; i++)
                lookup_seed(o->lookup, &near[i]->contact);
        ask_on(d, o);
        if (o->n_asks == 0) { /* nobody to ask: to be told after this call */
                o->has_nobody = true;
                heap_set(&d->operation_timers, &o->timer, now);
        }
}

/* Time is up: what was found so far is the answer. */
void operation_expire(struct dht *d, nsec_t now) {
        struct heap_entry *e;

        while ((e = heap_pop_due(&d->operation_timers, now))) {
                struct operation *o = container_of(e, struct operation, timer);

                if (!o->has_nobody)
                        dht_count(d, COUNT_LOOKUPS_TIMED_OUT);
                if (!o->is_storing) {
                        drop_asks(d, o);
                        o->n_asks = 0;
                        heap_set(&d->operation_timers, &o->timer,
                                 nsec_add(now, 2 * d->config.request_timeout));
                        end_lookup(d, o, now);
                }
                if (!o->is_done && o->n_asks == 0)
                        operation_done(d, o,
                                       o->n_copies > 0 ? DHT_OK
                                       : o->has_nobody ? DHT_E_NO_PEERS
                                                       : DHT_E_TIMED_OUT,
                                       now);
                if (o->is_done)
                        operation_free(d, o);
        }
}

/* ---- Storing ---- */

static void on_stored(struct dht *d, struct ask *a, const struct kad_message *answer,
                      const struct bytes *message, nsec_t now) {
        struct operation *o = a->owner;

        (void) answer;
        o->n_asks--;
        o->n_copies += message != NULL;
        operation_settle(d, o, now);
}

void operation_store(struct dht *d, struct operation *o, const struct contact *to,
                     struct refbuf *message, bool wants_answer) {
        struct ask *a = ask_send(d, to, DHT_PROTOCOL_KAD, message, wants_answer);

        operation_account(d, o);
        a->owner = o;
        a->done = on_stored;
        a->is_store = true;
        o->n_stores++;
        o->n_asks++;
}
