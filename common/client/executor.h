#pragma once

/* Starting and using executors: by the worker from its loop, by the quorate
 * command one job at a time. The messages are those of proto/worker.proto; what
 * an executor says is foreign and bounded here. No threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/client/packets.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"

#define EXECUTOR_INPUTS_MAX 8

enum executor_result {
        EXECUTOR_OK = 0,
        EXECUTOR_E_MORE,      /* nothing for now */
        EXECUTOR_E_GONE,      /* the other end closed */
        EXECUTOR_E_MALFORMED, /* it said what it must not: kill it */
        EXECUTOR_E_START,     /* no zygote: not found, refused to start, or said nothing in time */
        EXECUTOR_E_TIMEOUT,
};

/* ---- zygote ---- */

struct executor_zygote {
        pid_t pid;
        int fd; /* SEQPACKET: readable when executor_next_event() has something */
        char engine[96];
        char missing_layers[128]; /* "user, seccomp"; empty: all there */
        uint64_t n_begun;
        bool is_tainted; /* a child of it was killed by a signal */
};

/* `path` of quorate-executor; `engine` is "sqlite", or "duckdb:" and its library. Waits for its
 * first words at most `timeout`. EXECUTOR_OK, EXECUTOR_E_START or a fault. */
int executor_zygote_start(const char *path, const char *engine, nsec_t timeout,
                          struct executor_zygote **ret);
/* The same in two steps: it starts while the caller does something else. A timeout
 * of 0 asks whether it is ready: EXECUTOR_E_TIMEOUT if not yet. */
int executor_zygote_spawn(const char *path, const char *engine, struct executor_zygote **ret);
int executor_zygote_wait(struct executor_zygote *z, nsec_t timeout);
/* It ends by itself now; freeing it later need not wait for that. */
void executor_zygote_retire(struct executor_zygote *z);
/* One that hangs: SIGKILL. Its children end with it, executor_next_event() says _GONE. */
void executor_zygote_kill(struct executor_zygote *z);
/* Closes its socket, whereupon it ends with all its children; reaps it; always NULL. */
struct executor_zygote *executor_zygote_free(struct executor_zygote *z);
DEFINE_CLEANUP(struct executor_zygote *, executor_zygote_free);

/* The engine of DuckDB for executor_zygote_start(), "duckdb:" and the library's path, which is
 * `configured` or, where that is empty, the first of: /usr/local/lib/quorate/,
 * /usr/lib/quorate/, ~/.local/lib/quorate/, the folder of `executor`. False: "none" was
 * configured, or there is none. What was not configured, and others than root and we may write
 * (the file or its folder), is passed over with a word in the log. */
bool executor_find_duckdb(const char *configured, const char *executor, char *ret, size_t ret_size);

/* Nobody but root and we may write the file or its folder, where it could be replaced. */
bool executor_library_is_safe(const char *file);

struct executor_begin {
        uint64_t id; /* chosen by the caller, comes back in events */
        uint64_t memory, cpu_ms, spool;
        int spool_fd;
        int input_fds[EXECUTOR_INPUTS_MAX];
        uint64_t input_lengths[EXECUTOR_INPUTS_MAX];
        size_t n_inputs;
};
/* Forks an executor; *ret_fd is the socket to it (CLOEXEC). EXECUTOR_OK or a fault. */
int executor_begin(struct executor_zygote *z, const struct executor_begin *b, int *ret_fd);

struct executor_event {
        enum { EXECUTOR_FORKED = 1, EXECUTOR_ENDED } kind;
        uint64_t id;
        int pidfd;    /* FORKED: the caller's now; -1 when it could not be forked */
        uint64_t pid; /* FORKED: for control groups only, it may be another's by now */
        int error;    /* FORKED: errno, or 0 */
        unsigned missing_layers;
        int signal, status; /* ENDED */
        uint64_t cpu_us, peak_memory;
};
/* Does not block. EXECUTOR_OK, _E_MORE, _E_GONE, _E_MALFORMED or a fault. */
int executor_next_event(struct executor_zygote *z, struct executor_event *ret);

/* SIGKILL by pidfd; harmless when it ended. */
void executor_kill(int pidfd);

/* ---- job ---- */

/* The two messages a job becomes: the job, and its statement apart. */
void executor_pack_job(const Worker__Job *job, struct buffer *ret_job, struct buffer *ret_text);

/* One report off the executor's socket, valid until `u` is done. Blocks unless the
 * socket does not. EXECUTOR_OK, _E_MORE, _E_GONE, _E_MALFORMED or a fault. */
int executor_receive(struct packets *p, int fd, struct unpacked *u, const Worker__Report **ret);

/* ---- one job, start to end ---- */

typedef void (*executor_report_fn)(void *userdata, const Worker__Report *report);
struct executor_run;

/* Starts `job`; fn is called with every report during executor_run_wait(). What b and
 * job point to is not needed afterwards. EXECUTOR_OK or a fault. */
int executor_run_start(struct executor_zygote *z, const struct executor_begin *b,
                       const Worker__Job *job, executor_report_fn fn, void *userdata,
                       struct executor_run **ret);
/* Waits at most `timeout`, or until wake_fd (-1: none) is readable. EXECUTOR_E_MORE: call
 * again. Ended: EXECUTOR_OK, _E_GONE (without a last report: see *ret), _E_MALFORMED, or a
 * fault; *ret is filled in with all three. */
int executor_run_wait(struct executor_run *r, int wake_fd, nsec_t timeout,
                      struct executor_event *ret);
/* Kills what still runs; NULL allowed; always NULL. Before the zygote. */
struct executor_run *executor_run_free(struct executor_run *r);

/* All of that, blocking; EXECUTOR_E_TIMEOUT: killed after `timeout`. */
int executor_run_job(struct executor_zygote *z, const struct executor_begin *b,
                     const Worker__Job *job, nsec_t timeout, executor_report_fn fn, void *userdata,
                     struct executor_event *ret);
bool executor_report_is_last(const Worker__Report *report);
