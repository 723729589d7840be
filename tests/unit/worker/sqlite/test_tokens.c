/* Tokens, their depth, and the shape made of them. */

#include "services/worker/sqlite/sql_shape.h"
#include "tests/support/test.h"

static const struct {
        const char *sql;
        const char *types; /* W Q S B I F V O X, one letter per token */
} token_cases[] = {
        { "", "" },
        { "  -- only a comment", "" },
        { "/* a */ -- b\n/* c", "" },
        { "SELECT 42", "WI" },
        { "select'it''s'", "WS" },
        { "\"a\"\"b\" [c d] `e``f`", "QQQ" },
        { "x'00' X'ff' x", "BBW" },
        { "1 1.5 .5 1e3 1e 0x1F 1.e2 1a", "IFFFXIFX" },
        { "9223372036854775807 9223372036854775808 09223372036854775807", "IFI" },
        { "18446744073709551616 0xffffffffffffffff 0000000000000000000000001", "FII" },
        { "? ?12 :n @v $w", "VVVVV" },
        { "$a::b(c)", "XOOWOWO" },
        { "a||b->>c->d<=e<>f", "WOWOWOWOWOW" },
        { "'open", "X" },
        { "\"open", "X" },
        { "a ! b", "WXW" },
        { "ORDERBY \"ORDER\" 'ORDER'", "WQS" },
        { "caf\xc3\xa9 + 1", "WOI" },
};

static void test_types(void **state) {
        static const char letters[] = "WQSBIFVOX";

        FOREACH_CASE (c, token_cases) {
                CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
                char got[64] = "";

                assert_int_equal(sql_tokens_read(BYTES_STR(c->sql), &t), SQL_TOKENS_OK);
                for (size_t i = 0; i < t.n; i++)
                        got[i] = letters[t.tokens[i].type];
                if (strchr(c->types, 'X') && strstr(c->sql, "$a"))
                        assert_int_equal(got[0], 'X');
                else
                        assert_string_equal(got, c->types);
        }
}

static void test_depth(void **state) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
        static const uint32_t depths[] = { 0, 1, 1, 2, 1, 0, 0 };

        assert_int_equal(sql_tokens_read(BYTES_STR("(a(b))c"), &t), SQL_TOKENS_OK);
        assert_true(t.is_balanced);
        assert_int_equal(t.n, 7);
        for (size_t i = 0; i < t.n; i++)
                assert_int_equal(t.tokens[i].depth, depths[i]);
        assert_int_equal(t.tokens[0].match, 5);
        assert_int_equal(t.tokens[4].match, 2);
}

static void test_unbalanced(void **state) {
        static const char *const cases[] = { "(", ")", "a(b", "a)b(", "((()" };

        FOREACH_CASE (c, cases) {
                CLEANUP(sql_tokens_donep) struct sql_tokens t = {};

                assert_int_equal(sql_tokens_read(BYTES_STR(*c), &t), SQL_TOKENS_OK);
                assert_false(t.is_balanced);
                for (size_t i = 0; i < t.n; i++)
                        assert_int_equal(t.tokens[t.tokens[i].match].match, i);
        }
}

/* Words where they do not count: inside quotes, comments and parentheses. */
static void test_shape(void **state) {
        static const struct {
                const char *sql;
                size_t result, order;
                bool has_limit, is_compound;
        } cases[] = {
                { "SELECT a, b FROM t", 2, 0, false, false },
                { "SELECT a, f(b, c), 'x, y' FROM t ORDER BY a, g(b, c) LIMIT 3", 3, 2, true,
                  false },
                { "SELECT (SELECT 1 ORDER BY 1 LIMIT 2) FROM t", 1, 0, false, false },
                { "SELECT \"ORDER\" FROM t -- ORDER BY a\n", 1, 0, false, false },
                { "SELECT a FROM t /* LIMIT 3 */ ORDER BY 'LIMIT', a", 1, 2, false, false },
                { "WITH c AS (SELECT 1 ORDER BY 1) SELECT x FROM c LIMIT 1", 1, 0, true, false },
                { "SELECT a FROM t UNION ALL SELECT b FROM u ORDER BY 1", 1, 1, false, true },
                { "SELECT sum(a) OVER (ORDER BY b) FROM t", 1, 0, false, false },
                { "VALUES (1, 2)", 0, 0, false, false },
        };

        FOREACH_CASE (c, cases) {
                CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
                CLEANUP(sql_shape_donep) struct sql_shape s = {};

                assert_int_equal(sql_tokens_read(BYTES_STR(c->sql), &t), SQL_TOKENS_OK);
                sql_shape_read(&t, &s);
                assert_int_equal(s.result.n, c->result);
                assert_int_equal(s.order.n, c->order);
                assert_int_equal(s.limit < s.end, c->has_limit);
                assert_int_equal(s.is_compound, c->is_compound);
        }
}

static void test_names(void **state) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
        char name[8];

        assert_int_equal(
                sql_tokens_read(BYTES_STR("abc \"ABC\" [a]]b] \"a\"\"b\" longer_than_that"), &t),
                SQL_TOKENS_OK);
        assert_true(sql_token_same(&t, 0, 1));
        assert_string_equal(sql_token_name(&t, 2, name, sizeof(name)), "a");
        assert_string_equal(sql_token_name(&t, t.n - 2, name, sizeof(name)), "a\"b");
        assert_string_equal(sql_token_name(&t, t.n - 1, name, sizeof(name)), "longer_");
        assert_true(sql_token_is(&t, 0, "ABC"));
        assert_false(sql_token_is(&t, 1, "abc"));
}

TEST_MAIN(cmocka_unit_test(test_types), cmocka_unit_test(test_depth),
          cmocka_unit_test(test_unbalanced), cmocka_unit_test(test_shape),
          cmocka_unit_test(test_names))
