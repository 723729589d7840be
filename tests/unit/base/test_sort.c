#include "common/base/sort.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/rng.h"
#include "tests/support/test.h"

/* Larger than one piece of a swap, and no multiple of it. */
struct wide {
        uint32_t key;
        uint8_t filling[97];
};

static int compare_wide(const void *a, const void *b) {
        const struct wide *x = a, *y = b;

        return x->key < y->key ? -1 : x->key > y->key;
}

static int compare_bytes(const void *a, const void *b) {
        return (int) *(const uint8_t *) a - *(const uint8_t *) b;
}

/* Random numbers out of `different`: with few of them most are equal. */
static void test_against_qsort(void **state) {
        static const uint64_t different[] = { 1, 2, 10, UINT32_MAX };
        struct rng r;

        rng_init(&r, 7);
        for (int round = 0; round < 2000; round++) {
                size_t n = rng_below(&r, round % 100 == 0 ? 3000 : 70);
                CLEANUP(freep) uint8_t *ours = xmalloc(n + 1), *theirs = xmalloc(n + 1);

                for (size_t i = 0; i < n; i++)
                        ours[i] = (uint8_t) rng_below(&r, different[round % 4]);
                memcpy(theirs, ours, n);
                sort(ours, n, 1, compare_bytes);
                qsort(theirs, n, 1, compare_bytes);
                assert_memory_equal(ours, theirs, n);
        }
}

/* Every element is there once, whole: what fills it tells which it was. */
static void test_wide_elements(void **state) {
        static const uint64_t different[] = { 1, 5, UINT32_MAX };
        struct rng r;

        rng_init(&r, 8);
        for (int round = 0; round < 60; round++) {
                size_t n = rng_below(&r, 500);
                CLEANUP(freep) struct wide *all = xnew_n(struct wide, n + 1);
                CLEANUP(freep) bool *seen = xnew_n(bool, n + 1);
                CLEANUP(freep) uint32_t *keys = xnew_n(uint32_t, n + 1);

                for (size_t i = 0; i < n; i++) {
                        keys[i] = all[i].key = (uint32_t) rng_below(&r, different[round % 3]);
                        memcpy(all[i].filling, &(uint32_t){ (uint32_t) i }, 4);
                        memset(all[i].filling + 4, (int) (i & 0xff), sizeof(all[i].filling) - 4);
                }
                sort(all, n, sizeof(*all), compare_wide);
                for (size_t i = 0; i < n; i++) {
                        uint32_t was;

                        memcpy(&was, all[i].filling, sizeof(was));
                        assert_true(was < n && !seen[was]);
                        seen[was] = true;
                        assert_int_equal(all[i].key, keys[was]);
                        assert_int_equal(all[i].filling[96], was & 0xff);
                        assert_true(i == 0 || all[i - 1].key <= all[i].key);
                }
        }
}

static size_t compared;

static int count_compares(const void *a, const void *b) {
        compared++;
        return compare_wide(a, b);
}

/* No array is a slow one: sorted, backwards, all equal, two halves. */
static void test_bound(void **state) {
        enum { N = 1 << 12, LOG = 12 };
        CLEANUP(freep) struct wide *all = xnew_n(struct wide, N);

        for (int shape = 0; shape < 4; shape++) {
                for (uint32_t i = 0; i < N; i++)
                        all[i].key = shape == 0   ? i
                                     : shape == 1 ? N - i
                                     : shape == 2 ? 1
                                                  : i % (N / 2);
                compared = 0;
                sort(all, N, sizeof(*all), count_compares);
                assert_true(compared <= 2 * N * (LOG + 1));
                for (size_t i = 1; i < N; i++)
                        assert_true(all[i - 1].key <= all[i].key);
        }
}

static void test_nothing(void **state) {
        struct wide one = { .key = 3 };

        sort(NULL, 0, sizeof(one), compare_wide);
        sort(&one, 1, sizeof(one), compare_wide);
        assert_int_equal(one.key, 3);
}

TEST_MAIN(cmocka_unit_test(test_against_qsort), cmocka_unit_test(test_wide_elements),
          cmocka_unit_test(test_bound), cmocka_unit_test(test_nothing))
