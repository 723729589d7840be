#pragma once

/* Faults on purpose, for tests: what a lying, broken or slow host would do, at
 * marked points of the host role. Only in builds with -Dfaults=true and in the
 * simulator; elsewhere every hook is nothing. Pure: the error of wrong_result and
 * its kin comes from the host's own peer id, so that two hosts never agree by
 * accident; that of `collude` from a constant, so that all colluders agree. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/canonical/answer.h"
#include "common/wire/peerid.h"
#include "quorate-config.h"

#ifndef COORDINATOR_FAULTS
#define COORDINATOR_FAULTS QUORATE_FAULTS
#endif

enum fault_mode {
        FAULT_NONE = 0,
        FAULT_WRONG_RESULT, /* another answer and sequence root */
        FAULT_COLLUDE,      /* the same wrong ones on every colluder */
        FAULT_WRONG_ROWS,   /* commits to the truth, serves other rows */
        FAULT_WRONG_ROOT,   /* the true answer, a sequence root of its own, and rows of its own */
        FAULT_WRONG_SCHEMA, /* an answer as if the columns were others */
        FAULT_STALL,        /* starts, then says nothing more */
        FAULT_SLOW,         /* commits FAULT_DELAY late */
        FAULT_CRASH,        /* gone as soon as it has started */
        FAULT_GARBAGE,      /* bytes that are no message instead of the commit */
        FAULT_EQUIVOCATE,   /* signs two answers for one run */
        FAULT_WRONG_PACK,   /* commits to the truth, says that rows and chunks are longer than they
                               are */
        _FAULT_N,
};
#define FAULT_DELAY (15 * NSEC_PER_SEC)

extern const char *const fault_mode_names[]; /* NULL-terminated; index = enum fault_mode */

struct faults {
        enum fault_mode mode;
        struct peer_id self;
};

#if COORDINATOR_FAULTS
/* HOOK committed: what the worker found, before it is signed. `schema`: the descriptor's. */
void faults_answer(const struct faults *f, struct bytes schema, struct answer *a);
/* HOOK second commit: true when another one is to be signed for the same run. */
bool faults_second_answer(const struct faults *f, struct bytes schema, struct answer *a);
/* HOOK batch: bytes on their way to the requester. */
void faults_batch(const struct faults *f, uint8_t *data, size_t len);
/* HOOK packed: how long it says a batch or a packed chunk is. */
void faults_packed(const struct faults *f, uint64_t *length);
/* HOOK commit message: true when garbage goes out instead of it. */
bool faults_garbage(const struct faults *f);
/* HOOK reports: true when the host falls silent. */
bool faults_silent(const struct faults *f);
/* HOOK started: true when the host is to be gone. */
bool faults_crash(const struct faults *f);
/* HOOK committed: for how long the commit is kept back. */
nsec_t faults_delay(const struct faults *f);
#else
static inline void faults_answer(const struct faults *f, struct bytes schema, struct answer *a) {
}
static inline bool faults_second_answer(const struct faults *f, struct bytes schema,
                                        struct answer *a) {
        return false;
}
static inline void faults_batch(const struct faults *f, uint8_t *data, size_t len) {
}
static inline void faults_packed(const struct faults *f, uint64_t *length) {
}
static inline bool faults_garbage(const struct faults *f) {
        return false;
}
static inline bool faults_silent(const struct faults *f) {
        return false;
}
static inline bool faults_crash(const struct faults *f) {
        return false;
}
static inline nsec_t faults_delay(const struct faults *f) {
        return 0;
}
#endif
