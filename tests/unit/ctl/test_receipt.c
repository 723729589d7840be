/* `quorate receipt verify` as people call it: a good receipt passes, a changed one is
 * refused by exit code and by the name of the check. The library's own test changes
 * every byte (tests/unit/canonical/test_receipt.c); here a sample goes through the
 * whole program. */

#include "common/canonical/receipt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "services/ctl/capture.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

#define SAMPLES 60

struct fixture {
        struct bytes file, rows;
        char folder[32], receipt[64], rows_path[64];
};

static void write_file(const char *path, struct bytes v) {
        CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, v.data, v.len), v.len);
}

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);

        f->file = from_hex(receipt_vector[0].file);
        f->rows = from_hex(receipt_vector[0].rows);
        (void) strcpy(f->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->receipt, sizeof(f->receipt), "%s/receipt", f->folder);
        snprintf(f->rows_path, sizeof(f->rows_path), "%s/rows", f->folder);
        write_file(f->rows_path, f->rows);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        (void) unlink(f->receipt);
        (void) unlink(f->rows_path);
        (void) rmdir(f->folder);
        bytes_freep(&f->file);
        bytes_freep(&f->rows);
        free(f);
        return 0;
}

/* Verifies these bytes. The check that refused them is a static name, NULL: valid. */
static const char *refused_by(struct fixture *f, struct bytes receipt, bool with_rows) {
        const char *argv[] = { getenv("QUORATE_CTL"),       "receipt",    "verify", f->receipt,
                               with_rows ? "--rows" : NULL, f->rows_path, NULL };
        CLEANUP(capture_donep) struct capture c = {};

        write_file(f->receipt, receipt);
        assert_non_null(argv[0]);
        assert_int_equal(capture_run(argv, false, &c), 0);
        if (c.status == 0) {
                assert_int_equal(c.err.len, 0);
                return NULL;
        }
        assert_int_equal(c.status, 5);
        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++) {
                char wanted[64];

                snprintf(wanted, sizeof(wanted), "REFUSED by the check '%s'",
                         receipt_check_name(i));
                if (memmem(c.err.data, c.err.len, wanted, strlen(wanted)))
                        return receipt_check_name(i);
        }
        fail_msg("no check is named: %.*s", (int) c.err.len, (const char *) c.err.data);
        return NULL;
}

static void test_good(void **state) {
        struct fixture *f = *state;

        assert_null(refused_by(f, f->file, false));
        assert_null(refused_by(f, f->file, true));
}

static void test_flips(void **state) {
        struct fixture *f = *state;
        uint8_t *p = (uint8_t *) f->file.data;

        for (size_t i = 0; i < SAMPLES; i++) {
                size_t at = i * (f->file.len - 1) / (SAMPLES - 1);
                uint8_t mask = i % 2 ? 0x80 : 0x01;

                p[at] ^= mask;
                assert_string_equal(refused_by(f, f->file, false), "checksum");
                p[at] ^= mask;
        }
}

/* By somebody who computes the checksum anew. */
static void test_flips_resealed(void **state) {
        struct fixture *f = *state;
        size_t len = f->file.len - HASH_SIZE;
        uint8_t *p = (uint8_t *) f->file.data;

        for (size_t i = 0; i < SAMPLES; i++) {
                size_t at = i * (len - 1) / (SAMPLES - 1);
                const char *check;
                struct hash_value sum;

                p[at] ^= 1;
                sum = hash_of("quorate.rcpt.1", BYTES(p, len));
                memcpy(p + len, sum.bytes, HASH_SIZE);
                check = refused_by(f, f->file, false);
                p[at] ^= 1;
                assert_non_null(check);
                assert_string_not_equal(check, "checksum");
        }
        struct hash_value sum = hash_of("quorate.rcpt.1", BYTES(p, len));

        memcpy(p + len, sum.bytes, HASH_SIZE);
        assert_null(refused_by(f, f->file, false));
}

