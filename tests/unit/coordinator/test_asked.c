/* What a client may ask, and what is refused at once. */

#include "common/canonical/outcome.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/grid.pb-c.h"
#include "tests/fuzz/requester_drive.h"
#include "tests/support/test.h"

/* The refusal, or NULL. */
static const char *submit(struct drive *d, const Coordinator__SubmitRequest *r, char ret[256]) {
        static const struct entropy entropy;
        struct action a = {};
        bool is_refused = false;

        coordinator_submit(d->c, 100, r, &entropy, d->now);
        while (coordinator_output(d->c, &a)) {
                if (a.type == ACTION_REPLY) {
                        is_refused = true;
                        assert_int_equal(a.n, OUTCOME_USAGE);
                        (void) snprintf(ret, 256, "%s", a.event.text);
                }
                action_done(&a);
        }
        return is_refused ? ret : NULL;
}

static const struct {
        const char *name;
        const char *engines[2];
        const char *prefer, *comparison, *what; /* what: in the refusal; NULL: taken */
        bool is_diverse;
} asked_engines[] = {
        { "none", { 0 }, "auto", "", NULL, false },
        { "one", { "sqlite" }, "local", "", NULL, false },
        { "two builds of one", { "sqlite/1", "sqlite/2" }, "auto", "", NULL, false },
        { "two", { "sqlite", "duckdb" }, "auto", "", "--engine names two engines", false },
        { "two, compared", { "sqlite", "duckdb" }, "auto", "portable", NULL, false },
        { "two that agree", { "sqlite", "duckdb" }, "auto", "", NULL, true },
        { "one that agrees", { "sqlite" }, "auto", "", "--engine names one", true },
        { "builds that agree", { "sqlite/1", "sqlite/2" }, "auto", "", "names one", true },
        { "here", { 0 }, "local", "", "--prefer local asks nobody", true },
};

static void test_asked_engines(void **state) {
        FOREACH_CASE (c, asked_engines) {
                struct drive *d = drive_new(drive_verify);
                Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
                const char *said;
                char text[256];

                r.sql = (char *) "SELECT 1";
                r.prefer = (char *) c->prefer;
                r.comparison = (char *) c->comparison;
                r.engine_diverse = c->is_diverse;
                r.engines = (char **) c->engines;
                while (r.n_engines < 2 && c->engines[r.n_engines])
                        r.n_engines++;
                said = submit(d, &r, text);
                assert_int_equal(said != NULL, c->what != NULL);
                if (c->what)
                        assert_non_null(strstr(said, c->what));
                drive_free(d);
        }
}

static const struct {
        const char *verify, *what; /* what: in the refusal; NULL: taken */
        uint32_t replicas, quorum, max_replicas;
        uint64_t timeout_ms;
        const char *prefer; /* NULL: remote */
} asked[] = {
        { "quorum", NULL, 3, 2, 7, 1000 },
        { "unanimous", NULL, 16, 0, 0, 0 },
        { "quorum", "replicas", 33, 2, 0, 0 },
        { "quorum", "quorum", 3, 4, 0, 0 },
        { "quorum", "max-replicas", 5, 2, 4, 0 },
        { "quorum", "max-replicas", 3, 2, 4000000000u, 0 },
        { "unanimous", "16", 17, 0, 0, 0 },
        { "fast", "fast", 2, 0, 0, 0 },
        { "perhaps", "verify", 0, 0, 0, 0 },
        { "quorum", "timeout", 0, 0, 0, 86400001 },
        { "quorum", "--quorum 1", 1, 0, 0, 0 },
        { "", "--quorum 1", 1, 0, 0, 0 },
        { "quorum", "--quorum 1", 1, 2, 0, 0 },
        { "quorum", NULL, 1, 1, 0, 0 },
        { "quorum", NULL, 2, 0, 0, 0 },
        { "quorum", NULL, 3, 1, 0, 0 },
        { "unanimous", "--quorum 1", 1, 0, 0, 0 },
        { "unanimous", "--quorum 1", 1, 2, 0, 0 },
        { "unanimous", NULL, 1, 1, 0, 0 },
        { "unanimous", NULL, 2, 0, 0, 0 },
        { "fast", NULL, 1, 0, 0, 0 },
        { "", NULL, 1, 0, 0, 0, "local" }, /* nobody is asked */
};

static void test_asked(void **state) {
        struct drive *d = drive_new(drive_verify);

        FOREACH_CASE (c, asked) {
                Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
                const char *said;
                char text[256];

                r.sql = (char *) "SELECT 1";
                r.prefer = (char *) (c->prefer ? c->prefer : "remote");
                r.verify = (char *) c->verify;
                r.replicas = c->replicas;
                r.quorum = c->quorum;
                r.max_replicas = c->max_replicas;
                r.timeout_ms = c->timeout_ms;
                said = submit(d, &r, text);
                assert_int_equal(said != NULL, c->what != NULL);
                if (c->what)
                        assert_non_null(strstr(said, c->what));
        }
        drive_free(d);
}

