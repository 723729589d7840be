#include "tests/unit/coordinator/world.h"

#include "common/canonical/cell.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/schema.h"
#include "common/canonical/statement.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"

ProtobufCBinaryData world_binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

struct peer_id world_peer_of(unsigned i) {
        struct sign_public key = { .bytes = { (uint8_t) (i + 1) } };

        return peer_id_from_ed25519(&key);
}

static bool is_any_signature(const struct sign_public *key, struct bytes message,
                             struct bytes signature) {
        return true;
}

/* ---- What the coordinator wants ---- */

static void analyse(struct world *w, uint64_t run, char *engine) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Analysis analysis = WORKER__ANALYSIS__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        failed.problem = (Types__Problem *) w->failure;
        analysis.class_name = (char *) "EXACT";
        analysis.engine = engine;
        analysis.portable = (w->comparison || w->is_diverse) && !w->not_portable;
        analysis.not_portable = (char *) (w->not_portable ? w->not_portable : "");
        analysis.not_portable_at = w->not_portable ? 7 : -1;
        analysis.schema = world_binary(w->schema->encoded);
        r.body_case = w->failure ? WORKER__REPORT__BODY_FAILED : WORKER__REPORT__BODY_ANALYSIS;
        if (w->failure)
                r.failed = &failed;
        else
                r.analysis = &analysis;
        buffer_init(&b, 1u << 16);
        wire_pack(&b, &r.base);
        coordinator_report(w->c, run, buffer_bytes(&b), w->now);
}

static void on_open(struct world *w, const struct action *a) {
        static const uint8_t ip[4] = { 10, 0, 0, 1 };
        struct endpoint e = endpoint_ip4(ip, 4001);
        struct stream_remote remote = { .peer = a->peer, .address = multiaddr_from_endpoint(&e) };

        assert_true(w->n_asked < WORLD_MAX);
        w->asked[w->n_asked].peer = a->peer;
        w->asked[w->n_asked++].stream = a->id;
        coordinator_stream_opened(w->c, a->id, &remote, 64, w->now);
}

static void on_sign(struct world *w, const struct action *a) {
        static const uint8_t signature[SIGNATURE_SIZE];
        struct dispatch_statement d;

        if (a->n == STATEMENT_DISPATCH) {
                assert_int_equal(dispatch_decode(refbuf_bytes(a->data), &d), 0);
                assert_true(peer_id_parse(d.host, &w->voters[w->n_voters++]));
        }
        coordinator_signed(w->c, a->id, refbuf_bytes(a->data), BYTES_OF(signature), w->now);
}

static void on_find(struct world *w, const struct action *a) {
        unpacked_done(&w->draw_memory);
        assert_int_equal(wire_unpack(&gossip__draw_request__descriptor, refbuf_bytes(a->data), NULL,
                                     &w->draw_memory),
                         UNPACK_OK);
        w->draw = w->draw_memory.message;
        w->find = a->id;
        w->n_finds++;
}

static void on_explained(struct world *w, const struct action *a) {
        unpacked_done(&w->explained_memory);
        assert_int_equal(wire_unpack(&coordinator__explain_reply__descriptor, refbuf_bytes(a->data),
                                     NULL, &w->explained_memory),
                         UNPACK_OK);
        w->explained = w->explained_memory.message;
}

static void on_reply(struct world *w, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__SubmitReply *reply;

        assert_non_null(a->data);
        if (w->is_explaining) {
                on_explained(w, a);
                return;
        }
        assert_int_equal(wire_unpack(&coordinator__submit_reply__descriptor, refbuf_bytes(a->data),
                                     NULL, &u),
                         UNPACK_OK);
        reply = u.message;
        (void) snprintf(w->reason, sizeof(w->reason), "%s", reply->reason);
        assert_int_equal(reply->job.len, HASH_SIZE);
        memcpy(w->job, reply->job.data, HASH_SIZE);
        if (!w->is_away)
                world_attach(w);
}

void world_attach(struct world *w) {
        if (coordinator_attach(w->c, WORLD_CLIENT, BYTES_OF(w->job), 0, w->now))
                coordinator_client_credit(w->c, WORLD_CLIENT, 1000, w->now);
}

