#include "common/canonical/receipt.h"

#include "common/canonical/qrows.h"
#include "common/wire/peerid.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

/* The receipt of the vectors: three hosts, the first two counted, the third inconclusive
 * with another answer and no voter of its own. Keys are those of make_vectors.py. */
struct fixture {
        struct bytes file, rows;
        struct receipt_report report;
        struct buffer changed; /* a receipt or rows made from it */
        struct signature signatures[8];
        size_t n_signatures;
        struct buffer statements[8];
};

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);

        f->file = from_hex(receipt_vector[0].file);
        f->rows = from_hex(receipt_vector[0].rows);
        buffer_init(&f->changed, RECEIPT_BYTES_MAX);
        for (size_t i = 0; i < ELEMENTSOF(f->statements); i++)
                buffer_init(&f->statements[i], STATEMENT_BYTES_MAX);
        receipt_verify(f->file, f->rows, &f->report);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        bytes_freep(&f->file);
        bytes_freep(&f->rows);
        buffer_done(&f->changed);
        for (size_t i = 0; i < ELEMENTSOF(f->statements); i++)
                buffer_done(&f->statements[i]);
        free(f);
        return 0;
}

static void test_good(void **state) {
        struct fixture *f = *state;
        struct verdict_statement verdict;

        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++) {
                print_message("# %s: %s\n", receipt_check_name(i), f->report.checks[i].detail);
                assert_int_equal(f->report.checks[i].status, CHECK_PASSED);
        }
        assert_true(f->report.valid);
        assert_int_equal(f->report.agreement, 2);
        assert_int_equal(f->report.quorum, 2);
        assert_int_equal(f->report.replicas, 3);
        assert_int_equal(f->report.state, STATE_VERIFIED);
        assert_int_equal(f->report.answer->rows, 300);
        assert_true(receipt_verdict(&f->report, 1, &verdict));
        assert_bytes_equal(verdict.voter_group, BYTES_LIT("192.0.1.0/24"));
        assert_true(receipt_encode(&f->report.receipt, &f->changed));
        assert_bytes_equal(buffer_bytes(&f->changed), f->file);

        receipt_verify(f->file, BYTES_NONE, &f->report);
        assert_true(f->report.valid);
        assert_int_equal(f->report.checks[RECEIPT_ROWS].status, CHECK_SKIPPED);
}

/* Every byte, two ways; every truncation; one byte more. */
static void test_every_byte(void **state) {
        struct fixture *f = *state;
        uint8_t *p = (uint8_t *) f->file.data;

        for (size_t i = 0; i < f->file.len * 2; i++) {
                uint8_t mask = i % 2 ? 0x80 : 0x01;

                p[i / 2] ^= mask;
                receipt_verify(f->file, BYTES_NONE, &f->report);
                assert_false(f->report.valid);
                assert_int_equal(receipt_first_failure(&f->report), RECEIPT_CHECKSUM);
                p[i / 2] ^= mask;
        }
        for (size_t n = 0; n < f->file.len; n++) {
                receipt_verify(BYTES(p, n), BYTES_NONE, &f->report);
                assert_false(f->report.valid);
        }
        buffer_put_bytes(&f->changed, f->file);
        buffer_put_u8(&f->changed, 0);
        receipt_verify(buffer_bytes(&f->changed), BYTES_NONE, &f->report);
        assert_int_equal(receipt_first_failure(&f->report), RECEIPT_CHECKSUM);
}

/* The same by somebody who computes the checksum anew: no byte is uncovered. */
static void test_every_byte_resealed(void **state) {
        struct fixture *f = *state;
        size_t len = f->file.len - HASH_SIZE;
        uint8_t *p = (uint8_t *) f->file.data;

        for (size_t i = 0; i < len * 2; i++) { /* by 2 as well: of 0 and 1 that is neither */
                uint8_t mask = i % 2 ? 2 : 1;
                struct hash_value sum;

                p[i / 2] ^= mask;
                sum = hash_of("quorate.rcpt.1", BYTES(p, len));
                memcpy(p + len, sum.bytes, HASH_SIZE);
                receipt_verify(f->file, BYTES_NONE, &f->report);
                p[i / 2] ^= mask;
                if (f->report.valid)
                        fail_msg("byte %zu is covered by no check", i / 2);
                assert_int_not_equal(receipt_first_failure(&f->report), RECEIPT_CHECKSUM);
        }
}

