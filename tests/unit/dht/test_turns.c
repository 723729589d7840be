/* Full buckets give places (services/dht/table.h): at whose cost, how fast, and what for. */
#include <math.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/unit/dht/tables.h"

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

#define CROWD     1000
#define ATTACKERS 200
#define SESSION   (30 * MINUTE)
#define STEP      (5 * NSEC_PER_SEC)

/* Honest ones stay for half an hour on average, each in a subnet of his own, and then another
 * comes; the attackers, of 64 subnets, never leave. */
struct crowd {
        struct table_peer peers[CROWD];
        nsec_t leaves[CROWD];
};

static void crowd_comes(struct crowd *c, const struct table *t, struct rng *rng, unsigned i,
                        nsec_t now) {
        unsigned bucket = (unsigned) __builtin_clzll(rng_u64(rng) | 1ULL << 48);
        char at[64];

        (void) snprintf(at, sizeof(at), "200.1.%u.1:1", i % 64);
        c->peers[i] = i < ATTACKERS ? somebody(t, rng, bucket, at) : anybody(t, rng, bucket);
        c->leaves[i] = NSEC_NEVER;
        if (i >= ATTACKERS)
                c->leaves[i] = now + (nsec_t) (-log(1 - rng_unit(rng)) * (double) SESSION);
}

static bool crowd_has(const struct crowd *c, const struct key *key, unsigned first, unsigned last) {
        for (unsigned i = first; i < last; i++)
                if (key_equal(&c->peers[i].contact.key, key))
                        return true;
        return false;
}

/* As dht does: who fails once is doubted, and out when the probe fails too. */
static void crowd_is_probed(const struct crowd *c, struct table *t, nsec_t now) {
        struct table_entry *e = table_next_probe(t, now);
        bool lives = e && crowd_has(c, &e->contact.key, 0, CROWD);

        if (!e)
                return;
        table_probe_begins(t, e);
        if (!lives && e->failures > 0) {
                table_evict(t, e);
                return;
        }
        if (lives)
                e->answered = now, e->failures = 0;
        else
                table_doubt(t, e, now);
        table_probe_ends(t, e);
}

/* Of a table's full buckets, the share that attackers hold in the end. */
static double share_of_attackers(const struct crowd *c, const struct table *t) {
        unsigned n = 0, bad = 0;

        for (unsigned bucket = 0; bucket < 4; bucket++)
                for (unsigned i = 0; i < t->buckets[bucket].n_entries; i++, n++)
                        bad += crowd_has(c, &t->buckets[bucket].slots[i].entry->contact.key, 0,
                                         ATTACKERS);
        assert_true(n >= 4 * 19);
        return (double) bad / n;
}

static double attack_for_hours(bool has_turns, uint64_t seed) {
        struct crowd *c = xnew(struct crowd);
        struct table t;
        struct rng rng;
        double share;

        begin(&t, &rng, &plain);
        rng_init(&rng, seed);
        for (unsigned i = 0; i < CROWD; i++)
                crowd_comes(c, &t, &rng, i, 1);
        for (nsec_t now = 1; now < 12 * 60 * MINUTE; now += STEP) {
                for (unsigned i = ATTACKERS; i < CROWD; i++)
                        if (c->leaves[i] <= now)
                                crowd_comes(c, &t, &rng, i, now);
                for (unsigned i = 0; i < 2; i++) /* who answers us, whatever for */
                        (void) table_answered(&t, &c->peers[rng_below(&rng, CROWD)], now);
                if (has_turns)
                        (void) table_turn(&t, rng_u64(&rng), now);
                for (unsigned i = 0; i < 2; i++)
                        crowd_is_probed(c, &t, now);
        }
        share = share_of_attackers(c, &t);
        table_done(&t);
        free(c);
        return share;
}

/* One in five, who stay while all others come and go: every place they get is theirs for good,
 * unless full buckets change. */
static void without_turns_who_never_leaves_takes_all(void **state) {
        double with = 0, without = 0;

        for (uint64_t seed = 1; seed <= 4; seed++) {
                with += attack_for_hours(true, seed) / 4;
                without += attack_for_hours(false, seed) / 4;
        }
        print_message("# attackers' share of full buckets: %.2f, %.2f without turns\n", with,
                      without);
        assert_true(with <= 0.5);
        assert_true(without >= 0.85);
}

TEST_MAIN(cmocka_unit_test(a_flood_has_no_turns), cmocka_unit_test(a_young_bucket_changes_fast),
          cmocka_unit_test(turns_are_paid_for_by_losses),
          cmocka_unit_test(rare_subnets_have_their_turn_first),
          cmocka_unit_test(without_turns_who_never_leaves_takes_all))
