#pragma once

/* A requester with one job, for fuzz targets: analysed, offered to three hosts whose
 * side the target plays. Everything else (keyring, journal, worker, client) answers
 * at once and honestly. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/answer.h"
#include "common/canonical/schema.h"
#include "services/coordinator/coordinator.h"

#define DRIVE_HOSTS 3

struct drive {
        struct coordinator *c;
        nsec_t now;
        struct peer_id peers[DRIVE_HOSTS + 1]; /* the last one is ours */
        uint64_t streams[DRIVE_HOSTS], run;
        bool is_open[DRIVE_HOSTS];
        struct buffer descriptor; /* from the first dispatch */
        struct buffer sent[DRIVE_HOSTS];
        bool is_verified;
        struct hash_value answer; /* that the client was told */
        struct answer truth;      /* no rows */
        struct schema *schema;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct drive *drive_new(core_verify_fn verify);
void drive_free(struct drive *d);

/* Signatures of this world: a hash keyed with the public key. */
bool drive_verify(const struct sign_public *key, struct bytes message, struct bytes signature);

void drive_data(struct drive *d, unsigned host, struct bytes data);
void drive_message(struct drive *d, unsigned host, unsigned field, struct bytes body);
void drive_bid(struct drive *d, unsigned host);
void drive_closed(struct drive *d, unsigned host);
void drive_window(struct drive *d, unsigned host);
void drive_report(struct drive *d, struct bytes report);
void drive_wait(struct drive *d, nsec_t time);
/* A right commit of that host, packed; false before its dispatch. */
bool drive_commit(struct drive *d, unsigned host, struct buffer *ret);