static enum receipt_check first_failure(struct fixture *f, const struct receipt *changed) {
        buffer_clear(&f->changed);
        assert_true(receipt_encode(changed, &f->changed));
        receipt_verify(buffer_bytes(&f->changed), BYTES_NONE, &f->report);
        return receipt_first_failure(&f->report);
}

static void test_swaps(void **state) {
        struct fixture *f = *state;
        const struct receipt good = f->report.receipt;
        struct receipt r;

#define SWAP(x, y)                         \
        do {                               \
                __typeof__(x) held_ = (x); \
                (x) = (y);                 \
                (y) = held_;               \
        } while (0)
#define CHANGED(check, change)                                 \
        do {                                                   \
                r = good;                                      \
                change;                                        \
                assert_int_equal(first_failure(f, &r), check); \
        } while (0)
        CHANGED(_RECEIPT_CHECK_MAX, (void) 0);
        CHANGED(RECEIPT_COMMIT, SWAP(r.hosts[0].commit_signature, r.hosts[1].commit_signature));
        CHANGED(RECEIPT_DISPATCH,
                SWAP(r.hosts[0].dispatch_signature, r.hosts[1].dispatch_signature));
        CHANGED(RECEIPT_VERDICT, SWAP(r.hosts[0].verdict_signature, r.hosts[1].verdict_signature));
        CHANGED(RECEIPT_COMMIT, r.hosts[0].commit_signature = r.hosts[0].dispatch_signature);
        CHANGED(RECEIPT_DISPATCH, SWAP(r.hosts[0].key, r.hosts[1].key));
        CHANGED(RECEIPT_DESCRIPTOR, r.requester = r.hosts[0].key);
        CHANGED(RECEIPT_QUERY, r.sql = BYTES_LIT("SELECT 1"));
        CHANGED(RECEIPT_TAGS, r.hosts[0].answer.rows++);
        CHANGED(RECEIPT_TAGS, r.hosts[0].answer.sequence_root.bytes[0]++);
        CHANGED(RECEIPT_TAGS, r.hosts[0].answer = r.hosts[2].answer);
        CHANGED(RECEIPT_TAGS, r.hosts[0].answer.error = 1);
        CHANGED(RECEIPT_VERDICTS_AGREE, r.hosts[2].counted = true); /* it is `inconclusive` */
        CHANGED(RECEIPT_VERDICTS_AGREE,
                r.hosts[1].verdict = r.hosts[1].verdict_signature = BYTES_NONE);
        CHANGED(RECEIPT_VERDICTS_AGREE, r.n_hosts = 0);
        CHANGED(RECEIPT_VERDICTS_AGREE, r.n_hosts = 1); /* rests on the other's commit */
        CHANGED(RECEIPT_QUORUM, r.hosts[1].counted = false);
        CHANGED(RECEIPT_DISTINCT_VOTERS, r.hosts[2] = r.hosts[1]);
}

static void sign_as(struct fixture *f, uint8_t seed_byte, struct bytes v, struct bytes *ret) {
        struct signature *signature = &f->signatures[f->n_signatures++];
        struct sign_public public;
        struct sign_secret secret;
        uint8_t seed[SIGN_SEED_SIZE];

        memset(seed, seed_byte, sizeof(seed));
        sign_keypair(seed, &secret, &public);
        *signature = sign_make(&secret, v);
        *ret = signature_bytes(signature);
}

/* Replaces the verdict of host i by one that the requester signs as well. */
static void judge(struct fixture *f, struct receipt_host *h, const struct verdict_statement *s) {
        struct buffer *b = &f->statements[f->n_signatures];

        assert_int_equal(verdict_encode(s, b), STATEMENT_OK);
        h->verdict = buffer_bytes(b);
        sign_as(f, 7, h->verdict, &h->verdict_signature);
}