static void on_client(struct world *w, const struct action *a) {
        struct reader r = reader_of(refbuf_bytes(a->data));

        while (reader_left(&r) > 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Coordinator__ResultFrame *f;

                assert_int_equal(wire_unpack(&coordinator__result_frame__descriptor,
                                             reader_prefixed(&r), NULL, &u),
                                 UNPACK_OK);
                f = u.message;
                if (f->body_case != COORDINATOR__RESULT_FRAME__BODY_END)
                        continue;
                w->has_ended = true;
                (void) snprintf(w->state, sizeof(w->state), "%s", f->end->state);
                (void) snprintf(w->fell_over, sizeof(w->fell_over), "%s", f->end->fell_over);
                if (!f->end->problem)
                        continue;
                w->problem = f->end->problem->code;
                (void) snprintf(w->detail, sizeof(w->detail), "%s", f->end->problem->detail);
        }
}

static void on_input(struct world *w, const struct action *a) {
        w->input = a->id;
}

static void on_reset(struct world *w, const struct action *a) {
        for (size_t i = 0; i < w->n_asked; i++)
                w->asked[i].is_reset |= w->asked[i].stream == a->id;
}

static void on_journal(struct world *w, const struct action *a) {
        if (w->journal && a->type == ACTION_JOURNAL)
                assert_int_equal(journal_file_add(w->journal, (enum journal_kind) a->n, &a->hash,
                                                  refbuf_bytes(a->data), 1),
                                 JOURNAL_OK);
        if (a->id)
                coordinator_journalled(w->c, a->id, w->now);
}

/* What it would run itself is only noted. */
static void on_work(struct world *w, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Job *job;

        assert_int_equal(wire_unpack(&worker__job__descriptor, refbuf_bytes(a->data), NULL, &u),
                         UNPACK_OK);
        job = u.message;
        (void) snprintf(w->engine, sizeof(w->engine), "%s", job->engine);
        w->memory = job->limits->memory;
        if (job->mode != WORKER__JOB__MODE__ANALYSE)
                w->is_local = true;
        else if (!w->is_mute)
                analyse(w, a->id, job->engine);
        w->run = a->id;
}

static void (*const doers[_ACTION_N])(struct world *w, const struct action *a) = {
        [ACTION_INPUT] = on_input,   [ACTION_OPEN] = on_open,       [ACTION_RESET] = on_reset,
        [ACTION_SIGN] = on_sign,     [ACTION_WORK] = on_work,       [ACTION_FIND] = on_find,
        [ACTION_REPLY] = on_reply,   [ACTION_JOURNAL] = on_journal, [ACTION_RECEIPT] = on_journal,
        [ACTION_CLIENT] = on_client,
};

void world_pump(struct world *w) {
        struct action a = {};

        while (coordinator_output(w->c, &a)) {
                if (doers[a.type])
                        doers[a.type](w, &a);
                action_done(&a);
        }
}

void world_wait(struct world *w, nsec_t time) {
        nsec_t end = w->now + time, next;

        while ((next = coordinator_deadline(w->c)) <= end) {
                w->now = nsec_max(w->now, next);
                coordinator_expire(w->c, w->now);
                world_pump(w);
        }
        w->now = end;
}

void world_answer(struct world *w) {
        char engine[sizeof(w->engine)];

        (void) strcpy(engine, w->engine);
        analyse(w, w->run, engine);
        world_pump(w);
}

/* ---- Life ---- */

struct candidate *world_add(struct world *w, enum candidate_origin origin) {
        struct candidate *c = &w->list[w->n_list];

        assert_true(w->n_list < WORLD_MAX);
        *c = (struct candidate){ .peer = world_peer_of((unsigned) w->n_list++), .origin = origin };
        if (origin == ORIGIN_GOSSIP)
                c->claims = (struct candidate_claims){ .is_known = true,
                                                       .engines = { WORLD_ENGINE },
                                                       .n_engines = 1,
                                                       .free_slots = 2,
                                                       .data_classes = 1u << DATA_PUBLIC };
        return c;
}

