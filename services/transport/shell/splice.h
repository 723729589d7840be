#pragma once

/* A libp2p stream joined to a channel of the bus: bytes both ways, credit end to
 * end. A channel's unit is given back when the QUIC stream took its bytes into
 * its budgeted queue; QUIC's window is extended when the channel took ours.
 * Frees itself when both are over. */

#include "common/base/budget.h"
#include "common/base/list.h"
#include "common/daemon/channel.h"
#include "services/transport/stream.h"

/* What the splices of one process share. */
struct splices {
        struct list all, dirty; /* dirty: less than a unit waits for the end of the turn */
        struct budget held;     /* bytes received and not yet taken by services */
        uint64_t bytes_in, bytes_out, n_open, n_over_budget;
};

void splices_init(struct splices *all, uint64_t held_max);
/* Resets what is left, both ways. */
void splices_done(struct splices *all);
/* End of a turn: sends what waits for more bytes. */
void splices_flush(struct splices *all);

struct splice;

/* Both are attached at once. The channel is one that we accept with `metadata`; false: it
 * was gone, and the stream has been abandoned. */
bool splice_accepting(struct splices *all, struct channel *c, struct stream *s,
                      struct bytes metadata);
/* A channel opened by us to the service: `open` makes it with the handler and userdata it
 * is given. False: the service is gone; nothing was attached. */
extern const struct channel_handler splice_channel_handler;
struct splice *splice_new(struct splices *all);
bool splice_opening(struct splice *p, struct channel *c, struct stream *s);
