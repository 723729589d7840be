#pragma once

/* What the coordinator must still know after a crash: one SQLite file (WAL,
 * synchronous NORMAL), one writer. Records are opaque, kept in the order written.
 * They gather in one transaction until journal_file_commit(), which waits for the disk
 * (and so does journal_file_sync()) where somebody waits for a record. Shell only. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "services/coordinator/action.h"

#define JOURNAL_ERROR_SIZE 512

struct journal_file;

enum journal_result {
        JOURNAL_OK = 0,
        JOURNAL_E_DISK,   /* full, or a write failed: nothing of this transaction is kept */
        JOURNAL_E_BAD,    /* damaged, or not a journal: the text says what to do */
        JOURNAL_E_LOCKED, /* another process has it */
};

/* Creates or migrates. `error` is one line for people, set for every other result
 * than JOURNAL_OK. Returns enum journal_result. */
int journal_file_open(const char *path, struct journal_file **ret, char error[JOURNAL_ERROR_SIZE]);
struct journal_file *journal_file_free(struct journal_file *j); /* what was not committed is lost */
DEFINE_CLEANUP(struct journal_file *, journal_file_free);

/* All records in order, horizons before all others. `fn` answers 0; anything else ends the walk and
 * is returned. */
typedef int (*journal_file_fn)(void *userdata, enum journal_kind kind, struct bytes data);
int journal_file_walk(struct journal_file *j, journal_file_fn fn, void *userdata);

/* JOURNAL_ENDED drops the job's earlier SUBMITTED and RECORD; the kinds that withdraw drop the
 * equal record and are not kept themselves; a horizon replaces the one before, and the oldest of
 * the records it covers go. `time_us`: what retention goes by, wall clock; of a horizon and what
 * it covers the job time. JOURNAL_OK or JOURNAL_E_DISK. */
int journal_file_add(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                     struct bytes data, int64_t time_us);
bool journal_file_is_dirty(const struct journal_file *j);
/* JOURNAL_OK: no end of this process loses it; with `durable` no end of the machine either,
 * nor anything committed before. JOURNAL_E_DISK: rolled back, as if never added; only where
 * the disk refused to confirm what it had taken it is still there. */
int journal_file_commit(struct journal_file *j, bool durable);
/* Makes durable what was committed without. JOURNAL_OK or JOURNAL_E_DISK. */
int journal_file_sync(struct journal_file *j);

/* Forgets what is too old to matter: host records up to their horizon (some thousands at
 * a time), verdicts owed after a day, what runs took after 42 days or beyond the latest 4,096,
 * ended jobs beyond the latest 1,000, verdicts of ours after 60 days, those of others after 30 or
 * beyond the latest 20,000. Commits, unless a transaction is under way. */
int journal_file_prune(struct journal_file *j, int64_t wall_us);
uint64_t journal_file_count(struct journal_file *j, enum journal_kind kind);

/* The newest of this kind and job. */
int journal_file_find(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                      journal_file_fn fn, void *userdata);
/* The latest records of one kind, newest first. */
int journal_file_latest(struct journal_file *j, enum journal_kind kind, size_t max,
                        journal_file_fn fn, void *userdata);
/* The same of the latest jobs: of each the newest record, and of no job none. */
int journal_file_latest_jobs(struct journal_file *j, enum journal_kind kind, size_t max,
                             journal_file_fn fn, void *userdata);
