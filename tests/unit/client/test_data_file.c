/* What a user's file is taken for, how its table is called, and that a copy is one. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/client/data_file.h"
#include "common/client/quorate.h"
#include "tests/support/test.h"

struct fixture {
        struct quorate *q;
        char folder[32];
};

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);

        assert_int_equal(quorate_open_private("/nonexistent", &f->q), QUORATE_OK);
        (void) strcpy(f->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        assert_int_equal(rmdir(f->folder), 0); /* tests leave nothing */
        quorate_close(f->q);
        free(f);
        return 0;
}

static const struct {
        const char *file, *content, *format, *name, *why;
} cases[] = {
        { "trips.csv", "a\n1\n", "csv", "trips", NULL },
        { "Trips.CSV", "a\n1\n", "csv", "Trips", NULL },
        { "a.b.tsv", "a\tb\n", "csv", "a_b", NULL },
        { "2024 sales.ndjson", "{}", "ndjson", "t_2024_sales", NULL },
        { "caf\xc3\xa9--x.jsonl", "{}", "ndjson", "caf_x", NULL },
        { ".csv", "a\n", "csv", "t", NULL },
        { "part-0", "PAR1....PAR1", "parquet", "part_0", NULL },
        { "really.csv", "PAR1....PAR1", "parquet", "really", NULL },
        { "empty.csv", "", NULL, "empty", "empty; give" },
        { "x.json", "[]", NULL, "main", "one object on each line" },
        { "x.parquet", "nothing", NULL, "main", "not a Parquet file" },
        { "x.csv.gz", "\x1f\x8b", NULL, "main", "gunzip" },
        { "x.zst", "x", NULL, "main", "unzstd" },
        { "x.xlsx", "PK", NULL, "main", "saved as CSV" },
        { "x", "text", NULL, "main", "not a SQLite database; give" },
        { "x.db", "", NULL, "main", "empty, not a SQLite database; give" },
        { "x.db", "SQLite format 3", NULL, "main", "x.db: " },
};

static void write_file(const char *path, const char *content, size_t n) {
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(content, 1, n, file), n);
        assert_int_equal(fclose(file), 0);
}

static void test_formats(void **state) {
        struct fixture *f = *state;

        FOREACH_CASE (c, cases) {
                char path[96], name[DATA_NAME_SIZE];
                struct data_file d;
                int r;

                snprintf(path, sizeof(path), "%s/%s", f->folder, c->file);
                write_file(path, c->content, strlen(c->content));
                r = data_file_open(f->q, path, &d);
                assert_int_equal(r, c->format ? QUORATE_OK : QUORATE_E_INPUT);
                data_file_name(path, name);
                (void) unlink(path);
                assert_string_equal(name, c->name);
                if (!c->format) {
                        print_message("# %s\n", quorate_error(f->q));
                        assert_non_null(strstr(quorate_error(f->q), c->why));
                        continue;
                }
                assert_string_equal(d.format, c->format);
                assert_int_equal(d.length, strlen(c->content));
                (void) fd_close(d.fd);
        }
}

static void test_no_file(void **state) {
        struct fixture *f = *state;
        struct data_file d;

        assert_int_equal(data_file_open(f->q, f->folder, &d), QUORATE_E_INPUT);
        assert_non_null(strstr(quorate_error(f->q), "not a file; give"));
        assert_int_equal(data_file_open(f->q, "/dev/null", &d), QUORATE_E_INPUT);
        assert_int_equal(data_file_open(f->q, "/nonexistent.csv", &d), QUORATE_E_INPUT);
        assert_false(data_file_is_table("/nonexistent.csv"));
}

static void test_names(void **state) {
        struct fixture *f = *state;
        const struct quorate_input inputs[] = {
                { .path = "/nonexistent" }, { .name = "t" }, { .name = "T" }, { .path = NULL }
        };
        char names[4][DATA_NAME_SIZE];

        assert_int_equal(data_file_names(f->q, inputs, 2, names), QUORATE_OK);
        assert_string_equal(names[0], "main");
        assert_string_equal(names[1], "t");
        assert_int_equal(data_file_names(f->q, inputs, 3, names), QUORATE_E_USAGE);
        assert_non_null(strstr(quorate_error(f->q), "two inputs are called 'T'"));
        assert_int_equal(data_file_names(f->q, inputs + 3, 1, names), QUORATE_OK);
        assert_string_equal(names[0], "main");
}

/* Of what it was when it was opened: no more, and never less. */
static void test_copy(void **state) {
        struct fixture *f = *state;
        char path[96], got[8];
        struct data_file d;
        int fd = -1;

        snprintf(path, sizeof(path), "%s/t.csv", f->folder);
        write_file(path, "a\n1\n", 4);
        assert_int_equal(data_file_open(f->q, path, &d), QUORATE_OK);
        write_file(path, "b\n2\n3\n", 6);
        assert_int_equal(data_file_copy(f->q, path, &d, &fd), QUORATE_OK);
        assert_int_equal(pread(fd, got, sizeof(got), 0), 4);
        (void) fd_close(fd);
        write_file(path, "a", 1);
        assert_int_equal(data_file_copy(f->q, path, &d, &fd), QUORATE_E_INPUT);
        assert_non_null(strstr(quorate_error(f->q), "got shorter"));
        (void) fd_close(d.fd);
        (void) unlink(path);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
          cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
          cmocka_unit_test_setup_teardown(test_names, setup, teardown),
          cmocka_unit_test_setup_teardown(test_copy, setup, teardown))
