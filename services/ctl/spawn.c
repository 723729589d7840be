#include "services/ctl/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/capability.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/listen.h"
#include "common/daemon/service.h"

/* What every dynamically linked program needs, and nothing that holds users' files. */
static const char *const system_paths[] = {
        "/usr",      "/lib",      "/lib64",    "/bin",        "/etc/ld.so.cache", "/etc/localtime",
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",     NULL,
};
/* Only for the service that resolves names. */
static const char *const network_paths[] = {
        "/etc/resolv.conf", "/etc/hosts",           "/etc/nsswitch.conf",
        "/etc/gai.conf",    "/run/systemd/resolve", NULL,
};

void spawn_strings_done(struct spawn_strings *s) {
        for (size_t i = 0; i < s->n_items; i++)
                free(s->items[i]);
        s->n_items = 0;
}

static void add_mount(struct spawn *s, const char *path, bool writable) {
        check(s->n_mounts < SPAWN_MOUNTS_MAX);
        s->mounts[s->n_mounts++] = (struct namespace_mount){ .source = path, .writable = writable };
}

static const char *keep(struct spawn_strings *strings, char *text) {
        check(strings->n_items < SPAWN_MOUNTS_MAX);
        return strings->items[strings->n_items++] = text;
}

static void add_sockets(struct spawn *s, struct spawn_strings *strings) {
        for (const struct capability *c = capabilities; c->name; c++) {
                if (!capability_may_use(s->service, c->name))
                        continue;
                add_mount(s, keep(strings, xasprintf("%s/%s", s->runtime, c->name)), true);
                if (c->type == CAPABILITY_STREAMS)
                        add_mount(s, keep(strings, xasprintf("%s/%s.data", s->runtime, c->name)),
                                  true);
        }
}

void spawn_mounts(struct spawn *s, struct spawn_strings *strings) {
        char *directory = xstrdup(s->binary), *slash = strrchr(directory, '/');

        s->n_mounts = 0;
        for (const char *const *p = system_paths; *p; p++)
                add_mount(s, *p, strncmp(*p, "/dev/", 5) == 0);
        for (const char *const *p = network_paths; s->network && *p; p++)
                add_mount(s, *p, false);
        if (slash)
                *slash = 0;
        add_mount(s, keep(strings, directory), false);
        add_mount(s, s->config, false);
        add_mount(s, s->state, true);
        add_mount(s, s->notify, true);
        add_sockets(s, strings);
}

#define ORPHAN_SECONDS 8 /* longer than a service may drain */

/* As pid 1 of its own world a service is waited for by this process, which passes on
 * what is asked of it. */
static pid_t relayed;

/* What a service is told. From the fork on it waits in the mask until somebody listens,
 * for pid 1 of a namespace loses what it does not catch. */
static void mask_signals(bool blocked) {
        static const int told[] = { SIGTERM, SIGINT, SIGHUP };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; blocked && i < ELEMENTSOF(told); i++)
                sigaddset(&set, told[i]);
        (void) sigprocmask(SIG_SETMASK, &set, NULL);
}

static pid_t relay_parent;

static void relay(int signo) {
        if (relayed > 0)
                (void) kill(relayed, signo == SIGALRM ? SIGKILL : signo);
        /* The supervisor is gone and cannot kill what does not end. */
        if (signo == SIGTERM && getppid() != relay_parent)
                (void) alarm(ORPHAN_SECONDS);
}

