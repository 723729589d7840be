/* The client of node 0: submits, attaches, reads with credit, attaches again when
 * its coordinator came back, and compares every row with the truth. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "tests/sim/sim_parts.h"

#define CREDIT 64

static const struct unpack_limits frame_limits = {
        .depth = 8, .fields = 4096, .unknown = 16, .memory = 20u << 20
};

void sim_client_done(struct sim_client *c) {
        buffer_done(&c->in);
        buffer_done(&c->qrows);
        if (c->has_checker)
                answer_check_done(&c->checker);
        schema_free(c->schema);
}

static void begin_checks(struct sim_client *c) {
        if (c->has_checker)
                answer_check_done(&c->checker);
        answer_check_begin(&c->checker, &c->truth, c->schema, false, NULL);
        c->has_checker = true;
        c->next_batch = 0;
        buffer_clear(&c->qrows);
        qrows_begin(&c->writer, c->schema->encoded, &c->qrows);
}

static void attach(struct sim *s) {
        struct sim_client *c = &s->client;
        struct sim_node *n = &s->nodes[c->node];

        c->id++;
        c->has_begun = false;
        buffer_clear(&c->in);
        c->is_attached =
                coordinator_attach(n->core, c->id, hash_bytes(&c->job), c->next_batch, s->now);
        if (c->is_attached) {
                coordinator_client_credit(n->core, c->id, CREDIT, s->now);
        } else {
                c->result.is_done = c->result.is_restarted = true; /* the job is gone */
        }
        sim_drain(n);
}

static void submit(struct sim *s) {
        struct sim_client *c = &s->client;
        struct sim_node *n = &s->nodes[c->node];
        Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
        struct entropy entropy;

        rng_bytes(&s->rng, &entropy, sizeof(entropy));
        r.sql = c->sql;
        r.prefer = c->prefer[0] ? c->prefer : (char *) "remote";
        r.comparison = c->comparison;
        r.engine_diverse = c->engine_diverse;
        r.engines = (char **) &c->engine;
        r.n_engines = c->engine != NULL;
        r.verify = c->verify;
        r.replicas = c->replicas;
        r.quorum = c->quorum;
        r.max_replicas = c->max_replicas;
        r.client_nonce = (ProtobufCBinaryData){ sizeof(c->nonce), c->nonce };
        c->call++;
        coordinator_submit(n->core, c->call, &r, &entropy, s->now);
        sim_drain(n);
}

void sim_client_submit(struct sim *s) {
        struct sim_client *c = &s->client;

        if (!c->sql[0])
                return; /* nothing was asked yet */
        if (!c->schema) {
                sim_truth(c->sql, &c->schema, &c->truth);
                rng_bytes(&s->rng, c->nonce, sizeof(c->nonce));
                buffer_init(&c->in, 40u << 20);
                buffer_init(&c->qrows, 40u << 20);
                begin_checks(c);
        }
        if (c->result.is_done)
                return;
        if (c->has_job)
                attach(s);
        else
                submit(s);
}

static void fire_attach(struct sim *s, struct sim_event *e) {
        if (!s->client.result.is_done)
                attach(s);
}

void sim_client_reply(struct sim *s, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct sim_client *c = &s->client;
        const Coordinator__SubmitReply *reply;

        if (a->id != c->call)
                return;
        if (!a->data) {
                c->result.is_done = true;
                c->result.problem = (unsigned) a->n;
                return;
        }
        check(!wire_unpack(&coordinator__submit_reply__descriptor, refbuf_bytes(a->data), NULL,
                           &u));
        reply = u.message;
        check(reply->job.len == HASH_SIZE);
        memcpy(c->job.bytes, reply->job.data, HASH_SIZE);
        c->has_job = true;
        sim_after(s, c->node, NSEC_PER_MSEC / 10, fire_attach);
}

/* ---- Frames ---- */

static void on_schema(struct sim_client *c, const Coordinator__ResultFrame *f) {
        if (c->has_begun && c->next_batch > 0)
                begin_checks(c); /* the rows before are not the answer */
        c->has_begun = true;
}

static void on_batch(struct sim_client *c, const Coordinator__ResultFrame *f) {
        check(f->batch->index == c->next_batch);
        c->next_batch++;
        c->result.batches++;
        qrows_put(&c->writer, BYTES(f->batch->data.data, f->batch->data.len), &c->qrows);
        if (answer_check_batch(&c->checker, BYTES(f->batch->data.data, f->batch->data.len)))
                c->result.is_wrong = true;
}

