#include "common/canonical/descriptor.h"

#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

static void assert_again(const struct descriptor *d, struct bytes v) {
        struct buffer b;

        buffer_init(&b, DESCRIPTOR_BYTES_MAX);
        assert_int_equal(descriptor_encode(d, &b, NULL), DESCRIPTOR_OK);
        assert_bytes_equal(buffer_bytes(&b), v);
        buffer_done(&b);
}

static void test_vector(void **state) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(descriptor_vector[0].bytes);
        CLEANUP(bytes_freep) struct bytes sql = from_hex(descriptor_vector[0].sql);
        struct hash_value query = query_hash(sql), job = job_id(v), salt = job_salt(v);
        struct descriptor d;

        assert_int_equal(descriptor_decode(v, &d, NULL), DESCRIPTOR_OK);
        assert_hex_equal(hash_bytes(&query), descriptor_vector[0].query);
        assert_hex_equal(hash_bytes(&job), descriptor_vector[0].job);
        assert_hex_equal(hash_bytes(&salt), descriptor_vector[0].salt);
        assert_true(hash_equal(&d.query, &query));
        assert_int_equal(d.requester.len, 38);
        assert_int_equal(d.nonce[15], 15);
        assert_int_equal(d.n_parameters, 2);
        assert_int_equal(d.comparison, COMPARISON_ENGINE);
        assert_int_equal(d.n_classes, 2);
        assert_bytes_equal(d.classes[1], BYTES_LIT("sqlite-3.46.1-amd64"));
        assert_int_equal(d.n_datasets, 1);
        assert_bytes_equal(d.datasets[0].name, BYTES_LIT("main"));
        assert_int_equal(d.limits.rows, 1000000);
        assert_int_equal(d.limits.memory, 256 << 20);
        assert_int_equal(d.limits.wall_ms, 60000);
        assert_true(d.ordered);
        assert_int_equal(d.time_us, 1700000000123456);
        assert_int_equal(d.seed[0], 100);
        assert_bytes_equal(d.network, BYTES_LIT("public"));
        assert_int_equal(d.data_class, DATA_PUBLIC);
        assert_again(&d, v);
}

/* Every other value of every byte is refused, or says exactly itself. */
static void test_mutations(void **state) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(descriptor_vector[0].bytes);
        uint8_t *p = (uint8_t *) v.data;
        size_t refused = 0;

        for (size_t i = 0; i < v.len * 256; i++) {
                uint8_t was = p[i / 256];
                struct descriptor d;

                p[i / 256] = (uint8_t) i;
                if (descriptor_decode(v, &d, NULL) == DESCRIPTOR_OK)
                        assert_again(&d, v);
                else
                        refused++;
                p[i / 256] = was;
        }
        assert_true(refused > 5000);
}

static void test_lengths(void **state) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(descriptor_vector[0].bytes);
        CLEANUP(freep) uint8_t *longer = xmalloc(v.len + 1);
        struct descriptor d;

        for (size_t n = 0; n < v.len; n++)
                assert_int_equal(descriptor_decode(BYTES(v.data, n), &d, NULL),
                                 DESCRIPTOR_E_FORMAT);
        memcpy(longer, v.data, v.len);
        longer[v.len] = 0;
        assert_int_equal(descriptor_decode(BYTES(longer, v.len + 1), &d, NULL),
                         DESCRIPTOR_E_FORMAT);
}

static void test_fields(void **state) {
        CLEANUP(bytes_freep) struct bytes v = from_hex(descriptor_vector[0].bytes);
        const char *field = NULL;
        struct descriptor good, d;
        struct buffer b;

        assert_int_equal(descriptor_decode(v, &good, NULL), DESCRIPTOR_OK);
        buffer_init(&b, 1 << 20);
#define REFUSED(name, change)                                                            \
        do {                                                                             \
                d = good;                                                                \
                change;                                                                  \
                assert_int_equal(descriptor_encode(&d, &b, &field), DESCRIPTOR_E_FIELD); \
                assert_string_equal(field, name);                                        \
        } while (0)
        REFUSED("requester", d.requester = BYTES_NONE);
        REFUSED("parameters", d.n_parameters = 1);
        REFUSED("comparison", d.comparison = 0);
        REFUSED("comparison", d.comparison = 4);
        REFUSED("engine classes", d.n_classes = 33);
        REFUSED("engine classes", d.classes[0] = BYTES_NONE);
        REFUSED("datasets", (d.n_datasets = 2, d.datasets[1] = d.datasets[0]));
        REFUSED("schema", d.schema = BYTES_LIT("\x01"));
        REFUSED("network", d.network = BYTES_LIT("\xff"));
        REFUSED("data class", d.data_class = 4);
#undef REFUSED
        assert_int_equal(b.len, 0);
        assert_int_equal(comparison_of(BYTES_STR("portable")), COMPARISON_PORTABLE);
        assert_int_equal(comparison_of(BYTES_STR("PORTABLE")), 0);
        assert_string_equal(data_class_name(DATA_SENSITIVE), "sensitive");
        assert_null(data_class_name(4));
        buffer_done(&b);
}

static const struct {
        const char *name;
        bool is_named;
} names[] = {
        { "trips", true },
        { "T_9", true },
        { "_", true },
        { "zA0", true },
        { "", false },
        { "9t", false },
        { "a b", false },
        { "a-b", false },
        { "a\"", false },
        { "a\n", false },
        { "caf\xc3\xa9", false },
        { "a@", false },
        { "a[", false },
        { "a`", false },
        { "a{", false },
};

static void test_names(void **state) {
        FOREACH_CASE (c, names)
                assert_int_equal(dataset_is_named(BYTES_STR(c->name)), c->is_named);
        assert_false(dataset_is_named(BYTES_LIT("a\0b")));
}

TEST_MAIN(cmocka_unit_test(test_vector), cmocka_unit_test(test_mutations),
          cmocka_unit_test(test_lengths), cmocka_unit_test(test_fields),
          cmocka_unit_test(test_names))