static void test_requester_lies(void **state) {
        struct fixture *f = *state;
        const struct receipt good = f->report.receipt;
        struct verdict_statement verdict;
        struct receipt r;

        /* two hosts of one subnet count as two */
        assert_true(receipt_verdict(&f->report, 1, &verdict));
        verdict.voter_group = BYTES_LIT("192.0.0.0/24");
        r = good;
        judge(f, &r.hosts[1], &verdict);
        assert_int_equal(first_failure(f, &r), RECEIPT_DISTINCT_VOTERS);

        /* one verdict tells another quorum */
        verdict.voter_group = BYTES_LIT("192.0.9.0/24");
        verdict.quorum = 1;
        r = good;
        judge(f, &r.hosts[1], &verdict);
        assert_int_equal(first_failure(f, &r), RECEIPT_VERDICTS_AGREE);

        /* counted although its answer is another one */
        r = good;
        receipt_verify(f->file, BYTES_NONE, &f->report);
        assert_true(receipt_verdict(&f->report, 2, &verdict));
        verdict.verdict = VERDICT_CORRECT;
        verdict.voter_group = BYTES_LIT("192.0.2.0/24");
        r.hosts[2].counted = true;
        judge(f, &r.hosts[2], &verdict);
        assert_int_equal(first_failure(f, &r), RECEIPT_EQUAL_ANSWERS);

        /* a dissenter of its own: the answer leads by one, two are needed, whatever the verdict */
        r.hosts[2].counted = false;
        for (unsigned v = VERDICT_INCORRECT; v < _VERDICT_MAX; v++) {
                verdict.verdict = (enum verdict) v;
                f->n_signatures = 3;
                buffer_clear(&f->statements[3]);
                judge(f, &r.hosts[2], &verdict);
                assert_int_equal(first_failure(f, &r), RECEIPT_QUORUM);
        }
        r.hosts[2].verdict = r.hosts[2].verdict_signature = BYTES_NONE;
        assert_int_equal(first_failure(f, &r), RECEIPT_QUORUM);
}

/* Not even where all who answered agree: a fast run asked one, and then perhaps others. */
static void test_fast_is_never_verified(void **state) {
        static const struct {
                enum result_state state;
                enum receipt_check fails;
        } cases[] = {
                { STATE_VERIFIED, RECEIPT_QUORUM },
                { STATE_TRUSTED, _RECEIPT_CHECK_MAX },
                { STATE_UNVERIFIED, _RECEIPT_CHECK_MAX },
        };
        struct fixture *f = *state;
        struct verdict_statement verdicts[3];
        struct receipt r = f->report.receipt;

        for (size_t i = 0; i < 3; i++)
                assert_true(receipt_verdict(&f->report, i, &verdicts[i]));
        FOREACH_CASE (c, cases) {
                f->n_signatures = 0;
                for (size_t i = 0; i < ELEMENTSOF(f->statements); i++)
                        buffer_clear(&f->statements[i]);
                for (size_t i = 0; i < 3; i++) {
                        verdicts[i].mode = MODE_FAST;
                        verdicts[i].state = c->state;
                        verdicts[i].verdict =
                                c->state == STATE_VERIFIED ? VERDICT_CORRECT : VERDICT_INCONCLUSIVE;
                        judge(f, &r.hosts[i], &verdicts[i]);
                }
                assert_int_equal(first_failure(f, &r), c->fails);
        }
}

/* A fourth host that dissents like the third. */
static void add_dissenter(struct fixture *f, struct receipt *r) {
        struct receipt_host *h = &r->hosts[r->n_hosts++];
        struct buffer *dispatch_bytes = &f->statements[f->n_signatures];
        struct buffer *commit_bytes = &f->statements[f->n_signatures + 1];
        struct dispatch_statement dispatch;
        struct commit_statement commit;
        struct sign_secret secret;
        struct peer_id host;
        uint8_t seed[SIGN_SEED_SIZE];

        memset(seed, 24, sizeof(seed));
        *h = r->hosts[2];
        sign_keypair(seed, &secret, &h->key);
        host = peer_id_from_ed25519(&h->key);
        assert_int_equal(dispatch_decode(h->dispatch, &dispatch), STATEMENT_OK);
        assert_int_equal(commit_decode(h->commit, &commit), STATEMENT_OK);
        dispatch.host = commit.host = peer_id_bytes(&host);
        assert_int_equal(dispatch_encode(&dispatch, dispatch_bytes), STATEMENT_OK);
        assert_int_equal(commit_encode(&commit, commit_bytes), STATEMENT_OK);
        h->dispatch = buffer_bytes(dispatch_bytes);
        h->commit = buffer_bytes(commit_bytes);
        sign_as(f, 7, h->dispatch, &h->dispatch_signature);
        sign_as(f, 24, h->commit, &h->commit_signature);
}

/* Quorum 1, two for the answer: two dissenters of one group are one voter
 * against it, of two groups two. */
