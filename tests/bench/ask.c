/* What bench_grid.py runs against a grid: questions through libquorate, timed here so
 * that no process start is counted. One JSON object on stdout.
 * usage: bench-ask RUNTIME latency N [CLIENTS] | rows SQL [DATA] */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/client/quorate.h"

#define WARM_UP 20

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void die(const char *what) {
        fprintf(stderr, "bench-ask: %s\n", what);
        exit(1);
}

struct timing {
        double first_row, total;
        uint64_t rows;
        struct quorate_end end;
};

static void ask(struct quorate *q, const struct quorate_question *question, struct timing *ret) {
        struct quorate_result *r;
        double start = now();
        int c;

        *ret = (struct timing){};
        if (quorate_query(q, question, &r) != QUORATE_OK)
                die(quorate_error(q));
        while ((c = quorate_next(r, 120000)) != QUORATE_END) {
                if (c == QUORATE_PROGRESS)
                        continue;
                if (c != QUORATE_ROW)
                        die(quorate_code_text(c));
                if (ret->rows++ == 0)
                        ret->first_row = now() - start;
        }
        ret->total = now() - start;
        ret->end = *quorate_end(r);
        if (strcmp(ret->end.state, "VERIFIED") != 0)
                die(*ret->end.state ? ret->end.state : ret->end.message);
        quorate_result_free(r);
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static const struct quorate_question select42 = { .sql = "SELECT 42", .prefer = "remote" };

static void measure_latency(struct quorate *q, int n) {
        double *all = calloc((size_t) n, sizeof(*all));
        struct timing t;

        for (int i = 0; i < WARM_UP; i++)
                ask(q, &select42, &t);
        for (int i = 0; i < n; i++) {
                ask(q, &select42, &t);
                all[i] = t.total * 1000;
        }
        qsort(all, (size_t) n, sizeof(*all), by_value);
        printf("{\"select42_p50_ms\":%.3f,\"select42_p99_ms\":%.3f}\n", all[n / 2],
               all[n * 99 / 100]);
        free(all);
}

/* Each client is a process with its own connection. */
static void measure_clients(const char *runtime, int n, int clients) {
        double start;

        start = now();
        for (int i = 0; i < clients; i++)
                if (fork() == 0) {
                        struct quorate *q;
                        struct timing t;

                        if (quorate_open(runtime, &q))
                                die("no node");
                        for (int k = 0; k < n; k++)
                                ask(q, &select42, &t);
                        quorate_close(q);
                        exit(0);
                }
        for (int i = 0, status; i < clients; i++)
                if (wait(&status) < 0 || status != 0)
                        die("a client failed");
        printf("{\"queries_per_s_%d\":%.1f}\n", clients, n * clients / (now() - start));
}

static void measure_rows(struct quorate *q, const char *sql, const char *data) {
        const struct quorate_input input = { .name = "main", .path = data };
        struct quorate_question question = { .sql = sql, .prefer = "remote" };
        struct timing t;

        if (data) {
                question.inputs = &input;
                question.n_inputs = 1;
        }
        ask(q, &question, &t);
        printf("{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"first_row_s\":%.6f,\"total_s\":%.6f,\"rows_mb_s\":%.3f,\"rows_total_mb_s\":%.3f}"
               "\n",
               t.rows, t.end.bytes, t.first_row, t.total,
               (double) t.end.bytes / 1e6 / (t.total - t.first_row),
               (double) t.end.bytes / 1e6 / t.total);
}

int main(int argc, char **argv) {
        int n = argc > 3 ? atoi(argv[3]) : 0;
        struct quorate *q;

        if (argc < 4)
                die("usage: bench-ask RUNTIME latency N [CLIENTS] | rows SQL [DATA]");
        if (strcmp(argv[2], "latency") == 0 && argc > 4) {
                measure_clients(argv[1], n, atoi(argv[4]));
                return 0;
        }
        if (quorate_open(argv[1], &q))
                die("no node");
        if (strcmp(argv[2], "latency") == 0)
                measure_latency(q, n);
        else
                measure_rows(q, argv[3], argc > 4 ? argv[4] : NULL);
        quorate_close(q);
        return 0;
}
