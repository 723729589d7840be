#pragma once

/* What waits for credit on one channel. The core was given a window of
 * OUTBOX_WINDOW units; each that really left is given back to it. Shell. */

#include "common/base/refbuf.h"
#include "common/daemon/channel.h"

#define OUTBOX_WINDOW 16

struct outbox {
        struct refbuf *units[OUTBOX_WINDOW];
        size_t first, n;
        bool finish_wanted;
};

void outbox_done(struct outbox *o);
/* Takes the reference over. False: more than the window, which is a bug of the core. */
bool outbox_put(struct outbox *o, struct refbuf *unit);
/* Sends what credit allows; returns how many units left. Finishes the channel when
 * everything has gone and that was wanted. c NULL: nothing happens. */
size_t outbox_flush(struct outbox *o, struct channel *c);
