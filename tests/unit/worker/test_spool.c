/* The spool's index over what an executor wrote, its budget, and the cache of inputs. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/client/spool_format.h"
#include "services/worker/inputs.h"
#include "services/worker/spool.h"
#include "tests/support/test.h"

struct folder {
        char path[64];
        int fd;
};

static struct folder folder_new(void) {
        struct folder f = { .path = "/tmp/quorate-test-XXXXXX" };

        assert_non_null(mkdtemp(f.path));
        f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f.fd >= 0);
        return f;
}

static void folder_free(struct folder *f) {
        char command[96];

        (void) close(f->fd);
        (void) snprintf(command, sizeof(command), "rm -rf %s", f->path);
        assert_int_equal(system(command), 0);
}

static void append(int fd, const char *batch, uint8_t digest) {
        uint8_t header[SPOOL_HEADER_SIZE], trailer[HASH_SIZE];

        store_be32(header, (uint32_t) strlen(batch));
        memset(trailer, digest, sizeof(trailer));
        assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
        assert_int_equal(write(fd, batch, strlen(batch)), strlen(batch));
        assert_int_equal(write(fd, trailer, sizeof(trailer)), sizeof(trailer));
}

static void test_index(void **state) {
        struct folder f = folder_new();
        CLEANUP(buffer_donep) struct buffer b = {};
        struct hash_value digest;
        struct spool_store store;
        struct spool s;
        char c;

        spool_store_init(&store, f.fd, 1 << 20);
        assert_int_equal(spool_open(&s, &store, 1 << 20), SPOOL_OK);
        assert_int_equal(store.budget.used, 1 << 20);
        assert_true(read(s.file.write_fd, &c, 1) < 0); /* the executor's end cannot read */
        append(s.file.write_fd, "first", 1);
        assert_int_equal(spool_index(&s, 1), SPOOL_OK);
        append(s.file.write_fd, "second batch", 2);
        assert_int_equal(spool_index(&s, 2), SPOOL_OK);
        spool_writer_ended(&s);
        spool_shrink(&s);
        assert_int_equal(store.budget.used, 5 + 12 + 2 * SPOOL_RECORD_EXTRA);

        buffer_init(&b, 64);
        assert_int_equal(spool_read(&s, 1, &b), SPOOL_OK);
        assert_bytes_equal(buffer_bytes(&b), BYTES_LIT("second batch"));
        assert_int_equal(spool_digest(&s, 0, &digest), SPOOL_OK);
        assert_int_equal(digest.bytes[31], 1);
        assert_int_equal(spool_read(&s, 2, &b), SPOOL_E_NONE);
        assert_int_equal(spool_index(&s, 3), SPOOL_E_MALFORMED);
        spool_done(&s);
        assert_int_equal(store.budget.used, 0);
        spool_store_done(&store);
        folder_free(&f);
}

/* A file serves again when its executor is dead, from its beginning. */
static void test_again(void **state) {
        struct folder f = folder_new();
        struct spool_store store;
        struct spool s;
        int fd;

        spool_store_init(&store, f.fd, 1 << 20);
        assert_int_equal(spool_open(&s, &store, 1000), SPOOL_OK);
        append(s.file.write_fd, "secret", 1);
        fd = s.file.fd;
        spool_writer_ended(&s);
        spool_done(&s);
        assert_int_equal(store.n_idle, 1);

        assert_int_equal(spool_open(&s, &store, 1000), SPOOL_OK);
        assert_int_equal(s.file.fd, fd);
        assert_int_equal(spool_index(&s, 1), SPOOL_E_MALFORMED); /* nothing is left in it */
        append(s.file.write_fd, "next", 1);
        assert_int_equal(spool_index(&s, 1), SPOOL_OK);
        spool_done(&s); /* its executor may still live */
        assert_int_equal(store.n_idle, 0);
        spool_store_done(&store);
        folder_free(&f);
}

static void test_quota(void **state) {
        struct folder f = folder_new();
        struct spool_store store;
        struct spool a, b;

        spool_store_init(&store, f.fd, 1500);
        assert_int_equal(spool_open(&a, &store, 1000), SPOOL_OK);
        assert_int_equal(spool_open(&b, &store, 1000), SPOOL_E_QUOTA);
        spool_done(&b);
        assert_int_equal(store.budget.used, 1000);
        spool_done(&a);
        assert_int_equal(store.budget.used, 0);
        folder_free(&f);
}

