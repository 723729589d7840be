#include "services/worker/shell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "proto/coordinator.pb-c.h"
#include "quorate-config.h"
#include "services/worker/worker.h"

static const struct metric metrics[] = {
        METRIC(worker_stats, jobs, METRIC_COUNTER, "jobs begun"),
        METRIC(worker_stats, committed, METRIC_COUNTER, "jobs with an answer"),
        METRIC(worker_stats, failed, METRIC_COUNTER, "jobs without one"),
        METRIC(worker_stats, killed, METRIC_COUNTER, "executors killed from outside"),
        METRIC(worker_stats, ungrouped, METRIC_COUNTER, "executors left without a control group"),
        METRIC(worker_stats, zygotes, METRIC_COUNTER, "zygotes started"),
        METRIC(worker_stats, rows, METRIC_COUNTER, "rows of committed answers"),
        METRIC(worker_stats, bytes, METRIC_COUNTER, "canonical bytes of committed answers"),
        METRIC(worker_stats, cpu_us, METRIC_COUNTER, "processor time of executors"),
        METRIC(worker_stats, running, METRIC_GAUGE, "executors now"),
        {},
};

/* ---- executor program ---- */

static void find_executor(struct worker *w) {
        const char *configured = worker_config_of(w)->executor;
        ssize_t n = readlink("/proc/self/exe", w->executor, sizeof(w->executor) - 32);
        char *slash;

        if (configured[0]) {
                (void) snprintf(w->executor, sizeof(w->executor), "%s", configured);
                return;
        }
        w->executor[n > 0 ? n : 0] = 0;
        slash = strrchr(w->executor, '/');
        if (slash) {
                (void) strcpy(slash + 1, "quorate-executor");
                if (access(w->executor, X_OK) == 0)
                        return;
        }
        (void) snprintf(w->executor, sizeof(w->executor), "%s/quorate-executor",
                        QUORATE_LIBEXECDIR);
}

/* ---- coordinator ---- */

static void on_enlisted(void *userdata, const struct rpc_result *result) {
        struct worker *w = userdata;
        const Coordinator__WorkerWelcome *welcome = result->message;

        if (result->code == RPC_E_CANCELLED) /* by ourselves: we are stopping */
                return;
        if (result->code != RPC_OK) {
                log_warning("the coordinator does not enlist us: code %u", (unsigned) result->code);
                return;
        }
        if (inputs_directory(&w->inputs, welcome->datasets) < 0)
                log_warning("cannot open the datasets in '%s': jobs with data will fail",
                            welcome->datasets);
        log_info("enlisted with %u slots", (unsigned) worker_config_of(w)->slots);
}

#define LISTED_MAX 24

struct listed {
        char *items[LISTED_MAX];
        size_t n;
};

static void list_add(struct listed *l, const char *text) {
        for (size_t i = 0; i < l->n; i++)
                if (strcmp(l->items[i], text) == 0)
                        return;
        if (l->n < LISTED_MAX)
                l->items[l->n++] = xstrdup(text);
}

static void list_clear(struct listed *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
}

static void list_missing(const struct pool *p, struct listed *ret) {
        const struct list *first = list_first(&p->zygotes);
        char copy[128], *save = NULL;

        if (!first)
                return;
        (void) snprintf(copy, sizeof(copy), "%s",
                        LIST_ENTRY(first, struct zygote_use, in_pool)->zygote->missing_layers);
        for (char *t = strtok_r(copy, ", ", &save); t; t = strtok_r(NULL, ", ", &save))
                list_add(ret, t);
}

static void list_problem(const struct pool *p, struct listed *ret) {
        char text[256];

        (void) snprintf(text, sizeof(text),
                        "engine %.100s does not start; the worker's log says why", p->name);
        list_add(ret, text);
}

