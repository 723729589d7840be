/* What is too much for one engine is asked of the other. */

#include "proto/journal.pb-c.h"
#include "tests/unit/coordinator/world.h"

#define OTHER_ENGINE "other/1/model"
#define THIRD_ENGINE "third/1/model"

static struct world *begin(void) {
        static const char *const engines[] = { WORLD_ENGINE, OTHER_ENGINE, THIRD_ENGINE };
        struct world *w = world_begin(1);

        world_engines(w, engines, ELEMENTSOF(engines));
        return w;
}

static const struct {
        const char *name, *of_engine;
        unsigned code;
        const char *detail;
        bool falls_over;
} cases[] = {
        { "memory", NULL, OUTCOME_LIMIT, "which=memory", true },
        { "processor", NULL, OUTCOME_LIMIT, "which=cpu", true },
        { "time", NULL, OUTCOME_LIMIT, "which=wall", true },
        { "too many rows are too many for both", NULL, OUTCOME_LIMIT, "which=rows", false },
        { "a word that only begins so", NULL, OUTCOME_LIMIT, "which=memory_of", false },
        { "more than this node gives any engine", NULL, OUTCOME_LIMIT, "which=memory most=1024",
          false },
        { "not a limit", NULL, OUTCOME_DATA_UNAVAILABLE, "which=memory", false },
        { "the engine was asked for", "sim", OUTCOME_LIMIT, "which=memory", false },
        { "the class was asked for", WORLD_ENGINE, OUTCOME_LIMIT, "which=memory", false },
};

static void test_when(void **state) {
        FOREACH_CASE (c, cases) {
                struct world *w = begin();

                w->of_engine = c->of_engine;
                world_submit(w, "local");
                assert_true(w->is_local);
                assert_string_equal(w->engine, WORLD_ENGINE);
                world_run_fails(w, c->code, c->detail);
                assert_int_equal(w->has_ended, !c->falls_over);
                assert_string_equal(w->engine, c->falls_over ? OTHER_ENGINE : WORLD_ENGINE);
                if (c->falls_over) { /* once, and the second one's limit is told with the first */
                        world_run_fails(w, OUTCOME_LIMIT, "which=cpu");
                        assert_true(w->has_ended);
                        assert_int_equal(w->problem, OUTCOME_LIMIT);
                        assert_string_equal(w->detail, "which=cpu");
                        assert_non_null(strstr(w->fell_over, "sim: LIMIT which="));
                        assert_non_null(strstr(w->fell_over, "did not answer either"));
                } else {
                        assert_int_equal(w->problem, c->code);
                        assert_string_equal(w->fell_over, "");
                }
                world_end(w);
        }
}

/* It cannot even be read there: the first limit is what is told. */
static void test_unread(void **state) {
        Types__Problem p = TYPES__PROBLEM__INIT;
        struct world *w = begin();

        p.code = OUTCOME_SQL_ERROR;
        p.detail = (char *) "code=PARSE";
        world_submit(w, "local");
        w->failure = &p;
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        assert_true(w->has_ended);
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_string_equal(w->detail, "which=memory");
        assert_string_equal(w->fell_over,
                            "sim: LIMIT which=memory; the other engine did not begin");
        world_end(w);
}

