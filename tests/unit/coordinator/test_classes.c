/* Which engine classes a job admits, from what hosts say that they run. */

#include <stdlib.h>

#include "common/base/memory.h"
#include "services/coordinator/classes.h"
#include "tests/support/test.h"

#define HOSTS_MAX 64

struct world {
        struct candidate hosts[HOSTS_MAX];
        const struct candidate *list[HOSTS_MAX];
        size_t n;
        struct classes_question question;
        struct classes classes;
};

static void setup(struct world *w, enum comparison comparison, const char *own) {
        *w = (struct world){};
        w->question = (struct classes_question){
                .comparison = comparison, .own = own, .candidates = w->list, .independence = true
        };
}

/* Hosts of the same `subnet` are one voter. Classes apart by a blank; "": it does not say. */
static void add(struct world *w, uint8_t subnet, const char *classes) {
        const uint8_t ip[4] = { 8, 8, subnet, (uint8_t) (w->n + 1) };
        const struct endpoint e = endpoint_ip4(ip, 4001);
        struct candidate *c = &w->hosts[w->n];
        CLEANUP(freep) char *copy = xstrdup(classes);
        char *save = NULL;

        c->peer = (struct peer_id){ .len = 2, .bytes = { 1, (uint8_t) (w->n + 1) } };
        c->addresses[c->n_addresses++] = multiaddr_from_endpoint(&e);
        for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
                (void) strcpy(c->claims.engines[c->claims.n_engines++], t);
        w->list[w->n++] = c;
}

static const char *choose(struct world *w) {
        static char text[4096];
        size_t n = 0;

        w->question.n_candidates = w->n;
        classes_choose(&w->question, &w->classes);
        text[0] = 0;
        for (size_t i = 0; i < w->classes.n; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
                                       w->classes.list[i]);
        return text;
}

static void assert_chosen(struct world *w, const char *want, unsigned usable, unsigned unusable) {
        assert_string_equal(choose(w), want);
        assert_int_equal(w->classes.usable, usable);
        assert_int_equal(w->classes.unusable, unusable);
}

static void test_names(void **state) {
        char *const engine[] = { (char *) "sqlite" }, *const class[] = { (char *) "sqlite/1/x" };
        char *const version[] = { (char *) "sqlite/1.2" };

        assert_true(engine_is_same("sqlite/1/x", "sqlite/2/y"));
        assert_true(engine_is_same("sqlite/1/x", "sqlite"));
        assert_false(engine_is_same("sqlite/1/x", "sqlit/1/x"));
        assert_true(engine_is_wanted("sqlite/1/x", engine, 1));
        assert_true(engine_is_wanted("sqlite/1/x", class, 1));
        assert_false(engine_is_wanted("sqlite/2/x", class, 1));
        assert_false(engine_is_wanted("duckdb/1/x", engine, 1));
        assert_true(engine_is_wanted("duckdb/1/x", NULL, 0));
        assert_true(engine_is_wanted("sqlite/1.2/x", version, 1));
        assert_false(engine_is_wanted("sqlite/1.20/x", version, 1)); /* whole parts only */
        assert_false(engine_is_wanted("sqlite/1/x", version, 1));
        assert_true(engine_is_class("sqlite/1/x"));
        assert_false(engine_is_class("sqlite/1"));
        assert_false(engine_is_class("sqlite"));
}

/* A version stands for the classes that hosts have of it, and is never offered itself. */
static void test_version(void **state) {
        char *const version[] = { (char *) "duckdb/1.5.6" }, *const none[] = { (
                                                                     char *) "duckdb/9" };
        struct world w;

        (void) state;
        setup(&w, COMPARISON_ENGINE, "duckdb/1.5.6/own");
        w.question.wanted = version;
        w.question.n_wanted = 1;
        add(&w, 1, "duckdb/1.5.6/other");
        add(&w, 2, "duckdb/1.4.4/old");
        assert_chosen(&w, "duckdb/1.5.6/own duckdb/1.5.6/other", 1, 1);
        w.question.wanted = none;
        assert_chosen(&w, "", 0, 2);
}

static void test_formats(void **state) {
        static const struct {
                const char *class, *format;
                bool reads;
        } cases[] = {
                { "sqlite/3.40.1/x", "sqlite", true }, { "sqlite/3.40.1/x", "parquet", false },
                { "sqlite/3.40.1/x", "csv", true },    { "sqlite/3.40.1/x", "ndjson", true },
                { "duckdb/1.4.1/x", "sqlite", false }, { "duckdb/1.4.1/x", "parquet", true },
                { "duckdb/1.4.1/x", "csv", true },     { "duckdb/1.4.1/x", "ndjson", true },
                { "another/1/x", "parquet", true },    { "sqlite", "parquet", false },
        };

        FOREACH_CASE (c, cases)
                assert_int_equal(engine_reads(c->class, c->format), c->reads);
}

