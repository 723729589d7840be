#include "tests/unit/coordinator/bench.h"

#include "services/coordinator/host_shares.h"
#include "services/coordinator/stats.h"

/* One requester must not be able to shut a host for the others: records, streams and
 * runs are shared; what was not signed is let go, on disk too. */

#define BODY(x) GRID__JOB_MESSAGE__BODY_##x

static struct bench *fresh_with(const struct coordinator_settings *s) {
        static struct bench b;

        bench_init(&b, s);
        return &b;
}

static struct coordinator_settings with_commits(uint32_t max) {
        struct coordinator_settings s = settings_default;

        s.host.commits_max = max;
        return s;
}

static void set_address(struct bench *b, unsigned peer, const char *text) {
        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &b->addresses[peer]), MULTIADDR_OK);
}

/* Runs a job to its commit; NULL, or what it was refused with. */
static const char *run_one(struct bench *b, unsigned peer, unsigned nonce) {
        const char *why = NULL;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, peer, nonce);
        stream = bench_begin(b, &j);
        if (b->refusal.code) {
                why = b->refusal.detail;
                assert_int_equal(b->refusal.code, OUTCOME_LIMIT);
                assert_true(b->refusal.has_text && b->refusal.retry_ms > 0);
        } else {
                assert_int_equal(b->work.n, 1);
                bench_committed(b, b->work.items[0].id, 1);
                assert_non_null(bench_expect(b, stream, BODY(COMMIT)));
        }
        bench_close(b, stream);
        bench_advance(b, 31 * NSEC_PER_SEC); /* the spool goes */
        return why;
}

static void test_a_flood_leaves_room(void **state) {
        struct coordinator_settings s = with_commits(60);
        struct bench *b = fresh_with(&s);
        const char *why = NULL;
        unsigned n = 0;

        while (!(why = run_one(b, 0, n)))
                n++;
        assert_int_equal(n, 30); /* half of 60: 100 / 200 */
        assert_string_equal(why, "which=commits_of_requester");
        assert_true(host_counters(b->host)->shared_commits > 0);
        assert_null(run_one(b, 1, 1000)); /* another is served */
        bench_restart(b);                 /* and shares outlive a restart */
        assert_non_null(run_one(b, 0, 2000));
        assert_null(run_one(b, 2, 2001));
        bench_advance(b, 3600 * NSEC_PER_SEC + 2 * 60 * NSEC_PER_SEC);
        assert_null(run_one(b, 0, 3000)); /* an hour later they are gone */
        assert_true(host_counters(b->host)->records_expired >= 30);
        bench_done(b);
}

static void test_cheap_identities_gain_nothing(void **state) {
        struct coordinator_settings s = with_commits(60);
        struct bench *b = fresh_with(&s);
        unsigned n = 0, nonce = 0;
        const char *why = NULL;

        for (unsigned peer = 0; peer < 6; peer++) {
                set_address(b, peer, "/ip4/9.1.2.3/udp/1/quic-v1");
                while (!(why = run_one(b, peer, nonce++)))
                        n++;
        }
        assert_in_range(n, 14, 16); /* 33 / 133 of 60 */
        assert_string_equal(why, "which=commits_of_subnet");
        set_address(b, 7, "/ip4/9.1.3.3/udp/1/quic-v1");
        assert_null(run_one(b, 7, nonce));
        bench_restart(b);
        assert_string_equal(run_one(b, 5, nonce + 1), "which=commits_of_subnet");
        bench_done(b);
}

static bool is_on_disk(struct bench *b, enum journal_kind kind) {
        for (size_t i = 0; i < b->n_disk; i++)
                if (b->disk[i].kind == kind)
                        return true;
        return false;
}

/* Ended before keyring was asked: gone at once, and after a restart. */
static void test_nothing_signed_is_let_go(void **state) {
        struct coordinator_settings s = with_commits(6);
        struct bench *b = fresh_with(&s);
        struct bench_job j;

        for (unsigned i = 0; i < 20; i++) { /* the share is 1 */
                uint64_t stream;

                bench_job_init(b, &j, 0, i);
                stream = bench_begin(b, &j);
                assert_int_equal(b->work.n, 1);
                bench_close(b, stream);
        }
        assert_true(is_on_disk(b, JOURNAL_HOST_DROP));
        assert_int_equal(host_counters(b->host)->records_dropped, 20);
        bench_restart(b);
        (void) bench_begin(b, &j); /* the very same job may run: it was never signed */
        assert_int_equal(b->work.n, 1);
        bench_done(b);
}

