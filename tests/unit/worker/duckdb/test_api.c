/* Loading the library: what is wrong is said with its remedy. */

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/worker/duckdb/duckdb_files.h"
#include "tests/unit/worker/duckdb/support.h"

static void test_versions(void **state) {
        static const struct {
                const char *version;
                bool admitted;
        } versions[] = {
                { "v1.5.6", true },  { "v1.4.0", true },      { "v1.10.2", true },
                { "v1.3.2", false }, { "v0.10.3", false },    { "v2.0.0", false },
                { "", false },       { "v1.", false },        { "1.5.6", false },
                { "v1.5", false },   { "v1.6.0-dev1", true },
        };

        (void) state;
        FOREACH_CASE (c, versions)
                assert_int_equal(duckdb_api_admits(c->version), c->admitted);
}

static void test_faults(void **state) {
        char why[DUCKDB_API_TEXT_MAX] = "";

        (void) state;
        assert_int_equal(duckdb_api_load("/nonexistent/libduckdb.so", why), -ENOENT);
        assert_non_null(strstr(why, "/nonexistent/libduckdb.so"));
        assert_non_null(strstr(why, "deploy/setup --with-duckdb"));
        /* A library, but another. */
        assert_int_equal(duckdb_api_load("libsqlite3.so.0", why), -ENOTSUP);
        assert_non_null(strstr(why, "it has no duckdb_library_version()"));
        assert_non_null(strstr(why, "[worker] duckdb"));
        assert_true(engine_duckdb.preload(NULL) < 0);
}

static void test_class(void **state) {
        char class_name[ENGINE_CLASS_SIZE], again[ENGINE_CLASS_SIZE];
        struct fixture f = {};
        const char *path;

        (void) state;
        assert_ptr_equal(engine_by_name(duckdb_engine_name(), &path), &engine_duckdb);
        assert_string_equal(path, strchr(duckdb_engine_name(), ':') + 1);
        assert_null(duckdb_libc_missing());
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        engine_duckdb.class_name(class_name);
        assert_true(strncmp(class_name, "duckdb/1.", 9) == 0);
        assert_int_equal(strlen(strrchr(class_name, '/')), 17);
        assert_true(strlen(duckdb_api_version()) > 0);
        fixture_done(&f);
        assert_int_equal(engine_duckdb.preload(path), 0); /* a second time: nothing */
        engine_duckdb.class_name(again);
        assert_string_equal(class_name, again);
}

/* What is found without being configured is loaded only where nobody else could have put it. */
static void test_library_is_safe(void **state) {
        char folder[] = "/tmp/quorate-test-XXXXXX", file[64];
        FILE *f;

        assert_non_null(mkdtemp(folder));
        (void) snprintf(file, sizeof(file), "%s/libduckdb.so", folder);
        assert_false(executor_library_is_safe(file)); /* there is none */
        f = fopen(file, "w");
        assert_non_null(f);
        (void) fclose(f);
        assert_int_equal(chmod(file, 0644), 0);
        assert_true(executor_library_is_safe(file));
        assert_int_equal(chmod(file, 0664), 0);
        assert_false(executor_library_is_safe(file));
        assert_int_equal(chmod(file, 0644), 0);
        assert_int_equal(chmod(folder, 0777), 0);
        assert_false(executor_library_is_safe(file));
        assert_int_equal(chmod(folder, 0755), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(file, 1, 1), 0);
                assert_false(executor_library_is_safe(file));
        }
        assert_false(executor_library_is_safe("libduckdb.so"));
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(folder), 0);
}

/* EACCES, where the filter of system calls would kill the job. */
static void test_sealed_calls(void **state) {
        const struct engine_job job = {};
        struct sockaddr address = {};
        DIR *d = opendir("/");

        assert_non_null(d);
        duckdb_files_seal(&job);
        assert_int_equal(write(-1, "x", 1), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(pwrite(-1, "x", 1, 0), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(connect(-1, &address, sizeof(address)), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(bind(-1, &address, sizeof(address)), -1);
        assert_int_equal(errno, EACCES);
        assert_null(readdir(d));
        duckdb_files_seal(NULL);
        assert_non_null(readdir(d));
        (void) closedir(d);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_library_is_safe), cmocka_unit_test(test_sealed_calls),
                 cmocka_unit_test(test_versions), cmocka_unit_test(test_faults),
                 cmocka_unit_test(test_class))
