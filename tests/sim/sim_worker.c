/* The modelled worker. A query is its own data: its text says how many rows there
 * are, whether they are ordered, and whether hosts find them in different orders;
 * each row follows from the text and the row's number. Liars add who they are. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/cell.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "tests/sim/sim_parts.h"

#define ANALYSIS_TIME (1 * NSEC_PER_MSEC)
#define FETCH_TIME    (200 * NSEC_PER_USEC)
#define PROGRESS      (2 * NSEC_PER_SEC)

struct query {
        unsigned number, rows, ordered, mixed, wide;
        unsigned is_float, portable, differ; /* differ: engines answer it each in its own way */
        unsigned foreign;                    /* alpha cannot read it */
};

struct batch {
        struct refbuf *bytes;
        struct hash_value digest;
};

struct sim_run {
        struct query query;
        char *engine;
        nsec_t ends;
        struct answer answer;
        struct batch *batches;
        size_t n_batches;
};

static void parse(const char *sql, struct query *q) {
        *q = (struct query){};
        check(sscanf(sql,
                     "q%u rows=%u ordered=%u mixed=%u wide=%u float=%u portable=%u differ=%u "
                     "foreign=%u",
                     &q->number, &q->rows, &q->ordered, &q->mixed, &q->wide, &q->is_float,
                     &q->portable, &q->differ, &q->foreign) >= 5);
}

static struct schema *make_schema(void) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct schema *s;

        buffer_init(&b, 256);
        schema_begin(&b, 2);
        schema_put_name(&b, BYTES_LIT("id"));
        schema_put_type(&b, CELL_INTEGER);
        schema_put_name(&b, BYTES_LIT("value"));
        schema_put_type(&b, CELL_BLOB);
        check(schema_decode(buffer_bytes(&b), &s) == SCHEMA_OK);
        return s;
}

/* ---- Results ---- */

static void put_row(struct answer_builder *b, const struct query *q, struct bytes liar,
                    unsigned i) {
        uint8_t seed[8] = {};
        struct hash_value h;
        uint8_t *value = xcalloc(1, q->wide + HASH_SIZE);

        store_be32(seed, q->number);
        store_be32(seed + 4, i);
        h = hash_of2("quorate.sim.row", BYTES_OF(seed), i == q->rows / 2 ? liar : BYTES_NONE);
        memcpy(value, h.bytes, HASH_SIZE);
        cell_put_integer(answer_row(b), i);
        cell_put_blob(answer_row(b), BYTES(value, q->wide > 8 ? q->wide : 8));
        free(value);
}

static void keep_batch(struct sim_run *run, struct answer_builder *b) {
        struct batch *batch;

        run->batches = xrealloc(run->batches, (run->n_batches + 1) * sizeof(*batch));
        batch = &run->batches[run->n_batches++];
        batch->bytes = refbuf_new(answer_batch(b));
        batch->digest = answer_next(b);
}

/* `turn`: where in the table this host begins to read, as parallel scans do. */
static void compute(struct sim_run *run, struct bytes liar, unsigned turn) {
        const struct query *q = &run->query;
        static const struct answer_limits no_limits = {};
        struct schema *schema = make_schema();
        struct answer_builder b;

        answer_begin(&b, q->ordered ? ANSWER_SEQUENCE : ANSWER_SET, &schema->digest, &no_limits,
                     NULL);
        for (unsigned i = 0; i < q->rows; i++) {
                put_row(&b, q, liar, q->mixed && !q->ordered ? (i + turn) % q->rows : i);
                if (answer_end_row(&b) == BATCH_READY)
                        keep_batch(run, &b);
        }
        if (answer_finish(&b) == BATCH_READY)
                keep_batch(run, &b);
        answer_result(&b, &run->answer);
        answer_done(&b);
        schema_free(schema);
}

static void run_done(struct sim_run *run) {
        for (size_t i = 0; i < run->n_batches; i++)
                refbuf_unref(run->batches[i].bytes);
        free(run->batches);
        free(run->engine);
        free(run);
}