void world_tell(struct world *w) {
        coordinator_candidates(w->c, w->list, w->n_list, w->now);
}

static const char *const own_engines[] = { WORLD_ENGINE };

static void start(struct world *w) {
        struct peer_id self = world_peer_of(WORLD_SELF);

        w->c = coordinator_new(&settings_default, &self, w->seed);
        coordinator_verifier(w->c, is_any_signature);
        coordinator_clock(w->c, w->now, INT64_C(1790000000000000));
}

void world_engines(struct world *w, const char *const *engines, size_t n) {
        w->engines = engines;
        w->n_engines = n;
        coordinator_capacity(w->c, &w->worker, 1, engines, n, w->now);
}

struct world *world_begin(unsigned seed) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct world *w = xnew(struct world);

        w->now = WORLD_START;
        w->seed = seed;
        w->worker = (struct governor_worker){ .slots = 2, .memory = 1u << 30 };
        buffer_init(&b, 64);
        schema_begin(&b, 1);
        schema_put_name(&b, BYTES_LIT("n"));
        schema_put_type(&b, CELL_INTEGER);
        assert_int_equal(schema_decode(buffer_bytes(&b), &w->schema), SCHEMA_OK);
        start(w);
        coordinator_start(w->c, w->now);
        world_engines(w, own_engines, ELEMENTSOF(own_engines));
        return w;
}

void world_end(struct world *w) {
        w->c = coordinator_free(w->c);
        w->journal = journal_file_free(w->journal);
        unpacked_done(&w->draw_memory);
        unpacked_done(&w->explained_memory);
        schema_free(w->schema);
        free(w);
}

/* ---- Restarts ---- */

void world_keep(struct world *w) {
        char error[JOURNAL_ERROR_SIZE];

        assert_int_equal(journal_file_open(":memory:", &w->journal, error), JOURNAL_OK);
}

static int restore(void *userdata, enum journal_kind kind, struct bytes record) {
        struct world *w = userdata;

        assert_int_equal(coordinator_restore(w->c, kind, record, w->now), 0);
        return 0;
}

/* It goes down at once, and comes up with what it wrote; what it was doing elsewhere is gone. */
void world_restart(struct world *w) {
        assert_int_equal(journal_file_commit(w->journal, false), JOURNAL_OK);
        w->c = coordinator_free(w->c);
        w->is_local = false;
        w->run = 0;
        w->engine[0] = 0;
        start(w);
        assert_int_equal(journal_file_walk(w->journal, restore, w), 0);
        coordinator_start(w->c, w->now);
        world_engines(w, w->engines, w->n_engines);
        world_tell(w);
        world_attach(w);
        world_pump(w);
}

static void fill_request(struct world *w, const char *prefer, Coordinator__SubmitRequest *ret) {
        coordinator__submit_request__init(ret);
        ret->sql = (char *) "SELECT n FROM nothing";
        ret->prefer = (char *) prefer;
        ret->engines = (char **) &w->of_engine;
        if (w->comparison)
                ret->comparison = (char *) w->comparison;
        ret->engine_diverse = w->is_diverse;
        ret->remote_analysis = w->is_described;
        ret->n_engines = w->of_engine != NULL;
}

void world_submit(struct world *w, const char *prefer) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        static const struct hash_value root = { { 7 } };
        Types__Input input = TYPES__INPUT__INIT, *inputs = &input;
        Coordinator__SubmitRequest request;

        fill_request(w, prefer, &request);
        input.name = (char *) "t";
        input.root = world_binary(hash_bytes(&root));
        request.inputs = &inputs;
        request.n_inputs = w->has_input;
        w->is_explaining = false;
        coordinator_submit(w->c, 1, &request, &entropy, w->now);
        world_pump(w);
}

void world_explain(struct world *w, const char *prefer) {
        Coordinator__SubmitRequest request;

        fill_request(w, prefer, &request);
        w->is_explaining = true;
        coordinator_explain(w->c, 1, &request, w->now);
        world_pump(w);
}

