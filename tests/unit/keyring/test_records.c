#include "common/base/text.h"
#include "services/keyring/keyring.h"
#include "services/keyring/packed.h"
#include "tests/support/test.h"
#include "tests/unit/keyring/vectors/letter.h"

#define SEC NSEC_PER_SEC

static struct keyring *node(uint8_t n) {
        const uint8_t seed[IDENTITY_SEED_SIZE] = { n };
        struct certkey *const tls[_CERTKEY_N] = {};
        struct keyring *k = xnew(struct keyring);

        keyring_init(k, seed, tls);
        return k;
}

static int setup(void **state) {
        *state = node(42);
        return 0;
}

static int teardown(void **state) {
        keyring_done(*state);
        free(*state);
        return 0;
}

static struct keyring_ask ask(enum keyring_socket socket) {
        return (struct keyring_ask){ .socket = socket, .now = 100 * SEC };
}

/* ---- keyring/dht ---- */

static struct record_statement record_of(enum record_kind kind, struct bytes payload) {
        return (struct record_statement){ .kind = kind,
                                          .network = BYTES_LIT("default"),
                                          .sequence = 3,
                                          .created_us = 1800000000000000,
                                          .ttl_s = 3600,
                                          .payload = payload };
}

static void records_are_our_own(void **state) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        CLEANUP(buffer_donep) struct buffer whole = {};
        struct keyring *k = *state;
        struct keyring_ask dht = ask(KEYRING_DHT), gossip = ask(KEYRING_GOSSIP);
        struct record_statement s = record_of(RECORD_TOPIC, BYTES_LIT("here"));
        struct sign_public other = { .bytes = { 9 } };
        struct record_parts parts;

        buffer_init(&whole, RECORD_BYTES_MAX);
        s.label = BYTES_LIT("chess");
        s.publisher = peer_id_from_ed25519(&other); /* not asked: it is us */
        assert_int_equal(keyring_sign_record(k, &gossip, &s, &got), KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_record(k, &dht, &s, &got), KEYRING_OK);
        buffer_put_bytes(&whole, buffer_bytes(&got.bytes));
        buffer_put_bytes(&whole, signature_bytes(&got.signature));
        assert_int_equal(record_split(buffer_bytes(&whole), &parts), RECORD_OK);
        assert_true(peer_id_equal(&parts.fields.publisher, &k->self));
        assert_true(record_verify(&parts));

        s.ttl_s = UINT32_MAX;
        assert_int_equal(keyring_sign_record(k, &dht, &s, &got), KEYRING_E_FIELD);
        s = record_of(RECORD_MAILBOX, BYTES_LIT("x"));
        assert_int_equal(keyring_sign_record(k, &dht, &s, &got), KEYRING_E_FIELD);
}

static struct bytes own_profile(struct keyring *k, struct buffer *b) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        struct keyring_ask dht = ask(KEYRING_DHT);
        struct record_statement s = record_of(RECORD_PROFILE, BYTES_NONE);
        struct profile_payload p = { .name = BYTES_LIT("somebody") };

        memcpy(p.x25519, k->identity.x25519_public, X25519_SIZE);
        profile_payload_put(b, &p);
        s.payload = buffer_bytes(b);
        assert_int_equal(keyring_sign_record(k, &dht, &s, &got), KEYRING_OK);
        buffer_clear(b);
        buffer_put_bytes(b, buffer_bytes(&got.bytes));
        buffer_put_bytes(b, signature_bytes(&got.signature));
        return buffer_bytes(b);
}

static void a_profile_names_our_key(void **state) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        struct keyring *k = *state;
        struct keyring_ask dht = ask(KEYRING_DHT);
        struct profile_payload p = { .x25519 = { 1 } };
        struct record_statement s = record_of(RECORD_PROFILE, BYTES_NONE);

        buffer_init(&b, RECORD_BYTES_MAX);
        profile_payload_put(&b, &p);
        s.payload = buffer_bytes(&b);
        assert_int_equal(keyring_sign_record(k, &dht, &s, &got), KEYRING_E_FOREIGN);
        buffer_clear(&b);
        (void) own_profile(k, &b);
}