static void test_dissenters_of_one_group(void **state) {
        struct fixture *f = *state;
        const struct receipt good = f->report.receipt;
        struct verdict_statement verdicts[4];
        struct receipt r;

        for (size_t i = 0; i < 3; i++) {
                assert_true(receipt_verdict(&f->report, i, &verdicts[i]));
                verdicts[i].quorum = 1;
        }
        verdicts[2].verdict = VERDICT_INCORRECT;
        verdicts[2].voter_group = BYTES_LIT("192.0.2.0/24");
        verdicts[3] = verdicts[2];
        for (int same = 0; same < 2; same++) {
                struct peer_id host;

                f->n_signatures = 0;
                for (size_t i = 0; i < ELEMENTSOF(f->statements); i++)
                        buffer_clear(&f->statements[i]);
                r = good;
                add_dissenter(f, &r);
                host = peer_id_from_ed25519(&r.hosts[3].key);
                verdicts[3].host = peer_id_bytes(&host);
                verdicts[3].voter_group = same ? verdicts[2].voter_group : BYTES_LIT("another");
                for (size_t i = 0; i < 4; i++)
                        judge(f, &r.hosts[i], &verdicts[i]);
                assert_int_equal(first_failure(f, &r), same ? _RECEIPT_CHECK_MAX : RECEIPT_QUORUM);
        }
}

/* The third host's second run gives the answer of the others. */
static void add_recheck(struct fixture *f, struct receipt *r) {
        struct receipt_host *h = &r->hosts[r->n_hosts++];
        struct hash_value salt = job_salt(r->descriptor);
        struct dispatch_statement dispatch;
        struct commit_statement commit;
        struct buffer *b;

        *h = r->hosts[2];
        h->answer = r->hosts[0].answer;
        h->counted = true;
        assert_int_equal(dispatch_decode(h->dispatch, &dispatch), STATEMENT_OK);
        assert_int_equal(commit_decode(h->commit, &commit), STATEMENT_OK);
        dispatch.run = commit.run = 1;
        commit.answer_tag = answer_tag(&salt, &h->answer);
        commit.result_tag = answer_result_tag(&salt, &h->answer);
        b = &f->statements[f->n_signatures];
        assert_int_equal(dispatch_encode(&dispatch, b), STATEMENT_OK);
        h->dispatch = buffer_bytes(b);
        sign_as(f, 7, h->dispatch, &h->dispatch_signature);
        b = &f->statements[f->n_signatures];
        assert_int_equal(commit_encode(&commit, b), STATEMENT_OK);
        h->commit = buffer_bytes(b);
        sign_as(f, 23, h->commit, &h->commit_signature);
}

/* Unanimous: a dissent that did not stand is counted by its second run, with both runs
 * here and the verdict `hardware`; in no other mode, and under no other verdict. */
static void test_recheck(void **state) {
        static const struct {
                enum query_mode mode;
                enum verdict verdict;
                bool first_run_is_here;
                enum receipt_check fails;
        } cases[] = {
                { MODE_UNANIMOUS, VERDICT_HARDWARE, true, _RECEIPT_CHECK_MAX },
                { MODE_UNANIMOUS, VERDICT_CORRECT, true, RECEIPT_VERDICTS_AGREE },
                { MODE_UNANIMOUS, VERDICT_HARDWARE, false, RECEIPT_VERDICTS_AGREE },
                { MODE_QUORUM, VERDICT_HARDWARE, true, RECEIPT_VERDICTS_AGREE },
        };
        struct fixture *f = *state;
        const struct receipt good = f->report.receipt;
        struct verdict_statement verdicts[3];

        for (size_t i = 0; i < 3; i++)
                assert_true(receipt_verdict(&f->report, i, &verdicts[i]));
        verdicts[2].voter_group = BYTES_LIT("192.0.2.0/24");
        FOREACH_CASE (c, cases) {
                struct receipt r = good;

                f->n_signatures = 0;
                for (size_t i = 0; i < ELEMENTSOF(f->statements); i++)
                        buffer_clear(&f->statements[i]);
                add_recheck(f, &r);
                verdicts[2].verdict = c->verdict;
                for (size_t i = 0; i < 3; i++) {
                        verdicts[i].mode = c->mode;
                        verdicts[i].quorum = 3;
                        judge(f, &r.hosts[i == 2 ? 3 : i], &verdicts[i]);
                }
                r.hosts[2].verdict = r.hosts[2].verdict_signature = BYTES_NONE;
                if (!c->first_run_is_here)
                        r.hosts[2] = r.hosts[--r.n_hosts];
                assert_int_equal(first_failure(f, &r), c->fails);
        }
}

