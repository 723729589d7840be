#pragma once

/* Who this node is: keyring says it, over the socket of the service that asks. */

#include "common/base/nsec.h"
#include "common/crypto/identity.h"
#include "common/daemon/seqpacket.h"
#include "common/wire/peerid.h"

struct service_context;

struct own_identity {
        struct peer_id peer;
        uint8_t x25519[X25519_SIZE]; /* what letters to this node are sealed for */
};

/* Waits at most `wait` for keyring to answer "Identity" on `capability`
 * ("keyring/gossip", served by `service`), blocking: for start() only. Fills who
 * we are and a client that reconnects by itself. Returns 0 or a fault; why was logged. */
int identity_learn(struct service_context *ctx, const char *capability,
                   const ProtobufCServiceDescriptor *service, nsec_t wait, struct own_identity *ret,
                   struct seqpacket **ret_client);
