/* Answers that are kept: what they are kept under, what becomes of a file that was changed, and
 * when a job gets one, or is asked anew. */

#include "services/coordinator/cached.h"

#include <stdlib.h>

#include "common/canonical/outcome.h"
#include "common/canonical/qrows.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/grid.pb-c.h"
#include "tests/fuzz/requester_drive.h"
#include "tests/support/test.h"

#define ROWS 5

/* ---- The key ---- */

/* A question with something in each field; each case changes one byte of it. */
struct asked {
        struct descriptor d;
        uint8_t schema[64];
        char *wanted[2];
        struct bytes hosts[2];
        struct cached_question q;
};

static void ask_something(struct asked *a) {
        static struct buffer schema;
        static const uint8_t parameter[] = { 0x10, 1, 7 };
        static char one[] = "sqlite";

        *a = (struct asked){};
        if (!schema.len) {
                buffer_init(&schema, 64);
                schema_begin(&schema, 1);
                schema_put_name(&schema, BYTES_LIT("n"));
                schema_put_type(&schema, CELL_INTEGER);
        }
        memcpy(a->schema, schema.data, schema.len);
        a->d = (struct descriptor){ .requester = BYTES_LIT("\0\x24\x08\x01\x12\x20"
                                                           "0123456789abcdef0123456789abcdef"),
                                    .query = query_hash(BYTES_LIT("SELECT n FROM t")),
                                    .n_parameters = 1,
                                    .parameters = BYTES_OF(parameter),
                                    .comparison = COMPARISON_ENGINE,
                                    .n_classes = 2,
                                    .classes = { BYTES_LIT("sqlite/1/a"), BYTES_LIT("sqlite/2/b") },
                                    .n_datasets = 1,
                                    .limits = { 1, 2, 3, 4, 5 },
                                    .schema = BYTES(a->schema, schema.len),
                                    .network = BYTES_LIT("net"),
                                    .data_class = DATA_PUBLIC };
        a->d.datasets[0] = (struct descriptor_dataset){ .name = BYTES_LIT("main") };
        a->wanted[0] = one;
        a->hosts[0] = BYTES_LIT("host");
        a->q = (struct cached_question){ .rule = { MODE_QUORUM, 3, 2, 7, 1 },
                                         .independence = true,
                                         .class_name = "EXACT",
                                         .engine = "sqlite/1/a",
                                         .wanted = a->wanted,
                                         .n_wanted = 1,
                                         .hosts = a->hosts,
                                         .n_hosts = 1 };
}

static struct hash_value key_of(struct asked *a) {
        CLEANUP(buffer_donep) struct buffer b = {};
        const char *field = "";
        struct hash_value key;

        buffer_init(&b, DESCRIPTOR_BYTES_MAX);
        if (descriptor_encode(&a->d, &b, &field) != DESCRIPTOR_OK)
                fail_msg("no descriptor: %s", field);
        a->q.descriptor = buffer_bytes(&b);
        assert_true(cached_key(&a->q, &key));
        return key;
}