static void on_progress(struct sim_client *c, const Coordinator__ResultFrame *f) {
        if (f->progress->note[0])
                c->result.is_contested = true;
}

static void count_answers(struct sim_client *c, const Coordinator__ResultEnd *e) {
        for (size_t i = 0; i < e->n_answers; i++) {
                bool is_truth = bytes_equal(BYTES(e->answers[i]->answer.data, HASH_SIZE),
                                            hash_bytes(&c->truth.hash));

                if (is_truth)
                        c->result.truth_voters = (unsigned) e->answers[i]->n_voters;
                else
                        c->result.lie_voters += (unsigned) e->answers[i]->n_voters;
        }
}

static void count_engines(struct sim_client *c, const Coordinator__ResultEnd *e) {
        const char *seen[4];

        c->result.unusable = e->unusable;
        for (size_t i = 0; i < e->n_hosts; i++) {
                unsigned k = 0;

                if (!e->hosts[i]->counted)
                        continue;
                c->result.by_first += strcmp(e->hosts[i]->engine, c->sim->nodes[0].engines[0]) == 0;
                while (k < c->result.engines && strcmp(seen[k], e->hosts[i]->engine) != 0)
                        k++;
                if (k == c->result.engines && k < 4)
                        seen[c->result.engines++] = e->hosts[i]->engine;
        }
}

static void fire_close(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        coordinator_client_closed(n->core, e->id, s->now);
        sim_drain(n);
}

static void on_end(struct sim_client *c, const Coordinator__ResultFrame *f) {
        const Coordinator__ResultEnd *e = f->end;
        struct sim_result *r = &c->result;

        r->is_done = true;
        qrows_end(&c->writer, &c->qrows);
        sim_after(c->sim, c->node, NSEC_PER_MSEC, fire_close)->id = c->id;
        (void) snprintf(r->state, sizeof(r->state), "%s", e->state);
        r->problem = e->problem ? e->problem->code : 0;
        r->agreement = e->agreement;
        r->replicas_run = (unsigned) e->n_hosts;
        r->elapsed = c->sim->now - c->began;
        r->is_contested = r->is_contested || e->n_answers > 1;
        count_answers(c, e);
        count_engines(c, e);
        if (!e->state[0])
                return;
        r->is_right = !r->is_wrong && e->answer.len == HASH_SIZE &&
                      memcmp(e->answer.data, c->truth.hash.bytes, HASH_SIZE) == 0 &&
                      answer_check_end(&c->checker) == CHECK_OK;
        r->is_wrong = !r->is_right;
}

static void on_frame(struct sim_client *c, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        static void (*const handlers[])(struct sim_client *, const Coordinator__ResultFrame *) = {
                [COORDINATOR__RESULT_FRAME__BODY_SCHEMA] = on_schema,
                [COORDINATOR__RESULT_FRAME__BODY_PROGRESS] = on_progress,
                [COORDINATOR__RESULT_FRAME__BODY_BATCH] = on_batch,
                [COORDINATOR__RESULT_FRAME__BODY_END] = on_end,
        };
        const Coordinator__ResultFrame *f;

        check(!wire_unpack(&coordinator__result_frame__descriptor, frame, &frame_limits, &u));
        f = u.message;
        check(f->body_case < ELEMENTSOF(handlers) && handlers[f->body_case]);
        handlers[f->body_case](c, f);
}

static void fire_credit(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        if (e->id != s->client.id)
                return;
        coordinator_client_credit(n->core, e->id, (uint32_t) e->n, s->now);
        sim_drain(n);
}

void sim_client_data(struct sim *s, const struct action *a) {
        struct sim_client *c = &s->client;
        struct sim_event *e;
        struct reader r;

        if (a->id != c->id)
                return;
        buffer_put_bytes(&c->in, refbuf_bytes(a->data));
        for (;;) {
                struct bytes frame;

                r = reader_of(buffer_bytes(&c->in));
                frame = reader_prefixed(&r);
                if (r.failed)
                        break;
                on_frame(c, frame);
                buffer_consume(&c->in, r.pos);
        }
        e = sim_after(s, c->node, NSEC_PER_MSEC / 10, fire_credit);
        e->id = c->id;
        e->n = 1;
}
