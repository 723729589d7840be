#include "common/canonical/answer.h"

#include "common/base/rng.h"
#include "common/canonical/outcome.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

/* Batches as a host would spool them. */
struct spool {
        struct buffer bytes, digests;
        size_t ends[600];
        size_t n;
};

static struct spool *spool_new(void) {
        struct spool *s = xnew(struct spool);

        buffer_init(&s->bytes, 64 << 20);
        buffer_init(&s->digests, 1 << 20);
        return s;
}

static void spool_free(struct spool *s) {
        buffer_done(&s->bytes);
        buffer_done(&s->digests);
        free(s);
}
DEFINE_CLEANUP(struct spool *, spool_free);

static struct bytes spool_batch(const struct spool *s, size_t i) {
        size_t start = i ? s->ends[i - 1] : 0;

        return BYTES(s->bytes.data + start, s->ends[i] - start);
}

static void take_batch(struct answer_builder *b, struct spool *s) {
        struct hash_value digest;

        buffer_put_bytes(&s->bytes, answer_batch(b));
        s->ends[s->n++] = s->bytes.len;
        digest = answer_next(b);
        buffer_put_bytes(&s->digests, hash_bytes(&digest));
}

static struct schema *sample_schema(void) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(schema_vectors[1].bytes);
        struct schema *s;

        assert_int_equal(schema_decode(v, &s), SCHEMA_OK);
        return s;
}

struct sample {
        enum answer_form form;
        unsigned rows, pad;
        const unsigned *order; /* NULL: ascending */
};

static void build(const struct sample *w, const struct schema *schema, struct spool *s,
                  struct answer *ret) {
        struct answer_builder b;
        struct budget budget;

        budget_init(&budget, 64 << 20, NULL);
        answer_begin(&b, w->form, &schema->digest, &(struct answer_limits){}, &budget);
        for (unsigned i = 0; i < w->rows; i++) {
                int result;

                put_sample_row(answer_row(&b), w->order ? w->order[i] : i, w->pad);
                result = answer_end_row(&b);
                assert_true(result == BATCH_OK || result == BATCH_READY);
                if (result == BATCH_READY)
                        take_batch(&b, s);
        }
        if (answer_finish(&b) == BATCH_READY)
                take_batch(&b, s);
        answer_result(&b, ret);
        answer_done(&b);
        assert_int_equal(budget.used, 0);
}

static void check_all(const struct answer *a, const struct schema *schema, const struct spool *s,
                      bool with_digests) {
        struct answer_checker c;
        struct budget budget;

        budget_init(&budget, 64 << 20, NULL);
        answer_check_begin(&c, a, schema, true, &budget);
        if (with_digests)
                assert_int_equal(answer_check_digests(&c, buffer_bytes(&s->digests)), CHECK_OK);
        for (size_t i = 0; i < s->n; i++)
                assert_int_equal(answer_check_batch(&c, spool_batch(s, i)), CHECK_OK);
        assert_int_equal(answer_check_end(&c), CHECK_OK);
        answer_check_done(&c);
        assert_int_equal(budget.used, 0);
}

static void test_vectors(void **state) {
        CLEANUP(schema_freep) struct schema *schema = sample_schema();

        FOREACH_CASE (c, answer_vectors) {
                struct sample sample = { c->form, c->rows, c->pad, NULL };
                CLEANUP(spool_freep) struct spool *s = spool_new();
                struct answer a;

                build(&sample, schema, s, &a);
                assert_int_equal(a.batches, c->batches);
                assert_int_equal(a.rows, c->rows);
                assert_int_equal(a.bytes, c->bytes);
                assert_hex_equal(hash_bytes(&a.sequence_root), c->root);
                assert_hex_equal(hash_bytes(&a.hash), c->answer);
                check_all(&a, schema, s, true);
                check_all(&a, schema, s, false);
        }
}

static void test_errors(void **state) {
        CLEANUP(schema_freep) struct schema *schema = sample_schema();
        struct answer_checker c;
        struct answer a;

        FOREACH_CASE (v, error_vectors) {
                assert_true(answer_of_error(v->code, v->position, &schema->digest, &a));
                assert_hex_equal(hash_bytes(&a.hash), v->answer);
                answer_check_begin(&c, &a, schema, true, NULL);
                assert_int_equal(answer_check_end(&c), CHECK_OK);
                assert_int_equal(answer_check_batch(&c, BYTES_LIT("\x10\x01\x05\x00")),
                                 CHECK_E_BATCH);
                c.want.position++;
                assert_int_equal(answer_check_end(&c), CHECK_E_ANSWER);
                answer_check_done(&c);
        }
        assert_false(answer_of_error(0, 0, &schema->digest, &a));
        assert_false(answer_of_error(_SQL_ERROR_MAX, 0, &schema->digest, &a));
        assert_false(answer_of_error(SQL_DIVISION, 5, &schema->digest, &a));
}

