/* What is said to one host, and what it says. Everything from it is bounded by the
 * lane's budget and by what the stage of the replica allows. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/requester_core.h"

/* ---- Offer ---- */

static void fill_limits(const struct descriptor *d, Types__Limits *ret) {
        types__limits__init(ret);
        ret->rows = d->limits.rows;
        ret->bytes = d->limits.bytes;
        ret->memory = d->limits.memory;
        ret->cpu_ms = d->limits.cpu_ms;
        ret->wall_ms = d->limits.wall_ms;
}

static char *text_of(struct bytes v) {
        char *s = xmalloc(v.len + 1);

        memcpy(s, v.data, v.len);
        s[v.len] = 0;
        return s;
}

static void send_offer(struct replica *r, nsec_t now) {
        struct job *j = r->job;
        CLEANUP(freep) struct descriptor *d = xnew(struct descriptor);
        CLEANUP(freep) char *network = NULL;
        ProtobufCBinaryData roots[DESCRIPTOR_DATASETS_MAX];
        char *engines[DESCRIPTOR_CLASSES_MAX];
        Grid__Offer offer = GRID__OFFER__INIT;
        Types__Limits limits;
        Grid__JobMessage m;

        check(descriptor_decode(buffer_bytes(&j->descriptor), d, NULL) == 0);
        fill_limits(d, &limits);
        network = text_of(d->network);
        offer.job = binary(hash_bytes(&j->id));
        offer.network = network;
        offer.data_class = (char *) data_class_name(d->data_class);
        offer.comparison = (char *) comparison_name(d->comparison);
        offer.limits = &limits;
        offer.estimated_cpu_us = job_estimate_us(j);
        offer.estimated_memory = job_estimate_memory(j);
        offer.run = r->run;
        offer.engines = engines;
        offer.n_engines = d->n_classes;
        for (size_t i = 0; i < d->n_classes; i++)
                engines[i] = text_of(d->classes[i]);
        for (size_t i = 0; i < d->n_datasets; i++)
                roots[i] = binary(hash_bytes(&d->datasets[i].root));
        offer.input_bytes = j->input_bytes;
        offer.roots = roots;
        offer.n_roots = d->data_class == DATA_PUBLIC ? d->n_datasets : 0;
        diverse_prefer(r);
        offer.prefer = r->prefer;
        job_message_init(&m, GRID__JOB_MESSAGE__BODY_OFFER);
        m.offer = &offer;
        r->stage = REPLICA_OFFERED;
        r->offered = now;
        replica_send(r, &m, now);
        for (size_t i = 0; i < offer.n_engines; i++)
                free(engines[i]);
}

void replica_opened(struct replica *r, const struct stream_remote *remote, uint32_t window,
                    nsec_t now) {
        struct job *j = r->job;

        if (!peer_id_equal(&remote->peer, &r->prospect->candidate.peer)) {
                replica_fail(r, 0, OUTCOME_MISMATCH, "field=peer", now);
                return;
        }
        r->remote = *remote;
        r->heard = now;
        voter_of(&r->prospect->candidate, remote, SET_OF(j)->independence, &r->voter);
        r->group = job_group(j, r->voter.group);
        lane_window(&r->lane, window);
        if (r->stage == REPLICA_OPENING)
                send_offer(r, now);
}

/* ---- Dispatch ---- */

void replica_dispatch(struct replica *r, nsec_t now) {
        struct job *j = r->job;
        const struct dispatch_statement s = {
                .job = j->id,
                .host = peer_id_bytes(&r->prospect->candidate.peer),
                .ticket = BYTES(r->bid.ticket, r->bid.ticket_len),
                .run = (uint8_t) r->run,
        };
        struct action *a;

        check(dispatch_encode(&s, &r->dispatch.bytes) == STATEMENT_OK);
        r->stage = REPLICA_SIGNING;
        a = actions_add(ACTIONS(j), ACTION_SIGN,
                        handle_open(RQ_OF(j), &r->request, HANDLE_REQUEST));
        a->n = STATEMENT_DISPATCH;
        a->data = refbuf_new(buffer_bytes(&r->dispatch.bytes));
}

static void send_dispatch(struct replica *r, nsec_t now) {
        struct job *j = r->job;
        Grid__Dispatch d = GRID__DISPATCH__INIT;
        ProtobufCBinaryData self = binary(peer_id_bytes(&RQ_OF(j)->core->self));
        Grid__JobMessage m;

        d.ticket = binary(BYTES(r->bid.ticket, r->bid.ticket_len));
        d.descriptor = binary(buffer_bytes(&j->descriptor));
        d.sql = j->sql;
        d.statement = binary(buffer_bytes(&r->dispatch.bytes));
        d.signature = binary(BYTES_OF(r->dispatch.signature));
        d.n_providers = 1;
        d.providers = &self;
        d.run = r->run;
        job_message_init(&m, GRID__JOB_MESSAGE__BODY_DISPATCH);
        m.dispatch = &d;
        r->stage = REPLICA_DISPATCHED;
        r->dispatched = r->heard = now;
        if (!j->first_dispatch)
                j->first_dispatch = now;
        replica_send(r, &m, now);
}