static void test_key_misses(void **state) {
        struct asked *a = xnew(struct asked);
        struct hash_value was, key;

        ask_something(a);
        was = key_of(a);
#define CHANGED(change)                               \
        do {                                          \
                ask_something(a);                     \
                change;                               \
                key = key_of(a);                      \
                assert_false(hash_equal(&was, &key)); \
        } while (0)
        CHANGED(a->d.requester = BYTES_LIT("\0\x24\x08\x01\x12\x20"
                                           "0123456789abcdef0123456789abcdeF"));
        CHANGED(a->d.query = query_hash(BYTES_LIT("SELECT n FROM t ")));
        CHANGED(a->d.parameters = BYTES_LIT("\x10\1\x8"));
        CHANGED(a->d.comparison = COMPARISON_CLASS);
        CHANGED(a->d.classes[1] = BYTES_LIT("sqlite/2/c"));
        CHANGED(a->d.n_classes = 1);
        CHANGED(a->d.datasets[0].root.bytes[31] = 1);
        CHANGED(a->d.datasets[0].name = BYTES_LIT("mainn"));
        CHANGED(a->d.limits.rows = 2);
        CHANGED(a->d.limits.wall_ms = 6);
        CHANGED(a->schema[a->d.schema.len - 2] ^= 1); /* the name of the column */
        CHANGED(a->d.ordered = true);
        CHANGED(a->d.network = BYTES_LIT("other"));
        CHANGED(a->d.data_class = DATA_INTERNAL);
        CHANGED(a->q.rule.mode = MODE_UNANIMOUS);
        CHANGED(a->q.rule.replicas = 4);
        CHANGED(a->q.rule.quorum = 3);
        CHANGED(a->q.rule.max_replicas = 8);
        CHANGED(a->q.rule.engines = 2);
        CHANGED(a->q.independence = false);
        CHANGED(a->q.class_name = "FLOAT");
        CHANGED(a->q.engine = "sqlite/1/b");
        CHANGED(a->q.n_wanted = 0);
        CHANGED(a->hosts[0] = BYTES_LIT("hosT"));
        CHANGED(a->q.n_hosts = 0);
        free(a);
}

static void test_key_hits(void **state) {
        struct asked *a = xnew(struct asked);
        struct hash_value was, key;

        ask_something(a);
        was = key_of(a);
#define SAME(change)                                 \
        do {                                         \
                ask_something(a);                    \
                change;                              \
                key = key_of(a);                     \
                assert_true(hash_equal(&was, &key)); \
        } while (0)
        SAME(a->d.nonce[0] = 1);
        SAME(a->d.seed[31] = 1);
        SAME(a->d.time_us = 1790000000000000);
        SAME((a->d.classes[0] = BYTES_LIT("sqlite/2/b"),
              a->d.classes[1] = BYTES_LIT("sqlite/1/a")));
        a->q.descriptor = BYTES_LIT("no descriptor");
        assert_false(cached_key(&a->q, &key));
        free(a);
}

/* ---- Jobs ---- */

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static unsigned source_of(const struct drive *d) {
        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                struct reader r = reader_of(buffer_bytes(&d->sent[i]));

                while (reader_left(&r) > 0) {
                        CLEANUP(unpacked_donep) struct unpacked u = {};
                        const Grid__JobMessage *m;

                        assert_int_equal(wire_unpack(&grid__job_message__descriptor,
                                                     reader_prefixed(&r), NULL, &u),
                                         UNPACK_OK);
                        m = u.message;
                        if (m->body_case == GRID__JOB_MESSAGE__BODY_ROWS)
                                return i;
                }
        }
        fail_msg("nobody is asked for rows");
        return 0;
}

static void serve(struct drive *d, unsigned host) {
        Grid__Digests digests = GRID__DIGESTS__INIT;
        Grid__Batch batch = GRID__BATCH__INIT;
        Grid__RowsEnd end = GRID__ROWS_END__INIT;

        digests.digests = binary(hash_bytes(&d->digest));
        batch.length = d->batch.len;
        batch.data = binary(buffer_bytes(&d->batch));
        end.batches = 1;
        drive_packed(d, host, DRIVE_DIGESTS, &digests.base);
        drive_packed(d, host, DRIVE_BATCH, &batch.base);
        drive_packed(d, host, DRIVE_END, &end.base);
}

static void commit(struct drive *d, unsigned host, const struct answer *a) {
        CLEANUP(buffer_donep) struct buffer b = {};

        assert_true(drive_commit_to(d, host, a, 0, &b));
        drive_message(d, host, DRIVE_COMMIT, buffer_bytes(&b));
}

static void bid_all(struct drive *d) {
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                drive_bid(d, i);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        assert_true(d->descriptor.len > 0);
}

