#include "common/base/rng.h"
#include "services/dht/table.h"
#include "tests/support/test.h"

#define MINUTE (60 * NSEC_PER_SEC)

static const struct table_config plain = { .k = 20 };

/* A peer in that bucket, at that address. */
static struct table_peer somebody(const struct table *t, struct rng *rng, unsigned bucket,
                                  const char *at) {
        struct table_peer p = {};
        uint8_t random[KEY_SIZE];
        struct endpoint e;

        rng_bytes(rng, random, sizeof(random));
        p.contact.key = key_in_bucket(&t->self, bucket, random);
        p.contact.peer.len = 1;
        if (at) {
                assert_true(endpoint_from_text(at, &e));
                p.near = subnet_exact(&e);
                p.wide = subnet_wide(&e);
        }
        return p;
}

static struct table_peer anybody(const struct table *t, struct rng *rng, unsigned bucket) {
        char at[64];

        (void) snprintf(at, sizeof(at), "%u.%u.%u.1:1", (unsigned) rng_below(rng, 90) + 11,
                        (unsigned) rng_below(rng, 250), (unsigned) rng_below(rng, 250));
        return somebody(t, rng, bucket, at);
}

static void begin(struct table *t, struct rng *rng, const struct table_config *config) {
        struct key self;

        rng_init(rng, 7);
        rng_bytes(rng, self.bytes, KEY_SIZE);
        table_init(t, config, &self);
}

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

