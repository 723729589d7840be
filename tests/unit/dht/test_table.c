#include "tests/unit/dht/tables.h"

static void subnets_are_capped(void **state) {
        static const struct {
                const char *at; /* %u: a number that differs */
                unsigned buckets, per_bucket, in_table;
        } cases[] = {
                { "1.2.3.%u:1", 1, TABLE_PER_BUCKET, TABLE_PER_BUCKET },
                { "1.2.3.%u:1", 5, TABLE_PER_BUCKET, TABLE_PER_TABLE },
                { "[2001:470:1::%x]:1", 5, TABLE_PER_BUCKET, TABLE_PER_TABLE },
                { "[2001:470:%x::1]:1", 9, 20, TABLE_PER_WIDE },
                { "10.0.0.%u:1", 5, TABLE_PER_BUCKET, TABLE_PER_TABLE }, /* not exempt by itself */
        };

        FOREACH_CASE (c, cases) {
                struct table t;
                struct rng rng;
                unsigned number = 1;

                begin(&t, &rng, &plain);
                for (unsigned bucket = 0; bucket < c->buckets; bucket++)
                        for (int i = 0; i < 20; i++) {
                                char at[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                                (void) snprintf(at, sizeof(at), c->at, number++ % 250);
#pragma GCC diagnostic pop
                                struct table_peer p = somebody(&t, &rng, bucket, at);
                                (void) table_answered(&t, &p, 1);
                                assert_true(t.buckets[bucket].n_entries <= c->per_bucket);
                        }
                assert_int_equal(t.n_entries, c->in_table);
                assert_int_equal(t.refused_subnet, c->buckets * 20 - c->in_table);
                table_done(&t);
        }
}

static void unknown_addresses_are_one_subnet(void **state) {
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 40; i++) {
                struct table_peer p = somebody(&t, &rng, i % 4, NULL);

                p.near.family = SUBNET_UNRESOLVED;
                (void) table_answered(&t, &p, 1);
        }
        assert_int_equal(t.n_entries, TABLE_PER_TABLE);
        for (unsigned i = 0; i < 40; i++) { /* exempt ones are not counted */
                struct table_peer p = somebody(&t, &rng, 5 + i % 4, NULL);

                assert_int_equal(table_answered(&t, &p, 1), TABLE_OK);
        }
        table_done(&t);
}

/* Overlay weakness N: an address change must not slip past the cap. */
static void moving_does_not_evade_the_cap(void **state) {
        struct table_peer peers[5];
        struct table t;
        struct rng rng;
        unsigned n = 0;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 5; i++) {
                peers[i] = anybody(&t, &rng, 0);
                assert_int_equal(table_answered(&t, &peers[i], 1), TABLE_OK);
        }
        for (unsigned i = 0; i < 5; i++) {
                struct table_peer moved = somebody(&t, &rng, 0, "9.9.9.9:1");

                moved.contact = peers[i].contact;
                assert_int_equal(table_answered(&t, &moved, 2), TABLE_OK);
                n += subnet_equal(&table_find(&t, &peers[i].contact.key)->near, &moved.near);
                assert_int_equal(table_find(&t, &peers[i].contact.key)->answered, 2);
        }
        assert_int_equal(n, TABLE_PER_BUCKET);
        table_done(&t);
}

/* Overlay weaknesses A1 and A2: fresh ids are free, so they must not push out what lives. */
static void a_flood_never_evicts_the_living(void **state) {
        struct table_peer old[20];
        struct table t;
        struct rng rng;
        nsec_t now = 1;
        unsigned probes = 0;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 20; i++) {
                old[i] = anybody(&t, &rng, 0);
                assert_int_equal(table_answered(&t, &old[i], now), TABLE_OK);
        }
        for (unsigned i = 0; i < 20000; i++) {
                struct table_peer p = anybody(&t, &rng, 0);

                now += 50 * NSEC_PER_MSEC;
                (void) table_answered(&t, &p, now);
                probes += answer_probes(&t, true, now);
        }
        for (unsigned i = 0; i < 20; i++)
                assert_non_null(table_find(&t, &old[i].contact.key));
        assert_int_equal(t.n_entries, 20);
        assert_int_equal(t.buckets[0].n_waiting, TABLE_CACHE);
        assert_true(t.refused_full > 10000);
        /* 1000 s: each of the 20 at most once in 5 minutes */
        assert_in_range(probes, 20, 20 * 4);
        table_done(&t);
}

