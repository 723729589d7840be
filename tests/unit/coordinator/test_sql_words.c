#include "services/coordinator/sql_words.h"

#include "tests/support/test.h"

static const struct {
        const char *sql;
        bool is_one;
        int32_t order;
} cases[] = {
        { "SELECT count(*) FROM t", true, -1 },
        { " /* a, b */ select COUNT(*), max(x) AS m FROM t WHERE x > (SELECT 1) -- end", true, -1 },
        { "SELECT sum(a) + 1 FROM t ORDER BY 1", true, 25 },
        { "SELECT 42", true, -1 },
        { "SELECT a FROM t", false, -1 },
        { "SELECT count(*), a FROM t", false, -1 },
        { "SELECT count (*) FROM t", false, -1 }, /* rather too many than too few */
        { "SELECT a, count(*) FROM t GROUP BY a", false, -1 },
        { "SELECT count(*) FROM t GROUP BY a ORDER BY 1", false, 34 },
        { "SELECT count(*) OVER () FROM t", false, -1 },
        { "SELECT count(*) FROM t UNION ALL SELECT 1", false, -1 },
        { "SELECT 1 UNION SELECT 2", false, -1 },
        { "SELECT 1 WHERE false", false, -1 },
        { "WITH c AS (SELECT 1) SELECT * FROM c", false, -1 },
        { "VALUES (1), (2)", false, -1 },
        { "SELECT 'count(*) ORDER BY' FROM (SELECT 1 ORDER BY 1)", false, -1 },
        { "", false, -1 },
};

static void test_words(void **state) {
        FOREACH_CASE (c, cases) {
                print_message("# %s\n", c->sql);
                assert_int_equal(sql_gives_one_row(c->sql), c->is_one);
                assert_int_equal(sql_outermost_order(c->sql), c->order);
        }
}

TEST_MAIN(cmocka_unit_test(test_words))
