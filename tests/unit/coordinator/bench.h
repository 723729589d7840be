#pragma once

/* The host role alone on a bench: peers that send bytes, a journal, a keyring, a
 * worker and a data store that answer when told to. Everything on virtual time. */

#include "common/canonical/descriptor.h"
#include "common/canonical/statement.h"
#include "common/crypto/identity.h"
#include "proto/grid.pb-c.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/role.h"
#include "tests/support/test.h"

#define BENCH_PEERS  8
#define BENCH_MAX    640
#define BENCH_WALL   INT64_C(1800000000000000) /* µs */
#define BENCH_ENGINE "sqlite-test"

/* Actions that wait for an answer, oldest first. */
struct bench_list {
        struct action items[BENCH_MAX];
        size_t n;
};

struct bench_commit {
        struct hash_value job;
        struct peer_id requester;
        uint32_t run;
        struct hash_value statement; /* digest of what was signed */
};

struct bench {
        struct core core;
        struct governor governor;
        void *host;
        nsec_t now;
        struct identity self, keys[BENCH_PEERS];
        struct peer_id peers[BENCH_PEERS];
        struct multiaddr addresses[BENCH_PEERS]; /* validated; as set: none */
        uint64_t next_stream;
        bool is_manual; /* answers wait for bench_answer_*() */

        struct bench_list journal, sign, work, fetch, input, recall;
        struct {
                enum journal_kind kind;
                struct hash_value job;
                struct refbuf *data;
        } disk[BENCH_MAX]; /* records that were synced */
        size_t n_disk;
        struct {
                unsigned code;
                char detail[64];
                bool has_text;
                uint32_t retry_ms;
        } refusal;        /* of the last bench_begin(); code 0: none */
        bool with_data;   /* jobs made from now on have one dataset */
        const char *data; /* which they name so; NULL: t */
        bool is_missing;  /* inputs are not here */
        uint64_t batches; /* of results; 0: one */
        struct {
                uint64_t stream;
                struct buffer bytes;
                bool reset, finished;
        } streams[BENCH_MAX];
        size_t n_streams;
        size_t n_cancelled, n_released, n_input_cancelled, n_recalled;
};

struct bench_job {
        uint8_t descriptor[2048];
        size_t descriptor_len;
        const char *sql;
        struct hash_value id;
        unsigned peer;
        uint32_t run;
        size_t n_roots; /* disclosed in the offer */
        uint64_t input_bytes, estimated_memory, estimated_cpu_us;
};

void bench_init(struct bench *b, const struct coordinator_settings *settings);
void bench_done(struct bench *b);
void bench_restart(struct bench *b); /* crash: only what was synced is left */
void bench_pump(struct bench *b);    /* carries out what the host wants */
void bench_advance(struct bench *b, nsec_t by);

/* A job of peer `peer`: SELECT 42, no data, 1 INTEGER column. */
void bench_job_init(struct bench *b, struct bench_job *j, unsigned peer, unsigned nonce);
uint64_t bench_open(struct bench *b, unsigned peer);
bool bench_was_finished(const struct bench *b, uint64_t stream);
void bench_send(struct bench *b, uint64_t stream, const Grid__JobMessage *m);
void bench_close(struct bench *b, uint64_t stream);
void bench_offer(struct bench *b, uint64_t stream, const struct bench_job *j);
void bench_dispatch(struct bench *b, uint64_t stream, const struct bench_job *j,
                    struct bytes ticket);
/* The next message the host sent on it; NULL: none. Valid until the next call. */
const Grid__JobMessage *bench_next(struct bench *b, uint64_t stream);
/* The next of this kind, others passed over; NULL: none. */
const Grid__JobMessage *bench_expect(struct bench *b, uint64_t stream,
                                     Grid__JobMessage__BodyCase which);
/* A verdict on a commit, as the job's requester says it. */
struct bench_verdict {
        struct buffer statement;
        struct signature signature;
};
void bench_verdict(struct bench *b, const struct bench_job *j, const Grid__Commit *commit,
                   enum verdict verdict, struct bench_verdict *ret);
void bench_say_verdict(struct bench *b, uint64_t stream, const struct bench_verdict *v);
bool bench_was_reset(const struct bench *b, uint64_t stream);
/* Offer, bid, dispatch. Returns the stream; b->refusal says why there was no bid. */
uint64_t bench_begin(struct bench *b, const struct bench_job *j);

/* The worker of run `i` in b->work. */
void bench_report(struct bench *b, uint64_t run, const Worker__Report *report);
void bench_started(struct bench *b, uint64_t run);
/* value: what the answer is derived from. One batch. */
void bench_committed(struct bench *b, uint64_t run, unsigned value);
/* An error as the answer, with the executor's words. */
void bench_committed_error(struct bench *b, uint64_t run, const char *words);
void bench_answer_journal(struct bench *b, size_t i, bool ok);
void bench_answer_recall(struct bench *b, size_t i);
void bench_answer_sign(struct bench *b, size_t i, bool ok);
void bench_disk_put(struct bench *b, const struct action *record);
void bench_disk_drop(struct bench *b); /* the newest */
void bench_disk_forget(struct bench *b, size_t from, size_t n);
void bench_list_drop(struct bench_list *l, size_t i);