void world_runs_out(struct world *w, const struct peer_id *host) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Refusal failure = GRID__REFUSAL__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = OUTCOME_LIMIT;
        p.detail = (char *) "which=memory";
        failure.problem = &p;
        m.body_case = GRID__JOB_MESSAGE__BODY_FAILURE;
        m.failure = &failure;
        world_say(w, world_index_of(w, host), &m);
}

void world_bid_as(struct world *w, size_t i, const char *engine, uint64_t memory) {
        uint8_t ticket[16] = { (uint8_t) (i + 1) };
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Bid out = GRID__BID__INIT;

        out.ticket = world_binary(BYTES_OF(ticket));
        out.valid_ms = 5000;
        out.engine = (char *) engine;
        out.memory = memory;
        m.body_case = GRID__JOB_MESSAGE__BODY_BID;
        m.bid = &out;
        world_say(w, i, &m);
}

void world_run_fails(struct world *w, unsigned code, const char *detail) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        p.code = code;
        p.detail = (char *) detail;
        failed.problem = &p;
        r.body_case = WORKER__REPORT__BODY_FAILED;
        r.failed = &failed;
        buffer_init(&b, 4096);
        wire_pack(&b, &r.base);
        coordinator_report(w->c, w->run, buffer_bytes(&b), w->now);
        world_pump(w);
}

enum candidate_origin world_origin_of(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_list; i++)
                if (peer_id_equal(&w->list[i].peer, peer))
                        return w->list[i].origin;
        fail_msg("a host that is no candidate");
        return 0;
}

/* The hosts that gossip names promise to be the fastest. */
void world_bid(struct world *w, size_t i) {
        CLEANUP(buffer_donep) struct buffer b = {}, frame = {};
        uint8_t ticket[16] = { (uint8_t) (i + 1) };
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Bid bid = GRID__BID__INIT;

        bid.ticket = world_binary(BYTES_OF(ticket));
        bid.valid_ms = 5000;
        bid.engine = (char *) WORLD_ENGINE;
        bid.free_slots = 1;
        bid.estimate_us = world_origin_of(w, &w->asked[i].peer) == ORIGIN_GOSSIP ? 10 : 1000;
        m.body_case = GRID__JOB_MESSAGE__BODY_BID;
        m.bid = &bid;
        buffer_init(&b, 256);
        buffer_init(&frame, 512);
        wire_pack(&b, &m.base);
        frame_put(&frame, buffer_bytes(&b));
        coordinator_stream_data(w->c, w->asked[i].stream, buffer_bytes(&frame), w->now);
        world_pump(w);
}

/* All that were asked bid at the same instant. */
void world_bid_all(struct world *w) {
        world_wait(w, 10 * NSEC_PER_MSEC); /* else the third bid ends the round */
        for (size_t i = 0; i < w->n_asked; i++)
                if (!w->asked[i].is_reset)
                        world_bid(w, i);
        world_wait(w, 100 * NSEC_PER_MSEC);
}

unsigned world_count_voters(const struct world *w, enum candidate_origin origin) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_voters; i++)
                n += world_origin_of(w, &w->voters[i]) == origin;
        return n;
}

unsigned world_count_asked(const struct world *w, enum candidate_origin origin) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_asked; i++)
                n += world_origin_of(w, &w->asked[i].peer) == origin;
        return n;
}

bool world_was_asked(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_asked; i++)
                if (peer_id_equal(&w->asked[i].peer, peer))
                        return true;
        return false;
}
void world_add_many(struct world *w, enum candidate_origin origin, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                (void) world_add(w, origin);
}

void world_say(struct world *w, size_t i, const Grid__JobMessage *m) {
        CLEANUP(buffer_donep) struct buffer b = {}, frame = {};

        buffer_init(&b, 1024);
        buffer_init(&frame, 1024);
        wire_pack(&b, &m->base);
        frame_put(&frame, buffer_bytes(&b));
        coordinator_stream_data(w->c, w->asked[i].stream, buffer_bytes(&frame), w->now);
        world_pump(w);
}

size_t world_index_of(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_asked; i++)
                if (peer_id_equal(&w->asked[i].peer, peer) && !w->asked[i].is_reset)
                        return i;
        fail_msg("a host that was not asked");
        return 0;
}
