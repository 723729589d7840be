#pragma once

/* What transport puts on the wire for what the cores ask of it, in bytes of UDP payload.
 * tests/integration/transport/test_costs.c measures each on two real nodes and fails when one is
 * more than 15 % off. "Both directions" is what the two nodes send together: each of them pays
 * all of it, as sent or as received.
 *
 * Measured over loopback, where packets are as large as on any path of 1,500 bytes (1,200, and
 * 1,444 once a connection has sent 64 KiB and looked for more: 5.7 KB, left out here). With
 * 50 ms round trips the same comes out within 10 %. Loss, and what is sent again for it, is on
 * top. */

/* QUIC and TLS, identify both ways with a signed peer record and the protocols of a whole node:
 * sent by the dialler, by the listener. */
#define SIM_COST_HANDSHAKE_OUT 3160
#define SIM_COST_HANDSHAKE_IN  2000

/* A dial that nobody answers, until it is given up. */
#define SIM_COST_DIAL_DEAD 3600

/* A question and its answer on a stream of their own: both directions, without the two messages. */
#define SIM_COST_REQUEST 400

/* A stream that stays open, as gossip has one to each peer: both directions. */
#define SIM_COST_STREAM_OPEN 178

/* One small message on it: both directions, without the message. */
#define SIM_COST_MESSAGE 74

/* Large messages: beside the above, for each 1,000 bytes of message, both directions. */
#define SIM_COST_BYTE_PERMILLE 26

/* A sign of life and its acknowledgement, both directions; after this long without a packet, on
 * connections that are needed: kept peers, open streams of services but gossip's. */
#define SIM_COST_KEEPALIVE     70
#define SIM_KEEPALIVE_INTERVAL (10 * NSEC_PER_SEC)

/* Closing on purpose, both directions. Connections that nobody needs end without a word. */
#define SIM_COST_CLOSE   30
#define SIM_IDLE_TIMEOUT (30 * NSEC_PER_SEC)
