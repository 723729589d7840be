/* Rows on their way from a host's worker to the requester. */

#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "tests/unit/coordinator/bench.h"

#define BODY(x) GRID__JOB_MESSAGE__BODY_##x

static struct bench *fresh(void) {
        static struct bench b;

        bench_init(&b, &settings_default);
        return &b;
}

static void ask_rows(struct bench *b, uint64_t stream, uint32_t codec) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Rows rows = GRID__ROWS__INIT;

        rows.codec = codec;
        m.body_case = BODY(ROWS);
        m.rows = &rows;
        bench_send(b, stream, &m);
}

static void answer_fetch(struct bench *b, uint64_t run, uint64_t first, size_t n, size_t len) {
        CLEANUP(freep) uint8_t *data = xcalloc(1, len);
        Worker__FetchEnd end = WORKER__FETCH_END__INIT;
        Worker__Batch batch = WORKER__BATCH__INIT;
        Worker__Report report = WORKER__REPORT__INIT;

        report.body_case = WORKER__REPORT__BODY_BATCH;
        report.batch = &batch;
        batch.data = (ProtobufCBinaryData){ len, data };
        batch.length = len;
        for (size_t i = 0; i < n; i++) {
                batch.index = first + i;
                bench_report(b, run, &report);
        }
        report.body_case = WORKER__REPORT__BODY_END;
        report.end = &end;
        end.next_batch = first + n;
        bench_report(b, run, &report);
}

static void test_rows_wait_for_the_window(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream, run;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        run = b->work.items[0].id;
        bench_started(b, run);
        bench_committed(b, run, 1);
        assert_non_null(bench_expect(b, stream, BODY(COMMIT)));
        ask_rows(b, stream, PACKED_PLAIN);
        /* 64 units of window less those used: a batch of 8 MiB does not fit through. */
        answer_fetch(b, run, 0, 1, 8u << 20);
        assert_null(bench_expect(b, stream, BODY(BATCH)));
        host_role.window(b->host, stream, 200, b->now);
        bench_pump(b);
        m = bench_expect(b, stream, BODY(BATCH));
        assert_non_null(m);
        assert_int_equal(m->batch->data.len, 8u << 20);
        assert_non_null(bench_expect(b, stream, BODY(ROWS_END)));
        bench_done(b);
}

/* The link that the worker is told with the latest Fetch. */
static uint64_t link_told(struct bench *b) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct bytes last;

        assert_true(b->fetch.n > 0);
        last = refbuf_bytes(b->fetch.items[b->fetch.n - 1].data);
        assert_int_equal(wire_unpack(&worker__fetch__descriptor, last, NULL, &u), UNPACK_OK);
        return ((const Worker__Fetch *) u.message)->link;
}

/* Nothing is packed for a requester that did not ask for it, nor before the link was seen to
 * be slow; then the worker is told how slow. */
static void test_link_is_measured(void **state) {
        for (uint32_t codec = 0; codec < 2; codec++) {
                struct bench *b = fresh();
                struct bench_job j;
                uint64_t stream, run, next = 0;
                size_t answered = 0;

                b->batches = 1000;
                bench_job_init(b, &j, 0, 1);
                stream = bench_begin(b, &j);
                run = b->work.items[0].id;
                bench_started(b, run);
                bench_committed(b, run, 1);
                ask_rows(b, stream, codec);
                assert_int_equal(link_told(b), 0);
                for (unsigned i = 0; i < 300; i++) { /* a unit of 64 KiB in 10 ms */
                        if (b->fetch.n > answered) {
                                answered = b->fetch.n;
                                answer_fetch(b, run, next, 2, 1u << 20);
                                next += 2;
                        }
                        b->now += 10 * NSEC_PER_MSEC;
                        host_role.window(b->host, stream, 1, b->now);
                        bench_pump(b);
                }
                if (codec)
                        assert_in_range(link_told(b), 6000000, 7000000);
                else
                        assert_int_equal(link_told(b), 0);
                bench_done(b);
        }
}

TEST_MAIN(cmocka_unit_test(test_rows_wait_for_the_window), cmocka_unit_test(test_link_is_measured))
