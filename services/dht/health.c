#include "services/dht/health.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct health_peer {
        struct list link;
        struct key key;
        struct {
                uint8_t failures, pending; /* pending: of a suspected outage, not charged yet */
                nsec_t retry;
        } families[_HEALTH_FAMILY_N];
};

void health_init(struct health *h, uint64_t seed) {
        *h = (struct health){ .peers = map_new(seed) };
        list_init(&h->by_age);
}

static void forget(struct health *h, struct health_peer *p) {
        (void) map_remove(h->peers, key_bytes(&p->key));
        list_remove(&p->link);
        free(p);
}

void health_done(struct health *h) {
        health_forgive(h);
        h->peers = map_free(h->peers);
}

void health_forgive(struct health *h) {
        LIST_FOREACH_SAFE (link, &h->by_age)
                forget(h, LIST_ENTRY(link, struct health_peer, link));
        h->n_recent = 0;
        h->has_outage = false;
        h->hairpin_until = 0;
}

/* ---- Families ---- */

static enum health_family family_of(const struct multiaddr *a) {
        struct endpoint e;

        if (multiaddr_is_relayed(a))
                return HEALTH_RELAY;
        return multiaddr_endpoint(a, &e) && e.family == ENDPOINT_IP6 ? HEALTH_IP6 : HEALTH_IP4;
}

/* A bit per family; a peer without addresses is asked by way of transport. */
static unsigned families_of(const struct contact *c) {
        struct multiaddr addrs[CONTACT_ADDRESSES_MAX];
        size_t n = contact_addresses(c, addrs, ELEMENTSOF(addrs));
        unsigned families = 0;

        for (size_t i = 0; i < n; i++)
                families |= 1u << family_of(&addrs[i]);
        return families ? families : 1u << HEALTH_IP4;
}

/* ---- Outages ---- */

static void note_failing(struct health *h, const struct key *key, nsec_t now) {
        size_t at = h->n_recent;

        for (size_t i = 0; i < h->n_recent; i++)
                if (key_equal(&h->recent[i].key, key))
                        at = i;
        if (at == HEALTH_RECENT) { /* the oldest gives way */
                memmove(&h->recent[0], &h->recent[1], (at - 1) * sizeof(h->recent[0]));
                at--;
        } else if (at == h->n_recent) {
                h->n_recent++;
        }
        h->recent[at].key = *key;
        h->recent[at].when = now;
}

static nsec_t oldest_recent(const struct health *h) {
        nsec_t oldest = NSEC_NEVER;

        for (size_t i = 0; i < h->n_recent; i++)
                oldest = nsec_min(oldest, h->recent[i].when);
        return oldest;
}

/* Somebody answered us before, and since then nobody of several. */
bool health_has_outage(const struct health *h, nsec_t now) {
        nsec_t quiet = nsec_sub(now, h->answered);

        if (h->answered == 0 || h->n_recent < 2)
                return false;
        if (h->has_outage || quiet > HEALTH_QUIET)
                return true;
        return h->n_recent == HEALTH_RECENT && quiet > HEALTH_RECENT_SPAN &&
               nsec_sub(now, oldest_recent(h)) <= HEALTH_RECENT_SPAN;
}

/* ---- Failures and answers ---- */

static struct health_peer *peer_get(struct health *h, const struct key *key) {
        struct health_peer *p = map_get(h->peers, key_bytes(key));

        if (p) {
                list_remove(&p->link);
                list_push_back(&h->by_age, &p->link);
                return p;
        }
        if (map_count(h->peers) >= HEALTH_MAX) {
                h->forgotten++;
                forget(h, LIST_ENTRY(list_first(&h->by_age), struct health_peer, link));
        }
        p = xnew(struct health_peer);
        p->key = *key;
        list_init(&p->link);
        list_push_back(&h->by_age, &p->link);
        (void) map_set(h->peers, key_bytes(key), p);
        return p;
}

static void charge(struct health_peer *p, unsigned family, nsec_t now) {
        unsigned n = ++p->families[family].failures, shift = n - 1;

        if (n > HEALTH_SHIFT_MAX)
                p->families[family].failures = HEALTH_SHIFT_MAX + 1;
        if (shift > HEALTH_SHIFT_MAX)
                shift = HEALTH_SHIFT_MAX;
        p->families[family].retry = nsec_add(now, HEALTH_BACKOFF << shift);
}

bool health_failed(struct health *h, const struct contact *c, nsec_t now) {
        unsigned families = families_of(c);
        struct health_peer *p;
        bool has_outage;

        h->failures++;
        note_failing(h, &c->key, now);
        has_outage = health_has_outage(h, now);
        h->outages += has_outage && !h->has_outage;
        h->has_outage = has_outage;
        p = peer_get(h, &c->key);
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++) {
                if (!(families & 1u << f))
                        continue;
                if (has_outage)
                        p->families[f].pending = 1, h->not_charged++;
                else
                        charge(p, f, now);
        }
        return !has_outage;
}

/* What was charged as the outage began was ours as well: forget its back-off. */
static void recover(struct health *h) {
        LIST_FOREACH_SAFE (link, &h->by_age) {
                struct health_peer *p = LIST_ENTRY(link, struct health_peer, link);
                bool is_pending = false;

                for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                        is_pending |= p->families[f].pending > 0;
                for (size_t i = 0; i < h->n_recent; i++)
                        is_pending |= key_equal(&h->recent[i].key, &p->key);
                if (is_pending)
                        forget(h, p);
        }
        h->recovered++;
}

bool health_answered(struct health *h, const struct key *peer, const struct endpoint *e,
                     nsec_t now) {
        struct health_peer *p = map_get(h->peers, key_bytes(peer));
        bool had_outage = h->has_outage;
        unsigned left = 0, family = e->family == ENDPOINT_IP6   ? HEALTH_IP6
                                    : e->family == ENDPOINT_IP4 ? HEALTH_IP4
                                                                : HEALTH_RELAY;

        if (had_outage)
                recover(h);
        else if (p) {
                p->families[family] = (__typeof__(p->families[0])){};
                for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                        left += p->families[f].failures;
                if (left == 0)
                        forget(h, p);
        }
        h->answered = nsec_max(now, 1);
        h->n_recent = 0;
        h->has_outage = false;
        return had_outage;
}

bool health_may_ask(const struct health *h, const struct contact *c, nsec_t now) {
        const struct health_peer *p = map_get(h->peers, key_bytes(&c->key));
        unsigned families;

        if (!p)
                return true;
        families = families_of(c);
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                if ((families & 1u << f) && p->families[f].retry <= now)
                        return true;
        return false;
}

/* ---- Hairpin ---- */

void health_hairpin_failed(struct health *h, nsec_t now) {
        h->hairpin_until = nsec_add(now, HEALTH_HAIRPIN_LIFE);
}

void health_hairpin_works(struct health *h) {
        h->hairpin_until = 0;
}
