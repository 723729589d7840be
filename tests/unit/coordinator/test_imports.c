/* What an import may take, whose failure it was, and what is remembered of it. */

#include "services/coordinator/imports.h"

#include <stdio.h>
#include <string.h>

#include "common/canonical/outcome.h"
#include "tests/support/test.h"

/* ---- room ---- */

static const struct {
        const char *name;
        struct import_room room, other, both, each;
        bool is_more; /* other than room */
} rooms[] = {
        { "equal", { 1, 2, 3 }, { 1, 2, 3 }, { 1, 2, 3 }, { 1, 2, 3 }, false },
        { "less", { 10, 20, 30 }, { 1, 2, 3 }, { 10, 20, 30 }, { 1, 2, 3 }, false },
        { "more memory", { 10, 20, 30 }, { 11, 2, 3 }, { 11, 20, 30 }, { 10, 2, 3 }, true },
        { "more processor", { 10, 20, 30 }, { 1, 21, 3 }, { 10, 21, 30 }, { 1, 20, 3 }, true },
        { "more time", { 10, 20, 30 }, { 1, 2, 31 }, { 10, 20, 31 }, { 1, 2, 30 }, true },
        { "all of it", { 10, 20, 30 }, { 0, 2, 3 }, { 0, 20, 30 }, { 10, 2, 3 }, true },
        { "nothing is more than all", { 0, 0, 0 }, { 9, 9, 9 }, { 0, 0, 0 }, { 9, 9, 9 }, false },
        { "not even all", { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 }, false },
};

static void test_room(void **state) {
        (void) state;
        FOREACH_CASE (c, rooms) {
                struct import_room both = c->room, each = c->room;

                import_room_widen(&both, &c->other);
                assert_memory_equal(&both, &c->both, sizeof(both));
                import_room_narrow(&each, &c->other);
                assert_memory_equal(&each, &c->each, sizeof(each));
                assert_int_equal(import_room_is_more(&c->other, &c->room), c->is_more);
        }
}

/* ---- who leaves ---- */

static const struct {
        const char *name;
        struct import_course course;
        bool again;
} courses[] = {
        { "as much is left", { { 9, 0, 0 }, { 9, 0, 0 }, false, false }, false },
        { "more is left", { { 9, 0, 0 }, { 0, 0, 0 }, false, false }, false },
        { "less memory is left", { { 9, 0, 0 }, { 8, 0, 0 }, false, false }, true },
        { "less processor time", { { 9, 5, 0 }, { 9, 4, 0 }, false, false }, true },
        { "less time", { { 9, 0, 0 }, { 9, 0, 7 }, false, false }, true },
        { "a second time", { { 9, 0, 0 }, { 8, 0, 0 }, true, false }, false },
        { "it is being fetched", { { 9, 0, 0 }, { 8, 0, 0 }, false, true }, false },
};

static void test_courses(void **state) {
        (void) state;
        FOREACH_CASE (c, courses)
                assert_int_equal(import_begins_again(&c->course), c->again);
}

/* Runs that may take less and less, and leave one after the other, the widest first; on the way
 * others join that may take less still. */
static void test_chain(void **state) {
        struct import_course course = { .has = { 64, 0, 0 } };
        unsigned again = 0;

        (void) state;
        for (uint64_t left = 63; left > 0; left--) {
                course.rest = (struct import_room){ left, 0, 0 };
                if (!import_begins_again(&course))
                        continue;
                again++;
                course.was_again = true;
                course.has = course.rest;
                import_room_narrow(&course.has, &(struct import_room){ 32, 0, 0 });
        }
        assert_int_equal(again, 1);
        assert_int_equal(course.has.memory, 32);
}

/* ---- failures ---- */

