#include "tests/unit/dht/records.h"
#include "tests/unit/dht/vectors/vectors.h"

static void vectors_are_read_and_written_alike(void **state) {
        CLEANUP(buffer_donep) struct buffer name = {}, value = {}, again = {};
        size_t n_signed = 0;

        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        buffer_init(&again, RECORD_BYTES_MAX);
        FOREACH_CASE (c, record_vectors) {
                struct record_parts parts;
                struct record_name n;

                (void) unhex(&name, c->name);
                (void) unhex(&value, c->value);
                assert_true(record_name_read(buffer_bytes(&name), &n));
                assert_bytes_equal(name_for(&again, n.rule->kind, &n.peer, n.label),
                                   buffer_bytes(&name));
                if (record_split(buffer_bytes(&value), &parts) != RECORD_OK)
                        continue;
                n_signed++;
                assert_int_equal(parts.fields.kind, n.rule->kind);
                assert_true(record_verify(&parts));
                buffer_clear(&again);
                assert_int_equal(record_encode(&parts.fields, &again), RECORD_OK);
                assert_bytes_equal(buffer_bytes(&again), parts.statement);
        }
        assert_int_equal(n_signed, 5);
}

/* Whatever bit is turned, it is no longer what its publisher signed. */
static void every_bit_is_signed(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct record_parts parts;

        buffer_init(&b, RECORD_BYTES_MAX);
        (void) unhex(&b, record_vectors[1].value);
        for (size_t bit = 0; bit < 8 * b.len; bit += 3) {
                b.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_false(record_split(buffer_bytes(&b), &parts) == RECORD_OK &&
                             record_verify(&parts));
                b.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        for (size_t len = 0; len < b.len; len++)
                assert_false(record_split(BYTES(b.data, len), &parts) == RECORD_OK &&
                             record_verify(&parts));
        assert_true(record_split(buffer_bytes(&b), &parts) == RECORD_OK && record_verify(&parts));
}

static void fields_have_limits(void **state) {
        static const uint8_t much[RECORD_BYTES_MAX];
        CLEANUP(buffer_donep) struct buffer b = {};
        struct person p = person_no(1);
        struct record_statement good =
                statement_by(&p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));
        struct record_statement s;

        buffer_init(&b, 2 * RECORD_BYTES_MAX);
        assert_int_equal(record_encode(&good, &b), RECORD_OK);
#define REFUSED(change)                                                  \
        do {                                                             \
                s = good;                                                \
                change;                                                  \
                assert_int_equal(record_encode(&s, &b), RECORD_E_FIELD); \
        } while (0)
        REFUSED(s.kind = 0);
        REFUSED(s.kind = _RECORD_SIGNED_N);
        REFUSED(s.kind = RECORD_MAILBOX);
        REFUSED(s.network = BYTES_NONE);
        REFUSED(s.network = BYTES(much, RECORD_NETWORK_MAX + 1));
        REFUSED(s.network = BYTES_LIT("\xff"));
        REFUSED(s.label = BYTES(much, RECORD_LABEL_MAX + 1));
        REFUSED(s.publisher = (struct peer_id){});
        REFUSED(s.created_us = -1);
        REFUSED(s.ttl_s = 0);
        REFUSED(s.ttl_s = RECORD_TTL_MAX + 1);
        REFUSED(s.ttl_s = UINT32_MAX);
        REFUSED(s.payload = BYTES(much, RECORD_PAYLOAD_MAX + 1));

        /* the largest of everything still fits what kad carries */
        good.network = BYTES(much, RECORD_NETWORK_MAX);
        good.label = BYTES(much, RECORD_LABEL_MAX);
        good.payload = BYTES(much, RECORD_PAYLOAD_MAX);
        assert_in_range(sign_record(&b, &p, &good).len, 1, RECORD_BYTES_MAX);
}

static void names_have_one_form(void **state) {
        static const char *const bad[] = {
                "",
                "/",
                "//",
                "endpoint/x",
                "/endpoint",
                "/endpoint/",
                "/endpoint/x",
                "/topic/",
                "/topic",
                "/topic/a\nb",
                "/topic/a\x7f",
                "/topic/\xc2\x9b[31m",
                "/topic/a\xc2\x80",
                "/topic/\xff",
                "/nothing/x",
                "/mailbox/",
                "/pk/x",
                "/profile/bafzaajaiaejcax3k5a5xkqj2nyvntvyqyhvrqwkb4cyxqypyo2lsgvlyhfo3k2vk",
        };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct person p = person_no(1);
        struct record_name n;

        buffer_init(&b, RECORD_NAME_MAX);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(record_name_read(BYTES_STR(bad[i]), &n));
        assert_false(record_name_put(&b, RECORD_TOPIC, NULL, BYTES_NONE));
        assert_false(record_name_put(&b, RECORD_ENDPOINT, &p.peer, BYTES_LIT("label")));
        assert_false(record_name_put(&b, RECORD_ENDPOINT, NULL, BYTES_NONE));
        assert_false(record_name_put(&b, RECORD_TOMBSTONE, &p.peer, BYTES_NONE));
        assert_int_equal(b.len, 0);

        (void) name_for(&b, RECORD_NAME, &p.peer, BYTES_LIT("a/b"));
        assert_true(record_name_read(buffer_bytes(&b), &n));
        assert_bytes_equal(n.label, BYTES_LIT("a/b"));
        b.data[6] = '2'; /* another peer, or none, never the same */
        assert_false(record_name_read(buffer_bytes(&b), &n) && peer_id_equal(&n.peer, &p.peer));
}

static void payloads(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct multiaddr addrs[RECORD_ADDRESSES_MAX];
        struct profile_payload in = { .x25519 = { 1, 2, 3 }, .name = BYTES_LIT("Zoë") }, out;
        struct record_parts parts;
        size_t n;

        buffer_init(&b, RECORD_BYTES_MAX);
        profile_payload_put(&b, &in);
        buffer_put_bytes(&b, BYTES_LIT("of a later version"));
        assert_true(profile_payload_read(buffer_bytes(&b), &out));
        assert_memory_equal(in.x25519, out.x25519, X25519_SIZE);
        assert_bytes_equal(out.name, in.name);
        assert_false(profile_payload_read(BYTES(b.data, 32), &out));

        (void) unhex(&b, record_vectors[0].value);
        assert_int_equal(record_split(buffer_bytes(&b), &parts), RECORD_OK);
        assert_int_equal(parts.fields.sequence, 7);
        assert_true(endpoint_payload_read(parts.fields.payload, addrs, &n));
        assert_int_equal(n, 2);
        assert_false(endpoint_payload_read(BYTES_NONE, addrs, &n));
        assert_false(endpoint_payload_read(
                BYTES(parts.fields.payload.data, parts.fields.payload.len - 1), addrs, &n));
}

TEST_MAIN(cmocka_unit_test(vectors_are_read_and_written_alike),
          cmocka_unit_test(every_bit_is_signed), cmocka_unit_test(fields_have_limits),
          cmocka_unit_test(names_have_one_form), cmocka_unit_test(payloads))
