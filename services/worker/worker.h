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

#define POOL_JOBS_MAX   256
#define POOL_JOBS_SPARE 32 /* while the next one starts */
#define POOL_TIME_MAX   (600 * NSEC_PER_SEC)
#define REPORT_QUEUE    (256u << 10) /* bytes waiting for credit, above which no batch is read */
#define FETCHES_MAX     4

/* One zygote, the one in use or one whose last jobs are still running. */
struct zygote_use {
        struct list in_pool;
        struct worker *worker;
        struct executor_zygote *zygote;
        struct loop_source *io;
        nsec_t born;
        unsigned n_running;
};

struct worker_stats {
        uint64_t jobs, committed, failed, killed, zygotes, rows, bytes, cpu_us, spool, running;
};

struct worker {
        struct service_context *ctx;
        struct bus_client *bus;
        struct rpc_client *jobs_client;
        struct channel_acceptor acceptor;
        struct list zygotes; /* the first is the one in use */
        struct executor_zygote *next, *retired;
        struct loop_source *reap;
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
int pool_start(struct worker *w); /* 0, or a fault that was logged */
void pool_stop(struct worker *w);
/* The zygote to begin on, replaced when it is due. NULL: none can be started. */
struct zygote_use *pool_take(struct worker *w);

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
void jobs_stop(struct worker *w);
bool jobs_are_done(const struct worker *w);
