#pragma once

/* Who this node is: keyring says it, over the socket of the service that asks. */

#include "common/base/nsec.h"
#include "common/daemon/seqpacket.h"
#include "common/wire/peerid.h"

struct service_context;

/* Waits at most `wait` for keyring to answer "Identity" on `capability`
 * ("keyring/gossip", served by `service`), blocking: for start() only. Fills the peer
 * id and a client that reconnects by itself. Returns 0 or a fault; why was logged. */
int identity_learn(struct service_context *ctx, const char *capability,
                   const ProtobufCServiceDescriptor *service, nsec_t wait, struct peer_id *ret,
                   struct seqpacket **ret_client);
