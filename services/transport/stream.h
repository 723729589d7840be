#pragma once

/* A bidirectional byte stream to one authenticated peer, whatever carries it: a
 * QUIC stream now, a yamux stream inside a relayed connection later. Protocols
 * are written against this header alone.
 *
 * Handlers run inside the transport's input. They may call every function here
 * and those of connection.h, but nothing of quic.h that takes `now`.
 *
 * Never wait for the peer's FIN to call an exchange complete, and send no FIN
 * in the flight that proposes a protocol (js-libp2p 3.3.11 loses it): finish
 * after the first reply. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/refbuf.h"
#include "common/wire/peerid.h"

#define STREAM_WRITE_MAX (256 * 1024)

struct stream;

enum stream_result {
        STREAM_OK = 0,
        STREAM_E_FULL,   /* nothing was taken; on_writable follows when there is room */
        STREAM_E_CLOSED, /* finished, reset, or the peer wants no more; nothing was taken */
};

enum stream_end {
        STREAM_END_CLEAN = 0, /* both directions finished and acknowledged */
        STREAM_END_RESET,     /* one side gave up */
        STREAM_END_LOST,      /* the connection is gone */
};

/* Any may be NULL. Without on_data, bytes are consumed and dropped. */
struct stream_handler {
        /* The stream was given to this handler: stream_attach() or connection_open_stream(). */
        void (*on_open)(struct stream *s);
        /* In order, never empty, valid during the call. Give each byte back with
         * stream_consumed() once it is taken over; until then it counts against the peer. */
        void (*on_data)(struct stream *s, struct bytes data);
        /* No more data; our direction stays open. */
        void (*on_fin)(struct stream *s);
        /* The peer aborted its direction; no more data, no on_fin. */
        void (*on_reset)(struct stream *s, uint64_t code);
        /* The peer wants nothing more from us, as found out when more was to be sent; writes
         * answer STREAM_E_CLOSED from now on. QUIC does not tell the code: 0. */
        void (*on_stop)(struct stream *s, uint64_t code);
        /* After STREAM_E_FULL (or a write that left less than half of the room): there is
         * room again. May come once more than needed. */
        void (*on_writable)(struct stream *s);
        /* Always the last call, exactly once; the stream is gone after it. */
        void (*on_close)(struct stream *s, enum stream_end end);
};

/* What a transport implements; users call the functions below. */
struct stream_ops {
        /* b NULL: asked only to be told when there is room; STREAM_E_FULL or _CLOSED. */
        int (*write)(struct stream *s, struct refbuf *b);
        size_t (*room)(const struct stream *s);
        void (*finish)(struct stream *s);
        void (*reset)(struct stream *s, uint64_t code);
        void (*stop)(struct stream *s, uint64_t code);
        void (*consumed)(struct stream *s, size_t n);
};

/* Embedded first in the transport's own stream. */
struct stream {
        const struct stream_ops *ops;
        const struct stream_handler *handler; /* NULL: incoming bytes are dropped */
        void *userdata;                       /* of the handler */
        void *connection;                     /* struct connection *, or the relay's own */
        struct peer_id peer;                  /* authenticated */
        uint64_t id;
        bool is_inbound; /* opened by the peer */
        bool is_limited; /* relayed: short and few bytes only */
        /* For the connection manager's accounting, whoever handles the stream: the very last
         * call, behind on_close. */
        void (*on_gone)(struct stream *s);
        void *tag;
};

/* Hands the stream to another handler, as protocol negotiation does, and calls its
 * on_open. Bytes that the old one had not consumed are the new one's to consume. */
void stream_attach(struct stream *s, const struct stream_handler *handler, void *userdata);
/* Nobody listens any more: resets unless it ended already. The userdata may go away. */
void stream_abandon(struct stream *s, uint64_t code);

/* Both answer enum stream_result. One write has at most STREAM_WRITE_MAX bytes and is
 * taken whole or not at all. The first copies; the second takes a reference
 * of its own, and the contents must never change. */
int stream_write(struct stream *s, struct bytes data);
int stream_write_refbuf(struct stream *s, struct refbuf *b);
size_t stream_room(const struct stream *s); /* bytes that a write takes now */

void stream_finish(struct stream *s);               /* FIN behind what is queued; once */
void stream_reset(struct stream *s, uint64_t code); /* both directions; libp2p uses code 0 */
void stream_stop(struct stream *s, uint64_t code);  /* asks the peer to send no more */
void stream_consumed(struct stream *s, size_t n);

/* For transports: hands bytes to the handler, or consumes them when there is none. */
void stream_deliver(struct stream *s, struct bytes data);
