/* What a query is expected to take, and what was learned from it: the plan's promise, corrected
 * by our own earlier runs (estimates.h). A host's word on its processor time and memory is no
 * proof, so of those that agree a median counts, and no estimate ends a job. */

#include <stdlib.h>

#include "common/base/memory.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/requester.h"
#include "services/coordinator/requester_core.h"

#define MIB             (UINT64_C(1) << 20)
#define MEMORY_ORDINARY (64 * MIB) /* of which nothing is said: runs have it almost anywhere */
#define MEMORY_BASE     (4 * MIB)
#define ROWS_UNPLANNED  100
/* Hosts refuse what is above their limit: nobody has seen it run, so it is no reason. */
#define UNPROVEN_US_MAX UINT64_C(10000000)

/* ---- What the plan promises ---- */

/* Measured with tests/bench/bench_estimates.py on one machine; what is wrong with them on
 * another, or with the plan, the level `class` corrects within a few runs. */
static const struct rate {
        const char *engine;
        double base_us, input_us, row_us; /* to begin, for each input, each row a step touches */
        double byte_us, import_byte_us; /* of inputs read in place, and copied into memory first */
} rates[] = {
        { "duckdb/", 3000, 3000, 0.01, 0.0005, 0.01 },
        { "", 1000, 0, 0.15, 0.0002, 0.04 },
};

static const struct rate *rate_of(const char *engine) {
        size_t i = 0;

        while (strncmp(engine, rates[i].engine, strlen(rates[i].engine)) != 0)
                i++;
        return &rates[i];
}

/* Bytes of a cell, in the middle. */
static double cell_bytes(enum cell_type type) {
        static const struct {
                enum cell_type type;
                double bytes;
        } rows[] = {
                { CELL_INTEGER, 4 }, { CELL_DECIMAL, 7 }, { CELL_REAL, 9 },
                { CELL_TEXT, 16 },   { CELL_DATE, 5 },    { CELL_ANY, 8 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].type == type)
                        return rows[i].bytes;
        return 16;
}

static double row_bytes(const struct schema *s) {
        double n = 0;

        for (size_t i = 0; s && i < s->n_columns; i++)
                n += cell_bytes(s->columns[i]->type);
        return n;
}

static uint64_t whole(double v) {
        return v < (double) ESTIMATE_LIMIT ? (uint64_t) v : ESTIMATE_LIMIT;
}

/* What it costs whoever runs it, before the first row. */
static double base_us(const struct job *j) {
        const struct rate *rate = rate_of(j->engine);

        return rate->base_us + rate->input_us * (double) j->n_inputs;
}

static void promise(const struct job *j, struct estimate_values *ret) {
        const struct job_cost *c = &j->cost;
        const struct rate *rate = rate_of(j->engine);
        double read = 0, imported = 0,
               rows = c->has_plan || c->plan_rows > 0 ? (double) c->plan_rows : ROWS_UNPLANNED;

        for (size_t i = 0; i < j->n_inputs; i++)
                *(engine_imports(j->engine, j->inputs[i].format) ? &imported : &read) +=
                        (double) j->inputs[i].length;
        ret->of[ESTIMATE_ROWS] = whole(rows);
        ret->of[ESTIMATE_BYTES] = whole(rows * row_bytes(j->schema));
        ret->of[ESTIMATE_CPU] =
                whole(base_us(j) + rate->byte_us * read + rate->import_byte_us * imported +
                      rate->row_us * (c->has_plan ? (double) c->plan_work : 0));
        ret->of[ESTIMATE_MEMORY] = MEMORY_BASE + whole(2 * imported);
}

/* ---- Which runs are alike ---- */

static struct hash_value key_of(const char *name, struct bytes a, struct bytes b,
                                const struct job *j) {
        struct hash_value first = hash_of(name, a), both = hash_of2(name, hash_bytes(&first), b);
        struct hash h;

        hash_begin(&h, name);
        hash_update_bytes(&h, hash_bytes(&both));
        for (size_t i = 0; j && i < j->n_inputs; i++) {
                hash_update(&h, j->inputs[i].name, strlen(j->inputs[i].name) + 1);
                hash_update_bytes(&h, hash_bytes(&j->inputs[i].root));
        }
        return hash_end(&h);
}

static void name_runs(struct job *j) {
        struct bytes class = BYTES_STR(j->engine), shape = hash_bytes(&j->cost.shape);
        struct hash_value *key = j->cost.keys.of;

        key[ESTIMATE_STATEMENT] = key_of("quorate.est.0", BYTES_STR(j->sql), class, j);
        key[ESTIMATE_DATA] = key_of("quorate.est.1", shape, class, j);
        key[ESTIMATE_SHAPE] = key_of("quorate.est.2", shape, engine_name(j->engine), NULL);
        key[ESTIMATE_CLASS] = key_of("quorate.est.3", class, BYTES_NONE, NULL);
}

/* ---- The estimate ---- */

