/* quorate run: all services of one node, or of a local grid of several. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/account.h"
#include "services/ctl/command.h"
#include "services/ctl/config_check.h"
#include "services/ctl/grid.h"
#include "services/ctl/supervisor.h"

struct run_options {
        uint64_t nodes, workers;
        bool plan, no_isolation, quiet;
};

static const struct option options[] = {
        { OPTION_U64, 'n', "nodes", offsetof(struct run_options, nodes), "N",
          "a local grid of N separate nodes below --state [1]" },
        { OPTION_U64, 'w', "workers", offsetof(struct run_options, workers), "N",
          "worker processes of each node [1]" },
        { OPTION_FLAG, 0, "plan", offsetof(struct run_options, plan), NULL,
          "write the grid's configurations, to be edited; end" },
        { OPTION_FLAG, 0, "no-isolation", offsetof(struct run_options, no_isolation), NULL,
          "services share this machine's view (for debugging)" },
        { OPTION_FLAG, 'q', "quiet", offsetof(struct run_options, quiet), NULL,
          "only what goes wrong" },
        {},
};
static const struct run_options defaults = { .nodes = 1, .workers = 1 };

struct running {
        const struct command_context *ctx;
        const struct run_options *options;
        struct loop *loop;
        struct supervisor *supervisor;
        const struct grid *grid;
        bool interrupted, had_terminal, has_new_keys, has_served;
};

/* A terminal that was closed says SIGHUP too, and then nobody is left to press Ctrl-C. */
static bool has_terminal(void) {
        CLEANUP(fd_closep) int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

        return fd >= 0;
}

static void on_say(void *userdata, const char *line) {
        fprintf(stderr, "quorate: %s\n", line);
}

/* Of keys that this run made. Said once, for nobody looks into the keyring's folder. */
static void print_revocations(const struct running *r) {
        char path[PATH_MAX + 32];
        glob_t found = {};

        (void) snprintf(path, sizeof(path), "%s/keyring/revocation-*", r->grid->nodes[0].state);
        if (r->has_new_keys && glob(path, 0, NULL, &found) == 0)
                printf("a new key: put %s%s away, off this machine; with it `quorate key revoke "
                       "FILE` ends\nthe key when the seed is lost or stolen\n",
                       found.gl_pathv[0], r->grid->n_nodes > 1 ? " (and those of the others)" : "");
        globfree(&found);
}

static void print_ready(const struct running *r) {
        char isolation[256];
        const char *layers = supervisor_isolation(r->supervisor, isolation);

        if (r->ctx->common.json) {
                printf("{\"event\":\"ready\",\"nodes\":%zu,\"runtime\":\"%s\",\"isolation\":\"%s\"}"
                       "\n",
                       r->grid->n_nodes, r->grid->nodes[0].runtime, layers);
        } else if (!r->options->quiet) {
                printf("%zu %s up; sockets in %s", r->grid->n_nodes,
                       r->grid->n_nodes == 1 ? "node is" : "nodes are", r->grid->nodes[0].runtime);
                if (r->grid->n_nodes > 1)
                        printf(" to node-%zu", r->grid->n_nodes);
                putchar('\n');
                printf("isolation between services: %s%s\n", layers,
                       strstr(layers, "uid") || strstr(layers, "mount") ? "" : " OFF (one uid)");
                print_revocations(r);
                printf("Ctrl-C stops it. In another terminal try:\n"
                       "  quorate query --runtime %s --meta%s 'SELECT 42'\n",
                       r->grid->nodes[0].runtime, r->grid->n_nodes > 1 ? " --prefer remote" : "");
        }
        fflush(stdout);
}

static void on_ready(void *userdata) {
        struct running *r = userdata;

        r->has_served = true;
        print_ready(r);
}

static void on_ended(void *userdata, int code) {
        struct running *r = userdata;

        loop_exit(r->loop, code);
}

static void say_stopping(const struct running *r) {
        if (r->ctx->common.json) {
                puts("{\"event\":\"stopping\"}");
                fflush(stdout);
        } else if (!r->options->quiet) {
                fputs("quorate: stopping all services; Ctrl-C again ends them at once\n", stderr);
        }
}

static int on_signal(void *userdata, int signo) {
        struct running *r = userdata;

        if (signo == SIGHUP && !(r->had_terminal && !has_terminal())) {
                supervisor_reload(r->supervisor);
                return 0;
        }
        if (r->interrupted) /* asked twice: at once */
                loop_exit(r->loop, EXIT_OTHER);
        r->interrupted = true;
        say_stopping(r);
        supervisor_stop(r->supervisor);
        return 0;
}

static int add_signals(struct running *r, struct loop_source *sources[3]) {
        static const int signals[3] = { SIGINT, SIGTERM, SIGHUP };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&set, signals[i]);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return error_origin(-errno);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int e = loop_add_signal(r->loop, signals[i], on_signal, r, &sources[i]);

                if (e)
                        return error_fold(e);
        }
        return 0;
}

