#pragma once

/* multistream-select 1.0 (libp2p/specs, connections/README.md) for one stream:
 * which protocol do its bytes belong to?
 *
 * Pure. Bytes come in through select_input(), bytes to send are put into a
 * buffer; what follows the agreement is left in the input. Messages have at
 * most 1,024 bytes, a responder hears at most 16 proposals. `ls` is answered
 * like a protocol we do not speak. Owns nothing but an incomplete message. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/wire/frame.h"

#define SELECT_MESSAGE_MAX   1024 /* with its newline */
#define SELECT_NAME_MAX      140  /* longest protocol id that we serve or propose */
#define SELECT_NAME_SIZE     (SELECT_NAME_MAX + 1)
#define SELECT_PROPOSALS_MAX 16

enum select_result {
        SELECT_MORE = 0,  /* all input taken, not decided yet */
        SELECT_AGREED,    /* select_protocol() says on what; the rest of the input is its */
        SELECT_E_NONE,    /* the other side speaks none of our proposals */
        SELECT_E_INVALID, /* not multistream-select, or beyond the limits: reset the stream */
};

/* Does this node serve that protocol? The name has no newline. */
typedef bool (*select_serves_fn)(void *userdata, struct bytes name);

struct select {
        struct frame_reader reader;
        select_serves_fn serves; /* responder only */
        void *userdata;
        const char *const *proposals; /* initiator only */
        size_t n_proposals, n_tried;
        bool optimistic, greeted;
        int outcome; /* enum select_result, sticky */
        char name[SELECT_NAME_SIZE];
};

/* Both put the first flight into `out`: the initiator's carries the first
 * proposal. `proposals` must outlive the negotiation, each fits
 * SELECT_NAME_MAX, n > 0.
 *
 * optimistic: the caller sends application bytes behind that flight before any
 * answer, because the peer announced the protocol. A refusal is then final.
 * It must not send FIN before select_input() said AGREED (js-libp2p 3.3 loses it). */
void select_init_initiator(struct select *s, const char *const *proposals, size_t n,
                           bool optimistic, struct buffer *out);
void select_init_responder(struct select *s, select_serves_fn serves, void *userdata,
                           struct buffer *out);
void select_done(struct select *s);

/* Takes bytes off the front of *in. Returns enum select_result; after anything
 * but MORE, the same again without touching *in. */
int select_input(struct select *s, struct bytes *in, struct buffer *out);

/* Once agreed; "" before. Lives as long as s. */
const char *select_protocol(const struct select *s);
/* What would have to be charged: bytes of an incomplete message. */
size_t select_held(const struct select *s);
