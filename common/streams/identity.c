#include "common/streams/identity.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
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

static int path_of(const struct service_context *ctx, const char *capability,
                   char ret[CAPABILITY_PATH_SIZE]) {
        if (!capability_path(ctx->runtime, capability, false, ret))
                return 0;
        log_error("runtime directory %s is too long", ctx->runtime);
        return error_origin(-ENAMETOOLONG);
}

int identity_learn(struct service_context *ctx, const char *capability,
                   const ProtobufCServiceDescriptor *service, nsec_t wait, struct own_identity *ret,
                   struct seqpacket **ret_client) {
        char path[CAPABILITY_PATH_SIZE];
        int r = path_of(ctx, capability, path);

        if (r == 0)
                r = ask(ctx->loop, path, service, wait, ret);
        return r ? r : seqpacket_connect(ctx->loop, path, ret_client);
}

/* ---- is it still us? ---- */

struct identity_watch {
        struct service_context *ctx;
        struct peer_id self;
        struct seqpacket *client;
        struct rpc_client *rpc;
};

static void on_identity(void *userdata, const struct rpc_result *result) {
        char was[PEER_ID_TEXT_SIZE], is[PEER_ID_TEXT_SIZE];
        const Keyring__IdentityReply *in = result->message;
        struct identity_watch *w = userdata;
        struct peer_id peer;

        /* Whoever went away meanwhile comes up again, and is asked again. */
        if (result->code != RPC_OK || !peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer) ||
            peer_id_equal(&peer, &w->self))
                return;
        log_notice(
                "keyring has another key now: this node was %s and is %s; starting again as that",
                peer_id_text(&w->self, was), peer_id_text(&peer, is));
        service_restart(w->ctx);
}

static void on_up(void *userdata) {
        const Types__Empty empty = TYPES__EMPTY__INIT;
        struct identity_watch *w = userdata;

        (void) rpc_call(w->rpc, "Identity", &empty, NSEC_NEVER, on_identity, w);
}

int identity_watch_new(struct service_context *ctx, const char *capability,
                       const ProtobufCServiceDescriptor *service, const struct peer_id *self,
                       struct identity_watch **ret) {
        CLEANUP(identity_watch_freep) struct identity_watch *w = xnew(struct identity_watch);
        char path[CAPABILITY_PATH_SIZE];
        int r = path_of(ctx, capability, path);

        w->ctx = ctx;
        w->self = *self;
        if (r == 0)
                r = seqpacket_connect(ctx->loop, path, &w->client);
        if (r)
                return r;
        w->rpc = rpc_client_new(seqpacket_link(w->client), service);
        rpc_client_watch(w->rpc, on_up, NULL, w);
        *ret = TAKE(w);
        return 0;
}

struct identity_watch *identity_watch_free(struct identity_watch *w) {
        if (!w)
                return NULL;
        rpc_client_free(w->rpc);
        seqpacket_free(w->client);
        free(w);
        return NULL;
}
