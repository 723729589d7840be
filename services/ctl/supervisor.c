#include "services/ctl/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/service.h"
#include "services/ctl/supervised.h"

#define BACKOFF_FIRST (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX   (5 * NSEC_PER_SEC)
#define HEALTHY_AFTER (10 * NSEC_PER_SEC) /* ready this long: the next failure is a first one */
#define READY_WITHIN  (10 * NSEC_PER_SEC) /* the first time; doubled up to 80 s after failures */
#define STOP_WITHIN   (6 * NSEC_PER_SEC)

struct supervisor {
        struct loop *loop;
        struct supervisor_options options;
        struct list nodes;
        bool stopping, was_ready, has_ended, is_refused;
        int code;
};

static void advance(struct supervisor *s);
static int on_timer(void *userdata);

static void say(const struct supervised_node *n, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void say(const struct supervised_node *n, const char *format, ...) {
        const struct supervisor *s = n->supervisor;
        char line[512];
        va_list args;
        int at;

        if (!s->options.say)
                return;
        at = n->name ? snprintf(line, sizeof(line), "%s: ", n->name) : 0;
        va_start(args, format);
        (void) vsnprintf(line + at, sizeof(line) - (size_t) at, format, args);
        va_end(args);
        s->options.say(s->options.userdata, line);
}

struct supervisor *supervisor_new(struct loop *loop, const struct supervisor_options *options) {
        struct supervisor *s = xnew(struct supervisor);

        s->loop = loop;
        s->options = *options;
        list_init(&s->nodes);
        return s;
}

struct supervisor *supervisor_free(struct supervisor *s) {
        struct list *link;

        if (!s)
                return NULL;
        while ((link = list_pop_front(&s->nodes))) {
                struct supervised_node *n = LIST_ENTRY(link, struct supervised_node, link);

                for (unsigned i = 0; i < n->n_services; i++)
                        if (n->services[i].pid > 0)
                                (void) kill(n->services[i].pid, SIGKILL);
                if (s->is_refused && !s->was_ready)
                        supervised_node_forget(n);
                supervised_node_done(n);
                free(n);
        }
        free(s);
        return NULL;
}

int supervisor_add(struct supervisor *s, const struct node *node, const char *name,
                   char error[256]) {
        struct supervised_node *n = xnew(struct supervised_node);
        int r;

        n->supervisor = s;
        n->node = *node;
        n->name = xstrdup(name);
        n->accounts = s->options.accounts;
        list_init(&n->link);
        r = supervised_node_init(n, s->options.workers, s->options.isolate, error);
        if (r) {
                supervised_node_forget(n);
                supervised_node_done(n);
                free(n);
                return r;
        }
        list_push_back(&s->nodes, &n->link);
        return SUPERVISOR_OK;
}

static nsec_t backoff_of(const struct supervised *s) {
        unsigned doubled = s->failures > 6 ? 6 : s->failures > 0 ? s->failures - 1 : 0;

        return nsec_min(BACKOFF_FIRST << doubled, BACKOFF_MAX);
}

/* A start that was too slow (a large journal, a busy machine) gets more time, not less. */
static nsec_t ready_within(const struct supervised *s) {
        return READY_WITHIN << (s->failures > 3 ? 3 : s->failures);
}

/* ---- one service ---- */

static int on_report(void *userdata, uint32_t events) {
        struct supervised *s = userdata;
        unsigned layers = 0;

        if (read(s->report_fd, &layers, sizeof(layers)) == sizeof(layers))
                s->layers = layers;
        s->report_source = loop_source_free(s->report_source);
        s->report_fd = fd_close(s->report_fd);
        supervised_node_publish(s->node);
        return 0;
}

static int on_notify(void *userdata, uint32_t events) {
        struct supervised *s = userdata;
        char text[512];
        ssize_t n = recv(s->notify_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

        if (n <= 0)
                return 0;
        text[n] = 0;
        if (strncmp(text, "X_LAYERS=", 9) == 0)
                s->confined = (unsigned) strtoul(text + 9, NULL, 10);
        if (strstr(text, "READY=1") && s->state == SUPERVISED_STARTING) {
                s->state = SUPERVISED_READY;
                s->ready_since = loop_now(s->node->supervisor->loop);
                (void) loop_timer_set(s->timer, NSEC_NEVER);
                supervised_node_publish(s->node);
                advance(s->node->supervisor);
        }
        return 0;
}

static void describe_end(const siginfo_t *info, char ret[64]) {
        if (info->si_code == CLD_EXITED)
                snprintf(ret, 64, "exit %d", info->si_status);
        else
                snprintf(ret, 64, "signal %d (%s)", info->si_status, strsignal(info->si_status));
}

/* Usage and configuration errors do not heal by trying again, and who starts a node by hand is told
 * at once that its port is taken. What served before goes on trying: a file that is being edited or
 * a port that was taken meanwhile must not end a node. */
static bool is_hopeless(const struct supervised *s, const siginfo_t *info) {
        return info->si_code == CLD_EXITED && !s->ready_since &&
               (info->si_status == SERVICE_EXIT_USAGE || info->si_status == SERVICE_EXIT_CONFIG ||
                info->si_status == SERVICE_EXIT_LATER);
}

static void start_later(struct supervised *s) {
        s->failures++;
        s->restarts++;
        s->state = SUPERVISED_WAITING;
        s->confined = s->layers = 0;
        (void) loop_timer_set(s->timer,
                              nsec_add(loop_now(s->node->supervisor->loop), backoff_of(s)));
        supervised_node_publish(s->node);
}

static int on_child(void *userdata, const siginfo_t *info) {
        struct supervised *s = userdata;
        struct supervisor *all = s->node->supervisor;
        nsec_t now = loop_now(all->loop);
        char how[64];

        s->child = loop_source_free(s->child);
        s->pid = 0;
        describe_end(info, how);
        if (all->stopping || s->state == SUPERVISED_STOPPING) {
                s->state = SUPERVISED_ENDED;
                (void) loop_timer_set(s->timer, NSEC_NEVER);
                advance(all);
                return 0;
        }
        if (is_hopeless(s, info)) { /* and has said why, with the file and what to do */
                s->state = SUPERVISED_ENDED;
                all->code = EXIT_USAGE;
                all->is_refused = true;
                supervisor_stop(all);
                return 0;
        }
        if (s->state == SUPERVISED_READY && nsec_sub(now, s->ready_since) >= HEALTHY_AFTER)
                s->failures = 0;
        say(s->node, "%s ended (%s); starting it again", s->instance, how);
        start_later(s);
        return 0;
}

/* What of it is running already must not run unwatched. */
static void abandon(struct supervised *s) {
        if (s->pid > 0) {
                (void) kill(s->pid, SIGKILL);
                (void) waitpid(s->pid, NULL, 0);
        }
        s->pid = 0;
        s->child = loop_source_free(s->child);
        s->report_source = loop_source_free(s->report_source);
        s->report_fd = fd_close(s->report_fd);
}

static int try_start(struct supervised *s) {
        struct loop *loop = s->node->supervisor->loop;
        int r;

        s->report_source = loop_source_free(s->report_source);
        s->report_fd = fd_close(s->report_fd);
        s->pid = spawn_start(&s->spawn, &s->report_fd);
        if (s->pid < 0)
                return error_fold(s->pid);
        s->state = SUPERVISED_STARTING;
        r = loop_add_child(loop, s->pid, on_child, s, &s->child);
        if (r == 0)
                r = loop_add_io(loop, s->report_fd, EPOLLIN, on_report, s, &s->report_source);
        if (r == 0 && !s->notify_source)
                r = loop_add_io(loop, s->notify_fd, EPOLLIN, on_notify, s, &s->notify_source);
        if (r == 0)
                r = loop_timer_set(s->timer, nsec_add(loop_now(loop), ready_within(s)));
        return error_fold(r);
}

/* A machine that has no process or memory left for it now may have one later. */
static void start_service(struct supervised *s) {
        int r = try_start(s);

        if (r == 0)
                return;
        say(s->node, "%s cannot be started: %s; trying again", s->instance, strerror(-r));
        abandon(s);
        start_later(s);
}

/* Too slow to start, too slow to stop, or the end of a back-off. */
static int on_timer(void *userdata) {
        struct supervised *s = userdata;

        if (s->state == SUPERVISED_STARTING) {
                say(s->node, "%s is not ready after %u s; killing it", s->instance,
                    (unsigned) (ready_within(s) / NSEC_PER_SEC));
                (void) kill(s->pid, SIGKILL);
        } else if (s->state == SUPERVISED_STOPPING && s->pid > 0) {
                say(s->node, "%s does not stop; killing it", s->instance);
                (void) kill(s->pid, SIGKILL);
        } else if (s->state == SUPERVISED_WAITING && !s->node->supervisor->stopping) {
                start_service(s);
        }
        return 0;
}

/* ---- all of them ---- */

static bool node_is_ready(const struct supervised_node *n) {
        for (unsigned i = 0; i < n->n_services; i++)
                if (n->services[i].state != SUPERVISED_READY)
                        return false;
        return true;
}

/* The first start goes in order: each waits until those before it are ready. */
static void start_next(struct supervised_node *n) {
        for (unsigned i = 0; i < n->n_services; i++) {
                struct supervised *s = &n->services[i];

                if (s->state == SUPERVISED_READY)
                        continue;
                if (s->state == SUPERVISED_WAITING && s->restarts == 0)
                        start_service(s);
                return;
        }
}

/* In reverse order; each waits for the one that uses it. */
static bool stop_next(struct supervised_node *n) {
        for (unsigned i = n->n_services; i-- > 0;) {
                struct supervised *s = &n->services[i];

                if (s->pid <= 0) {
                        s->state = SUPERVISED_ENDED;
                        continue;
                }
                if (s->state != SUPERVISED_STOPPING) {
                        s->state = SUPERVISED_STOPPING;
                        (void) kill(s->pid, SIGTERM);
                        (void) loop_timer_set(s->timer,
                                              nsec_add(loop_now(n->supervisor->loop), STOP_WITHIN));
                }
                return false;
        }
        return true;
}

static void advance(struct supervisor *s) {
        bool all = true;

        LIST_FOREACH (link, &s->nodes) {
                struct supervised_node *n = LIST_ENTRY(link, struct supervised_node, link);

                if (s->stopping) {
                        all = stop_next(n) && all;
                        continue;
                }
                start_next(n);
                all = node_is_ready(n) && all;
        }
        if (all && s->stopping && !s->has_ended) {
                s->has_ended = true;
                s->options.ended(s->options.userdata, s->code);
        } else if (all && !s->stopping && !s->was_ready) {
                s->was_ready = true;
                s->options.ready(s->options.userdata);
        }
}

void supervisor_start(struct supervisor *s) {
        LIST_FOREACH (link, &s->nodes) {
                struct supervised_node *n = LIST_ENTRY(link, struct supervised_node, link);

                for (unsigned i = 0; i < n->n_services; i++)
                        check(loop_add_timer(s->loop, on_timer, &n->services[i],
                                             &n->services[i].timer) == 0);
        }
        advance(s);
}

void supervisor_stop(struct supervisor *s) {
        if (s->stopping)
                return;
        s->stopping = true;
        advance(s);
}

void supervisor_reload(struct supervisor *s) {
        LIST_FOREACH (link, &s->nodes) {
                struct supervised_node *n = LIST_ENTRY(link, struct supervised_node, link);

                for (unsigned i = 0; i < n->n_services; i++)
                        if (n->services[i].pid > 0)
                                (void) kill(n->services[i].pid, SIGHUP);
        }
}

/* A word of ret that `layers` lacks is taken out. */
static void keep_common(char ret[256], const char *layers) {
        char kept[256] = "", word[32], *save = NULL;

        for (char *w = strtok_r(ret, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
                const char *at = layers;
                size_t len = strlen(w), n = strlen(kept);

                while (*at && (strncmp(at, w, len) != 0 || (at[len] && at[len] != ',')))
                        at += strcspn(at, ","), at += *at == ',';
                if (*at && snprintf(word, sizeof(word), "%s%s", n ? "," : "", w) > 0)
                        (void) snprintf(kept + n, sizeof(kept) - n, "%s", word);
        }
        (void) strcpy(ret, kept);
}

const char *supervisor_isolation(const struct supervisor *s, char ret[256]) {
        char layers[256];
        bool is_first = true;

        ret[0] = 0;
        LIST_FOREACH (link, &s->nodes) {
                struct supervised_node *n = LIST_ENTRY(link, struct supervised_node, link);

                for (unsigned i = 0; i < n->n_services; i++) {
                        struct supervised copy = n->services[i];

                        /* Who needs the network is not apart there, and all know it. */
                        copy.layers |= copy.spawn.network ? NAMESPACE_NET : 0;
                        supervised_isolation(&copy, layers);
                        if (is_first)
                                (void) strcpy(ret, layers);
                        else
                                keep_common(ret, layers);
                        is_first = false;
                }
        }
        return ret;
}