static void test_lengths(void **state) {
        struct fixture *f = *state;
        CLEANUP(buffer_donep) struct buffer longer = {};

        for (size_t i = 0; i < SAMPLES; i++)
                assert_non_null(
                        refused_by(f, BYTES(f->file.data, i * f->file.len / SAMPLES), false));
        buffer_init(&longer, f->file.len + 1);
        buffer_put_bytes(&longer, f->file);
        buffer_put_u8(&longer, 0);
        assert_string_equal(refused_by(f, buffer_bytes(&longer), false), "checksum");
}

static const char *refused_after(struct fixture *f, const struct receipt *r) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, RECEIPT_BYTES_MAX);
        assert_true(receipt_encode(r, &b));
        return refused_by(f, buffer_bytes(&b), false);
}

#define SWAP(x, y)                         \
        do {                               \
                __typeof__(x) held_ = (x); \
                (x) = (y);                 \
                (y) = held_;               \
        } while (0)

static void test_swaps(void **state) {
        struct fixture *f = *state;
        CLEANUP(freep) struct receipt_report *report = xnew(struct receipt_report);
        struct receipt r;

        receipt_verify(f->file, BYTES_NONE, report);
        assert_true(report->valid);
        r = report->receipt;
        assert_null(refused_after(f, &r));
        SWAP(r.hosts[0].commit_signature, r.hosts[1].commit_signature);
        assert_string_equal(refused_after(f, &r), receipt_check_name(RECEIPT_COMMIT));
        r = report->receipt;
        SWAP(r.hosts[0].dispatch_signature, r.hosts[1].dispatch_signature);
        assert_string_equal(refused_after(f, &r), receipt_check_name(RECEIPT_DISPATCH));
        r = report->receipt;
        SWAP(r.hosts[0].verdict_signature, r.hosts[1].verdict_signature);
        assert_string_equal(refused_after(f, &r), receipt_check_name(RECEIPT_VERDICT));
}

/* Other rows than those that were agreed on. */
static void test_rows(void **state) {
        struct fixture *f = *state;
        uint8_t *p = (uint8_t *) f->rows.data;

        for (size_t i = 0; i < SAMPLES / 4; i++) {
                size_t at = i * (f->rows.len - 1) / (SAMPLES / 4 - 1);

                p[at] ^= 1;
                write_file(f->rows_path, f->rows);
                assert_string_equal(refused_by(f, f->file, true), receipt_check_name(RECEIPT_ROWS));
                p[at] ^= 1;
        }
        write_file(f->rows_path, f->rows);
}

/* ---- what people give it instead, and what show tells ---- */

static const struct {
        const char *begins, *is; /* begins NULL: the other file of the fixture */
} others[] = {
        { "SQLite format 3", "a SQLite database" },
        { "id,name\n1,a\n", "text" },
        { "\x7f"
          "ELF\x02\x01",
          "of a kind not known here" },
        { "", "empty" },
        { NULL, NULL },
};

/* Its one line names the file and what it is, and stdout says nothing of checks. */
static void assert_refused_as(struct fixture *f, bool with_rows, const char *is,
                              const char *wanted) {
        const char *argv[] = { getenv("QUORATE_CTL"),       "receipt",    "verify", f->receipt,
                               with_rows ? "--rows" : NULL, f->rows_path, NULL };
        CLEANUP(capture_donep) struct capture c = {};
        char line[300];

        assert_int_equal(capture_run(argv, false, &c), 0);
        assert_int_equal(c.status, 5);
        assert_true(with_rows || c.out.len == 0);
        (void) snprintf(
                line, sizeof(line), "quorate: %s: REFUSED by the check '%s': it is %s, not %s;",
                with_rows ? f->rows_path : f->receipt, with_rows ? "rows" : "checksum", is, wanted);
        assert_true(c.err.len > strlen(line));
        assert_memory_equal(c.err.data, line, strlen(line));
}

static void test_other_kinds(void **state) {
        struct fixture *f = *state;

        FOREACH_CASE (o, others) {
                struct bytes file = o->begins ? BYTES_STR(o->begins) : f->rows;

                write_file(f->receipt, file);
                assert_refused_as(f, false, o->is ? o->is : "a rows file", "a receipt");
                write_file(f->receipt, f->file);
                write_file(f->rows_path, o->begins ? file : f->file);
                assert_refused_as(f, true, o->is ? o->is : "a receipt", "a rows file");
                write_file(f->rows_path, f->rows);
        }
}

