#include "services/transport/observed.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct vote {
        struct peer_id by;
        struct endpoint from;
        nsec_t when;
};

struct sighting {
        struct endpoint at;
        size_t n_votes;
        struct vote votes[OBSERVED_VOTES_MAX]; /* oldest first */
};

struct observed {
        size_t n;
        struct sighting list[OBSERVED_ADDRS_MAX];
};

struct observed *observed_new(void) {
        return xnew(struct observed);
}

struct observed *observed_free(struct observed *o) {
        free(o);
        return NULL;
}

static bool same_network(const struct endpoint *a, const struct endpoint *b) {
        return a->family == b->family &&
               endpoint_same_net(a, b, a->family == ENDPOINT_IP4 ? 24 : 48);
}

static size_t n_networks(const struct sighting *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_votes; i++) {
                bool is_new = true;

                for (size_t j = 0; j < i; j++)
                        is_new &= !same_network(&s->votes[i].from, &s->votes[j].from);
                n += is_new;
        }
        return n;
}

static bool is_believed(const struct sighting *s) {
        return n_networks(s) >= (endpoint_scope(&s->at) == SCOPE_PUBLIC ? 2 : 1);
}

static void drop_vote(struct observed *o, struct sighting *s, size_t i) {
        s->n_votes--;
        memmove(&s->votes[i], &s->votes[i + 1], (s->n_votes - i) * sizeof(s->votes[0]));
        if (s->n_votes == 0)
                *s = o->list[--o->n];
}

static void withdraw(struct observed *o, const struct peer_id *by, uint8_t family) {
        for (size_t i = o->n; i-- > 0;) {
                struct sighting *s = &o->list[i];

                for (size_t j = 0; s->at.family == family && j < s->n_votes; j++)
                        if (peer_id_equal(&s->votes[j].by, by)) {
                                drop_vote(o, s, j);
                                return;
                        }
        }
}

static nsec_t latest(const struct sighting *s) {
        return s->votes[s->n_votes - 1].when;
}

/* NULL: all are believed. */
static struct sighting *dispensable(struct observed *o) {
        struct sighting *oldest = NULL;

        for (size_t i = 0; i < o->n; i++) {
                struct sighting *s = &o->list[i];

                if (!is_believed(s) && (!oldest || latest(s) < latest(oldest)))
                        oldest = s;
        }
        return oldest;
}

static struct sighting *make(struct observed *o, const struct endpoint *at) {
        struct sighting *s = o->n < OBSERVED_ADDRS_MAX ? &o->list[o->n++] : dispensable(o);

        if (s)
                *s = (struct sighting){ .at = *at };
        return s;
}

static struct sighting *find(struct observed *o, const struct endpoint *at) {
        for (size_t i = 0; i < o->n; i++)
                if (endpoint_equal(&o->list[i].at, at))
                        return &o->list[i];
        return make(o, at);
}

/* A vote of a network that has one already makes room first. */
static void vote(struct sighting *s, const struct vote *v) {
        size_t gone = 0;

        if (s->n_votes == OBSERVED_VOTES_MAX) {
                for (size_t i = s->n_votes; i-- > 0;)
                        if (same_network(&s->votes[i].from, &v->from))
                                gone = i;
                s->n_votes--;
                memmove(&s->votes[gone], &s->votes[gone + 1],
                        (s->n_votes - gone) * sizeof(s->votes[0]));
        }
        s->votes[s->n_votes++] = *v;
}

/* Who is in the same kind of network as what he saw can judge it. */
static bool is_plausible(const struct endpoint *at, const struct endpoint *from) {
        enum endpoint_scope scope = endpoint_scope(at);

        if (at->port == 0 || scope == SCOPE_UNUSABLE || scope == SCOPE_LINK)
                return false;
        return (scope == SCOPE_PUBLIC) == (endpoint_scope(from) == SCOPE_PUBLIC);
}

/* Order-free digest of what is believed, to see a change. */
static uint64_t fingerprint(const struct observed *o) {
        uint64_t sum = 0;

        for (size_t i = 0; i < o->n; i++) {
                const uint8_t *bytes = (const uint8_t *) &o->list[i].at;
                uint64_t h = 1469598103934665603; /* FNV-1a, 64 bits */

                for (size_t j = 0; j < sizeof(o->list[i].at); j++)
                        h = (h ^ bytes[j]) * 1099511628211;
                sum += is_believed(&o->list[i]) ? h : 0;
        }
        return sum;
}

bool observed_report(struct observed *o, const struct endpoint *at, const struct peer_id *by,
                     const struct endpoint *from, nsec_t now) {
        const struct vote v = { .by = *by, .from = *from, .when = now };
        uint64_t before = fingerprint(o);
        struct sighting *s;

        if (!is_plausible(at, from))
                return false;
        withdraw(o, by, at->family);
        s = find(o, at);
        if (s)
                vote(s, &v);
        return fingerprint(o) != before;
}

bool observed_expire(struct observed *o, nsec_t now) {
        uint64_t before = fingerprint(o);

        /* What drop_vote() moves into the place of i was looked at before. */
        for (size_t i = o->n; i-- > 0;)
                while (i < o->n && nsec_add(o->list[i].votes[0].when, OBSERVED_LIFETIME) <= now)
                        drop_vote(o, &o->list[i], 0);
        return fingerprint(o) != before;
}

nsec_t observed_deadline(const struct observed *o) {
        nsec_t when = NSEC_NEVER;

        for (size_t i = 0; i < o->n; i++)
                when = nsec_min(when, nsec_add(o->list[i].votes[0].when, OBSERVED_LIFETIME));
        return when;
}

bool observed_address(const struct observed *o, size_t i, struct observed_address *ret) {
        const struct sighting *s = &o->list[i];

        if (i >= o->n)
                return false;
        *ret = (struct observed_address){ .at = s->at,
                                          .n_networks = n_networks(s),
                                          .is_believed = is_believed(s),
                                          .latest = latest(s) };
        return true;
}
