#include "services/sim/measure.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "services/gossip/core.h"
#include "services/sim/node.h"

#define TTL         (24 * 3600 * NSEC_PER_SEC)
#define COPIES_OF   500  /* records whose copies are counted */
#define SPREAD_RATE 10.0 /* of capability records this many by the number of nodes are followed */
#define SPREAD_LAST (5 * NSEC_PER_SEC)  /* before the end none is followed any more */
#define SETTLED     (60 * NSEC_PER_SEC) /* who has been up for less is not expected to hear */
#define DRAW_SIZE   16

enum probe_kind { PROBE_LOOKUP, PROBE_GET, PROBE_DRAW, PROBE_TARGET, PROBE_VICTIM };

struct probe {
        enum probe_kind kind;
        uint32_t slot, life;
        struct key key;
        uint64_t sequence; /* that a get should find */
        uint64_t drawable; /* candidates that a draw could have found */
        bool found, found_old;
        size_t n;
        struct key contacts[64];
        nsec_t began;
};

struct published {
        struct refbuf *name;
        uint64_t sequence;
        nsec_t when;
};

struct measure {
        struct map *probes, *by_name; /* by_name: index + 1 */
        struct published *published;
        size_t n_published, capacity;
        uint64_t last_call;
        bool is_measuring;
        struct traffic before;
        double alive_before;
        nsec_t began, end;
        struct figures figures;
};

static struct measure *measure_of(struct network *net) {
        if (!net->measure) {
                net->measure = xnew(struct measure);
                net->measure->probes = map_new(3);
                net->measure->by_name = map_new(4);
        }
        return net->measure;
}

void histogram_add(struct histogram *h, double value) {
        size_t at = value < 0 ? 0 : value >= HISTOGRAM ? HISTOGRAM - 1 : (size_t) value;

        h->counts[at]++;
}

unsigned histogram_quantile(const struct histogram *h, double share) {
        uint64_t all = 0, sum = 0;

        for (unsigned i = 0; i < HISTOGRAM; i++)
                all += h->counts[i];
        for (unsigned i = 0; i < HISTOGRAM; i++) {
                sum += h->counts[i];
                if (all > 0 && (double) sum >= share * (double) all)
                        return i;
        }
        return 0;
}

/* ---- Records ---- */

void measure_published(struct network *net, struct bytes name, uint64_t sequence) {
        struct measure *m = measure_of(net);
        size_t at = (uintptr_t) map_get(m->by_name, name);

        if (at == 0) {
                if (m->n_published == m->capacity) {
                        m->capacity = m->capacity ? 2 * m->capacity : 1024;
                        m->published = xrealloc(m->published, m->capacity * sizeof(*m->published));
                }
                at = ++m->n_published;
                m->published[at - 1] = (struct published){ .name = refbuf_new(name) };
                (void) map_set(m->by_name, name, (void *) (uintptr_t) at);
        }
        m->published[at - 1].sequence = sequence;
        m->published[at - 1].when = net->now;
}

/* One that has not expired, drawn uniformly; NULL: there is none. */
static const struct published *any_published(struct network *net) {
        struct measure *m = net->measure;

        for (unsigned i = 0; m->n_published > 0 && i < 1000; i++) {
                const struct published *p = &m->published[rng_below(&net->rng, m->n_published)];

                if (p->when + TTL > net->now + 30 * NSEC_PER_SEC)
                        return p;
        }
        return NULL;
}

/* ---- Probes ---- */

static struct probe *probe_new(struct network *net, enum probe_kind kind, const struct node *n) {
        struct measure *m = net->measure;
        struct probe *p = xnew(struct probe);

        p->kind = kind;
        p->slot = n->slot;
        p->life = n->life;
        p->began = net->now;
        (void) map_set_u64(m->probes, ++m->last_call, p);
        return p;
}