static void test_lies(void **state) {
        static const struct {
                uint8_t bytes[8];
                size_t len;
        } cases[] = {
                { { 0 }, 0 },
                { { 0, 0, 0, 0, 1 }, 5 },             /* an empty batch */
                { { 0, 0, 0, 1, 1 }, 5 },             /* its digest past the limit */
                { { 0xff, 0xff, 0xff, 0xff, 1 }, 5 }, /* longer than any row */
                { { 0, 0, 0 }, 3 },
        };

        FOREACH_CASE (c, cases) {
                struct folder f = folder_new();
                struct spool_store store;
                struct spool s;

                spool_store_init(&store, f.fd, 36);
                assert_int_equal(spool_open(&s, &store, 36), SPOOL_OK);
                assert_int_equal(write(s.file.write_fd, c->bytes, c->len), c->len);
                assert_int_equal(spool_index(&s, 1), SPOOL_E_MALFORMED);
                assert_int_equal(spool_index(&s, (uint64_t) SPOOL_BATCHES_MAX + 1),
                                 SPOOL_E_MALFORMED);
                spool_done(&s);
                spool_store_done(&store);
                folder_free(&f);
        }
}

static void test_inputs(void **state) {
        struct folder f = folder_new();
        struct inputs in;
        char path[96];
        int fd, again, file;

        (void) snprintf(path, sizeof(path), "%s/a", f.path);
        file = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(file, "12345", 5), 5);
        (void) close(file);

        inputs_init(&in, 8);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &fd), INPUTS_E_NONE);
        assert_int_equal(inputs_directory(&in, f.path), 0);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 6, &fd), INPUTS_E_LENGTH);
        assert_int_equal(inputs_open(&in, "../a", BYTES_LIT("r"), 5, &fd), INPUTS_E_NONE);
        assert_int_equal(inputs_open(&in, ".", BYTES_LIT("r"), 5, &fd), INPUTS_E_NONE);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &fd), INPUTS_OK);
        assert_true(write(fd, "x", 1) < 0); /* sealed */
        assert_int_equal(in.used, 5);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &again), INPUTS_OK); /* kept */
        (void) close(fd);
        (void) close(again);

        file = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(file, "6789", 4), 4);
        (void) close(file);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("s"), 4, &fd), INPUTS_OK);
        assert_int_equal(in.used, 4); /* the older one made room */
        (void) close(fd);

        in.limit = 3;
        file = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
        assert_int_equal(write(file, "0", 1), 1);
        (void) close(file);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("u"), 5, &fd), INPUTS_OK);
        assert_int_equal(in.used, 4); /* what can never be kept makes nobody go */
        (void) close(fd);

        assert_false(inputs_is_admitted(&in, BYTES_LIT("r")));
        inputs_admit(&in, BYTES_LIT("r"));
        assert_true(inputs_is_admitted(&in, BYTES_LIT("r")));
        inputs_done(&in);
        folder_free(&f);
}

/* A file is the one that was seen first, whoever touches it; another inode is another. */
static void test_changed_input(void **state) {
        static const struct timespec old[2] = { { 1, 0 }, { 1, 0 } };
        struct folder f = folder_new();
        struct inputs in;
        char path[96], link_path[96];
        int fd = -1, file;

        (void) snprintf(path, sizeof(path), "%s/a", f.path);
        (void) snprintf(link_path, sizeof(link_path), "%s/b", f.path);
        file = open(path, O_CREAT | O_RDWR, 0600);
        assert_int_equal(write(file, "12345", 5), 5);
        assert_int_equal(futimens(file, old), 0);
        inputs_init(&in, 4); /* nothing is kept */
        assert_int_equal(inputs_directory(&in, f.path), 0);
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &fd), INPUTS_OK);
        fd = fd_close(fd);
        inputs_admit(&in, BYTES_LIT("r"));
        assert_int_equal(link(path, link_path), 0); /* links come and go */
        assert_true(inputs_is_unchanged(&in, BYTES_LIT("r"), file));
        assert_int_equal(unlink(link_path), 0);

        (void) usleep(20000); /* file systems count time in ticks */
        assert_int_equal(pwrite(file, "x", 1, 2), 1);
        assert_int_equal(futimens(file, old), 0); /* hides mtime, not ctime */
        assert_false(inputs_is_unchanged(&in, BYTES_LIT("r"), file));
        assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &fd), INPUTS_E_CHANGED);
        assert_true(inputs_is_admitted(&in, BYTES_LIT("r")));
        (void) close(file);

        /* Often with the number of the inode that went. */
        for (unsigned k = 0; k < 20; k++) {
                inputs_admit(&in, BYTES_LIT("r"));
                (void) usleep(5000);
                assert_int_equal(unlink(path), 0);
                file = open(path, O_CREAT | O_RDWR, 0600);
                assert_int_equal(write(file, "12345", 5), 5);
                (void) close(file);
                assert_int_equal(inputs_open(&in, "a", BYTES_LIT("r"), 5, &fd), INPUTS_OK);
                (void) close(fd);
                assert_false(inputs_is_admitted(&in, BYTES_LIT("r")));
        }
        inputs_done(&in);
        folder_free(&f);
}

TEST_MAIN(cmocka_unit_test(test_changed_input), cmocka_unit_test(test_index),
          cmocka_unit_test(test_again), cmocka_unit_test(test_quota), cmocka_unit_test(test_lies),
          cmocka_unit_test(test_inputs))