/* The grid answers it: all three alike, but for `dissenter`, from 1. */
static void answer(struct drive *d, unsigned dissenter) {
        struct answer other;

        drive_rows(d, ROWS);
        other = d->truth;
        other.hash.bytes[0] ^= 1;
        bid_all(d);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                if (i + 1 != dissenter)
                        commit(d, i, &d->truth);
        if (dissenter)
                commit(d, dissenter - 1, &other);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        serve(d, source_of(d));
        assert_string_equal(d->state, "VERIFIED");
}

/* A file as it is kept; the caller's. */
static struct refbuf *keep_one(void) {
        struct drive *d = drive_new_kept(&(struct drive_kept){ .cache = "on" });
        struct refbuf *file;

        assert_int_equal(d->n_finds, 1);
        answer(d, 0);
        assert_non_null(d->keeps);
        assert_int_equal(d->keep_how, 0);
        file = refbuf_ref(d->keeps);
        drive_free(d);
        return file;
}

static void test_served(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_one();
        struct drive *d = drive_new_kept(&(struct drive_kept){
                .cache = "on", .file = refbuf_bytes(file), .later_us = 3600 * INT64_C(1000000) });

        assert_string_equal(d->state, "CACHED");
        assert_int_equal(d->problem, 0);
        assert_int_equal(d->rows, ROWS);
        assert_int_equal(d->batches, 1);
        assert_int_equal(d->agreement, 3);
        assert_int_equal(d->quorum, 2);
        assert_int_equal(d->n_hosts, 3);
        assert_true(d->age_us > 3599 * UINT64_C(1000000) && d->age_us < 3601 * UINT64_C(1000000));
        assert_memory_equal(&d->cached_job, &d->receipt_of, HASH_SIZE);
        assert_null(d->keeps);
        assert_int_equal(d->n_drops, 0);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                assert_int_equal(d->sent[i].len, 0); /* nobody was asked */
        drive_attach(d);
        assert_true(d->has_end);
        assert_string_equal(d->state, "CACHED");
        assert_int_equal(d->batches, 2); /* once more from the first */
        drive_free(d);
}

/* What is there, and may not be given: it goes, unless that rests on what hosts claim alone, and
 * the grid is asked. */
static void test_not_given(void **state) {
        static const struct {
                const char *what;
                struct drive_kept kept;
                bool stays;
        } cases[] = {
                { "a proved liar signed it", { .cache = "on", .liar = 2 } },
                { "a denied host signed it", { .cache = "on", .denied = 3 } },
                { "its hosts are one voter", { .cache = "on", .is_one_subnet = true }, true },
                { "it is too old", { .cache = "on", .later_us = 25 * 3600 * INT64_C(1000000) } },
                { "it is of the future", { .cache = "on", .later_us = -3600 * INT64_C(1000000) } },
                { "another class of data", { .cache = "on", .data_class = "internal" } },
        };
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_one();

        FOREACH_CASE (c, cases) {
                struct drive_kept kept = c->kept;
                struct drive *d;

                kept.file = refbuf_bytes(file);
                d = drive_new_kept(&kept);
                print_message("# %s: %s\n", c->what, d->state);
                assert_int_equal(d->n_finds, 1);
                assert_int_equal(d->n_drops, !c->stays);
                assert_string_not_equal(d->state, "CACHED");
                drive_free(d);
        }
}

/* What is not even looked for, and what is not kept. */
static void test_not_looked_for(void **state) {
        static const struct {
                const char *what;
                struct drive_kept kept;
                bool keeps;
        } cases[] = {
                { "as configured: off", { .cache = "" }, false },
                { "asked anew", { .cache = "off" }, true },
                { "time or seed are in it", { .cache = "on", .sees_job = true }, false },
                { "sensitive", { .cache = "on", .data_class = "sensitive" }, false },
        };
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_one();

        FOREACH_CASE (c, cases) {
                struct drive_kept kept = c->kept;
                struct drive *d;

                kept.file = refbuf_bytes(file);
                d = drive_new_kept(&kept);
                print_message("# %s\n", c->what);
                assert_int_equal(d->n_finds, 0);
                answer(d, 0);
                assert_int_equal(d->keeps != NULL, c->keeps);
                assert_int_equal(d->keep_how, c->keeps ? ANSWER_ONLY_ANEW : 0);
                drive_free(d);
        }
}

