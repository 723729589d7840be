#pragma once

/* The worker as its parts see it: zygotes, jobs, spools, the way to the
 * coordinator. Everything here meets the kernel; there is no core. */

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/client/executor.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/service.h"
#include "services/worker/config.h"
#include "services/worker/inputs.h"
#include "services/worker/spool.h"

#define POOLS_MAX       4
#define POOL_JOBS_MAX   256
#define POOL_JOBS_SPARE 32 /* while the next one starts */
#define POOL_TIME_MAX   (600 * NSEC_PER_SEC)
#define REPORT_QUEUE    (256u << 10) /* bytes waiting for credit, above which no batch is read */
#define FETCHES_MAX     4

/* The zygotes of one engine. */
struct pool {
        struct worker *worker;
        char *name; /* as quorate-executor is told: "sqlite", "duckdb:/path/libduckdb.so" */
        struct list zygotes;                    /* the first is the one in use */
        struct executor_zygote *next, *retired; /* next: it starts */
        struct loop_source *reap, *next_io, *next_late;
        char class[sizeof(((struct executor_zygote *) NULL)->engine)]; /* "": it never started */
};

/* One zygote, the one in use or one whose last jobs are still running. */
struct zygote_use {
        struct list in_pool;
        struct pool *pool;
        struct executor_zygote *zygote;
        struct loop_source *io;
        nsec_t born;
        unsigned n_running;
};

struct worker_stats {
        uint64_t jobs, committed, failed, killed, zygotes, rows, bytes, cpu_us, spool, running,
                ungrouped;
};

struct worker {
        struct service_context *ctx;
        struct bus_client *bus;
        struct rpc_client *jobs_client;
        struct channel_acceptor acceptor;
        struct pool pools[POOLS_MAX];
        size_t n_pools;
        struct list jobs;
        struct map *groups; /* id -> struct cgroup of an executor whose job has gone */
        struct map *by_id;  /* id -> struct job, while its executor lives */
        uint64_t next_id;
        struct inputs inputs;
        struct spool_store spools;
        int state_directory;
        char executor[4096];
        bool is_draining;
        struct worker_stats stats;
};

static inline const struct worker_config *worker_config_of(const struct worker *w) {
        return w->ctx->config;
}

/* ---- pool.c ---- */
/* One for each name. An engine that does not start is told in the log and at Enlist; a fault
 * (logged) when none does. */
int pools_start(struct worker *w, char *const *names, size_t n);
void pools_stop(struct worker *w);
/* Whose jobs are of this engine class; "": the first one's; "sqlite": that engine's, whatever
 * its class. NULL: of none that runs here. */
struct pool *pool_of(struct worker *w, const char *engine);
/* The zygote to begin on; does not block. When it is due the next one is started. NULL: none
 * can be used now; if pool_is_starting(), jobs_go_on() follows. */
struct zygote_use *pool_take(struct pool *p);
bool pool_is_starting(const struct pool *p);

/* ---- shell.c ---- */
void worker_enlist(struct worker *w); /* says what runs here, again when it has changed */

/* ---- group.c ---- */
bool group_is_possible(void);
void groups_clean(void); /* at start: what an earlier worker left */
void group_reaped(struct worker *w, uint64_t id);
void groups_done(struct worker *w);

/* ---- job.c ---- */
void job_open(struct worker *w, struct channel *c, struct bytes metadata);
void job_on_event(struct worker *w, struct executor_event *e);
/* The zygote is gone, and with it every executor of it. */
void job_zygote_gone(struct worker *w, struct zygote_use *z);
/* Those that wait for a zygote of the pool: it has one now, or there will be none. */
void jobs_go_on(struct pool *p, bool is_started);
void jobs_stop(struct worker *w);
bool jobs_are_done(const struct worker *w);
