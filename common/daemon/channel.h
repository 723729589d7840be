#pragma once

/* Streams multiplexed over a bus link, flow-controlled by credit end to end.
 * Control (open, accept, reset) and data travel on separate sockets, so a reset
 * overtakes data, and data may come before `on_accepted`.
 *
 * A unit is one message of at most 64 KiB; a shorter one costs a whole unit, so
 * senders coalesce. At most 256 units are outstanding per link and direction;
 * n streams that send at once have at most 256/(n+1) each, and none more than are
 * still free, so that a lone one gets 128 and the next is not shut out. A unit is outstanding until
 * the receiver calls channel_consumed(), which it does when it took the bytes over into a budgeted
 * buffer of its own, and that has been told: the last CHANNEL_KEPT - 1 at most are not, as long
 * as no more are out, since no sender waits for them.
 *
 * A stream ends by finish in both directions, by a reset of either side, or with
 * the peer; then on_end is called once (never inside a channel_ call) and the
 * stream is freed after it: forget the pointer there. */

#include "common/base/bytes.h"
#include "common/base/refbuf.h"
#include "common/daemon/link.h"

#define CHANNEL_UNIT  LINK_DATA_MAX
#define CHANNEL_UNITS 256
#define CHANNEL_KEPT  16

struct channel;

enum channel_result {
        CHANNEL_OK = 0,
        CHANNEL_E_FULL,  /* no credit: nothing was sent; on_writable will follow */
        CHANNEL_E_ENDED, /* finished by us, not accepted yet, reset, or peer gone */
};

struct channel_handler {
        /* The opener's side: the peer accepted; from now on it may be written. */
        void (*on_accepted)(struct channel *c, void *userdata, struct bytes metadata);
        /* One unit; `data` is valid during the call. Answer it with channel_consumed(),
         * at once or later. */
        void (*on_data)(struct channel *c, void *userdata, struct bytes data);
        /* After CHANNEL_E_FULL: there is credit again. May be NULL. */
        void (*on_writable)(struct channel *c, void *userdata);
        /* The peer sends no more. May be NULL. */
        void (*on_finish)(struct channel *c, void *userdata);
        /* code 0: finished both ways; else why it was reset (`text` untrusted), RPC_E_GONE
         * when the peer is gone. Not called after channel_reset() by us. */
        void (*on_end)(struct channel *c, void *userdata, uint32_t code, const char *text);
};

/* Decides on streams the peer opens: channel_accept() or channel_reset(), now or
 * later, exactly one of them. `name` and `metadata` are valid during the call. When
 * the peer withdrew meanwhile, accepting answers CHANNEL_E_ENDED and frees c. */
struct channel_acceptor {
        void (*on_open)(struct channel *c, void *userdata, const char *name, struct bytes metadata);
        void *userdata;
        unsigned max_streams; /* per link; 0: 4096. More are reset with RPC_E_QUOTA */
};

/* The link must be up and have a data path; else NULL. */
struct channel *channel_open(struct link *link, const char *name, struct bytes metadata,
                             const struct channel_handler *handler, void *userdata);
/* Metadata from a protobuf message. */
struct channel *channel_open_message(struct link *link, const char *name, const void *message,
                                     const struct channel_handler *handler, void *userdata);
/* Returns enum channel_result; on any but CHANNEL_OK c is freed. */
int channel_accept(struct channel *c, struct bytes metadata, const struct channel_handler *handler,
                   void *userdata);

/* All or nothing, at most CHANNEL_UNIT bytes (checked), at least one. Returns enum channel_result.
 */
int channel_send(struct channel *c, struct bytes data); /* copied */
int channel_send_refbuf(struct channel *c, struct refbuf *b, size_t offset,
                        size_t len); /* shared */
bool channel_is_writable(const struct channel *c);
int channel_finish(struct channel *c); /* no more data from us; enum channel_result */
/* Ends it at once both ways; c is freed, no callback follows. */
void channel_reset(struct channel *c, uint32_t code, const char *text);

/* `units` on_data calls of this stream were taken over. */
void channel_consumed(struct channel *c, unsigned units);

struct link *channel_link(const struct channel *c);
void *channel_userdata(const struct channel *c);
void channel_set_userdata(struct channel *c, void *userdata);

struct channel_stats {
        uint64_t sent, received;          /* units */
        uint64_t outstanding, unconsumed; /* units not credited, over all streams */
        uint64_t streams, late;           /* frames for streams already ended */
};
void channel_link_stats(const struct link *link, struct channel_stats *ret);

/* For bus.c: the multiplexer of one link. */
struct channels;
struct channels *channels_new(struct link *link, struct channel_acceptor *acceptor);
struct channels *channels_free(struct channels *c);
