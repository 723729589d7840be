#include "services/coordinator/host_records.h"

#include "common/base/map.h"
#include "services/coordinator/settings.h"
#include "tests/support/test.h"

/* The records alone, with the settings that ship: how many jobs a second one requester
 * gets for hours, and that no other is shut out by it. */

#define SECOND_US INT64_C(1000000)
#define HOUR      3600
#define WALL      (1800000000 * SECOND_US)

struct world {
        struct budget budget;
        struct records *records;
        uint64_t n_jobs;
};

static struct world *fresh(void) {
        const struct host_settings *s = &settings_default.host;
        static struct world w;
        struct records_config config = {
                { s->commits_max, s->requester_commits, s->subnet_commits },
                { (int64_t) (s->run_max_age / NSEC_PER_USEC) + RECORD_MARGIN_US,
                  (int64_t) (s->recheck_max_age / NSEC_PER_USEC) + RECORD_MARGIN_US },
                &w.budget,
        };

        w = (struct world){};
        budget_init(&w.budget, s->commits_bytes, NULL);
        w.records = records_new(1, &config);
        return &w;
}

static void done(struct world *w) {
        records_free(w->records);
        assert_int_equal(w->budget.used, 0);
}

static struct peer_id peer(unsigned n) {
        struct peer_id id = { .len = 38, .bytes = { 0, 36, 8, 1, 18, 32 } };

        store_be32(id.bytes + 6, n);
        return id;
}

static struct subnet net(unsigned n) {
        return (struct subnet){ 4, { 4, (uint8_t) (n >> 16), (uint8_t) (n >> 8), (uint8_t) n } };
}

static struct record_key key(struct world *w, unsigned requester, uint32_t run) {
        struct record_key k = { .requester = peer(requester), .run = run };

        w->n_jobs++;
        k.job = hash_of("test.job", BYTES(&w->n_jobs, sizeof(w->n_jobs)));
        return k;
}

/* A job of its own, signed and let go; what records_room() says. */
static int run_one(struct world *w, unsigned requester, struct subnet subnet, uint32_t run,
                   int64_t time_us) {
        static const uint8_t commit[600] = { 1 };
        struct record_key k = key(w, requester, run);
        int r = records_room(w->records, &k.requester, &subnet);
        struct record *record;

        if (r)
                return r;
        record = records_add(w->records, &k, &subnet, time_us);
        assert_non_null(record);
        assert_true(record_sign(w->records, record, BYTES_OF(commit), &k.job));
        return 0;
}

/* 120 a second for three hours, none refused, within the memory that was set aside. */
static void test_sustained_rate(void **state) {
        const struct subnet private = {}, public = net(1);
        struct world *w = fresh();
        size_t most = 0;

        for (unsigned second = 0; second < 3 * HOUR; second++) {
                int64_t now = WALL + second * SECOND_US;

                for (unsigned i = 0; i < 120; i++)
                        assert_int_equal(run_one(w, 0, private, 0, now), SHARES_OK);
                if (second % 100 == 0) /* and there is always room for another */
                        assert_int_equal(run_one(w, second + 1, public, 0, now), SHARES_OK);
                (void) records_expire(w->records, 0, now);
                if (records_count(w->records) > most)
                        most = records_count(w->records);
        }
        print_message("# %zu records at most, %llu bytes at most, %llu for each\n", most,
                      (unsigned long long) w->budget.peak,
                      (unsigned long long) (w->budget.peak / most));
        assert_in_range(most, 120 * HOUR, 120 * (HOUR + 90) + 200);
        assert_true(w->budget.peak / most < 180);
        done(w);
}

/* As fast as it can: one public requester gets a quarter, and newcomers find places. */
static void test_public_requesters_share(void **state) {
        struct world *w = fresh();
        unsigned n = 0;

        while (run_one(w, 0, net(1), 0, WALL) == SHARES_OK)
                n++;
        assert_in_range(n, 250000, 270000);
        for (unsigned i = 1; i < 20; i++) {
                unsigned before = n;

                while (run_one(w, i, net(i + 1), 0, WALL) == SHARES_OK)
                        n++;
                assert_true(n - before > 1000);
        }
        assert_int_equal(run_one(w, 1000, net(1000), 0, WALL), SHARES_OK);
        done(w);
}

static void test_horizon(void **state) {
        const struct subnet none = {};
        struct world *w = fresh();
        int64_t end = WALL + HOUR * SECOND_US + RECORD_MARGIN_US;
        struct record_key busy = key(w, 1, 0);
        struct record *record = records_add(w->records, &busy, &none, WALL - 5 * SECOND_US);

        assert_int_equal(run_one(w, 0, none, 0, WALL), 0);
        assert_int_equal(run_one(w, 0, none, 0, WALL - 30 * SECOND_US), 0);
        assert_int_equal(run_one(w, 0, none, 1, WALL), 0);
        assert_int_equal(records_horizon(w->records, 0), INT64_MIN);
        assert_false(records_expire(w->records, 0, end - 60 * SECOND_US));
        assert_true(records_expire(w->records, 0, end - SECOND_US));
        assert_int_equal(records_horizon(w->records, 0), WALL - 30 * SECOND_US);
        assert_true(records_expire(w->records, 0, end + 15 * SECOND_US));
        assert_int_equal(records_horizon(w->records, 0), WALL);
        assert_int_equal(records_horizon(w->records, 1), INT64_MIN); /* lives 12 h */
        assert_false(records_expire(w->records, 1, end + 10 * HOUR * SECOND_US));
        assert_true(records_expire(w->records, 1, end + 12 * HOUR * SECOND_US));
        assert_int_equal(records_horizon(w->records, 1), WALL);

        assert_ptr_equal(records_find(w->records, &busy), record); /* never asked yet */
        record_lose(w->records, record);
        assert_false(records_expire(w->records, 0, end + 12 * HOUR * SECOND_US));
        assert_null(records_find(w->records, &busy));
        assert_int_equal(records_horizon(w->records, 0), WALL); /* never goes back */
        done(w);
}

/* The latest commits stay, all records do. */
static void test_commits_leave_memory(void **state) {
        const struct subnet none = {};
        struct world *w = fresh();
        struct record_key first = { .requester = peer(0) }, last = { .requester = peer(0) };
        uint64_t n;

        for (unsigned i = 0; i < 50000; i++)
                assert_int_equal(run_one(w, 0, none, 0, WALL), 0);
        n = 1;
        first.job = hash_of("test.job", BYTES(&n, sizeof(n)));
        n = w->n_jobs;
        last.job = hash_of("test.job", BYTES(&n, sizeof(n)));
        assert_int_equal(records_count(w->records), 50000);
        assert_null(records_find(w->records, &first)->commit);
        assert_int_equal(records_find(w->records, &first)->state, RECORD_SIGNED);
        assert_int_equal(record_commit(records_find(w->records, &last)).len, 600);
        assert_true(record_recall(w->records, records_find(w->records, &first), BYTES_LIT("back")));
        assert_bytes_equal(record_commit(records_find(w->records, &first)), BYTES_LIT("back"));
        done(w);
}

TEST_MAIN(cmocka_unit_test(test_sustained_rate), cmocka_unit_test(test_public_requesters_share),
          cmocka_unit_test(test_horizon), cmocka_unit_test(test_commits_leave_memory))
