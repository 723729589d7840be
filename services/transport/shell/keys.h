#pragma once

/* Our identity, through keyring: this process never holds a private key. Blocks
 * for keyring's answers, at most two seconds each (ten at the start). */

#include <stdint.h>

#include "common/base/cleanup.h"
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
/* keyring was restarted and has another TLS key: make a new certificate. */
bool keys_is_stale(const struct keys *k);

/* The envelope of a signed peer record behind what b holds. 0, or a fault. */
int keys_sign_record(struct keys *k, uint64_t seq, const struct multiaddr *addrs, size_t n,
                     struct buffer *b);
