/* One job on a zygote of one's own, start to end, blocking. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "common/base/error.h"
#include "common/client/executor.h"

struct run {
        struct executor_zygote *z;
        struct packets in;
        struct buffer parts[2]; /* the job, its statement */
        size_t part, pos;
        int fd, pidfd;
        nsec_t deadline;
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

static void kill_malformed(struct run *r) {
        r->is_malformed = true;
        executor_kill(r->pidfd);
}

static void send_some(struct run *r) {
        while (r->part < 2) {
                int result = packets_send_from(r->fd, buffer_bytes(&r->parts[r->part]), &r->pos);

                if (result == PACKETS_E_MORE)
                        return;
                /* A peer that ended early says why, or its signal does. */
                r->part = result < 0 ? 2 : r->part + 1;
                r->pos = 0;
        }
}

static int receive_some(struct run *r) {
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

static int events_some(struct run *r) {
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

/* Until it ended and everything it said was read. */
static int turn(struct run *r) {
        struct pollfd p[] = {
                { .fd = r->z->fd, .events = POLLIN },
                { .fd = r->fd, .events = (short) (POLLIN | (r->part < 2 ? POLLOUT : 0)) },
        };
        nsec_t now = now_of();
        int result;

        if (now >= r->deadline)
                return EXECUTOR_E_TIMEOUT;
        if (r->has_ended)
                p[0].fd = -1;
        if (poll(p, 2, (int) (nsec_sub(r->deadline, now) / NSEC_PER_MSEC) + 1) < 0)
                return errno == EINTR ? 0 : error_origin(-errno);
        if (p[1].revents & POLLOUT)
                send_some(r);
        result = p[1].revents & ~POLLOUT ? receive_some(r) : 0;
        if (result == 0 && p[0].revents)
                result = events_some(r);
        return result;
}

static int outcome(const struct run *r) {
        if (r->is_malformed)
                return EXECUTOR_E_MALFORMED;
        return r->said_last ? EXECUTOR_OK : EXECUTOR_E_GONE;
}

int executor_run_job(struct executor_zygote *z, const struct executor_begin *b,
                     const Worker__Job *job, nsec_t timeout, executor_report_fn fn, void *userdata,
                     struct executor_event *ret) {
        struct run r = {
                .z = z,
                .fd = -1,
                .pidfd = -1,
                .deadline = nsec_add(now_of(), timeout),
                .fn = fn,
                .userdata = userdata,
                .ended = { .kind = EXECUTOR_ENDED, .id = b->id, .pidfd = -1 },
        };
        int result = executor_begin(z, b, &r.fd);

        if (result)
                return result;
        packets_init(&r.in);
        executor_pack_job(job, &r.parts[0], &r.parts[1]);
        if (fcntl(r.fd, F_SETFL, O_NONBLOCK) < 0)
                result = error_origin(-errno);
        while (result == 0 && !(r.has_ended && r.fd < 0))
                result = turn(&r);
        if (result)
                executor_kill(r.pidfd);
        fd_closep(&r.pidfd);
        fd_closep(&r.fd);
        packets_done(&r.in);
        buffer_done(&r.parts[0]);
        buffer_done(&r.parts[1]);
        *ret = r.ended;
        return result ? result : outcome(&r);
}