/* keyring is to sign what was asked, nothing else. */
static bool take_signature(struct signed_bytes *s, struct bytes statement, struct bytes signature) {
        if (!bytes_equal(statement, buffer_bytes(&s->bytes)) || signature.len != SIGNATURE_SIZE)
                return false;
        memcpy(s->signature, signature.data, SIGNATURE_SIZE);
        s->is_signed = true;
        return true;
}

void replica_signed(struct replica *r, struct bytes statement, struct bytes signature, nsec_t now) {
        handle_close(RQ_OF(r->job), &r->request);
        if (r->stage != REPLICA_SIGNING) {
                if (!take_signature(&r->verdict, statement, signature))
                        job_event(r->job, EVENT_WARNING, "verdict_unsigned", NULL);
                job_verdict_signed(r, now);
        } else if (take_signature(&r->dispatch, statement, signature)) {
                send_dispatch(r, now);
        } else {
                replica_fail(r, 0, OUTCOME_INTERNAL, "what=keyring", now);
        }
}

/* ---- What the host says ---- */

static void malformed(struct replica *r, const char *what, nsec_t now) {
        replica_fail(r, VERDICT_MALFORMED, OUTCOME_MISMATCH, what, now);
}

static bool take_bid(struct replica *r, const Grid__Bid *b, nsec_t now) {
        size_t engine_len = strlen(b->engine);

        if (b->ticket.len == 0 || b->ticket.len > TICKET_MAX || engine_len == 0 ||
            engine_len >= ENGINE_MAX || b->price > 0 || !classes_has(&r->job->classes, b->engine))
                return false;
        memcpy(r->bid.ticket, b->ticket.data, b->ticket.len);
        r->bid.ticket_len = b->ticket.len;
        memcpy(r->bid.engine, b->engine, engine_len + 1);
        r->bid.fetch_bytes = b->fetch_bytes;
        r->bid.speed = b->speed;
        r->bid.memory = b->memory;
        r->bid.estimate_us = b->estimate_us;
        r->bid.valid_until = nsec_add(now, b->valid_ms * NSEC_PER_MSEC);
        return true;
}

static void on_bid(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        if (r->stage != REPLICA_OFFERED) {
                malformed(r, "field=bid", now);
                return;
        }
        if (!take_bid(r, m->bid, now)) {
                replica_fail(r, 0, OUTCOME_REFUSED, "rule=bid", now);
                return;
        }
        r->stage = REPLICA_BID;
        r->bid_at = now;
        if (r->run != 0 || r->is_again)
                replica_dispatch(r, now);
}

void replica_says(struct replica *r, const char *text) {
        char escaped[JOB_TEXT_MAX];

        free(r->said);
        r->said = xstrdup(text_escape(BYTES_STR(text), escaped, sizeof(escaped)));
}

/* Of a refusal after dispatch, by its code; none of them is a fault. */
static enum verdict verdict_of_failure(unsigned code) {
        switch (code) {
        case OUTCOME_LIMIT:
                return VERDICT_RESOURCE;
        case OUTCOME_CLASS_MISMATCH:
        case OUTCOME_SQL_ERROR:
        case OUTCOME_ENCODING:
                return VERDICT_INCONCLUSIVE;
        case OUTCOME_NOT_VERIFIABLE:
        case OUTCOME_DATA_UNAVAILABLE:
        case OUTCOME_TIMEOUT:
                return VERDICT_INFEASIBLE;
        default:
                return VERDICT_REFUSED;
        }
}

static void on_refusal(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        const Grid__Refusal *f = m->refusal; /* failure has the same type and place */
        unsigned code = f->problem && outcome_is_error(f->problem->code) ? f->problem->code
                                                                         : OUTCOME_REFUSED;
        char detail[DETAIL_MAX] = "";

        if (f->problem)
                text_escape(BYTES_STR(f->problem->detail), detail, sizeof(detail));
        r->prospect->not_before = nsec_add(now, f->retry_ms * NSEC_PER_MSEC);
        r->prospect->is_out = r->prospect->is_out || f->retry_ms == 0;
        r->has_said = true;
        if (code == OUTCOME_SQL_ERROR) {
                replica_says(r, f->problem->text);
                r->said_at = f->problem->position;
        }
        r->ran_out = replica_is_live(r) && r->run == 0 && code == OUTCOME_LIMIT &&
                     strcmp(detail, "which=memory") == 0;
        r->is_for_now = f->retry_ms > 0;
        replica_fail(r, replica_is_live(r) ? verdict_of_failure(code) : 0, code, detail, now);
}

/* After its commit: it has no rows to give, on this stream or on another one. */
static void on_failure(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        struct replica *vote = vote_holder(r->job, r->prospect);

        if (r->stage != REPLICA_COMMITTED) {
                on_refusal(r, m, now);
                return;
        }
        r->is_rowless =
                m->failure->problem && m->failure->problem->code == OUTCOME_DATA_UNAVAILABLE;
        if (vote && vote->run == r->run)
                vote->is_rowless = r->is_rowless;
        job_event(r->job, EVENT_INFO, "rows_let_go", &r->prospect->candidate.peer);
        replica_stream_lost(r, now);
}

