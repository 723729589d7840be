#pragma once

/* Who waits for the answer to an action: an id of the requester and, embedded in
 * its owner, what to do with what comes. Private to the requester. */

#include <stdint.h>

enum handle_kind {
        HANDLE_STREAM = 1, /* struct replica */
        HANDLE_REQUEST,    /* struct replica: a signature */
        HANDLE_RUN,        /* struct job: own worker */
        HANDLE_INPUT,      /* struct job_input */
        HANDLE_JOURNAL,    /* struct job: submitted is durable */
        HANDLE_RECEIPT,    /* struct job */
        HANDLE_SPOOL,      /* struct job */
        HANDLE_FIND,       /* struct job: more hosts */
        HANDLE_DESCRIBE,   /* struct describer: a stream */
        HANDLE_CACHED,     /* struct job: an answer that was kept */
        _HANDLE_KIND_N,
};

struct handle {
        uint64_t id; /* 0: none */
        enum handle_kind kind;
};

struct requester;
uint64_t handle_open(struct requester *rq, struct handle *h, enum handle_kind kind);
void handle_close(struct requester *rq, struct handle *h); /* harmless when none */
