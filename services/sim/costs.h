#pragma once

/* What the transport model charges, in bytes of UDP payload. Placeholders until they are
 * measured on the real transport. */

#define SIM_COST_HANDSHAKE_OUT 3000 /* what who dials sends, identify both ways included */
#define SIM_COST_HANDSHAKE_IN  3500 /* what who listens sends */
#define SIM_COST_REQUEST       220  /* of one request and its answer, beside the two messages */
#define SIM_COST_STREAM_OPEN   160  /* negotiation of a stream that stays open */
#define SIM_COST_MESSAGE       60   /* of one message on an open stream, its share of acks */
#define SIM_COST_KEEPALIVE     80   /* a sign of life and its acknowledgement */
#define SIM_COST_BYTE_PERMILLE 40   /* of each payload byte: headers of the packets it fills */
