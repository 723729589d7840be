/* The files of a node, given away by root: what must not be given, and what is. */

#include "services/ctl/ownership.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

#define UID        4711
#define SHARED_GID 4712

static const struct ownership owner = { .uid = UID, .shared = "shared", .shared_gid = SHARED_GID };

struct tree {
        char state[64], outside[64]; /* outside: of root, beside it */
};

static void make_file(const char *path, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static void assert_owned(const char *path, uid_t uid, gid_t gid, mode_t mode) {
        struct stat st;

        print_message("# %s\n", path);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_uid, uid);
        assert_int_equal(st.st_gid, gid);
        if (!S_ISLNK(st.st_mode))
                assert_int_equal(st.st_mode & 07777, mode);
}

static char *in_state(const struct tree *t, const char *name) {
        if (!t) {
                skip();
                return NULL; /* which the compiler does not know to be out of reach */
        }
        return xasprintf("%s/%s", t->state, name);
}

static int setup(void **state) {
        struct tree *t;

        if (geteuid() != 0) /* only root can give a file away: every test skips */
                return 0;
        t = xnew(struct tree);
        strcpy(t->state, "/tmp/quorate-ownership-XXXXXX");
        assert_non_null(mkdtemp(t->state));
        snprintf(t->outside, sizeof(t->outside), "%s.outside", t->state);
        make_file(t->outside, 0644);
        *state = t;
        return 0;
}

static int teardown(void **state) {
        struct tree *t = *state;
        CLEANUP(freep) char *command = NULL;

        if (!t)
                return 0;
        command = xasprintf("rm -r %s %s", t->state, t->outside);
        assert_int_equal(system(command), 0);
        free(t);
        return 0;
}

static void test_given(void **state) {
        const struct tree *t = *state;
        CLEANUP(freep) char *file = in_state(t, "file");
        CLEANUP(freep) char *folder = in_state(t, "folder");
        CLEANUP(freep) char *shared = in_state(t, "shared");
        CLEANUP(freep) char *inner = in_state(t, "shared/inner");
        char error[256] = "";

        make_file(file, 0666);
        assert_int_equal(mkdir(folder, 0777), 0);
        assert_int_equal(mkdir(shared, 0700), 0);
        make_file(inner, 0644);
        for (int i = 0; i < 2; i++) { /* at every start */
                assert_int_equal(ownership_give(t->state, &owner, error), OWNERSHIP_OK);
                assert_owned(t->state, UID, SHARED_GID, 0710);
                assert_owned(file, UID, UID, 0600);
                assert_owned(folder, UID, UID, 0700);
                assert_owned(shared, UID, SHARED_GID, 0750);
                assert_owned(inner, UID, UID, 0644);
        }
}

/* Somebody linked a file of root's, that he may not read, into his state. */
static void test_second_name(void **state) {
        const struct tree *t = *state;
        CLEANUP(freep) char *bait = in_state(t, "bait");
        char error[256] = "";

        assert_int_equal(link(t->outside, bait), 0);
        assert_int_equal(ownership_give(t->state, &owner, error), OWNERSHIP_E_REFUSED);
        assert_non_null(strstr(error, "bait"));
        assert_non_null(strstr(error, "second name"));
        assert_owned(t->outside, 0, 0, 0644);
        assert_owned(t->state, 0, 0, 0700); /* and nothing above it was given */
        assert_int_equal(unlink(bait), 0);
        assert_int_equal(ownership_give(t->state, &owner, error), OWNERSHIP_OK);
}

/* A symbolic link is given, what it leads to is not. */
static void test_symlink(void **state) {
        const struct tree *t = *state;
        CLEANUP(freep) char *bait = in_state(t, "bait");
        char error[256] = "";

        assert_int_equal(symlink(t->outside, bait), 0);
        assert_int_equal(ownership_give(t->state, &owner, error), OWNERSHIP_OK);
        assert_owned(bait, UID, UID, 0);
        assert_owned(t->outside, 0, 0, 0644);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(T(test_given), T(test_second_name), T(test_symlink))
