#include "services/coordinator/estimates.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"

#define RATIO_UNIT 256.0
/* One question whose plan misled us says little of the next: it counts as eight times, and
 * the first of them half. */
#define CLASS_RATIO_MAX (3 * 256)
#define CLASS_DOUBT     1.0
#define WEIGHT_LEAST    (1.0 / 64) /* a run that is six half-lives old says nothing any more */

/* Sums as they were at `time_us`. */
struct cell {
        struct list by_use; /* the latest last */
        struct hash_value key;
        int64_t time_us;
        float weight, sum[_ESTIMATE_N];
};

struct estimates {
        struct map *cells;
        struct list by_use;
        int64_t half_life_us;
        struct estimates_counters counters;
};

_Static_assert(sizeof(struct cell) + 48 <= ESTIMATE_CELL_SIZE, "the budget of a key");

struct estimates *estimates_new(int64_t half_life_us, uint64_t seed) {
        struct estimates *e = xnew(struct estimates);

        e->cells = map_new(seed);
        e->half_life_us = half_life_us > 0 ? half_life_us : 1;
        list_init(&e->by_use);
        return e;
}

static void forget(struct estimates *e, struct cell *c) {
        (void) map_remove(e->cells, hash_bytes(&c->key));
        list_remove(&c->by_use);
        free(c);
}

struct estimates *estimates_free(struct estimates *e) {
        if (!e)
                return NULL;
        LIST_FOREACH_SAFE (it, &e->by_use)
                forget(e, LIST_ENTRY(it, struct cell, by_use));
        map_free(e->cells);
        free(e);
        return NULL;
}

const char *estimate_level_name(enum estimate_level l) {
        static const char *const names[] = { "statement", "data", "shape", "class", "plan" };

        return names[l];
}

static double log_of(uint64_t v) {
        return log2((double) (v < ESTIMATE_LIMIT ? v : ESTIMATE_LIMIT) + 1);
}

void estimate_run_of(const struct estimate_values *promised, const struct estimate_values *actual,
                     int64_t now_us, struct estimate_run *ret) {
        ret->time_us = now_us;
        for (int i = 0; i < _ESTIMATE_N; i++)
                ret->ratio[i] = (int32_t) lround((log_of(actual->of[i]) - log_of(promised->of[i])) *
                                                 RATIO_UNIT);
}

/* Nothing is older than its time says, nor of the future. */
static double faded(const struct estimates *e, int64_t from_us, int64_t to_us) {
        double age = (double) to_us - (double) from_us;

        return age > 0 ? exp2(-age / (double) e->half_life_us) : 1;
}

static struct cell *cell_for(struct estimates *e, const struct hash_value *key) {
        struct cell *c = map_get(e->cells, hash_bytes(key));

        if (c) {
                list_remove(&c->by_use);
        } else {
                if (map_count(e->cells) == ESTIMATES_MAX) {
                        forget(e, LIST_ENTRY(list_first(&e->by_use), struct cell, by_use));
                        e->counters.forgotten++;
                }
                c = xnew(struct cell);
                c->key = *key;
                (void) map_set(e->cells, hash_bytes(key), c);
        }
        list_push_back(&e->by_use, &c->by_use);
        return c;
}

static int32_t bounded(int32_t ratio, int32_t most) {
        return ratio > most ? most : ratio < -most ? -most : ratio;
}

static void add(const struct estimates *e, struct cell *c, const struct estimate_run *run,
                int32_t most, int64_t time_us) {
        int64_t latest = c->weight > 0 && c->time_us > time_us ? c->time_us : time_us;
        double old = faded(e, c->time_us, latest), new = faded(e, time_us, latest);

        c->weight = (float) (c->weight * old + new);
        for (int i = 0; i < _ESTIMATE_N; i++)
                c->sum[i] =
                        (float) (c->sum[i] * old + bounded(run->ratio[i], most) / RATIO_UNIT * new);
        c->time_us = latest;
}

void estimates_learn(struct estimates *e, const struct estimate_keys *keys,
                     const struct estimate_run *run, int64_t now_us) {
        int64_t time_us = run->time_us < now_us ? run->time_us : now_us;

        for (int l = ESTIMATE_LEVELS; l-- > 0;) /* the widest is the last to be forgotten */
                add(e, cell_for(e, &keys->of[l]), run,
                    l == ESTIMATE_CLASS ? CLASS_RATIO_MAX : ESTIMATE_RATIO_MAX, time_us);
        e->counters.learned++;
}

static uint64_t corrected(uint64_t promised, double ratio) {
        double v = exp2(log_of(promised) + ratio) - 1;

        return v <= 0 ? 0 : v >= (double) ESTIMATE_LIMIT ? ESTIMATE_LIMIT : (uint64_t) llround(v);
}

/* What other questions gave says nothing of how many rows this one gives. */
static bool is_learned(enum estimate_level l, int what) {
        return l < ESTIMATE_CLASS ||
               (l == ESTIMATE_CLASS && (what == ESTIMATE_CPU || what == ESTIMATE_MEMORY));
}

void estimates_ask(const struct estimates *e, const struct estimate_keys *keys,
                   const struct estimate_values *promised, int64_t now_us, struct estimate *ret) {
        const struct cell *c = NULL;
        double weight = 0, doubt;
        int l = 0;

        for (; l < ESTIMATE_LEVELS; l++) {
                c = map_get(e->cells, hash_bytes(&keys->of[l]));
                weight = c ? c->weight * faded(e, c->time_us, now_us) : 0;
                if (weight >= WEIGHT_LEAST)
                        break;
        }
        ret->level = (enum estimate_level) l;
        ret->runs = l < ESTIMATE_LEVELS ? weight : 0;
        doubt = l == ESTIMATE_CLASS ? weight / (weight + CLASS_DOUBT) : 1;
        for (int i = 0; i < _ESTIMATE_N; i++)
                ret->values.of[i] = corrected(
                        promised->of[i], is_learned(ret->level, i)
                                                 ? doubt * (double) c->sum[i] / (double) c->weight
                                                 : 0);
}

uint64_t estimates_count(const struct estimates *e) {
        return map_count(e->cells);
}

const struct estimates_counters *estimates_counters(const struct estimates *e) {
        return &e->counters;
}
