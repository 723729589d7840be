#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/capability.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/listen.h"
#include "common/daemon/runtime.h"
#include "common/daemon/sandbox.h"
#include "services/ctl/ownership.h"
#include "services/ctl/secret_group.h"
#include "services/ctl/supervised.h"

#define KEY_DIFFICULTY 16 /* bits of proof of work of the public network: about a second, once */

#define LOCK_PAUSE_MS  50
#define LOCK_ROUNDS    240 /* 12 s: longer than orphans may live, spawn.c */

static int refuse(char error[256], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char error[256], const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(error, 256, format, args);
        va_end(args);
        return SUPERVISOR_E_REFUSED;
}

/* Whoever waits for a service keeps its supervisor's lock. When that was killed they end
 * by themselves in a few seconds, which is worth waiting for. */
static int wait_for_lock(int fd, char *pid, size_t size) {
        for (unsigned i = 0;; i++) {
                const struct timespec ts = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
                ssize_t len;

                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                len = pread(fd, pid, size - 1, 0);
                pid[len > 0 ? len : 0] = 0;
                if (i == LOCK_ROUNDS || atoi(pid) <= 0 || kill(atoi(pid), 0) == 0 || errno != ESRCH)
                        return -EBUSY;
                (void) nanosleep(&ts, NULL);
        }
}

/* Whoever ends takes its lock file away: what was waited for may be no file any more. */
static bool is_still_there(int fd, const char *path) {
        struct stat held, named;

        return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
               held.st_dev == named.st_dev;
}

/* One supervisor for one directory: `file` is its lock, `option` gives another one. */
static int take_lock(const char *dir, const char *file, const char *option, int *ret_fd,
                     char error[256]) {
        char path[PATH_MAX], pid[32] = "";
        ssize_t len;

        if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= PATH_MAX)
                return refuse(error, "%s: path too long", dir);
        do {
                fd_close(*ret_fd);
                *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (*ret_fd < 0)
                        return refuse(error, "%s: %s; make it writable or give %s DIR", path,
                                      strerror(errno), option);
                if (wait_for_lock(*ret_fd, pid, sizeof(pid)))
                        return refuse(error,
                                      "another `quorate run` (process %s) has %s; stop it or give "
                                      "%s DIR",
                                      pid, dir, option);
        } while (!is_still_there(*ret_fd, path));
        len = snprintf(pid, sizeof(pid), "%d", getpid());
        if (ftruncate(*ret_fd, 0) < 0 || pwrite(*ret_fd, pid, (size_t) len, 0) != len)
                return refuse(error, "%s: %s; is the disk full?", path, strerror(errno));
        return SUPERVISOR_OK;
}

static int open_notify(struct supervised *s, char error[256]) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *runtime = s->node->node.runtime;

        if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.notify", runtime,
                     s->instance) >= (int) sizeof(address.sun_path))
                return refuse(error,
                              "%s: too deep for a socket path (108 bytes); give --runtime DIR",
                              runtime);
        strcpy(s->notify, address.sun_path);
        (void) unlink(s->notify);
        s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->notify_fd < 0 ||
            bind(s->notify_fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            chmod(s->notify, 0600) < 0 ||
            (s->spawn.uid && chown(s->notify, s->spawn.uid, s->spawn.uid) < 0))
                return refuse(error, "%s: %s", s->notify, strerror(errno));
        return SUPERVISOR_OK;
}

static int add_listener(struct supervised *s, const struct capability *c, bool data,
                        char error[256]) {
        char path[CAPABILITY_PATH_SIZE];
        int fd;

        if (capability_path(s->node->node.runtime, c->name, data, path))
                return refuse(error,
                              "%s: too deep for a socket path (108 bytes); give --runtime DIR",
                              s->node->node.runtime);
        fd = listen_create(path, c->type, 0600);
        if (fd < 0)
                return refuse(error, "%s: %s", path, strerror(-fd));
        check(s->spawn.n_fds < SPAWN_FDS_MAX);
        s->spawn.names[s->spawn.n_fds] = data ? xasprintf("%s.data", c->name) : xstrdup(c->name);
        s->spawn.fds[s->spawn.n_fds++] = fd;
        if (s->node->accounts &&
            ownership_give_socket(path, account_socket(s->node->node.account, c->name), error))
                return SUPERVISOR_E_REFUSED;
        return SUPERVISOR_OK;
}

/* The folder of its sockets, through which those pass who may use one of them. */
static int open_socket_folder(struct supervised *s, char error[256]) {
        char *folder = xasprintf("%s/%s", s->node->node.runtime, s->spawn.service);
        int r = node_mkdir(folder);

        if (r)
                r = refuse(error, "%s: %s; give --runtime DIR", folder, strerror(-r));
        else if (s->node->accounts)
                r = ownership_open_way(folder, error);
        free(folder);
        return r;
}

