/* What a node's imports made: found again after a restart, gone with what was made or with what
 * it was made of, and never believed of others. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "services/coordinator/data/derived.h"
#include "services/worker/tables/image.h"
#include "tests/unit/coordinator/data/support.h"

static char *path_of(const struct hash_value *root, const char *suffix) {
        static char paths[4][160];
        static unsigned next;
        char *path = paths[next++ % 4], hex[2 * HASH_SIZE + 1];

        hex_encode(hash_bytes(root), hex);
        snprintf(path, sizeof(paths[0]), "%s/%s.%s", dir, hex, suffix);
        return path;
}

static const uint8_t salt[DATA_SALT_SIZE] = { 1, 2, 3 };

/* As an import ends: what says of which it was made, with that one's salt. */
static struct hash_value derive(struct store *s, const struct hash_value *from, uint8_t fill,
                                size_t len) {
        CLEANUP(buffer_donep) struct buffer options = {};
        const struct derived d = { *from, BYTES_LIT(IMPORT_VERSION) };
        uint8_t *content = xmalloc(len);
        struct hash_value root;
        struct upload *u;

        memset(content, fill, len);
        buffer_init(&options, 256);
        derived_encode(&d, &options);
        assert_int_equal(upload_begin(s, BYTES_LIT(IMPORT_FORMAT), len, no_salt, &u), STORE_OK);
        assert_int_equal(upload_write(u, BYTES(content, len)), STORE_OK);
        upload_describe(u, buffer_bytes(&options), BYTES_NONE);
        upload_salt(u, salt);
        assert_int_equal(upload_finish(u, &root), STORE_OK);
        upload_free(u);
        free(content);
        store_unpin(s, &root);
        return root;
}

static struct hash_value import(struct store *s, const struct hash_value *from, uint8_t fill,
                                size_t len) {
        struct hash_value made = derive(s, from, fill, len);

        assert_int_equal(store_set_import(s, from, &made, ""), 0);
        return made;
}

static void expect_import(const struct store *s, const struct hash_value *from,
                          const struct hash_value *want) {
        struct hash_value found;

        assert_true(store_import_of(s, from, &found) == (want != NULL));
        if (want)
                assert_true(hash_equal(&found, want));
}

static void test_holds(void **state) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct hash_value a, made, again;
        struct manifest m;
        struct derived d;
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        store_unpin(s, &a);
        expect_import(s, &a, NULL);
        made = import(s, &a, 'm', 2 * MIB);
        expect_import(s, &a, &made);
        s = store_free(s);

        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        expect_import(s, &a, &made);
        buffer_init(&manifest, MANIFEST_SIZE_MAX);
        assert_int_equal(store_manifest(s, &made, &manifest), 0);
        assert_int_equal(manifest_decode(buffer_bytes(&manifest), &m), MANIFEST_OK);
        assert_memory_equal(m.salt, salt, DATA_SALT_SIZE);
        assert_true(derived_decode(&m, &d) && hash_equal(&d.from, &a));
        assert_true(bytes_equal(d.version, BYTES_LIT(IMPORT_VERSION)));

        /* Made again, it is the same. */
        assert_int_equal(store_remove(s, &made), STORE_OK);
        expect_import(s, &a, NULL);
        again = import(s, &a, 'm', 2 * MIB);
        assert_true(hash_equal(&made, &again));
        store_free(s);
}

/* The version of the import stands for these bytes exactly. */
static void test_version(void **state) {
        char want[64];

        (void) state;
        (void) snprintf(want, sizeof(want), "sqlite-file/%d", IMAGE_VERSION);
        assert_string_equal(IMPORT_VERSION, want);
}

/* What another build made of the file goes when it is made anew, unless somebody reads it. */
static void test_replaced(void **state) {
        struct hash_value a, first, second, third;
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        first = derive(s, &a, '1', MIB);
        second = derive(s, &a, '2', MIB);
        third = derive(s, &a, '3', MIB);
        assert_int_equal(store_set_import(s, &a, &first, "duckdb/1/x"), 0);
        assert_int_equal(store_set_import(s, &a, &first, "duckdb/2/x"), 0);
        assert_true(store_has(s, &first));
        assert_int_equal(store_set_import(s, &a, &second, "duckdb/3/x"), 0);
        assert_false(store_has(s, &first));
        expect_import(s, &a, &second);
        assert_int_equal(store_pin(s, &second), STORE_OK);
        assert_int_equal(store_set_import(s, &a, &third, "duckdb/4/x"), 0);
        assert_true(store_has(s, &second));
        expect_import(s, &a, &third);
        store_unpin(s, &second);
        store_free(s);
}

static void test_remove(void **state) {
        struct hash_value a, made;
        struct store_keep keep = { .flags = STORE_KEEP_PINNED, .time_us = 1 };
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        store_unpin(s, &a);
        made = import(s, &a, 'm', MIB);
        assert_int_equal(store_remove(s, &a), STORE_OK);
        assert_false(store_has(s, &made));
        assert_int_equal(access(path_of(&a, "import"), F_OK), -1);

        /* In use, or wanted: it stays. */
        a = put(s, 'a', MIB);
        store_unpin(s, &a);
        made = import(s, &a, 'm', MIB);
        assert_int_equal(store_pin(s, &made), STORE_OK);
        assert_int_equal(store_remove(s, &a), STORE_OK);
        assert_true(store_has(s, &made));
        expect_import(s, &a, &made);
        store_unpin(s, &made);
        assert_int_equal(store_set_keep(s, &made, &keep), STORE_OK);
        a = put(s, 'a', MIB);
        store_unpin(s, &a);
        assert_int_equal(store_remove(s, &a), STORE_OK);
        assert_true(store_has(s, &made));
        store_free(s);
}

