#include "common/daemon/rpc.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/rpc_body.h"
#include "proto/bus.pb-c.h"

static const char *const texts[] = {
        [RPC_E_TIMEOUT - RPC_E_TIMEOUT] = "timed out",
        [RPC_E_GONE - RPC_E_TIMEOUT] = "the service ended or restarted",
        [RPC_E_BUSY - RPC_E_TIMEOUT] = "too many calls outstanding",
        [RPC_E_UNKNOWN_METHOD - RPC_E_TIMEOUT] = "unknown method",
        [RPC_E_MALFORMED - RPC_E_TIMEOUT] = "malformed message",
        [RPC_E_QUOTA - RPC_E_TIMEOUT] = "message over the limits",
        [RPC_E_EXPIRED - RPC_E_TIMEOUT] = "the answer is no longer kept",
        [RPC_E_CANCELLED - RPC_E_TIMEOUT] = "cancelled",
        [RPC_E_INTERNAL - RPC_E_TIMEOUT] = "internal fault, see the service's log",
};

const char *rpc_status_text(uint32_t code, char ret[32]) {
        if (code == RPC_OK)
                return "success";
        if (code >= RPC_E_TIMEOUT && code - RPC_E_TIMEOUT < ELEMENTSOF(texts))
                return texts[code - RPC_E_TIMEOUT];
        (void) snprintf(ret, 32, "answer %u", code);
        return ret;
}

struct refbuf *rpc_pack(const void *message) {
        const ProtobufCMessage *m = message;
        struct refbuf *b = refbuf_alloc(protobuf_c_message_get_packed_size(m));

        check(protobuf_c_message_pack(m, b->data) == b->len);
        return b;
}

static uint64_t n_dropped;

int rpc_event(struct link *to, const char *name, const void *message, unsigned flags) {
        CLEANUP(refbuf_unrefp) struct refbuf *body = rpc_pack(message);
        Bus__Header header = BUS__HEADER__INIT;
        struct frame f = { .header = &header, .body = refbuf_bytes(body), .refbuf = body };
        int r;

        header.kind = BUS__KIND__EVENT;
        header.name = (char *) name;
        r = link_send(to, &f, /* data= */ false);
        if (r == LINK_E_FULL && flags & RPC_EVENT_MUST)
                link_end(to, "does not read its events");
        else if (r == LINK_E_FULL)
                n_dropped++;
        return r < 0 ? error_fold(r) : r;
}

uint64_t rpc_events_dropped(void) {
        return n_dropped;
}
