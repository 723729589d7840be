#pragma once

/* The event loop of a process: thin over sd-event. Only shells, main and
 * common/daemon have one; cores are handed `now`.
 *
 * A callback returns 0, or a negative fault, which ends the loop with that
 * fault: a process never goes on deaf. A source may be freed inside its own
 * callback. One thread. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"

struct loop;
struct loop_source;
struct sd_event;

/* Lower runs first within a turn. */
enum loop_priority {
        LOOP_PRIORITY_URGENT = -100,
        LOOP_PRIORITY_NORMAL = 0,
        LOOP_PRIORITY_IDLE = 100,
};

typedef int (*loop_fn)(void *userdata);
typedef int (*loop_io_fn)(void *userdata, uint32_t events);
typedef int (*loop_signal_fn)(void *userdata, int signo);
typedef int (*loop_child_fn)(void *userdata, const siginfo_t *info);

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *l); /* after its sources; always NULL */
DEFINE_CLEANUP(struct loop *, loop_free);

/* Runs until loop_exit(); returns its code (>= 0), or the fault of a callback. */
int loop_run(struct loop *l);
/* One turn, waiting at most `timeout` (NSEC_NEVER: for ever). For tests. */
int loop_turn(struct loop *l, nsec_t timeout);
void loop_exit(struct loop *l, int code);

/* CLOCK_BOOTTIME, read now: time goes on while the machine sleeps, so leases and
 * deadlines expire. Comparable between the processes of one machine. */
nsec_t loop_now(const struct loop *l);

/* Level-triggered; events are EPOLL*. The descriptor stays the caller's. */
int loop_add_io(struct loop *l, int fd, uint32_t events, loop_io_fn fn, void *userdata,
                struct loop_source **ret);
int loop_io_set(struct loop_source *s, uint32_t events); /* 0: only errors and hang-ups */

/* One-shot, created disarmed. loop_timer_set() arms, re-arms, or with NSEC_NEVER
 * disarms; `when` is an instant of loop_now(). Accuracy 1 us. */
int loop_add_timer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret);
int loop_timer_set(struct loop_source *s, nsec_t when);

/* One-shot, created disarmed: loop_defer() runs it in the next turn, once however
 * often it is called before. */
int loop_add_defer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret);
int loop_defer(struct loop_source *s);

/* Just before the loop would wait; for foreign event sources (zsock.c). Lower priorities run
 * first, in no order among themselves; a new one is first of all in its first turn. */
int loop_add_prepare(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret);

/* The signal must be blocked in every thread (service_main does it). */
int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *userdata,
                    struct loop_source **ret);
/* Once, when the child has ended; it is reaped afterwards. By pidfd. */
int loop_add_child(struct loop *l, pid_t pid, loop_child_fn fn, void *userdata,
                   struct loop_source **ret);

int loop_source_priority(struct loop_source *s, int priority);
struct loop_source *loop_source_free(struct loop_source *s); /* NULL allowed; always NULL */
DEFINE_CLEANUP(struct loop_source *, loop_source_free);

struct sd_event *loop_event(struct loop *l); /* for libraries that want one */
