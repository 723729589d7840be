#pragma once

/* What this node knows about other peers: addresses, what they said about
 * themselves, and what was tried, when and how it ended.
 *
 * Pure and bounded: at most `max` peers (the one used longest ago without
 * connection, tag or pin makes room, strangers that only came to us before those
 * that we reached), 32 addresses, 16 attempts each. A struct
 * peer lives until it is evicted; keep its id, not a pointer, unless it is held
 * (peer_hold). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/nsec.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "services/transport/identify.h"

#define PEER_ADDRS_MAX    32
#define PEER_ATTEMPTS_MAX 16
#define PEER_OUTCOME_SIZE 120

/* Where an address was learnt: the better source is dialled first and dropped last. */
enum address_source {
        ADDRESS_CALLER = 1,   /* a service or a user gave it along */
        ADDRESS_IDENTIFY = 2, /* the peer said so, unsigned; or others of it */
        ADDRESS_SIGNED = 4,
        ADDRESS_CACHED = 8,  /* worked in an earlier life of this node */
        ADDRESS_WORKED = 16, /* a handshake with this peer succeeded there */
        ADDRESS_PINNED = 32, /* configured */
};

struct peer_address {
        uint8_t sources;       /* enum address_source, or'ed */
        nsec_t worked;         /* last success, 0: never in this life */
        struct multiaddr addr; /* without /p2p/ID */
};

struct peer_attempt {
        nsec_t began, took;
        bool inbound, succeeded;
        struct multiaddr addr;           /* as dialled, or where it came from */
        char outcome[PEER_OUTCOME_SIZE]; /* one clear line */
};

struct peer {
        struct peer_id id;
        struct peers *book;
        struct list by_use; /* of struct peers */
        size_t n_holds;     /* connections, dials, tags: not evicted while > 0 */
        bool pinned, identified;
        bool is_local;       /* the local network said where it is (mDNS) */
        uint16_t work;       /* proof of work of its key, bits; 0 also where the id holds no key */
        nsec_t rtt;          /* last measured, 0: never */
        uint64_t record_seq; /* of the newest signed record; an older one is not taken */
        size_t n_addrs, n_protocols, n_attempts, next_attempt;
        struct peer_address *addrs;
        char *agent;     /* as sent: escape before showing; NULL until identified */
        char *protocols; /* n_protocols strings, one behind the other */
        uint8_t *record; /* its newest signed record, as sent; NULL: none kept */
        size_t record_len;
        struct peer_attempt *attempts; /* ring of PEER_ATTEMPTS_MAX, made when first used */
        void *manager;                 /* of the connection manager while held */
};

struct peers;

struct peers *peers_new(size_t max, uint64_t seed);
struct peers *peers_free(struct peers *p);
DEFINE_CLEANUP(struct peers *, peers_free);

struct peer *peers_find(const struct peers *p, const struct peer_id *id);
/* Finds or adds, and marks as used now. NULL when all `max` are held. */
struct peer *peers_get(struct peers *p, const struct peer_id *id);
size_t peers_count(const struct peers *p);
/* What the signed records of all peers may take together: 1 KiB for each of `max`. */
const struct budget *peers_records(const struct peers *p);
/* Oldest entry first; *cursor starts at 0. */
struct peer *peers_next(const struct peers *p, size_t *cursor);

void peer_hold(struct peer *peer);
void peer_release(struct peer *peer);

/* Adds or merges; a /p2p/ID at the end is taken off. When full, the address of the
 * weakest source that never worked makes room, else this one is not kept. */
void peer_add_address(struct peer *peer, const struct multiaddr *addr, enum address_source source);
/* A handshake with this peer succeeded there. */
void peer_address_worked(struct peer *peer, const struct multiaddr *addr, nsec_t now);
/* An address that turned out to be somebody else's; pinned ones stay. */
void peer_drop_address(struct peer *peer, const struct multiaddr *addr);

/* It stays while it has another source. */
void peer_unpin_address(struct peer *peer, const struct multiaddr *addr);

/* What the peer said about itself. Addresses it no longer names are dropped unless they
 * come from elsewhere, too. Fields it left out stay. */
void peer_identified(struct peer *peer, const struct identify *id);
bool peer_speaks(const struct peer *peer, const char *protocol);
/* Walks the ids; *cursor starts at 0. NULL at the end. */
const char *peer_next_protocol(const struct peer *peer, size_t *cursor);

void peer_attempted(struct peer *peer, const struct peer_attempt *attempt);
/* i = 0 is the newest; NULL past the oldest. */
const struct peer_attempt *peer_attempt(const struct peer *peer, size_t i);
