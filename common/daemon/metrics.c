#include "common/daemon/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/memory.h"

struct group {
        struct list in_metrics;
        const char *name;
        const struct metric *table;
        const uint8_t *values;
};

struct metrics {
        const char *service;
        struct list groups;
};

struct metrics *metrics_new(const char *service) {
        struct metrics *m = xnew(struct metrics);

        m->service = service;
        list_init(&m->groups);
        return m;
}

struct metrics *metrics_free(struct metrics *m) {
        struct list *it;

        if (!m)
                return NULL;
        while ((it = list_pop_front(&m->groups)))
                free(LIST_ENTRY(it, struct group, in_metrics));
        free(m);
        return NULL;
}

void metrics_register(struct metrics *m, const char *group, const struct metric *table,
                      const void *values) {
        struct group *g = xnew(struct group);

        *g = (struct group){ .name = group, .table = table, .values = values };
        list_push_back(&m->groups, &g->in_metrics);
}

static uint64_t value_of(const struct group *g, const struct metric *metric) {
        uint64_t v;

        memcpy(&v, g->values + metric->offset, sizeof(v));
        return v;
}

void metrics_each(const struct metrics *m, metrics_fn fn, void *userdata) {
        char name[128];

        LIST_FOREACH (it, &m->groups) {
                const struct group *g = LIST_ENTRY(it, struct group, in_metrics);

                for (const struct metric *metric = g->table; metric->name; metric++) {
                        (void) snprintf(name, sizeof(name), "quorate_%s_%s%s%s", m->service,
                                        g->name ? g->name : "", g->name ? "_" : "", metric->name);
                        fn(userdata, name, metric, value_of(g, metric));
                }
        }
}

static void put_metric(void *userdata, const char *name, const struct metric *metric,
                       uint64_t value) {
        bool is_counter = metric->kind == METRIC_COUNTER;
        struct buffer *b = userdata;
        char line[512];
        int n;

        n = snprintf(line, sizeof(line), "# TYPE %s %s\n# HELP %s %s\n%s%s %" PRIu64 "\n", name,
                     is_counter ? "counter" : "gauge", name, metric->help, name,
                     is_counter ? "_total" : "", value);
        buffer_put(b, line, n < (int) sizeof(line) ? (size_t) n : sizeof(line) - 1);
}

void metrics_text(const struct metrics *m, bool eof, struct buffer *b) {
        metrics_each(m, put_metric, b);
        if (eof)
                buffer_put_bytes(b, BYTES_LIT("# EOF\n"));
}