static const struct {
        uint32_t code;
        const char *detail;
        enum import_failure want;
        bool is_answer; /* that a run may sign */
} failures[] = {
        { OUTCOME_SQL_ERROR, "code=ENCODING", IMPORT_BY_DATA, true },
        /* As the DuckDB of this host reads it; that of another one may not. */
        { OUTCOME_SQL_ERROR, "code=CAST", IMPORT_BY_CHANCE },
        { OUTCOME_SQL_ERROR, "code=TYPE", IMPORT_BY_CHANCE },
        { OUTCOME_SQL_ERROR, "", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule=import input=t", IMPORT_BY_DATA },
        { OUTCOME_REFUSED, "rule=input input=t", IMPORT_BY_DATA },
        { OUTCOME_REFUSED, "rule=csv input=t", IMPORT_BY_DATA },
        { OUTCOME_REFUSED, "rule=ndjson input=t", IMPORT_BY_DATA },
        { OUTCOME_REFUSED, "rule=schema input=t", IMPORT_BY_DATA },
        { OUTCOME_REFUSED, "rule=schema size input=t", IMPORT_BY_DATA },
        /* Of who asks, of this node, or of nobody knows what. */
        { OUTCOME_REFUSED, "rule=input name input=a b", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule=format input=t", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule=engine", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule=input", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule=", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "rule= input=t", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "import input=t", IMPORT_BY_CHANCE },
        { OUTCOME_REFUSED, "", IMPORT_BY_CHANCE },
        { OUTCOME_LIMIT, "which=import", IMPORT_BY_DATA },
        { OUTCOME_LIMIT, "which=memory", IMPORT_BY_ROOM },
        { OUTCOME_LIMIT, "which=cpu", IMPORT_BY_ROOM },
        { OUTCOME_TIMEOUT, "stage=input", IMPORT_BY_ROOM },
        { OUTCOME_LIMIT, "which=spool", IMPORT_BY_CHANCE },
        { OUTCOME_LIMIT, "which=disk", IMPORT_BY_CHANCE },
        { OUTCOME_DATA_UNAVAILABLE, "root=00", IMPORT_BY_CHANCE },
        { OUTCOME_INTERNAL, "what=executor", IMPORT_BY_CHANCE },
};

static void test_failures(void **state) {
        (void) state;
        FOREACH_CASE (c, failures) {
                assert_int_equal(import_failure_of(c->code, c->detail), c->want);
                assert_int_equal(import_failure_is_answer(c->code, c->detail), c->is_answer);
        }
}

/* Each is told of its own dataset, and of nobody else's. */
static const struct {
        const char *words, *name, *want;
} told[] = {
        { "rule=import input=" IMPORT_NAME, "fares", "rule=import input=fares" },
        { "rule=schema size input=" IMPORT_NAME, "t", "rule=schema size input=t" },
        { "rule=import input=" IMPORT_NAME, "a\nb", "rule=import input=a\\x0ab" },
        { "which=import", "t", "which=import" },
        { "code=ENCODING", "t", "code=ENCODING" },
        { "Failed to read file \"" IMPORT_NAME "\" (" IMPORT_NAME "): \xff", "ab",
          "Failed to read file \"ab\" (ab): \\xff" },
        { "no data", "t", "no data" },
        { "", "t", "" },
};

static void test_told(void **state) {
        char ret[128], name[256];

        FOREACH_CASE (c, told) {
                import_words_for(c->words, c->name, ret, sizeof(ret));
                assert_string_equal(ret, c->want);
        }
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        import_words_for("rule=import input=" IMPORT_NAME, name, ret, sizeof(ret));
        assert_memory_equal(ret, "rule=import input=nnn", 21);
        assert_true(strlen(ret) < sizeof(ret));
}

/* ---- memory ---- */

static struct import_fault fault(unsigned source, const char *class, const char *text) {
        struct import_fault f = { .code = OUTCOME_SQL_ERROR, .detail = "code=ENCODING" };

        f.source.bytes[0] = (uint8_t) source;
        (void) snprintf(f.class, sizeof(f.class), "%s", class);
        (void) snprintf(f.text, sizeof(f.text), "%s", text);
        return f;
}

static const struct import_fault *find(struct import_faults *f, unsigned source, const char *class,
                                       nsec_t now) {
        const struct import_fault key = fault(source, class, "");

        return import_faults_find(f, &key.source, class, now);
}

static void add(struct import_faults *f, unsigned source, const char *class, const char *text,
                nsec_t now) {
        const struct import_fault x = fault(source, class, text);

        import_faults_add(f, &x, now);
}

/* The same words, for that dataset and that engine class alone, and for a while. */
static void test_remembered(void **state) {
        struct import_faults f = {};

        (void) state;
        assert_null(find(&f, 1, "a", 5));
        add(&f, 1, "a", "row 3", 5);
        assert_string_equal(find(&f, 1, "a", 5)->text, "row 3");
        assert_int_equal(find(&f, 1, "a", 5)->code, OUTCOME_SQL_ERROR);
        assert_null(find(&f, 2, "a", 5));
        assert_null(find(&f, 1, "b", 5));
        assert_non_null(find(&f, 1, "a", 5 + IMPORT_FAULT_KEPT - 1));
        assert_null(find(&f, 1, "a", 5 + IMPORT_FAULT_KEPT));
        assert_int_equal(f.n, 0);
}

static void test_said_again(void **state) {
        struct import_faults f = {};

        (void) state;
        add(&f, 1, "a", "row 3", 5);
        add(&f, 2, "a", "row 9", 6);
        add(&f, 1, "a", "row 4", 7);
        assert_int_equal(f.n, 2);
        assert_string_equal(find(&f, 1, "a", 7)->text, "row 4");
        assert_null(find(&f, 2, "a", 6 + IMPORT_FAULT_KEPT));
        assert_non_null(find(&f, 1, "a", 6 + IMPORT_FAULT_KEPT));
}

/* Many bad datasets take no more memory than a few: the oldest is forgotten. */
static void test_bounded(void **state) {
        struct import_faults f = {};

        (void) state;
        for (unsigned i = 0; i < IMPORT_FAULTS_MAX + 3; i++)
                add(&f, i, "a", "", i);
        assert_int_equal(f.n, IMPORT_FAULTS_MAX);
        for (unsigned i = 0; i < IMPORT_FAULTS_MAX + 3; i++)
                assert_int_equal(find(&f, i, "a", 100) != NULL, i >= 3);
}

TEST_MAIN(cmocka_unit_test(test_room), cmocka_unit_test(test_courses), cmocka_unit_test(test_chain),
          cmocka_unit_test(test_failures), cmocka_unit_test(test_told),
          cmocka_unit_test(test_remembered), cmocka_unit_test(test_said_again),
          cmocka_unit_test(test_bounded))
