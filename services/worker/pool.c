/* Zygotes: of each engine one in use, replaced after 256 jobs or 10 minutes as soon as the next is
 * ready, or at once when a child was killed by a signal; an old one ends when its
 * last executor has. No job waits for either, except after a signal; the loop never does. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "services/worker/worker.h"

#define START_TIMEOUT (20 * NSEC_PER_SEC) /* of what hangs; busy machines need seconds */
#define REAP_AFTER    (50 * NSEC_PER_MSEC)

static void retire(struct zygote_use *z);

static void use_free(struct zygote_use *z) {
        list_remove(&z->in_pool);
        loop_source_free(z->io);
        executor_zygote_free(z->zygote);
        free(z);
}

static void zygote_gone(struct zygote_use *z) {
        struct worker *w = z->pool->worker;

        log_warning("zygote %d of engine %s is gone", (int) z->zygote->pid, z->zygote->engine);
        job_zygote_gone(w, z);
        use_free(z);
}

static int on_zygote(void *userdata, uint32_t events) {
        struct zygote_use *z = userdata;
        struct pool *p = z->pool;
        struct executor_event e;
        int r;

        while ((r = executor_next_event(z->zygote, &e)) == EXECUTOR_OK) {
                if (e.kind == EXECUTOR_ENDED || e.error)
                        z->n_running--;
                job_on_event(p->worker, &e);
        }
        if (r == EXECUTOR_E_MORE) {
                if (z->n_running == 0 && list_first(&p->zygotes) != &z->in_pool)
                        retire(z);
                return 0;
        }
        zygote_gone(z);
        return 0;
}

static void complain(const struct pool *p) {
        log_error("cannot start %s --zygote %s: check that it is installed and may be run",
                  p->worker->executor, p->name);
}

/* The library of an engine may be replaced on disk while we run: answers of the new one are
 * not of the class that jobs were promised. */
static void take_class(struct pool *p, const char *class) {
        bool is_other = p->class[0] && strcmp(p->class, class) != 0;

        if (is_other)
                log_notice("engine %s is now %s", p->class, class);
        (void) snprintf(p->class, sizeof(p->class), "%s", class);
        if (is_other)
                worker_enlist(p->worker);
}

static struct zygote_use *use_new(struct pool *p, struct executor_zygote *zygote) {
        struct zygote_use *z = xnew(struct zygote_use);

        list_init(&z->in_pool);
        z->pool = p;
        z->born = loop_now(p->worker->ctx->loop);
        z->zygote = zygote;
        if (loop_add_io(p->worker->ctx->loop, z->zygote->fd, EPOLLIN, on_zygote, z, &z->io)) {
                use_free(z);
                return NULL;
        }
        list_push_front(&p->zygotes, &z->in_pool);
        p->worker->stats.zygotes++;
        take_class(p, z->zygote->engine);
        return z;
}

static bool is_due(const struct zygote_use *z) {
        return z->zygote->n_begun >= POOL_JOBS_MAX ||
               nsec_sub(loop_now(z->pool->worker->ctx->loop), z->born) >= POOL_TIME_MAX;
}

/* Not a moment longer. */
static bool is_spent(const struct zygote_use *z) {
        return z->zygote->is_tainted || z->zygote->n_begun >= POOL_JOBS_MAX + POOL_JOBS_SPARE;
}

static int on_reap(void *userdata) {
        struct pool *p = userdata;

        p->retired = executor_zygote_free(p->retired);
        return 0;
}

/* It ends while later jobs run, and is reaped then. */
static void retire(struct zygote_use *z) {
        struct pool *p = z->pool;

        z->io = loop_source_free(z->io);
        executor_zygote_free(p->retired);
        p->retired = TAKE(z->zygote);
        executor_zygote_retire(p->retired);
        (void) loop_timer_set(p->reap, nsec_add(loop_now(p->worker->ctx->loop), REAP_AFTER));
        use_free(z);
}

static struct zygote_use *first_of(const struct pool *p) {
        struct list *first = list_first(&p->zygotes);

        return first ? LIST_ENTRY(first, struct zygote_use, in_pool) : NULL;
}

/* ---- the next one: nothing waits for it but the jobs that need it ---- */

static void drop_next(struct pool *p) {
        p->next_io = loop_source_free(p->next_io);
        if (p->next_late)
                (void) loop_timer_set(p->next_late, NSEC_NEVER);
        if (p->next)
                executor_zygote_kill(p->next); /* so that freeing it waits for nothing */
        p->next = executor_zygote_free(p->next);
}

