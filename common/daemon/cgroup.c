#include "common/daemon/cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/cgroup_paths.h"

#define PERIOD_US      100000
#define KILL_ROUNDS    200
#define REMOVE_ROUNDS  100
#define MAKE_ROUNDS    10
#define MOUNT_LINE_MAX (4 * PATH_MAX)
#define LEAF           "quorate-worker" /* where our own process goes, cgroup v2 */

/* Hierarchies; in v2 all are one. CPUACCT only counts. */
enum controller { MEMORY, CPU, PIDS, CPUACCT, N_CONTROLLERS };
static const char *const controller_names[] = { "memory", "cpu", "pids", "cpuacct" };

static struct {
        bool is_known;
        enum cgroup_mode mode;
        char *own[N_CONTROLLERS]; /* our own group's folder, NULL: not there */
} host;

struct cgroup {
        char *folders[N_CONTROLLERS];
        int held[N_CONTROLLERS]; /* the folder, locked; in v2 the first alone, they are one */
        bool enforced[N_CONTROLLERS];
};

/* ---- small files ---- */

static int write_file(const char *folder, const char *name, const char *text) {
        char path[PATH_MAX];
        CLEANUP(fd_closep) int fd = -1;

        if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_number(const char *folder, const char *name, uint64_t v) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%" PRIu64, v);
        return write_file(folder, name, text);
}

static bool read_file(const char *folder, const char *name, char *ret, size_t size) {
        char path[PATH_MAX];
        CLEANUP(fd_closep) int fd = -1;
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, ret, size - 1);
        if (n < 0)
                return false;
        ret[n] = 0;
        return true;
}

/* A number alone, or the one behind `word` in a file of "word number" lines. */
static bool read_number(const char *folder, const char *name, const char *word, uint64_t *ret) {
        char text[4096];
        const char *at = text;

        if (!read_file(folder, name, text, sizeof(text)))
                return false;
        if (word) {
                at = strstr(text, word);
                while (at && at != text && at[-1] != '\n')
                        at = strstr(at + 1, word);
                if (!at)
                        return false;
                at += strlen(word);
        }
        return sscanf(at, "%" SCNu64, ret) == 1;
}

/* ---- what the host has ---- */

static char *find_folder(const char *type, const char *controller) {
        CLEANUP(freep) char *own = xmalloc(1 << 16), *line = xmalloc(MOUNT_LINE_MAX);
        FILE *f = fopen("/proc/self/mountinfo", "re");
        char *folder = NULL;

        if (!read_file("/proc/self", "cgroup", own, 1 << 16))
                own[0] = 0;
        while (f && !folder && fgets(line, MOUNT_LINE_MAX, f))
                folder = cgroup_folder(own, line, type, controller);
        if (f)
                (void) fclose(f);
        return folder;
}

static bool is_ours(const char *folder) {
        return folder && access(folder, W_OK | X_OK) == 0;
}

static bool detect_v2(void) {
        CLEANUP(freep) char *folder = find_folder("cgroup2", "");
        char controllers[512];
        bool any = false;

        if (!is_ours(folder) ||
            !read_file(folder, "cgroup.controllers", controllers, sizeof(controllers)))
                return false;
        for (size_t i = MEMORY; i <= PIDS; i++) {
                if (!cgroup_has_word(controllers, controller_names[i], " \n"))
                        continue;
                host.own[i] = xstrdup(folder);
                any = true;
        }
        if (any)
                host.own[CPUACCT] = xstrdup(folder); /* cpu.stat is always there */
        return any;
}

static bool detect_v1(void) {
        bool any = false;

        for (size_t i = 0; i < N_CONTROLLERS; i++) {
                host.own[i] = find_folder("cgroup", controller_names[i]);
                if (!is_ours(host.own[i])) {
                        free(host.own[i]);
                        host.own[i] = NULL;
                }
                any = any || host.own[i];
        }
        return any;
}

