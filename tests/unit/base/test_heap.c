#include "common/base/heap.h"

#include "common/base/rng.h"
#include "tests/support/test.h"

enum { N = 200 };

/* The entry a plain search finds: earliest, then longest in the heap. */
static struct heap_entry *model_first(struct heap_entry *e, const uint64_t *order) {
        struct heap_entry *first = NULL;
        uint64_t first_order = 0;

        for (size_t i = 0; i < N; i++) {
                if (e[i].position == 0)
                        continue;
                if (!first || e[i].when < first->when ||
                    (e[i].when == first->when && order[i] < first_order)) {
                        first = &e[i];
                        first_order = order[i];
                }
        }
        return first;
}

static void test_against_model(void **state) {
        struct heap_entry entries[N] = {};
        uint64_t order[N] = {}, clock = 0;
        struct heap h;
        struct rng r;

        rng_init(&r, 4);
        heap_init(&h);
        for (int step = 0; step < 20000; step++) {
                size_t i = rng_below(&r, N);
                struct heap_entry *first;

                if (rng_chance(&r, 0.6)) {
                        heap_set(&h, &entries[i], rng_below(&r, 30));
                        order[i] = ++clock;
                        assert_int_not_equal(entries[i].position, 0);
                } else {
                        heap_remove(&h, &entries[i]);
                        assert_int_equal(entries[i].position, 0);
                }
                first = model_first(entries, order);
                assert_ptr_equal(heap_first(&h), first);
                assert_int_equal(heap_when(&h), first ? first->when : NSEC_NEVER);
        }
        for (nsec_t now = 0; now < 30; now++) {
                struct heap_entry *e;

                while ((e = heap_pop_due(&h, now)) != NULL) {
                        assert_int_equal(e->when, now);
                        assert_int_equal(e->position, 0);
                }
        }
        assert_null(heap_first(&h));
        heap_done(&h);
}

static void test_done_lets_go(void **state) {
        struct heap_entry a = {}, b = {};
        struct heap h;

        heap_init(&h);
        heap_set(&h, &a, 5);
        heap_set(&h, &b, 5);
        assert_ptr_equal(heap_first(&h), &a);
        assert_null(heap_pop_due(&h, 4));
        heap_done(&h);
        assert_int_equal(a.position, 0);
        assert_int_equal(heap_when(&h), NSEC_NEVER);
        heap_remove(&h, &a);
}

TEST_MAIN(cmocka_unit_test(test_against_model), cmocka_unit_test(test_done_lets_go))
