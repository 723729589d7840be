#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "services/ctl/supervised.h"

#define KEY_DIFFICULTY 16 /* bits of proof of work of the public network: about a second, once */

static int refuse(char error[256], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char error[256], const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(error, 256, format, args);
        va_end(args);
        return SUPERVISOR_E_REFUSED;
}

/* One supervisor for one directory: `file` is its lock, `option` gives another one. */
static int take_lock(const char *dir, const char *file, const char *option, int *ret_fd,
                     char error[256]) {
        char path[PATH_MAX], pid[32] = "";
        ssize_t len;

        if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= PATH_MAX)
                return refuse(error, "%s: path too long", dir);
        *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*ret_fd < 0)
                return refuse(error, "%s: %s; make it writable or give %s DIR", path,
                              strerror(errno), option);
        if (flock(*ret_fd, LOCK_EX | LOCK_NB) < 0) {
                len = pread(*ret_fd, pid, sizeof(pid) - 1, 0);
                pid[len > 0 ? len : 0] = 0;
                return refuse(error,
                              "another `quorate run` (process %s) has %s; stop it or give %s DIR",
                              pid, dir, option);
        }
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
            bind(s->notify_fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
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
        return SUPERVISOR_OK;
}

static int add_listeners(struct supervised *s, char error[256]) {
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

int supervised_node_init(struct supervised_node *n, unsigned workers, bool isolate,
                         char error[256]) {
        char peer[NODE_PEER_SIZE];
        int r;

        n->lock_fd = n->runtime_lock_fd = -1;
        r = node_mkdir(n->node.state);
        if (r)
                return refuse(error, "%s: %s; make it writable or give --state DIR", n->node.state,
                              strerror(-r));
        r = take_lock(n->node.state, "lock", "--state", &n->lock_fd, error);
        if (r)
                return r;
        r = node_mkdir(n->node.runtime);
        if (r)
                return refuse(error, "%s: %s; make it writable or give --runtime DIR",
                              n->node.runtime, strerror(-r));
        /* Another state directory on the same sockets would take them from who serves them. */
        r = take_lock(n->node.runtime, "run.lock", "--runtime", &n->runtime_lock_fd, error);
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
        return SUPERVISOR_OK;
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

void supervised_node_done(struct supervised_node *n) {
        char path[PATH_MAX + 32];

        for (unsigned i = 0; i < n->n_services; i++)
                supervised_done(&n->services[i]);
        if (n->lock_fd >= 0 && n->n_services > 0) {
                unlink_sockets(n);
                snprintf(path, sizeof(path), "%s/services.json", n->node.runtime);
                (void) unlink(path);
        }
        fd_close(n->runtime_lock_fd);
        fd_close(n->lock_fd);
        free(n->name);
}

static const char *const state_names[] = {
        [SUPERVISED_WAITING] = "waiting", [SUPERVISED_STARTING] = "starting",
        [SUPERVISED_READY] = "ready",     [SUPERVISED_STOPPING] = "stopping",
        [SUPERVISED_ENDED] = "ended",
};

void supervised_node_publish(const struct supervised_node *n) {
        char path[PATH_MAX + 32], tmp[PATH_MAX + 64], layers[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/services.json", n->node.runtime);
        snprintf(tmp, sizeof(tmp), "%s.tmp", path);
        f = fopen(tmp, "we");
        if (!f)
                return; /* for people only: the node runs without it */
        fprintf(f, "{\"supervisor\":%d,\"services\":[", getpid());
        for (unsigned i = 0; i < n->n_services; i++) {
                const struct supervised *s = &n->services[i];

                fprintf(f,
                        "%s{\"service\":\"%s\",\"pid\":%d,\"state\":\"%s\",\"restarts\":%u,"
                        "\"isolation\":\"%s\"}",
                        i ? "," : "", s->instance, s->pid, state_names[s->state], s->restarts,
                        namespace_text(s->layers, layers, sizeof(layers)));
        }
        fputs("]}\n", f);
        if (fclose(f) != 0 || rename(tmp, path) < 0)
                (void) unlink(tmp);
}