enum cgroup_mode cgroup_mode(void) {
        if (!host.is_known) {
                host.is_known = true;
                host.mode = detect_v2() ? CGROUP_V2 : detect_v1() ? CGROUP_V1 : CGROUP_NONE;
        }
        return host.mode;
}

const char *cgroup_mode_text(enum cgroup_mode m) {
        static const char *const texts[] = { "none", "v1", "v2" };

        return texts[m];
}

/* ---- limits ---- */

/* A group with processes cannot hand controllers down (cgroup-v2.rst, "No Internal
 * Process Constraint"), so we move into a leaf of our own first. */
static void leave_own_group(const char *own) {
        CLEANUP(freep) char *leaf = xasprintf("%s/%s", own, LEAF);

        if (mkdir(leaf, 0755) == 0 || errno == EEXIST)
                (void) write_number(leaf, "cgroup.procs", (uint64_t) getpid());
}

static void hand_down(enum controller i) {
        char word[32];

        (void) snprintf(word, sizeof(word), "+%s", controller_names[i]);
        if (write_file(host.own[i], "cgroup.subtree_control", word) == -EBUSY) {
                leave_own_group(host.own[i]);
                (void) write_file(host.own[i], "cgroup.subtree_control", word);
        }
}

static int limit_memory(const char *folder, const struct cgroup_limits *l) {
        int r;

        if (host.mode == CGROUP_V2) {
                r = write_number(folder, "memory.max", l->memory);
                (void) write_file(folder, "memory.swap.max", "0");
                (void) write_file(folder, "memory.oom.group", "1");
                return r;
        }
        r = write_number(folder, "memory.limit_in_bytes", l->memory);
        (void) write_number(folder, "memory.memsw.limit_in_bytes", l->memory);
        (void) write_file(folder, "memory.swappiness", "0");
        return r;
}

static int limit_cpu(const char *folder, const struct cgroup_limits *l) {
        uint64_t quota = (uint64_t) l->cpu_percent * PERIOD_US / 100;
        char text[48];

        if (host.mode == CGROUP_V2) {
                (void) snprintf(text, sizeof(text), "%" PRIu64 " %d", quota, PERIOD_US);
                return write_file(folder, "cpu.max", text);
        }
        (void) write_number(folder, "cpu.cfs_period_us", PERIOD_US);
        return write_number(folder, "cpu.cfs_quota_us", quota);
}

static int limit_pids(const char *folder, const struct cgroup_limits *l) {
        return write_number(folder, "pids.max", l->pids);
}

/* Each hierarchy of v1 costs a folder and a move. Who limits no CPU has it from wait4(). */
static bool is_wanted(enum controller i, const struct cgroup_limits *l) {
        const bool wanted[] = {
                [MEMORY] = l->memory > 0,
                [CPU] = l->cpu_percent > 0,
                [PIDS] = l->pids > 0,
                [CPUACCT] = l->cpu_percent > 0,
        };

        return wanted[i];
}

static void apply(struct cgroup *c, const struct cgroup_limits *l) {
        static int (*const limiters[])(const char *, const struct cgroup_limits *) = {
                [MEMORY] = limit_memory,
                [CPU] = limit_cpu,
                [PIDS] = limit_pids,
        };

        for (size_t i = 0; i < ELEMENTSOF(limiters); i++)
                if (c->folders[i] && is_wanted((enum controller) i, l))
                        c->enforced[i] = limiters[i](c->folders[i], l) == 0;
}

/* ---- one group ---- */

static void pause_ms(long ms) {
        const struct timespec ts = { .tv_nsec = ms * 1000000 };

        (void) nanosleep(&ts, NULL);
}

static const char *any_folder(const struct cgroup *c) {
        for (size_t i = 0; i < N_CONTROLLERS; i++)
                if (c->folders[i])
                        return c->folders[i];
        return NULL;
}

