#include "common/canonical/statement.h"

#include "common/canonical/answer.h"
#include "common/canonical/descriptor.h"
#include "common/wire/peerid.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

union any_statement {
        struct dispatch_statement dispatch;
        struct commit_statement commit;
        struct verdict_statement verdict;
};

static int decode(enum statement_kind kind, struct bytes v, union any_statement *ret) {
        return kind == STATEMENT_DISPATCH ? dispatch_decode(v, &ret->dispatch)
               : kind == STATEMENT_COMMIT ? commit_decode(v, &ret->commit)
                                          : verdict_decode(v, &ret->verdict);
}

static int encode(enum statement_kind kind, const union any_statement *s, struct buffer *b) {
        return kind == STATEMENT_DISPATCH ? dispatch_encode(&s->dispatch, b)
               : kind == STATEMENT_COMMIT ? commit_encode(&s->commit, b)
                                          : verdict_encode(&s->verdict, b);
}

static void assert_again(enum statement_kind kind, const union any_statement *s, struct bytes v) {
        struct buffer b;

        buffer_init(&b, STATEMENT_BYTES_MAX);
        assert_int_equal(encode(kind, s, &b), STATEMENT_OK);
        assert_bytes_equal(buffer_bytes(&b), v);
        buffer_done(&b);
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, statement_vectors) {
                enum statement_kind kind = (enum statement_kind)(c - statement_vectors) + 1;
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                CLEANUP(bytes_freep) struct bytes signature = from_hex(c->signature);
                CLEANUP(bytes_freep) struct bytes key = from_hex(c->key);
                struct signed_statement s = { .bytes = v, .signature = signature };
                struct hash_value digest = statement_digest(v);
                union any_statement any;

                assert_int_equal(statement_kind_of(v), kind);
                assert_int_equal(decode(kind, v, &any), STATEMENT_OK);
                assert_again(kind, &any, v);
                assert_hex_equal(hash_bytes(&digest), c->digest);
                memcpy(s.key.bytes, key.data, key.len);
                assert_true(statement_verify(&s));
                for (enum statement_kind other = 1; other <= STATEMENT_VERDICT; other++)
                        assert_int_equal(decode(other, v, &any) == STATEMENT_OK, other == kind);
        }
}

static void test_fields(void **state) {
        CLEANUP(bytes_freep) struct bytes d = from_hex(statement_vectors[0].bytes);
        CLEANUP(bytes_freep) struct bytes c = from_hex(statement_vectors[1].bytes);
        CLEANUP(bytes_freep) struct bytes v = from_hex(statement_vectors[2].bytes);
        struct dispatch_statement dispatch;
        struct commit_statement commit;
        struct verdict_statement verdict;
        struct hash_value digest = statement_digest(c);

        assert_int_equal(dispatch_decode(d, &dispatch), STATEMENT_OK);
        assert_hex_equal(hash_bytes(&dispatch.job), descriptor_vector[0].job);
        assert_bytes_equal(dispatch.ticket, BYTES_LIT("ticket of sixtee"));
        assert_int_equal(commit_decode(c, &commit), STATEMENT_OK);
        assert_bytes_equal(commit.engine_class, BYTES_LIT("sqlite-3.40.1-amd64"));
        assert_hex_equal(hash_bytes(&commit.answer_tag), tag_vector[0].answer_tag);
        assert_hex_equal(hash_bytes(&commit.result_tag), tag_vector[0].result_tag);
        assert_int_equal(verdict_decode(v, &verdict), STATEMENT_OK);
        assert_int_equal(verdict.verdict, VERDICT_CORRECT);
        assert_int_equal(verdict.state, STATE_VERIFIED);
        assert_int_equal(verdict.replicas, 3);
        assert_int_equal(verdict.quorum, 2);
        assert_int_equal(verdict.n_facts, 2);
        assert_bytes_equal(verdict.facts[1].value, BYTES_LIT("debian-12"));
        assert_true(verdict.facts[0].measured && !verdict.facts[1].measured);
        assert_int_equal(verdict.n_evidence, 1);
        assert_true(hash_equal(&verdict.evidence[0], &digest));
        assert_int_equal(verdict.committed_us, 30000);
}

