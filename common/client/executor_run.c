/* One job on a zygote of one's own, start to end. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/client/executor.h"

struct executor_run {
        struct executor_zygote *z;
        struct packets in;
        struct buffer parts[2]; /* the job, its statement */
        size_t part, pos;
        int fd, pidfd;
        executor_report_fn fn;
        void *userdata;
        bool has_ended, said_last, is_malformed;
        struct executor_event ended;
};

static nsec_t now_of(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

static void kill_malformed(struct executor_run *r) {
        r->is_malformed = true;
        executor_kill(r->pidfd);
}

static void send_some(struct executor_run *r) {
        while (r->part < 2) {
                int result = packets_send_from(r->fd, buffer_bytes(&r->parts[r->part]), &r->pos);

                if (result == PACKETS_E_MORE)
                        return;
                /* A peer that ended early says why, or its signal does. */
                r->part = result < 0 ? 2 : r->part + 1;
                r->pos = 0;
        }
}

static int receive_some(struct executor_run *r) {
        for (;;) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Worker__Report *report = NULL;
                int result = executor_receive(&r->in, r->fd, &u, &report);

                if (result == EXECUTOR_E_MALFORMED)
                        kill_malformed(r);
                if (result == EXECUTOR_E_MALFORMED || result == EXECUTOR_E_GONE)
                        r->fd = fd_close(r->fd);
                if (result)
                        return result < 0 ? result : 0;
                r->said_last = r->said_last || executor_report_is_last(report);
                r->fn(r->userdata, report);
        }
}

static int events_some(struct executor_run *r) {
        struct executor_event e;
        int result;

        while ((result = executor_next_event(r->z, &e)) == EXECUTOR_OK) {
                if (e.kind == EXECUTOR_FORKED && e.id == r->ended.id) {
                        r->pidfd = e.pidfd;
                        r->has_ended = e.error != 0;
                        r->ended.error = e.error;
                        r->ended.missing_layers = e.missing_layers;
                } else if (e.kind == EXECUTOR_ENDED && e.id == r->ended.id) {
                        r->has_ended = true;
                        e.missing_layers = r->ended.missing_layers;
                        r->ended = e;
                } else {
                        fd_closep(&e.pidfd); /* of a job given up before */
                }
        }
        if (result == EXECUTOR_E_GONE || result == EXECUTOR_E_MALFORMED)
                r->has_ended = true;
        return result < 0 ? result : 0;
}

/* One wait for whatever comes next; *ret_idle when nothing did within `timeout`. */
static int turn(struct executor_run *r, int wake_fd, nsec_t timeout, bool *ret_idle) {
        struct pollfd p[] = {
                { .fd = r->has_ended ? -1 : r->z->fd, .events = POLLIN },
                { .fd = r->fd, .events = (short) (POLLIN | (r->part < 2 ? POLLOUT : 0)) },
                { .fd = wake_fd, .events = POLLIN },
        };
        nsec_t ms = nsec_min(timeout, 3600 * NSEC_PER_SEC) / NSEC_PER_MSEC;
        int n = poll(p, ELEMENTSOF(p), (int) ms + (timeout > 0)), result;

        if (n < 0)
                return errno == EINTR ? 0 : error_origin(-errno);
        *ret_idle = n == 0 || p[2].revents;
        if (p[1].revents & POLLOUT)
                send_some(r);
        result = p[1].revents & ~POLLOUT ? receive_some(r) : 0;
        if (result == 0 && p[0].revents)
                result = events_some(r);
        return result;
}

static int outcome(const struct executor_run *r) {
        if (r->is_malformed)
                return EXECUTOR_E_MALFORMED;
        return r->said_last ? EXECUTOR_OK : EXECUTOR_E_GONE;
}

int executor_run_start(struct executor_zygote *z, const struct executor_begin *b,
                       const Worker__Job *job, executor_report_fn fn, void *userdata,
                       struct executor_run **ret) {
        struct executor_run *r = xnew(struct executor_run);
        int result;

        r->z = z;
        r->fd = r->pidfd = -1;
        r->fn = fn;
        r->userdata = userdata;
        r->ended = (struct executor_event){ .kind = EXECUTOR_ENDED, .id = b->id, .pidfd = -1 };
        packets_init(&r->in);
        executor_pack_job(job, &r->parts[0], &r->parts[1]);
        result = executor_begin(z, b, &r->fd);
        if (result == 0 && fcntl(r->fd, F_SETFL, O_NONBLOCK) < 0)
                result = error_origin(-errno);
        if (result) {
                executor_run_free(r);
                return result;
        }
        *ret = r;
        return EXECUTOR_OK;
}

int executor_run_wait(struct executor_run *r, int wake_fd, nsec_t timeout,
                      struct executor_event *ret) {
        nsec_t until = nsec_add(now_of(), timeout);
        bool idle = false;

        /* Until it ended and everything it said was read. */
        while (!(r->has_ended && r->fd < 0)) {
                int result = turn(r, wake_fd, nsec_sub(until, now_of()), &idle);

                if (result)
                        return result;
                if (idle)
                        return EXECUTOR_E_MORE;
        }
        *ret = r->ended;
        return outcome(r);
}

struct executor_run *executor_run_free(struct executor_run *r) {
        if (!r)
                return NULL;
        if (!r->has_ended)
                executor_kill(r->pidfd);
        fd_closep(&r->pidfd);
        fd_closep(&r->fd);
        packets_done(&r->in);
        buffer_done(&r->parts[0]);
        buffer_done(&r->parts[1]);
        free(r);
        return NULL;
}

int executor_run_job(struct executor_zygote *z, const struct executor_begin *b,
                     const Worker__Job *job, nsec_t timeout, executor_report_fn fn, void *userdata,
                     struct executor_event *ret) {
        struct executor_run *r;
        nsec_t deadline = nsec_add(now_of(), timeout);
        int result = executor_run_start(z, b, job, fn, userdata, &r);

        if (result)
                return result;
        *ret = r->ended;
        do
                result = executor_run_wait(r, -1, nsec_sub(deadline, now_of()), ret);
        while (result == EXECUTOR_E_MORE && now_of() < deadline);
        executor_run_free(r);
        return result == EXECUTOR_E_MORE ? EXECUTOR_E_TIMEOUT : result;
}
