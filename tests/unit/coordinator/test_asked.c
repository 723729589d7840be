/* What a client may ask, and what is refused at once. */

#include "common/canonical/outcome.h"
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
};

static void test_asked(void **state) {
        struct drive *d = drive_new(drive_verify);

        FOREACH_CASE (c, asked) {
                Coordinator__SubmitRequest r = COORDINATOR__SUBMIT_REQUEST__INIT;
                const char *said;
                char text[256];

                r.sql = (char *) "SELECT 1";
                r.prefer = (char *) "remote";
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

TEST_MAIN(cmocka_unit_test(test_asked), cmocka_unit_test(test_asked_engines),
          cmocka_unit_test(test_analysis_lost))