/* The host signs what its answer has become; the verdicts rest on that commit. */
static void commit_anew(struct fixture *f, struct receipt_host *h, uint8_t seed_byte,
                        struct verdict_statement verdicts[2]) {
        struct hash_value salt = job_salt(f->report.receipt.descriptor), now;
        struct hash_value was = statement_digest(h->commit);
        struct buffer *b = &f->statements[f->n_signatures];
        struct commit_statement commit;

        assert_int_equal(commit_decode(h->commit, &commit), STATEMENT_OK);
        commit.answer_tag = answer_tag(&salt, &h->answer);
        commit.result_tag = answer_result_tag(&salt, &h->answer);
        assert_int_equal(commit_encode(&commit, b), STATEMENT_OK);
        h->commit = buffer_bytes(b);
        sign_as(f, seed_byte, h->commit, &h->commit_signature);
        now = statement_digest(h->commit);
        for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; j < verdicts[i].n_evidence; j++)
                        if (hash_equal(&verdicts[i].evidence[j], &was))
                                verdicts[i].evidence[j] = now;
}

/* One of those counted signed false numbers beside the right answer: the rows still
 * give the answer, and it is the others' numbers that hold. */
static void test_false_counts(void **state) {
        struct fixture *f = *state;
        struct receipt r = f->report.receipt;
        struct verdict_statement verdicts[2];

        for (size_t i = 0; i < 2; i++)
                assert_true(receipt_verdict(&f->report, i, &verdicts[i]));
        r.hosts[0].answer.bytes += 5;
        commit_anew(f, &r.hosts[0], 21, verdicts);
        for (size_t i = 0; i < 2; i++)
                judge(f, &r.hosts[i], &verdicts[i]);
        r.n_hosts = 2;
        assert_true(receipt_encode(&r, &f->changed));
        receipt_verify(buffer_bytes(&f->changed), f->rows, &f->report);
        assert_int_equal(receipt_first_failure(&f->report), _RECEIPT_CHECK_MAX);
        assert_true(f->report.valid);
        assert_int_equal(f->report.answer->bytes, f->report.receipt.hosts[1].answer.bytes);
}

/* All who are counted signed an answer that this job cannot have. */
static void test_forbidden_answer(void **state) {
        struct fixture *f = *state;
        struct receipt r = f->report.receipt;
        struct verdict_statement verdicts[2];

        for (size_t i = 0; i < 2; i++)
                assert_true(receipt_verdict(&f->report, i, &verdicts[i]));
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(r.hosts[i].answer.form, ANSWER_SEQUENCE);
                r.hosts[i].answer.form = ANSWER_SET; /* of rows that have an order */
                commit_anew(f, &r.hosts[i], (uint8_t) (21 + i), verdicts);
        }
        for (size_t i = 0; i < 2; i++)
                judge(f, &r.hosts[i], &verdicts[i]);
        r.n_hosts = 2;
        assert_int_equal(first_failure(f, &r), RECEIPT_FORM);
}

static void test_allowed(void **state) {
        static const struct {
                enum answer_form form;
                enum comparison comparison;
                bool ordered;
                uint64_t rows, max_rows, bytes, max_bytes; /* 0: no limit */
                bool is_allowed;
        } cases[] = {
#define SOME 10, 0, 100, 0
#define MANY ANSWER_SET_ROWS + 1, 0, 1ull << 30, 0
                { ANSWER_SET, COMPARISON_PORTABLE, false, SOME, true },
                { ANSWER_SET, COMPARISON_CLASS, false, ANSWER_SET_ROWS, 0, 1ull << 30, 0, true },
                { ANSWER_SET, COMPARISON_CLASS, false, MANY, false },
                { ANSWER_SET, COMPARISON_PORTABLE, true, SOME, false },
                { ANSWER_SEQUENCE, COMPARISON_PORTABLE, true, SOME, true },
                { ANSWER_SEQUENCE, COMPARISON_PORTABLE, true, MANY, true },
                { ANSWER_SEQUENCE, COMPARISON_CLASS, false, SOME, false },
                { ANSWER_SEQUENCE, COMPARISON_CLASS, false, MANY, true },
                { ANSWER_SEQUENCE, COMPARISON_PORTABLE, false, MANY, false },
                { ANSWER_ERROR, COMPARISON_CLASS, false, 0, 0, 0, 0, true },
                { ANSWER_ERROR, COMPARISON_PORTABLE, false, 0, 0, 0, 0, false },
                { ANSWER_SET, COMPARISON_CLASS, false, 10, 10, 100, 100, true },
                { ANSWER_SET, COMPARISON_CLASS, false, 11, 10, 100, 100, false },
                { ANSWER_SET, COMPARISON_CLASS, false, 10, 10, 101, 100, false },
#undef SOME
#undef MANY
        };

        FOREACH_CASE (c, cases) {
                const struct descriptor d = { .comparison = c->comparison,
                                              .ordered = c->ordered,
                                              .limits = { .rows = c->max_rows,
                                                          .bytes = c->max_bytes } };
                const struct answer a = { .form = c->form, .rows = c->rows, .bytes = c->bytes };

                assert_int_equal(receipt_answer_is_allowed(&d, &a), c->is_allowed);
        }
}

