/* What is too much for one engine is asked of the other. */

#include "tests/unit/coordinator/world.h"

#define OTHER_ENGINE "other/1/model"
#define THIRD_ENGINE "third/1/model"

static struct world *begin(void) {
        static const char *const engines[] = { WORLD_ENGINE, OTHER_ENGINE, THIRD_ENGINE };
        struct world *w = world_begin(1);

        coordinator_capacity(w->c, 2, 1u << 30, engines, 3, w->now);
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
        world_end(w);
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

static void say(struct world *w, const struct peer_id *peer, const Grid__JobMessage *m) {
        world_say(w, world_index_of(w, peer), m);
}

static void run_out(struct world *w, const struct peer_id *peer) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Refusal failure = GRID__REFUSAL__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = OUTCOME_LIMIT;
        p.detail = (char *) "which=memory";
        failure.problem = &p;
        m.body_case = GRID__JOB_MESSAGE__BODY_FAILURE;
        m.failure = &failure;
        say(w, peer, &m);
}

static void bid(struct world *w, size_t i, const char *engine) {
        uint8_t ticket[16] = { (uint8_t) (i + 1) };
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Bid out = GRID__BID__INIT;

        out.ticket = world_binary(BYTES_OF(ticket));
        out.valid_ms = 5000;
        out.engine = (char *) engine;
        out.memory = 1u << 20;
        m.body_case = GRID__JOB_MESSAGE__BODY_BID;
        m.bid = &out;
        world_say(w, i, &m);
}

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
                bid(w, i, WORLD_ENGINE);
        world_wait(w, 100 * NSEC_PER_MSEC);
        first = w->n_asked;
        assert_int_equal(w->n_voters, 3);
        for (size_t i = 0; i < 3; i++)
                run_out(w, &w->voters[i]);
        world_wait(w, 10 * NSEC_PER_MSEC);
        assert_false(w->has_ended);
        assert_string_equal(w->engine, OTHER_ENGINE);
        assert_int_equal(w->n_asked, first + 2);
        for (size_t i = first; i < w->n_asked; i++)
                bid(w, i, OTHER_ENGINE);
        world_wait(w, 3 * NSEC_PER_SEC);
        assert_int_equal(w->n_voters, 5);
        for (size_t i = 3; i < 5; i++) {
                assert_true(peer_id_equal(&w->voters[i], &w->list[3].peer) ||
                            peer_id_equal(&w->voters[i], &w->list[4].peer));
                run_out(w, &w->voters[i]);
        }
        world_wait(w, 30 * NSEC_PER_SEC);
        assert_true(w->has_ended);
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_non_null(strstr(w->fell_over, "sim: LIMIT which=memory"));
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_when), cmocka_unit_test(test_unread),
          cmocka_unit_test(test_cancelled), cmocka_unit_test(test_hosts))