/* No executor takes more: said at once, before hosts are asked and fetch them. */
static void test_asked_inputs(void **state) {
        struct drive *d = drive_new(drive_verify);
        Types__Input inputs[JOB_INPUTS_MAX + 1], *list[JOB_INPUTS_MAX + 1];
        uint8_t roots[JOB_INPUTS_MAX + 1][HASH_SIZE] = {};

        (void) state;
        for (unsigned i = 0; i <= JOB_INPUTS_MAX; i++) {
                types__input__init(&inputs[i]);
                roots[i][0] = (uint8_t) i;
                inputs[i].name = (char *) "t";
                inputs[i].root = (ProtobufCBinaryData){ HASH_SIZE, roots[i] };
                list[i] = &inputs[i];
        }
        for (size_t n = JOB_INPUTS_MAX; n <= JOB_INPUTS_MAX + 1; n++) {
                Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
                const char *said;
                char text[256];

                r.sql = (char *) "SELECT 1";
                r.inputs = list;
                r.n_inputs = n;
                said = submit(d, &r, text);
                assert_int_equal(said != NULL, n > JOB_INPUTS_MAX);
                if (said)
                        assert_non_null(strstr(said, "at most 8 datasets in one query"));
        }
        drive_free(d);
}

/* Whoever kills the executor that reads the statement: the statement is read again, but
 * one that kills its executor each time is not. */
static unsigned analyses_begun(struct drive *d, uint64_t *ret_run) {
        struct action a = {};
        unsigned n = 0;

        while (coordinator_output(d->c, &a)) {
                if (a.type == ACTION_WORK) {
                        *ret_run = a.id;
                        n++;
                }
                action_done(&a);
        }
        return n;
}

static void test_analysis_lost(void **state) {
        static const struct entropy entropy = { .nonce = { 7 } };
        Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
        struct drive *d = drive_new(drive_verify);
        uint64_t run = 0;
        unsigned n = 0;

        r.sql = (char *) "SELECT 1";
        r.prefer = (char *) "remote";
        coordinator_submit(d->c, 100, &r, &entropy, d->now);
        for (unsigned begun = analyses_begun(d, &run); begun > 0;
             n += begun, begun = analyses_begun(d, &run))
                coordinator_run_lost(d->c, run, d->now);
        assert_int_equal(n, 3);
        drive_free(d);
}

/* ---- What hosts are told in an offer ---- */

/* The newest that this host was sent; its run, and what its inputs take. */
static bool offer_of(const struct drive *d, unsigned host, uint32_t *ret_run, uint64_t *ret) {
        struct reader r = reader_of(buffer_bytes(&d->sent[host]));
        bool has = false;

        while (reader_left(&r) > 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Grid__JobMessage *m;

                assert_int_equal(
                        wire_unpack(&grid__job_message__descriptor, reader_prefixed(&r), NULL, &u),
                        UNPACK_OK);
                m = u.message;
                if (m->body_case != GRID__JOB_MESSAGE__BODY_OFFER)
                        continue;
                has = true;
                *ret_run = m->offer->run;
                *ret = m->offer->input_bytes;
        }
        return has;
}

static void commit(struct drive *d, unsigned host, const struct answer *a) {
        CLEANUP(buffer_donep) struct buffer b = {};

        assert_true(drive_commit_to(d, host, a, 0, &b));
        drive_message(d, host, DRIVE_COMMIT, buffer_bytes(&b));
}

/* Hosts fetch no more than an offer says, so it is the truth also where the job has let its inputs
 * go: one that dissents is asked again after the answer is out. */
static void test_input_bytes(void **state) {
        struct drive *d = drive_new_kept(
                &(struct drive_kept){ .cache = "off", .quorum = 1, .input_length = 12345 });
        struct answer other = d->truth;
        uint32_t run;
        uint64_t n;

        (void) state;
        other.hash.bytes[0] ^= 1;
        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                assert_true(offer_of(d, i, &run, &n));
                assert_int_equal(run, 0);
                assert_int_equal(n, 12345);
                drive_bid(d, i);
        }
        drive_wait(d, 100 * NSEC_PER_MSEC);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i, i == 2 ? &other : &d->truth);
        drive_wait(d, NSEC_PER_SEC);
        assert_string_equal(d->state, "VERIFIED");
        assert_true(offer_of(d, 2, &run, &n));
        assert_int_equal(run, 1);
        assert_int_equal(n, 12345);
        drive_free(d);
}

TEST_MAIN(cmocka_unit_test(test_asked), cmocka_unit_test(test_asked_engines),
          cmocka_unit_test(test_asked_inputs), cmocka_unit_test(test_analysis_lost),
          cmocka_unit_test(test_input_bytes))
