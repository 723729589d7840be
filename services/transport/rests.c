#include "services/transport/rests.h"

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rng.h"

struct rest {
        struct endpoint endpoint;
        struct list by_failure;
        unsigned n_failures;
        nsec_t until;
};

struct rests {
        nsec_t min, max;
        size_t n_max;
        struct map *by_endpoint;
        struct list by_failure; /* oldest first */
        struct rng rng;
};

struct rests *rests_new(nsec_t min, nsec_t max, size_t n_max, uint64_t seed) {
        struct rests *r = xnew(struct rests);

        *r = (struct rests){ .min = min, .max = max, .n_max = n_max };
        r->by_endpoint = map_new(seed);
        list_init(&r->by_failure);
        rng_init(&r->rng, seed);
        return r;
}

static void forget(struct rests *r, struct rest *rest) {
        map_remove(r->by_endpoint, BYTES(&rest->endpoint, sizeof(rest->endpoint)));
        list_remove(&rest->by_failure);
        free(rest);
}

void rests_clear(struct rests *r) {
        struct list *link;

        while ((link = list_first(&r->by_failure)))
                forget(r, LIST_ENTRY(link, struct rest, by_failure));
}

struct rests *rests_free(struct rests *r) {
        if (!r)
                return NULL;
        rests_clear(r);
        map_free(r->by_endpoint);
        free(r);
        return NULL;
}

static struct rest *find(const struct rests *r, const struct endpoint *e) {
        return map_get(r->by_endpoint, BYTES(e, sizeof(*e)));
}

static struct rest *get(struct rests *r, const struct endpoint *e) {
        struct rest *rest = find(r, e);

        if (rest)
                return rest;
        if (map_count(r->by_endpoint) == r->n_max)
                forget(r, LIST_ENTRY(list_first(&r->by_failure), struct rest, by_failure));
        rest = xnew(struct rest);
        rest->endpoint = *e;
        list_init(&rest->by_failure);
        map_set(r->by_endpoint, BYTES(e, sizeof(*e)), rest);
        return rest;
}

void rests_failed(struct rests *r, const struct endpoint *e, bool grow, nsec_t now) {
        struct rest *rest = get(r, e);
        nsec_t pause = r->min;

        if (grow)
                rest->n_failures++;
        for (unsigned i = 1; i < rest->n_failures && pause < r->max; i++)
                pause *= 2;
        pause = nsec_min(pause, r->max);
        rest->until = nsec_add(now, pause - rng_below(&r->rng, pause / 4 + 1));
        list_remove(&rest->by_failure);
        list_push_back(&r->by_failure, &rest->by_failure);
}

void rests_worked(struct rests *r, const struct endpoint *e) {
        struct rest *rest = find(r, e);

        if (rest)
                forget(r, rest);
}

nsec_t rests_until(const struct rests *r, const struct endpoint *e) {
        const struct rest *rest = find(r, e);

        return rest ? rest->until : 0;
}
