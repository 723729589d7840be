#pragma once

/* transport/peers as a test uses it: one call after the other, each waited for. */

#include "common/daemon/bus.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "proto/transport.pb-c.h"

struct peers_client {
        struct loop *loop; /* the caller's */
        struct bus_client *bus;
        struct rpc_client *rpc;
        /* Of the latest call. */
        uint32_t code;
        char text[1024];
        void *reply; /* unpacked, or NULL */
        bool is_done;
};

void peers_client_init(struct peers_client *c, struct loop *loop, const char *path);
/* Another service's socket, asked in the same way. */
void peers_client_init_other(struct peers_client *c, struct loop *loop, const char *path,
                             const ProtobufCServiceDescriptor *service);
void peers_client_done(struct peers_client *c);

/* Returns the reply, which lives until the next call, or NULL: see code and text. */
const void *peers_call(struct peers_client *c, const char *method, const void *message,
                       nsec_t timeout);