/* FLOAT: one class, of most independent hosts; our own when none has more. */
static void test_one_class(void **state) {
        struct world w;

        setup(&w, COMPARISON_CLASS, "a/1/x");
        assert_chosen(&w, "a/1/x", 0, 0);
        add(&w, 1, "a/2/x");
        assert_chosen(&w, "a/2/x", 1, 0);
        add(&w, 2, "a/1/x");
        assert_chosen(&w, "a/1/x", 1, 1);
        add(&w, 3, "a/2/x b/1/x");
        assert_chosen(&w, "a/2/x", 2, 1);
        add(&w, 2, "a/1/x"); /* one subnet is one voter, however many hosts it has */
        add(&w, 2, "a/1/x");
        assert_chosen(&w, "a/2/x", 2, 1);
        add(&w, 4, ""); /* it may run anything */
        assert_chosen(&w, "a/2/x", 3, 1);
        add(&w, 5, "b/1/x");
        add(&w, 6, "b/1/x");
        add(&w, 7, "b/1/x"); /* another engine, however common, does not know this SQL */
        assert_chosen(&w, "a/2/x", 3, 4);
}

/* A voter that has a host of both is usable, once. */
static void test_counted_once(void **state) {
        struct world w;

        setup(&w, COMPARISON_CLASS, "a/1/x");
        add(&w, 1, "a/1/x");
        add(&w, 1, "a/2/x");
        assert_chosen(&w, "a/1/x", 1, 0);
        w.question.independence = false;
        assert_chosen(&w, "a/1/x", 1, 1);
}

static void test_every_build(void **state) {
        struct world w;

        setup(&w, COMPARISON_ENGINE, "a/1/x");
        add(&w, 1, "a/2/x");
        add(&w, 2, "a/3/x");
        add(&w, 3, "a/3/x");
        add(&w, 4, "b/1/x");
        assert_chosen(&w, "a/1/x a/3/x a/2/x", 3, 1);
        assert_int_equal(w.classes.engines, 1);
}

static void test_portable(void **state) {
        static const char *const formats[] = { "parquet" };
        char *by_name[] = { (char *) "sqlite" };
        struct world w;

        setup(&w, COMPARISON_PORTABLE, "duckdb/1/x");
        add(&w, 1, "sqlite/1/x duckdb/1/x");
        add(&w, 2, "sqlite/1/x");
        assert_chosen(&w, "duckdb/1/x sqlite/1/x", 2, 0);
        assert_int_equal(w.classes.engines, 2);
        w.question.formats = formats;
        w.question.n_formats = 1;
        assert_chosen(&w, "duckdb/1/x", 1, 1);
        /* By name: whether engines may differ is then the analysis' to say, not that nobody has it.
         */
        w.question.own = "sqlite/1/x";
        w.question.wanted = by_name;
        w.question.n_wanted = 1;
        assert_chosen(&w, "sqlite/1/x", 2, 0);
}

static void test_asked_for(void **state) {
        char *one[] = { (char *) "a/9/x" }, *other[] = { (char *) "b" };
        struct world w;

        setup(&w, COMPARISON_ENGINE, "a/1/x");
        add(&w, 1, "a/2/x");
        add(&w, 2, "b/1/x");
        w.question.wanted = one;
        w.question.n_wanted = 1;
        assert_chosen(&w, "a/9/x", 0, 2); /* nobody is known to have it: asked for all the same */
        w.question.comparison = COMPARISON_PORTABLE;
        w.question.wanted = other;
        assert_chosen(&w, "b/1/x", 1, 1);
}

/* Hosts that name many classes leave those of others in their places. */
static void test_flood(void **state) {
        char text[128];
        struct world w;

        setup(&w, COMPARISON_ENGINE, "a/1/x");
        for (unsigned i = 0; i < 40; i++) {
                (void) snprintf(text, sizeof(text), "a/%u/a a/%u/b a/%u/c a/%u/d", i, i, i, i);
                add(&w, (uint8_t) (i + 1), text);
        }
        add(&w, 100, "a/good/x");
        add(&w, 101, "a/good/x");
        (void) choose(&w);
        assert_int_equal(w.classes.n, DESCRIPTOR_CLASSES_MAX);
        assert_string_equal(w.classes.list[0], "a/1/x");
        assert_string_equal(w.classes.list[1], "a/good/x");
}

static void test_taken_back(void **state) {
        const struct bytes list[] = { BYTES_LIT("a/1/x"), BYTES_LIT("b/1/x"), BYTES_LIT("a/2/x") };
        struct classes c;

        classes_take(list, 3, &c);
        assert_int_equal(c.n, 3);
        assert_int_equal(c.engines, 2);
        assert_string_equal(c.list[2], "a/2/x");
}

TEST_MAIN(cmocka_unit_test(test_names), cmocka_unit_test(test_version),
          cmocka_unit_test(test_formats), cmocka_unit_test(test_one_class),
          cmocka_unit_test(test_counted_once), cmocka_unit_test(test_every_build),
          cmocka_unit_test(test_portable), cmocka_unit_test(test_asked_for),
          cmocka_unit_test(test_flood), cmocka_unit_test(test_taken_back))