static void only_a_failed_probe_makes_room(void **state) {
        struct table_peer old[20], newcomer;
        struct table_entry *e;
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 20; i++) {
                old[i] = anybody(&t, &rng, 0);
                (void) table_answered(&t, &old[i], 1 + i);
        }
        newcomer = anybody(&t, &rng, 0);
        assert_int_equal(table_answered(&t, &newcomer, MINUTE), TABLE_E_WAITS);
        assert_null(table_next_probe(&t, MINUTE)); /* they answered just now */
        (void) table_answered(&t, &newcomer, 10 * MINUTE);
        e = table_next_probe(&t, 10 * MINUTE);
        assert_true(key_equal(&e->contact.key, &old[0].contact.key)); /* silent for longest */
        table_probe_begins(&t, e);
        assert_null(table_find(&t, &newcomer.contact.key));
        table_probe_ends(&t, e);
        table_evict(&t, e);
        assert_non_null(table_find(&t, &newcomer.contact.key));
        assert_int_equal(t.n_entries, 20);
        assert_int_equal(t.promoted, 1);
        table_done(&t);
}

/* Overlay weakness N12: an incumbent without an address is dead only once a probe failed. */
static void an_undialable_incumbent_stays_until_probed(void **state) {
        struct table_peer old[20], newcomer;
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 20; i++) {
                old[i] = anybody(&t, &rng, 0); /* no addresses in any of them */
                (void) table_answered(&t, &old[i], 1);
        }
        newcomer = anybody(&t, &rng, 0);
        for (nsec_t now = MINUTE; now < 600 * MINUTE; now += MINUTE)
                (void) table_answered(&t, &newcomer, now);
        assert_null(table_find(&t, &newcomer.contact.key));
        assert_int_equal(answer_probes(&t, false, 600 * MINUTE) > 0, 1);
        assert_non_null(table_find(&t, &newcomer.contact.key));
        table_done(&t);
}

static void doubt_hides_and_hurries(void **state) {
        const struct table_entry *near[TABLE_CLOSEST];
        struct table_peer p;
        struct table_entry *e;
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        p = anybody(&t, &rng, 3);
        (void) table_answered(&t, &p, 1);
        e = table_find(&t, &p.contact.key);
        assert_int_equal(table_closest(&t, &t.self, NULL, near, 20), 1);
        table_doubt(&t, e, MINUTE);
        assert_int_equal(table_closest(&t, &t.self, NULL, near, 20), 0);
        assert_null(table_next_probe(&t, MINUTE));
        assert_ptr_equal(table_next_probe(&t, MINUTE + TABLE_DOUBT), e);
        (void) table_answered(&t, &p, 2 * MINUTE);
        assert_int_equal(table_closest(&t, &t.self, NULL, near, 20), 1);
        assert_int_equal(table_closest(&t, &t.self, &p.contact.key, near, 20), 0);
        table_done(&t);
}

static void probes_are_few_and_rarer_with_age(void **state) {
        struct table t;
        struct rng rng;
        struct table_entry *e;
        unsigned n = 0;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 60; i++) {
                struct table_peer p = anybody(&t, &rng, i % 5);

                (void) table_answered(&t, &p, 1);
        }
        for (; (e = table_next_probe(&t, 10 * MINUTE)); n++)
                table_probe_begins(&t, e);
        assert_int_equal(n, TABLE_PROBES_MAX);
        table_done(&t);

        begin(&t, &rng, &plain);
        struct table_peer old = anybody(&t, &rng, 0);
        (void) table_answered(&t, &old, 1);
        (void) table_answered(&t, &old, 40 * MINUTE);
        assert_null(table_next_probe(&t, 55 * MINUTE));
        assert_non_null(table_next_probe(&t, 61 * MINUTE));
        e = table_find(&t, &old.contact.key);
        table_connected(&t, e); /* its connection says it lives */
        assert_null(table_next_probe(&t, 600 * MINUTE));
        table_disconnected(&t, e, 600 * MINUTE);
        assert_null(table_next_probe(&t, 604 * MINUTE));
        assert_ptr_equal(table_next_probe(&t, 630 * MINUTE), e);
        table_connected(&t, e);
        table_doubt(&t, e, 640 * MINUTE);
        assert_null(table_next_probe(&t, 641 * MINUTE));
        table_disconnected(&t, e, 642 * MINUTE); /* the doubt stands */
        assert_ptr_equal(table_next_probe(&t, 642 * MINUTE), e);
        table_done(&t);
}