/* People ask nodes that have found their way. */
static struct node *asker(struct network *net) {
        for (unsigned i = 0; i < 100; i++) {
                struct node *n = network_any(net);

                if (n && !n->is_attacker && !n->is_doomed && net->now - n->born >= SETTLED)
                        return n;
        }
        return NULL;
}

static void lookup_of(struct network *net, enum probe_kind kind, struct node *n) {
        struct probe *p = probe_new(net, kind, n);

        rng_bytes(&net->rng, p->key.bytes, sizeof(p->key.bytes));
        dht_find_closest(n->dht, net->measure->last_call, &p->key, net->now);
        node_settle(n);
}

static void on_lookup(struct network *net, struct node *nobody, struct event *e) {
        struct node *n = asker(net);

        if (n)
                lookup_of(net, PROBE_LOOKUP, n);
}

void measure_lookup_of(struct network *net, struct node *n) {
        lookup_of(net, PROBE_VICTIM, n);
}

static void get_of(struct network *net, enum probe_kind kind, struct node *n,
                   const struct published *record) {
        struct probe *p = probe_new(net, kind, n);

        p->sequence = record->sequence;
        dht_get(n->dht, net->measure->last_call, refbuf_bytes(record->name), net->now);
        node_settle(n);
}

static void on_get(struct network *net, struct node *nobody, struct event *e) {
        const struct published *record = any_published(net);
        struct node *n = asker(net);

        if (!n || !record)
                return;
        get_of(net, PROBE_GET, n, record);
}

/* What was never published counts as not found. */
void measure_get_target(struct network *net, struct bytes name) {
        size_t at = (uintptr_t) map_get(net->measure->by_name, name);
        struct node *n = asker(net);

        if (n && at > 0)
                get_of(net, PROBE_TARGET, n, &net->measure->published[at - 1]);
        else
                net->measure->figures.targets++;
}

void measure_victim(struct network *net, unsigned known, unsigned honest, bool is_good) {
        struct figures *f = &net->measure->figures;

        f->victims++;
        f->victims_good += is_good;
        f->victim_entries += known;
        f->victim_honest += honest;
}

void measure_topic(struct network *net, unsigned wanted, unsigned honest, unsigned all) {
        struct figures *f = &net->measure->figures;

        f->readings++;
        f->announced += wanted;
        f->announced_found += honest;
        f->announced_spam += all - honest;
}

/* Others that have offered it for a while. */
static uint64_t drawable(const struct network *net, const struct node *asker) {
        uint64_t n_rare = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                const struct node *n = net->slots[i];

                n_rare += n && n != asker && n->is_up && n->is_rare && n->gossip &&
                          !n->is_attacker && net->now - n->born >= SETTLED;
        }
        return n_rare < DRAW_SIZE ? n_rare : DRAW_SIZE;
}

static void on_draw(struct network *net, struct node *nobody, struct event *e) {
        struct bytes rare = BYTES_LIT("rare");
        struct gossip_draw draw = { .filter = { .engines = &rare, .n_engines = 1 } };
        struct node *n = asker(net);

        if (!n || !n->gossip)
                return;
        probe_new(net, PROBE_DRAW, n)->drawable = drawable(net, n);
        gossip_draw(n->gossip, net->measure->last_call, &draw, net->now);
        node_settle(n);
}

static void schedule(struct network *net, uint32_t n, event_fn fn) {
        for (uint32_t i = 0; i < n; i++)
                (void) network_event(net, net->now + net->settings.measured * i / n, fn, NULL);
}

void measure_begin(struct network *net) {
        struct measure *m = measure_of(net);

        network_count(net);
        m->is_measuring = true;
        m->before = net->traffic;
        m->alive_before = net->alive;
        m->began = net->now;
        m->end = net->now + net->settings.measured;
        m->figures = (struct figures){};
        schedule(net, net->settings.lookups, on_lookup);
        if (net->settings.records)
                schedule(net, net->settings.gets, on_get);
        if (net->settings.has_gossip)
                schedule(net, net->settings.draws, on_draw);
}

/* ---- Look-ups ---- */

