#include "services/gossip/capability.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/gossip/vectors/vectors.h"

static struct bytes hex(const char *text, uint8_t ret[1024]) {
        size_t n = strlen(text) / 2;

        assert_true(n <= 1024 && hex_decode(text, ret, n));
        return BYTES(ret, n);
}

static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        return sign_verify(key, message, signature);
}

static const struct {
        const char *record;
        int want;
} records[] = {
        { HEX_CAPABILITY_GOOD, CAPABILITY_OK },
        { HEX_CAPABILITY_UTF8, CAPABILITY_OK },
        { HEX_CAPABILITY_NAME_64, CAPABILITY_OK },
        { HEX_CAPABILITY_FOUR_GROUPS, CAPABILITY_OK },
        { HEX_CAPABILITY_UNKNOWN_8, CAPABILITY_OK },
        { HEX_CAPABILITY_512, CAPABILITY_OK },
        { HEX_CAPABILITY_BY_OTHER, CAPABILITY_E_SIGNATURE },
        { HEX_CAPABILITY_513, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_NEWLINE, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_DELETE, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_ESCAPE, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_CSI, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_NOT_UTF8, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_SURROGATE, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_NAME_65, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_FIVE_GROUPS, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_FIVE_ADDRESSES, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_BAD_ADDRESS, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_UNKNOWN_9, CAPABILITY_E_LIMIT },
        { HEX_CAPABILITY_NAME_TWICE, CAPABILITY_E_MALFORMED },
        { HEX_CAPABILITY_BIG_CORES, CAPABILITY_E_MALFORMED },
        { HEX_CAPABILITY_TEXT_AS_NUMBER, CAPABILITY_E_MALFORMED },
        { HEX_CAPABILITY_TRAILING, CAPABILITY_E_MALFORMED },
        { HEX_CAPABILITY_NO_SIGNATURE, CAPABILITY_E_MALFORMED },
        { HEX_CAPABILITY_SEQUENCE_ZERO, CAPABILITY_E_MALFORMED },
        { "", CAPABILITY_E_MALFORMED },
};

static void test_read(void **state) {
        (void) state;
        FOREACH_CASE (c, records) {
                CLEANUP(capability_donep) struct capability r = {};
                uint8_t store[1024];
                int got = capability_read(hex(c->record, store), &r);

                if (got == CAPABILITY_OK && !capability_verify(&r, verify, NULL))
                        got = CAPABILITY_E_SIGNATURE;
                assert_int_equal(got, c->want);
        }
}

static void test_fields(void **state) {
        CLEANUP(capability_donep) struct capability r = {};
        uint8_t a[1024], b[1024];

        (void) state;
        assert_int_equal(capability_read(hex(HEX_CAPABILITY_GOOD, a), &r), CAPABILITY_OK);
        memset(a, 0, sizeof(a)); /* views into a copy of its own */
        assert_bytes_equal(peer_id_bytes(&r.peer), hex(HEX_AUTHOR_A, b));
        assert_true(r.sequence == 1790000000000000000);
        assert_bytes_equal(r.network, BYTES_LIT("default"));
        assert_bytes_equal(r.engines[0], BYTES_LIT("common"));
        assert_bytes_equal(r.groups[0], BYTES_LIT("blue"));
        assert_bytes_equal(r.region, BYTES_LIT("eu"));
        assert_bytes_equal(r.name, BYTES_LIT("bert"));
        assert_bytes_equal(r.version, BYTES_LIT("1.0"));
        assert_int_equal(r.n_addresses, 1);
        assert_int_equal(r.cores, 4);
        assert_int_equal(r.memory_mib, 8192);
        assert_int_equal(r.slots, 4);
        assert_int_equal(r.free_slots, 2);
        assert_int_equal(r.data_classes, 3);
        assert_int_equal(r.price, 5);
        assert_int_equal(r.attestation, 1);
        assert_int_equal(r.datasets, 7);
}

static void test_put(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        uint8_t x[1024], y[1024], z[1024];

        (void) state;
        buffer_init(&b, 1024);
        capability_put(&b, hex(HEX_CAPABILITY_BODY, x), hex(HEX_CAPABILITY_SIGNATURE, y));
        assert_bytes_equal(buffer_bytes(&b), hex(HEX_CAPABILITY_GOOD, z));
}

/* Every bit of a record is either signed or makes it malformed. */
static void test_every_bit(void **state) {
        uint8_t store[1024];
        struct bytes good = hex(HEX_CAPABILITY_GOOD, store);

        (void) state;
        for (size_t bit = 0; bit < good.len * 8; bit++) {
                CLEANUP(capability_donep) struct capability r = {};

                store[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_false(capability_read(good, &r) == CAPABILITY_OK &&
                             capability_verify(&r, verify, NULL));
                store[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
}

TEST_MAIN(cmocka_unit_test(test_read), cmocka_unit_test(test_fields), cmocka_unit_test(test_put),
          cmocka_unit_test(test_every_bit))
