#pragma once

/* What this host signed, and what it may have signed: one record for each
 * (requester, job, run). A record is in the journal before keyring is asked to sign; a
 * record without a commit after a restart means "perhaps signed", and is never signed
 * again. A job that ends before keyring was asked withdraws its record, here and in the
 * journal: only what was perhaps signed lives on.
 *
 * It is forgotten once every dispatch of its job is STALE by the clock, and a minute
 * more. So that a clock set back revives nothing, each kind of run has a horizon: the
 * greatest job time among the forgotten. Jobs up to it are refused whatever the clock
 * says. The journal has the horizon before, or together with, the loss of a record.
 *
 * Commits are kept in memory while a job is at them, the latest ones for as long as
 * there is room; the others are read back from the journal. Places are shared fairly
 * (host_shares.h): nobody fills them for the others. Pure; the journal mirrors it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/base/nsec.h"
#include "common/crypto/hash.h"
#include "common/wire/peerid.h"
#include "services/coordinator/host_shares.h"

#define RECORD_RUNS      2 /* kinds of run: 0, and 1 of a re-check */
#define RECORD_VERDICTS  2 /* kept of one commit: a requester may judge again after a re-check */
#define RECORD_MARGIN_US (60 * INT64_C(1000000)) /* a clock may be set back so far at no cost */

struct record_key {
        struct peer_id requester;
        struct hash_value job;
        uint32_t run;
};

enum record_state {
        RECORD_WRITING = 1, /* handed to the journal, not yet confirmed */
        RECORD_OPEN,        /* journalled; nothing was signed yet in this process's life */
        RECORD_SIGNING,     /* keyring was asked */
        RECORD_SIGNED,      /* there is a commit, here or in the journal */
        RECORD_LOST,        /* without a commit, and keyring was asked, or may have been */
};

struct host_job;
struct record_origin; /* requester and subnet, shared by its records */
struct record_commit;

/* One for each job of the last hours: every byte counts. Of digests the first eight
 * bytes: who makes two alike only spoils what it says itself. */
struct record {
        struct hash_value job;
        struct record *next; /* in its chain */
        struct record_origin *origin;
        struct host_job *busy;        /* that is at it, or serves its rows; or NULL */
        struct record_commit *commit; /* SIGNED and in memory; or NULL */
        struct list in_step;          /* those of about one job time */
        int64_t job_time_us;
        uint64_t statement; /* SIGNED: of the commit's statement */
        uint64_t verdicts[RECORD_VERDICTS];
        uint8_t run, state /* enum record_state */, n_verdicts;
};

struct records;

struct records_config {
        struct shares_config shares;
        int64_t kept_us[RECORD_RUNS]; /* beyond the job time */
        struct budget *budget;        /* bytes: records and commits */
};

struct records *records_new(uint64_t seed, const struct records_config *config);
struct records *records_free(struct records *r);
DEFINE_CLEANUP(struct records *, records_free);

struct record *records_find(struct records *r, const struct record_key *key);
/* Whether this requester may have one more: enum shares_result. */
int records_room(struct records *r, const struct peer_id *requester, const struct subnet *subnet);
/* The key must not be there. Shares are records_room()'s to judge: one that comes back
 * after a restart is held whoever it belongs to. NULL: full, or over the budget. */
struct record *records_add(struct records *r, const struct record_key *key,
                           const struct subnet *subnet, int64_t job_time_us);
/* Only for a job that ended before keyring was asked. */
void records_drop(struct records *r, struct record *record);
void record_lose(struct records *r, struct record *record); /* to RECORD_LOST */
size_t records_count(const struct records *r);

struct record_key record_key(const struct record *record);
const struct subnet *record_subnet(const struct record *record);

/* ---- Commits: packed grid.Commit, verbatim; `statement` is the digest of theirs ---- */

/* False: over the budget; the record then stays as it is. */
bool record_sign(struct records *r, struct record *record, struct bytes commit,
                 const struct hash_value *statement);
/* The commit of a SIGNED record is here again. False: over the budget. */
bool record_recall(struct records *r, struct record *record, struct bytes commit);
struct bytes record_commit(const struct record *record); /* BYTES_NONE: not in memory */
uint64_t record_digest(const struct hash_value *digest); /* as a record keeps it */

/* ---- Time ---- */

/* Jobs of that kind and no later time were forgotten; INT64_MIN: none was. */
int64_t records_horizon(const struct records *r, uint32_t run);
void records_raise(struct records *r, uint32_t run, int64_t job_time_us);
/* Forgets what is old and no job is at, some thousands at most. True: it raised the
 * horizon, which has to be journalled. */
bool records_expire(struct records *r, uint32_t run, int64_t now_us);