static bool was_found(const struct probe *p, const struct key *key) {
        for (size_t i = 0; i < p->n; i++)
                if (key_equal(key, &p->contacts[i]))
                        return true;
        return false;
}

/* How many of the k truly closest servers are not missing from what was found. Attackers are
 * servers too, but nobody misses them; nor does the asker miss
 * himself, or whom he cannot speak with: the other half of a split
 * network, the far end of a silent link. */
static unsigned count_true(const struct network *net, const struct probe *p) {
        const struct node *best[MEASURE_K], *asker = net->slots[p->slot];
        size_t n_best = 0;
        unsigned good = MEASURE_K;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                const struct node *n = net->slots[i];
                size_t at = n_best;

                if (!n || !n->is_up || !n->is_serving || n == asker ||
                    !network_reaches(net, asker, n) || network_swallows(net, asker, n))
                        continue;
                while (at > 0 &&
                       key_compare(&p->key, &n->contact.key, &best[at - 1]->contact.key) < 0)
                        at--;
                if (at == MEASURE_K)
                        continue;
                n_best += n_best < MEASURE_K;
                memmove(&best[at + 1], &best[at], (n_best - at - 1) * sizeof(struct node *));
                best[at] = n;
        }
        for (size_t i = 0; i < n_best; i++)
                good -= !best[i]->is_attacker && !was_found(p, &best[i]->contact.key);
        return good;
}

static void end_lookup(struct network *net, struct probe *p, const struct dht_action *a) {
        struct figures *f = &net->measure->figures;
        unsigned good = count_true(net, p);
        double took = (double) (net->now - p->began) / 1e9;

        f->lookups++;
        f->lookups_good += good >= MEASURE_GOOD;
        f->hops += a->hops;
        f->lookup_s += took;
        histogram_add(&f->found, good);
        histogram_add(&f->hop_counts, a->hops);
        histogram_add(&f->lookup_times, took * 4);
}

static void end_get(struct network *net, struct probe *p, const struct dht_action *a) {
        struct figures *f = &net->measure->figures;
        double took = (double) (net->now - p->began) / 1e9;

        f->gets++;
        f->gets_good += p->found;
        f->gets_old += p->found_old && !p->found;
        f->get_s += took;
        histogram_add(&f->get_times, took * 4);
}

static void take_result(struct probe *p, const struct dht_result *r) {
        if (p->kind == PROBE_GET || p->kind == PROBE_TARGET) {
                p->found |= r->value && r->sequence >= p->sequence;
                p->found_old |= r->value && r->sequence < p->sequence;
        } else if (p->n < ELEMENTSOF(p->contacts)) {
                p->contacts[p->n++] = r->contact.key;
        }
}

static void end_target(struct network *net, struct probe *p, const struct dht_action *a) {
        net->measure->figures.targets++;
        net->measure->figures.targets_good += p->found;
}

static void end_victim(struct network *net, struct probe *p, const struct dht_action *a) {
        net->measure->figures.victim_asks++;
        net->measure->figures.victim_asks_good += count_true(net, p) >= MEASURE_GOOD;
}

static void (*const ends[])(struct network *net, struct probe *p, const struct dht_action *a) = {
        [PROBE_LOOKUP] = end_lookup, [PROBE_GET] = end_get,       [PROBE_DRAW] = NULL,
        [PROBE_TARGET] = end_target, [PROBE_VICTIM] = end_victim,
};

void measure_result(struct network *net, struct node *n, const struct dht_action *a) {
        struct probe *p = net->measure ? map_get_u64(net->measure->probes, a->id) : NULL;

        if (!p)
                return;
        if (a->type == DHT_RESULT) {
                take_result(p, a->result);
                return;
        }
        ends[p->kind](net, p, a);
        free(map_remove_u64(net->measure->probes, a->id));
}

/* ---- Draws ---- */

