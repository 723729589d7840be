#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/stats.h"
#include "tests/unit/coordinator/bench.h"

#define BODY(x) GRID__JOB_MESSAGE__BODY_##x

struct scene {
        struct bench bench;
        struct bench_job job;
        uint64_t stream;
        struct bench_verdict verdict; /* correct, of this job */
};

static struct scene *committed(void) {
        static struct scene s;
        const Grid__JobMessage *m;

        bench_init(&s.bench, &settings_default);
        bench_job_init(&s.bench, &s.job, 0, 1);
        s.stream = bench_begin(&s.bench, &s.job);
        bench_committed(&s.bench, s.bench.work.items[0].id, 1);
        m = bench_expect(&s.bench, s.stream, BODY(COMMIT));
        assert_non_null(m);
        bench_verdict(&s.bench, &s.job, m->commit, VERDICT_CORRECT, &s.verdict);
        return &s;
}

static void done(struct scene *s) {
        buffer_done(&s->verdict.statement);
        bench_done(&s->bench);
}

static const struct host_counters *counters(const struct scene *s) {
        return host_counters(s->bench.host);
}

static size_t on_disk(const struct bench *b) {
        size_t n = 0;

        for (size_t i = 0; i < b->n_disk; i++)
                n += b->disk[i].kind == JOURNAL_HEARD;
        return n;
}

static void test_kept_verbatim(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;
        CLEANUP(unpacked_donep) struct unpacked u = {}, c = {};
        const Journal__HeardVerdict *kept;
        const Grid__Commit *commit;

        bench_say_verdict(b, s->stream, &s->verdict);
        assert_int_equal(on_disk(b), 1);
        assert_int_equal(counters(s)->verdicts_kept, 1);
        assert_int_equal(counters(s)->verdicts_correct, 1);
        assert_int_equal(wire_unpack(&journal__heard_verdict__descriptor,
                                     refbuf_bytes(b->disk[b->n_disk - 1].data), NULL, &u),
                         0);
        kept = u.message;
        assert_bytes_equal(BYTES(kept->statement.data, kept->statement.len),
                           buffer_bytes(&s->verdict.statement));
        assert_bytes_equal(BYTES(kept->signature.data, kept->signature.len),
                           signature_bytes(&s->verdict.signature));
        assert_bytes_equal(BYTES(kept->job.data, kept->job.len), hash_bytes(&s->job.id));
        assert_int_equal(wire_unpack(&grid__commit__descriptor,
                                     BYTES(kept->commit.data, kept->commit.len), NULL, &c),
                         0);
        commit = c.message; /* our own, with its signature: the pair speaks for itself */
        assert_true(sign_verify(&b->self.sign_public,
                                BYTES(commit->statement.data, commit->statement.len),
                                BYTES(commit->signature.data, commit->signature.len)));
        assert_false(bench_was_reset(b, s->stream));
        done(s);
}

static void test_once_and_after_a_restart(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;

        bench_say_verdict(b, s->stream, &s->verdict);
        bench_say_verdict(b, s->stream, &s->verdict);
        assert_int_equal(on_disk(b), 1);
        assert_int_equal(counters(s)->verdicts_repeated, 1);
        bench_restart(b);
        s->stream = bench_open(b, 0);
        bench_say_verdict(b, s->stream, &s->verdict);
        assert_int_equal(on_disk(b), 1);
        assert_true(bench_was_finished(b, s->stream)); /* it has it */
        done(s);
}

static void test_on_a_stream_of_its_own(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;
        uint64_t stream;

        bench_close(b, s->stream);
        stream = bench_open(b, 0);
        b->is_manual = true;
        bench_say_verdict(b, stream, &s->verdict);
        host_role.finished(b->host, stream, b->now); /* the requester has said all */
        bench_pump(b);
        assert_false(bench_was_finished(b, stream)); /* not before it is on disk */
        bench_answer_journal(b, 0, true);
        bench_pump(b);
        assert_true(bench_was_finished(b, stream));
        assert_int_equal(on_disk(b), 1);
        done(s);
}

static void test_disk_full(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;
        uint64_t stream = bench_open(b, 0);

        b->is_manual = true;
        bench_say_verdict(b, stream, &s->verdict);
        bench_answer_journal(b, 0, false);
        bench_pump(b);
        assert_true(bench_was_reset(b, stream)); /* the requester tries again */
        assert_false(bench_was_finished(b, stream));
        b->is_manual = false;
        stream = bench_open(b, 0);
        bench_say_verdict(b, stream, &s->verdict);
        assert_int_equal(on_disk(b), 1);
        assert_true(bench_was_finished(b, stream));
        done(s);
}

static void spoil_signature(struct scene *s) {
        s->verdict.signature.bytes[5] ^= 1;
}
static void spoil_bytes(struct scene *s) {
        s->verdict.statement.data[0] ^= 1;
}
static void other_host(struct scene *s) {
        struct peer_id self = s->bench.core.self;
        Grid__Commit commit = GRID__COMMIT__INIT;

        buffer_done(&s->verdict.statement);
        s->bench.core.self = s->bench.peers[3];
        bench_verdict(&s->bench, &s->job, &commit, VERDICT_INCORRECT, &s->verdict);
        s->bench.core.self = self;
}
static void (*const bad_cases[])(struct scene *s) = { spoil_signature, spoil_bytes, other_host };

