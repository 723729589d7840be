#pragma once

/* A requester with one job, for fuzz targets and unit tests: analysed, offered to three
 * hosts whose side the target plays. Everything else (keyring, journal, worker, client) answers
 * at once and honestly. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/answer.h"
#include "common/canonical/schema.h"
#include "proto/coordinator.pb-c.h"
#include "services/coordinator/coordinator.h"

#define DRIVE_HOSTS 3

/* Answers that are kept (cached.h): how the job asks, and what the folder of them gives. */
struct drive_kept {
        const char *cache, *data_class, *verify; /* of the request; NULL: as configured */
        unsigned quorum;                         /* 0: as configured */
        bool sees_job;                           /* the statement asks for time or seed */
        struct bytes file;                       /* kept under whatever key it asks for */
        unsigned liar, denied;                   /* hosts, from 1: proved a liar before; denied */
        bool is_one_subnet;                      /* that hosts say they are in */
        bool is_one_voter;                       /* all are dialled in one subnet */
        int64_t later_us;                        /* the wall clock is ahead */
        uint64_t input_length;                   /* of its dataset; 0: it has none */
};

struct drive {
        struct coordinator *c;
        nsec_t now;
        struct peer_id peers[DRIVE_HOSTS + 1]; /* the last one is ours */
        uint64_t streams[DRIVE_HOSTS], run;
        bool is_open[DRIVE_HOSTS];
        struct buffer descriptor; /* from the first dispatch */
        struct buffer sent[DRIVE_HOSTS];
        bool is_verified, has_end;
        unsigned problem; /* at the end, with its detail */
        char detail[256], text[512], error_state[16];
        struct buffer speaker;    /* who said the text */
        const char *words;        /* of commits; NULL: none */
        struct hash_value answer; /* that the client was told */
        uint64_t rows;            /* and how many rows it has */
        struct answer truth;      /* no rows, until drive_rows() */
        struct buffer batch;      /* its only one */
        struct hash_value digest;
        unsigned judged[DRIVE_HOSTS];      /* last verdict in the journal; 0: none */
        uint64_t fetch_bytes[DRIVE_HOSTS]; /* of its bid */
        bool holds_signatures;             /* they wait for drive_sign() */
        struct action held[8];
        size_t n_held;
        struct drive_kept kept;
        struct refbuf *keeps;   /* the last file it wanted kept */
        struct refbuf *receipt; /* the last one, of receipt_of */
        struct hash_value key;
        uint64_t keep_how;
        unsigned n_finds, n_drops;
        char state[16]; /* at the end, with what it says of a kept answer */
        uint64_t age_us;
        unsigned agreement, quorum;
        size_t n_hosts;
        struct hash_value cached_job, receipt_of;
        struct hash_value job;
        uint64_t batches; /* that the client got */
        /* What commits claim, and what is told of it at the end, with what was estimated. */
        struct drive_cost {
                uint64_t cpu_us, memory;
        } claims[DRIVE_HOSTS], told, estimated;
        const char *refusal; /* of the last call that was not taken */
        struct schema *schema;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody can sign: so nothing may end as VERIFIED. */
bool drive_nobody_signs(const struct sign_public *key, struct bytes message,
                        struct bytes signature);
/* A fuzzer's input as a script: one byte says what happens next, two how long its argument is, then
 * it comes; step does it. Then time goes by, nothing was VERIFIED, and d is freed. */
typedef void (*drive_step_fn)(struct drive *d, unsigned what, struct bytes argument);
int drive_script(struct drive *d, struct bytes script, drive_step_fn step);

struct drive *drive_new(core_verify_fn verify);
/* Hosts are asked what the query is first: their streams come before those of the offers. */
struct drive *drive_new_described(core_verify_fn verify);
/* With keys that sign, as a receipt needs them. */
struct drive *drive_new_kept(const struct drive_kept *kept);
void drive_free(struct drive *d);

/* Signatures of this world: a hash keyed with the public key. */
bool drive_verify(const struct sign_public *key, struct bytes message, struct bytes signature);

void drive_data(struct drive *d, unsigned host, struct bytes data);
void drive_message(struct drive *d, unsigned host, unsigned field, struct bytes body);
void drive_bid(struct drive *d, unsigned host);
void drive_closed(struct drive *d, unsigned host);
void drive_window(struct drive *d, unsigned host);
void drive_attach(struct drive *d); /* the client comes again, and wants all of it */
void drive_report(struct drive *d, struct bytes report);
void drive_wait(struct drive *d, nsec_t time);
/* A right commit of that host, packed; false before its dispatch. */
bool drive_commit(struct drive *d, unsigned host, struct buffer *ret);
/* One that says this, for this run. */
bool drive_commit_to(struct drive *d, unsigned host, const struct answer *a, uint8_t run,
                     struct buffer *ret);
/* From now on the truth has n rows, in one batch. */
void drive_rows(struct drive *d, unsigned n);
/* A new one whose truth has so many; all its hosts have been given the job. */
struct drive *drive_dispatched(unsigned rows);
void drive_sign(struct drive *d); /* what was held */
/* The fields of grid.JobMessage that hosts use. */
enum {
        DRIVE_BID = 2,
        DRIVE_REFUSAL = 3,
        DRIVE_COMMIT = 7,
        DRIVE_FAILURE = 8,
        DRIVE_DIGESTS = 10,
        DRIVE_BATCH,
        DRIVE_END
};
/* As drive_message(); the body is packed here. */
void drive_packed(struct drive *d, unsigned host, unsigned field, const ProtobufCMessage *body);