static int add_listeners(struct supervised *s, char error[256]) {
        int e = open_socket_folder(s, error);

        if (e)
                return e;
        for (const struct capability *c = capabilities; c->name; c++) {
                int r = SUPERVISOR_OK;

                if (!capability_is_of(c, s->spawn.service))
                        continue;
                r = add_listener(s, c, false, error);
                if (r == SUPERVISOR_OK && c->type == CAPABILITY_STREAMS)
                        r = add_listener(s, c, true, error);
                if (r)
                        return r;
        }
        return SUPERVISOR_OK;
}

/* Who it becomes. A worker that could not build executors' namespaces any more stays
 * root, for what they keep apart is worth more; doctor says so. */
static void choose_account(struct supervised *s, unsigned number) {
        uint32_t node = s->node->node.account;
        uid_t uid = account_uid(node, s->spawn.service, number);

        if (!s->node->accounts || (number > 0 && !spawn_uid_may_confine(uid)))
                return;
        s->spawn.uid = uid;
        s->spawn.n_groups = account_groups(node, s->spawn.service, s->spawn.groups);
        if (number > 0)
                s->spawn.cgroup = s->cgroup = xasprintf("quorate-%u", (unsigned) uid);
}

/* Who shares the network's secret reads it as a member of its group. */
static int join_secret_group(struct supervised *s, char error[256]) {
        struct spawn *spawn = &s->spawn;
        gid_t group = 0;

        if (spawn->uid == 0 || access(spawn->config, F_OK) < 0)
                return SUPERVISOR_OK;
        if (secret_group_of(s->binary, spawn->config, &group, error))
                return SUPERVISOR_E_REFUSED;
        check(spawn->n_groups < ACCOUNT_GROUPS_MAX);
        if (group)
                spawn->groups[spawn->n_groups++] = group;
        return SUPERVISOR_OK;
}

static int add_service(struct supervised_node *n, const char *service, unsigned number,
                       bool isolate, char error[256]) {
        struct supervised *s = &n->services[n->n_services];
        int r;

        if (!node_binary(service, s->binary))
                return SUPERVISOR_OK; /* not part of this installation */
        check(n->n_services++ < SERVICES_MAX);
        s->node = n;
        s->notify_fd = s->report_fd = -1;
        if (number > 0)
                snprintf(s->instance, sizeof(s->instance), "%s@%u", service, number);
        else
                snprintf(s->instance, sizeof(s->instance), "%s", service);
        s->state_dir = xasprintf("%s/%s", n->node.state, s->instance);
        r = node_mkdir(s->state_dir);
        if (r)
                return refuse(error, "%s: %s; make it writable or give --state DIR", s->state_dir,
                              strerror(-r));
        s->spawn = (struct spawn){ .service = service,
                                   .instance = s->instance,
                                   .binary = s->binary,
                                   .runtime = n->node.runtime,
                                   .state = s->state_dir,
                                   .config = n->node.config,
                                   .notify = s->notify,
                                   .isolate = isolate,
                                   .network = strcmp(service, "transport") == 0 ||
                                              strcmp(service, "gateway") == 0 };
        choose_account(s, number);
        r = join_secret_group(s, error);
        if (r == SUPERVISOR_OK)
                r = open_notify(s, error);
        if (r == SUPERVISOR_OK && number <= 1)
                r = add_listeners(s, error);
        return r;
}

/* Workers read inputs from the coordinator's cache and keep no other door open. */
static void give_dataset_cache(struct supervised *s) {
        char *path = xasprintf("%s/coordinator/datasets", s->node->node.state);

        (void) node_mkdir(path);
        s->strings.items[s->strings.n_items++] = path;
        s->spawn.mounts[s->spawn.n_mounts++] = (struct namespace_mount){ .source = path };
        s->spawn.mounts[s->spawn.n_mounts++] =
                (struct namespace_mount){ .source = "/sys/fs/cgroup", .writable = true };
}

static int give_state(const struct supervised *s, char error[256]) {
        bool is_coordinator = strcmp(s->spawn.service, "coordinator") == 0;
        const struct ownership o = { .uid = s->spawn.uid,
                                     .shared = is_coordinator ? "datasets" : NULL,
                                     .shared_gid = account_datasets(s->node->node.account) };

        return ownership_give(s->state_dir, &o, error);
}

/* A folder of this node; of a grid also the one that holds all of its nodes, which is ours. */
static int open_way(const struct supervised_node *n, const char *path, char error[256]) {
        char *above = xstrdup(path);
        int r = n->name ? ownership_open_way(dirname(above), error) : OWNERSHIP_OK;

        free(above);
        return r ? r : ownership_open_way(path, error);
}

