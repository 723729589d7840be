#include "common/base/similar.h"

#include <string.h>

#include "common/base/memory.h"
#include "tests/support/test.h"

static const char *const words[] = { "run",  "status", "query", "shell", "peers",
                                     "find", "record", "pause", "key",   "resume" };

static const struct {
        const char *typed, *meant; /* NULL: nothing is near */
} cases[] = {
        { "qurey", "query" },   { "quer", "query" },
        { "qeury", "query" },   { "QUERY", "query" },
        { "querry", "query" },  { "statsu", "status" },
        { "sta", "status" },    { "stauts", "status" },
        { "pears", "peers" },   { "rum", "run" },
        { "ky", "key" },        { "resum", "resume" },
        { "recrod", "record" }, { "re", "record" },
        { "", NULL },           { "x", NULL },
        { "zebra", NULL },      { "qry", NULL },
        { "select", NULL },     { "nothing-at-all-that-is-anywhere-near-a-word", NULL },
};

static void test_near(void **state) {
        FOREACH_CASE (c, cases) {
                struct similar s = similar_to(c->typed);

                for (size_t i = 0; i < ELEMENTSOF(words); i++)
                        similar_try(&s, words[i]);
                if (c->meant)
                        assert_string_equal(s.best ? s.best : "nothing", c->meant);
                else
                        assert_null(s.best);
        }
}

/* Whichever comes first: the nearer one, and of equally near ones the first. */
static void test_order(void **state) {
        struct similar s = similar_to("pause");

        similar_try(&s, "paused");
        similar_try(&s, "pause");
        assert_string_equal(s.best, "pause");
        s = similar_to("cap");
        similar_try(&s, "cat");
        similar_try(&s, "can");
        assert_string_equal(s.best, "cat");
}

static void test_text(void **state) {
        struct similar s = similar_to("qurey");
        char text[64];

        assert_string_equal(similar_text(&s, text), "");
        similar_try(&s, "query");
        assert_string_equal(similar_text(&s, text), ", did you mean `query`");
}

TEST_MAIN(cmocka_unit_test(test_near), cmocka_unit_test(test_order), cmocka_unit_test(test_text))