/* It is VERIFIED all the same where two lead one by the quorum. */
static void test_dissent_is_not_kept(void **state) {
        for (unsigned dissenter = 0; dissenter <= DRIVE_HOSTS; dissenter++) {
                struct drive *d =
                        drive_new_kept(&(struct drive_kept){ .cache = "on", .quorum = 1 });

                answer(d, dissenter);
                assert_string_equal(d->state, "VERIFIED");
                assert_int_equal(d->keeps != NULL, dissenter == 0);
                drive_free(d);
        }
}

/* All agree on it, and yet the next one asks anew. */
static void test_error_is_not_kept(void **state) {
        struct drive *d = drive_new_kept(&(struct drive_kept){ .cache = "on" });

        bid_all(d);
        assert_true(answer_of_error(SQL_ENCODING, 0, &d->schema->digest, &d->truth));
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i, &d->truth);
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_true(d->has_end);
        assert_int_equal(d->problem, OUTCOME_SQL_ERROR);
        assert_string_equal(d->error_state, "VERIFIED");
        assert_null(d->keeps);
        drive_free(d);
}

static void seal(struct refbuf *file) {
        struct reader r = reader_of(refbuf_bytes(file));
        struct hash_value sum;
        uint8_t *receipt;
        uint32_t n;

        (void) reader_take(&r, 5);
        n = reader_u32(&r);
        if (n < HASH_SIZE || n > reader_left(&r))
                return;
        receipt = file->data + 9;
        sum = hash_of("quorate.rcpt.1", BYTES(receipt, n - HASH_SIZE));
        memcpy(receipt + n - HASH_SIZE, sum.bytes, HASH_SIZE);
}

/* The question that keep_one() answers, but for its descriptor: a view of the receipt's. */
static struct cached_question question_of(struct refbuf *file, struct cached_answer *answer) {
        struct cached_question q = { .rule = { MODE_QUORUM, 3, 2, 7, 1 },
                                     .independence = true,
                                     .class_name = "EXACT",
                                     .engine = "sim/1/model" };
        const struct hash_value no_key = {};

        assert_int_equal(cached_check(refbuf_bytes(file), &q, &no_key, answer), CACHED_E_OTHER);
        q.descriptor = answer->report.receipt.descriptor;
        return q;
}

/* Any byte of the file, and any length but its own: it is not given. */
static void test_every_byte(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_one();
        CLEANUP(freep) struct cached_answer *answer = xnew(struct cached_answer);
        struct cached_question q = question_of(file, answer);
        CLEANUP(freep) uint8_t *descriptor = xmemdup(q.descriptor.data, q.descriptor.len);
        struct hash_value key;

        q.descriptor.data = descriptor; /* the file's own is changed below */
        assert_true(cached_key(&q, &key));
        assert_int_equal(cached_check(refbuf_bytes(file), &q, &key, answer), CACHED_OK);
        assert_int_equal(answer->n_rows, ROWS);
        for (size_t i = 0; i < file->len * 2; i++) {
                bool is_sealed = i % 2;

                file->data[i / 2] ^= 1;
                if (is_sealed) /* somebody computes the receipt's checksum anew */
                        seal(file);
                if (cached_check(refbuf_bytes(file), &q, &key, answer) == CACHED_OK)
                        fail_msg("byte %zu is covered by no check", i / 2);
                file->data[i / 2] ^= 1;
                if (is_sealed)
                        seal(file);
        }
        for (size_t n = 0; n < file->len; n++) {
                assert_int_not_equal(cached_check(BYTES(file->data, n), &q, &key, answer),
                                     CACHED_OK);
                assert_non_null(answer->fault); /* what the log says */
        }
        (void) cached_check(BYTES(file->data, 5), &q, &key, answer);
        assert_string_equal(answer->fault, "it is cut short, or no kept answer at all");
        assert_null(answer->check);
        file->data[60] ^= 1;
        (void) cached_check(refbuf_bytes(file), &q, &key, answer);
        assert_string_equal(answer->fault, "its receipt does not verify");
        assert_string_equal(answer->check, "checksum");
        file->data[60] ^= 1;
}