/* What the executor's words quote is anybody's: people, the journal and JSON get it escaped. */
static void test_words(void **state) {
        static const struct {
                const char *detail, *want;
        } words[] = {
                { "rule=input name input=a\nb", "rule=input name input=a\\x0ab" },
                { "rule=x input=\xe2\x80\xae"
                  "y",
                  "rule=x input=\\xe2\\x80\\xaey" },
                { "", "what=executor" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                struct world *w = begin();

                world_submit(w, "local");
                world_run_fails(w, OUTCOME_REFUSED, words[i].detail);
                assert_true(w->has_ended);
                assert_string_equal(w->detail, words[i].want);
                world_end(w);
        }
}

static void test_cancelled(void **state) {
        struct world *w = begin();

        world_submit(w, "local");
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        world_wait(w, 400 * NSEC_PER_SEC);
        assert_true(w->has_ended);
        assert_int_equal(w->problem, OUTCOME_TIMEOUT);
        world_end(w);
}

/* ---- On the grid ---- */

/* Three hosts have one engine, two the other. */
static void test_hosts(void **state) {
        struct world *w = begin();
        size_t first;

        for (unsigned i = 0; i < 5; i++)
                (void) strcpy(world_add(w, ORIGIN_GOSSIP)->claims.engines[0],
                              i < 3 ? WORLD_ENGINE : OTHER_ENGINE);
        world_tell(w);
        world_submit(w, "remote");
        world_wait(w, 10 * NSEC_PER_MSEC);
        for (size_t i = 0; i < w->n_asked; i++)
                world_bid_as(w, i, WORLD_ENGINE, 1u << 20);
        world_wait(w, 100 * NSEC_PER_MSEC);
        first = w->n_asked;
        assert_int_equal(w->n_voters, 3);
        for (size_t i = 0; i < 3; i++)
                world_runs_out(w, &w->voters[i]);
        world_wait(w, 10 * NSEC_PER_MSEC);
        assert_false(w->has_ended);
        assert_string_equal(w->engine, OTHER_ENGINE);
        assert_int_equal(w->n_asked, first + 2);
        for (size_t i = first; i < w->n_asked; i++)
                world_bid_as(w, i, OTHER_ENGINE, 1u << 20);
        world_wait(w, 3 * NSEC_PER_SEC);
        assert_int_equal(w->n_voters, 5);
        for (size_t i = 3; i < 5; i++) {
                assert_true(peer_id_equal(&w->voters[i], &w->list[3].peer) ||
                            peer_id_equal(&w->voters[i], &w->list[4].peer));
                world_runs_out(w, &w->voters[i]);
        }
        world_wait(w, 30 * NSEC_PER_SEC);
        assert_true(w->has_ended);
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_string_equal(w->fell_over,
                            "sim: LIMIT which=memory; the other engine did not answer either");
        world_end(w);
}

/* ---- The coordinator goes down ---- */

static int count_end(void *userdata, enum journal_kind kind, struct bytes record) {
        ++*(unsigned *) userdata;
        return 0;
}

static unsigned count_ends(struct world *w) {
        unsigned n = 0;

        assert_int_equal(journal_file_latest(w->journal, JOURNAL_ENDED, 100, count_end, &n), 0);
        return n;
}

/* Between the two jobs, as often as you like: the other engine is asked, once, and what came
 * first is told to the client that comes again by the name it knows. */
static void test_restart_between(void **state) {
        for (unsigned restarts = 0; restarts < 3; restarts++) {
                struct world *w = begin();

                world_keep(w);
                world_submit(w, "local");
                w->is_mute = true;
                world_run_fails(w, OUTCOME_LIMIT, "which=memory have=0 need=2");
                for (unsigned i = 0; i < restarts; i++) {
                        world_restart(w);
                        world_wait(w, 10 * NSEC_PER_SEC); /* it looks for hosts first */
                        assert_false(w->has_ended);
                        assert_string_equal(w->engine, OTHER_ENGINE);
                }
                w->is_mute = false;
                world_answer(w);
                assert_true(w->is_local);
                assert_int_equal(count_ends(w), 1);
                world_run_fails(w, OUTCOME_LIMIT, "which=cpu");
                assert_true(w->has_ended);
                assert_string_equal(w->detail, "which=cpu");
                assert_string_equal(
                        w->fell_over,
                        "sim: LIMIT which=memory; the other engine did not answer either");
                assert_int_equal(count_ends(w), 2);
                assert_int_equal(journal_file_count(w->journal, JOURNAL_SUBMITTED), 0);
                assert_int_equal(journal_file_count(w->journal, JOURNAL_FELL_OVER), 0);
                world_end(w);
        }
}

/* It ends there: of one job, one end, and nothing of it comes back. */
static void test_end_between(void **state) {
        struct world *w = begin();

        world_keep(w);
        world_submit(w, "local");
        w->is_mute = true;
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        world_restart(w);
        world_wait(w, 400 * NSEC_PER_SEC);
        assert_int_equal(w->problem, OUTCOME_TIMEOUT);
        assert_int_equal(count_ends(w), 1);
        assert_int_equal(journal_file_count(w->journal, JOURNAL_FELL_OVER), 0);
        w->has_ended = false;
        world_restart(w);
        world_wait(w, 400 * NSEC_PER_SEC);
        assert_false(w->has_ended);
        world_end(w);
}

/* Once it runs there: the client's name for it is still known, and the end names both. A run
 * of our own begins again, and falls over no more. */
static void test_restart_after(void **state) {
        struct world *w = begin();

        world_keep(w);
        world_submit(w, "local");
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        assert_true(w->is_local);
        world_restart(w);
        assert_false(w->has_ended);
        assert_true(w->is_local);
        assert_string_equal(w->engine, OTHER_ENGINE);
        world_run_fails(w, OUTCOME_LIMIT, "which=cpu");
        assert_true(w->has_ended);
        assert_string_equal(w->detail, "which=cpu");
        assert_non_null(strstr(w->fell_over, "sim: LIMIT which=memory"));
        assert_int_equal(count_ends(w), 2);
        world_end(w);
}

/* What runs here does so again, as often as the coordinator goes down, until its time is over. */
static void test_local_again(void **state) {
        struct world *w = begin();

        w->of_engine = "sim";
        world_keep(w);
        world_submit(w, "local");
        for (unsigned i = 0; i < 3; i++) {
                world_restart(w);
                assert_false(w->has_ended);
                assert_true(w->is_local);
                assert_string_equal(w->engine, WORLD_ENGINE);
        }
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_int_equal(count_ends(w), 1);
        world_end(w);
}

/* As if it had been served from what was kept: nobody runs that. */
static int make_kept(void *userdata, enum journal_kind kind, struct bytes record) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct buffer *ret = userdata;
        Journal__Submitted *s;

        assert_int_equal(wire_unpack(&journal__submitted__descriptor, record, NULL, &u), UNPACK_OK);
        s = u.message;
        assert_true(s->is_local && s->runs_here);
        s->runs_here = false;
        wire_pack(ret, &s->base);
        return 0;
}

