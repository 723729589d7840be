#pragma once

/* One stream of /quorate/job/1 as messages: length-prefixed grid.JobMessages in,
 * and out in units as far as the window goes. What is kept in either direction is
 * charged to a budget first. Pure: what is to be sent becomes actions. */

#include <stdbool.h>

#include "common/base/budget.h"
#include "common/base/bytes.h"
#include "common/wire/frame.h"
#include "proto/grid.pb-c.h"
#include "services/coordinator/action.h"

#define LANE_FRAME_MAX (2u << 20)  /* without a batch */
#define LANE_BATCH_MAX (17u << 20) /* with one */

enum lane_result {
        LANE_OK = 0,
        LANE_E_MALFORMED, /* not frames, or not a JobMessage: reset the stream */
        LANE_E_QUOTA,     /* over the budget: nothing was kept or sent */
        LANE_E_ENDED,     /* the callback ended the lane */
};

struct lane {
        uint64_t id;
        struct actions *actions;
        struct budget *budget;
        struct frame_reader in;
        struct buffer out;
        size_t out_given; /* bytes of `out` already in actions */
        uint32_t window;
        uint64_t charged_in, charged_out;
        bool is_ended, finish_wanted;
        bool is_held; /* what comes in waits unread, its credit is kept back */
        bool is_feeding;
        uint32_t owed;
        struct buffer backlog; /* came while held */
};

/* frame_max: of what comes in. actions and budget must outlive the lane. */
void lane_init(struct lane *l, struct actions *actions, uint64_t id, uint32_t window,
               size_t frame_max, struct budget *budget);
void lane_done(struct lane *l); /* gives everything back; says nothing to the peer */

/* One unit. fn sees each whole message; false from it ends the feeding, and the
 * lane (or all around it) may have been freed by then. Returns enum lane_result. */
typedef bool (*lane_message_fn)(void *userdata, const Grid__JobMessage *message);
int lane_feed(struct lane *l, struct bytes data, lane_message_fn fn, void *userdata);

/* While held, also from inside the callback, no message is read: a few compressed
 * units may be a hundred times as many rows. The peer gets no further credit, so
 * the rest waits at its side. After the hold, feed nothing to go on. */
void lane_hold(struct lane *l, bool held);
static inline bool lane_has_backlog(const struct lane *l) {
        return l->backlog.len > 0;
}

/* LANE_OK or LANE_E_QUOTA. */
int lane_send(struct lane *l, const Grid__JobMessage *message);
size_t lane_queued(const struct lane *l); /* bytes waiting for the window */
void lane_window(struct lane *l, uint32_t units);
void lane_finish(struct lane *l); /* once everything queued has gone */
void lane_reset(struct lane *l);  /* at once; nothing more is sent */