static void on_started(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        if (r->stage != REPLICA_DISPATCHED) {
                malformed(r, "field=started", now);
                return;
        }
        r->stage = REPLICA_RUNNING;
        r->started = now;
}

static void on_progress(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        const Grid__Progress *p = m->progress;

        text_escape(BYTES_STR(p->stage), r->progress.stage, sizeof(r->progress.stage));
        r->progress.rows = p->rows;
        r->progress.bytes = p->bytes;
        r->progress.cpu_us = p->cpu_us;
}

static void on_commit(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        vote_commit(r, m->commit, now);
}

void replica_rows_bad(struct replica *r, nsec_t now) {
        struct job *j = r->job;
        struct replica *vote = vote_holder(j, r->prospect);

        job_event(j, EVENT_WARNING, "rows_differ_from_commit", &r->prospect->candidate.peer);
        r->is_rows_bad = true;
        if (vote)
                vote->is_rows_bad = true;
        journal_judgement(j, r);
        if (r->has_lane)
                lane_reset(&r->lane);
        replica_drop_lane(r);
}

static void on_digests(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        const Grid__Digests *d = m->digests;

        if (r->job->rows.source == r &&
            !rows_on_digests(r->job, d->first, BYTES(d->digests.data, d->digests.len), now))
                replica_rows_bad(r, now);
}

static void on_batch(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        const struct rows_batch b = { m->batch->index,
                                      { m->batch->codec, m->batch->length,
                                        BYTES(m->batch->data.data, m->batch->data.len) } };

        if (r->job->rows.source == r && !rows_on_batch(r->job, &b, now))
                replica_rows_bad(r, now);
}

static void on_rows_end(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        if (r->job->rows.source == r)
                rows_on_end(r->job, now);
}

#define STAGES(first, last) .from = (first), .to = (last)

static const struct {
        void (*handle)(struct replica *r, const Grid__JobMessage *m, nsec_t now);
        enum replica_stage from, to; /* stages in which it may be said */
} handlers[] = {
        [GRID__JOB_MESSAGE__BODY_BID] = { on_bid, STAGES(REPLICA_OFFERED, REPLICA_OFFERED) },
        [GRID__JOB_MESSAGE__BODY_REFUSAL] = { on_refusal,
                                              STAGES(REPLICA_OFFERED, REPLICA_RUNNING) },
        [GRID__JOB_MESSAGE__BODY_FAILURE] = { on_failure, STAGES(REPLICA_BID, REPLICA_COMMITTED) },
        [GRID__JOB_MESSAGE__BODY_STARTED] = { on_started,
                                              STAGES(REPLICA_DISPATCHED, REPLICA_DISPATCHED) },
        [GRID__JOB_MESSAGE__BODY_PROGRESS] = { on_progress,
                                               STAGES(REPLICA_DISPATCHED, REPLICA_RUNNING) },
        [GRID__JOB_MESSAGE__BODY_COMMIT] = { on_commit, STAGES(REPLICA_DISPATCHED, REPLICA_OVER) },
        [GRID__JOB_MESSAGE__BODY_DIGESTS] = { on_digests,
                                              STAGES(REPLICA_COMMITTED, REPLICA_COMMITTED) },
        [GRID__JOB_MESSAGE__BODY_BATCH] = { on_batch,
                                            STAGES(REPLICA_COMMITTED, REPLICA_COMMITTED) },
        [GRID__JOB_MESSAGE__BODY_ROWS_END] = { on_rows_end,
                                               STAGES(REPLICA_COMMITTED, REPLICA_COMMITTED) },
};

struct turn {
        struct replica *r;
        nsec_t now;
};

/* What crosses with a Cancel is not looked at, but for a commit: it may contest
 * what was accepted without it. */
static bool on_message(void *userdata, const Grid__JobMessage *m) {
        struct turn *t = userdata;
        struct replica *r = t->r;
        bool is_known =
                (size_t) m->body_case < ELEMENTSOF(handlers) && handlers[m->body_case].handle;

        r->heard = t->now;
        if (!is_known)
                malformed(r, "field=message", t->now);
        else if (r->stage >= handlers[m->body_case].from && r->stage <= handlers[m->body_case].to)
                handlers[m->body_case].handle(r, m, t->now);
        else if (!r->is_cancelled && r->stage != REPLICA_COMMITTED)
                malformed(r, "field=order", t->now);
        return r->has_lane;
}

void replica_data(struct replica *r, struct bytes data, nsec_t now) {
        struct turn t = { r, now };

        switch (lane_feed(&r->lane, data, on_message, &t)) {
        case LANE_E_MALFORMED:
                malformed(r, "field=frame", now);
                break;
        case LANE_E_QUOTA:
                replica_fail(r, 0, OUTCOME_LIMIT, "which=memory", now);
                break;
        default:
                break;
        }
}