/* A job is stopped, begun again and perhaps signed; the node goes down after each record. */
static void test_restart_at_every_step(void **state) {
        for (size_t kept = 0; kept < 8; kept++)
                for (unsigned signs = 0; signs < 2; signs++) {
                        struct coordinator_settings s = with_commits(100);
                        struct bench *b = fresh_with(&s);
                        bool was_asked = false;
                        struct bench_job j;
                        uint64_t stream;

                        bench_job_init(b, &j, 0, 1);
                        stream = bench_begin(b, &j);
                        bench_close(b, stream); /* HOST, DROP */
                        stream = bench_begin(b, &j);
                        b->is_manual = true;
                        if (signs) {
                                bench_committed(b, b->work.items[0].id, 1);
                                was_asked = b->sign.n > 0;
                        }
                        assert_int_equal(was_asked, signs);
                        while (b->n_disk > 1 + kept) /* the birth, and as many as were synced */
                                bench_disk_drop(b);
                        bench_restart(b);
                        b->is_manual = false;
                        stream = bench_begin(b, &j);
                        /* HOST alone, or the second HOST: perhaps signed. */
                        if (kept == 1 || kept >= 3)
                                assert_int_equal(b->work.n, 0);
                        else
                                assert_int_equal(b->work.n, 1);
                        bench_done(b);
                }
}

/* A record with a commit is never taken back, whatever comes after it. */
static void test_a_commit_is_never_withdrawn(void **state) {
        struct coordinator_settings s = settings_default;
        struct bench *b = fresh_with(&s);
        struct action drop = { .n = JOURNAL_HOST_DROP };
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_committed(b, b->work.items[0].id, 1);
        drop.data = b->disk[1].data; /* equal to the record made before the signature */
        assert_int_equal(b->disk[1].kind, JOURNAL_HOST);
        bench_disk_put(b, &drop);
        bench_close(b, stream);
        bench_restart(b);
        stream = bench_begin(b, &j);
        assert_non_null(bench_expect(b, stream, BODY(COMMIT)));
        assert_int_equal(b->work.n, 0);
        bench_done(b);
}

/* The clock is wrong for a while: what was signed is forgotten too early. It is
 * not signed again when the clock is right. */
static void test_forgotten_is_not_signed_again(void **state) {
        struct coordinator_settings s = settings_default;
        struct bench *b = fresh_with(&s);
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        assert_null(run_one(b, 0, 1)); /* that job; nobody is at it any more */
        b->core.wall_offset_us += 25 * 3600 * INT64_C(1000000);
        host_role.expire(b->host, b->now);
        assert_int_equal(host_counters(b->host)->records_expired, 1);
        b->core.wall_offset_us -= 25 * 3600 * INT64_C(1000000);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_int_equal(m->failure->problem->code, OUTCOME_STALE);
        assert_int_equal(b->work.n, 0);
        bench_done(b);
}

static void test_streams_are_shared(void **state) {
        struct coordinator_settings s = settings_default;
        struct bench *b;
        unsigned n = 0;

        s.host.jobs_max = 30;
        b = fresh_with(&s);
        while (!bench_was_reset(b, bench_open(b, 0)))
                n++;
        assert_int_equal(n, 10); /* 50 / 150 of 30 */
        assert_false(bench_was_reset(b, bench_open(b, 1)));
        assert_int_equal(host_counters(b->host)->shared_streams, 1);
        bench_done(b);
}

/* What was dispatched and waits counts as promised: 4 for each slot, and no more. */
static void test_the_queue_is_bounded(void **state) {
        struct coordinator_settings s = settings_default;
        struct bench *b = fresh_with(&s);
        struct bench_job j;

        for (unsigned i = 0; i < 40; i++) {
                bench_job_init(b, &j, i % 4, i);
                (void) bench_begin(b, &j);
        }
        assert_int_equal(b->work.n, 2);
        assert_int_equal(host_counters(b->host)->dispatches, 8);
        assert_int_equal(b->governor.promised + b->governor.busy[GOVERNOR_SERVED], 8);
        assert_string_equal(b->refusal.detail, "rule=slots");
        bench_done(b);
}

static void test_one_requester_cannot_take_all_places(void **state) {
        struct coordinator_settings s = settings_default;
        struct bench *b = fresh_with(&s);
        struct bench_job j;
        uint64_t stream;

        for (unsigned i = 0; i < 20; i++) {
                bench_job_init(b, &j, 0, i);
                (void) bench_begin(b, &j);
        }
        assert_string_equal(b->refusal.detail, "rule=share");
        assert_int_equal(b->governor.promised + b->governor.busy[GOVERNOR_SERVED], 6);
        bench_job_init(b, &j, 1, 50);
        stream = bench_open(b, 1);
        bench_offer(b, stream, &j);
        assert_non_null(bench_expect(b, stream, BODY(BID)));
        bench_done(b);
}

TEST_MAIN(cmocka_unit_test(test_a_flood_leaves_room),
          cmocka_unit_test(test_cheap_identities_gain_nothing),
          cmocka_unit_test(test_nothing_signed_is_let_go),
          cmocka_unit_test(test_restart_at_every_step),
          cmocka_unit_test(test_a_commit_is_never_withdrawn),
          cmocka_unit_test(test_forgotten_is_not_signed_again),
          cmocka_unit_test(test_streams_are_shared), cmocka_unit_test(test_the_queue_is_bounded),
          cmocka_unit_test(test_one_requester_cannot_take_all_places))