static bool is_name(const char *name) {
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static bool is_same(int fd, const char *folder) {
        struct stat a, b;

        return fstat(fd, &a) == 0 && stat(folder, &b) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
}

/* Ours from here on: whoever cleans up leaves what is locked. Before the lock he may have taken the
 * new one for stale, so it is made again. Where there are no locks nobody cleans up. */
static int make_held(const char *folder, int *ret_fd) {
        for (unsigned i = 0; i < MAKE_ROUNDS; i++) {
                CLEANUP(fd_closep) int fd = -1;

                if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                        return -errno;
                fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
                    is_same(fd, folder)) {
                        *ret_fd = fd;
                        fd = -1;
                        return 0;
                }
                pause_ms(1);
        }
        return -EBUSY;
}

static void make_folder(struct cgroup *c, enum controller i, const char *name) {
        bool is_made = host.mode == CGROUP_V2 && any_folder(c);

        c->folders[i] = xasprintf("%s/%s", host.own[i], name);
        if (is_made || make_held(c->folders[i], &c->held[i]) == 0)
                return;
        free(c->folders[i]);
        c->folders[i] = NULL;
}

int cgroup_new(const char *name, const struct cgroup_limits *limits, struct cgroup **ret) {
        CLEANUP(cgroup_freep) struct cgroup *c = xnew(struct cgroup);
        bool any = false;

        check(is_name(name));
        memset(c->held, -1, sizeof(c->held));
        if (cgroup_mode() == CGROUP_NONE)
                return CGROUP_E_NONE;
        for (size_t i = 0; i < N_CONTROLLERS; i++) {
                if (!host.own[i] ||
                    (host.mode == CGROUP_V1 && !is_wanted((enum controller) i, limits)))
                        continue;
                if (host.mode == CGROUP_V2 && i <= PIDS)
                        hand_down(i);
                make_folder(c, (enum controller) i, name);
                any = any || c->folders[i];
        }
        if (!any)
                return CGROUP_E_NONE;
        apply(c, limits);
        *ret = TAKE(c);
        return 0;
}

bool cgroup_has_memory(const struct cgroup *c) {
        return c->enforced[MEMORY];
}

bool cgroup_has_cpu(const struct cgroup *c) {
        return c->enforced[CPU];
}

bool cgroup_has_pids(const struct cgroup *c) {
        return c->enforced[PIDS];
}

int cgroup_add(struct cgroup *c, pid_t pid) {
        int r;

        for (size_t i = 0; i < N_CONTROLLERS; i++) {
                if (!c->folders[i])
                        continue;
                r = write_number(c->folders[i], "cgroup.procs", (uint64_t) pid);
                if (r < 0)
                        return error_origin(r);
        }
        return 0;
}

static void read_v2(const struct cgroup *c, const char *folder, struct cgroup_usage *u) {
        uint64_t us;

        if (read_number(folder, "cpu.stat", "usage_usec ", &us)) {
                u->has_cpu = true;
                u->cpu = us * NSEC_PER_USEC;
        }
        if (!c->folders[MEMORY])
                return;
        u->has_memory = read_number(folder, "memory.current", NULL, &u->memory);
        (void) read_number(folder, "memory.peak", NULL, &u->memory_peak);
        (void) read_number(folder, "memory.events", "oom_kill ", &u->oom_kills);
}

static void read_v1(const struct cgroup *c, struct cgroup_usage *u) {
        const char *memory = c->folders[MEMORY];

        if (c->folders[CPUACCT])
                u->has_cpu = read_number(c->folders[CPUACCT], "cpuacct.usage", NULL, &u->cpu);
        if (!memory)
                return;
        u->has_memory = read_number(memory, "memory.usage_in_bytes", NULL, &u->memory);
        (void) read_number(memory, "memory.max_usage_in_bytes", NULL, &u->memory_peak);
        (void) read_number(memory, "memory.oom_control", "oom_kill ", &u->oom_kills);
}

int cgroup_read(const struct cgroup *c, struct cgroup_usage *ret) {
        *ret = (struct cgroup_usage){};
        if (host.mode == CGROUP_V2)
                read_v2(c, c->folders[CPUACCT], ret);
        else
                read_v1(c, ret);
        return 0;
}

