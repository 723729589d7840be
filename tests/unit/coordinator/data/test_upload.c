/* Bytes of a client into the store: the salt, and what an executor says of them before
 * they have a root. */

#include <stdlib.h>

#include "services/coordinator/data/store.h"
#include "tests/support/test.h"

#define MIB (1u << 20)

static const uint8_t no_salt[DATA_SALT_SIZE];
static char dir[64];

static int setup(void **state) {
        strcpy(dir, "/tmp/quorate-store-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command);
}

/* Not public: the same for one node and one content, another for another node. */
static void test_salt_is_derived(void **state) {
        const uint8_t mine[DATA_SALT_SIZE] = { 1 }, other[DATA_SALT_SIZE] = { 2 };
        const uint8_t *secrets[] = { mine, mine, other, no_salt };
        struct hash_value roots[4];
        struct upload *u;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 3, secrets[i], &u), STORE_OK);
                assert_int_equal(upload_write(u, BYTES_LIT("abc")), STORE_OK);
                assert_int_equal(upload_finish(u, &roots[i]), STORE_OK);
                upload_free(u);
        }
        assert_true(hash_equal(&roots[0], &roots[1]));
        assert_false(hash_equal(&roots[0], &roots[2]));
        assert_false(hash_equal(&roots[0], &roots[3]));
        assert_int_equal(store_used(s), 3 * 2 * STORE_BLOCK);
        store_free(s);
}

static void read_file(const char *name, char *ret, size_t n) {
        char path[160];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fread(ret, 1, n, file), n);
        fclose(file);
}

/* Complete, it can be looked at; what was found goes into the manifest, and so the root. */
static void test_described(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {}, large = {};
        struct hash_value plain, root;
        struct manifest m;
        struct upload *u;
        struct store *s;
        char content[3];

        buffer_init(&b, MANIFEST_SIZE_MAX);
        buffer_init(&large, MANIFEST_SIZE_MAX);
        assert_non_null(buffer_reserve(&large, MANIFEST_SIZE_MAX));
        large.len = MANIFEST_SIZE_MAX;
        memset(large.data, 'x', large.len);
        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(upload_begin(s, BYTES_LIT("csv"), 3, no_salt, &u), STORE_OK);
                assert_int_equal(upload_write(u, BYTES_LIT("ab")), STORE_OK);
                assert_int_equal(upload_complete(u), STORE_E_LENGTH);
                assert_int_equal(upload_write(u, BYTES_LIT("c")), STORE_OK);
                assert_int_equal(upload_complete(u), STORE_OK);
                read_file(upload_name(u), content, sizeof(content));
                assert_memory_equal(content, "abc", 3);
                if (i == 1)
                        upload_describe(u, BYTES_LIT("how"), BYTES_LIT("what"));
                if (i == 2)
                        upload_describe(u, BYTES_LIT("how"), buffer_bytes(&large));
                assert_int_equal(upload_finish(u, i == 0 ? &plain : &root),
                                 i == 2 ? STORE_E_SCHEMA : STORE_OK);
                if (i == 1)
                        assert_int_equal(store_serve_source.manifest(s, &root, &b), 0);
                upload_free(u);
        }
        assert_int_equal(manifest_decode(buffer_bytes(&b), &m), MANIFEST_OK);
        assert_bytes_equal(m.format, BYTES_LIT("csv"));
        assert_bytes_equal(m.options, BYTES_LIT("how"));
        assert_bytes_equal(m.schema, BYTES_LIT("what"));
        assert_false(hash_equal(&plain, &root));
        assert_int_equal(store_used(s), 2 * 2 * STORE_BLOCK);
        store_free(s);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_salt_is_derived, setup, teardown),
          cmocka_unit_test_setup_teardown(test_described, setup, teardown))
