#pragma once

/* The coordinator as a state machine: requester and host of one node. What it
 * learns comes in through the calls below, each with `now` (monotonic); what it
 * wants done comes out of coordinator_output(). Call that until it is empty
 * after every input, and coordinator_expire() at coordinator_deadline(). Same
 * inputs, same seed: same actions, byte for byte.
 *
 * Views handed in are valid during the call only. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/crypto/sign.h"
#include "proto/coordinator.pb-c.h"
#include "services/coordinator/action.h"
#include "services/coordinator/candidate.h"
#include "services/coordinator/input.h"
#include "services/coordinator/settings.h"
#include "services/coordinator/stats.h"

struct coordinator;
struct governor_worker;

struct coordinator *coordinator_new(const struct coordinator_settings *settings,
                                    const struct peer_id *self, uint64_t seed);
struct coordinator *coordinator_free(struct coordinator *c); /* always NULL */
DEFINE_CLEANUP(struct coordinator *, coordinator_free);

/* Simulations only: another way to check signatures than Ed25519 (sign_verify). */
typedef bool (*core_verify_fn)(const struct sign_public *key, struct bytes message,
                               struct bytes signature);
void coordinator_verifier(struct coordinator *c, core_verify_fn fn);

/* Before anything else, and again when the wall clock jumped: the time of day
 * (µs since 1970) at `now`. */
void coordinator_clock(struct coordinator *c, nsec_t now, int64_t wall_us);

/* After a restart: every journalled record in the order written, then start.
 * Jobs that were under way are ended (RESTARTED) or go on. Without records:
 * start alone. Returns 0, or 1 for a record that is not ours (skipped, reported). */
int coordinator_restore(struct coordinator *c, enum journal_kind kind, struct bytes record,
                        nsec_t now);
void coordinator_start(struct coordinator *c, nsec_t now);

bool coordinator_output(struct coordinator *c, struct action *ret); /* action_done() it */
nsec_t coordinator_deadline(const struct coordinator *c);           /* NSEC_NEVER when idle */
void coordinator_expire(struct coordinator *c, nsec_t now);

/* ---- Clients ---- */

/* Unguessable values, drawn by the shell for each submit. */
struct entropy {
        uint8_t nonce[16], seed[32];
};

/* `call` is answered by one ACTION_REPLY: a SubmitReply once the job is journalled,
 * whatever becomes of it (errors are in its result), or an ExplainReply. */
void coordinator_submit(struct coordinator *c, uint64_t call,
                        const Coordinator__SubmitRequest *request, const struct entropy *entropy,
                        nsec_t now);
void coordinator_explain(struct coordinator *c, uint64_t call,
                         const Coordinator__SubmitRequest *request, nsec_t now);
/* False: no such job (ended and forgotten, or never there). */
bool coordinator_cancel(struct coordinator *c, struct bytes job, nsec_t now);

/* A result channel, numbered by the shell; frames follow as ACTION_CLIENT as far as
 * credit (units, first window included) goes. False: no such job; nothing follows. */
bool coordinator_attach(struct coordinator *c, uint64_t client, struct bytes job,
                        uint64_t from_batch, nsec_t now);
void coordinator_client_credit(struct coordinator *c, uint64_t client, uint32_t units, nsec_t now);
void coordinator_client_closed(struct coordinator *c, uint64_t client, nsec_t now);

/* ---- Streams of /quorate/job/1 ---- */

/* What this node's own handshake validated about the other end. */
struct stream_remote {
        struct peer_id peer;
        struct multiaddr address;
        bool is_relayed;
        nsec_t rtt;
};
/* In the public internet, or behind a relay. */
static inline bool stream_is_far(const struct stream_remote *remote) {
        return remote->is_relayed || multiaddr_scope(&remote->address) == SCOPE_PUBLIC;
}

/* An ACTION_OPEN succeeded; window: units that may be sent now. */
void coordinator_stream_opened(struct coordinator *c, uint64_t stream,
                               const struct stream_remote *remote, uint32_t window, nsec_t now);
