#pragma once

/* What the coordinator wants done, as plain values. The shell (or the simulator)
 * pulls them with coordinator_output() and carries them out in that order.
 *
 * Numbers (streams, runs, requests, fetches, spools, journal acknowledgements)
 * come from one space per coordinator: even ones belong to the requester, odd
 * ones to the host. The core draws them; only the ids of inbound streams are
 * drawn by the shell, and those are odd. 0 is none. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/refbuf.h"
#include "common/crypto/hash.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "services/coordinator/input.h"

#define STREAM_UNIT_MAX 65536 /* bytes in one ACTION_SEND or ACTION_CLIENT, in one data call */

enum action_type {
        ACTION_NONE = 0,

        /* /quorate/job/1. Answered by coordinator_stream_opened() or _closed(). */
        ACTION_OPEN,     /* id = stream; peer, addresses */
        ACTION_SEND,     /* id = stream; data: at most one unit, costs one unit of the window */
        ACTION_CONSUMED, /* id = stream; n data calls were taken over: return their credit */
        ACTION_FINISH,   /* id = stream; nothing more will be sent */
        ACTION_RESET,    /* id = stream, either direction; it is forgotten, no _closed() follows */

        /* Keyring, on the socket of the role the id belongs to. Answered by
         * coordinator_signed() or _sign_failed(). The shell sends keyring the fields
         * (common/canonical/statement.h decodes them); what it signs is equal to data. */
        ACTION_SIGN, /* id = request; n = enum statement_kind; data: the statement */

        /* Workers: one channel, one executor. Reports come back by coordinator_report(). */
        ACTION_WORK,          /* id = run; data: a packed worker.Job */
        ACTION_WORK_FETCH,    /* id = run; data: a packed worker.Fetch */
        ACTION_WORK_CONSUMED, /* id = run; n reports were taken over */
        ACTION_WORK_RELEASE,  /* id = run; the spool may go */
        ACTION_WORK_CANCEL,   /* id = run; kill at once, forgotten */

        /* Datasets. Answered by coordinator_input_ready() or _input_failed(). */
        ACTION_INPUT,        /* id = fetch; hash = root; claim; providers; n: INPUT_SEARCH, or 0.
                                Neither of these: only what is here */
        ACTION_INPUT_CANCEL, /* id = fetch, forgotten; also releases the pin of a ready one */

        /* Durable before anything after it is sent; id != 0: acknowledge by
         * coordinator_journalled(). hash = job, n = enum journal_kind. */
        ACTION_JOURNAL, /* data: the record; offset: the time that its retention goes by, 0: now */
        ACTION_RECALL,  /* id; hash, n: the newest record; answered by coordinator_recalled() */
        ACTION_RECEIPT, /* hash = job; data: the bundle; n: RECEIPT_UNLESS_THERE, or 0;
                           acknowledged in the same way */

        /* The requester's own spool, of jobs whose rows wait for the set digest. */
        ACTION_SPOOL_WRITE, /* id = spool; data: appended */
        ACTION_SPOOL_READ,  /* id = spool; offset, n; answered by coordinator_spool_data() */
        ACTION_SPOOL_DROP,  /* id = spool, forgotten */

        /* Answers that were verified, by the key of what was asked (cached.h). */
        ACTION_ANSWER_FIND, /* id; hash; answered by coordinator_cached() */
        ACTION_ANSWER_KEEP, /* hash; data: the file; n: ANSWER_ONLY_ANEW, or 0 */
        ACTION_ANSWER_DROP, /* hash */

        /* More hosts for a job: id; data: a packed gossip.DrawRequest. Answered by
         * coordinator_found(). */
        ACTION_FIND,

        /* Clients of coordinator/query. */
        ACTION_REPLY, /* id = call; data: packed SubmitReply or ExplainReply; none: n and event.text
                         (static) say why */
        ACTION_CLIENT,        /* id = client; data: part of the frames of the result channel */
        ACTION_CLIENT_FINISH, /* id = client; all was sent */

        ACTION_EVENT, /* for log and metrics */
        _ACTION_N,
};

/* Even kinds are the requester's, odd ones the host's; coordinator_restore() gives
 * each record back to its owner. Bytes of the records: proto/journal.proto. */
enum journal_kind {
        JOURNAL_NONE = 0,
        JOURNAL_HOST = 1,         /* journal.HostRecord of run 0; offset: its job time */
        JOURNAL_HOST_DROP = 3,    /* nothing was signed: withdraws the HOST with these bytes */
        JOURNAL_HOST_HORIZON = 7, /* journal.HostHorizon; offset: the same. HOST up to it may go */
        JOURNAL_RECHECK = 9,      /* as the three above, of run 1 */
        JOURNAL_RECHECK_DROP = 11,
        JOURNAL_RECHECK_HORIZON = 13,
        JOURNAL_HEARD = 5,      /* journal.HeardVerdict: what others said of our commits */
        JOURNAL_SUBMITTED = 2,  /* journal.Submitted */
        JOURNAL_RECORD = 4,     /* journal.Step of a job under way */
        JOURNAL_ENDED = 6,      /* coordinator.JobSummary; earlier records of the job may go */
        JOURNAL_VERDICT = 8,    /* journal.Judgement: own-trust rests on these */
        JOURNAL_OWED = 10,      /* journal.OwedVerdict */
        JOURNAL_OWED_DROP = 12, /* withdraws the OWED with these bytes */
        JOURNAL_RUN = 22,       /* journal.RunSample: what a query of ours took */
        JOURNAL_ROWS = 24,      /* journal.DatasetRows */
        JOURNAL_FELL_OVER = 26, /* journal.FellOver of a job under way */
};

enum event_level { EVENT_DEBUG = 0, EVENT_INFO, EVENT_WARNING };

/* What happened, for log lines and counters. `name` is static and short
 * ("bid_late"); `text` is ours too. Foreign text never stands in an event. */
struct event {
        enum event_level level;
        const char *name, *text, *more; /* more: a word in brackets behind the text, or NULL */
        struct peer_id peer;            /* or none */
        struct hash_value kept;         /* of the file of a kept answer, or zeros */
        uint64_t value;
};

enum { INPUT_SEARCH = 1 };         /* the DHT is asked who has it, too */
enum { RECEIPT_UNLESS_THERE = 1 }; /* with these bytes */
enum { ANSWER_ONLY_ANEW = 1 };     /* only where one is kept under that key */

struct action {
        enum action_type type;
        uint64_t id, n, offset;
        struct hash_value hash;
        struct input_claim claim;
        struct refbuf *data; /* owned, or NULL */
        struct peer_id peer;
        struct multiaddr *addresses; /* owned */
        size_t n_addresses;
        struct peer_id *providers; /* owned */
        size_t n_providers;
        struct event event;
};

/* Releases what the action owns; harmless on an empty one. */
void action_done(struct action *a);
static inline void action_donep(struct action *a) {
        action_done(a);
}

/* First in, first out; both roles write into the one of their coordinator. */
struct actions;
struct actions *actions_new(void);
struct actions *actions_free(struct actions *q);
DEFINE_CLEANUP(struct actions *, actions_free);

/* A new action at the end, to be filled before the next call. */
struct action *actions_add(struct actions *q, enum action_type type, uint64_t id);
/* The same with a buffer, whose reference is handed over. */
void actions_add_data(struct actions *q, enum action_type type, uint64_t id, struct refbuf *data);
void actions_event(struct actions *q, const struct event *event);
bool actions_take(struct actions *q, struct action *ret); /* ret is the caller's to release */
