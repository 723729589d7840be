/* The folder of kept answers: its limits, who makes room, and what a start finds. */

#include "services/coordinator/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "tests/support/test.h"

static const struct kept_limits limits = { .bytes = 1000, .entry = 400, .entries = 5 };

struct fixture {
        char folder[64];
        struct kept *kept;
};

static void reopen(struct fixture *f, const struct kept_limits *l) {
        kept_free(f->kept);
        f->kept = NULL;
        assert_int_equal(kept_open(f->folder, l, &f->kept), 0);
}

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);

        (void) strcpy(f->folder, "/tmp/quorate-kept-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        reopen(f, &limits);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;
        char command[128];

        kept_free(f->kept);
        (void) snprintf(command, sizeof(command), "rm -rf %s", f->folder);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static struct hash_value key_of(unsigned i) {
        return (struct hash_value){ { (uint8_t) i } };
}

static int put(struct fixture *f, unsigned i, size_t n) {
        CLEANUP(freep) uint8_t *data = xmalloc(n + 1);
        struct hash_value key = key_of(i);

        memset(data, (int) i, n);
        return kept_put(f->kept, &key, BYTES(data, n));
}

static bool has(struct fixture *f, unsigned i) {
        struct hash_value key = key_of(i);

        return kept_has(f->kept, &key);
}

/* Its length, when it is what was put; else 0. */
static size_t get(struct fixture *f, unsigned i) {
        struct hash_value key = key_of(i);
        CLEANUP(refbuf_unrefp) struct refbuf *b = kept_find(f->kept, &key);

        for (size_t k = 0; b && k < b->len; k++)
                if (b->data[k] != (uint8_t) i)
                        return 0;
        return b ? b->len : 0;
}

static const char *path_of(const struct fixture *f, unsigned i, char ret[256]) {
        struct hash_value key = key_of(i);
        char hex[2 * HASH_SIZE + 1];

        hex_encode(hash_bytes(&key), hex);
        (void) snprintf(ret, 256, "%s/%s.answer", f->folder, hex);
        return ret;
}

static void assert_disk(const struct fixture *f) {
        uint64_t bytes = 0, n = 0;

        for (unsigned i = 0; i < 64; i++) {
                char path[256];
                struct stat st;

                if (stat(path_of(f, i, path), &st) == 0) {
                        bytes += (uint64_t) st.st_size;
                        n++;
                }
        }
        assert_int_equal(kept_figures(f->kept)->bytes, bytes);
        assert_int_equal(kept_figures(f->kept)->entries, n);
        assert_true(bytes <= limits.bytes && n <= limits.entries);
}

static void test_put_and_find(void **state) {
        struct fixture *f = *state;
        char path[256];
        struct stat st;

        assert_int_equal(get(f, 1), 0);
        assert_int_equal(put(f, 1, 100), KEPT_OK);
        assert_int_equal(get(f, 1), 100);
        assert_int_equal(stat(path_of(f, 1, path), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(put(f, 1, 50), KEPT_OK); /* in its place */
        assert_int_equal(get(f, 1), 50);
        assert_disk(f);
        kept_drop(f->kept, &(struct hash_value){ { 1 } });
        assert_false(has(f, 1));
        assert_disk(f);
}

static void test_room(void **state) {
        struct fixture *f = *state;

        for (unsigned i = 1; i <= 3; i++)
                assert_int_equal(put(f, i, 300), KEPT_OK);
        assert_int_equal(get(f, 1), 300); /* used last now */
        assert_int_equal(put(f, 4, 300), KEPT_OK);
        assert_true(has(f, 1) && !has(f, 2) && has(f, 3) && has(f, 4));
        assert_int_equal(kept_figures(f->kept)->evicted, 1);
        assert_disk(f);
        for (unsigned i = 5; i <= 12; i++) {
                assert_int_equal(put(f, i, 10), KEPT_OK);
                assert_disk(f);
        }
        assert_int_equal(kept_figures(f->kept)->entries, limits.entries);
        assert_true(has(f, 12) && has(f, 8) && !has(f, 7));
}

/* What has no room is refused before a byte is written, and nobody goes for it. */
static void test_too_large(void **state) {
        struct fixture *f = *state;
        const struct kept_limits none = { .bytes = 0, .entry = 400, .entries = 5 };

        assert_int_equal(put(f, 1, 400), KEPT_OK);
        assert_int_equal(put(f, 2, 401), KEPT_E_SIZE);
        assert_true(has(f, 1) && !has(f, 2));
        assert_int_equal(kept_figures(f->kept)->refused, 1);
        assert_disk(f);
        reopen(f, &none);
        assert_false(has(f, 1));
        assert_int_equal(put(f, 1, 1), KEPT_E_SIZE);
        assert_disk(f);
}

/* The old one is there until the new one is, and both have to fit. */
static void test_replaced_within_limits(void **state) {
        struct fixture *f = *state;

        assert_int_equal(put(f, 1, 400), KEPT_OK);
        assert_int_equal(put(f, 2, 300), KEPT_OK);
        assert_int_equal(put(f, 1, 390), KEPT_OK);
        assert_true(has(f, 1) && !has(f, 2));
        assert_int_equal(get(f, 1), 390);
        assert_disk(f);
}

static void set_used(const struct fixture *f, unsigned i, time_t when) {
        const struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
        char path[256];

        assert_int_equal(utimensat(AT_FDCWD, path_of(f, i, path), times, 0), 0);
}

/* A start knows what was used last, and holds to limits that have become narrower. */
static void test_restart(void **state) {
        struct fixture *f = *state;
        const struct kept_limits narrow = { .bytes = 300, .entry = 400, .entries = 5 };

        for (unsigned i = 1; i <= 5; i++)
                assert_int_equal(put(f, i, 100), KEPT_OK);
        for (unsigned i = 1; i <= 5; i++)
                set_used(f, i, 1000 + i % 3);
        reopen(f, &limits);
        for (unsigned i = 1; i <= 5; i++)
                assert_true(has(f, i));
        reopen(f, &narrow);
        assert_true(has(f, 2) && has(f, 5)); /* used last */
        assert_false(has(f, 3));             /* and longest ago */
        assert_int_equal(kept_figures(f->kept)->entries, 3);
        assert_disk(f);
}

static void make_file(const char *folder, const char *name, size_t n) {
        char path[256];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "w");
        assert_non_null(file);
        for (size_t i = 0; i < n; i++)
                (void) fputc('x', file);
        (void) fclose(file);
}

/* Killed while writing, and what somebody else has put there. */
static void test_leftovers(void **state) {
        struct fixture *f = *state;
        char path[256], name[128];

        assert_int_equal(put(f, 1, 100), KEPT_OK);
        (void) snprintf(name, sizeof(name), "%s.tmp", strrchr(path_of(f, 2, path), '/') + 1);
        make_file(f->folder, name, 50);
        make_file(f->folder, "something.answer", 50);
        make_file(f->folder, strrchr(path_of(f, 3, path), '/') + 1, 401); /* of narrower limits */
        assert_int_equal(symlink("/etc/passwd", path_of(f, 4, path)), 0);
        reopen(f, &limits);
        assert_true(has(f, 1) && !has(f, 2) && !has(f, 3) && !has(f, 4));
        assert_int_equal(kept_figures(f->kept)->entries, 1);
        (void) snprintf(path, sizeof(path), "%s/%s", f->folder, name);
        assert_int_not_equal(access(path, F_OK), 0);
        assert_int_equal(access("/etc/passwd", F_OK), 0);
        assert_disk(f);
}

/* Cut short, gone, or another file in its place while we run: it is none, and counted. */
static void test_damaged(void **state) {
        struct fixture *f = *state;
        char path[256];

        for (unsigned i = 1; i <= 4; i++)
                assert_int_equal(put(f, i, 100), KEPT_OK);
        make_file(f->folder, "elsewhere", 100);
        assert_int_equal(truncate(path_of(f, 1, path), 99), 0);
        assert_int_equal(unlink(path_of(f, 2, path)), 0);
        assert_int_equal(unlink(path_of(f, 3, path)), 0);
        assert_int_equal(symlink("elsewhere", path), 0);
        assert_int_equal(truncate(path_of(f, 4, path), 101), 0);
        for (unsigned i = 1; i <= 4; i++) {
                struct hash_value key = key_of(i);

                assert_null(kept_find(f->kept, &key));
                assert_false(has(f, i));
        }
        assert_int_equal(kept_figures(f->kept)->failures, 4);
        assert_disk(f);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

TEST_MAIN(CASE(test_put_and_find), CASE(test_room), CASE(test_too_large),
          CASE(test_replaced_within_limits), CASE(test_restart), CASE(test_leftovers),
          CASE(test_damaged))