/* Any order of the rows gives the same SET, and another SEQUENCE. */
static void test_permutation(void **state) {
        CLEANUP(schema_freep) struct schema *schema = sample_schema();
        struct sample sorted = { ANSWER_SET, 9000, 40, NULL }, mixed = sorted;
        CLEANUP(spool_freep) struct spool *s = spool_new();
        CLEANUP(spool_freep) struct spool *t = spool_new();
        unsigned order[9000];
        struct answer a, b;
        struct rng r;

        rng_init(&r, 5);
        for (unsigned i = 0; i < 9000; i++) {
                unsigned j = (unsigned) rng_below(&r, i + 1);

                order[i] = order[j];
                order[j] = i;
        }
        mixed.order = order;
        build(&sorted, schema, s, &a);
        build(&mixed, schema, t, &b);
        assert_true(hash_equal(&a.hash, &b.hash));
        assert_false(hash_equal(&a.sequence_root, &b.sequence_root));
        assert_int_equal(a.bytes, b.bytes);

        /* rows of one host against the answer of the other: SET only */
        for (int checked = 0; checked < 2; checked++) {
                struct answer_checker c;

                answer_check_begin(&c, &a, schema, checked, NULL);
                for (size_t i = 0; i < t->n; i++)
                        assert_int_equal(answer_check_batch(&c, spool_batch(t, i)), CHECK_OK);
                assert_int_equal(answer_check_end(&c), checked ? CHECK_E_ROOT : CHECK_OK);
                answer_check_done(&c);
        }
}

/* The first wrong batch is refused on arrival; nothing passes at the end. */
static void test_liars(void **state) {
        CLEANUP(schema_freep) struct schema *schema = sample_schema();
        struct sample sample = { ANSWER_SEQUENCE, 9000, 40, NULL };
        CLEANUP(spool_freep) struct spool *s = spool_new();
        struct answer_checker c;
        struct answer a;

        build(&sample, schema, s, &a);
        assert_int_equal(s->n, 3);
        answer_check_begin(&c, &a, schema, true, NULL);
        assert_int_equal(answer_check_digests(&c, BYTES(s->digests.data, 64)), CHECK_E_DIGESTS);
        assert_int_equal(answer_check_digests(&c, BYTES_NONE), CHECK_E_DIGESTS);
        s->digests.data[5] ^= 1;
        assert_int_equal(answer_check_digests(&c, buffer_bytes(&s->digests)), CHECK_E_DIGESTS);
        s->digests.data[5] ^= 1;
        assert_int_equal(answer_check_digests(&c, buffer_bytes(&s->digests)), CHECK_OK);
        assert_int_equal(answer_check_batch(&c, spool_batch(s, 1)), CHECK_E_BATCH);
        assert_int_equal(answer_check_batch(&c, spool_batch(s, 0)), CHECK_OK);
        s->bytes.data[s->ends[0] + 2] ^= 1;
        assert_int_equal(answer_check_batch(&c, spool_batch(s, 1)), CHECK_E_BATCH);
        assert_int_equal(answer_check_end(&c), CHECK_E_COUNT);
        answer_check_done(&c);

        answer_check_begin(&c, &a, schema, true, NULL);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(answer_check_batch(&c, spool_batch(s, i)), CHECK_OK);
        assert_int_equal(answer_check_end(&c), CHECK_E_ROOT);
        assert_int_equal(answer_check_batch(&c, spool_batch(s, 2)), CHECK_E_BATCH);
        answer_check_done(&c);
}

