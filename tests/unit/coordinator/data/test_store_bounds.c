/* What others can make the store keep: bytes on the disk, whatever they are of, and how many. */

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "services/coordinator/data/store_files.h"
#include "tests/unit/coordinator/data/support.h"

#define SCHEMA (250u << 10)

/* One byte, and a schema of so many. */
static int put_described(struct store *s, unsigned number, size_t schema, struct hash_value *ret) {
        CLEANUP(freep) uint8_t *text = xmalloc(schema + 1);
        CLEANUP(upload_freep) struct upload *u = NULL;
        uint8_t content = (uint8_t) number;
        int r;

        memset(text, 'x', schema);
        r = upload_begin(s, BYTES_LIT("csv"), 1, no_salt, &u);
        if (r)
                return r;
        assert_int_equal(upload_write(u, BYTES(&content, 1)), STORE_OK);
        upload_describe(u, BYTES_LIT(""), BYTES(text, schema));
        return upload_finish(u, ret);
}

static uint64_t on_disk(void) {
        DIR *d = opendir(dir);
        uint64_t sum = 0;
        struct dirent *e;
        struct stat st;

        assert_non_null(d);
        while ((e = readdir(d)))
                if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
                        sum += ((uint64_t) st.st_size + STORE_BLOCK - 1) / STORE_BLOCK *
                               STORE_BLOCK;
        closedir(d);
        return sum;
}

static void test_meta_counts(void **state) {
        struct hash_value root;
        struct store *s;

        assert_int_equal(store_open(dir, MIB, &s), STORE_OK);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(put_described(s, i, SCHEMA, &root), STORE_OK);
                assert_int_equal(store_used(s), on_disk());
                assert_true(store_used(s) <= MIB);
                store_unpin(s, &root);
        }
        assert_int_equal(store_count(s), 4);
        assert_int_equal(store_evicted(s), 16);
        s = store_free(s);
        assert_int_equal(store_open(dir, MIB, &s), STORE_OK);
        assert_int_equal(store_count(s), 4);
        assert_int_equal(store_used(s), on_disk());
        s = store_free(s);
        /* Less is allowed than was: at once. */
        assert_int_equal(store_open(dir, MIB / 2, &s), STORE_OK);
        assert_int_equal(store_count(s), 2);
        assert_int_equal(store_used(s), on_disk());
        store_free(s);
}

/* That it does not fit is known when its manifest is: nothing of it stays. */
static void test_schema_does_not_fit(void **state) {
        struct hash_value root, other;
        struct store *s;

        assert_int_equal(store_open(dir, 400 << 10, &s), STORE_OK);
        assert_int_equal(put_described(s, 0, SCHEMA, &root), STORE_OK);
        assert_int_equal(put_described(s, 1, SCHEMA, &other), STORE_E_QUOTA);
        assert_int_equal(store_used(s), on_disk());
        store_unpin(s, &root);
        assert_int_equal(put_described(s, 1, SCHEMA, &other), STORE_OK);
        assert_false(store_has(s, &root));
        store_free(s);
}

static void test_number_is_bounded(void **state) {
        struct hash_value roots[10], root;
        struct upload *u, *none;
        struct store *s;

        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        assert_int_equal(s->entries_max, STORE_ENTRIES_MAX);
        s->entries_max = 4;
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(put_described(s, i, 0, &roots[i]), STORE_OK);
                if (i > 0)
                        store_unpin(s, &roots[i]);
        }
        assert_int_equal(store_count(s), 4);
        assert_int_equal(store_evicted(s), 6);
        assert_true(store_has(s, &roots[0]) && store_has(s, &roots[9]));
        assert_false(store_has(s, &roots[1]));
        /* One under way has its place. */
        assert_int_equal(upload_begin(s, BYTES_LIT("csv"), 1, no_salt, &u), STORE_OK);
        assert_int_equal(store_count(s), 3);
        for (unsigned i = 8; i < 10; i++)
                assert_int_equal(store_pin(s, &roots[i]), STORE_OK);
        assert_int_equal(upload_begin(s, BYTES_LIT("csv"), 1, no_salt, &none), STORE_E_QUOTA);
        upload_free(u);
        assert_int_equal(put_described(s, 99, 0, &root), STORE_OK);
        assert_int_equal(put_described(s, 98, 0, &root), STORE_E_QUOTA);
        assert_int_equal(store_used(s), on_disk());
        store_free(s);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_meta_counts, setup, teardown),
          cmocka_unit_test_setup_teardown(test_schema_does_not_fit, setup, teardown),
          cmocka_unit_test_setup_teardown(test_number_is_bounded, setup, teardown))
