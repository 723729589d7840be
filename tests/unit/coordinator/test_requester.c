/* The requester against three hosts played by hand: what a host may do at the worst
 * moment, and what an honest one may do by a race. */

#include "common/canonical/outcome.h"
#include "common/wire/frame.h"
#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"
#include "tests/fuzz/requester_drive.h"
#include "tests/support/test.h"

#define ROWS      5
#define MANY_ROWS 4000 /* enough to be packed; one batch */

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static void commit_to(struct drive *d, unsigned host, const struct answer *a) {
        CLEANUP(buffer_donep) struct buffer b = {};

        assert_true(drive_commit_to(d, host, a, 0, &b));
        drive_message(d, host, DRIVE_COMMIT, buffer_bytes(&b));
}

static void commit(struct drive *d, unsigned host) {
        commit_to(d, host, &d->truth);
}

static struct answer other_answer(const struct drive *d) {
        struct answer a = d->truth;

        a.hash.bytes[0] ^= 1;
        return a;
}

static void put_frame(struct buffer *out, unsigned field, struct bytes body) {
        CLEANUP(buffer_donep) struct buffer m = {};

        buffer_init(&m, body.len + 32);
        buffer_put_varint(&m, field << 3 | 2);
        buffer_put_prefixed(&m, body);
        frame_put(out, buffer_bytes(&m));
}

static void put_packed(struct buffer *out, unsigned field, const ProtobufCMessage *body) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1u << 16);
        wire_pack(&b, body);
        put_frame(out, field, buffer_bytes(&b));
}

static void put_digests(struct drive *d, struct buffer *out, uint64_t first) {
        Grid__Digests m = GRID__DIGESTS__INIT;

        m.first = first;
        m.digests = binary(hash_bytes(&d->digest));
        put_packed(out, DRIVE_DIGESTS, &m.base);
}

/* As it is; as a frame; or as one that is not what it says. */
enum twist { PLAIN, RIGHT, DECLARES_MORE, DECLARES_MUCH, CUT, NO_CODEC, _TWISTS };
static void put_batch_as(struct drive *d, enum twist how, struct buffer *out) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Grid__Batch m = GRID__BATCH__INIT;

        buffer_init(&b, 1 << 16);
        if (how == PLAIN)
                buffer_put_bytes(&b, buffer_bytes(&d->batch));
        else
                check(packed_put(buffer_bytes(&d->batch), &b));
        m.length =
                (how == DECLARES_MUCH ? UINT64_C(1) << 60 : d->batch.len) + (how == DECLARES_MORE);
        m.codec = how == PLAIN ? PACKED_PLAIN : how == NO_CODEC ? 2 : PACKED_ZSTD;
        m.data = binary(BYTES(b.data, b.len - (how == CUT)));
        put_packed(out, DRIVE_BATCH, &m.base);
}

static void put_end(struct buffer *out) {
        Grid__RowsEnd m = GRID__ROWS_END__INIT;

        m.batches = 1;
        put_packed(out, DRIVE_END, &m.base);
}

/* The host that is asked for the rows sends what `make` writes. */
static bool was_sent(const struct drive *d, unsigned host, unsigned body) {
        struct reader r = reader_of(buffer_bytes(&d->sent[host]));

        while (reader_left(&r) > 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Grid__JobMessage *m;

                if (wire_unpack(&grid__job_message__descriptor, reader_prefixed(&r), NULL, &u))
                        return false;
                m = u.message;
                if (m->body_case == body)
                        return true;
        }
        return false;
}

/* Who is asked for the rows. */
static unsigned source_of(const struct drive *d) {
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                if (d->is_open[i] && was_sent(d, i, GRID__JOB_MESSAGE__BODY_ROWS))
                        return i;
        fail_msg("nobody is asked for rows");
        return 0;
}

/* ---- The plain case, and moments at which a host can hurt ---- */

static void serve_as(struct drive *d, unsigned host, enum twist how) {
        CLEANUP(buffer_donep) struct buffer out = {};

        buffer_init(&out, 1u << 16);
        put_digests(d, &out, 0);
        put_batch_as(d, how, &out);
        put_end(&out);
        drive_data(d, host, buffer_bytes(&out));
}

static void test_plain(void **state) {
        struct drive *d = drive_dispatched(ROWS);

        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        serve_as(d, source_of(d), PLAIN);
        assert_true(d->is_verified);
        assert_int_equal(d->rows, ROWS);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                assert_int_equal(d->judged[i], VERDICT_CORRECT);
        drive_free(d);
}