static bool is_alive(const struct network *net, const struct gossip_candidate *c) {
        CLEANUP(capability_donep) struct capability record = {};
        const struct node *n;

        if (capability_read(refbuf_bytes(c->record), &record))
                return false;
        n = network_find(net, &record.peer);
        return n && n->is_up;
}

void measure_drawn(struct network *net, struct node *n, const struct gossip_action *a) {
        struct measure *m = net->measure;
        struct probe *p = m ? map_get_u64(m->probes, a->id) : NULL;
        struct figures *f = &m->figures;
        uint64_t dead = 0;

        if (!p || p->kind != PROBE_DRAW || !a->drawn)
                return;
        for (size_t i = 0; i < a->drawn->n; i++)
                dead += !is_alive(net, &a->drawn->list[i]);
        f->draws++;
        f->draws_full += a->drawn->n >= DRAW_SIZE;
        f->drawn += a->drawn->n;
        f->drawable += p->drawable;
        f->drawn_dead += dead;
        f->draws_dead += dead > 1;
        f->draws_dead_max = dead > f->draws_dead_max ? dead : f->draws_dead_max;
        histogram_add(&f->draw_times, (double) (net->now - p->began) / 1e9 * 10);
        free(map_remove_u64(net->measure->probes, a->id));
}

/* ---- How far capability records get ---- */

static bool is_member(const struct node *n, const char *topic, nsec_t since) {
        if (!n || !n->is_up || !n->gossip || n->is_attacker || n->born + SETTLED > since)
                return false;
        for (size_t i = 0; i < SHARDS_MAX; i++)
                if (n->gossip->shards[i].is_joined &&
                    strcmp(n->gossip->shards[i].topic, topic) == 0)
                        return true;
        return false;
}

/* What is followed: who said what where. */
struct spread {
        struct peer_id author;
        uint64_t sequence;
        char topic[SHARD_TOPIC_SIZE];
};

/* a: seconds since. The author may be dead by now: his record still has to arrive. */
static void on_spread(struct network *net, struct node *nobody, struct event *e) {
        const struct spread *spread = (const void *) e->data->data;
        struct figures *f = &net->measure->figures;
        nsec_t since = net->now - e->a * NSEC_PER_SEC;
        uint64_t members = 0, heard = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                struct node *n = net->slots[i];

                if (!is_member(n, spread->topic, since) || peer_id_equal(&n->peer, &spread->author))
                        continue;
                members++;
                heard += offers_newest(n->gossip->offers, &spread->author) >= spread->sequence;
        }
        f->deliveries_1 += e->a == 1 ? members : 0;
        f->delivered_1 += e->a == 1 ? heard : 0;
        f->deliveries_3 += e->a == 3 ? members : 0;
        f->delivered_3 += e->a == 3 ? heard : 0;
}

void measure_spread(struct network *net, struct node *author) {
        const struct gossip *g = author->gossip;
        const struct membership_topic *t = &g->shards[g->signing_shard];
        const struct measure *m = net->measure;
        struct spread spread = { .author = author->peer, .sequence = g->sequence };

        if (!m || !m->is_measuring || net->now + SPREAD_LAST > m->end || author->is_attacker ||
            !rng_chance(&net->rng, SPREAD_RATE / net->settings.n_nodes))
                return;
        memcpy(spread.topic, t->topic, sizeof(spread.topic));
        for (uint32_t seconds = 1; seconds <= 3; seconds += 2) {
                struct event *e =
                        network_event(net, net->now + seconds * NSEC_PER_SEC, on_spread, NULL);

                e->a = seconds;
                e->data = refbuf_new(BYTES(&spread, sizeof(spread)));
        }
}

/* ---- The end ---- */

static bool see(void *userdata, const struct stored_record *r) {
        *(uint64_t *) userdata = r->sequence;
        return false;
}

