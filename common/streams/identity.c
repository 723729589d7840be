#include "common/streams/identity.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/capability.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/service.h"
#include "proto/keyring.pb-c.h"

#define RETRY_US 50000

static int take(const Keyring__IdentityReply *reply, struct own_identity *ret) {
        if (peer_id_parse(BYTES(reply->peer.data, reply->peer.len), &ret->peer) &&
            reply->x25519.len == X25519_SIZE) {
                memcpy(ret->x25519, reply->x25519.data, X25519_SIZE);
                return 0;
        }
        log_error("keyring says an identity that is none");
        return error_origin(-EBADMSG);
}

static int ask(const struct loop *loop, const char *path, const ProtobufCServiceDescriptor *service,
               nsec_t wait, struct own_identity *ret) {
        CLEANUP(seqpacket_caller_freep)
        struct seqpacket_caller *caller = seqpacket_caller_new(path, service);
        nsec_t until = nsec_add(loop_now(loop), wait);
        Types__Empty empty = TYPES__EMPTY__INIT;
        const void *reply;
        int r;

        do {
                r = seqpacket_call(caller, "Identity", &empty, NSEC_PER_SEC, &reply);
                if (r == 0)
                        return take(reply, ret);
                (void) usleep(RETRY_US);
        } while (loop_now(loop) < until);
        log_error("keyring does not answer on %s: is quorate-keyring running?", path);
        return r < 0 ? r : error_origin(-ETIMEDOUT);
}

int identity_learn(struct service_context *ctx, const char *capability,
                   const ProtobufCServiceDescriptor *service, nsec_t wait, struct own_identity *ret,
                   struct seqpacket **ret_client) {
        char path[CAPABILITY_PATH_SIZE];
        int r;

        if (capability_path(ctx->runtime, capability, false, path)) {
                log_error("runtime directory %s is too long", ctx->runtime);
                return error_origin(-ENAMETOOLONG);
        }
        r = ask(ctx->loop, path, service, wait, ret);
        return r ? r : seqpacket_connect(ctx->loop, path, ret_client);
}