static void test_bad_batches(void **state) {
        static const struct {
                const char *bytes;
                int want;
        } cases[] = {
                { "", CHECK_E_CELL },
                { "100105", CHECK_E_CELL },            /* half a row */
                { "300161300161", CHECK_E_CELL },      /* TEXT where INTEGER is declared */
                { "10020005300161", CHECK_E_CELL },    /* not minimal */
                { "0000000000000000", CHECK_E_COUNT }, /* four rows of three */
        };
        CLEANUP(schema_freep) struct schema *schema = sample_schema();
        struct answer want = { .form = ANSWER_SET, .rows = 3, .bytes = 100, .batches = 1 };

        FOREACH_CASE (c, cases) {
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                struct answer_checker checker;

                answer_check_begin(&checker, &want, schema, false, NULL);
                assert_int_equal(answer_check_batch(&checker, v), c->want);
                answer_check_done(&checker);
        }
}

static void test_limits(void **state) {
        CLEANUP(schema_freep) struct schema *schema = sample_schema();
        struct answer_limits limits = { .rows = 10 };
        struct answer_builder b;
        struct budget budget;
        int result = BATCH_OK;

        answer_begin(&b, ANSWER_SEQUENCE, &schema->digest, &limits, NULL);
        for (unsigned i = 0; i < 11; i++) {
                assert_int_equal(result, BATCH_OK);
                put_sample_row(answer_row(&b), i, 5);
                result = answer_end_row(&b);
        }
        assert_int_equal(result, BATCH_E_LIMIT);
        answer_done(&b);

        budget_init(&budget, 1000 * HASH_SIZE, NULL);
        answer_begin(&b, ANSWER_SET, &schema->digest, &(struct answer_limits){}, &budget);
        for (unsigned i = 0; result != BATCH_E_BUDGET; i++) {
                assert_in_range(i, 0, 1000);
                put_sample_row(answer_row(&b), i, 5);
                result = answer_end_row(&b);
        }
        answer_done(&b);
        assert_int_equal(budget.used, 0);
}

/* One row more than a SET holds: refused, or a SEQUENCE from there on. */
static void test_beyond_set(void **state) {
        for (int beyond = 0; beyond < 2; beyond++) {
                const struct answer_limits limits = { .sequence_beyond = beyond };
                const struct hash_value schema = {};
                struct answer_builder b;
                struct budget budget;
                struct answer a;
                int result = BATCH_OK;

                budget_init(&budget, (uint64_t) ANSWER_SET_ROWS * HASH_SIZE, NULL);
                answer_begin(&b, ANSWER_SET, &schema, &limits, &budget);
                for (unsigned i = 0; i <= ANSWER_SET_ROWS; i++) {
                        assert_int_equal(result, BATCH_OK);
                        cell_put_integer(answer_row(&b), i);
                        result = answer_end_row(&b);
                        if (result != BATCH_READY)
                                continue;
                        (void) answer_next(&b);
                        result = BATCH_OK;
                }
                assert_int_equal(result, beyond ? BATCH_OK : BATCH_E_SET_ROWS);
                if (beyond) {
                        assert_int_equal(budget.used, 0);
                        assert_int_equal(answer_finish(&b), BATCH_READY);
                        (void) answer_next(&b);
                        answer_result(&b, &a);
                        assert_int_equal(a.form, ANSWER_SEQUENCE);
                        assert_int_equal(a.rows, ANSWER_SET_ROWS + 1);
                }
                answer_done(&b);
                assert_int_equal(budget.used, 0);
        }
}

/* Against a plain sort, with many duplicates and common prefixes. */
static int compare_digests(const void *a, const void *b) {
        return memcmp(a, b, HASH_SIZE);
}

static void test_digest_sort(void **state) {
        enum { N = 20000 };
        struct hash_value *plain = xnew_n(struct hash_value, N), want, got;
        struct digest_set s = {};
        struct rng r;

        rng_init(&r, 77);
        for (int i = 0; i < N; i++) {
                rng_bytes(&r, plain[i].bytes, HASH_SIZE);
                memset(plain[i].bytes, 9, rng_below(&r, 33));
                assert_int_equal(digest_set_add(&s, &plain[i]), BATCH_OK);
        }
        qsort(plain, N, sizeof(*plain), compare_digests);
        want = hash_of("quorate.set.1", BYTES(plain, N * HASH_SIZE));
        got = digest_set_hash(&s);
        assert_true(hash_equal(&want, &got));
        assert_memory_equal(plain, s.digests, N * HASH_SIZE);
        digest_set_done(&s);
        free(plain);
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_errors),
          cmocka_unit_test(test_permutation), cmocka_unit_test(test_liars),
          cmocka_unit_test(test_bad_batches), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_beyond_set), cmocka_unit_test(test_digest_sort))