static void records_have_a_rate(void **state) {
        struct keyring *k = *state;
        struct keyring_ask dht = ask(KEYRING_DHT);
        struct record_statement s = record_of(RECORD_TOPIC, BYTES_LIT("here"));
        int r = KEYRING_OK;
        uint32_t n = 0;

        for (; r == KEYRING_OK; n++) {
                CLEANUP(keyring_signed_donep) struct keyring_signed got = {};

                r = keyring_sign_record(k, &dht, &s, &got);
        }
        assert_int_equal(r, KEYRING_E_RATE);
        assert_int_equal(n - 1, keyring_rules[KEYRING_DHT_RECORD].burst);
}

/* ---- keyring/gossip ---- */

static void put_field(struct buffer *b, uint8_t tag, struct bytes v) {
        buffer_put_u8(b, tag);
        buffer_put_u8(b, (uint8_t) v.len);
        buffer_put_bytes(b, v);
}

/* from, data, seqno, topic */
static struct bytes put_message(struct buffer *b, struct bytes from) {
        buffer_clear(b);
        put_field(b, 0x0a, from);
        put_field(b, 0x12, BYTES_LIT("data"));
        put_field(b, 0x1a, BYTES_LIT("12345678"));
        put_field(b, 0x22, BYTES_LIT("topic"));
        return buffer_bytes(b);
}

static void messages_speak_for_us(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {}, signed_bytes = {};
        struct keyring *k = *state, *other = node(7);
        struct keyring_ask gossip = ask(KEYRING_GOSSIP), dht = ask(KEYRING_DHT);
        struct bytes self = peer_id_bytes(&k->self);
        struct signature s;
        struct bytes m;

        buffer_init(&b, 1000);
        buffer_init(&signed_bytes, 1000);
        m = put_message(&b, self);
        assert_int_equal(keyring_sign_message(k, &dht, m, &s), KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_message(k, &gossip, m, &s), KEYRING_OK);
        buffer_put_bytes(&signed_bytes, BYTES_LIT("libp2p-pubsub:"));
        buffer_put_bytes(&signed_bytes, m);
        assert_true(sign_verify(&k->identity.sign_public, buffer_bytes(&signed_bytes),
                                signature_bytes(&s)));

        m = put_message(&b, peer_id_bytes(&other->self));
        assert_int_equal(keyring_sign_message(k, &gossip, m, &s), KEYRING_E_FOREIGN);
        (void) put_message(&b, self);
        put_field(&b, 0x0a, peer_id_bytes(&other->self)); /* the last of two would count */
        assert_int_equal(keyring_sign_message(k, &gossip, buffer_bytes(&b), &s), KEYRING_E_FOREIGN);
        (void) put_message(&b, self);
        put_field(&b, 0x2a, BYTES_LIT("a signature")); /* fields a Message signed has not */
        assert_int_equal(keyring_sign_message(k, &gossip, buffer_bytes(&b), &s), KEYRING_E_FOREIGN);
        m = put_message(&b, self);
        for (size_t len = 0; len < m.len; len++) { /* only whole fields, and the first is there */
                int r = keyring_sign_message(k, &gossip, BYTES(m.data, len), &s);

                assert_true(r == KEYRING_E_FOREIGN ||
                            (r == KEYRING_OK && (len == 40 || len == 46 || len == 56)));
        }
        keyring_done(other);
        free(other);
}