/* ---- What hosts claim that it took ---- */

static const struct {
        const char *name, *verify;
        struct drive_cost claims[DRIVE_HOSTS];
        unsigned n; /* hosts that commit */
        struct drive_cost want;
} claim_cases[] = {
        { "three alike", NULL, { { 9000, 70 }, { 9000, 70 }, { 9000, 70 } }, 3, { 9000, 70 } },
        { "the middle one", NULL, { { 1, 1 }, { 9000, 70 }, { 90000, 700 } }, 3, { 9000, 70 } },
        { "one of two says too little", NULL, { { 1, 70 }, { 9000, 70 } }, 2, { 9000, 70 } },
        { "so does the other one", NULL, { { 9000, 70 }, { 1, 70 } }, 2, { 9000, 70 } },
        { "too much memory", NULL, { { 9000, 1u << 30 }, { 9000, 70 } }, 2, { 9000, 70 } },
        { "more time than there was", NULL, { { 1, 70 }, { 1u << 30, 70 } }, 2, { 200000, 70 } },
        { "alone: not below the plan", "fast", { { 1, 70 } }, 1, { 0, 70 } },
        { "alone: above it", "fast", { { 9000, 70 } }, 1, { 9000, 70 } },
};

/* One host cannot make a query look so small that the next one runs here. */
static void test_claims(void **state) {
        FOREACH_CASE (c, claim_cases) {
                struct drive *d =
                        drive_new_kept(&(struct drive_kept){ .cache = "off", .verify = c->verify });

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        drive_bid(d, i);
                drive_wait(d, 200 * NSEC_PER_MSEC);
                for (unsigned i = 0, n = 0; i < DRIVE_HOSTS && n < c->n; i++)
                        if (was_sent(d, i, GRID__JOB_MESSAGE__BODY_DISPATCH)) {
                                d->claims[i] = c->claims[n++];
                                commit(d, i);
                        }
                drive_wait(d, 10 * NSEC_PER_SEC);
                assert_true(d->has_end);
                assert_int_equal(d->problem, OUTCOME_OK);
                assert_int_equal(d->told.cpu_us, c->want.cpu_us ?: d->estimated.cpu_us);
                assert_int_equal(d->told.memory, c->want.memory);
                drive_free(d);
        }
}

