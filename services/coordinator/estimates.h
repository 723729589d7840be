#pragma once

/* What queries take, learned from our own: rows and bytes of the result, processor time and
 * memory of one machine. What the plan promises comes in; out comes that, corrected by what runs
 * alike have taken. Runs are remembered at four levels, and the most special that has any speaks:
 *
 *   statement  the same text over the same data in the same engine class
 *   data       the same shape (constants left out) over the same data
 *   shape      the same shape over any data in any build of the engine
 *   class      whatever the engine ran: corrects processor and memory, not the result, by
 *              eight times at most, and the less the fewer they are
 *
 * Each level keeps the mean of log2(actual / promised), in which a run weighs
 * 0.5^(age / half-life): so data that grew are estimated by how they grew. At most ESTIMATES_MAX
 * keys (the one used longest ago goes first), ESTIMATE_CELL_SIZE bytes each. Pure; `now_us` is
 * wall clock. It decides who is asked and where a query runs, never what an answer is. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/crypto/hash.h"
#include "services/coordinator/stats.h"

#define ESTIMATES_MAX      4096
#define ESTIMATE_CELL_SIZE 128  /* at most, with its place in the map */
#define ESTIMATES_ROWS_MAX 4096 /* datasets whose rows are remembered */
#define ESTIMATE_LIMIT     (UINT64_C(1) << 50)

enum estimate_level {
        ESTIMATE_STATEMENT = 0,
        ESTIMATE_DATA,
        ESTIMATE_SHAPE,
        ESTIMATE_CLASS,
        ESTIMATE_PLAN, /* no run is known: as promised */
};
#define ESTIMATE_LEVELS ESTIMATE_PLAN

enum estimate_what {
        ESTIMATE_ROWS = 0,
        ESTIMATE_BYTES,
        ESTIMATE_CPU,
        ESTIMATE_MEMORY,
        _ESTIMATE_N
};

/* rows, bytes, µs, bytes. */
struct estimate_values {
        uint64_t of[_ESTIMATE_N];
};

struct estimate_keys {
        struct hash_value of[ESTIMATE_LEVELS];
};

struct estimate {
        struct estimate_values values;
        enum estimate_level level; /* whose runs it rests on */
        double runs;               /* their weight */
};

/* A run: log2(actual / promised) in 1/256, within ±ESTIMATE_RATIO_MAX. */
#define ESTIMATE_RATIO_MAX (50 * 256)
struct estimate_run {
        int32_t ratio[_ESTIMATE_N];
        int64_t time_us;
};

struct estimates;

struct estimates *estimates_new(int64_t half_life_us, uint64_t seed);
struct estimates *estimates_free(struct estimates *e); /* always NULL */
DEFINE_CLEANUP(struct estimates *, estimates_free);

const char *estimate_level_name(enum estimate_level l); /* "plan", "class", … */

/* What a run adds, to be journalled; values above ESTIMATE_LIMIT count as that. */
void estimate_run_of(const struct estimate_values *promised, const struct estimate_values *actual,
                     int64_t now_us, struct estimate_run *ret);
/* Order of calls does not matter beyond rounding; of times from the future now counts. */
void estimates_learn(struct estimates *e, const struct estimate_keys *keys,
                     const struct estimate_run *run, int64_t now_us);
/* Never above ESTIMATE_LIMIT. */
void estimates_ask(const struct estimates *e, const struct estimate_keys *keys,
                   const struct estimate_values *promised, int64_t now_us, struct estimate *ret);

uint64_t estimates_count(const struct estimates *e);                            /* keys */
const struct estimates_counters *estimates_counters(const struct estimates *e); /* lives with e */