static void next_failed(struct pool *p) {
        complain(p);
        drop_next(p);
        jobs_go_on(p, false);
}

static void take_next(struct pool *p) {
        struct zygote_use *old = first_of(p);
        bool is_taken;

        p->next_io = loop_source_free(p->next_io);
        (void) loop_timer_set(p->next_late, NSEC_NEVER);
        is_taken = use_new(p, TAKE(p->next)) != NULL;
        if (is_taken && old && old->n_running == 0)
                retire(old);
        jobs_go_on(p, is_taken);
}

static int on_next(void *userdata, uint32_t events) {
        struct pool *p = userdata;
        int r = executor_zygote_wait(p->next, 0);

        if (r == EXECUTOR_OK)
                take_next(p);
        else if (r != EXECUTOR_E_TIMEOUT)
                next_failed(p);
        return 0;
}

static int on_next_late(void *userdata) {
        next_failed(userdata);
        return 0;
}

static void start_next(struct pool *p) {
        struct loop *loop = p->worker->ctx->loop;

        if (p->next)
                return;
        if (executor_zygote_spawn(p->worker->executor, p->name, &p->next) == EXECUTOR_OK &&
            loop_add_io(loop, p->next->fd, EPOLLIN, on_next, p, &p->next_io) == 0 &&
            loop_timer_set(p->next_late, nsec_add(loop_now(loop), START_TIMEOUT)) == 0)
                return;
        complain(p);
        drop_next(p);
}

struct zygote_use *pool_take(struct pool *p) {
        struct zygote_use *z = first_of(p);

        if (z && !is_due(z) && !is_spent(z))
                return z;
        start_next(p);
        return z && !is_spent(z) ? z : NULL;
}

bool pool_is_starting(const struct pool *p) {
        return p->next != NULL;
}

static bool is_of_engine(const struct pool *p, const char *engine) {
        size_t n = strcspn(p->class, "/");

        return strlen(engine) == n && strncmp(p->class, engine, n) == 0;
}

struct pool *pool_of(struct worker *w, const char *engine) {
        for (size_t i = 0; i < w->n_pools; i++) {
                struct pool *p = &w->pools[i];

                if (p->class[0] &&
                    (!engine[0] || strcmp(p->class, engine) == 0 || is_of_engine(p, engine)))
                        return p;
        }
        return NULL;
}

/* They start beside one another: what does not even spawn is told when it is waited for. */
static int pool_begin(struct pool *p, struct worker *w, const char *name) {
        int r;

        p->worker = w;
        p->name = xstrdup(name);
        list_init(&p->zygotes);
        (void) executor_zygote_spawn(w->executor, name, &p->next);
        r = loop_add_timer(w->ctx->loop, on_reap, p, &p->reap);
        return r ? r : loop_add_timer(w->ctx->loop, on_next_late, p, &p->next_late);
}

/* At start alone: until the first is there, there is nothing to be said to the coordinator. */
static bool pool_wait(struct pool *p) {
        int r = p->next ? executor_zygote_wait(p->next, START_TIMEOUT) : EXECUTOR_E_START;

        if (r == EXECUTOR_OK)
                return use_new(p, TAKE(p->next)) != NULL;
        complain(p);
        drop_next(p);
        return false;
}

int pools_start(struct worker *w, char *const *names, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && i < POOLS_MAX && r == 0; i++)
                r = pool_begin(&w->pools[w->n_pools++], w, names[i]);
        for (size_t i = 0; i < w->n_pools && r == 0; i++)
                if (!pool_wait(&w->pools[i]))
                        log_warning("engine %s does not run here", w->pools[i].name);
        return r || pool_of(w, "") ? r : error_origin(-ENOEXEC);
}

static void pool_stop(struct pool *p) {
        while (!list_is_empty(&p->zygotes))
                use_free(LIST_ENTRY(list_first(&p->zygotes), struct zygote_use, in_pool));
        drop_next(p);
        p->next_late = loop_source_free(p->next_late);
        p->retired = executor_zygote_free(p->retired);
        p->reap = loop_source_free(p->reap);
        free(p->name);
}

void pools_stop(struct worker *w) {
        for (size_t i = 0; i < w->n_pools; i++)
                pool_stop(&w->pools[i]);
        w->n_pools = 0;
}