static void test_kept_does_not_run(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct world *w = begin();
        struct hash_value job;

        world_keep(w);
        world_submit(w, "local");
        memcpy(job.bytes, w->job, HASH_SIZE);
        buffer_init(&b, 4096);
        assert_int_equal(journal_file_latest(w->journal, JOURNAL_SUBMITTED, 1, make_kept, &b), 0);
        assert_int_equal(journal_file_add(w->journal, JOURNAL_ENDED, &job, BYTES_NONE, 1),
                         JOURNAL_OK); /* takes the record along */
        assert_int_equal(journal_file_add(w->journal, JOURNAL_SUBMITTED, &job, buffer_bytes(&b), 1),
                         JOURNAL_OK);
        world_restart(w);
        assert_true(w->has_ended);
        assert_false(w->is_local);
        assert_int_equal(w->problem, OUTCOME_RESTARTED);
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_local_again), cmocka_unit_test(test_kept_does_not_run),
          cmocka_unit_test(test_when), cmocka_unit_test(test_unread), cmocka_unit_test(test_words),
          cmocka_unit_test(test_cancelled), cmocka_unit_test(test_hosts),
          cmocka_unit_test(test_restart_between), cmocka_unit_test(test_end_between),
          cmocka_unit_test(test_restart_after))
