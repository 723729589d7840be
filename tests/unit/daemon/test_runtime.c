#include "common/daemon/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

static char folder[64];

static int setup(void **state) {
        (void) strcpy(folder, "/tmp/qruntimeXXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
        return rmdir(folder);
}

static void mine_alone_is_believed(void **state) {
        uid_t owner = 12345;

        assert_int_equal(runtime_check(folder, &owner), 0);
        assert_int_equal(owner, geteuid());
        assert_int_equal(chmod(folder, 0711), 0);
        assert_int_equal(runtime_check(folder, &owner), 0);
}

static void nothing_is_no_stranger(void **state) {
        uid_t owner;

        assert_int_equal(runtime_check("/tmp/qruntime-nothing-here", &owner), 0);
        assert_int_equal(runtime_check("/dev/null/x", &owner), -ENOTDIR);
}

static void what_others_write_to_is_not_believed(void **state) {
        uid_t owner;

        assert_int_equal(chmod(folder, 0770), 0);
        assert_int_equal(runtime_check(folder, &owner), RUNTIME_FOREIGN);
        assert_int_equal(chmod(folder, 01707), 0);
        assert_int_equal(runtime_check(folder, &owner), RUNTIME_FOREIGN);
}

static void a_link_is_whose_it_is(void **state) {
        char link[80];
        uid_t owner;

        (void) snprintf(link, sizeof(link), "%s-link", folder);
        assert_int_equal(symlink(folder, link), 0);
        assert_int_equal(runtime_check(link, &owner), 0);
        if (geteuid() == 0) {
                assert_int_equal(lchown(link, 65533, 65533), 0);
                assert_int_equal(runtime_check(link, &owner), RUNTIME_FOREIGN);
        }
        assert_int_equal(unlink(link), 0);
}

static void a_strangers_is_not_believed(void **state) {
        uid_t owner = 0;

        if (geteuid() != 0)
                skip(); /* only root gives a folder away */
        assert_int_equal(chown(folder, 65533, 65533), 0);
        assert_int_equal(runtime_check(folder, &owner), RUNTIME_FOREIGN);
        assert_int_equal(owner, 65533);
}

static void the_usual_place(void **state) {
        char path[108];

        assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
        assert_true(runtime_default(path, sizeof(path)));
        assert_string_equal(path, geteuid() == 0 ? "/run/quorate" : "/run/user/7/quorate");
        assert_false(runtime_default(path, 4));
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(WITH_FOLDER(mine_alone_is_believed), cmocka_unit_test(nothing_is_no_stranger),
          WITH_FOLDER(what_others_write_to_is_not_believed), WITH_FOLDER(a_link_is_whose_it_is),
          WITH_FOLDER(a_strangers_is_not_believed), cmocka_unit_test(the_usual_place))