/* Kills who is there now; the number found. */
static unsigned kill_once(const char *folder) {
        CLEANUP(freep) char *text = xmalloc(1 << 16);
        char *save = NULL;
        unsigned n = 0;

        if (!read_file(folder, "cgroup.procs", text, 1 << 16))
                return 0;
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save), n++)
                if (atoi(l) > 0)
                        (void) kill(atoi(l), SIGKILL);
        return n;
}

int cgroup_kill(struct cgroup *c) {
        const char *folder = any_folder(c);

        if (host.mode == CGROUP_V2 && write_file(folder, "cgroup.kill", "1") == 0)
                return 0;
        /* v1 has no such file: forbid forks, then kill until nobody is left. */
        if (c->folders[PIDS])
                (void) write_file(c->folders[PIDS], "pids.max", "0");
        for (unsigned i = 0; i < KILL_ROUNDS; i++) {
                if (kill_once(folder) == 0)
                        return 0;
                pause_ms(1);
        }
        return error_origin(-EBUSY);
}

static void remove_folder(const char *folder) {
        for (unsigned i = 0; i < REMOVE_ROUNDS; i++) {
                if (rmdir(folder) == 0 || errno != EBUSY)
                        return;
                pause_ms(1);
        }
}

/* Locked while it goes, so that nobody who makes one of that name just now takes it for his. */
static bool remove_unheld(int dir, const char *name) {
        CLEANUP(fd_closep) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
               unlinkat(dir, name, AT_REMOVEDIR) == 0;
}

static unsigned remove_stale_in(const char *folder, const char *prefix) {
        DIR *d = opendir(folder);
        unsigned n = 0;
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (is_name(e->d_name) && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
                        n += remove_unheld(dirfd(d), e->d_name);
        if (d)
                (void) closedir(d);
        return n;
}

unsigned cgroup_remove_stale(const char *prefix) {
        unsigned n = 0;

        if (cgroup_mode() == CGROUP_NONE)
                return 0;
        for (size_t i = 0; i < N_CONTROLLERS; i++)
                n += host.own[i] ? remove_stale_in(host.own[i], prefix) : 0;
        return n;
}

struct cgroup *cgroup_free(struct cgroup *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < N_CONTROLLERS; i++) {
                if (c->folders[i])
                        remove_folder(c->folders[i]);
                fd_close(c->held[i]);
                free(c->folders[i]);
        }
        free(c);
        return NULL;
}

/* ---- handed to another uid ---- */

static void give_folder(const char *folder, uid_t uid) {
        static const char *const files[] = { "", "/cgroup.procs", "/cgroup.threads", "/tasks",
                                             "/cgroup.subtree_control" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                CLEANUP(freep) char *path = xasprintf("%s%s", folder, files[i]);

                (void) !chown(path, uid, uid); /* each version has but some of them */
        }
        (void) write_number(folder, "cgroup.procs", (uint64_t) getpid());
}

void cgroup_delegate(const char *name, uid_t uid) {
        check(is_name(name));
        if (cgroup_mode() == CGROUP_NONE)
                return;
        for (size_t i = 0; i < N_CONTROLLERS; i++) {
                CLEANUP(freep) char *folder = NULL;

                if (!host.own[i])
                        continue;
                if (host.mode == CGROUP_V2 && i <= PIDS)
                        hand_down(i);
                folder = xasprintf("%s/%s", host.own[i], name);
                if (mkdir(folder, 0755) == 0 || errno == EEXIST)
                        give_folder(folder, uid);
        }
}

static void remove_below(const char *folder) {
        DIR *dir = opendir(folder);
        const struct dirent *e;

        while (dir && (e = readdir(dir)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        (void) unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        if (dir)
                (void) closedir(dir);
}

void cgroup_undelegate(const char *name) {
        for (size_t i = 0; cgroup_mode() != CGROUP_NONE && i < N_CONTROLLERS; i++) {
                CLEANUP(freep) char *folder = NULL;

                if (!host.own[i])
                        continue;
                folder = xasprintf("%s/%s", host.own[i], name);
                remove_below(folder);
                remove_folder(folder);
        }
}