static unsigned answer_probes(struct table *t, bool alive, nsec_t now) {
        struct table_entry *e;
        unsigned n = 0;

        while ((e = table_next_probe(t, now))) {
                table_probe_begins(t, e);
                table_probe_ends(t, e);
                n++;
                if (alive)
                        e->answered = now, e->failures = 0;
                else
                        table_evict(t, e);
        }
        return n;
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

static void fill(struct table *t, struct rng *rng, unsigned bucket, unsigned n,
                 struct table_peer *ret, nsec_t now) {
        for (unsigned i = 0; i < n; i++) {
                ret[i] = anybody(t, rng, bucket);
                assert_int_equal(table_answered(t, &ret[i], now), TABLE_OK);
        }
}

static unsigned still_in(const struct table *t, const struct table_peer *peers, unsigned n) {
        unsigned in = 0;

        for (unsigned i = 0; i < n; i++)
                in += table_find(t, &peers[i].contact.key) != NULL;
        return in;
}

/* Once a second somebody from a subnet of his own wants in; all who are in live. */
static nsec_t flood(struct table *t, struct rng *rng, nsec_t now, nsec_t end) {
        for (; now < end; now += NSEC_PER_SEC) {
                struct table_peer p = anybody(t, rng, 0);

                (void) table_answered(t, &p, now);
                (void) answer_probes(t, true, now);
                (void) table_turn(t, rng_u64(rng), now);
                assert_int_equal(t->buckets[0].n_entries, 20);
        }
        return now;
}

/* Where nobody leaves nobody has to make room, for as long as they come. */
static void a_flood_has_no_turns(void **state) {
        struct table_peer old[20], few[5];
        struct table t;
        struct rng rng;
        nsec_t now = 1 + TABLE_YOUNG;

        begin(&t, &rng, &plain);
        fill(&t, &rng, 0, 20, old, 1);
        fill(&t, &rng, 5, 5, few, 1);
        now = flood(&t, &rng, now, now + 6 * 60 * MINUTE);
        assert_int_equal(still_in(&t, old, 20), 20);
        assert_int_equal(t.turned, 0);
        table_done(&t);
}

/* Nobody is old yet: the first to come have no right to stay. */
static void a_young_bucket_changes_fast(void **state) {
        struct table_peer first[20], few[5];
        struct table t;
        struct rng rng;

        begin(&t, &rng, &plain);
        fill(&t, &rng, 0, 20, first, 1);
        fill(&t, &rng, 5, 5, few, 1);
        (void) flood(&t, &rng, 1, TABLE_YOUNG);
        assert_in_range(t.turned, 15, TABLE_YOUNG / TABLE_TURN_YOUNG);
        assert_int_equal(still_in(&t, few, 5), 5); /* not full: nobody has to go */
        table_done(&t);
}

/* Somebody of another bucket, `age` old, dies every minute, for six hours, and another comes. */
static void lose_many(struct table *t, struct rng *rng, nsec_t age, nsec_t now) {
        struct table_peer dying[20];

        for (unsigned i = 0; i < 6 * 60; i++, now += MINUTE) {
                fill(t, rng, 5, 1, dying, now - age);
                table_find(t, &dying[0].contact.key)->answered = now;
                table_evict(t, table_find(t, &dying[0].contact.key));
                (void) flood(t, rng, now, now + MINUTE);
        }
}

/* Where many leave, who never does must not have all places in the end: a full bucket gives some,
 * at its own pace, but never those of the oldest. Who was never old is no loss. */
static void turns_are_paid_for_by_losses(void **state) {
        static const struct {
                nsec_t age;
                unsigned least, most, kept;
        } cases[] = { { TABLE_YOUNG - 1, 0, 0, 20 },
                      { TABLE_YOUNG, 100, 6 * 60 * MINUTE / TABLE_TURN, TABLE_KEPT } };

        FOREACH_CASE (c, cases) {
                struct table_peer old[20];
                struct table t;
                struct rng rng;

                begin(&t, &rng, &plain);
                fill(&t, &rng, 0, 20, old, 1);
                lose_many(&t, &rng, c->age, 1 + 2 * TABLE_YOUNG);
                print_message("# %u turns\n", (unsigned) t.turned);
                assert_in_range(t.turned, c->least, c->most);
                assert_in_range(still_in(&t, old, 20), c->kept, c->kept);
                for (unsigned i = 0; i < TABLE_KEPT; i++)
                        assert_non_null(table_find(&t, &old[i].contact.key));
                table_done(&t);
        }
}

static void rare_subnets_have_their_turn_first(void **state) {
        static const char *const at[] = { "7.7.7.1:1", "8.8.8.1:1", "8.8.8.2:1" };
        struct table_peer waiting[ELEMENTSOF(at)];
        struct table t;
        struct rng rng;
        nsec_t now = TABLE_YOUNG;

        begin(&t, &rng, &plain);
        for (unsigned i = 0; i < 20; i++) {
                struct table_peer p =
                        i == 0 ? somebody(&t, &rng, 0, "8.8.8.9:1") : anybody(&t, &rng, 0);

                assert_int_equal(table_answered(&t, &p, 1), TABLE_OK);
        }
        for (unsigned i = 0; i < ELEMENTSOF(at); i++) { /* the rare one first: the oldest */
                waiting[i] = somebody(&t, &rng, 0, at[i]);
                assert_int_equal(table_answered(&t, &waiting[i], now), TABLE_E_WAITS);
        }
        assert_int_equal(table_turn(&t, 5, now + TABLE_TURN), 0);
        t.lost = 1;
        assert_int_equal(table_turn(&t, 5, now + TABLE_TURN), 1);
        assert_non_null(table_find(&t, &waiting[0].contact.key));
        t.lost = 2;
        for (unsigned i = 1; i < ELEMENTSOF(at); i++)
                (void) table_answered(&t, &waiting[i], now + TABLE_TURN);
        assert_int_equal(table_turn(&t, 6, now + 2 * TABLE_TURN), 1); /* then the newest */
        assert_non_null(table_find(&t, &waiting[2].contact.key));
        assert_null(table_find(&t, &waiting[1].contact.key));
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

TEST_MAIN(cmocka_unit_test(subnets_are_capped), cmocka_unit_test(unknown_addresses_are_one_subnet),
          cmocka_unit_test(moving_does_not_evade_the_cap),
          cmocka_unit_test(a_flood_never_evicts_the_living),
          cmocka_unit_test(only_a_failed_probe_makes_room),
          cmocka_unit_test(an_undialable_incumbent_stays_until_probed),
          cmocka_unit_test(doubt_hides_and_hurries),
          cmocka_unit_test(probes_are_few_and_rarer_with_age),
          cmocka_unit_test(full_buckets_are_probed_less), cmocka_unit_test(a_flood_has_no_turns),
          cmocka_unit_test(a_young_bucket_changes_fast),
          cmocka_unit_test(turns_are_paid_for_by_losses),
          cmocka_unit_test(rare_subnets_have_their_turn_first),
          cmocka_unit_test(closest_are_the_closest))