static int add_nodes(struct running *r) {
        char error[256], name[32];

        for (size_t i = 0; i < r->grid->n_nodes; i++) {
                snprintf(name, sizeof(name), "node-%zu", i + 1);
                if (supervisor_add(r->supervisor, &r->grid->nodes[i],
                                   r->grid->n_nodes > 1 ? name : NULL, error))
                        return complain(r->ctx, EXIT_USAGE, "%s", error);
        }
        return EXIT_OK;
}

/* Said once and here, not by each service that would refuse to start. */
static int check_configurations(const struct running *r) {
        char why[512];

        for (size_t i = 0; i < r->grid->n_nodes; i++) {
                const char *config = r->grid->nodes[i].config;

                if (access(config, F_OK) == 0 && config_check(config, why))
                        return complain(r->ctx, EXIT_USAGE, "%s", why);
        }
        return EXIT_OK;
}

static int supervise(struct running *r) {
        struct loop_source *sources[3] = {};
        int code;

        if (add_signals(r, sources))
                return complain(r->ctx, EXIT_OTHER, "signals cannot be handled: %s",
                                strerror(errno));
        code = check_configurations(r);
        if (code == EXIT_OK)
                code = add_nodes(r);
        if (code == EXIT_OK) {
                supervisor_start(r->supervisor);
                code = loop_run(r->loop);
                if (code < 0)
                        code = complain(r->ctx, EXIT_OTHER, "stopped: %s", strerror(-code));
        }
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                loop_source_free(sources[i]);
        return code;
}

/* Of the node, or of the first one of a grid; before anything was made. */
static bool has_key(const struct command_context *ctx, uint64_t nodes) {
        char path[PATH_MAX + 32];
        struct node node;

        if (node_find(&ctx->common, &node))
                return true; /* and there will be none */
        (void) snprintf(path, sizeof(path), "%s%s/keyring/seed", node.state,
                        nodes > 1 ? "/node-1" : "");
        return access(path, F_OK) == 0;
}

/* The keys are made by now, and the start will not mention them: they are new no more. */
static int print_plan(const struct running *r) {
        if (r->ctx->common.json) {
                printf("{\"event\":\"planned\",\"nodes\":%zu}\n", r->grid->n_nodes);
                return EXIT_OK;
        }
        printf("%zu nodes planned; edit %s and the others, then start without --plan\n",
               r->grid->n_nodes, r->grid->nodes[0].config);
        print_revocations(r);
        return EXIT_OK;
}

static int run(const struct command_context *ctx) {
        const struct run_options *o = ctx->options;
        CLEANUP(loop_freep) struct loop *loop = NULL;
        struct running r = { .ctx = ctx, .options = o, .had_terminal = has_terminal() };
        struct grid grid;
        char error[256];
        int code;

        if (o->nodes < 1 || o->nodes > GRID_NODES_MAX || o->workers < 1 || o->workers > 8)
                return complain(ctx, EXIT_USAGE, "run: 1 to %d nodes and 1 to 8 workers each",
                                GRID_NODES_MAX);
        if (o->nodes > 1 && ctx->common.config)
                return complain(ctx, EXIT_USAGE,
                                "run: each node of a grid has a configuration of its own, "
                                "STATE/node-N/quorate.conf; leave --config out, and edit those "
                                "(--plan writes them without a start)");
        if (o->plan && o->nodes < 2)
                return complain(ctx, EXIT_USAGE, "run: --plan is for a grid; give --nodes N");
        /* What a service does in the normal course is for -v; QUORATE_LOG decides otherwise. */
        (void) setenv("QUORATE_LOG", ctx->common.verbose ? "info" : "warning", 0);
        r.has_new_keys = !has_key(ctx, o->nodes);
        if (grid_plan(&ctx->common, o->nodes, &grid, error))
                return complain(ctx, EXIT_USAGE, "%s", error);
        r.grid = &grid;
        if (o->plan)
                return print_plan(&r);
        if (loop_new(&loop))
                return complain(ctx, EXIT_OTHER, "no event loop: %s", strerror(errno));
        r.loop = loop;
        r.supervisor =
                supervisor_new(loop, &(struct supervisor_options){ .workers = (unsigned) o->workers,
                                                                   .isolate = !o->no_isolation,
                                                                   .accounts = account_is_granted(),
                                                                   .say = on_say,
                                                                   .ready = on_ready,
                                                                   .ended = on_ended,
                                                                   .userdata = &r });
        code = supervise(&r);
        supervisor_free(r.supervisor);
        if (code == EXIT_USAGE && !r.has_served)
                grid_forget(&grid);
        return code;
}

const struct command command_run = {
        .name = "run",
        .no_operands = true,
        .usage = "run [OPTIONS]",
        .summary = "Run a node: all its services, supervised and kept apart",
        .example = "quorate run --nodes 5 --state ~/grid",
        .options = options,
        .options_size = sizeof(struct run_options),
        .defaults = &defaults,
        .run = run,
};