static void capabilities_speak_for_us(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {}, signed_bytes = {};
        struct keyring *k = *state;
        struct keyring_ask gossip = ask(KEYRING_GOSSIP);
        struct signature s;

        buffer_init(&b, 1000);
        buffer_init(&signed_bytes, 1000);
        put_field(&b, 0x0a, peer_id_bytes(&k->self));
        buffer_put(&b, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* sequence: 2^64 - 1 */
        put_field(&b, 0x1a, BYTES_LIT("default"));
        assert_int_equal(keyring_sign_capability(k, &gossip, buffer_bytes(&b), &s), KEYRING_OK);
        buffer_put_bytes(&signed_bytes, BYTES_LIT("quorate/1/capability\0"));
        buffer_put_bytes(&signed_bytes, buffer_bytes(&b));
        assert_true(sign_verify(&k->identity.sign_public, buffer_bytes(&signed_bytes),
                                signature_bytes(&s)));
        while (b.len <= 512)
                put_field(&b, 0x22, BYTES_LIT("an address"));
        assert_int_equal(keyring_sign_capability(k, &gossip, buffer_bytes(&b), &s),
                         KEYRING_E_FIELD);
}

/* ---- letters ---- */

static const uint8_t ephemeral[BOX_KEY_SIZE] = { 5, 6, 7 };

static struct bytes seal(struct keyring *from, struct keyring *to, struct bytes text,
                         struct buffer *box) {
        CLEANUP(buffer_donep) struct buffer profile = {};
        struct keyring_ask admin = ask(KEYRING_ADMIN);

        buffer_init(&profile, RECORD_BYTES_MAX);
        assert_int_equal(
                keyring_seal_mailbox(from, &admin, own_profile(to, &profile), text, ephemeral, box),
                KEYRING_OK);
        return buffer_bytes(box);
}

static int open_with(struct keyring *k, struct bytes box, struct buffer *b,
                     struct letter_opened *ret) {
        struct keyring_ask admin = ask(KEYRING_ADMIN);

        buffer_clear(b);
        k->rates[KEYRING_OPEN_LETTER].full = 0;
        return keyring_open_mailbox(k, &admin, box, b, ret);
}

static void the_vector_opens(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct keyring *k = *state, *sender = node(7);
        uint8_t box[sizeof(letter_vector) / 2];
        struct letter_opened opened;

        buffer_init(&b, LETTER_BOX_MAX);
        assert_true(hex_decode(letter_vector, box, sizeof(box)));
        assert_int_equal(open_with(k, BYTES_OF(box), &b, &opened), KEYRING_OK);
        assert_true(peer_id_equal(&opened.sender, &sender->self));
        assert_bytes_equal(opened.text, BYTES_LIT("meet me at the usual place"));
        keyring_done(sender);
        free(sender);
}

static void letters_reach_one(void **state) {
        CLEANUP(buffer_donep) struct buffer box = {}, b = {};
        struct keyring *k = *state, *sender = node(7), *third = node(8);
        struct letter_opened opened;

        buffer_init(&box, LETTER_BOX_MAX);
        buffer_init(&b, LETTER_BOX_MAX);
        (void) seal(sender, k, BYTES_LIT("hello"), &box);
        assert_int_equal(open_with(k, buffer_bytes(&box), &b, &opened), KEYRING_OK);
        assert_bytes_equal(opened.text, BYTES_LIT("hello"));
        assert_true(peer_id_equal(&opened.sender, &sender->self));
        assert_int_equal(open_with(third, buffer_bytes(&box), &b, &opened), KEYRING_E_FOREIGN);
        assert_int_equal(open_with(sender, buffer_bytes(&box), &b, &opened), KEYRING_E_FOREIGN);
        for (size_t i = 0; i < box.len; i++) { /* the sender is not to be seen */
                size_t n = sizeof(sender->identity.sign_public.bytes);

                assert_true(i + n > box.len ||
                            memcmp(box.data + i, sender->identity.sign_public.bytes, n) != 0);
        }
        for (size_t bit = 0; bit < 8 * box.len; bit += 5) {
                box.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_int_equal(open_with(k, buffer_bytes(&box), &b, &opened), KEYRING_E_FOREIGN);
                box.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        keyring_done(sender);
        keyring_done(third);
        free(sender);
        free(third);
}

/* N7: who sees the ciphertext, or even may read it, cannot make it his own. */
static void nobody_can_sign_anothers_letter(void **state) {
        CLEANUP(buffer_donep) struct buffer box = {}, b = {}, forged = {}, inside = {};
        struct keyring *k = *state, *sender = node(7), *thief = node(8);
        struct letter_key to_k = { .peer = k->self }, to_thief = { .peer = thief->self };
        struct letter_opened opened;
        struct bytes signature;

        buffer_init(&box, LETTER_BOX_MAX);
        buffer_init(&b, LETTER_BOX_MAX);
        buffer_init(&forged, LETTER_BOX_MAX);
        buffer_init(&inside, LETTER_BOX_MAX);
        memcpy(to_k.x25519, k->identity.x25519_public, X25519_SIZE);
        memcpy(to_thief.x25519, thief->identity.x25519_public, X25519_SIZE);
        /* the thief was sent a letter, and passes it on as if it had been sent to k */
        (void) seal(sender, thief, BYTES_LIT("I owe you 5"), &box);
        assert_int_equal(open_with(thief, buffer_bytes(&box), &inside, &opened), KEYRING_OK);
        signature = BYTES(inside.data + 1 + sender->self.len, SIGNATURE_SIZE);
        assert_true(letter_seal(&forged, &to_k, ephemeral, &sender->self, signature, opened.text));
        assert_int_equal(open_with(k, buffer_bytes(&forged), &b, &opened), KEYRING_E_FOREIGN);
        /* or says that he wrote it, with the sender's signature */
        assert_int_equal(open_with(thief, buffer_bytes(&box), &inside, &opened), KEYRING_OK);
        buffer_clear(&forged);
        assert_true(letter_seal(&forged, &to_k, ephemeral, &thief->self, signature, opened.text));
        assert_int_equal(open_with(k, buffer_bytes(&forged), &b, &opened), KEYRING_E_FOREIGN);
        /* and the genuine one still opens, as often as it comes */
        buffer_clear(&box);
        (void) seal(sender, k, BYTES_LIT("I owe you 5"), &box);
        assert_int_equal(open_with(k, buffer_bytes(&box), &b, &opened), KEYRING_OK);
        assert_int_equal(open_with(k, buffer_bytes(&box), &b, &opened), KEYRING_OK);
        keyring_done(sender);
        keyring_done(thief);
        free(sender);
        free(thief);
}

static void boxes_only_for_signed_keys(void **state) {
        CLEANUP(buffer_donep) struct buffer profile = {}, box = {};
        static const uint8_t text[LETTER_TEXT_MAX + 1];
        struct keyring *k = *state;
        struct keyring_ask admin = ask(KEYRING_ADMIN), dht = ask(KEYRING_DHT);
        struct bytes p;

        buffer_init(&profile, RECORD_BYTES_MAX);
        buffer_init(&box, LETTER_BOX_MAX);
        p = own_profile(k, &profile);
        assert_int_equal(keyring_seal_mailbox(k, &dht, p, BYTES_NONE, ephemeral, &box),
                         KEYRING_E_SOCKET);
        assert_int_equal(keyring_seal_mailbox(k, &admin, p, BYTES_OF(text), ephemeral, &box),
                         KEYRING_E_FIELD);
        assert_int_equal(
                keyring_seal_mailbox(k, &admin, p, BYTES(text, LETTER_TEXT_MAX), ephemeral, &box),
                KEYRING_OK);
        profile.data[profile.len - 1] ^= 1;
        assert_int_equal(keyring_seal_mailbox(k, &admin, p, BYTES_NONE, ephemeral, &box),
                         KEYRING_E_FIELD);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(records_are_our_own), TEST(a_profile_names_our_key), TEST(records_have_a_rate),
          TEST(messages_speak_for_us), TEST(capabilities_speak_for_us), TEST(the_vector_opens),
          TEST(letters_reach_one), TEST(nobody_can_sign_anothers_letter),
          TEST(boxes_only_for_signed_keys))
