#pragma once

/* Counters and gauges by name. The numbers live in plain uint64_t members of a
 * struct the core increments; the shell registers a table of offsets over it.
 * An increment costs an addition, a snapshot walks the tables. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"

enum metric_kind {
        METRIC_COUNTER, /* only grows; "_total" is added in the text form */
        METRIC_GAUGE,
};

struct metric {
        const char *name; /* [a-z0-9_]+ */
        enum metric_kind kind;
        size_t offset;
        const char *help;
};

#define METRIC(s, member, kind_, help_) \
        { .name = #member, .kind = (kind_), .offset = offsetof(struct s, member), .help = (help_) }

struct metrics;

struct metrics *metrics_new(const char *service);
struct metrics *metrics_free(struct metrics *m);
DEFINE_CLEANUP(struct metrics *, metrics_free);

/* The table (ends with {}) and `values` must outlive m. Names come out as
 * quorate_<service>_<group>_<name>; group NULL leaves that part out. */
void metrics_register(struct metrics *m, const char *group, const struct metric *table,
                      const void *values);

typedef void (*metrics_fn)(void *userdata, const char *name, const struct metric *metric,
                           uint64_t value);
void metrics_each(const struct metrics *m, metrics_fn fn, void *userdata);

/* OpenMetrics 1.0 text, "# EOF" included when `eof`. */
void metrics_text(const struct metrics *m, bool eof, struct buffer *b);
