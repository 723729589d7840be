#pragma once

/* Peers remembered over restarts, to begin with next time: the 64 that we trusted
 * most, where trust is the minutes for which a peer was seen to live. What is read
 * back counts half, and half again each time it does not answer, so that old
 * knowledge fades unless it proves itself. Pure; the bytes go to store.state_put. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "services/dht/contact.h"
#include "services/dht/table.h"

#define PEERSTORE_MAX       64
#define PEERSTORE_STATE_MAX (PEERSTORE_MAX * 2400)
#define PEERSTORE_TRUST_MAX (7 * 24 * 60) /* minutes */

struct remembered {
        struct contact contact;
        uint32_t trust;
};

struct peerstore {
        struct remembered peers[PEERSTORE_MAX]; /* the most trusted first */
        size_t n;
};

void peerstore_done(struct peerstore *p);

/* Takes over what the table knows now; what is remembered beside it stays while there
 * is room. */
void peerstore_update(struct peerstore *p, const struct table *t);
void peerstore_failed(struct peerstore *p, const struct key *peer);
void peerstore_remove(struct peerstore *p, const struct key *peer);

void peerstore_pack(const struct peerstore *p, struct buffer *b);
/* Adds what was packed, at half its trust; false when it is malformed. */
bool peerstore_unpack(struct peerstore *p, struct reader *r);
