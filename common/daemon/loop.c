#include "common/daemon/loop.h"

#include <errno.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct loop {
        sd_event *event;
};

struct loop_source {
        sd_event_source *source;
        union {
                loop_fn plain;
                loop_io_fn io;
                loop_signal_fn signal;
                loop_child_fn child;
        } fn;
        void *userdata;
        nsec_t due, armed; /* timers: when to call, when sd-event wakes us */
};

int loop_new(struct loop **ret) {
        CLEANUP(loop_freep) struct loop *l = xnew(struct loop);
        int r;

        r = sd_event_new(&l->event);
        if (r < 0)
                return error_origin(r);
        *ret = TAKE(l);
        return 0;
}

struct loop *loop_free(struct loop *l) {
        if (!l)
                return NULL;
        sd_event_unref(l->event);
        free(l);
        return NULL;
}

int loop_run(struct loop *l) {
        int r = sd_event_loop(l->event);

        return r < 0 ? error_fold(r) : r;
}

int loop_turn(struct loop *l, nsec_t timeout) {
        uint64_t us = timeout == NSEC_NEVER ? UINT64_MAX : timeout / NSEC_PER_USEC;
        int r = sd_event_run(l->event, us);

        return r < 0 ? error_fold(r) : 0;
}

void loop_exit(struct loop *l, int code) {
        /* Fails only when the loop is over already. */
        (void) sd_event_exit(l->event, code);
}

nsec_t loop_now(const struct loop *l) {
        struct timespec ts;

        (void) l;
        check(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

struct sd_event *loop_event(struct loop *l) {
        return l->event;
}

/* sd-event merely disables a source whose callback failed; such a process would
 * sit there deaf while its watchdog still answers. */
static int source_finish(int r, struct loop_source *s, struct loop_source **ret) {
        CLEANUP(loop_source_freep) struct loop_source *owned = s;

        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(s->source, true);
        if (r < 0)
                return error_origin(r);
        *ret = TAKE(owned);
        return 0;
}

static struct loop_source *source_new(void *userdata) {
        struct loop_source *s = xnew(struct loop_source);

        s->userdata = userdata;
        return s;
}

struct loop_source *loop_source_free(struct loop_source *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->source);
        free(s);
        return NULL;
}

int loop_source_priority(struct loop_source *s, int priority) {
        int r = sd_event_source_set_priority(s->source, priority);

        return r < 0 ? error_origin(r) : 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct loop_source *s = userdata;

        return s->fn.io(s->userdata, events);
}

int loop_add_io(struct loop *l, int fd, uint32_t events, loop_io_fn fn, void *userdata,
                struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);

        s->fn.io = fn;
        return source_finish(sd_event_add_io(l->event, &s->source, fd, events, on_io, s), s, ret);
}

int loop_io_set(struct loop_source *s, uint32_t events) {
        int r = sd_event_source_set_io_events(s->source, events);

        return r < 0 ? error_origin(r) : 0;
}

/* -ESTALE: the loop has ended. What is torn down after it may still arm sources;
 * nothing of it will run, and that is right. */
static int unless_ended(int r) {
        return r < 0 && r != -ESTALE ? error_origin(r) : 0;
}

static int timer_arm(struct loop_source *s) {
        /* Rounded up: a timer never fires early. */
        int r = sd_event_source_set_time(s->source,
                                         s->due / NSEC_PER_USEC + !!(s->due % NSEC_PER_USEC));

        if (r >= 0)
                r = sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT);
        s->armed = s->due;
        return unless_ended(r);
}

/* May have been put off since it was armed. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct loop_source *s = userdata;

        s->armed = NSEC_NEVER;
        if (s->due == NSEC_NEVER)
                return 0;
        if (s->due > loop_now(NULL))
                return timer_arm(s);
        s->due = NSEC_NEVER;
        return s->fn.plain(s->userdata);
}

int loop_add_timer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);
        int r;

        s->fn.plain = fn;
        s->due = s->armed = NSEC_NEVER;
        r = sd_event_add_time(l->event, &s->source, CLOCK_BOOTTIME, UINT64_MAX, 1, on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        return source_finish(r, s, ret);
}

/* Deadlines move with every packet, mostly later: the kernel is asked for an earlier
 * one only, and a wake-up that comes too early asks for the rest. */
int loop_timer_set(struct loop_source *s, nsec_t when) {
        s->due = when;
        return when < s->armed ? timer_arm(s) : 0;
}

static int on_plain(sd_event_source *source, void *userdata) {
        struct loop_source *s = userdata;

        return s->fn.plain(s->userdata);
}

int loop_add_defer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);
        int r;

        s->fn.plain = fn;
        r = sd_event_add_defer(l->event, &s->source, on_plain, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        return source_finish(r, s, ret);
}

int loop_defer(struct loop_source *s) {
        return unless_ended(sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT));
}

/* sd-event knows prepare only as a property of a source: of one that never fires. */
static int on_never(sd_event_source *source, uint64_t usec, void *userdata) {
        return 0;
}

int loop_add_prepare(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);
        int r;

        s->fn.plain = fn;
        r = sd_event_add_time(l->event, &s->source, CLOCK_BOOTTIME, UINT64_MAX, 0, on_never, s);
        if (r >= 0)
                r = sd_event_source_set_prepare(s->source, on_plain);
        return source_finish(r, s, ret);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct loop_source *s = userdata;

        return s->fn.signal(s->userdata, (int) info->ssi_signo);
}

int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *userdata,
                    struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);

        s->fn.signal = fn;
        return source_finish(sd_event_add_signal(l->event, &s->source, signo, on_signal, s), s,
                             ret);
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata) {
        struct loop_source *s = userdata;

        return s->fn.child(s->userdata, info);
}

int loop_add_child(struct loop *l, pid_t pid, loop_child_fn fn, void *userdata,
                   struct loop_source **ret) {
        struct loop_source *s = source_new(userdata);

        s->fn.child = fn;
        return source_finish(sd_event_add_child(l->event, &s->source, pid, WEXITED, on_child, s), s,
                             ret);
}