static unsigned count_copies(const struct network *net, const struct published *p) {
        struct key key = key_of(refbuf_bytes(p->name));
        static const uint8_t only[32];
        unsigned copies = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                struct node *n = net->slots[i];
                uint64_t sequence = 0;

                if (!n || !n->is_up || n->is_attacker)
                        continue;
                (void) shelf_one(&n->disk.shelf, &key, only, see, &sequence);
                copies += sequence >= p->sequence;
        }
        return copies;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static void end_copies(struct network *net, struct figures *f) {
        double copies[COPIES_OF];
        size_t n = 0;

        for (; n < COPIES_OF; n++) {
                const struct published *p = any_published(net);

                if (!p)
                        break;
                copies[n] = count_copies(net, p);
                histogram_add(&f->copies, copies[n]);
        }
        f->records = net->measure->n_published;
        if (n == 0)
                return;
        qsort(copies, n, sizeof(*copies), by_value);
        f->copies_p1 = (uint64_t) copies[n / 100];
        f->copies_p50 = (uint64_t) copies[n / 2];
}

static void end_nodes(struct network *net, struct figures *f) {
        CLEANUP(freep) double *sizes = xnew_n(double, net->n_slots + 1);
        size_t n_sizes = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                struct node *n = net->slots[i];
                struct dht_status s;

                if (!n)
                        continue;
                if (!n->is_up || n->is_attacker || net->now - n->born < 10 * SETTLED)
                        continue;
                dht_status(n->dht, &s);
                f->estimates++;
                f->estimates_inside += s.size_low <= net->n_up && s.size_high >= net->n_up;
                f->table_entries += s.peers;
                sizes[n_sizes++] = s.size;
        }
        qsort(sizes, n_sizes, sizeof(*sizes), by_value);
        f->estimate_median = n_sizes ? sizes[n_sizes / 2] : 0;
}

static void end_traffic(struct network *net, struct figures *f) {
        const struct traffic *a = &net->measure->before, *b = &net->traffic;

        network_count(net);
        for (unsigned i = 0; i < _PARTS; i++)
                f->traffic.bytes[i] = b->bytes[i] - a->bytes[i];
        for (unsigned i = 0; i < _PURPOSES; i++)
                f->traffic.handshakes[i] = b->handshakes[i] - a->handshakes[i];
        f->traffic.requests = b->requests - a->requests;
        f->traffic.failed_dials = b->failed_dials - a->failed_dials;
        f->traffic.messages = b->messages - a->messages;
        f->alive_s = net->alive - net->measure->alive_before;
        f->hours = (double) (net->now - net->measure->began) / 3.6e12;
}

static void count_void(const struct measure *m, struct figures *f) {
        size_t cursor = 0;
        void *value;

        while (map_next(m->probes, &cursor, NULL, &value)) {
                enum probe_kind kind = ((const struct probe *) value)->kind;

                f->lookups_void += kind == PROBE_LOOKUP;
                f->gets_void += kind == PROBE_GET;
                f->draws_void += kind == PROBE_DRAW;
        }
}

void measure_end(struct network *net, struct figures *ret) {
        struct figures *f = &net->measure->figures;

        end_traffic(net, f);
        count_void(net->measure, f);
        end_copies(net, f);
        end_nodes(net, f);
        f->seed = net->settings.seed;
        f->trace = net->trace;
        f->nodes_end = net->n_up;
        f->n_events = net->n_events;
        f->n_links = net->n_links;
        f->signed_n = net->keys.n_signed;
        f->verified = net->keys.n_verified;
        f->departed = net->n_departed;
        f->killed = net->n_killed;
        f->returned = net->n_returned;
        f->undone = net->n_undone;
        *ret = *f;
}

void measure_free(struct network *net) {
        struct measure *m = net->measure;
        size_t cursor = 0;
        void *value;

        if (!m)
                return;
        while (map_next(m->probes, &cursor, NULL, &value))
                free(value);
        map_free(m->probes);
        map_free(m->by_name);
        for (size_t i = 0; i < m->n_published; i++)
                refbuf_unref(m->published[i].name);
        free(m->published);
        free(m);
        net->measure = NULL;
}
