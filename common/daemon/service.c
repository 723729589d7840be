#include "common/daemon/service.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/listen.h"
#include "common/daemon/log.h"
#include "common/daemon/notify.h"
#include "quorate-config.h"

#define DRAIN_TIME (5 * NSEC_PER_SEC)

struct options {
        const char *config, *runtime, *state, *log_level;
        bool check_config, help_config;
};

struct process {
        struct service_context context; /* first: service_drained() finds us by it */
        const struct service *service;
        struct options options;
        struct config *config;
        struct loop_source *on_term, *on_int, *on_hup, *drain_timer, *watchdog;
        nsec_t watchdog_every;
        bool is_draining;
        int exit_code; /* of a stop in order */
};

static void print_usage(const struct service *s) {
        printf("Usage: quorate-%s [OPTION]...\n%s\n\n"
               "  --config PATH    directory of configuration files, or one file\n"
               "  --runtime DIR    sockets of this node (default /run/quorate)\n"
               "  --state DIR      what this service keeps (default /var/lib/quorate/%s)\n"
               "  --log LEVEL      error, warning, notice, info or debug\n"
               "  --check-config   read the configuration, print it, and exit\n"
               "  --help-config    explain every key, and exit\n"
               "  --version        print the version, and exit\n"
               "  --help           print this, and exit\n",
               s->name, s->summary ? s->summary : "", s->name);
}

enum option_id {
        OPT_CONFIG = 256,
        OPT_RUNTIME,
        OPT_STATE,
        OPT_LOG,
        OPT_CHECK,
        OPT_HELP_CONFIG,
        OPT_VERSION,
        OPT_HELP
};

static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "runtime", required_argument, NULL, OPT_RUNTIME },
        { "state", required_argument, NULL, OPT_STATE },
        { "log", required_argument, NULL, OPT_LOG },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "help-config", no_argument, NULL, OPT_HELP_CONFIG },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },
        {},
};

/* -1: go on; else exit with that code. */
static int take_option(const struct service *s, struct options *o, int id) {
        switch (id) {
        case OPT_CONFIG:
                o->config = optarg;
                return -1;
        case OPT_RUNTIME:
                o->runtime = optarg;
                return -1;
        case OPT_STATE:
                o->state = optarg;
                return -1;
        case OPT_LOG:
                o->log_level = optarg;
                return -1;
        case OPT_CHECK:
                o->check_config = true;
                return -1;
        case OPT_HELP_CONFIG:
                o->help_config = true;
                return -1;
        case OPT_VERSION:
                printf("quorate-%s %s\n", s->name, QUORATE_VERSION);
                return SERVICE_EXIT_OK;
        case OPT_HELP:
                print_usage(s);
                return SERVICE_EXIT_OK;
        default:
                (void) fprintf(stderr, "quorate-%s: try --help\n", s->name);
                return SERVICE_EXIT_USAGE;
        }
}

static int parse_options(const struct service *s, int argc, char **argv, struct options *o) {
        int id, code;

        while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                code = take_option(s, o, id);
                if (code >= 0)
                        return code;
        }
        if (optind < argc) {
                (void) fprintf(stderr,
                               "quorate-%s: \"%s\": no arguments are expected, try --help\n",
                               s->name, argv[optind]);
                return SERVICE_EXIT_USAGE;
        }
        return -1;
}

static int level_from(const char *text) {
        for (int i = 0; text && log_level_names[i]; i++)
                if (strcmp(log_level_names[i], text) == 0)
                        return log_level_from_index(i);
        return -1;
}

/* --log, else QUORATE_LOG, else info. */
static int choose_level(const struct options *o) {
        const char *text = o->log_level ? o->log_level : getenv("QUORATE_LOG");

        return text ? level_from(text) : LOG_INFO;
}

static const char *default_config(void) {
        const char *path = getenv("QUORATE_CONFIG");

        return path ? path : "/etc/quorate";
}

/* NULL: refused, and said why. */
static struct config *load_config(const struct service *s, const struct options *o) {
        CLEANUP(config_freep) struct config *c = config_new(s->name, s->keys, s->config_size);
        char error[CONFIG_ERROR_SIZE] = "";
        int r = 0;

        /* Only a place that was named must exist. */
        if (o->config || access(default_config(), F_OK) == 0)
                r = config_load(c, o->config ? o->config : default_config(), error);
        if (r == 0)
                r = config_environment(c, (const char *const *) environ, error);
        if (r == 0)
                return TAKE(c);
        log_error("%s", r > 0 ? error : strerror(-r));
        return NULL;
}