void worker_enlist(struct worker *w) {
        const struct worker_config *config = worker_config_of(w);
        Coordinator__WorkerHello hello = COORDINATOR__WORKER_HELLO__INIT;
        CLEANUP(list_clear) struct listed engines = {}, missing = {}, problems = {};
        char name[64];

        if (!w->jobs_client)
                return;
        for (size_t i = 0; i < w->n_pools; i++) {
                list_missing(&w->pools[i], &missing);
                if (w->pools[i].class[0])
                        list_add(&engines, w->pools[i].class);
                else
                        list_problem(&w->pools[i], &problems);
        }
        if (!group_is_possible())
                list_add(&missing, "cgroup");
        (void) snprintf(name, sizeof(name), "worker.%d", (int) getpid());
        hello.name = name;
        hello.engines = engines.items;
        hello.n_engines = engines.n;
        hello.slots = (uint32_t) config->slots;
        hello.memory = worker_memory(config);
        hello.missing_layers = missing.items;
        hello.n_missing_layers = missing.n;
        hello.problems = problems.items;
        hello.n_problems = problems.n;
        hello.pid = (uint64_t) getpid();
        (void) rpc_call(w->jobs_client, "Enlist", &hello, RPC_WHILE_UP, on_enlisted, w);
}

static void on_coordinator(void *userdata) {
        worker_enlist(userdata);
}

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        job_open(userdata, c, metadata);
}

static int connect_coordinator(struct worker *w) {
        int r;

        w->acceptor =
                (struct channel_acceptor){ .on_open = on_open, .userdata = w, .max_streams = 256 };
        r = bus_connect(w->ctx, "coordinator/jobs", &w->acceptor, &w->bus);
        if (r)
                return error_fold(r);
        w->jobs_client = rpc_client_new(bus_client_link(w->bus), &coordinator__jobs__descriptor);
        rpc_client_watch(w->jobs_client, on_coordinator, NULL, w);
        return 0;
}

/* ---- life ---- */

/* Left by a worker that was killed between making and unlinking one. */
static void remove_stale_spools(int directory) {
        DIR *d = fdopendir(fcntl(directory, F_DUPFD_CLOEXEC, 0));
        struct dirent *e;

        while (d && (e = readdir(d))) {
                if (strncmp(e->d_name, "spool.", 6) == 0)
                        (void) unlinkat(directory, e->d_name, 0);
        }
        if (d)
                (void) closedir(d);
}

static int open_state(struct worker *w) {
        w->state_directory = open(w->ctx->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (w->state_directory < 0)
                return log_fault(error_origin(-errno), "cannot open the state directory %s",
                                 w->ctx->state);
        remove_stale_spools(w->state_directory);
        spool_store_init(&w->spools, w->state_directory, worker_config_of(w)->spool);
        return 0;
}

/* SQLite is linked in; DuckDB is there where its library is. */
static int start_engines(struct worker *w) {
        CLEANUP(list_clear) struct listed names = {};
        char name[sizeof(w->executor) + 16];

        list_add(&names, "sqlite");
        if (executor_find_duckdb(worker_config_of(w)->duckdb, w->executor, name, sizeof(name)))
                list_add(&names, name);
        return pools_start(w, names.items, names.n);
}

int shell_start(struct service_context *ctx, void **ret) {
        struct worker *w = xnew(struct worker);
        int r;

        w->ctx = ctx;
        w->state_directory = -1;
        w->by_id = map_new(0);
        w->groups = map_new(0);
        list_init(&w->jobs);
        inputs_init(&w->inputs, worker_config_of(w)->inputs);
        metrics_register(ctx->metrics, NULL, metrics, &w->stats);
        *ret = w;
        find_executor(w);
        groups_clean();
        r = open_state(w);
        if (r == 0)
                r = start_engines(w); /* before ZeroMQ has threads */
        if (r == 0)
                r = connect_coordinator(w);
        return r;
}

void shell_drain(struct service_context *ctx, void *s) {
        struct worker *w = s;

        w->is_draining = true;
        if (jobs_are_done(w))
                service_drained(ctx);
}

void *shell_stop(struct service_context *ctx, void *s) {
        struct worker *w = s;

        if (!w)
                return NULL;
        w->is_draining = false;
        jobs_stop(w);
        w->jobs_client = rpc_client_free(w->jobs_client);
        bus_client_free(w->bus);
        pools_stop(w);
        groups_done(w);
        inputs_done(&w->inputs);
        map_free(w->by_id);
        spool_store_done(&w->spools);
        w->state_directory = fd_close(w->state_directory);
        free(w);
        return NULL;
}