/* A good receipt under the key of another question, or checked by other rules. */
static void test_other_question(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_one();
        CLEANUP(freep) struct cached_answer *answer = xnew(struct cached_answer);
        const struct cached_question plain = question_of(file, answer);
        const struct bytes stranger = BYTES_LIT("somebody else");
        struct cached_question q;
        struct hash_value key;

#define OTHER(change)                                                                \
        do {                                                                         \
                q = plain;                                                           \
                change;                                                              \
                assert_true(cached_key(&q, &key));                                   \
                assert_int_equal(cached_check(refbuf_bytes(file), &q, &key, answer), \
                                 CACHED_E_OTHER);                                    \
        } while (0)
        OTHER(q.rule.mode = MODE_UNANIMOUS);
        OTHER(q.rule.replicas = 4);
        OTHER(q.rule.quorum = 3);
        OTHER(q.rule.engines = 2);
        OTHER(q.rule.max_replicas = 2); /* three have voted */
        OTHER((q.hosts = &stranger, q.n_hosts = 1));
        q = plain;
        assert_true(cached_key(&q, &key));
        assert_int_equal(cached_check(refbuf_bytes(file), &q, &key, answer), CACHED_OK);
        key.bytes[0] ^= 1;
        assert_int_equal(cached_check(refbuf_bytes(file), &q, &key, answer), CACHED_E_OTHER);
        assert_non_null(strstr(answer->fault, "another question"));
}

/* As earlier builds kept it. */
static struct refbuf *keep_error(void) {
        struct drive *d = drive_new_kept(&(struct drive_kept){ .cache = "on" });
        CLEANUP(buffer_donep) struct buffer file = {}, rows = {};
        struct qrows_writer w;

        buffer_init(&file, 1 << 20);
        buffer_init(&rows, 1 << 10);
        bid_all(d);
        assert_true(answer_of_error(SQL_ENCODING, 0, &d->schema->digest, &d->truth));
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit(d, i, &d->truth);
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_non_null(d->receipt);
        cached_begin_file(refbuf_bytes(d->receipt), false, &file);
        qrows_begin(&w, d->schema->encoded, &rows);
        qrows_end(&w, &rows);
        buffer_put_bytes(&file, buffer_bytes(&rows));
        drive_free(d);
        return refbuf_new(buffer_bytes(&file));
}

/* It is as good as any by its receipt and its (no) rows, and is not given for all that. */
static void test_error_is_not_given(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *file = keep_error();
        CLEANUP(freep) struct cached_answer *answer = xnew(struct cached_answer);
        struct cached_question q = question_of(file, answer);
        struct hash_value key;
        struct drive *d;

        assert_true(cached_key(&q, &key));
        assert_int_equal(cached_check(refbuf_bytes(file), &q, &key, answer), CACHED_E_OTHER);
        assert_non_null(strstr(answer->fault, "an error"));
        d = drive_new_kept(&(struct drive_kept){ .cache = "on", .file = refbuf_bytes(file) });
        assert_int_equal(d->n_finds, 1);
        assert_int_equal(d->n_drops, 1);
        assert_string_not_equal(d->state, "CACHED");
        drive_free(d);
}

TEST_MAIN(cmocka_unit_test(test_key_misses), cmocka_unit_test(test_key_hits),
          cmocka_unit_test(test_served), cmocka_unit_test(test_not_given),
          cmocka_unit_test(test_not_looked_for), cmocka_unit_test(test_dissent_is_not_kept),
          cmocka_unit_test(test_error_is_not_kept), cmocka_unit_test(test_error_is_not_given),
          cmocka_unit_test(test_every_byte), cmocka_unit_test(test_other_question))
