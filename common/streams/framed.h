#pragma once

/* A libp2p stream that carries frames (common/wire/frame.h), over a channel of
 * transport/streams. What is sent waits in a queue until the channel takes it;
 * the queue is the caller's to bound: framed_queued() tells. What arrives is
 * credited when the handler returns. What lies here of frames that are not whole,
 * and of answers that an asker does not read, is charged to its place (places.h):
 * who holds too much, or for too long, is reset, and on_end() tells. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/base/refbuf.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

struct channel;
struct framed;
struct link;
struct loop;
struct places;
struct place_stream;

/* Where the peer is, as this node's own handshake validated it. */
struct framed_remote {
        struct peer_id peer;
        struct multiaddr address; /* none: relayed */
        bool is_relayed;
        nsec_t rtt;
};

struct framed_handler {
        /* Outbound: the stream stands. protocol is valid during the call. May be NULL. */
        void (*on_open)(struct framed *f, void *userdata, const char *protocol,
                        const struct framed_remote *remote);
        /* One frame; valid during the call. May reset f. */
        void (*on_frame)(struct framed *f, void *userdata, struct bytes frame);
        /* The queue got shorter. May be NULL. */
        void (*on_sent)(struct framed *f, void *userdata);
        /* The peer sends no more. May be NULL. */
        void (*on_finish)(struct framed *f, void *userdata);
        /* Over: finished both ways (code 0), reset, lost, never opened, or a frame that is
         * malformed or above the cap. f is freed after it. Not called after framed_reset(). */
        void (*on_end)(struct framed *f, void *userdata, uint32_t code, const char *text);
};

struct framed_open {
        struct peer_id peer;
        const struct multiaddr *addresses; /* beside those transport knows */
        size_t n_addresses;
        bool is_told;                 /* by strangers: transport is careful with them */
        const char *const *protocols; /* wanted, best first */
        size_t n_protocols;
        size_t frame_max; /* larger ones end the stream; 0: nothing is read, what comes is lost */
        nsec_t timeout;   /* dial and negotiation */
        bool is_idle;     /* while nothing moves on it, it keeps no connection alive */
};
#define FRAMED_PROTOCOLS_MAX 8
#define FRAMED_ADDRESSES_MAX 8

/* Where a service's streams are counted: places.h. */
struct framed_home {
        struct loop *loop;
        struct places *places;
};

/* NULL: transport is not there now; no callback follows. */
struct framed *framed_open(const struct framed_home *home, struct link *transport,
                           const struct framed_open *o, const struct framed_handler *handler,
                           void *userdata);
/* An inbound channel, to be accepted with this. NULL: it was withdrawn meanwhile. */
struct framed *framed_accept(const struct framed_home *home, struct channel *c,
                             const struct place_stream *as, size_t frame_max,
                             const struct framed_handler *handler, void *userdata);
/* For the home's struct places_events.on_lost and timer. */
struct place;
void framed_lost(struct place *p);
void framed_end_lost(struct place *p);

/* With its length in front; copied. A peer that leaves too much of it unread loses the stream. */
void framed_send(struct framed *f, struct bytes frame);
size_t framed_queued(const struct framed *f); /* bytes not yet taken by the channel */
void framed_finish(struct framed *f);         /* when the queue is empty */
/* So many bytes that came on it the caller still has; charged to the peer as its frames are. False:
 * too many, nothing changed. */
bool framed_keep(struct framed *f, size_t n);
/* At once; freed, no callback follows. */
void framed_reset(struct framed *f, uint32_t code, const char *text);
/* Nobody listens any more: what is queued still goes, what comes is thrown away, it ends when
 * both sides have finished, or after 10 s. The caller has called framed_finish(). */
void framed_detach(struct framed *f);
const struct framed_handler *framed_handler_of(const struct framed *f);
void *framed_userdata(const struct framed *f);
