#include "common/canonical/keychange.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/dht/vectors/vectors.h"

#define AT INT64_C(1800000000000000)

struct person {
        struct sign_secret secret;
        struct sign_public key;
        struct peer_id peer;
};

static struct person person_no(uint8_t n) {
        uint8_t seed[SIGN_SEED_SIZE];
        struct person p;

        memset(seed, n, sizeof(seed));
        sign_keypair(seed, &p.secret, &p.key);
        p.peer = peer_id_from_ed25519(&p.key);
        return p;
}

static void put_signed(struct buffer *b, const struct keychange *c, const struct person *first,
                       const struct person *second) {
        struct signature a, z;

        buffer_clear(b);
        assert_int_equal(keychange_encode(c, b), KEYCHANGE_OK);
        a = sign_make(&first->secret, buffer_bytes(b));
        if (second)
                z = sign_make(&second->secret, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&a));
        if (second)
                buffer_put_bytes(b, signature_bytes(&z));
        assert_false(b->failed);
}

/* make_vectors.py of tests/unit/dht: person 6 to person 7, and person 8. */
static const struct record_vector *vector(const char *prefix_hex) {
        FOREACH_CASE (v, record_vectors)
                if (strncmp(v->value, prefix_hex, strlen(prefix_hex)) == 0)
                        return v;
        fail_msg("no such vector");
        return NULL;
}

static void test_vectors(void **state) {
        static const struct {
                enum keychange_kind kind;
                uint8_t peer, successor;
                int64_t at;
                const char *prefix; /* "quorate/1/rotat", "quorate/1/revoc" in hex */
        } cases[] = {
                { KEYCHANGE_ROTATION, 6, 7, AT, "71756f726174652f312f726f746174" },
                { KEYCHANGE_REVOCATION, 8, 0, AT - INT64_C(1000000000000),
                  "71756f726174652f312f7265766f63" },
        };

        FOREACH_CASE (c, cases) {
                CLEANUP(buffer_donep) struct buffer want = {};
                CLEANUP(buffer_donep) struct buffer got = {};
                struct person p = person_no(c->peer), next = person_no(c->successor);
                struct keychange change = { .kind = c->kind, .peer = p.peer, .created_us = c->at };
                struct keychange_parts parts;
                size_t n;

                buffer_init(&want, KEYCHANGE_BYTES_MAX);
                buffer_init(&got, KEYCHANGE_BYTES_MAX);
                n = strlen(vector(c->prefix)->value) / 2;
                assert_true(hex_decode(vector(c->prefix)->value, buffer_reserve(&want, n), n));
                want.len = n;
                if (c->successor)
                        change.successor = next.peer;
                put_signed(&got, &change, &p, c->successor ? &next : NULL);
                assert_true(bytes_equal(buffer_bytes(&got), buffer_bytes(&want)));
                assert_int_equal(keychange_split(buffer_bytes(&want), &parts), KEYCHANGE_OK);
                assert_int_equal(parts.fields.kind, c->kind);
                assert_true(peer_id_equal(&parts.fields.peer, &p.peer));
                assert_int_equal(parts.fields.created_us, c->at);
                assert_true(keychange_verify(&parts, NULL, NULL));
        }
}

static bool is_good(struct bytes value) {
        struct keychange_parts parts;

        return keychange_split(value, &parts) == KEYCHANGE_OK &&
               keychange_verify(&parts, NULL, NULL);
}

/* Any bit, any cut, anything behind: not what they signed. */
static void test_altered(void **state) {
        struct person old = person_no(1), new = person_no(2);
        struct keychange c = { KEYCHANGE_ROTATION, old.peer, new.peer, AT };
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        put_signed(&b, &c, &old, &new);
        assert_true(is_good(buffer_bytes(&b)));
        for (size_t i = 0; i < b.len; i++) {
                b.data[i] ^= 1;
                assert_false(is_good(buffer_bytes(&b)));
                b.data[i] ^= 1;
                assert_false(is_good(BYTES(b.data, i)));
        }
        buffer_put_u8(&b, 0);
        assert_false(is_good(buffer_bytes(&b)));
}

