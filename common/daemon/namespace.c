#include "common/daemon/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"

#define NEW_ROOT "/tmp" /* any folder that exists everywhere; it is covered, not changed */

const char *const namespace_names[7] = { "user", "pid", "net", "mount", "ipc", "uts", "cgroup" };

static const int clone_flags[ELEMENTSOF(namespace_names)] = {
        CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,    CLONE_NEWNS,
        CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP,
};

static int flags_of(unsigned layers) {
        int flags = 0;

        for (size_t i = 0; i < ELEMENTSOF(clone_flags); i++)
                if (layers & 1u << i)
                        flags |= clone_flags[i];
        return flags;
}

static int write_text(const char *path, const char *text) {
        CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Ourselves, and nobody else. /proc/self belongs to root while we are not dumpable. */
static int map_ourselves(uid_t uid, gid_t gid) {
        int dumpable = prctl(PR_GET_DUMPABLE), r;
        char text[64];

        (void) prctl(PR_SET_DUMPABLE, 1);
        (void) write_text("/proc/self/setgroups", "deny");
        (void) snprintf(text, sizeof(text), "%u %u 1", uid, uid);
        r = write_text("/proc/self/uid_map", text);
        (void) snprintf(text, sizeof(text), "%u %u 1", gid, gid);
        if (r == 0)
                r = write_text("/proc/self/gid_map", text);
        (void) prctl(PR_SET_DUMPABLE, dumpable);
        return r < 0 ? error_origin(r) : 0;
}

static unsigned enter_one_by_one(unsigned wanted) {
        unsigned got = 0;

        for (size_t i = 1; i < ELEMENTSOF(clone_flags); i++)
                if (wanted & 1u << i && unshare(clone_flags[i]) == 0)
                        got |= 1u << i;
        return got;
}

/* All the wanted ones inside a new user namespace; should the kernel lack one of
 * them, the user namespace first and then what there is. */
static int enter_with_user(unsigned wanted, unsigned *ret_got) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        int r;

        if (unshare(flags_of(wanted)) == 0)
                *ret_got = wanted;
        else if (unshare(CLONE_NEWUSER) == 0)
                *ret_got = NAMESPACE_USER;
        else
                return 0;
        r = map_ourselves(uid, gid);
        if (r == 0 && *ret_got == NAMESPACE_USER)
                *ret_got |= enter_one_by_one(wanted);
        return r;
}

int namespace_enter(unsigned wanted, unsigned *ret_got) {
        unsigned got = 0;
        int r = 0;

        if (wanted & NAMESPACE_USER)
                r = enter_with_user(wanted, &got);
        if (r < 0)
                return r;
        if (!(got & NAMESPACE_USER)) {
                if (unshare(flags_of(wanted & ~(unsigned) NAMESPACE_USER)) == 0)
                        got = wanted & ~(unsigned) NAMESPACE_USER;
                else
                        got = enter_one_by_one(wanted);
        }
        *ret_got = got;
        return 0;
}

/* ---- a root of our own ---- */

static int make_parents(char *path) {
        for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
                int r;

                *p = 0;
                r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
                *p = '/';
                if (r < 0)
                        return error_origin(r);
        }
        return 0;
}

/* What to mount on: a folder for a folder, an empty file for anything else. */
static int make_target(char *path, bool is_folder) {
        CLEANUP(fd_closep) int fd = -1;
        int r = make_parents(path);

        if (r < 0)
                return r;
        if (is_folder)
                return mkdir(path, 0755) < 0 && errno != EEXIST ? error_origin(-errno) : 0;
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? error_origin(-errno) : 0;
}

static int restrict_mount(const char *target, bool writable, bool is_device) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

        if (!writable)
                attr.attr_set |= MOUNT_ATTR_RDONLY;
        if (!is_device)
                attr.attr_set |= MOUNT_ATTR_NODEV;
        if (mount_setattr(AT_FDCWD, target, AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return error_origin(-errno);
        return 0;
}

/* `fd` is the source: its path may be hidden by now. */
static int bind(int fd, const char *inside, bool writable) {
        char target[PATH_MAX], source[32];
        struct stat st;
        int r;

        if (inside[0] != '/' ||
            snprintf(target, sizeof(target), "%s%s", NEW_ROOT, inside) >= (int) sizeof(target))
                return error_origin(-EINVAL);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        r = make_target(target, S_ISDIR(st.st_mode));
        if (r < 0)
                return r;
        (void) snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
        if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
                return error_origin(-errno);
        return restrict_mount(target, writable, S_ISCHR(st.st_mode));
}

static int bind_all(const int *fds, const struct namespace_mount *mounts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r;

                if (fds[i] < 0)
                        continue;
                r = bind(fds[i], mounts[i].target ? mounts[i].target : mounts[i].source,
                         mounts[i].writable);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A kernel that refuses a fresh /proc (masked in a container) leaves none. */
static int mount_proc(void) {
        if (mkdir(NEW_ROOT "/proc", 0555) < 0 && errno != EEXIST)
                return error_origin(-errno);
        (void) mount("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        return 0;
}

/* The old root is stacked on the new one and then let go of. */
static int change_root(void) {
        if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
            umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return error_origin(-errno);
        if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
            0)
                return error_origin(-errno);
        return 0;
}

static int build_root(const int *fds, const struct namespace_mount *mounts, size_t n, bool proc) {
        int r;

        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755") < 0)
                return error_origin(-errno);
        r = bind_all(fds, mounts, n);
        if (r == 0 && proc)
                r = mount_proc();
        return r ? r : change_root();
}

int namespace_root(const struct namespace_mount *mounts, size_t n, bool proc) {
        CLEANUP(freep) int *fds = xnew_n(int, n + 1);
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                fds[i] = open(mounts[i].source, O_PATH | O_CLOEXEC);
                if (fds[i] < 0 && errno != ENOENT)
                        r = error_origin(-errno);
        }
        if (r == 0)
                r = build_root(fds, mounts, n, proc);
        for (size_t i = 0; i < n; i++)
                fd_close(fds[i]);
        return r;
}

char *namespace_text(unsigned layers, char *ret, size_t ret_size) {
        size_t n = 0;

        check(ret_size > 0);
        ret[0] = 0;
        for (size_t i = 0; i < ELEMENTSOF(namespace_names) && n < ret_size; i++)
                if (layers & 1u << i)
                        n += (size_t) snprintf(ret + n, ret_size - n, "%s%s", n ? "," : "",
                                               namespace_names[i]);
        return ret;
}
