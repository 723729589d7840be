#pragma once

/* Our identity, through keyring: this process never holds a private key. Blocks
 * for keyring's answers, at most a quarter of a second each (ten seconds at the
 * start). A keyring that kept us waiting is not asked again for 2 s, then 4 s, at
 * most 16 s: until then everything here answers -EAGAIN at once. */

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/wire/multiaddr.h"
#include "services/transport/tls.h"

struct keys;

/* Connects to <runtime>/keyring/transport and asks for the identity. What went wrong is
 * logged. Returns 0 or a fault. */
int keys_new(const char *runtime, enum tls_key_type type, struct keys **ret);
struct keys *keys_free(struct keys *k);
DEFINE_CLEANUP(struct keys *, keys_free);

const struct sign_public *keys_public(const struct keys *k);
const struct peer_id *keys_peer(const struct keys *k);

/* Makes a certificate with keyring's TLS key of the moment. `wall` in seconds since 1970.
 * Contexts made before stay usable for sessions that run. Returns 0 or a fault. */
int keys_certificate(struct keys *k, int64_t wall, struct tls_context **ret);
/* When to make a new certificate, because keyring was restarted and has another TLS key;
 * CLOCK_BOOTTIME. NSEC_NEVER: the present one is good. */
nsec_t keys_renewal(const struct keys *k);

/* The envelope of a signed peer record behind what b holds. 0, or a fault: try again. */
int keys_sign_record(struct keys *k, uint64_t seq, const struct multiaddr *addrs, size_t n,
                     struct buffer *b);
