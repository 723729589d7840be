#pragma once

/* Signing as an argument. The stand-in is a hash keyed by the public key: forty times cheaper,
 * and worth nothing against a forger, which attackers of the simulation are not. Both count what
 * they are asked for. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/crypto/sign.h"

struct keys {
        bool is_real; /* Ed25519 */
        uint64_t n_signed, n_verified;
};

/* The same public key whatever is_real says, as it is an Ed25519 one. */
void keys_make(uint64_t seed, uint64_t identity, struct sign_secret *ret);
/* A signature over prefix and message, one behind the other. */
struct signature keys_sign(struct keys *k, const struct sign_secret *secret, struct bytes prefix,
                           struct bytes message);
/* userdata: struct keys. For dht_verifier() and gossip_verifier(). */
bool keys_verify(void *userdata, const struct sign_public *key, struct bytes message,
                 struct bytes signature);
