#pragma once

/* What the dht wants done, as plain values. The shell (or the simulator) pulls
 * them with dht_output() and carries them out in that order. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/refbuf.h"
#include "services/dht/contact.h"

enum dht_action_type {
        DHT_NONE = 0,

        /* One request on a stream of its own: open, send data, (wait for one frame), close.
         * Answered by dht_answered() or dht_failed(). */
        DHT_ASK,    /* id; contact; protocol; data: the message, without its length;
                       n = 1: an answer is expected, 0: sent is enough */
        DHT_FORGET, /* id of a DHT_ASK that is no longer wanted; no answer follows */

        DHT_ANSWER, /* id of a dht_request(); data: the answer, or NULL: close without one */
        DHT_REFUSE, /* id of a dht_request(): reset the stream */

        /* Dial and authenticate, nothing more. Answered by dht_connected(). */
        DHT_CONNECT, /* id; contact (peer may be none: whoever is there) */

        /* keyring/dht. Answered by dht_signed() or dht_sign_failed(). */
        DHT_SIGN, /* id; data: the fields, a packed keyring.SignRecordRequest */

        DHT_SERVE,  /* n = 1: register the protocols (server mode), 0: unregister */
        DHT_RESULT, /* id = call; result (dht.h) */
        DHT_DONE,   /* id = call: no more results; n = enum dht_code */
        DHT_EVENT,  /* for log and metrics */
        _DHT_ACTION_N,
};

enum dht_protocol { DHT_PROTOCOL_KAD = 0, DHT_PROTOCOL_RECORD, _DHT_PROTOCOL_N };
extern const char *const dht_protocol_names[_DHT_PROTOCOL_N]; /* of the default network */

struct dht_result; /* dht.h */

struct dht_event {
        const char *name, *text; /* static; foreign text never stands here */
        struct peer_id peer;
        uint64_t value;
        bool is_warning;
};

struct dht_action {
        enum dht_action_type type;
        enum dht_protocol protocol;
        uint64_t id, n;
        struct contact contact;    /* owned */
        struct refbuf *data;       /* owned, or NULL */
        struct dht_result *result; /* owned, or NULL */
        struct dht_event event;
        /* For accounts (simulator): of a DHT_ASK for which call it is, 0: the node's own upkeep,
         * and whether that upkeep is of records; of a DHT_DONE the hops to the nearest. */
        uint64_t call;
        bool is_for_records;
        unsigned hops;
        unsigned copies, asked; /* of a DHT_DONE: nodes that took what was stored, and were asked
                                 * to; of a look-up alone, nodes that answered it */
};

void dht_action_done(struct dht_action *a); /* harmless on an empty one */
static inline void dht_action_donep(struct dht_action *a) {
        dht_action_done(a);
}