_Noreturn static void relay_and_wait(pid_t child, pid_t supervisor) {
        struct sigaction action = { .sa_handler = relay };
        int status;

        relayed = child;
        relay_parent = getppid();
        if (relay_parent != supervisor) /* gone before the handlers were there */
                (void) alarm(ORPHAN_SECONDS);
        (void) sigaction(SIGTERM, &action, NULL);
        (void) sigaction(SIGINT, &action, NULL);
        (void) sigaction(SIGHUP, &action, NULL);
        (void) sigaction(SIGALRM, &action, NULL);
        mask_signals(false);
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        _exit(EXIT_FAILURE);
        if (WIFSIGNALED(status)) {
                (void) signal(WTERMSIG(status), SIG_DFL);
                (void) raise(WTERMSIG(status));
        }
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* A process namespace holds for children: one more fork. */
static int enter_pid_namespace(pid_t supervisor) {
        pid_t child = fork();

        if (child < 0)
                return error_origin(-errno);
        if (child > 0)
                relay_and_wait(child, supervisor);
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        return 0;
}

static int isolate(const struct spawn *s, pid_t supervisor, unsigned *ret_got) {
        unsigned wanted = NAMESPACE_MOUNT | NAMESPACE_PID | NAMESPACE_IPC | NAMESPACE_UTS;
        int r;

        *ret_got = 0;
        if (!s->isolate)
                return 0;
        if (!s->network)
                wanted |= NAMESPACE_NET;
        if (geteuid() != 0) /* who is not root is granted the others inside one of his own */
                wanted |= NAMESPACE_USER;
        r = namespace_enter(wanted, ret_got);
        if (r)
                return error_fold(r);
        if (*ret_got & NAMESPACE_PID) {
                r = enter_pid_namespace(supervisor);
                if (r)
                        return error_fold(r);
        }
        if (!(*ret_got & NAMESPACE_MOUNT))
                return 0;
        r = namespace_root(s->mounts, s->n_mounts, *ret_got & NAMESPACE_PID);
        return r ? error_fold(r) : 0;
}

/* All a service needs of the caller's environment: how much to log, and in test builds
 * what the sanitizers shall do. */
static const char *const passed_on[] = {
        "QUORATE_LOG",   "QUORATE_SANITIZED_EXECUTOR", "ASAN_OPTIONS", "LSAN_OPTIONS",
        "UBSAN_OPTIONS",
};

/* The kernel's answer to whoever started `quorate run` in a place of their own. */
static bool may_work(const struct spawn *s) {
        const struct {
                const char *path;
                int mode;
        } needs[] = { { s->binary, X_OK }, { s->state, W_OK | X_OK }, { s->config, R_OK } };

        for (size_t i = 0; i < ELEMENTSOF(needs); i++) {
                if (access(needs[i].path, needs[i].mode) == 0 ||
                    (needs[i].path == s->config && errno == ENOENT))
                        continue;
                (void) fprintf(stderr,
                               "quorate: %s runs as uid %u, for which %s is closed (%s); "
                               "chmod o+rx it and o+x the folders above, or put it elsewhere\n",
                               s->instance, (unsigned) s->uid, needs[i].path, strerror(errno));
                return false;
        }
        return true;
}

/* Its own uid, and files for nobody else. A fault is a machine that changed since
 * account_is_granted(). */
static int become(const struct spawn *s, unsigned got) {
        int r = 0;

        if (s->uid) {
                (void) umask(077);
                r = account_become(s->uid, s->groups, s->n_groups);
        }
        /* Forgotten with the old uid. In a process namespace the relay is told and waits. */
        (void) prctl(PR_SET_PDEATHSIG, got & NAMESPACE_PID ? SIGKILL : SIGTERM);
        return r;
}

static void set_environment(const struct spawn *s, unsigned got) {
        char text[128], isolation[160], *kept[ELEMENTSOF(passed_on)]; /* not freed: exec follows */

        for (size_t i = 0; i < ELEMENTSOF(passed_on); i++)
                kept[i] = xstrdup(getenv(passed_on[i]));
        (void) clearenv();
        for (size_t i = 0; i < ELEMENTSOF(passed_on); i++)
                if (kept[i])
                        (void) setenv(passed_on[i], kept[i], 1);
        (void) setenv("PATH", "/usr/bin:/bin", 1);
        (void) setenv("NOTIFY_SOCKET", s->notify, 1);
        (void) snprintf(isolation, sizeof(isolation), "%s%s%s", s->uid ? "uid" : "",
                        s->uid && got ? "," : "", namespace_text(got, text, sizeof(text)));
        (void) setenv("QUORATE_ISOLATION", isolation, 1);
}

/* Without a configuration everything has its default. Errors name the place of the node's own,
 * which is read as soon as it is there. */
static void name_own_config(const struct spawn *s) {
        char *node = xstrdup(s->state); /* not freed: exec follows */

        (void) setenv("QUORATE_CONFIG", xasprintf("%s/quorate.conf", dirname(node)), 1);
}

/* Ctrl-C at the terminal is the supervisor's to hear: it stops services one by one, and a
 * service that hears it twice does not drain. Nor shall one read what people type. */
static void detach(void) {
        CLEANUP(fd_closep) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) setsid();
        if (nothing >= 0)
                (void) dup2(nothing, STDIN_FILENO);
}

/* What whoever started `quorate run` had open is no service's business. */
static int close_foreign(unsigned n_fds) {
        return close_range(STDERR_FILENO + 1 + n_fds, ~0U, CLOSE_RANGE_CLOEXEC);
}

_Noreturn static void child_main(const struct spawn *s, pid_t parent, int report) {
        char *argv[] = { (char *) s->binary,  (char *) "--runtime",
                         (char *) s->runtime, (char *) "--state",
                         (char *) s->state,   (char *) "--config",
                         (char *) s->config,  NULL };
        unsigned got = 0;

        mask_signals(true);
        detach();
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* gone before we could ask to be told */
                _exit(EXIT_FAILURE);
        if (s->cgroup && s->uid)
                cgroup_delegate(s->cgroup, s->uid);
        if (isolate(s, parent, &got) || become(s, got))
                _exit(EXIT_FAILURE);
        (void) !write(report, &got, sizeof(got));
        if (s->uid && !may_work(s))
                _exit(SERVICE_EXIT_CONFIG);
        set_environment(s, got);
        if (access(s->config, F_OK) < 0) {
                argv[5] = NULL;
                name_own_config(s);
        }
        if (listen_hand_down(s->fds, s->names, s->n_fds) == 0 && close_foreign(s->n_fds) == 0)
                (void) execv(s->binary, argv);
        _exit(EXIT_FAILURE);
}

bool spawn_uid_may_confine(uid_t uid) {
        int status = 0;
        pid_t child = fork();

        if (child == 0)
                _exit(account_become(uid, NULL, 0) < 0 || unshare(CLONE_NEWUSER) < 0);
        return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

pid_t spawn_start(const struct spawn *s, int *ret_report) {
        pid_t child, parent = getpid();
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_origin(-errno);
        child = fork();
        if (child < 0) {
                int e = errno;

                fd_close(ends[0]);
                fd_close(ends[1]);
                return error_origin(-e);
        }
        if (child == 0) {
                fd_close(ends[0]);
                child_main(s, parent, ends[1]);
        }
        fd_close(ends[1]);
        *ret_report = ends[0];
        return child;
}
