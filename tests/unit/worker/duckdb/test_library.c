/* The library that is loaded is the one that the class names, whatever happens to its path. */

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/worker/duckdb/support.h"

static char folder[] = "/tmp/quorate-test-XXXXXX", path[64], copy[64];
static void (*after_loading)(void);

/* Before the C library's: what another process might do right then. */
void *dlopen(const char *file, int flags) {
        void *(*next)(const char *, int), *handle;

        *(void **) &next = dlsym(RTLD_NEXT, "dlopen");
        handle = next(file, flags);
        if (after_loading)
                after_loading();
        return handle;
}

static void replace(void) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/bin/true", path), 0);
}

static void write_to(void) {
        int fd = open(copy, O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "", 1, 0), 1); /* at its end */
        (void) close(fd);
}

/* In a process of its own: what preload() says, and the class. */
static int preload_with(void (*event)(void), char ret[ENGINE_CLASS_SIZE]) {
        int pair[2], status = -1;
        pid_t pid;

        assert_int_equal(pipe(pair), 0);
        pid = fork();
        if (pid == 0) {
                char class_name[ENGINE_CLASS_SIZE] = "";
                bool ok;

                after_loading = event;
                ok = engine_duckdb.preload(path) == 0;
                engine_duckdb.class_name(class_name);
                ok = write(pair[1], class_name, sizeof(class_name)) == sizeof(class_name) && ok;
                _exit(!ok);
        }
        assert_int_equal(read(pair[0], ret, ENGINE_CLASS_SIZE), ENGINE_CLASS_SIZE);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        (void) close(pair[0]);
        (void) close(pair[1]);
        return status;
}

static void test_same_file(void **state) {
        char right[ENGINE_CLASS_SIZE], other[ENGINE_CLASS_SIZE], command[256];

        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/libduckdb.so", folder);
        (void) snprintf(copy, sizeof(copy), "%s/copy", folder);
        (void) snprintf(command, sizeof(command), "cp %.180s %s",
                        strchr(duckdb_engine_name(), ':') + 1, copy);
        assert_int_equal(system(command), 0);
        assert_int_equal(symlink(copy, path), 0);
        assert_int_equal(preload_with(NULL, right), 0);
        assert_true(strncmp(right, "duckdb/1.", 9) == 0);
        assert_int_equal(preload_with(replace, other), 0);
        assert_string_equal(right, other);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink(copy, path), 0);
        assert_int_not_equal(preload_with(write_to, other), 0);
        assert_string_equal(other, "");
        (void) snprintf(command, sizeof(command), "rm -r %s", folder);
        assert_int_equal(system(command), 0);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_same_file))
