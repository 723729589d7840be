#include "common/wire/pays.h"

#include "common/base/memory.h"
#include "tests/support/test.h"

#define MB UINT64_C(1000000)

/* What packing gave, and up to which link it pays. */
static const struct {
        const char *what;
        uint64_t speed; /* bytes a second of the packer */
        uint64_t plain, packed;
        uint64_t pays_at, not_at; /* bytes a second of the link */
} cases[] = {
        { "a half at 400 MB/s", 400 * MB, 8, 4, 99 * MB, 101 * MB },
        { "a quarter at 800 MB/s", 800 * MB, 8, 2, 299 * MB, 301 * MB },
        { "5/6 at 600 MB/s", 600 * MB, 6, 5, 49 * MB, 51 * MB },
        { "slow packer", 20 * MB, 8, 4, 4 * MB, 6 * MB },
        { "not short enough, however slow", 400 * MB, 100, 84, 0, 1 },
        { "not shorter", 1000 * MB, 1, 1, 0, 1 },
};

static bool pays_after(size_t i, uint64_t link) {
        struct pays p = {};
        uint64_t plain = cases[i].plain * 1000;

        assert_true(pays(&p, 1)); /* the sample */
        pays_tried(&p, plain, cases[i].packed * 1000, plain * NSEC_PER_SEC / cases[i].speed);
        return pays(&p, link);
}

static void test_rule(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (cases[i].pays_at && !pays_after(i, cases[i].pays_at))
                        fail_msg("%s: should pay", cases[i].what);
                if (pays_after(i, cases[i].not_at))
                        fail_msg("%s: should not pay", cases[i].what);
        }
}

static void test_samples(void **state) {
        struct pays p = {};
        unsigned n = 0;

        assert_false(pays(&p, 0));
        assert_false(pays(&p, PAYS_TRY_BELOW)); /* fast: not even tried */
        for (unsigned i = 0; i < 10 * PAYS_RETRY; i++)
                if (pays(&p, 10 * MB)) {
                        pays_tried(&p, 1000, 1000, 1000);
                        n++;
                }
        assert_int_equal(n, 10);
        while (!pays(&p, 10 * MB))
                continue;
        pays_tried(&p, 100 * MB, 10 * MB, 100 * NSEC_PER_MSEC); /* the content changed */
        assert_true(pays(&p, 10 * MB));
        assert_true(pays(&p, 10 * MB));
        assert_false(pays(&p, 2000 * MB)); /* the link did */
        assert_false(pays(&p, 0));
}

/* The latest tries decide, not the first ones. */
static void test_forgets(void **state) {
        struct pays p = {};
        unsigned n = 0;

        for (unsigned i = 0; i < 100; i++)
                pays_tried(&p, 1 << 20, 1 << 18, NSEC_PER_MSEC);
        for (; n < 100 && pays(&p, 10 * MB); n++)
                pays_tried(&p, 1 << 20, 1 << 20, NSEC_PER_MSEC);
        assert_in_range(n, 1, 60);
}

static void test_modes(void **state) {
        struct pays p = {};

        assert_int_equal(pays_link(PAYS_AUTO, 0, false), 0);
        assert_int_equal(pays_link(PAYS_AUTO, 0, true), PAYS_FAR);
        assert_int_equal(pays_link(PAYS_AUTO, 300 * MB, true), 300 * MB);
        assert_int_equal(pays_link(PAYS_AUTO, 3 * MB, false), 3 * MB);
        assert_int_equal(pays_link(PAYS_NEVER, 3 * MB, true), 0);
        pays_tried(&p, 1000, 500, NSEC_PER_SEC / 10);
        assert_true(pays(&p, pays_link(PAYS_ALWAYS, 900 * MB, false)));
}

static void test_link_rate(void **state) {
        struct link_rate l = {};
        nsec_t now = NSEC_PER_SEC;

        link_rate_moved(&l, 50 * MB, now); /* nobody waits: says nothing */
        assert_int_equal(l.rate, 0);
        for (unsigned i = 0; i < 100; i++) {
                link_rate_wait(&l, now);
                now += 10 * NSEC_PER_MSEC;
                link_rate_moved(&l, 100000, now);
        }
        assert_int_equal(l.rate, 10 * MB);
        link_rate_rest(&l);
        now += 1000 * NSEC_PER_SEC; /* idle time is not slowness */
        link_rate_wait(&l, now);
        now += 200 * NSEC_PER_MSEC;
        link_rate_moved(&l, 2 * MB, now);
        assert_int_equal(l.rate, 10 * MB);
        for (unsigned i = 0; i < 40; i++) {
                now += 100 * NSEC_PER_MSEC;
                link_rate_moved(&l, 10 * MB, now);
        }
        assert_in_range(l.rate, 99 * MB, 100 * MB);
        now += 3600 * NSEC_PER_SEC;
        link_rate_moved(&l, 1, now);
        assert_true(l.rate > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rule),      cmocka_unit_test(test_samples),
                cmocka_unit_test(test_forgets),   cmocka_unit_test(test_modes),
                cmocka_unit_test(test_link_rate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
