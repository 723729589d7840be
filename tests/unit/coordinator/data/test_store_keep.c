/* What people said of datasets holds. */

#include "services/coordinator/data/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "tests/unit/coordinator/data/support.h"

static char *path_of(const struct hash_value *root, const char *suffix) {
        static char paths[4][160];
        static unsigned next;
        char *path = paths[next++ % 4], hex[2 * HASH_SIZE + 1];

        hex_encode(hash_bytes(root), hex);
        snprintf(path, sizeof(paths[0]), "%s/%s.%s", dir, hex, suffix);
        return path;
}

static struct store_keep keep_of(uint8_t flags, const char *label) {
        struct store_keep k = { .flags = flags, .time_us = 1234567 };

        strcpy(k.label, label);
        return k;
}

static void set_keep(struct store *s, const struct hash_value *root, uint8_t flags,
                     const char *label) {
        const struct store_keep k = keep_of(flags, label);

        assert_int_equal(store_set_keep(s, root, &k), STORE_OK);
}

/* What people want to keep stays, whatever comes, also after the process ended at any moment. */
static void test_keep_holds(void **state) {
        struct hash_value a, b, found;
        struct store_keep k;
        struct upload *u;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB + 2 * META, &s), STORE_OK);
        a = put(s, 'a', 4 * MIB);
        store_unpin(s, &a);
        set_keep(s, &a, STORE_KEEP_PINNED | STORE_KEEP_ANNOUNCED, "sales");
        s = store_free(s);

        assert_int_equal(store_open(dir, 10 * MIB + 2 * META, &s), STORE_OK);
        assert_true(store_keep_of(s, &a, &k));
        assert_int_equal(k.flags, STORE_KEEP_PINNED | STORE_KEEP_ANNOUNCED);
        assert_int_equal(k.time_us, 1234567);
        assert_string_equal(k.label, "sales");
        assert_true(store_find_label(s, "sales", &found) && hash_equal(&found, &a));
        assert_false(store_find_label(s, "", &found));
        b = put(s, 'b', 6 * MIB);
        store_unpin(s, &b);
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 7 * MIB, no_salt, &u), STORE_E_QUOTA);
        assert_true(store_has(s, &a) && store_has(s, &b));
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 6 * MIB, no_salt, &u), STORE_OK);
        upload_free(u);
        assert_true(store_has(s, &a));
        assert_false(store_has(s, &b));

        set_keep(s, &a, 0, "");
        assert_false(store_keep_of(s, &a, &k));
        assert_int_equal(access(path_of(&a, "keep"), F_OK), -1);
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 7 * MIB, no_salt, &u), STORE_OK);
        upload_free(u);
        assert_false(store_has(s, &a));
        store_free(s);
}

/* One that cannot be read is none, and does no harm. */
static void test_damaged_keep(void **state) {
        static const char *const bad[] = { "", "\1", "\2\1________\0", "\1\1________\5abc",
                                           "\1\1________\1ab" };
        struct store_keep k;
        struct hash_value a;
        struct store *s;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                FILE *file;

                assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
                a = put(s, 'a', MIB);
                set_keep(s, &a, STORE_KEEP_PINNED, "x");
                s = store_free(s);
                file = fopen(path_of(&a, "keep"), "w");
                assert_non_null(file);
                assert_int_equal(fwrite(bad[i], 1, strlen(bad[i]), file), strlen(bad[i]));
                fclose(file);
                assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
                assert_false(store_keep_of(s, &a, &k));
                assert_true(store_has(s, &a));
                s = store_free(s);
        }
}

/* Two with one name, which a crash amid renaming leaves: the one written last has it. */
static void test_one_name_twice(void **state) {
        struct hash_value roots[2], found;
        struct store_keep k;
        struct store *s;

        for (int last = 0; last < 2; last++) {
                assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
                roots[0] = put(s, 'a', 5);
                roots[1] = put(s, 'b', 5);
                set_keep(s, &roots[!last], STORE_KEEP_PINNED, "sales");
                usleep(20000); /* more than a tick of the file system's clock */
                set_keep(s, &roots[last], STORE_KEEP_PINNED, "sales");
                s = store_free(s);
                for (int i = 0; i < 2; i++) {
                        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
                        assert_true(store_find_label(s, "sales", &found));
                        assert_true(hash_equal(&found, &roots[last]));
                        assert_true(store_keep_of(s, &roots[!last], &k));
                        assert_string_equal(k.label, "");
                        assert_int_equal(k.flags, STORE_KEEP_PINNED);
                        s = store_free(s);
                }
        }
}

static void test_labels(void **state) {
        static const struct {
                const char *label;
                bool is_good;
        } rows[] = {
                { "sales", true },
                { "z\303\244hler 2", true },
                { "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef", true },
                { "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", true },
                { "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false },
                { "", false },
                { "a@b", false },
                { "a\nb", false },
                { "a\177", false },
                { "\303", false },
        };

        FOREACH_CASE (c, rows)
                assert_int_equal(store_is_label(c->label), c->is_good);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_keep_holds, setup, teardown),
          cmocka_unit_test_setup_teardown(test_damaged_keep, setup, teardown),
          cmocka_unit_test_setup_teardown(test_one_name_twice, setup, teardown),
          cmocka_unit_test(test_labels))
