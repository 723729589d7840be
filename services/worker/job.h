#pragma once

/* One job, shared by job.c (its life) and rows.c (its rows). */

#include "common/wire/frame.h"
#include "common/wire/pays.h"
#include "services/worker/worker.h"

#define ROW_REPORT_MAX (17u << 20) /* a batch of one row, with its frame */
#define OUT_MAX        (20u << 20)
#define FETCH_MAX      64 /* bytes of one request */

struct fetch {
        uint64_t next, end; /* batches; end UINT64_MAX: to the last one */
        uint64_t digest;    /* next digest; == end when none were asked for */
        bool has_digests;
        uint64_t link; /* bytes a second that the reader's way takes; 0: not packed */
};

struct job {
        struct list in_worker;
        struct worker *worker;
        struct channel *channel;
        struct pool *pool;         /* of its engine */
        struct zygote_use *zygote; /* valid while is_running */
        uint64_t id;
        struct unpacked message;
        Worker__Job *job;
        Types__Limits limits;
        struct executor_begin begin;

        int executor_fd, pidfd;
        struct {
                int fd;
                size_t input;
        } watched[EXECUTOR_INPUTS_MAX]; /* files it reads while they lie on disk */
        size_t n_watched;
        struct cgroup *group; /* NULL: none could be made, or not yet */
        struct loop_source *io, *deadline, *grouping;
        nsec_t until; /* when it is killed */
        uint64_t pid; /* of the executor, as its zygote sees it */
        struct packets in;
        struct buffer parts[2]; /* the job and its statement, on their way to the executor */
        size_t part, part_pos;
        struct unpacked last; /* the report that waits for the executor's end */
        bool is_waiting;      /* for a zygote that starts */
        bool is_running, is_late, is_doomed, was_killed;

        struct spool spool;
        struct buffer out; /* frames on their way to the coordinator */
        bool is_answered;  /* the last report was queued */
        bool is_committed;
        bool is_over;     /* nothing will be queued any more */
        bool is_finished; /* our side of the channel */

        struct frame_reader fetches;
        struct fetch queue[FETCHES_MAX];
        size_t n_queue;
        struct pays pays;
};

/* ---- job.c ---- */
void job_report(struct job *j, const Worker__Report *m); /* queues it */
void job_fail(struct job *j, uint32_t outcome, const char *detail, const char *text);
void job_pump(struct job *j);

/* ---- job_inputs.c ---- */
/* False: the job has failed and was told so. */
bool job_inputs_open(struct job *j);
void job_inputs_given(struct job *j); /* the executor has its own by now */
/* What was read while the job ran is what was there when it began; else the job has failed. */
bool job_inputs_hold(struct job *j);

/* ---- group.c ---- */
void group_soon(struct job *j, uint64_t pid); /* its executor was forked */
void group_meter(const struct job *j, struct executor_event *e);
void group_leave(struct job *j);

/* ---- rows.c ---- */
/* False: that was no request for rows. */
bool job_on_fetch(struct job *j, struct bytes data);
void job_serve(struct job *j);
/* Queues one more message of the first Fetch; false: nothing can be queued now. */
bool job_serve_some(struct job *j);
