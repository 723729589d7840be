#pragma once

/* What this host signed, and what it may have signed: one record for each
 * (requester, job, run), kept 24 h. A record is in the journal before keyring is
 * asked to sign; a record without a commit after a restart means "perhaps signed",
 * and is never signed again. A job that ends before keyring was asked withdraws its
 * record, here and in the journal: only what was perhaps signed lives on.
 *
 * Places are shared fairly (host_shares.h): nobody fills them for the others.
 * Pure; the journal mirrors it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/base/nsec.h"
#include "common/crypto/hash.h"
#include "common/wire/peerid.h"
#include "services/coordinator/host_shares.h"

#define RECORD_KEPT_US  (24 * 3600 * INT64_C(1000000))
#define RECORD_VERDICTS 2 /* kept of one commit: a requester may judge again after a re-check */

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
        int64_t time_us;                             /* wall clock when it was made */
        struct subnet subnet;                        /* the requester's when it was made */
        struct buffer commit;                        /* SIGNED: the packed grid.Commit, verbatim */
        struct hash_value verdicts[RECORD_VERDICTS]; /* digests of those on disk */
        unsigned n_verdicts;
        struct list link; /* oldest first */
        uint64_t charged;
};

struct records;

struct records_config {
        struct shares_config shares;
        struct budget *budget; /* bytes: records and commits */
};

struct records *records_new(uint64_t seed, const struct records_config *config);
struct records *records_free(struct records *r);
DEFINE_CLEANUP(struct records *, records_free);

struct record *records_find(struct records *r, const struct record_key *key);
/* Whether this requester may have one more: enum shares_result. */
int records_room(const struct records *r, const struct peer_id *requester,
                 const struct subnet *subnet);
/* The key must not be there. Shares are records_room()'s to judge: one that comes back
 * after a restart is held whoever it belongs to. NULL: full, or over the budget. */
struct record *records_add(struct records *r, const struct record_key *key,
                           const struct subnet *subnet, int64_t time_us);
/* False: over the budget; the record then stays as it is. */
bool record_sign(struct records *r, struct record *record, struct bytes commit);
/* Only for a job that ended before keyring was asked. */
void records_drop(struct records *r, struct record *record);
/* Forgets those older than RECORD_KEPT_US that no job is at. Returns when the newest
 * of them was made: jobs that old could be signed a second time, should the clock be
 * set back; 0: none. */
int64_t records_expire(struct records *r, int64_t now_us);
size_t records_count(const struct records *r);
