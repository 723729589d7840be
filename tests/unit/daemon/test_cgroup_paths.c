/* Where our control group is, from texts of machines that are not this one. */

#include "common/daemon/cgroup_paths.h"
#include "tests/support/test.h"

#define V2   "27 24 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_M "33 24 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
#define V1_C "34 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"

static const struct {
        const char *own, *line, *type, *controller, *folder;
} cases[] = {
        /* v2 alone: a service of systemd; a login; the root. */
        { "0::/system.slice/quorate-worker.service\n", V2, "cgroup2", "",
          "/sys/fs/cgroup/system.slice/quorate-worker.service" },
        { "0::/user.slice/user-1000.slice/session-1.scope\n", V2, "cgroup2", "",
          "/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope" },
        { "0::/\n", V2, "cgroup2", "", "/sys/fs/cgroup" },
        /* Hybrid: each line belongs to its own hierarchy. */
        { "4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n", V1_M, "cgroup", "memory",
          "/sys/fs/cgroup/memory/a" },
        { "4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n", V1_C, "cgroup", "cpuacct",
          "/sys/fs/cgroup/cpu,cpuacct/b" },
        { "4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n", V1_C, "cgroup", "memory", NULL },
        { "4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n", V2, "cgroup2", "", "/sys/fs/cgroup/c" },
        { "4:memory:/a\n", V2, "cgroup2", "", NULL },
        { "4:memory:/a\n0::/c\n", V1_M, "cgroup2", "", NULL },
        /* A container without a cgroup namespace sees the mount of its subtree. */
        { "0::/docker/ab\n", "1 2 0:3 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "cgroup2", "", "/sys/fs/cgroup" },
        { "0::/docker/ab/job\n", "1 2 0:3 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "cgroup2", "", "/sys/fs/cgroup/job" },
        { "0::/docker/abc\n", "1 2 0:3 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "cgroup2", "", NULL },
        { "0::/elsewhere\n", "1 2 0:3 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "cgroup2", "", NULL },
        /* Outside of our cgroup namespace. */
        { "0::/../outside\n", V2, "cgroup2", "", NULL },
        /* A mount point with a blank in its name. */
        { "0::/x\n", "1 2 0:3 / /run/a\\040b rw - cgroup2 cgroup rw\n", "cgroup2", "",
          "/run/a b/x" },
        /* Not lines of mountinfo, not lines of cgroups. */
        { "0::/x\n", "", "cgroup2", "", NULL },
        { "0::/x\n", "1 2 0:3 / /sys", "cgroup2", "", NULL },
        { "", V2, "cgroup2", "", NULL },
        { "0\n::\n0:/\n", V2, "cgroup2", "", NULL },
        { "0::x\n", V2, "cgroup2", "", NULL },
};

static void test_folders(void **state) {
        FOREACH_CASE (c, cases) {
                char *folder = cgroup_folder(c->own, c->line, c->type, c->controller);

                print_message("# %s%s -> %s\n", c->own, c->line, folder ? folder : "none");
                if (c->folder) {
                        assert_non_null(folder);
                        assert_string_equal(folder, c->folder);
                } else {
                        assert_null(folder);
                }
                free(folder);
        }
}

static void test_words(void **state) {
        assert_true(cgroup_has_word("cpuset cpu io memory pids\n", "memory", " \n"));
        assert_true(cgroup_has_word("cpuset cpu io memory pids\n", "pids", " \n"));
        assert_true(cgroup_has_word("memory", "memory", " \n"));
        assert_false(cgroup_has_word("cpuset io\n", "cpu", " \n"));
        assert_false(cgroup_has_word("", "cpu", " \n"));
        assert_false(cgroup_has_word("rw,cpuacct", "cpu", ","));
        assert_true(cgroup_has_word(" ,rw,,cpu", "cpu", ","));
}

TEST_MAIN(cmocka_unit_test(test_folders), cmocka_unit_test(test_words))