static void test_rows(void **state) {
        struct fixture *f = *state;
        uint8_t *p = (uint8_t *) f->rows.data;
        size_t refused = 0, tried = 0;

        for (size_t i = 0; i < f->rows.len; i += i < 64 ? 1 : 7) {
                p[i] ^= 1;
                receipt_verify(f->file, f->rows, &f->report);
                p[i] ^= 1;
                refused += !f->report.valid;
                tried++;
                assert_int_equal(receipt_first_failure(&f->report), RECEIPT_ROWS);
        }
        assert_int_equal(refused, tried);
        for (size_t n = 1; n < f->rows.len; n += 37) {
                receipt_verify(f->file, BYTES(p, n), &f->report);
                assert_int_equal(receipt_first_failure(&f->report), RECEIPT_ROWS);
        }
}

/* Said as what it is, not as an answer that differs in its first batch. */
static void test_rows_of_other_columns(void **state) {
        struct fixture *f = *state;
        CLEANUP(bytes_freep) struct bytes schema = {};
        struct qrows_reader reader;
        struct qrows_writer writer;
        struct bytes batch;
        uint8_t *name;

        assert_int_equal(qrows_open(&reader, f->rows), QROWS_OK);
        name = xmalloc(reader.schema.len);
        memcpy(name, reader.schema.data, reader.schema.len);
        schema = BYTES(name, reader.schema.len);
        for (size_t i = 0; i < schema.len; i++) /* the first letter of a column's name */
                if (name[i] >= 'a' && name[i] <= 'z') {
                        name[i] = name[i] == 'z' ? 'y' : 'z';
                        break;
                }
        assert_false(bytes_equal(schema, reader.schema));
        qrows_begin(&writer, schema, &f->changed);
        while (qrows_next(&reader, &batch) == QROWS_OK)
                qrows_put(&writer, batch, &f->changed);
        qrows_end(&writer, &f->changed);
        receipt_verify(f->file, buffer_bytes(&f->changed), &f->report);
        assert_int_equal(receipt_first_failure(&f->report), RECEIPT_ROWS);
        assert_non_null(strstr(f->report.checks[RECEIPT_ROWS].detail, "other columns"));
}

static void test_qrows_writer(void **state) {
        struct fixture *f = *state;
        struct qrows_reader reader;
        struct qrows_writer writer;
        struct bytes batch;
        int result;

        assert_int_equal(qrows_open(&reader, f->rows), QROWS_OK);
        qrows_begin(&writer, reader.schema, &f->changed);
        while ((result = qrows_next(&reader, &batch)) == QROWS_OK)
                qrows_put(&writer, batch, &f->changed);
        assert_int_equal(result, QROWS_END);
        qrows_end(&writer, &f->changed);
        assert_bytes_equal(buffer_bytes(&f->changed), f->rows);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
TEST_MAIN(TEST(test_good), TEST(test_every_byte), TEST(test_every_byte_resealed), TEST(test_swaps),
          TEST(test_requester_lies), TEST(test_dissenters_of_one_group), TEST(test_recheck),
          TEST(test_false_counts), TEST(test_rows), TEST(test_qrows_writer),
          TEST(test_fast_is_never_verified), TEST(test_forbidden_answer), TEST(test_allowed),
          TEST(test_rows_of_other_columns))