void sim_truth(const char *sql, struct schema **ret_schema, struct answer *ret) {
        struct sim_run *run = xnew(struct sim_run);

        parse(sql, &run->query);
        compute(run, BYTES_NONE, 0);
        *ret = run->answer;
        *ret_schema = make_schema();
        run_done(run);
}

/* ---- Reports ---- */

static void fire_report(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        if (!map_get_u64(n->runs, e->id))
                return; /* killed meanwhile */
        coordinator_report(n->core, e->id, refbuf_bytes(e->data), s->now);
        sim_drain(n);
}

static void report(struct sim_node *n, uint64_t run, nsec_t delay, const Worker__Report *r) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct sim_event *e = sim_after(n->sim, n->index, delay, fire_report);

        buffer_init(&b, 20u << 20);
        wire_pack(&b, &r->base);
        e->id = run;
        e->data = refbuf_new(buffer_bytes(&b));
}

static void report_analysis(struct sim_node *n, uint64_t id, const struct sim_run *run,
                            const char *sql) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Analysis a = WORKER__ANALYSIS__INIT;
        struct schema *schema = make_schema();
        char lie[160];

        a.class_name = (char *) (run->query.is_float  ? "FLOAT"
                                 : run->query.ordered ? "ORDERED"
                                                      : "EXACT");
        a.portable = run->query.portable;
        (void) snprintf(lie, sizeof(lie), "q%u%s",
                        run->query.number + 1 + (n->lie == SIM_LIES_ALONE) * n->index,
                        strchr(sql, ' '));
        a.rewrite = n->lie ? lie : (char *) sql; /* another question in place of the one asked */
        a.schema = (ProtobufCBinaryData){ schema->encoded.len, (uint8_t *) schema->encoded.data };
        a.ordered = run->query.ordered;
        a.engine = run->engine;
        r.body_case = WORKER__REPORT__BODY_ANALYSIS;
        r.analysis = &a;
        report(n, id, ANALYSIS_TIME, &r);
        schema_free(schema);
}

static bool is_alpha(const struct sim_run *run) {
        return strncmp(run->engine, "alpha/", 6) == 0;
}

static void report_unread(struct sim_node *n, uint64_t id) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Failed f = WORKER__FAILED__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = OUTCOME_SQL_ERROR;
        p.detail = (char *) "code=PARSE";
        f.problem = &p;
        r.body_case = WORKER__REPORT__BODY_FAILED;
        r.failed = &f;
        report(n, id, ANALYSIS_TIME, &r);
}

static void fire_progress(struct sim *s, struct sim_event *e);

static void progress_later(struct sim_node *n, uint64_t id, const struct sim_run *run) {
        if (n->sim->now + PROGRESS < run->ends)
                sim_after(n->sim, n->index, PROGRESS, fire_progress)->id = id;
}

static void fire_progress(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];
        const struct sim_run *run = map_get_u64(n->runs, e->id);
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Progress p = WORKER__PROGRESS__INIT;

        if (!run)
                return;
        r.body_case = WORKER__REPORT__BODY_PROGRESS;
        r.progress = &p;
        report(n, e->id, 0, &r);
        progress_later(n, e->id, run);
}

static void report_started(struct sim_node *n, uint64_t id) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Started st = WORKER__STARTED__INIT;

        r.body_case = WORKER__REPORT__BODY_STARTED;
        r.started = &st;
        report(n, id, ANALYSIS_TIME, &r);
}

static void report_committed(struct sim_node *n, uint64_t id, const struct sim_run *run) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Committed c = WORKER__COMMITTED__INIT;
        const struct answer *a = &run->answer;

        c.form = a->form;
        c.answer = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->hash.bytes };
        c.sequence_root = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->sequence_root.bytes };
        c.batches = a->batches;
        c.rows = a->rows;
        c.bytes = a->bytes;
        c.engine = run->engine;
        r.body_case = WORKER__REPORT__BODY_COMMITTED;
        r.committed = &c;
        report(n, id, nsec_sub(run->ends, n->sim->now), &r);
}