/* Both keys, or nobody: neither can be led to, nor taken over by, another alone. */
static void test_who_signs(void **state) {
        struct person old = person_no(1), new = person_no(2), thief = person_no(3);
        struct keychange rotation = { KEYCHANGE_ROTATION, old.peer, new.peer, AT };
        struct keychange revocation = { .kind = KEYCHANGE_REVOCATION, .peer = old.peer };
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        put_signed(&b, &rotation, &thief, &new);
        assert_false(is_good(buffer_bytes(&b)));
        put_signed(&b, &rotation, &old, &thief);
        assert_false(is_good(buffer_bytes(&b)));
        put_signed(&b, &rotation, &new, &old); /* the other way round */
        assert_false(is_good(buffer_bytes(&b)));
        put_signed(&b, &revocation, &thief, NULL); /* nobody revokes somebody else */
        assert_false(is_good(buffer_bytes(&b)));
        put_signed(&b, &revocation, &old, NULL);
        assert_true(is_good(buffer_bytes(&b)));
}

static void test_fields(void **state) {
        struct person p = person_no(1), q = person_no(2);
        const struct keychange bad[] = {
                { KEYCHANGE_ROTATION, p.peer, p.peer, AT }, /* to itself */
                { KEYCHANGE_ROTATION, p.peer, {}, AT },
                { KEYCHANGE_REVOCATION, p.peer, q.peer, AT },
                { KEYCHANGE_REVOCATION, {}, {}, AT },
                { KEYCHANGE_REVOCATION, p.peer, {}, -1 },
                { 0, p.peer, {}, AT },
        };
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        FOREACH_CASE (c, bad)
                assert_int_equal(keychange_encode(c, &b), KEYCHANGE_E_FIELD);
}

/* The first one stands, whoever brings what later. */
static void test_select(void **state) {
        struct person old = person_no(1), a = person_no(2), z = person_no(3);
        struct keychange first = { KEYCHANGE_ROTATION, old.peer, a.peer, AT };
        struct keychange second = { KEYCHANGE_ROTATION, old.peer, z.peer, AT + 1 };
        CLEANUP(buffer_donep) struct buffer x = {};
        CLEANUP(buffer_donep) struct buffer y = {};

        buffer_init(&x, KEYCHANGE_BYTES_MAX);
        buffer_init(&y, KEYCHANGE_BYTES_MAX);
        put_signed(&x, &first, &old, &a);
        put_signed(&y, &second, &old, &z);
        assert_true(keychange_select(buffer_bytes(&x), buffer_bytes(&y)) < 0);
        assert_true(keychange_select(buffer_bytes(&y), buffer_bytes(&x)) > 0);
        assert_int_equal(keychange_select(buffer_bytes(&x), buffer_bytes(&x)), 0);
        second.created_us = AT; /* of the same instant: all take the same */
        put_signed(&y, &second, &old, &z);
        assert_true((keychange_select(buffer_bytes(&x), buffer_bytes(&y)) < 0) !=
                    (keychange_select(buffer_bytes(&y), buffer_bytes(&x)) < 0));
}

static void test_text(void **state) {
        struct person p = person_no(1), q = person_no(2);
        struct keychange revocation = { .kind = KEYCHANGE_REVOCATION, .peer = p.peer };
        struct keychange rotation = { KEYCHANGE_ROTATION, p.peer, q.peer, AT };
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(buffer_donep) struct buffer back = {};
        char text[KEYCHANGE_TEXT_SIZE], line[KEYCHANGE_TEXT_SIZE + 8];

        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        buffer_init(&back, KEYCHANGE_BYTES_MAX);
        put_signed(&b, &revocation, &p, NULL);
        (void) snprintf(line, sizeof(line), " %s \r\n", keychange_text(buffer_bytes(&b), text));
        assert_true(keychange_from_text(BYTES_STR(line), &back));
        assert_true(bytes_equal(buffer_bytes(&b), buffer_bytes(&back)));
        line[strlen(line) - 4] = 0; /* cut by one digit */
        assert_false(keychange_from_text(BYTES_STR(line), &back));
        assert_false(keychange_from_text(BYTES_NONE, &back));
        assert_false(keychange_from_text(BYTES_LIT(KEYCHANGE_TEXT_PREFIX), &back));
        put_signed(&b, &rotation, &p, &q);
        assert_false(keychange_from_text(BYTES_STR(keychange_text(buffer_bytes(&b), text)), &back));
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_altered),
          cmocka_unit_test(test_who_signs), cmocka_unit_test(test_fields),
          cmocka_unit_test(test_select), cmocka_unit_test(test_text))
