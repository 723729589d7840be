#pragma once

/* What a router counts; their names stand in pubsub.c in the same order. */

enum router_counter {
        COUNT_RPCS,
        COUNT_RPC_INVALID,
        COUNT_RPC_OVER_BUDGET,
        COUNT_RECEIVED, /* messages, copies included */
        COUNT_DUPLICATES,
        COUNT_DELIVERED, /* first copies given to the validator */
        COUNT_ACCEPTED,
        COUNT_REJECTED,
        COUNT_IGNORED,
        COUNT_BAD_SIGNATURE,
        COUNT_SIGNATURES, /* checks made */
        COUNT_SIGNATURE_BUDGET,
        COUNT_UNKNOWN_TOPIC,
        COUNT_FORWARDED,
        COUNT_PUBLISHED,
        COUNT_IHAVE_SENT,
        COUNT_IHAVE_RECEIVED,
        COUNT_IHAVE_FLOOD,
        COUNT_IWANT_SENT,
        COUNT_IWANT_SERVED,
        COUNT_IWANT_DELIVERED, /* messages that came because we asked */
        COUNT_BROKEN_PROMISES,
        COUNT_IDONTWANT_SENT,
        COUNT_IDONTWANT_HONOURED,
        COUNT_GRAFTS,
        COUNT_PRUNES,
        COUNT_GRAFT_BACKOFF, /* refused: asked in back-off */
        COUNT_PX_CONNECTS,
        COUNT_GRAYLISTED, /* RPCs dropped */
        COUNT_QUEUE_DROPS,
        COUNT_STUCK, /* peers let go of: not even control fitted */
        COUNT_PENDING_DROPS,
        COUNT_TOPICS_REFUSED,
        _COUNT_N,
};
