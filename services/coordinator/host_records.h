#pragma once

/* What this host signed, and what it may have signed: one record for each
 * (requester, job, run), kept 24 h. A record is in the journal before keyring is
 * asked to sign; a record without a commit after a restart means "perhaps signed",
 * and is never signed again. Pure; the journal mirrors it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/base/nsec.h"
#include "common/crypto/hash.h"
#include "common/wire/peerid.h"

#define RECORD_KEPT_US (24 * 3600 * INT64_C(1000000))

struct record_key {
        struct peer_id requester;
        struct hash_value job;
        uint32_t run;
};

enum record_state {
        RECORD_WRITING = 1, /* handed to the journal, not yet confirmed */
        RECORD_OPEN,        /* journalled; nothing was signed yet in this process's life */
        RECORD_SIGNING,     /* keyring was asked */
        RECORD_SIGNED,      /* commit is there */
        RECORD_LOST,        /* from before a restart, without a commit: perhaps signed */
};

struct host_job;

struct record {
        struct record_key key;
        struct host_job *job; /* that is at it, or serves its rows; or NULL */
        enum record_state state;
        int64_t time_us;      /* wall clock when it was made */
        struct buffer commit; /* SIGNED: the packed grid.Commit, verbatim */
        struct list link;     /* oldest first */
        uint64_t charged;
};

struct records;

/* At most `max` records; memory for commits is charged to `budget`. */
struct records *records_new(uint64_t seed, uint32_t max, struct budget *budget);
struct records *records_free(struct records *r);
DEFINE_CLEANUP(struct records *, records_free);

struct record *records_find(struct records *r, const struct record_key *key);
/* The key must not be there. NULL: full, or over the budget. */
struct record *records_add(struct records *r, const struct record_key *key, int64_t time_us);
/* False: over the budget; the record then stays as it is. */
bool record_sign(struct records *r, struct record *record, struct bytes commit);
/* For a job that ended before anything was signed. */
void records_drop(struct records *r, struct record *record);
/* Forgets those older than RECORD_KEPT_US that no job is at; returns how many. */
size_t records_expire(struct records *r, int64_t now_us);
size_t records_count(const struct records *r);