/* Of a full bucket a few may be gone unnoticed, unless somebody waits for their place. */
static void full_buckets_are_probed_less(void **state) {
        struct table_peer p;
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 20; i++) {
                p = anybody(&t, &rng, 3);
                assert_int_equal(table_answered(&t, &p, 1), TABLE_OK);
        }
        assert_null(table_next_probe(&t, 14 * MINUTE));
        assert_non_null(table_next_probe(&t, 16 * MINUTE));
        p = anybody(&t, &rng, 3);
        assert_int_equal(table_answered(&t, &p, MINUTE), TABLE_E_WAITS);
        assert_non_null(table_next_probe(&t, 6 * MINUTE));
        table_done(&t);

        begin(&t, &rng, &plain);
        p = anybody(&t, &rng, 3);
        (void) table_answered(&t, &p, 1);
        assert_non_null(table_next_probe(&t, 6 * MINUTE)); /* one of few */
        table_done(&t);
}

static void closest_are_the_closest(void **state) {
        const struct table_entry *near[TABLE_CLOSEST];
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 200; i++) {
                struct table_peer p = anybody(&t, &rng, i % 12);

                (void) table_answered(&t, &p, 1);
        }
        for (unsigned round = 0; round < 50; round++) {
                struct key target;
                unsigned closer = 0;

                rng_bytes(&rng, target.bytes, KEY_SIZE);
                assert_int_equal(table_closest(&t, &target, NULL, near, 20), 20);
                for (unsigned i = 0; i < TABLE_BUCKETS; i++)
                        for (unsigned j = 0; j < t.buckets[i].n_entries; j++)
                                closer += key_compare(&target,
                                                      &t.buckets[i].slots[j].entry->contact.key,
                                                      &near[19]->contact.key) < 0;
                assert_int_equal(closer, 19);
                for (unsigned i = 1; i < 20; i++)
                        assert_true(key_compare(&target, &near[i - 1]->contact.key,
                                                &near[i]->contact.key) < 0);
        }
        table_done(&t);
}

/* ---- What each defence is worth: the same without it ---- */

/* Once a second for a quarter of an hour, somebody new. */
static void without_age_a_flood_takes_all(void **state) {
        for (unsigned without = 0; without < 2; without++) {
                const struct table_config config = { .k = 20, .without_age = without };
                struct table_peer old[20];
                struct table t;
                struct rng rng;

                begin(&t, &rng, &config);
                fill(&t, &rng, 0, 20, old, 1);
                (void) flood(&t, &rng, 1 + TABLE_YOUNG, 1 + TABLE_YOUNG + 15 * MINUTE);
                assert_int_equal(still_in(&t, old, 20), without ? 0 : 20);
                table_done(&t);
        }
}

static void without_caps_one_subnet_takes_all(void **state) {
        for (unsigned without = 0; without < 2; without++) {
                const struct table_config config = { .k = 20, .without_subnet_caps = without };
                struct table t;
                struct rng rng;

                begin(&t, &rng, &config);
                for (unsigned i = 0; i < 200; i++) {
                        struct table_peer p = somebody(&t, &rng, i % 5, "9.9.9.9:1");

                        (void) table_answered(&t, &p, 1);
                }
                assert_int_equal(t.n_entries, without ? 100 : TABLE_PER_TABLE);
                table_done(&t);
        }
}

TEST_MAIN(cmocka_unit_test(subnets_are_capped), cmocka_unit_test(unknown_addresses_are_one_subnet),
          cmocka_unit_test(moving_does_not_evade_the_cap),
          cmocka_unit_test(a_flood_never_evicts_the_living),
          cmocka_unit_test(only_a_failed_probe_makes_room),
          cmocka_unit_test(an_undialable_incumbent_stays_until_probed),
          cmocka_unit_test(doubt_hides_and_hurries),
          cmocka_unit_test(probes_are_few_and_rarer_with_age),
          cmocka_unit_test(full_buckets_are_probed_less),
          cmocka_unit_test(without_age_a_flood_takes_all),
          cmocka_unit_test(without_caps_one_subnet_takes_all),
          cmocka_unit_test(closest_are_the_closest))