/* Under the same quota as all else, and the first to go when it was not used. */
static void test_quota(void **state) {
        struct hash_value a, b, made;
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 6 * MIB + 3 * META, &s), STORE_OK);
        a = put(s, 'a', 2 * MIB);
        made = import(s, &a, 'm', 3 * MIB);
        b = put(s, 'b', 3 * MIB);
        assert_false(store_has(s, &made));
        expect_import(s, &a, NULL);
        assert_int_equal(access(path_of(&a, "import"), F_OK), -1);
        assert_true(store_has(s, &a) && store_has(s, &b));
        store_free(s);
}

static void write_note(const struct hash_value *from, const void *content, size_t len) {
        int fd = open(path_of(from, "import"), O_WRONLY | O_CREAT | O_TRUNC, 0644);

        assert_true(fd >= 0 && write(fd, content, len) == (ssize_t) len);
        close(fd);
}

/* Who read the file is noted: what one build of an engine made is not another one's. */
static void test_class(void **state) {
        static const char *const classes[] = { "duckdb/1.5.6/0011aabb", "duckdb/1.5.7/0011aabb",
                                               "" };
        struct hash_value a, made;
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        assert_null(store_import_class(s, &a));
        made = derive(s, &a, 'm', MIB);
        FOREACH_CASE (c, classes) {
                assert_int_equal(store_set_import(s, &a, &made, *c), 0);
                assert_string_equal(store_import_class(s, &a), *c);
                s = store_free(s);
                assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
                expect_import(s, &a, &made);
                assert_string_equal(store_import_class(s, &a), *c);
        }
        assert_int_equal(store_remove(s, &made), STORE_OK);
        assert_null(store_import_class(s, &a));
        store_free(s);
}

static void test_version_class(void **state) {
        static const struct {
                const char *version, *class;
        } cases[] = {
                { IMPORT_VERSION, "" },       { IMPORT_VERSION "+duckdb/1/2", "duckdb/1/2" },
                { IMPORT_VERSION "+", NULL }, { IMPORT_VERSION "0", NULL },
                { "sqlite-file", NULL },      { "", NULL },
        };
        char version[IMPORT_VERSION_MAX + 1];

        (void) state;
        FOREACH_CASE (c, cases) {
                const char *class = import_version_class(c->version);

                assert_true(class ? c->class && !strcmp(class, c->class) : !c->class);
                if (class)
                        assert_string_equal(import_version(class, version), c->version);
        }
}

/* Of another version, cut short, of what is not here: forgotten at the next start. */
static void test_damaged(void **state) {
        struct hash_value a, made, other = { { 7 } };
        uint8_t note[1 + HASH_SIZE + 1 + sizeof(IMPORT_VERSION) - 1] = { 1 };
        struct store *s;

        (void) state;
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        made = derive(s, &a, 'm', MIB);
        expect_import(s, &a, NULL); /* what a manifest says is not enough */
        s = store_free(s);
        note[1 + HASH_SIZE] = sizeof(IMPORT_VERSION) - 1;
        memcpy(note + 2 + HASH_SIZE, IMPORT_VERSION, sizeof(IMPORT_VERSION) - 1);
        for (unsigned k = 0; k < 5; k++) {
                memcpy(note + 1, k == 1 ? other.bytes : made.bytes, HASH_SIZE);
                note[0] = k == 2 ? 2 : 1;
                note[sizeof(note) - 1] = k == 3 ? '0' : '1';
                write_note(&a, note, k == 4 ? sizeof(note) - 1 : sizeof(note));
                assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
                expect_import(s, &a, k == 0 ? &made : NULL);
                assert_int_equal(access(path_of(&a, "import"), F_OK), k == 0 ? 0 : -1);
                s = store_free(s);
        }
}

static void test_derived_decode(void **state) {
        static const struct {
                const char *format;
                uint8_t kind;
                size_t cut, more;
                const char *version;
                bool ok;
        } cases[] = {
                { "sqlite", 2, 0, 0, "x", true },
                { "sqlite", 2, 0, 0, "sqlite-file/1", true },
                { "csv", 2, 0, 0, "x", false },
                { "sqlite", 1, 0, 0, "x", false },
                { "sqlite", 2, 1, 0, "x", false },
                { "sqlite", 2, 0, 1, "x", false },
                { "sqlite", 2, 0, 0, "", false },
                { "sqlite", 2, 0, 0, "a b", false },
                { "sqlite", 2, 0, 0, "\x1b[2J", false },
                { "sqlite", 2, 0, 0,
                  "1234567890123456789012345678901234567890123456789012345678901234"
                  "1234567890123456789012345678901234567890123456789012345678901234"
                  "12345678901234567890123456789012345678901234567890123456789012345",
                  false },
        };

        (void) state;
        FOREACH_CASE (c, cases) {
                CLEANUP(buffer_donep) struct buffer b = {};
                const struct derived in = { .version = BYTES_STR(c->version) };
                struct manifest m = { .format = BYTES_STR(c->format) };
                struct derived d;

                buffer_init(&b, 256);
                derived_encode(&in, &b);
                b.data[0] = c->kind;
                if (c->more)
                        buffer_put_u8(&b, 0);
                m.options = BYTES(b.data, b.len - c->cut);
                assert_int_equal(derived_decode(&m, &d), c->ok);
        }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(TEST(test_holds), cmocka_unit_test(test_version), cmocka_unit_test(test_version_class),
          TEST(test_class), TEST(test_replaced), TEST(test_remove), TEST(test_quota),
          TEST(test_damaged), cmocka_unit_test(test_derived_decode))
