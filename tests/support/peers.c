#include "tests/support/peers.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"

void peers_client_init_other(struct peers_client *c, struct loop *loop, const char *path,
                             const ProtobufCServiceDescriptor *service) {
        const struct bus_client_options options = { .path = path, .service = "test" };

        *c = (struct peers_client){ .loop = loop };
        check(bus_client_new(loop, &options, &c->bus) == 0);
        c->rpc = rpc_client_new(bus_client_link(c->bus), service);
}

void peers_client_init(struct peers_client *c, struct loop *loop, const char *path) {
        peers_client_init_other(c, loop, path, &transport__peers__descriptor);
}

static void forget_reply(struct peers_client *c) {
        if (c->reply)
                protobuf_c_message_free_unpacked(c->reply, NULL);
        c->reply = NULL;
}

void peers_client_done(struct peers_client *c) {
        forget_reply(c);
        rpc_client_free(c->rpc);
        bus_client_free(c->bus);
}

/* A copy, since the message lives only as long as the callback. */
static void *copy_message(const ProtobufCMessage *m) {
        size_t size = protobuf_c_message_get_packed_size(m);
        CLEANUP(freep) uint8_t *packed = xmalloc(size + 1);

        (void) protobuf_c_message_pack(m, packed);
        return protobuf_c_message_unpack(m->descriptor, NULL, size, packed);
}

static void on_done(void *userdata, const struct rpc_result *result) {
        struct peers_client *c = userdata;

        c->is_done = true;
        c->code = result->code;
        (void) snprintf(c->text, sizeof(c->text), "%s", result->text);
        if (result->code == RPC_OK)
                c->reply = copy_message(result->message);
}

const void *peers_call(struct peers_client *c, const char *method, const void *message,
                       nsec_t timeout) {
        forget_reply(c);
        c->is_done = false;
        (void) rpc_call(c->rpc, method, message, timeout, on_done, c);
        while (!c->is_done)
                check(loop_turn(c->loop, NSEC_PER_SEC) >= 0);
        return c->reply;
}
