#include "services/gossip/offers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/rate.h"

/* One peer: its newest record, and the highest sequence when the record is gone. */
struct entry {
        struct list link;          /* heard of longest ago first */
        struct capability *record; /* NULL: expired; most entries are there for their sequence */
        struct peer_id peer;
        uint64_t sequence;
        nsec_t heard, age; /* age: how old it was when it came */
        nsec_t spoke;      /* to us, the last time; 0: never */
        bool is_denied, is_gone, has_twin;
        nsec_t full; /* of the rate at which it may speak, see rate_of() */
};

struct offers {
        struct bytes network;
        size_t max;
        struct map *entries;
        struct list order,
                denied; /* denied ones are never evicted: their list has a limit itself */
        size_t n_denied;
        uint64_t evicted;
};

struct offers *offers_new(const char *network, size_t max, uint64_t seed) {
        struct offers *o = xnew(struct offers);

        o->network = BYTES(xstrdup(network), strlen(network));
        o->max = max;
        o->entries = map_new(seed);
        list_init(&o->order);
        list_init(&o->denied);
        return o;
}

static void forget_record(struct entry *e) {
        if (!e->record)
                return;
        capability_done(e->record);
        free(e->record);
        e->record = NULL;
}

static void entry_free(struct offers *o, struct entry *e) {
        (void) map_remove(o->entries, peer_id_bytes(&e->peer));
        list_remove(&e->link);
        forget_record(e);
        o->n_denied -= e->is_denied;
        free(e);
}

struct offers *offers_free(struct offers *o) {
        if (!o)
                return NULL;
        while (!list_is_empty(&o->order))
                entry_free(o, LIST_ENTRY(list_first(&o->order), struct entry, link));
        while (!list_is_empty(&o->denied))
                entry_free(o, LIST_ENTRY(list_first(&o->denied), struct entry, link));
        map_free(o->entries);
        free((void *) o->network.data);
        free(o);
        return NULL;
}

/* ---- Adding ---- */

static bool is_near(uint64_t a, uint64_t b) {
        return (a > b ? a - b : b - a) <= SEQUENCE_SKEW;
}

/* All but `full` is the same for everybody. */
static struct rate rate_of(const struct entry *e) {
        struct rate r;

        rate_init(&r, ORIGIN_BURST, ORIGIN_RATE);
        r.full = e->full;
        return r;
}

static bool is_too_fast(const struct entry *e, nsec_t now) {
        struct rate r = rate_of(e);

        return rate_next(&r) > now;
}

static void charge(struct entry *e, nsec_t now) {
        struct rate r = rate_of(e);

        (void) rate_take(&r, now);
        e->full = r.full;
}

int offers_would(const struct offers *o, const struct capability *c, nsec_t now, uint64_t wall_ns) {
        const struct entry *e = map_get(o->entries, peer_id_bytes(&c->peer));

        if (!bytes_equal(c->network, o->network))
                return OFFERS_E_NETWORK;
        if (e && e->is_denied)
                return OFFERS_E_DENIED;
        if (e && c->sequence <= e->sequence)
                return OFFERS_E_OLD;
        if (!is_near(c->sequence, wall_ns))
                return OFFERS_E_CLOCK;
        return e && is_too_fast(e, now) ? OFFERS_E_RATE : OFFERS_NEW;
}

bool offers_is_twin(const struct offers *o, const struct capability *c, nsec_t apart, nsec_t now) {
        const struct entry *e = map_get(o->entries, peer_id_bytes(&c->peer));

        return e && !e->has_twin && c->sequence < e->sequence &&
               e->sequence - c->sequence <= apart && !is_too_fast(e, now);
}

void offers_take_twin(struct offers *o, const struct capability *c, nsec_t now) {
        struct entry *e = map_get(o->entries, peer_id_bytes(&c->peer));

        if (!e)
                return;
        e->has_twin = true;
        charge(e, now);
}

uint64_t offers_newest(const struct offers *o, const struct peer_id *peer) {
        const struct entry *e = map_get(o->entries, peer_id_bytes(peer));

        return e ? e->sequence : 0;
}