void cost_take_analysis(struct job *j, const Worker__Analysis *a) {
        struct job_cost *c = &j->cost;

        *c = (struct job_cost){ .has_plan = a->has_plan,
                                .plan_rows = a->plan_rows,
                                .plan_work = a->plan_work };
        /* Hosts that analysed it say no shape: then it is the text itself. */
        c->shape = hash_of("quorate.shape.1", BYTES_STR(j->sql));
        if (a->shape.len == HASH_SIZE)
                memcpy(c->shape.bytes, a->shape.data, HASH_SIZE);
}

void cost_estimate(struct job *j) {
        struct job_cost *c = &j->cost;

        promise(j, &c->promised);
        name_runs(j);
        estimates_ask(RQ_OF(j)->estimates, &c->keys, &c->promised,
                      core_wall_us(RQ_OF(j)->core, j->began), &c->estimate);
        c->is_estimated = true;
}

uint64_t job_estimate_us(const struct job *j) {
        uint64_t us = j->cost.estimate.values.of[ESTIMATE_CPU];

        if (!j->cost.is_estimated)
                return 1000; /* taken up again after a restart */
        return j->cost.estimate.level < ESTIMATE_CLASS || us < UNPROVEN_US_MAX ? us
                                                                               : UNPROVEN_US_MAX;
}

uint64_t job_estimate_work_us(const struct job *j) {
        uint64_t us = job_estimate_us(j), base = whole(base_us(j));

        return us > base ? us - base : 0;
}

/* Only what runs like it have taken, and a quarter more; what is ordinary need not be said. */
uint64_t job_estimate_memory(const struct job *j) {
        uint64_t bytes = j->cost.estimate.values.of[ESTIMATE_MEMORY];

        bytes += bytes / 4;
        return j->cost.is_estimated && j->cost.estimate.level < ESTIMATE_CLASS &&
                               bytes > MEMORY_ORDINARY
                       ? bytes
                       : 0;
}