static void block_signals(void) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&set, signals[i]);
        check(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

static int on_drain_late(void *userdata) {
        struct process *p = userdata;

        log_warning("not drained in time, stopping");
        loop_exit(p->context.loop, p->exit_code);
        return 0;
}

static int stop_in_order(struct process *p) {
        nsec_t time = p->service->drain_time ? p->service->drain_time : DRAIN_TIME;

        p->is_draining = true;
        if (!p->service->drain) {
                loop_exit(p->context.loop, p->exit_code);
                return 0;
        }
        p->service->drain(&p->context, p->context.state_of_service);
        return loop_timer_set(p->drain_timer, nsec_add(loop_now(p->context.loop), time));
}

static int on_stop_signal(void *userdata, int signo) {
        struct process *p = userdata;
        bool is_again = p->is_draining && p->exit_code == SERVICE_EXIT_OK;

        p->exit_code = SERVICE_EXIT_OK; /* also when another was to take our place */
        if (is_again) {                 /* asked twice: now */
                loop_exit(p->context.loop, SERVICE_EXIT_OK);
                return 0;
        }
        notify_stopping();
        log_debug("stopping on %s", strsignal(signo));
        return p->is_draining ? 0 : stop_in_order(p);
}

void service_restart(struct service_context *ctx) {
        struct process *p = (struct process *) ctx;

        if (p->is_draining)
                return;
        p->exit_code = SERVICE_EXIT_LATER;
        (void) stop_in_order(p);
}

void service_drained(struct service_context *ctx) {
        struct process *p = (struct process *) ctx;

        if (p->is_draining)
                loop_exit(ctx->loop, p->exit_code);
}

/* Set by service_refuse(), in start() and in reload(), and service_refuse_now(). */
static bool is_refused, is_refused_now;

static void use_config(struct process *p, struct config *c) {
        p->config = c;
        p->context.config = config_values(c);
}

/* Returns 0, also when the service refused: then the old one is in force again. */
static int exchange_config(struct process *p, struct config *fresh) {
        CLEANUP(config_freep) struct config *other = p->config;
        int r;

        use_config(p, fresh);
        r = p->service->reload(&p->context, p->context.state_of_service);
        if (is_refused) {
                is_refused = false;
                use_config(p, TAKE(other));
                other = fresh;
                log_warning("the old configuration stays in force");
                return 0;
        }
        return r < 0 ? error_fold(r) : 0;
}

/* A bad new configuration changes nothing. */
static int on_reload_signal(void *userdata, int signo) {
        struct process *p = userdata;
        struct config *fresh;
        int r;

        if (!p->service->reload) {
                log_notice("this service reads its configuration only at start");
                return 0;
        }
        fresh = load_config(p->service, &p->options);
        if (!fresh) {
                log_warning("the old configuration stays in force");
                return 0;
        }
        notify_reloading();
        r = exchange_config(p, fresh);
        notify_ready();
        return r;
}

static int on_watchdog(void *userdata) {
        struct process *p = userdata;

        notify_watchdog();
        return loop_timer_set(p->watchdog, nsec_add(loop_now(p->context.loop), p->watchdog_every));
}

/* sd-event's own watchdog opens a socket for each message, which the sandbox forbids. */
static int start_watchdog(struct process *p) {
        uint64_t usec = 0;
        int r;

        if (sd_watchdog_enabled(/* unset_environment= */ 1, &usec) <= 0)
                return 0;
        p->watchdog_every = usec * NSEC_PER_USEC / 2;
        r = loop_add_timer(p->context.loop, on_watchdog, p, &p->watchdog);
        return r ? r : on_watchdog(p);
}

static int add_sources(struct process *p) {
        struct loop *l = p->context.loop;
        int r;

        r = loop_add_signal(l, SIGTERM, on_stop_signal, p, &p->on_term);
        if (r == 0)
                r = loop_add_signal(l, SIGINT, on_stop_signal, p, &p->on_int);
        if (r == 0)
                r = loop_add_signal(l, SIGHUP, on_reload_signal, p, &p->on_hup);
        if (r == 0)
                r = loop_add_timer(l, on_drain_late, p, &p->drain_timer);
        return r ? r : start_watchdog(p);
}

/* systemd gives RUNTIME_DIRECTORY=/run/quorate/<name> and STATE_DIRECTORY; the
 * first names our own folder, --runtime the node's. */
static void choose_folders(struct process *p, char **ret_runtime, char **ret_state) {
        const char *state = getenv("STATE_DIRECTORY");
        const char *runtime = getenv("QUORATE_RUNTIME");

        *ret_runtime = xstrdup(p->options.runtime ? p->options.runtime
                               : runtime          ? runtime
                                                  : "/run/quorate");
        if (p->options.state || state)
                *ret_state = xstrdup(p->options.state ? p->options.state : state);
        else
                *ret_state = xasprintf("/var/lib/quorate/%s", p->service->name);
        p->context.runtime = *ret_runtime;
        p->context.state = *ret_state;
        p->context.config_path = p->options.config ? p->options.config : default_config();
}

/* What --config names may be read again on SIGHUP. */
static int confine(struct process *p) {
        const struct sandbox *s = &p->service->sandbox;
        CLEANUP(freep) struct sandbox_path *paths = NULL;
        struct sandbox with_config = *s;
        size_t n = 0;
        int r;

        while (s->paths && s->paths[n].path)
                n++;
        paths = xnew_n(struct sandbox_path, n + 2);
        if (n > 0)
                memcpy(paths, s->paths, n * sizeof(*paths));
        paths[n].path = p->context.config_path;
        with_config.paths = paths;
        r = sandbox_apply(&with_config, p->context.state, &p->context.layers);
        return r < 0 ? log_fault(r, "cannot confine this process") : 0;
}

int service_refuse(void) {
        is_refused = true;
        return error_origin(-EINVAL);
}

int service_refuse_now(void) {
        is_refused_now = true;
        return service_refuse();
}

static int start(struct process *p) {
        int r = p->service->start(&p->context, &p->context.state_of_service);

        return r && !is_refused ? log_fault(error_fold(r), "cannot start") : r;
}

/* Before start(), so that every thread is confined; a service that has none may still
 * read its files there, and gives up more afterwards. */
static int start_confined(struct process *p) {
        bool is_late = p->service->sandbox.flags & SANDBOX_NO_THREAD;
        int r;

        (void) mkdir(p->context.state, 0700); /* else the sandbox could not let it through */
        r = is_late ? 0 : confine(p);
        if (r == 0)
                r = start(p);
        if (r == 0 && is_late)
                r = confine(p);
        return r;
}

static int run(struct process *p) {
        const struct service *s = p->service;
        int r;

        notify_init();
        r = listen_init();
        if (r == 0)
                r = loop_new(&p->context.loop);
        if (r == 0)
                r = add_sources(p);
        if (r < 0)
                return log_fault(r, "cannot set up the event loop");
        r = start_confined(p);
        if (r == 0) {
                log_by_stream(false);
                notify_layers(p->context.layers);
                notify_ready();
                r = loop_run(p->context.loop);
                log_by_stream(true);
                if (r < 0)
                        log_fault(r, "stopped by a fault");
        }
        if (s->stop)
                p->context.state_of_service = s->stop(&p->context, p->context.state_of_service);
        if (r < 0)
                return is_refused_now ? SERVICE_EXIT_LATER
                       : is_refused   ? SERVICE_EXIT_CONFIG
                                      : SERVICE_EXIT_FAULT;
        return r;
}

static int run_and_clean(struct process *p) {
        CLEANUP(freep) char *runtime = NULL;
        CLEANUP(freep) char *state = NULL;
        int code;

        choose_folders(p, &runtime, &state);
        p->context.metrics = metrics_new(p->service->name);
        code = run(p);
        loop_source_free(p->drain_timer);
        loop_source_free(p->watchdog);
        loop_source_free(p->on_hup);
        loop_source_free(p->on_int);
        loop_source_free(p->on_term);
        loop_free(p->context.loop);
        metrics_free(p->context.metrics);
        p->config = config_free(p->config);
        return code;
}

/* By default the C library keeps up to 64 MiB of what was freed, once a large block
 * was. Batches and chunks (1 MiB) stay on the heap: a page fault costs more. */
static void bound_heap(void) {
        (void) mallopt(M_MMAP_THRESHOLD, 4 << 20);
        (void) mallopt(M_TRIM_THRESHOLD, 4 << 20);
        (void) mallopt(M_ARENA_MAX, 2); /* ours and that of ZeroMQ's thread */
}

/* The values, whatever is wrong with them: `quorate config show` tells where they come from. */
static int check_config(struct process *p) {
        int r;

        p->context.config_path = p->options.config ? p->options.config : default_config();
        config_print_values(p->config, stdout);
        r = p->service->check_config ? p->service->check_config(&p->context) : 0;
        p->config = config_free(p->config);
        return r ? SERVICE_EXIT_CONFIG : SERVICE_EXIT_OK;
}

int service_main(int argc, char **argv, const struct service *s) {
        struct process p = { .service = s, .context = { .name = s->name } };
        int code;

        bound_heap();
        code = parse_options(s, argc, argv, &p.options);

        if (code >= 0)
                return code;
        if (choose_level(&p.options) < 0) {
                (void) fprintf(stderr,
                               "quorate-%s: --log or QUORATE_LOG: not a level, try --help\n",
                               s->name);
                return SERVICE_EXIT_USAGE;
        }
        log_open(s->name, choose_level(&p.options));
        log_by_stream(true);
        if (p.options.help_config) {
                CLEANUP(config_freep)
                struct config *c = config_new(s->name, s->keys, s->config_size);

                config_print_help(c, stdout);
                return SERVICE_EXIT_OK;
        }
        p.config = load_config(s, &p.options);
        if (!p.config)
                return SERVICE_EXIT_CONFIG;
        p.context.config = config_values(p.config);
        if (p.options.check_config)
                return check_config(&p);
        block_signals();
        /* Nobody of our own uid may read our memory or trace us. */
        check(prctl(PR_SET_DUMPABLE, 0) == 0);
        return run_and_clean(&p);
}
