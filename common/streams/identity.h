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

/* A keyring that was restarted may hold another key (`quorate key rotate`), and a node is one:
 * whoever learnt `self` starts again then (service_restart()), and its log says why. A connection
 * of its own, which asks whenever another process of keyring answers. */
struct identity_watch;
int identity_watch_new(struct service_context *ctx, const char *capability,
                       const ProtobufCServiceDescriptor *service, const struct peer_id *self,
                       struct identity_watch **ret);
struct identity_watch *identity_watch_free(struct identity_watch *w); /* always NULL */
DEFINE_CLEANUP(struct identity_watch *, identity_watch_free);
