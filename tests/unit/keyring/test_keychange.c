#include "common/canonical/keychange.h"

#include "services/keyring/keyring.h"
#include "tests/support/test.h"

#define AT INT64_C(1800000000000000)

static struct keyring *node(uint8_t n) {
        const uint8_t seed[IDENTITY_SEED_SIZE] = { n };
        struct certkey *const tls[_CERTKEY_N] = {};
        struct keyring *k = xnew(struct keyring);

        keyring_init(k, seed, tls);
        return k;
}

struct pair {
        struct keyring *old, *new;
        struct buffer value;
};

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        p->old = node(1);
        p->new = node(2);
        buffer_init(&p->value, KEYCHANGE_BYTES_MAX);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        struct pair *p = *state;

        keyring_done(p->old);
        keyring_done(p->new);
        free(p->old);
        free(p->new);
        buffer_done(&p->value);
        free(p);
        return 0;
}

static struct keyring_ask ask(enum keyring_socket socket) {
        return (struct keyring_ask){ .socket = socket, .now = 100 * NSEC_PER_SEC };
}

static void both_keys_sign(void **state) {
        struct pair *p = *state;
        struct keyring_ask admin = ask(KEYRING_ADMIN), dht = ask(KEYRING_DHT);
        struct keyring_successor successor = { .key = p->new->identity.sign_public,
                                               .created_us = AT };
        struct keychange_parts parts;
        struct signature signature;

        assert_int_equal(keyring_succeed(p->new, &admin, &p->old->self, AT, &signature), 0);
        successor.signature = signature_bytes(&signature);
        assert_int_equal(keyring_sign_rotation(p->old, &dht, &successor, &p->value),
                         KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_rotation(p->old, &admin, &successor, &p->value), KEYRING_OK);
        assert_int_equal(keychange_split(buffer_bytes(&p->value), &parts), KEYCHANGE_OK);
        assert_true(keychange_verify(&parts, NULL, NULL));
        assert_true(peer_id_equal(&parts.fields.peer, &p->old->self) &&
                    peer_id_equal(&parts.fields.successor, &p->new->self));
}

/* Not to a key nobody holds, nor with a signature over something else. */
static void the_successor_has_signed_this(void **state) {
        struct pair *p = *state;
        struct keyring_ask admin = ask(KEYRING_ADMIN);
        struct keyring_successor successor = { .key = p->new->identity.sign_public,
                                               .created_us = AT };
        struct signature signature = {};

        successor.signature = signature_bytes(&signature);
        assert_int_equal(keyring_sign_rotation(p->old, &admin, &successor, &p->value),
                         KEYRING_E_FOREIGN);
        assert_int_equal(keyring_succeed(p->new, &admin, &p->old->self, AT + 1, &signature), 0);
        assert_int_equal(keyring_sign_rotation(p->old, &admin, &successor, &p->value),
                         KEYRING_E_FOREIGN);
        successor.key = p->old->identity.sign_public; /* to itself */
        assert_int_equal(keyring_sign_rotation(p->old, &admin, &successor, &p->value),
                         KEYRING_E_FIELD);
        assert_int_equal(p->value.len, 0);
}

static void a_revocation_is_of_this_key(void **state) {
        struct pair *p = *state;
        struct keyring_ask admin = ask(KEYRING_ADMIN), gossip = ask(KEYRING_GOSSIP);
        struct keychange_parts parts;
        int r;

        assert_int_equal(keyring_sign_revocation(p->old, &gossip, AT, &p->value), KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_revocation(p->old, &admin, -1, &p->value), KEYRING_E_FIELD);
        assert_int_equal(keyring_sign_revocation(p->old, &admin, AT, &p->value), KEYRING_OK);
        assert_int_equal(keychange_split(buffer_bytes(&p->value), &parts), KEYCHANGE_OK);
        assert_int_equal(parts.fields.kind, KEYCHANGE_REVOCATION);
        assert_true(peer_id_equal(&parts.fields.peer, &p->old->self));
        assert_true(keychange_verify(&parts, NULL, NULL));
        for (unsigned i = 0; i < 4; i++) {
                buffer_clear(&p->value);
                r = keyring_sign_revocation(p->old, &admin, AT, &p->value);
        }
        assert_int_equal(r, KEYRING_E_RATE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(both_keys_sign), TEST(the_successor_has_signed_this),
          TEST(a_revocation_is_of_this_key))
