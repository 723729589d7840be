/* Faulty hosts, one and two of five, in each mode; and colluders fewer than the
 * quorum: no wrong answer is VERIFIED, and the right one is delivered. */

#include "tests/sim/scenario.h"

#define MODE(mode, n)                                                                  \
        {                                                                              \
                .name = #mode " " #n " of 5", .hosts = 5, .bad = (n), .fault = (mode), \
                .verify = "quorum", .replicas = 3, .quorum = 2, .waits = true,         \
        }

static const struct setup modes[] = {
        MODE(FAULT_NONE, 0),       MODE(FAULT_WRONG_RESULT, 1), MODE(FAULT_WRONG_RESULT, 2),
        MODE(FAULT_WRONG_ROWS, 1), MODE(FAULT_WRONG_ROWS, 2),   MODE(FAULT_WRONG_ROOT, 1),
        MODE(FAULT_WRONG_ROOT, 2), MODE(FAULT_WRONG_SCHEMA, 1), MODE(FAULT_WRONG_SCHEMA, 2),
        MODE(FAULT_STALL, 1),      MODE(FAULT_STALL, 2),        MODE(FAULT_SLOW, 1),
        MODE(FAULT_SLOW, 2),       MODE(FAULT_CRASH, 1),        MODE(FAULT_CRASH, 2),
        MODE(FAULT_GARBAGE, 1),    MODE(FAULT_GARBAGE, 2),      MODE(FAULT_EQUIVOCATE, 1),
        MODE(FAULT_EQUIVOCATE, 2), MODE(FAULT_WRONG_PACK, 1),   MODE(FAULT_WRONG_PACK, 2),
};

static const struct setup colluders[] = {
        { .name = "q-1 colluders, 4 honest, q 2",
          .hosts = 5,
          .bad = 1,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 3,
          .quorum = 2,
          .waits = true },
        { .name = "q-1 colluders, 5 honest, q 3",
          .hosts = 7,
          .bad = 2,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 4,
          .quorum = 3,
          .waits = true },
        { .name = "the same, liars first, q 2",
          .hosts = 5,
          .bad = 1,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 3,
          .quorum = 2,
          .waits = true,
          .bad_is_first = true },
        { .name = "the same, liars first, q 3",
          .hosts = 7,
          .bad = 2,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 4,
          .quorum = 3,
          .waits = true,
          .bad_is_first = true },
};

static void all_right(const struct setup *table, size_t n) {
        struct outcome o;

        for (size_t i = 0; i < n; i++) {
                scenario_count(&table[i], scenario_runs, &o);
                scenario_print(&table[i], &o);
                scenario_json("liars", &table[i], &o);
                assert_int_equal(o.verified_wrong, 0);
                assert_int_equal(o.verified_right, o.runs);
        }
}

static void test_modes(void **state) {
        scenario_header();
        all_right(modes, ELEMENTSOF(modes));
}

static void test_too_few_colluders(void **state) {
        scenario_header();
        all_right(colluders, ELEMENTSOF(colluders));
}

/* Too few honest hosts to win, or fewer than the quorum of liars to lie: the truth
 * or SPLIT, never the lie. */
static const struct setup outnumbered[] = {
        { .name = "1 colluder, 2 honest, q 2",
          .hosts = 3,
          .bad = 1,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 3,
          .quorum = 2,
          .waits = true },
        { .name = "2 colluders, 3 honest, q 3",
          .hosts = 5,
          .bad = 2,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 4,
          .quorum = 3,
          .waits = true },
        { .name = "2 colluders, 4 honest, q 3",
          .hosts = 6,
          .bad = 2,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 4,
          .quorum = 3,
          .waits = true },
        { .name = "2 colluders first, 4 honest, q 3",
          .hosts = 6,
          .bad = 2,
          .lie = SIM_COLLUDES,
          .verify = "quorum",
          .replicas = 4,
          .quorum = 3,
          .waits = true,
          .bad_is_first = true },
};

static void test_outnumbered(void **state) {
        struct outcome o;

        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(outnumbered); i++) {
                scenario_count(&outnumbered[i], scenario_runs, &o);
                scenario_print(&outnumbered[i], &o);
                scenario_json("outnumbered", &outnumbered[i], &o);
                assert_int_equal(o.verified_wrong, 0);
                assert_int_equal(o.verified_right + o.split, o.runs);
        }
}

SCENARIO_MAIN(800, UINT32_MAX, cmocka_unit_test(test_modes),
              cmocka_unit_test(test_too_few_colluders), cmocka_unit_test(test_outnumbered))