/* ---- What the core asks for ---- */

static struct bytes liar_of(const struct sim_node *n) {
        switch (n->lie) {
        case SIM_LIES_ALONE:
                return peer_id_bytes(&n->peer);
        case SIM_COLLUDES:
                return BYTES_LIT("colluders");
        case SIM_FLAKY:
                return n->n_runs == 0 ? peer_id_bytes(&n->peer) : BYTES_NONE;
        default:
                return BYTES_NONE;
        }
}

/* A liar's own way; else its engine's, where engines differ. */
static struct bytes way_of(const struct sim_node *n, const struct sim_run *run) {
        struct bytes liar = liar_of(n);

        if (liar.len > 0 || !run->query.differ || is_alpha(run))
                return liar;
        return BYTES_LIT("another engine");
}

static void start_run(struct sim_node *n, uint64_t id, struct sim_run *run) {
        nsec_t span = n->run_max - n->run_min;

        run->ends = n->sim->now + ANALYSIS_TIME + n->run_min + rng_below(&n->sim->rng, span + 1);
        compute(run, way_of(n, run), n->index * 7);
        n->n_runs++;
        report_started(n, id);
        report_committed(n, id, run);
        progress_later(n, id, run);
}

void sim_worker_start(struct sim_node *n, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct sim_run *run = xnew(struct sim_run);
        const Worker__Job *job;

        check(wire_unpack(&worker__job__descriptor, refbuf_bytes(a->data), NULL, &u) == 0);
        job = u.message;
        parse(job->sql, &run->query);
        run->engine = xstrdup(job->engine);
        map_set_u64(n->runs, a->id, run);
        if (run->query.foreign && is_alpha(run))
                report_unread(n, a->id);
        else if (job->mode == WORKER__JOB__MODE__ANALYSE)
                report_analysis(n, a->id, run, job->sql);
        else
                start_run(n, a->id, run);
}

static void report_digests(struct sim_node *n, uint64_t id, const struct sim_run *run) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Digests d = WORKER__DIGESTS__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, run->n_batches * HASH_SIZE);
        for (size_t i = 0; i < run->n_batches; i++)
                buffer_put(&b, run->batches[i].digest.bytes, HASH_SIZE);
        d.digests = (ProtobufCBinaryData){ b.len, b.data };
        r.body_case = WORKER__REPORT__BODY_DIGESTS;
        r.digests = &d;
        report(n, id, FETCH_TIME, &r);
}

static void report_batch(struct sim_node *n, uint64_t id, const struct sim_run *run, size_t i) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Batch b = WORKER__BATCH__INIT;

        b.index = i;
        b.length = run->batches[i].bytes->len;
        b.data = (ProtobufCBinaryData){ run->batches[i].bytes->len, run->batches[i].bytes->data };
        r.body_case = WORKER__REPORT__BODY_BATCH;
        r.batch = &b;
        report(n, id, FETCH_TIME, &r);
}

void sim_worker_fetch(struct sim_node *n, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const struct sim_run *run = map_get_u64(n->runs, a->id);
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__FetchEnd end = WORKER__FETCH_END__INIT;
        const Worker__Fetch *f;
        size_t i;

        check(wire_unpack(&worker__fetch__descriptor, refbuf_bytes(a->data), NULL, &u) == 0);
        f = u.message;
        if (!run)
                return;
        if (f->digests)
                report_digests(n, a->id, run);
        for (i = f->from_batch; i < run->n_batches && (!f->count || i < f->from_batch + f->count);
             i++)
                report_batch(n, a->id, run, i);
        end.next_batch = i;
        r.body_case = WORKER__REPORT__BODY_END;
        r.end = &end;
        report(n, a->id, FETCH_TIME, &r);
}

void sim_worker_end(struct sim_node *n, uint64_t id) {
        struct sim_run *run = map_remove_u64(n->runs, id);

        if (run)
                run_done(run);
}

void sim_worker_done(struct sim_node *n) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(n->runs, &cursor, &key, &value))
                run_done(value);
}
