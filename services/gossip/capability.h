#pragma once

/* The record a node gossips about itself (proto/peers.proto). Read from foreign
 * bytes: bounded, signature last, since it is what costs. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/refbuf.h"
#include "common/crypto/sign.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define CAPABILITY_SIZE_MAX      512 /* signed, as it travels */
#define CAPABILITY_ADDRESSES_MAX 4
#define CAPABILITY_ENGINES_MAX   4
#define CAPABILITY_GROUPS_MAX    4
#define CAPABILITY_TEXT_MAX      64 /* of a name, region, group, network */
#define CAPABILITY_CLASS_MAX     127
#define CAPABILITY_PREFIX        BYTES("quorate/1/capability", 21) /* with its final zero */

enum capability_data { DATA_PUBLIC = 1, DATA_INTERNAL = 2, DATA_SENSITIVE = 4 };

/* Views into `raw`. */
struct capability {
        struct refbuf *raw; /* the SignedCapability as sent; owned */
        struct peer_id peer;
        uint64_t sequence;
        struct bytes network, region, name, version, operator_certificate;
        size_t n_addresses, n_engines, n_groups;
        struct bytes addresses[CAPABILITY_ADDRESSES_MAX]; /* multiaddrs that parse */
        struct bytes engines[CAPABILITY_ENGINES_MAX];
        struct bytes groups[CAPABILITY_GROUPS_MAX];
        uint32_t cores, memory_mib, slots, free_slots, data_classes, attestation, datasets;
        uint64_t price;
};

enum capability_result {
        CAPABILITY_OK = 0,
        CAPABILITY_E_MALFORMED,
        CAPABILITY_E_LIMIT,     /* too large, too many, or text that is not UTF-8 or too long */
        CAPABILITY_E_SIGNATURE, /* not by the peer it is about */
};

typedef bool (*capability_verify_fn)(void *userdata, const struct sign_public *key,
                                     struct bytes message, struct bytes signature);

/* Structure and limits, no signature. Returns enum capability_result; on success
 * the caller releases it with capability_done(). */
int capability_read(struct bytes signed_record, struct capability *ret);
void capability_done(struct capability *c); /* harmless on an empty one */
static inline void capability_donep(struct capability *c) {
        capability_done(c);
}
/* One check: charge somebody first. */
bool capability_verify(const struct capability *c, capability_verify_fn verify, void *userdata);

/* The signed record from a body (a packed peers.Capability) and its signature. */
void capability_put(struct buffer *b, struct bytes body, struct bytes signature);
