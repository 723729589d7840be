/* Sockets of a service by capability name. */

#include "common/daemon/bus.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"

static int take_listener(const char *name, const char *suffix) {
        CLEANUP(freep) char *full = xasprintf("%s%s", name, suffix);
        int fd = listen_take(full);

        if (fd < 0)
                log_error("no listening socket \"%s\" was handed down; "
                          "start this service by its systemd socket or by \"quorate run\"",
                          full);
        return fd;
}

static int path_of(const struct service_context *ctx, const char *name,
                   char ret[CAPABILITY_PATH_SIZE]) {
        if (capability_path(ctx->runtime, name, /* data= */ true, ret) ||
            capability_path(ctx->runtime, name, /* data= */ false, ret)) {
                log_error("%s/%s.data: too long for a socket path, choose a shorter --runtime",
                          ctx->runtime, name);
                return error_origin(-ENAMETOOLONG);
        }
        return 0;
}

int bus_serve(struct service_context *ctx, const char *name, struct rpc_server *rpc,
              struct channel_acceptor *acceptor, struct bus_server **ret) {
        const struct capability *c = capability_find(name);
        /* The sockets of people are made 0600, or for a group of many uids whose supplementary
         * groups SO_PEERCRED does not tell: the kernel has looked at the file. */
        const struct link_policy policy = { .by_file = capability_may_use("ctl", name),
                                            .capability = c ? c->name : NULL };
        char path[CAPABILITY_PATH_SIZE];
        struct bus_server_options o = { .path = path,
                                        .policy = &policy,
                                        .fd = -1,
                                        .data_fd = -1,
                                        .service = ctx->name,
                                        .rpc = rpc,
                                        .acceptor = acceptor };
        int r;

        check(c && capability_is_of(c, ctx->name) && c->type != CAPABILITY_SEQPACKET);
        r = path_of(ctx, name, path);
        if (r < 0)
                return r;
        o.fd = take_listener(name, "");
        if (o.fd >= 0 && c->type == CAPABILITY_STREAMS)
                o.data_fd = take_listener(name, ".data");
        if (o.fd < 0 || (c->type == CAPABILITY_STREAMS && o.data_fd < 0)) {
                fd_close(o.fd);
                return error_origin(-ENOTCONN);
        }
        return bus_server_new(ctx->loop, &o, ret);
}

int bus_connect(struct service_context *ctx, const char *name, struct channel_acceptor *acceptor,
                struct bus_client **ret) {
        const struct capability *c = capability_find(name);
        char path[CAPABILITY_PATH_SIZE];
        struct bus_client_options o = { .path = path, .service = ctx->name, .acceptor = acceptor };
        int r;

        check(c && capability_may_use(ctx->name, name) && c->type != CAPABILITY_SEQPACKET);
        o.data = c->type == CAPABILITY_STREAMS;
        r = path_of(ctx, name, path);
        return r < 0 ? r : bus_client_new(ctx->loop, &o, ret);
}
