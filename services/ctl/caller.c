#include "services/ctl/caller.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/client/quorate.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/loop.h"
#include "common/daemon/runtime.h"
#include "common/daemon/seqpacket.h"
#include "services/ctl/node.h"
#include "services/ctl/services_file.h"

#define TIMEOUT (5 * NSEC_PER_SEC)
#define TICK    (250 * NSEC_PER_MSEC)

struct calling {
        const struct call_target *target;
        bool done;
        uint32_t code;
        char *why;
        const ProtobufCMessageDescriptor *type;
        struct unpacked *reply;
};

/* The service's own answers in its own words, with the remedy; of calls that failed what
 * that means. */
static void explain_answer(struct calling *c, const struct rpc_result *result) {
        const struct call_target *t = c->target;
        const char *remedy = result->code < t->n_remedies ? t->remedies[result->code] : NULL;
        const char *service = t->capability;
        char code[32], shown[160];

        (void) text_escape(BYTES_STR(result->text), shown, sizeof(shown));
        if (result->code == RPC_E_TIMEOUT)
                (void) snprintf(c->why, 256,
                                "%.*s did not answer in time; ask again, or look with `quorate "
                                "doctor`",
                                (int) strcspn(service, "/"), service);
        else if (result->code > RPC_E_TIMEOUT)
                (void) snprintf(c->why, 256, "%s%s%s", rpc_status_text(result->code, code),
                                *shown ? ": " : "", shown);
        else
                (void) snprintf(c->why, 256, "%s%s%s",
                                *shown ? shown : rpc_status_text(result->code, code),
                                remedy ? "; " : "", remedy ? remedy : "");
}

/* The message is the loop's: keep it by packing it once more. */
static void on_done(void *userdata, const struct rpc_result *result) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct calling *c = userdata;

        c->done = true;
        c->code = result->code;
        if (result->code != RPC_OK) {
                explain_answer(c, result);
                return;
        }
        buffer_init(&b, BUS_MESSAGE_MAX);
        wire_pack(&b, result->message);
        if (b.failed || wire_unpack(c->type, buffer_bytes(&b), &unpack_limits_reply, c->reply)) {
                c->code = RPC_E_MALFORMED;
                (void) strcpy(c->why, "malformed answer");
        }
}

static int call_over(struct loop *loop, struct link *link, const struct call_target *target,
                     const char *method, const void *request, struct calling *c) {
        nsec_t timeout = target->timeout ? target->timeout : TIMEOUT;
        struct rpc_client *rpc = rpc_client_new(link, target->service);
        nsec_t start = loop_now(loop);

        (void) rpc_call(rpc, method, request, timeout, on_done, c);
        while (!c->done && loop_turn(loop, target->tick ? TICK : NSEC_NEVER) >= 0)
                if (target->tick)
                        target->tick(target->userdata, nsec_sub(loop_now(loop), start));
        rpc_client_free(rpc);
        return c->code == RPC_OK ? 0 : -1;
}

/* The command asks a node on this machine and none other: say so, and what to do. */
static const char *explain_missing(const char *runtime, const char *capability, int error,
                                   char why[256]) {
        struct services_file services;

        if (error == EACCES || error == EPERM)
                (void) snprintf(why, 256,
                                "the sockets in %.120s are not yours to use; run it as the user "
                                "who runs the node, or see its operator",
                                runtime);
        else if (services_file_read(runtime, &services))
                (void) snprintf(why, 256,
                                "the node that runs here has no %.*s; look with `quorate doctor`",
                                (int) strcspn(capability, "/"), capability);
        else if (node_is_grid(runtime, why))
                return why;
        else
                (void) snprintf(why, 256,
                                "no node is running here (%.120s); start one with `quorate run`, "
                                "or give --runtime DIR",
                                runtime);
        return why;
}

int ctl_try(const struct command_context *ctx, const struct call_target *target, const char *method,
            const void *request, struct unpacked *ret, char why[256]) {
        const ProtobufCMethodDescriptor *m =
                protobuf_c_service_descriptor_get_method_by_name(target->service, method);
        struct calling c = { .target = target, .why = why, .type = m->output, .reply = ret };
        const struct capability *cap = capability_find(target->capability);
        CLEANUP(loop_freep) struct loop *loop = NULL;
        char path[CAPABILITY_PATH_SIZE];
        struct node node;
        uid_t owner;
        int r = -1;

        if (node_find(&ctx->common, &node) ||
            capability_path(node.runtime, target->capability, false, path)) {
                (void) strcpy(why, "no usable runtime directory; give --runtime DIR");
                return -1;
        }
        if (!node.is_runtime_named && runtime_check(node.runtime, &owner) == RUNTIME_FOREIGN) {
                (void) strcpy(why, quorate_code_text(QUORATE_E_FOREIGN));
                return -1;
        }
        if (access(path, W_OK) < 0) {
                (void) explain_missing(node.runtime, target->capability, errno, why);
                return -1;
        }
        if (loop_new(&loop)) {
                (void) strcpy(why, "no event loop");
                return -1;
        }
        if (cap && cap->type == CAPABILITY_SEQPACKET) {
                struct seqpacket *s = NULL;

                if (seqpacket_connect(loop, path, &s) == 0)
                        r = call_over(loop, seqpacket_link(s), target, method, request, &c);
                seqpacket_free(s);
        } else {
                struct bus_client *b = NULL;
                /* Where streams are served too a peer without its data socket is no peer. */
                const struct bus_client_options o = {
                        .path = path,
                        .service = "ctl",
                        .data = cap && cap->type == CAPABILITY_STREAMS,
                };

                if (bus_client_new(loop, &o, &b) == 0)
                        r = call_over(loop, bus_client_link(b), target, method, request, &c);
                bus_client_free(b);
        }
        return r;
}

int ctl_call(const struct command_context *ctx, const struct call_target *target,
             const char *method, const void *request, struct unpacked *ret) {
        char why[256] = "cannot connect";

        if (ctl_try(ctx, target, method, request, ret, why) == 0)
                return EXIT_OK;
        return complain(ctx, EXIT_OTHER, "%s", why);
}