/* A peer opened one; stream is odd and new. */
void coordinator_stream_inbound(struct coordinator *c, uint64_t stream,
                                const struct stream_remote *remote, uint32_t window, nsec_t now);
/* At most one unit; its credit returns by ACTION_CONSUMED. */
void coordinator_stream_data(struct coordinator *c, uint64_t stream, struct bytes data, nsec_t now);
void coordinator_stream_window(struct coordinator *c, uint64_t stream, uint32_t units, nsec_t now);
void coordinator_stream_finished(struct coordinator *c, uint64_t stream, nsec_t now);
/* Reset, lost, or never opened; code: transport's StreamError. The id is forgotten. */
void coordinator_stream_closed(struct coordinator *c, uint64_t stream, uint32_t code, nsec_t now);

/* ---- Answers to actions; ids not known (cancelled meanwhile) are ignored ---- */

void coordinator_signed(struct coordinator *c, uint64_t request, struct bytes statement,
                        struct bytes signature, nsec_t now);
void coordinator_sign_failed(struct coordinator *c, uint64_t request, nsec_t now);

/* One worker.Report, packed and without its length; and the end of a run's channel
 * that the core did not ask for (worker or executor gone). */
void coordinator_report(struct coordinator *c, uint64_t run, struct bytes report, nsec_t now);
void coordinator_run_lost(struct coordinator *c, uint64_t run, nsec_t now);

void coordinator_input_ready(struct coordinator *c, uint64_t fetch, const struct input_facts *facts,
                             nsec_t now);
void coordinator_input_failed(struct coordinator *c, uint64_t fetch,
                              const struct input_failure *failure, nsec_t now);

void coordinator_journalled(struct coordinator *c, uint64_t id, nsec_t now);
void coordinator_journal_failed(struct coordinator *c, uint64_t id, nsec_t now);
/* What ACTION_RECALL asked for; BYTES_NONE: there is none. */
void coordinator_recalled(struct coordinator *c, uint64_t id, struct bytes record, nsec_t now);
void coordinator_spool_data(struct coordinator *c, uint64_t spool, struct bytes data, nsec_t now);
void coordinator_spool_failed(struct coordinator *c, uint64_t spool, nsec_t now);
/* What ACTION_ANSWER_FIND asked for, as it was kept; BYTES_NONE: nothing. */
void coordinator_cached(struct coordinator *c, uint64_t id, struct bytes file, nsec_t now);

/* ---- What is known from elsewhere ---- */

/* A dataset of one table was published here, and this many rows counted. */
void coordinator_rows(struct coordinator *c, const struct hash_value *root, uint64_t rows);

/* All workers together, whenever one comes or goes. engines: class strings. */
void coordinator_capacity(struct coordinator *c, const struct governor_worker *workers, size_t n,
                          const char *const *engines, size_t n_engines, nsec_t now);
/* Our own transport came or went: that no host could be reached meanwhile says nothing of them. */
void coordinator_transport(struct coordinator *c, bool is_there, nsec_t now);
void coordinator_pause(struct coordinator *c, nsec_t drain, nsec_t now);
void coordinator_resume(struct coordinator *c, nsec_t now);

/* A slot for a run of the shell's own (an upload's description), as our users' jobs take it; of
 * *memory, or a slot's share if that is less. Returns enum governor_result; OK is given back. */
int coordinator_slot_take(struct coordinator *c, uint64_t *memory);
void coordinator_slot_give(struct coordinator *c, uint64_t memory);
/* Executors at work now: for our own people, for others. */
void coordinator_busy(const struct coordinator *c, uint32_t *ret_own, uint32_t *ret_served);
size_t coordinator_records(const struct coordinator *c); /* jobs, as a host, not forgotten */
/* Running jobs of the requester, length-prefixed JobSummary each, oldest first. */
size_t coordinator_jobs(const struct coordinator *c, struct buffer *ret, size_t max);
