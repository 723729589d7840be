#include "services/ctl/options.h"

#include "tests/support/test.h"

struct values {
        bool flag, other, kept;
        const char *text, *choice;
        uint64_t number, size, count, room;
        nsec_t time, timeout;
        int64_t depth;
        struct option_list list;
};

static const struct option table[] = {
        { OPTION_FLAG, 'f', "flag", offsetof(struct values, flag), NULL, "a flag" },
        { OPTION_FLAG, 'o', "other", offsetof(struct values, other), NULL, "another" },
        { OPTION_STRING, 't', "text", offsetof(struct values, text), "TEXT", "a text" },
        { OPTION_CHOICE, 'c', "choice", offsetof(struct values, choice), "one|two|three", "one" },
        { OPTION_U64, 'n', "number", offsetof(struct values, number), "N", "a number" },
        { OPTION_SIZE, 0, "size", offsetof(struct values, size), "SIZE", "a size" },
        { OPTION_DURATION, 0, "time", offsetof(struct values, time), "TIME", "a time" },
        { OPTION_COUNT, 'k', "count", offsetof(struct values, count), "N", "from 1 on" },
        { OPTION_ROOM, 0, "room", offsetof(struct values, room), "SIZE", "above 0" },
        { OPTION_MEMORY, 0, "memory", offsetof(struct values, room), "SIZE", "from 1M on" },
        { OPTION_TIMEOUT, 0, "timeout", offsetof(struct values, timeout), "TIME", "from 1ms on" },
        { OPTION_DEPTH, 0, "depth", offsetof(struct values, depth), "N", "-1: no limit" },
        { OPTION_LIST, 'l', "list", offsetof(struct values, list), "X", "may repeat" },
        { OPTION_FLAG, 0, "kept", offsetof(struct values, kept), NULL, "keeps it", "put, get" },
        {},
};

#define ARGS_MAX 8

static int parse(const char *const *args, struct values *v, struct operands *operands,
                 char error[256]) {
        static const char *argv[ARGS_MAX + 1];
        const struct options_target target = { table, v };
        int n = 0;

        for (; n < ARGS_MAX && args[n]; n++)
                argv[n] = args[n];
        *v = (struct values){};
        error[0] = 0;
        return options_parse(n, (char **) argv, &target, 1, operands, error);
}

static void test_forms(void **state) {
        const char *const args[] = { "x",   "-fo", "--text=a=b", "--number", "7",
                                     "-lq", "--",  "-y",         NULL };
        struct operands operands;
        struct values v;
        char error[256];

        assert_int_equal(parse(args, &v, &operands, error), OPTIONS_OK);
        assert_true(v.flag && v.other);
        assert_string_equal(v.text, "a=b");
        assert_int_equal(v.number, 7);
        assert_int_equal(v.list.n_items, 1);
        assert_string_equal(v.list.items[0], "q");
        assert_int_equal(operands.n_items, 2);
        assert_string_equal(operands.items[0], "x");
        assert_string_equal(operands.items[1], "-y");
}

static void test_verbs(void **state) {
        static const char *const accepted[][ARGS_MAX] = {
                { "put", "--kept" },
                { "--kept", "get", "list" },
                { "--kept" },
                { "list", "-f" },
        };

        FOREACH_CASE (c, accepted) {
                struct operands operands;
                struct values v;
                char error[256];

                assert_int_equal(parse(*c, &v, &operands, error), OPTIONS_OK);
                assert_true(v.kept || v.flag);
        }
}

static void test_values(void **state) {
        const char *const args[] = { "--size",   "64M", "--time", "250ms",
                                     "--choice", "two", "-",      NULL };
        struct operands operands;
        struct values v;
        char error[256];

        assert_int_equal(parse(args, &v, &operands, error), OPTIONS_OK);
        assert_int_equal(v.size, 64 << 20);
        assert_int_equal(v.time, 250 * NSEC_PER_MSEC);
        assert_string_equal(v.choice, "two");
        assert_int_equal(operands.n_items, 1); /* "-" is standard input */
}

static void test_depth(void **state) {
        const char *const limit[] = { "--depth", "3", NULL }, *const none[] = { "--depth=-1",
                                                                                NULL };
        struct operands operands;
        struct values v;
        char error[256];

        assert_int_equal(parse(limit, &v, &operands, error), OPTIONS_OK);
        assert_int_equal(v.depth, 3);
        assert_int_equal(parse(none, &v, &operands, error), OPTIONS_OK);
        assert_int_equal(v.depth, -1);
}

static const struct {
        const char *args[4];
        const char *want; /* part of the text */
} refused[] = {
        { { "--nope" }, "unknown option --nope; see --help" },
        { { "--chioce=two" }, "unknown option --chioce=two, did you mean --choice; see --help" },
        { { "-z" }, "unknown option -z" },
        { { "-fz" }, "unknown option" },
        { { "--flag=yes" }, "takes no value" },
        { { "--text" }, "--text needs a value" },
        { { "--number", "seven" }, "a whole number" },
        { { "--number", "-1" }, "a whole number" },
        { { "--number", "18446744073709551616" }, "a whole number" },
        { { "--size", "64" }, "with its unit" },
        { { "--time", "3" }, "with its unit" },
        { { "-k", "0" }, "from 1 on" },
        { { "--room", "0M" }, "above 0" },
        { { "--memory", "1K" }, "from 1M on" },
        { { "--memory", "0M" }, "from 1M on" },
        { { "--timeout", "0s" }, "from 1ms on" },
        { { "--timeout", "999us" }, "from 1ms on" },
        { { "--depth", "-2" }, "or -1 for no limit" },
        { { "--depth", "2147483648" }, "or -1 for no limit" },
        { { "--choice", "tw" }, "one|two|three" },
        { { "--choice", "" }, "one|two|three" },
        { { "--choice", "two|three" }, "one|two|three" },
        { { "--\033[2J" }, "\\x1b" },
        { { "--kept", "list" }, "--kept is for put, get alone" },
        { { "pu", "--kept" }, "--kept is for put, get alone" },
        { { "get, put", "--kept" }, "--kept is for put, get alone" },
};

static void test_refused(void **state) {
        FOREACH_CASE (c, refused) {
                struct operands operands;
                struct values v;
                char error[256];

                assert_int_equal(parse(c->args, &v, &operands, error), OPTIONS_E_USAGE);
                if (!strstr(error, c->want))
                        fail_msg("'%s' does not say '%s'", error, c->want);
        }
}

static void test_list_is_bounded(void **state) {
        const char *argv[OPTION_LIST_MAX + 1];
        struct values v = {};
        const struct options_target target = { table, &v };
        struct operands operands;
        char error[256];

        for (size_t i = 0; i <= OPTION_LIST_MAX; i++)
                argv[i] = "-lx";
        assert_int_equal(
                options_parse(OPTION_LIST_MAX, (char **) argv, &target, 1, &operands, error),
                OPTIONS_OK);
        v = (struct values){};
        assert_int_equal(
                options_parse(OPTION_LIST_MAX + 1, (char **) argv, &target, 1, &operands, error),
                OPTIONS_E_USAGE);
        assert_non_null(strstr(error, "at most 64"));
}

TEST_MAIN(cmocka_unit_test(test_forms), cmocka_unit_test(test_verbs), cmocka_unit_test(test_values),
          cmocka_unit_test(test_depth), cmocka_unit_test(test_refused),
          cmocka_unit_test(test_list_is_bounded))