static void assert_says(const struct capture *c, const char *wanted) {
        if (!memmem(c->out.data, c->out.len, wanted, strlen(wanted)))
                fail_msg("no '%s' in: %.*s", wanted, (int) c->out.len, (const char *) c->out.data);
}

/* A receipt whose mark was changed is one still: its checks are shown, and where it was changed. */
static void test_mark(void **state) {
        struct fixture *f = *state;
        const char *argv[] = { getenv("QUORATE_CTL"), "receipt", "verify", f->receipt, NULL };
        uint8_t *file = (uint8_t *) f->file.data;

        for (size_t i = 0; i < 4; i++) {
                CLEANUP(capture_donep) struct capture c = {};
                char wanted[80];

                file[i] ^= 1;
                write_file(f->receipt, f->file);
                file[i] ^= 1;
                assert_int_equal(capture_run(argv, false, &c), 0);
                assert_int_equal(c.status, 5);
                assert_says(&c, "  checksum           FAILED");
                (void) snprintf(wanted, sizeof(wanted),
                                "REFUSED by the check 'checksum': byte %zu,", i);
                assert_non_null(memmem(c.err.data, c.err.len, wanted, strlen(wanted)));
        }
}

static void test_show(void **state) {
        struct fixture *f = *state;
        const char *argv[] = { getenv("QUORATE_CTL"), "receipt", "show", f->receipt, NULL, NULL };
        CLEANUP(freep) struct receipt_report *report = xnew(struct receipt_report);
        CLEANUP(capture_donep) struct capture text = {}, json = {};
        const struct descriptor *d = &report->descriptor;
        struct verdict_statement v;
        char wanted[160], root[2 * HASH_SIZE + 1];
        time_t asked;

        receipt_verify(f->file, BYTES_NONE, report);
        assert_true(report->valid && d->n_datasets > 0 && d->n_classes > 0);
        write_file(f->receipt, f->file);
        assert_int_equal(capture_run(argv, false, &text), 0);
        argv[4] = "--json";
        assert_int_equal(capture_run(argv, false, &json), 0);
        asked = (time_t) (d->time_us / 1000000);
        assert_true(strftime(wanted, sizeof(wanted), "asked      %F %T UTC\n", gmtime(&asked)) > 0);
        assert_says(&text, wanted);
        hex_encode(hash_bytes(&d->datasets[0].root), root);
        (void) snprintf(wanted, sizeof(wanted), "data       %.*s %s\n",
                        (int) d->datasets[0].name.len, (const char *) d->datasets[0].name.data,
                        root);
        assert_says(&text, wanted);
        assert_says(&text, "\ncolumns    ");
        assert_true(receipt_verdict(report, 0, &v) && v.n_facts > 0);
        (void) snprintf(wanted, sizeof(wanted), "voter %.*s: %.*s ", (int) v.voter_group.len,
                        (const char *) v.voter_group.data, (int) v.facts[0].name.len,
                        (const char *) v.facts[0].name.data);
        assert_says(&text, wanted);
        assert_says(&text, v.facts[0].measured ? " (measured)" : " (claimed)");
        assert_says(&json, v.facts[0].measured ? "\"measured\":true" : "\"measured\":false");
        (void) snprintf(wanted, sizeof(wanted), "\"time_us\":%lld,", (long long) d->time_us);
        assert_says(&json, wanted);
        (void) snprintf(wanted, sizeof(wanted), "\"root\":\"%s\"}", root);
        assert_says(&json, wanted);
        assert_says(&json, "\"columns\":[{\"name\":\"");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_good), TEST(test_flips), TEST(test_flips_resealed), TEST(test_lengths),
          TEST(test_mark), TEST(test_swaps), TEST(test_rows), TEST(test_other_kinds),
          TEST(test_show))
