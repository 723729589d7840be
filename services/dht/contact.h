#pragma once

/* A peer and where it may be reached. Thousands are kept, so addresses are packed
 * (varint length, multiaddr) into one shared immutable buffer. Pure. */

#include <stddef.h>

#include "common/base/refbuf.h"
#include "common/wire/endpoint.h"
#include "common/wire/multiaddr.h"
#include "services/dht/key.h"

#define CONTACT_ADDRESSES_MAX 8
#define CONTACT_BYTES_MAX     1024 /* of packed addresses: an answer has room for 40 such peers */

struct contact {
        struct peer_id peer;
        struct key key;           /* key_of_peer(&peer) */
        struct refbuf *addresses; /* owned reference; NULL: none known */
};

/* ret is the caller's; at most CONTACT_ADDRESSES_MAX addresses of CONTACT_BYTES_MAX together are
 * taken, in their order; unusable ones and those for which there is no room are left out. */
void contact_init(struct contact *ret, const struct peer_id *peer, const struct multiaddr *addrs,
                  size_t n);
void contact_done(struct contact *c);
struct contact contact_ref(const struct contact *c);               /* another owner of the same */
void contact_replace(struct contact *c, const struct contact *by); /* c becomes a reference of by */
static inline void contact_donep(struct contact *c) {
        contact_done(c);
}
/* Walks the packed addresses: *cursor starts at 0; ret is a view. */
bool contact_next_address(const struct contact *c, size_t *cursor, struct bytes *ret);
/* Unpacks; returns how many were written. */
size_t contact_addresses(const struct contact *c, struct multiaddr *ret, size_t max);

/* The operator-independent groups of an address: one v4 /24, one v6 /48, and for
 * v6 the /32 above it. */
struct subnet {
        uint8_t family; /* enum endpoint_family */
        uint8_t prefix[6];
};
/* Zero for loopback, RFC 1918, ULA and link-local addresses, which quotas do not
 * count, and for family none. */
struct subnet subnet_counted(const struct endpoint *e); /* /24 or /48 */
struct subnet subnet_wide(const struct endpoint *e);  /* v6 /32; v4: the same as subnet_counted() */
struct subnet subnet_exact(const struct endpoint *e); /* /24 or /48, local ones too */
bool subnet_is_local(const struct endpoint *e);
static inline bool subnet_equal(const struct subnet *a, const struct subnet *b) {
        return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}
