/* What doctor asks about the machine: kernel features, room, clock, network. */

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/namespace.h"
#include "common/daemon/sandbox.h"
#include "services/ctl/doctor.h"

#define ROOM_LOW    (UINT64_C(2) << 30) /* the spools of one node may take this and more */
#define ROOM_NONE   (UINT64_C(64) << 20)
#define UDP_WANTED  (UINT64_C(4) << 20)
#define CLOCK_FLOOR 1704067200 /* 2024: no build of this is older */

/* Tried in a child, which may end up in them. */
static unsigned namespaces_granted(void) {
        unsigned got = 0;
        int ends[2], status;
        pid_t child;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return 0;
        fflush(stdout);
        child = fork();
        if (child == 0) {
                (void) namespace_enter(NAMESPACE_ALL & ~NAMESPACE_CGROUP, &got);
                (void) !write(ends[1], &got, sizeof(got));
                _exit(0);
        }
        close(ends[1]);
        if (child < 0 || read(ends[0], &got, sizeof(got)) != sizeof(got))
                got = 0;
        close(ends[0]);
        if (child > 0)
                (void) waitpid(child, &status, 0);
        return got;
}

static void look_at_namespaces(struct doctor *d, struct finding *f) {
        unsigned got = namespaces_granted(), wanted = NAMESPACE_ALL & ~NAMESPACE_CGROUP;
        char text[128];

        if (geteuid() == 0)
                wanted &= ~(unsigned) NAMESPACE_USER; /* root needs none */
        namespace_text(got, text, sizeof(text));
        if ((got & wanted) == wanted) {
                finding_set(f, HEALTH_OK, "granted: %s", text);
                return;
        }
        finding_set(f, HEALTH_WARN, "granted: %s; isolation is weaker", *text ? text : "none");
        finding_remedy(f, "sysctl kernel.unprivileged_userns_clone=1 (or "
                          "user.max_user_namespaces), or run the node as root");
}

static void look_at_landlock(struct doctor *d, struct finding *f) {
        int abi = sandbox_landlock_abi();

        if (abi > 0) {
                finding_set(f, HEALTH_OK, "ABI %d: files%s%s", abi, abi >= 4 ? ", TCP" : "",
                            abi >= 6 ? ", signals" : "");
                return;
        }
        finding_set(f, HEALTH_WARN, "the kernel has none; files are kept away by seccomp alone");
        finding_remedy(f, "add landlock to lsm= of the kernel's command line");
}

static void look_at_seccomp(struct doctor *d, struct finding *f) {
        unsigned action = SECCOMP_RET_KILL_PROCESS;

        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
                finding_set(f, HEALTH_OK, "filters can kill a process");
                return;
        }
        finding_set(f, HEALTH_FAIL, "no seccomp filters: %s", strerror(errno));
        finding_remedy(f,
                       "executors do not start without; use a kernel with CONFIG_SECCOMP_FILTER");
}

static void look_at_cgroup(struct doctor *d, struct finding *f) {
        enum cgroup_mode mode = cgroup_mode();

        if (mode != CGROUP_NONE) {
                finding_set(f, HEALTH_OK, "%s, groups can be made", cgroup_mode_text(mode));
                return;
        }
        finding_set(f, HEALTH_WARN, "none we may use; memory and CPU are limited by rlimits");
        finding_remedy(f, "run the node as a systemd unit with Delegate=yes");
}

/* The next folder upwards that exists. */
static bool room_at(const char *path, uint64_t *ret) {
        char at[PATH_MAX];
        struct statvfs st;

        (void) snprintf(at, sizeof(at), "%s", path);
        while (statvfs(at, &st) < 0) {
                char *slash = strrchr(at, '/');

                if (!slash || errno != ENOENT)
                        return false;
                slash[slash == at] = 0;
        }
        *ret = (uint64_t) st.f_bavail * st.f_frsize;
        return true;
}

static void look_at_disk(struct doctor *d, struct finding *f) {
        uint64_t room = 0;

        if (!room_at(d->node.state, &room)) {
                finding_set(f, HEALTH_WARN, "%.400s: %s", d->node.state, strerror(errno));
                finding_remedy(f, "choose another folder with --state DIR");
                return;
        }
        finding_set(f,
                    room < ROOM_NONE  ? HEALTH_FAIL
                    : room < ROOM_LOW ? HEALTH_WARN
                                      : HEALTH_OK,
                    "%.300s: %.1f GiB free", d->node.state, (double) room / (1 << 30));
        if (f->health != HEALTH_OK)
                finding_remedy(f, "free some: spools and datasets want 2 GiB and more");
}

static void look_at_clock(struct doctor *d, struct finding *f) {
        struct timex t = {};
        int state = adjtimex(&t);

        if (t.time.tv_sec < CLOCK_FLOOR) {
                finding_set(f, HEALTH_FAIL, "the clock stands before 2024");
                finding_remedy(f, "set it; hosts refuse jobs more than an hour off");
        } else if (state == TIME_ERROR || t.status & STA_UNSYNC) {
                finding_set(f, HEALTH_WARN, "not synchronised");
                finding_remedy(f, "timedatectl set-ntp true; hosts refuse jobs an hour off");
        } else {
                finding_set(f, HEALTH_OK, "synchronised, within %.1f ms",
                            (double) t.maxerror / 1000);
        }
}

static uint64_t sysctl_number(const char *path) {
        unsigned long n = 0;
        FILE *f = fopen(path, "re");

        if (!f)
                return 0;
        if (fscanf(f, "%lu", &n) != 1)
                n = 0;
        fclose(f);
        return n;
}

static void look_at_udp(struct doctor *d, struct finding *f) {
        uint64_t receive = sysctl_number("/proc/sys/net/core/rmem_max");
        uint64_t send = sysctl_number("/proc/sys/net/core/wmem_max");

        if (receive == 0) {
                finding_set(f, HEALTH_WARN, "the kernel does not tell its limits here");
                finding_remedy(f, "look on the machine itself, outside this container");
                return;
        }
        finding_set(f, receive < UDP_WANTED || send < UDP_WANTED ? HEALTH_WARN : HEALTH_OK,
                    "buffers up to %lu KiB in, %lu KiB out", (unsigned long) (receive >> 10),
                    (unsigned long) (send >> 10));
        if (f->health != HEALTH_OK)
                finding_remedy(f,
                               "sysctl net.core.rmem_max=%lu net.core.wmem_max=%lu; else fast "
                               "links lose packets",
                               (unsigned long) UDP_WANTED, (unsigned long) UDP_WANTED);
}

const struct doctor_check doctor_machine_checks[] = {
        { "namespaces", look_at_namespaces },
        { "landlock", look_at_landlock },
        { "seccomp", look_at_seccomp },
        { "cgroup", look_at_cgroup },
        { "disk", look_at_disk },
        { "clock", look_at_clock },
        { "udp", look_at_udp },
        {},
};