static struct entry *entry_make(struct offers *o, const struct peer_id *peer) {
        struct entry *e = map_get(o->entries, peer_id_bytes(peer));

        if (e)
                return e;
        if (map_count(o->entries) - o->n_denied >= o->max) {
                entry_free(o, LIST_ENTRY(list_first(&o->order), struct entry, link));
                o->evicted++;
        }
        e = xnew(struct entry);
        e->peer = *peer;
        list_init(&e->link);
        (void) map_set(o->entries, peer_id_bytes(peer), e);
        return e;
}

int offers_add(struct offers *o, struct capability *c, nsec_t now, uint64_t wall_ns) {
        int r = offers_would(o, c, now, wall_ns);
        struct entry *e;

        if (r)
                return r;
        e = entry_make(o, &c->peer);
        charge(e, now);
        if (!e->record)
                e->record = xnew(struct capability);
        capability_done(e->record);
        *e->record = *c;
        *c = (struct capability){};
        e->sequence = e->record->sequence;
        e->heard = now;
        e->age = wall_ns > e->sequence ? wall_ns - e->sequence : 0;
        e->is_gone = e->has_twin = false;
        list_remove(&e->link);
        list_push_back(&o->order, &e->link);
        return OFFERS_NEW;
}

void offers_alive(struct offers *o, const struct peer_id *peer, nsec_t now) {
        struct entry *e = map_get(o->entries, peer_id_bytes(peer));

        if (!e)
                return;
        e->spoke = now;
        e->is_gone = false;
}

void offers_gone(struct offers *o, const struct peer_id *peer) {
        struct entry *e = map_get(o->entries, peer_id_bytes(peer));

        if (e)
                e->is_gone = true;
}

void offers_deny(struct offers *o, const struct peer_id *peer, bool denied) {
        struct entry *e = denied ? entry_make(o, peer) : map_get(o->entries, peer_id_bytes(peer));

        if (!e || e->is_denied == denied)
                return;
        forget_record(e);
        list_remove(&e->link);
        if (denied) {
                e->is_denied = true;
                o->n_denied++;
                list_push_back(&o->denied, &e->link);
        } else {
                entry_free(o, e);
        }
}

/* ---- Ageing ---- */

static nsec_t age_of(const struct entry *e, nsec_t now) {
        return nsec_add(e->age, nsec_sub(now, e->heard));
}

static bool is_present(const struct entry *e, nsec_t now) {
        return e->record && age_of(e, now) < PRESENCE_TTL;
}

static bool is_offer(const struct entry *e, nsec_t now) {
        return is_present(e, now) && age_of(e, now) < OFFER_TTL && e->record->slots > 0;
}

void offers_expire(struct offers *o, nsec_t now) {
        LIST_FOREACH_SAFE (it, &o->order) {
                struct entry *e = LIST_ENTRY(it, struct entry, link);

                if (nsec_sub(now, e->heard) >= SEQUENCE_KEPT)
                        entry_free(o, e);
                else if (e->record && !is_present(e, now))
                        forget_record(e);
        }
}

nsec_t offers_deadline(const struct offers *o) {
        nsec_t first = NSEC_NEVER;

        LIST_FOREACH (it, &o->order) {
                const struct entry *e = LIST_ENTRY(it, struct entry, link);

                if (e->record)
                        first = nsec_min(first, nsec_add(e->heard, nsec_sub(PRESENCE_TTL, e->age)));
        }
        return first;
}

/* ---- Looking ---- */

/* The whole class, or the name before its first slash: any build of that engine. */
static bool is_of_engine(struct bytes class, struct bytes wanted) {
        return bytes_equal(class, wanted) ||
               (wanted.len < class.len && class.data[wanted.len] == '/' &&
                memcmp(class.data, wanted.data, wanted.len) == 0);
}

static bool has_engine(const struct capability *c, const struct offer_filter *f) {
        for (size_t i = 0; i < c->n_engines; i++)
                for (size_t k = 0; k < f->n_engines; k++)
                        if (is_of_engine(c->engines[i], f->engines[k]))
                                return true;
        return f->n_engines == 0;
}