/* The tags of the rows in answer_vectors are not in there: 300 rows, pad 40. */
static void test_tags(void **state) {
        CLEANUP(bytes_freep) struct bytes encoded = from_hex(schema_vectors[1].bytes);
        CLEANUP(bytes_freep) struct bytes v = from_hex(descriptor_vector[0].bytes);
        struct hash_value salt = job_salt(v), schema = schema_digest(encoded), tag;
        struct answer_builder b;
        struct answer a;

        answer_begin(&b, ANSWER_SEQUENCE, &schema, &(struct answer_limits){}, NULL);
        for (unsigned i = 0; i < 300; i++) {
                put_sample_row(answer_row(&b), i, 40);
                assert_int_equal(answer_end_row(&b), BATCH_OK);
        }
        assert_int_equal(answer_finish(&b), BATCH_READY);
        answer_next(&b);
        answer_result(&b, &a);
        answer_done(&b);
        tag = answer_tag(&salt, &a);
        assert_hex_equal(hash_bytes(&tag), tag_vector[0].answer_tag);
        tag = answer_result_tag(&salt, &a);
        assert_hex_equal(hash_bytes(&tag), tag_vector[0].result_tag);
}

static void test_mutations(void **state) {
        FOREACH_CASE (c, statement_vectors) {
                enum statement_kind kind = (enum statement_kind)(c - statement_vectors) + 1;
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                uint8_t *p = (uint8_t *) v.data;
                union any_statement any;

                for (size_t i = 0; i < v.len * 256; i++) {
                        uint8_t was = p[i / 256];

                        p[i / 256] = (uint8_t) i;
                        if (decode(kind, v, &any) == STATEMENT_OK)
                                assert_again(kind, &any, v);
                        p[i / 256] = was;
                }
                for (size_t n = 0; n < v.len; n++)
                        assert_int_not_equal(decode(kind, BYTES(v.data, n), &any), STATEMENT_OK);
        }
}

static void test_fault_proof(void **state) {
        struct signed_statement s[3] = {};
        struct commit_statement commit;

        for (int i = 0; i < 3; i++) {
                CLEANUP(bytes_freep) struct bytes key = from_hex(statement_vectors[1].key);

                s[i].bytes = from_hex(fault_vectors[i].bytes);
                s[i].signature = from_hex(fault_vectors[i].signature);
                memcpy(s[i].key.bytes, key.data, key.len);
                assert_true(commit_verify(&s[i], &commit));
        }
        assert_int_equal(fault_proof_check(&s[0], &s[1]), FAULT_PROVED);
        assert_int_equal(fault_proof_check(&s[0], &s[0]), FAULT_E_SAME);
        assert_int_equal(fault_proof_check(&s[0], &s[2]), FAULT_E_OTHER_JOB); /* a re-check */
        ((uint8_t *) s[1].signature.data)[3] ^= 1;
        assert_int_equal(fault_proof_check(&s[0], &s[1]), FAULT_E_INVALID);
        for (int i = 0; i < 3; i++) {
                bytes_freep(&s[i].bytes);
                bytes_freep(&s[i].signature);
        }
}

/* A good signature of another key is no commit of that host. */
static void test_wrong_host(void **state) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(statement_vectors[1].bytes);
        struct commit_statement commit;
        struct sign_secret secret;
        struct signature signature;
        struct signed_statement s = { .bytes = v };
        const uint8_t seed[SIGN_SEED_SIZE] = { 99 };

        sign_keypair(seed, &secret, &s.key);
        signature = sign_make(&secret, v);
        s.signature = signature_bytes(&signature);
        assert_true(statement_verify(&s));
        assert_false(commit_verify(&s, &commit));
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_fields),
          cmocka_unit_test(test_tags), cmocka_unit_test(test_mutations),
          cmocka_unit_test(test_fault_proof), cmocka_unit_test(test_wrong_host))
