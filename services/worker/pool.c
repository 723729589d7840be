/* Zygotes: one in use, replaced after 256 jobs, 10 minutes, or a child killed by
 * a signal; an old one ends when its last executor has. */

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "services/worker/worker.h"

#define START_TIMEOUT (5 * NSEC_PER_SEC)

static void use_free(struct zygote_use *z) {
        list_remove(&z->in_pool);
        loop_source_free(z->io);
        executor_zygote_free(z->zygote);
        free(z);
}

static void zygote_gone(struct zygote_use *z) {
        struct worker *w = z->worker;

        log_warning("zygote %d of engine %s is gone", (int) z->zygote->pid, z->zygote->engine);
        job_zygote_gone(w, z);
        use_free(z);
}

static int on_zygote(void *userdata, uint32_t events) {
        struct zygote_use *z = userdata;
        struct worker *w = z->worker;
        struct executor_event e;
        int r;

        while ((r = executor_next_event(z->zygote, &e)) == EXECUTOR_OK) {
                if (e.kind == EXECUTOR_ENDED || e.error)
                        z->n_running--;
                job_on_event(w, &e);
        }
        if (r == EXECUTOR_E_MORE) {
                if (z->n_running == 0 && list_first(&w->zygotes) != &z->in_pool)
                        use_free(z);
                return 0;
        }
        zygote_gone(z);
        return 0;
}

static struct zygote_use *use_new(struct worker *w) {
        struct zygote_use *z = xnew(struct zygote_use);
        int r;

        list_init(&z->in_pool);
        z->worker = w;
        z->born = loop_now(w->ctx->loop);
        r = executor_zygote_start(w->executor, "sqlite", START_TIMEOUT, &z->zygote);
        if (r == EXECUTOR_OK)
                r = loop_add_io(w->ctx->loop, z->zygote->fd, EPOLLIN, on_zygote, z, &z->io);
        if (r) {
                log_error("cannot start %s: check that it is installed and may be run",
                          w->executor);
                use_free(z);
                return NULL;
        }
        list_push_front(&w->zygotes, &z->in_pool);
        w->stats.zygotes++;
        return z;
}

static bool is_due(const struct zygote_use *z) {
        return z->zygote->is_tainted || z->zygote->n_begun >= POOL_JOBS_MAX ||
               nsec_sub(loop_now(z->worker->ctx->loop), z->born) >= POOL_TIME_MAX;
}

struct zygote_use *pool_take(struct worker *w) {
        struct list *first = list_first(&w->zygotes);
        struct zygote_use *z = first ? LIST_ENTRY(first, struct zygote_use, in_pool) : NULL;
        struct zygote_use *fresh;

        if (z && !is_due(z))
                return z;
        fresh = use_new(w);
        if (fresh && z && z->n_running == 0)
                use_free(z);
        return fresh;
}

int pool_start(struct worker *w) {
        return use_new(w) ? 0 : error_origin(-ENOEXEC);
}

void pool_stop(struct worker *w) {
        while (!list_is_empty(&w->zygotes))
                use_free(LIST_ENTRY(list_first(&w->zygotes), struct zygote_use, in_pool));
}
