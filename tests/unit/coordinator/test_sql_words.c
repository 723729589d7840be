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

/* Each was tried with DuckDB 1.x itself: what it quotes, where its comments end, and which words
 * stand for themselves though nothing parts them. */
static const struct {
        const char *sql;
        bool is_ordered; /* by its last ORDER */
} lexed[] = {
        { "SELECT E'\\'' AS a FROM t ORDER BY 1", true },
        { "SELECT e'\\\\' AS a FROM t ORDER BY 1", true },
        { "SELECT E'a''b\\'c' FROM t ORDER BY 1", true },
        { "SELECT E'\\' ORDER BY 1'", false },
        { "SELECT '\\' AS a FROM t ORDER BY 1", true },
        { "SELECT N'a\\' AS a FROM t ORDER BY 1", true },
        { "SELECT type'\\' FROM t ORDER BY 1", true }, /* the e is of a name */
        { "SELECT E'a'\n'\\'b' FROM t ORDER BY 1", true },
        { "SELECT E'a' -- x\r\n '\\'b' FROM t ORDER BY 1", true },
        { "SELECT $$it's$$ FROM t ORDER BY 1", true },
        { "SELECT $$ ORDER BY 1$$ FROM t", false },
        { "SELECT $tag$a$$b'$tag$ FROM t ORDER BY 1", true },
        { "SELECT $\xc3\xa9_1$'$\xc3\xa9_1$ FROM t ORDER BY 1", true },
        { "SELECT $$a$b$'$$ FROM t ORDER BY 1", true },
        { "SELECT a$b$ FROM t AS z$b$ ORDER BY 1", true }, /* a $ in a name quotes nothing */
        { "SELECT \xc3\xa9$$ FROM t ORDER BY 1", true },
        { "SELECT $1, $2 FROM t ORDER BY 1", true },
        { "SELECT $a FROM t WHERE x = $b ORDER BY 1", true },
        { "SELECT $1$$'$$ FROM t ORDER BY 1", true },
        { "SELECT $$ ORDER BY 1", false }, /* no end: an error anyway */
        { "SELECT /* a /* b */ ' */ 1 FROM t ORDER BY 1", true },
        { "SELECT /* a /* b */ ORDER BY 1 */ 1 FROM t", false },
        { "SELECT /***/ 1 /*/ ' */ FROM t ORDER BY 1", true },
        { "SELECT a FROM t --x\rORDER BY 1", true },
        { "SELECT a FROM t WHERE a<1ORDER BY 1", true },
        { "SELECT a FROM t WHERE a<1_0ORDER BY 1", true },
        { "SELECT a FROM t WHERE a<.5ORDER BY 1", true },
        { "SELECT a FROM t WHERE a<5.e-1ORDER BY 1", true },
        { "SELECT a FROM t\xc2\xa0ORDER BY 1", true },
        { "SELECT a FROM t\xe2\x80\x8bORDER BY 1", true },
        { "SELECT a FROM t\xe3\x80\x80ORDER BY 1", true },
        { "SELECT a AS \xc3\xa9ORDER FROM t", false },
        { "SELECT a AS ORDER$ FROM t", false },
};

static void test_lexed(void **state) {
        FOREACH_CASE (c, lexed) {
                const char *at = strstr(c->sql, "ORDER");

                while (strstr(at + 1, "ORDER"))
                        at = strstr(at + 1, "ORDER");
                print_message("# %s\n", c->sql);
                assert_int_equal(sql_outermost_order(c->sql), c->is_ordered ? at - c->sql : -1);
        }
}

static void test_words(void **state) {
        FOREACH_CASE (c, cases) {
                print_message("# %s\n", c->sql);
                assert_int_equal(sql_gives_one_row(c->sql), c->is_one);
                assert_int_equal(sql_outermost_order(c->sql), c->order);
        }
}

TEST_MAIN(cmocka_unit_test(test_words), cmocka_unit_test(test_lexed))