static void test_bad(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_cases); i++) {
                struct scene *s = committed();

                bad_cases[i](s);
                bench_say_verdict(&s->bench, s->stream, &s->verdict);
                assert_int_equal(counters(s)->verdicts_bad, 1);
                assert_int_equal(on_disk(&s->bench), 0);
                assert_true(bench_was_reset(&s->bench, s->stream));
                done(s);
        }
}

/* Another peer brings it, or it names a commit that is not ours. */
static void test_unknown(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;
        Grid__Commit other = GRID__COMMIT__INIT;
        uint64_t stream = bench_open(b, 1);

        bench_say_verdict(b, stream, &s->verdict);
        assert_int_equal(counters(s)->verdicts_unknown, 1);
        assert_true(bench_was_finished(b, stream)); /* no use in saying it again */
        buffer_done(&s->verdict.statement);
        bench_verdict(b, &s->job, &other, VERDICT_INCORRECT, &s->verdict);
        bench_say_verdict(b, s->stream, &s->verdict);
        assert_int_equal(counters(s)->verdicts_unknown, 2);
        assert_int_equal(on_disk(b), 0);
        done(s);
}

static void test_two_of_one_commit(void **state) {
        static const enum verdict verdicts[] = { VERDICT_CORRECT, VERDICT_MALFORMED,
                                                 VERDICT_INCORRECT };
        struct scene *s = committed();
        struct bench *b = &s->bench;
        const Grid__JobMessage *m;
        uint64_t stream;

        stream = bench_begin(b, &s->job); /* the commit again */
        m = bench_expect(b, stream, BODY(COMMIT));
        assert_non_null(m);
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++) {
                buffer_done(&s->verdict.statement);
                bench_verdict(b, &s->job, m->commit, verdicts[i], &s->verdict);
                bench_say_verdict(b, stream, &s->verdict);
        }
        assert_int_equal(on_disk(b), 2);
        assert_int_equal(counters(s)->verdicts_over, 1);
        assert_int_equal(counters(s)->verdicts_fault, 1);
        done(s);
}

/* The commit it judges is in the journal alone. */
static void test_commit_is_read_back(void **state) {
        for (unsigned found = 0; found < 2; found++) {
                struct coordinator_settings settings = settings_default;
                static struct bench b;
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Journal__HeardVerdict *kept;
                struct bench_verdict verdict;
                const Grid__JobMessage *m;
                struct bench_job jobs[2];
                uint64_t stream = 0;

                settings.host.commits_bytes = 6u << 10;
                bench_init(&b, &settings);
                for (unsigned i = 0; i < 2; i++) {
                        bench_job_init(&b, &jobs[i], 0, i);
                        stream = bench_begin(&b, &jobs[i]);
                        bench_committed(&b, b.work.items[0].id, 1);
                        m = bench_expect(&b, stream, BODY(COMMIT));
                        assert_non_null(m);
                        if (i == 0)
                                bench_verdict(&b, &jobs[0], m->commit, VERDICT_CORRECT, &verdict);
                        bench_close(&b, stream);
                        bench_advance(&b, 31 * NSEC_PER_SEC);
                }
                b.is_manual = true;
                stream = bench_open(&b, 0);
                bench_say_verdict(&b, stream, &verdict);
                host_role.finished(b.host, stream, b.now);
                assert_int_equal(b.recall.n, 1);
                while (!found && b.n_disk > 0)
                        bench_disk_drop(&b);
                bench_answer_recall(&b, 0);
                bench_pump(&b);
                assert_int_equal(b.journal.n, found);
                assert_int_equal(host_counters(b.host)->verdicts_kept, found);
                assert_int_equal(host_counters(b.host)->verdicts_unknown, !found);
                assert_int_equal(bench_was_finished(&b, stream), !found);
                if (found) {
                        bench_answer_journal(&b, 0, true);
                        bench_pump(&b);
                        assert_true(bench_was_finished(&b, stream));
                        assert_int_equal(wire_unpack(&journal__heard_verdict__descriptor,
                                                     refbuf_bytes(b.disk[b.n_disk - 1].data), NULL,
                                                     &u),
                                         0);
                        kept = u.message;
                        assert_true(kept->commit.len > 0);
                        assert_bytes_equal(BYTES(kept->statement.data, kept->statement.len),
                                           buffer_bytes(&verdict.statement));
                }
                buffer_done(&verdict.statement);
                bench_done(&b);
        }
}

static void test_rate(void **state) {
        struct scene *s = committed();
        struct bench *b = &s->bench;
        unsigned n_reset = 0;

        for (unsigned i = 0; i < 560; i++) {
                uint64_t stream = bench_open(b, 0);

                bench_say_verdict(b, stream, &s->verdict);
                n_reset += bench_was_reset(b, stream);
                if (!bench_was_reset(b, stream))
                        bench_close(b, stream);
        }
        assert_in_range(n_reset, 55, 62); /* 500 at once, one offer before */
        done(s);
}

TEST_MAIN(cmocka_unit_test(test_kept_verbatim), cmocka_unit_test(test_once_and_after_a_restart),
          cmocka_unit_test(test_on_a_stream_of_its_own), cmocka_unit_test(test_disk_full),
          cmocka_unit_test(test_bad), cmocka_unit_test(test_unknown),
          cmocka_unit_test(test_two_of_one_commit), cmocka_unit_test(test_rate),
          cmocka_unit_test(test_commit_is_read_back))