/* Garbage while the verdict about it is being signed: the job still ends. */
static void test_garbage_while_closing(void **state) {
        struct drive *d = drive_dispatched(ROWS);

        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        d->holds_signatures = true;
        serve_as(d, source_of(d), PLAIN);
        assert_false(d->has_end);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                drive_data(d, i, BYTES_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
        drive_sign(d);
        assert_true(d->is_verified);
        drive_free(d);
}

/* The last rows and a contradiction of its own commit in one unit: the vote is gone
 * before the answer is out. */
static void test_contradiction_with_last_rows(void **state) {
        CLEANUP(buffer_donep) struct buffer out = {}, second = {};
        struct drive *d = drive_dispatched(ROWS);
        struct answer other = other_answer(d);
        unsigned source;

        commit(d, 0);
        commit(d, 1);
        drive_wait(d, NSEC_PER_SEC);
        source = source_of(d);
        buffer_init(&out, 1u << 16);
        put_digests(d, &out, 0);
        put_batch_as(d, PLAIN, &out);
        assert_true(drive_commit_to(d, source, &other, 0, &second));
        put_frame(&out, DRIVE_COMMIT, buffer_bytes(&second));
        drive_data(d, source, buffer_bytes(&out));
        drive_wait(d, 30 * NSEC_PER_SEC);
        assert_false(d->is_verified);
        assert_int_equal(d->judged[source], VERDICT_INCORRECT);
        drive_free(d);
}

/* A commit with the right answer and plain values that no receipt would take is none. */
static void test_values_a_receipt_refuses(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        struct answer odd[DRIVE_HOSTS] = { d->truth, d->truth, d->truth };

        odd[0].error = 1;
        odd[1].batches = ROWS + 1;
        odd[2].rows = d->truth.bytes + 1;
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit_to(d, i, &odd[i]);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                assert_int_equal(d->judged[i], VERDICT_MALFORMED);
        drive_wait(d, 30 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_TOO_FEW_HOSTS);
        drive_free(d);
}

/* The right answer with a false number of rows: the client hears the number that was
 * counted, whoever spoke first, and the liar is malformed. */
static void test_false_number(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        struct answer more = d->truth;

        more.bytes++;
        more.rows++;
        commit_to(d, 0, &more);
        commit(d, 1);
        commit(d, 2);
        drive_wait(d, NSEC_PER_SEC);
        serve_as(d, source_of(d), PLAIN);
        assert_true(d->is_verified);
        assert_int_equal(d->rows, ROWS);
        assert_int_equal(d->judged[0], VERDICT_MALFORMED);
        assert_int_equal(d->judged[1], VERDICT_CORRECT);
        drive_free(d);
}

/* Rows in no common order wait in the spool until all are checked; how much they are is the
 * host's own word until then. */
static void commit_fat(struct drive *d, unsigned host, uint64_t bytes) {
        struct answer a = d->truth;

        a.sequence_root.bytes[0] ^= (uint8_t) (host + 1);
        if (bytes)
                a.bytes = bytes;
        commit_to(d, host, &a);
}

/* Who sends a frame that is not what it says is left, and another one is asked. */
static void test_packed_rows(void **state) {
        for (enum twist how = RIGHT; how < _TWISTS; how++) {
                struct drive *d = drive_dispatched(MANY_ROWS);
                unsigned source;

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        commit(d, i);
                drive_wait(d, 100 * NSEC_PER_MSEC);
                source = source_of(d);
                serve_as(d, source, how);
                assert_int_equal(d->is_open[source], how == RIGHT);
                if (how != RIGHT)
                        serve_as(d, source_of(d), PLAIN);
                assert_int_equal(d->rows, MANY_ROWS);
                drive_free(d);
        }
}

static void test_fat_rows(void **state) {
        for (unsigned fat = 0; fat < DRIVE_HOSTS; fat++) {
                struct drive *d = drive_dispatched(ROWS);

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        commit_fat(d, i, i == fat ? UINT64_C(1) << 60 : 0);
                drive_wait(d, NSEC_PER_SEC);
                assert_int_not_equal(source_of(d), fat);
                drive_free(d);
        }
}

static void test_more_than_the_spool(void **state) {
        struct drive *d = drive_dispatched(ROWS);

        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit_fat(d, i, UINT64_C(1) << 60);
        drive_wait(d, NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_LIMIT);
        drive_free(d);
}

/* ---- What an honest host may do by a race ---- */

/* Answers to an earlier question, in every order that two questions on one stream, or a
 * stream that took another one's place, can bring about. */
static void test_stale_rows(void **state) {
        for (unsigned order = 0; order < 4; order++) {
                CLEANUP(buffer_donep) struct buffer out = {};
                struct drive *d = drive_dispatched(ROWS);
                unsigned source;

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        commit(d, i);
                drive_wait(d, 100 * NSEC_PER_MSEC);
                source = source_of(d);
                buffer_init(&out, 1u << 16);
                if (order & 1)
                        put_digests(d, &out, 7); /* the tail of the list */
                put_batch_as(d, PLAIN, &out);
                if (order & 2)
                        put_end(&out);
                drive_data(d, source, buffer_bytes(&out));
                assert_false(d->has_end);
                assert_int_equal(d->judged[source], 0);
                serve_as(d, source, PLAIN);
                assert_true(d->is_verified);
                assert_int_equal(d->judged[source], VERDICT_CORRECT);
                drive_free(d);
        }
}

/* Who says nothing that was asked for is not heard, however much it sends. */
static void test_stale_for_ever(void **state) {
        CLEANUP(buffer_donep) struct buffer out = {};
        struct drive *d = drive_dispatched(ROWS);
        unsigned source;

        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        source = source_of(d);
        buffer_init(&out, 1u << 16);
        put_digests(d, &out, 7);
        put_batch_as(d, PLAIN, &out);
        for (unsigned i = 0; i < 30 && d->is_open[source]; i++) {
                drive_data(d, source, buffer_bytes(&out));
                drive_wait(d, NSEC_PER_SEC);
        }
        assert_false(d->is_open[source]);
        serve_as(d, source_of(d), PLAIN);
        assert_true(d->is_verified);
        drive_free(d);
}

/* Both serve false rows, one after the other. */
static void serve_false_rows(struct drive *d) {
        for (unsigned i = 0; i < 2; i++) {
                d->batch.data[d->batch.len - 1] ^= 1;
                serve_as(d, source_of(d), PLAIN);
                d->batch.data[d->batch.len - 1] ^= 1;
                drive_wait(d, NSEC_PER_MSEC);
        }
}

/* On another stream. */
static void bid_again(struct drive *d, unsigned host, uint64_t before) {
        for (unsigned i = 0; i < 20 && !d->has_end && d->streams[host] == before; i++)
                drive_wait(d, NSEC_PER_SEC);
        assert_true(d->is_open[host] && d->streams[host] != before);
        drive_bid(d, host);
        drive_wait(d, NSEC_PER_SEC);
}

static void refuse_as_stale(struct drive *d, unsigned host) {
        Types__Problem problem = TYPES__PROBLEM__INIT;
        Grid__Refusal refusal = GRID__REFUSAL__INIT;

        problem.code = OUTCOME_STALE;
        problem.detail = (char *) "why=commit_was_not_kept";
        refusal.problem = &problem;
        drive_packed(d, host, DRIVE_FAILURE, &refusal.base);
}

static void commit_second_run(struct drive *d, unsigned host) {
        CLEANUP(buffer_donep) struct buffer b = {};

        assert_true(drive_commit_to(d, host, &d->truth, 1, &b));
        drive_message(d, host, DRIVE_COMMIT, buffer_bytes(&b));
        drive_wait(d, NSEC_PER_MSEC);
}

/* Both that agree have wrong rows; the third was let go when they did, and is asked anew. */
static void test_rows_of_who_was_let_go(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        uint64_t stream = d->streams[2];

        commit(d, 0);
        commit(d, 1);
        drive_wait(d, NSEC_PER_SEC);
        serve_false_rows(d);
        bid_again(d, 2, stream);
        commit(d, 2);
        drive_wait(d, NSEC_PER_MSEC);
        serve_as(d, 2, PLAIN);
        assert_true(d->is_verified);
        assert_int_equal(d->rows, ROWS);
        drive_free(d);
}

/* The same, but it had signed as it was let go, or as soon: it may not sign that run again and has
 * no rows of it, so it runs another. */
static void test_rows_of_who_had_signed(void **state) {
        for (unsigned is_heard = 0; is_heard < 2; is_heard++) {
                struct drive *d = drive_dispatched(ROWS);
                uint64_t stream = d->streams[2];

                commit(d, 0);
                commit(d, 1);
                drive_wait(d, NSEC_PER_SEC);
                if (is_heard)
                        commit(d, 2); /* crosses our word that it is not needed */
                serve_false_rows(d);
                bid_again(d, 2, stream);
                if (!is_heard) {
                        stream = d->streams[2];
                        refuse_as_stale(d, 2);
                        bid_again(d, 2, stream);
                }
                commit_second_run(d, 2);
                serve_as(d, 2, PLAIN);
                assert_true(d->is_verified);
                assert_int_equal(d->rows, ROWS);
                drive_free(d);
        }
}

/* ---- Rubbish on another stream ---- */

/* All streams are lost; called again, a host sends rubbish where its commit should
 * stand: its first vote is gone, and with it the quorum of two. */
static void test_rubbish_when_called_again(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        unsigned called = DRIVE_HOSTS;

        commit(d, 0);
        commit(d, 1);
        drive_wait(d, NSEC_PER_SEC);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                drive_closed(d, i);
        drive_wait(d, NSEC_PER_MSEC);
        for (unsigned i = 0; i < 2; i++)
                if (d->is_open[i])
                        called = i;
        assert_true(called < DRIVE_HOSTS);
        drive_bid(d, called);
        drive_message(d, called, DRIVE_COMMIT, BYTES_LIT("\x0a\x01x"));
        assert_int_equal(d->judged[called], VERDICT_MALFORMED);
        for (unsigned i = 0; i < 20 && !d->has_end; i++) { /* the other has commit and rows */
                drive_wait(d, NSEC_PER_SEC);
                if (!d->is_open[1 - called])
                        continue;
                drive_bid(d, 1 - called);
                commit(d, 1 - called);
                serve_as(d, 1 - called, PLAIN);
        }
        assert_false(d->is_verified);
        drive_free(d);
}

TEST_MAIN(cmocka_unit_test(test_plain), cmocka_unit_test(test_claims),
          cmocka_unit_test(test_garbage_while_closing),
          cmocka_unit_test(test_contradiction_with_last_rows),
          cmocka_unit_test(test_values_a_receipt_refuses), cmocka_unit_test(test_false_number),
          cmocka_unit_test(test_packed_rows), cmocka_unit_test(test_fat_rows),
          cmocka_unit_test(test_more_than_the_spool), cmocka_unit_test(test_stale_rows),
          cmocka_unit_test(test_stale_for_ever), cmocka_unit_test(test_rows_of_who_was_let_go),
          cmocka_unit_test(test_rows_of_who_had_signed),
          cmocka_unit_test(test_rubbish_when_called_again))