static bool has_group(const struct capability *c, struct bytes group) {
        for (size_t i = 0; i < c->n_groups; i++)
                if (bytes_equal(c->groups[i], group))
                        return true;
        return group.len == 0;
}

bool offer_fits(const struct capability *c, const struct offer_filter *f) {
        return has_engine(c, f) && has_group(c, f->group) &&
               (f->data_class == 0 || (c->data_classes & f->data_class)) &&
               (f->region.len == 0 || bytes_equal(c->region, f->region)) &&
               c->free_slots >= f->min_free_slots && c->memory_mib >= f->min_memory_mib;
}

static nsec_t silence_of(const struct entry *e, nsec_t now) {
        nsec_t age = age_of(e, now);

        if (e->is_gone)
                return nsec_max(age, OFFER_FRESH);
        return e->spoke > 0 ? nsec_min(age, nsec_sub(now, e->spoke)) : age;
}

static struct offer_view view_of(const struct entry *e, nsec_t now) {
        return (struct offer_view){ e->record, age_of(e, now), silence_of(e, now) };
}

/* Those silent for at least `from`, less than `to`. Reservoir sampling (Vitter 1985, algorithm R):
 * one pass, nothing set aside. */
static void draw_some(const struct offers *o, struct offer_draw *d, nsec_t from, nsec_t to,
                      nsec_t now) {
        size_t seen = 0, room = d->max - d->n;

        LIST_FOREACH (it, &o->order) {
                const struct entry *e = LIST_ENTRY(it, struct entry, link);
                nsec_t silence = silence_of(e, now);
                size_t at;

                if (!is_offer(e, now) || silence < from || silence >= to ||
                    !offer_fits(e->record, d->filter))
                        continue;
                at = seen < room ? seen : rng_below(d->rng, seen + 1);
                seen++;
                if (at < room)
                        d->list[d->n + at] = view_of(e, now);
        }
        d->n += seen < room ? seen : room;
}

static size_t count_unusable(const struct offers *o, const struct offer_filter *f, nsec_t now) {
        size_t n = 0;

        LIST_FOREACH (it, &o->order) {
                const struct entry *e = LIST_ENTRY(it, struct entry, link);

                n += is_offer(e, now) && !offer_fits(e->record, f);
        }
        return n;
}

void offers_draw(const struct offers *o, struct offer_draw *d, nsec_t now) {
        d->n = 0;
        draw_some(o, d, 0, OFFER_ALIVE, now);
        draw_some(o, d, OFFER_ALIVE, OFFER_FRESH, now);
        draw_some(o, d, OFFER_FRESH, NSEC_NEVER, now);
        d->unusable = count_unusable(o, d->filter, now);
}

static int compare_views(const void *a, const void *b) {
        const struct offer_view *x = a, *y = b;

        return peer_id_compare(&x->record->peer, &y->record->peer);
}

/* Keeps the `max` smallest behind `after` in one pass over a sorted array. */
static size_t insert_view(struct offer_view *list, size_t n, size_t max, struct offer_view v) {
        size_t at = n;

        while (at > 0 && compare_views(&v, &list[at - 1]) < 0)
                at--;
        if (at == max)
                return n;
        if (n == max)
                n--;
        memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
        list[at] = v;
        return n + 1;
}

size_t offers_list(const struct offers *o, const struct peer_id *after, nsec_t now,
                   struct offer_view *ret, size_t max) {
        size_t n = 0;

        LIST_FOREACH (it, &o->order) {
                const struct entry *e = LIST_ENTRY(it, struct entry, link);

                if (is_present(e, now) && max > 0 &&
                    (!after || peer_id_compare(&e->peer, after) > 0))
                        n = insert_view(ret, n, max, view_of(e, now));
        }
        return n;
}

bool offers_get(const struct offers *o, const struct peer_id *peer, nsec_t now,
                struct offer_view *ret) {
        const struct entry *e = map_get(o->entries, peer_id_bytes(peer));

        if (!e || !is_present(e, now))
                return false;
        *ret = view_of(e, now);
        return true;
}

size_t offers_count(const struct offers *o) {
        return map_count(o->entries);
}

uint64_t offers_evicted(const struct offers *o) {
        return o->evicted;
}
