#include "services/ctl/caller.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
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
        struct ctl_question *question;
        bool done;
        struct seqpacket *seqpacket; /* one of the two */
        struct bus_client *bus;
        struct rpc_client *rpc;
};

/* The service's own answers in its own words, with the remedy; of calls that failed what
 * that means. */
static void explain_answer(struct ctl_question *q, const struct rpc_result *result) {
        const struct call_target *t = q->target;
        const char *remedy = result->code < t->n_remedies ? t->remedies[result->code] : NULL;
        const char *service = t->capability;
        char code[32], shown[160];

        (void) text_escape(BYTES_STR(result->text), shown, sizeof(shown));
        if (result->code == RPC_E_TIMEOUT)
                (void) snprintf(q->why, 256,
                                "%.*s did not answer in time; ask again, or look with `quorate "
                                "doctor`",
                                (int) strcspn(service, "/"), service);
        else if (result->code > RPC_E_TIMEOUT)
                (void) snprintf(q->why, 256, "%s%s%s", rpc_status_text(result->code, code),
                                *shown ? ": " : "", shown);
        else
                (void) snprintf(q->why, 256, "%s%s%s",
                                *shown ? shown : rpc_status_text(result->code, code),
                                remedy ? "; " : "", remedy ? remedy : "");
}

/* The message is the loop's: keep it by packing it once more. */
static void on_done(void *userdata, const struct rpc_result *result) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct calling *c = userdata;
        struct ctl_question *q = c->question;

        c->done = true;
        q->code = result->code;
        if (result->code != RPC_OK) {
                explain_answer(q, result);
                return;
        }
        buffer_init(&b, BUS_MESSAGE_MAX);
        wire_pack(&b, result->message);
        if (b.failed || wire_unpack(((const ProtobufCMessage *) result->message)->descriptor,
                                    buffer_bytes(&b), &unpack_limits_reply, q->ret)) {
                q->code = RPC_E_MALFORMED;
                (void) strcpy(q->why, "malformed answer");
        }
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

/* False, with the question's why: there is no such socket, or none for us. */
static bool find_socket(const struct command_context *ctx, struct ctl_question *q,
                        char ret[CAPABILITY_PATH_SIZE]) {
        struct node node;
        uid_t owner;

        if (node_find(&ctx->common, &node) ||
            capability_path(node.runtime, q->target->capability, false, ret)) {
                (void) strcpy(q->why, "no usable runtime directory; give --runtime DIR");
                return false;
        }
        if (!node.is_runtime_named && runtime_check(node.runtime, &owner) == RUNTIME_FOREIGN) {
                (void) strcpy(q->why, quorate_code_text(QUORATE_E_FOREIGN));
                return false;
        }
        if (access(ret, W_OK) == 0)
                return true;
        (void) explain_missing(node.runtime, q->target->capability, errno, q->why);
        return false;
}

static struct link *connect_to(struct loop *loop, struct calling *c, const char *path) {
        const struct capability *cap = capability_find(c->question->target->capability);
        /* Where streams are served too a peer without its data socket is no peer. */
        const struct bus_client_options o = {
                .path = path,
                .service = "ctl",
                .data = cap && cap->type == CAPABILITY_STREAMS,
        };

        if (cap && cap->type == CAPABILITY_SEQPACKET)
                return seqpacket_connect(loop, path, &c->seqpacket) == 0
                               ? seqpacket_link(c->seqpacket)
                               : NULL;
        return bus_client_new(loop, &o, &c->bus) == 0 ? bus_client_link(c->bus) : NULL;
}

/* Done at once where that cannot be. */
static void begin(const struct command_context *ctx, struct loop *loop, struct calling *c) {
        struct ctl_question *q = c->question;
        const struct call_target *t = q->target;
        char path[CAPABILITY_PATH_SIZE];
        struct link *link;

        c->done = true;
        if (!find_socket(ctx, q, path))
                return;
        link = connect_to(loop, c, path);
        if (!link)
                return;
        c->done = false;
        c->rpc = rpc_client_new(link, t->service);
        (void) rpc_call(c->rpc, q->method, q->request, t->timeout ? t->timeout : TIMEOUT, on_done,
                        c);
}

static void end(struct calling *c) {
        rpc_client_free(c->rpc);
        seqpacket_free(c->seqpacket);
        bus_client_free(c->bus);
}

static bool are_done(const struct calling *list, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!list[i].done)
                        return false;
        return true;
}

void ctl_try_all(const struct command_context *ctx, struct ctl_question *questions, size_t n) {
        CLEANUP(freep) struct calling *list = xnew_n(struct calling, n);
        const struct call_target *first = questions[0].target;
        CLEANUP(loop_freep) struct loop *loop = NULL;
        bool has_loop = loop_new(&loop) == 0;
        nsec_t start;

        for (size_t i = 0; i < n; i++) {
                questions[i].code = RPC_E_INTERNAL;
                (void) strcpy(questions[i].why, has_loop ? "cannot connect" : "no event loop");
                list[i].question = &questions[i];
        }
        if (!has_loop)
                return;
        for (size_t i = 0; i < n; i++)
                begin(ctx, loop, &list[i]);
        start = loop_now(loop);
        while (!are_done(list, n) && loop_turn(loop, first->tick ? TICK : NSEC_NEVER) >= 0)
                if (first->tick)
                        first->tick(first->userdata, nsec_sub(loop_now(loop), start));
        for (size_t i = 0; i < n; i++)
                end(&list[i]);
}

int ctl_try(const struct command_context *ctx, const struct call_target *target, const char *method,
            const void *request, struct unpacked *ret, char why[256]) {
        struct ctl_question q = {
                .target = target, .method = method, .request = request, .ret = ret
        };

        ctl_try_all(ctx, &q, 1);
        if (q.code == RPC_OK)
                return 0;
        (void) strcpy(why, q.why);
        return -1;
}

int ctl_call(const struct command_context *ctx, const struct call_target *target,
             const char *method, const void *request, struct unpacked *ret) {
        struct ctl_question q = {
                .target = target, .method = method, .request = request, .ret = ret
        };

        ctl_try_all(ctx, &q, 1);
        if (q.code == RPC_OK)
                return EXIT_OK;
        return complain(ctx, q.code < 32 && target->usage >> q.code & 1 ? EXIT_USAGE : EXIT_OTHER,
                        "%s", q.why);
}