/* Also with uid 0: a worker that stays root owns its folder again. */
static int give_files(const struct supervised_node *n, char error[256]) {
        int r = open_way(n, n->node.state, error);

        if (r == OWNERSHIP_OK)
                r = open_way(n, n->node.runtime, error);
        for (unsigned i = 0; i < n->n_services && r == OWNERSHIP_OK; i++)
                r = give_state(&n->services[i], error);
        return r == OWNERSHIP_OK ? SUPERVISOR_OK : SUPERVISOR_E_REFUSED;
}

/* Whoever can write to a folder can put another in the place of what we make in it. */
static int refuse_foreign(const char *path, const char *option, char error[256]) {
        uid_t owner = 0;
        int r = runtime_check(path, &owner);

        if (r < 0)
                return refuse(error, "%s: %s; give %s DIR", path, strerror(-r), option);
        if (r == RUNTIME_FOREIGN)
                return refuse(error,
                              "%s: it is no folder that only you can write to (it is uid %u's); "
                              "chmod go-w it if it is yours, or give %s DIR",
                              path, (unsigned) owner, option);
        return SUPERVISOR_OK;
}

/* Of a grid also the folder that holds those of all nodes. */
static int make_folder(const struct supervised_node *n, const char *path, const char *option,
                       char error[256]) {
        char *above;
        int r = node_mkdir(path);

        if (r)
                return refuse(error, "%s: %s; make it writable or give %s DIR", path, strerror(-r),
                              option);
        above = xstrdup(path);
        r = n->name ? refuse_foreign(dirname(above), option, error) : SUPERVISOR_OK;
        free(above);
        return r ? r : refuse_foreign(path, option, error);
}

static bool has_only(const char *folder, const char *name) {
        DIR *d = opendir(folder);
        const struct dirent *e;
        bool is_alone = d;

        while (d && (e = readdir(d)))
                is_alone = is_alone && (e->d_name[0] == '.' || strcmp(e->d_name, name) == 0);
        if (d)
                (void) closedir(d);
        return is_alone;
}

static int lock_folders(struct supervised_node *n, char error[256]) {
        bool is_new = access(n->node.state, F_OK) < 0;
        int r;

        r = make_folder(n, n->node.state, "--state", error);
        if (r)
                return r;
        r = take_lock(n->node.state, "lock", "--state", &n->lock_fd, error);
        if (r)
                return r;
        n->is_new =
                is_new && has_only(n->node.state, "lock"); /* another run may have been faster */
        r = make_folder(n, n->node.runtime, "--runtime", error);
        if (r)
                return r;
        /* Another state directory on the same sockets would take them from who serves them. */
        r = take_lock(n->node.runtime, "run.lock", "--runtime", &n->runtime_lock_fd, error);
        if (r)
                return r;
        return SUPERVISOR_OK;
}

int supervised_node_init(struct supervised_node *n, unsigned workers, bool isolate,
                         char error[256]) {
        char peer[NODE_PEER_SIZE];
        int r;

        n->lock_fd = n->runtime_lock_fd = -1;
        r = lock_folders(n, error);
        if (r)
                return r;
        for (const char *const *s = capability_services; *s; s++) {
                bool is_worker = strcmp(*s, "worker") == 0;

                for (unsigned i = is_worker; i <= (is_worker ? workers : 0); i++) {
                        r = add_service(n, *s, i, isolate, error);
                        if (r)
                                return r;
                }
        }
        if (node_ensure_key(&n->node, KEY_DIFFICULTY, peer, error))
                return SUPERVISOR_E_REFUSED;
        for (unsigned i = 0; i < n->n_services; i++) {
                spawn_mounts(&n->services[i].spawn, &n->services[i].strings);
                if (strcmp(n->services[i].spawn.service, "worker") == 0)
                        give_dataset_cache(&n->services[i]);
        }
        return n->accounts ? give_files(n, error) : SUPERVISOR_OK;
}

static void supervised_done(struct supervised *s) {
        loop_source_free(s->child);
        loop_source_free(s->notify_source);
        loop_source_free(s->report_source);
        loop_source_free(s->timer);
        for (unsigned i = 0; i < s->spawn.n_fds; i++) {
                fd_close(s->spawn.fds[i]);
                free((char *) s->spawn.names[i]);
        }
        spawn_strings_done(&s->strings);
        free(s->state_dir);
        if (s->cgroup)
                cgroup_undelegate(s->cgroup);
        free(s->cgroup);
        fd_close(s->notify_fd);
        fd_close(s->report_fd);
        if (s->notify[0])
                (void) unlink(s->notify);
}

