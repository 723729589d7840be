#include "services/dht/health.h"

#include <string.h>

#include "common/base/memory.h"

void health_init(struct health *h) {
        *h = (struct health){};
}

static void forget(struct health *h, size_t i) {
        h->peers[i] = h->peers[--h->n_peers];
}

static size_t find(const struct health *h, const struct key *key) {
        size_t i = 0;

        while (i < h->n_peers && !key_equal(&h->peers[i].key, key))
                i++;
        return i;
}

void health_forgive(struct health *h) {
        h->n_peers = 0;
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

static struct health_peer *peer_get(struct health *h, const struct key *key, nsec_t now) {
        size_t i = find(h, key), oldest = 0;

        if (i == HEALTH_MAX) {
                for (size_t j = 1; j < HEALTH_MAX; j++)
                        if (h->peers[j].touched < h->peers[oldest].touched)
                                oldest = j;
                h->forgotten++;
                forget(h, oldest);
                i = h->n_peers;
        }
        if (i == h->n_peers)
                h->peers[h->n_peers++] = (struct health_peer){ .key = *key };
        h->peers[i].touched = now;
        return &h->peers[i];
}

static void charge(struct health_peer *p, unsigned family, nsec_t now) {
        unsigned n = ++p->failures[family], shift = n - 1;

        if (n > HEALTH_SHIFT_MAX)
                p->failures[family] = HEALTH_SHIFT_MAX + 1;
        if (shift > HEALTH_SHIFT_MAX)
                shift = HEALTH_SHIFT_MAX;
        p->retry[family] = nsec_add(now, HEALTH_BACKOFF << shift);
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
        p = peer_get(h, &c->key, now);
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++) {
                if (!(families & 1u << f))
                        continue;
                if (has_outage)
                        p->pending[f] = 1, h->not_charged++;
                else
                        charge(p, f, now);
        }
        return !has_outage;
}

/* What was charged as the outage began was ours as well: forget its back-off. */
static bool was_ours(const struct health *h, const struct health_peer *p) {
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                if (p->pending[f] > 0)
                        return true;
        for (size_t i = 0; i < h->n_recent; i++)
                if (key_equal(&h->recent[i].key, &p->key))
                        return true;
        return false;
}

static void recover(struct health *h) {
        for (size_t i = h->n_peers; i > 0; i--)
                if (was_ours(h, &h->peers[i - 1]))
                        forget(h, i - 1);
        h->recovered++;
}

static void clear(struct health *h, size_t i, enum health_family family) {
        struct health_peer *p = &h->peers[i];
        unsigned left = 0;

        p->retry[family] = 0;
        p->failures[family] = p->pending[family] = 0;
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                left += p->failures[f];
        if (left == 0)
                forget(h, i);
}

bool health_answered(struct health *h, const struct key *peer, const struct endpoint *e,
                     nsec_t now) {
        bool had_outage = h->has_outage;
        size_t i = find(h, peer);

        if (had_outage)
                recover(h);
        else if (i < h->n_peers)
                clear(h, i,
                      e->family == ENDPOINT_IP6   ? HEALTH_IP6
                      : e->family == ENDPOINT_IP4 ? HEALTH_IP4
                                                  : HEALTH_RELAY);
        h->answered = nsec_max(now, 1);
        h->n_recent = 0;
        h->has_outage = false;
        return had_outage;
}

bool health_may_ask(const struct health *h, const struct contact *c, nsec_t now) {
        size_t i = find(h, &c->key);
        unsigned families;

        if (i == h->n_peers)
                return true;
        families = families_of(c);
        for (unsigned f = 0; f < _HEALTH_FAMILY_N; f++)
                if ((families & 1u << f) && h->peers[i].retry[f] <= now)
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