static uint64_t larger(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

/* A slot's share, and more where runs like it have needed more and a worker has it. */
uint64_t job_memory_here(const struct job *j) {
        const struct governor *g = RQ_OF(j)->core->governor;
        uint64_t bytes = larger(job_estimate_memory(j), j->cost.memory_before);

        if (j->request->limits && j->request->limits->memory)
                return j->request->limits->memory;
        return larger(bytes < g->most ? bytes : g->most, g->share);
}

void cost_fill(const struct job *j, Coordinator__Estimate *ret) {
        const struct estimate *e = &j->cost.estimate;

        coordinator__estimate__init(ret);
        ret->rows = e->values.of[ESTIMATE_ROWS];
        ret->bytes = e->values.of[ESTIMATE_BYTES];
        ret->cpu_us = e->values.of[ESTIMATE_CPU];
        ret->memory = e->values.of[ESTIMATE_MEMORY];
        ret->source = (char *) estimate_level_name(e->level);
        ret->runs = e->runs;
}

/* ---- What it took ---- */

void cost_take_own(struct job *j, const Types__Metering *m) {
        j->cost.own_cpu_us = m ? m->cpu_us : 0;
        j->cost.own_memory = m ? m->peak_memory : 0;
}

static int compare_u64(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* A host says what it took, and nobody else was there: but not more than one thread can have taken
 * between what we sent and what we got. */
static uint64_t believable_us(const struct job *j, const struct replica *r) {
        nsec_t sent = r->dispatched ? r->dispatched : j->began; /* 0: before a restart */
        uint64_t us = r->committed > sent ? nsec_sub(r->committed, sent) / NSEC_PER_USEC : 0;

        return r->claimed.cpu_us < us ? r->claimed.cpu_us : us;
}

static bool take_actual(struct job *j) {
        uint64_t cpu[JOB_REPLICAS_MAX] = { j->cost.own_cpu_us };
        uint64_t memory[JOB_REPLICAS_MAX] = { j->cost.own_memory };
        size_t n = 0;

        if (!j->state || !j->is_accepted || j->accepted.form == ANSWER_ERROR)
                return false;
        FOREACH_REPLICA (r, j)
                if (r->is_counted && n < JOB_REPLICAS_MAX) {
                        cpu[n] = believable_us(j, r);
                        memory[n++] = r->claimed.peak_memory;
                }
        if (n == 0 && !j->plan.is_local)
                return false;
        n = n ? n : 1;
        qsort(cpu, n, sizeof(*cpu), compare_u64);
        qsort(memory, n, sizeof(*memory), compare_u64);
        /* What one host alone can move is what costs us nothing: of two, the one that says more of
         * its time (at most what it had) and less of its memory. */
        j->cost.actual = (struct estimate_values){ { j->accepted.rows, j->accepted.bytes,
                                                     cpu[n / 2], memory[(n - 1) / 2] } };
        if (n == 1 && !j->plan.is_local && cpu[0] < j->cost.promised.of[ESTIMATE_CPU])
                j->cost.actual.of[ESTIMATE_CPU] = j->cost.promised.of[ESTIMATE_CPU];
        return j->cost.has_actual = true;
}

/* It needs more memory than it got; of the rest nothing was learned. */
static bool take_shortage(struct job *j, struct estimate_values *ret) {
        uint64_t got = j->plan.is_local ? j->slot_memory : 0;

        if (j->problem != OUTCOME_LIMIT || strncmp(j->detail, "which=memory", 12) != 0 ||
            strstr(j->detail, " most="))
                return false;
        FOREACH_REPLICA (r, j)
                if (r->ran_out && r->bid.memory > got)
                        got = r->bid.memory;
        got = got < ESTIMATE_LIMIT / 2 ? got : ESTIMATE_LIMIT / 2; /* bids are a host's word */
        *ret = j->cost.estimate.values;
        if (ret->of[ESTIMATE_MEMORY] < 2 * got)
                ret->of[ESTIMATE_MEMORY] = 2 * got;
        return got > 0;
}

static void write_run(struct job *j, const struct estimate_run *run) {
        ProtobufCBinaryData keys[ESTIMATE_LEVELS];
        Journal__RunSample s = JOURNAL__RUN_SAMPLE__INIT;

        for (size_t i = 0; i < ESTIMATE_LEVELS; i++)
                keys[i] = binary(hash_bytes(&j->cost.keys.of[i]));
        s.n_keys = ESTIMATE_LEVELS;
        s.keys = keys;
        s.time_us = run->time_us;
        s.rows = run->ratio[ESTIMATE_ROWS];
        s.bytes = run->ratio[ESTIMATE_BYTES];
        s.cpu = run->ratio[ESTIMATE_CPU];
        s.memory = run->ratio[ESTIMATE_MEMORY];
        journal_write(RQ_OF(j), JOURNAL_RUN, &j->cost.keys.of[ESTIMATE_STATEMENT], &s.base, 0);
}

void cost_learn(struct job *j, nsec_t now) {
        int64_t wall = core_wall_us(RQ_OF(j)->core, now);
        struct estimate_values took;
        struct estimate_run run;

        if (!j->cost.is_estimated)
                return;
        if (take_actual(j))
                took = j->cost.actual;
        else if (!take_shortage(j, &took))
                return;
        estimate_run_of(&j->cost.promised, &took, wall, &run);
        estimates_learn(RQ_OF(j)->estimates, &j->cost.keys, &run, wall);
        write_run(j, &run);
}

bool cost_restore_run(struct requester *rq, const void *message, nsec_t now) {
        const Journal__RunSample *s = message;
        const struct estimate_run run = { { s->rows, s->bytes, s->cpu, s->memory }, s->time_us };
        struct estimate_keys keys;

        if (s->n_keys != ESTIMATE_LEVELS)
                return false;
        for (size_t i = 0; i < ESTIMATE_LEVELS; i++) {
                if (s->keys[i].len != HASH_SIZE)
                        return false;
                memcpy(keys.of[i].bytes, s->keys[i].data, HASH_SIZE);
        }
        estimates_learn(rq->estimates, &keys, &run, core_wall_us(rq->core, now));
        return true;
}

const struct estimates_counters *requester_estimates(const void *role) {
        const struct requester *rq = role;

        return estimates_counters(rq->estimates);
}

/* ---- Rows of datasets that were published here ---- */

static bool keep_rows(struct requester *rq, struct bytes root, uint64_t rows) {
        struct bytes first;
        size_t cursor = 0;
        void *old;

        if (root.len != HASH_SIZE || rows == 0)
                return false;
        if (!map_get(rq->rows, root) && map_count(rq->rows) == ESTIMATES_ROWS_MAX &&
            map_next(rq->rows, &cursor, &first, &old)) {
                free(map_remove(rq->rows, first));
        }
        free(map_set(rq->rows, root, xmemdup(&rows, sizeof(rows))));
        return true;
}

bool cost_restore_rows(struct requester *rq, const void *message, nsec_t now) {
        const Journal__DatasetRows *m = message;

        return keep_rows(rq, BYTES(m->root.data, m->root.len), m->rows);
}

void requester_rows(void *role, const struct hash_value *root, uint64_t rows) {
        struct requester *rq = role;
        Journal__DatasetRows m = JOURNAL__DATASET_ROWS__INIT;

        m.root = binary(hash_bytes(root));
        m.rows = rows;
        if (cost_rows_of(rq, root) != rows && keep_rows(rq, hash_bytes(root), rows))
                journal_write(rq, JOURNAL_ROWS, root, &m.base, 0);
}

uint64_t cost_rows_of(const struct requester *rq, const struct hash_value *root) {
        const uint64_t *rows = map_get(rq->rows, hash_bytes(root));

        return rows ? *rows : 0;
}

void cost_rows_free(struct requester *rq) {
        struct bytes root;
        size_t cursor = 0;
        void *rows;

        while (map_next(rq->rows, &cursor, &root, &rows))
                free(rows);
        map_free(rq->rows);
}
