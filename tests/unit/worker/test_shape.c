#include "services/worker/shape.h"

#include "tests/support/test.h"

static const struct {
        const char *name, *a, *b;
        bool are_alike;
} shape_cases[] = {
        { "numbers", "SELECT 1", "SELECT 234", true },
        { "fractions and exponents", "SELECT a*1.5e-3", "SELECT a*.25", true },
        { "texts", "SELECT 'a''b' FROM t", "SELECT '' FROM t", true },
        { "a text and a number", "SELECT '1'", "SELECT 1", true },
        { "blanks and case", "select  A\n from T", "SELECT a FROM t", true },
        { "comments", "SELECT a -- 1\nFROM t", "SELECT a /* b; */ FROM t", true },
        { "a blank at the end", "SELECT a ", "SELECT a", true },
        { "columns", "SELECT a FROM t", "SELECT b FROM t", false },
        { "quoted names keep their case", "SELECT \"A\" FROM t", "SELECT \"a\" FROM t", false },
        { "quotes are no words", "SELECT \"a b\"", "SELECT \"a\" b", false },
        { "operators", "SELECT a < 1", "SELECT a <= 1", false },
        { "words do not grow together", "SELECT a b", "SELECT ab", false },
        { "digits of names", "SELECT a1 FROM t", "SELECT a2 FROM t", false },
        { "a constant more", "SELECT 1, 2", "SELECT 1", false },
};

static void test_alike(void **state) {
        FOREACH_CASE (c, shape_cases) {
                struct hash_value a = statement_shape(BYTES_STR(c->a));
                struct hash_value b = statement_shape(BYTES_STR(c->b));

                assert_int_equal(hash_equal(&a, &b), c->are_alike);
        }
}

/* What is cut anywhere ends. */
static void test_cut(void **state) {
        static const char sql[] = "SELECT 'a''b', \"c\"\"d\", `e`, 1.5e-3 /* f */ -- g";

        for (size_t from = 0; from < sizeof(sql); from++)
                for (size_t n = 0; from + n < sizeof(sql); n++) {
                        char *copy = xmemdup(sql + from, n);
                        struct hash_value h = statement_shape(BYTES(copy, n));

                        assert_int_equal(sizeof(h), HASH_SIZE);
                        free(copy);
                }
}

TEST_MAIN(cmocka_unit_test(test_alike), cmocka_unit_test(test_cut))