static void unlink_sockets(const struct supervised_node *n) {
        char path[CAPABILITY_PATH_SIZE];

        for (const struct capability *c = capabilities; c->name; c++)
                for (int data = 0; data < 2; data++)
                        if (capability_path(n->node.runtime, c->name, data, path) == 0)
                                (void) unlink(path);
}

/* Sockets, what is told about them, and with that the folders: only what is empty goes. Ours
 * are both locks, so nobody else has anything here. */
static void clear_runtime(const struct supervised_node *n) {
        const char *runtime = n->node.runtime;
        char path[PATH_MAX + 64];

        unlink_sockets(n);
        (void) snprintf(path, sizeof(path), "%s/services.json", runtime);
        (void) unlink(path);
        for (const char *const *s = capability_services; *s; s++) {
                (void) snprintf(path, sizeof(path), "%s/%s", runtime, *s);
                (void) rmdir(path);
        }
        (void) snprintf(path, sizeof(path), "%s/run.lock", runtime);
        (void) unlink(path);
        if (rmdir(runtime) < 0 || !n->name)
                return;
        (void) snprintf(path, sizeof(path), "%s", runtime);
        (void) rmdir(dirname(path)); /* of a grid, when its last node goes */
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
        (void) remove(path);
        return 0;
}

/* Nothing but what is ours by its name. */
void supervised_node_forget(const struct supervised_node *n) {
        static const char *const files[] = { "lock", "peer" };
        char path[PATH_MAX + 16];

        if (!n->is_new)
                return;
        for (unsigned i = 0; i < n->n_services; i++)
                if (n->services[i].state_dir)
                        (void) nftw(n->services[i].state_dir, remove_one, 8,
                                    FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", n->node.state, files[i]);
                (void) unlink(path);
        }
        (void) rmdir(n->node.state);
}

void supervised_node_done(struct supervised_node *n) {
        for (unsigned i = 0; i < n->n_services; i++)
                supervised_done(&n->services[i]);
        if (n->lock_fd >= 0 && n->n_services > 0)
                clear_runtime(n);
        fd_close(n->runtime_lock_fd);
        fd_close(n->lock_fd);
        free(n->name);
}

static const char *const state_names[] = {
        [SUPERVISED_WAITING] = "waiting", [SUPERVISED_STARTING] = "starting",
        [SUPERVISED_READY] = "ready",     [SUPERVISED_STOPPING] = "stopping",
        [SUPERVISED_ENDED] = "ended",
};

char *supervised_isolation(const struct supervised *s, char ret[256]) {
        unsigned shown = SANDBOX_LAYER_SECCOMP | SANDBOX_LAYER_LANDLOCK_FS;
        char names[128];
        int n;

        namespace_text(s->layers, names, sizeof(names));
        n = snprintf(ret, 256, "%s%s%s", s->spawn.uid ? "uid" : "",
                     s->spawn.uid && *names ? "," : "", names);
        for (size_t i = 0; i < ELEMENTSOF(sandbox_layer_names); i++)
                if (s->confined & shown & 1u << i)
                        n += snprintf(ret + n, 256 - (size_t) n, "%s%s", n ? "," : "",
                                      sandbox_layer_names[i]);
        return ret;
}

/* For commands that are told no more than where the sockets are. A path that JSON would have
 * to escape is not told: it is read without a parser. */
static void publish_path(FILE *f, const char *name, const char *path) {
        for (const char *c = path; *c; c++)
                if ((unsigned char) *c < 0x20 || *c == '"' || *c == '\\')
                        return;
        fprintf(f, ",\"%s\":\"%s\"", name, path);
}

void supervised_node_publish(const struct supervised_node *n) {
        char path[PATH_MAX + 32], tmp[PATH_MAX + 64], layers[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/services.json", n->node.runtime);
        snprintf(tmp, sizeof(tmp), "%s.tmp", path);
        f = fopen(tmp, "we");
        if (!f)
                return; /* for people only: the node runs without it */
        fprintf(f, "{\"supervisor\":%d", getpid());
        publish_path(f, "state_folder", n->node.state);
        publish_path(f, "configuration", n->node.config);
        fputs(",\"services\":[", f);
        for (unsigned i = 0; i < n->n_services; i++) {
                const struct supervised *s = &n->services[i];

                fprintf(f,
                        "%s{\"service\":\"%s\",\"pid\":%d,\"state\":\"%s\",\"restarts\":%u,"
                        "\"uid\":%u,\"isolation\":\"%s\"}",
                        i ? "," : "", s->instance, s->pid, state_names[s->state], s->restarts,
                        s->spawn.uid ? (unsigned) s->spawn.uid : (unsigned) geteuid(),
                        supervised_isolation(s, layers));
        }
        fputs("]}\n", f);
        if (fclose(f) != 0 || rename(tmp, path) < 0)
                (void) unlink(tmp);
}
