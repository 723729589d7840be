/* Zygotes: one in use, replaced after 256 jobs or 10 minutes as soon as the next is
 * ready, or at once when a child was killed by a signal; an old one ends when its
 * last executor has. No job waits for either, except after a signal. */

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "services/worker/worker.h"

#define START_TIMEOUT (5 * NSEC_PER_SEC)
#define REAP_AFTER    (50 * NSEC_PER_MSEC)

static void retire(struct zygote_use *z);

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
                        retire(z);
                return 0;
        }
        zygote_gone(z);
        return 0;
}

static void complain(const struct worker *w) {
        log_error("cannot start %s: check that it is installed and may be run", w->executor);
}

static struct zygote_use *use_new(struct worker *w, struct executor_zygote *zygote) {
        struct zygote_use *z = xnew(struct zygote_use);

        list_init(&z->in_pool);
        z->worker = w;
        z->born = loop_now(w->ctx->loop);
        z->zygote = zygote;
        if (loop_add_io(w->ctx->loop, z->zygote->fd, EPOLLIN, on_zygote, z, &z->io)) {
                use_free(z);
                return NULL;
        }
        list_push_front(&w->zygotes, &z->in_pool);
        w->stats.zygotes++;
        return z;
}

static bool is_due(const struct zygote_use *z) {
        return z->zygote->n_begun >= POOL_JOBS_MAX ||
               nsec_sub(loop_now(z->worker->ctx->loop), z->born) >= POOL_TIME_MAX;
}

/* Not a moment longer. */
static bool is_spent(const struct zygote_use *z) {
        return z->zygote->is_tainted || z->zygote->n_begun >= POOL_JOBS_MAX + POOL_JOBS_SPARE;
}

static int on_reap(void *userdata) {
        struct worker *w = userdata;

        w->retired = executor_zygote_free(w->retired);
        return 0;
}

/* It ends while later jobs run, and is reaped then. */
static void retire(struct zygote_use *z) {
        struct worker *w = z->worker;

        z->io = loop_source_free(z->io);
        executor_zygote_free(w->retired);
        w->retired = TAKE(z->zygote);
        executor_zygote_retire(w->retired);
        (void) loop_timer_set(w->reap, nsec_add(loop_now(w->ctx->loop), REAP_AFTER));
        use_free(z);
}

/* The next zygote, if it is ready within `timeout`. */
static struct zygote_use *replace(struct worker *w, nsec_t timeout) {
        int r = EXECUTOR_OK;

        if (!w->next)
                r = executor_zygote_spawn(w->executor, "sqlite", &w->next);
        if (r == EXECUTOR_OK)
                r = executor_zygote_wait(w->next, timeout);
        if (r == EXECUTOR_OK)
                return use_new(w, TAKE(w->next));
        if (r != EXECUTOR_E_TIMEOUT || timeout > 0) {
                complain(w);
                w->next = executor_zygote_free(w->next);
        }
        return NULL;
}

struct zygote_use *pool_take(struct worker *w) {
        struct list *first = list_first(&w->zygotes);
        struct zygote_use *z = first ? LIST_ENTRY(first, struct zygote_use, in_pool) : NULL;
        struct zygote_use *fresh;

        if (z && !is_due(z) && !is_spent(z))
                return z;
        fresh = replace(w, z && !is_spent(z) ? 0 : START_TIMEOUT);
        if (!fresh)
                return z && !is_spent(z) ? z : NULL;
        if (z && z->n_running == 0)
                retire(z);
        return fresh;
}

int pool_start(struct worker *w) {
        int r = loop_add_timer(w->ctx->loop, on_reap, w, &w->reap);

        if (r)
                return r;
        return replace(w, START_TIMEOUT) ? 0 : error_origin(-ENOEXEC);
}

void pool_stop(struct worker *w) {
        while (!list_is_empty(&w->zygotes))
                use_free(LIST_ENTRY(list_first(&w->zygotes), struct zygote_use, in_pool));
        w->next = executor_zygote_free(w->next);
        w->retired = executor_zygote_free(w->retired);
        w->reap = loop_source_free(w->reap);
}
