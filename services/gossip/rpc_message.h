#pragma once

/* GossipSub RPCs as bytes (proto/libp2p/gossipsub.proto). Writing: fields are put
 * one behind the other, since protobuf merges them; what goes to a peer in one
 * turn becomes one RPC, or several below RPC_OWN_MAX. Reading: bounded, and
 * messages stay the bytes they came in. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/refbuf.h"
#include "common/wire/unpack.h"
#include "proto/libp2p/gossipsub.pb-c.h"
#include "services/gossip/cache.h"

#define RPC_OWN_MAX   (60 * 1024)                 /* of ours, but for one message that is larger */
#define PUBSUB_PREFIX BYTES_LIT("libp2p-pubsub:") /* before the signed bytes */
#define SEQNO_SIZE    8

/* What is being written to one peer. Hundreds of peers have two, of which few are in use at a time:
 * that takes its memory while something is in it. */
struct rpc_writer {
        struct rpc_written *written; /* NULL: nothing */
};
void rpc_writer_init(struct rpc_writer *w);
void rpc_writer_done(struct rpc_writer *w);
size_t rpc_writer_size(const struct rpc_writer *w);

void rpc_put_subscription(struct rpc_writer *w, const char *topic, bool subscribe);
void rpc_put_message(struct rpc_writer *w, struct bytes raw);
void rpc_put_ihave(struct rpc_writer *w, const char *topic, const struct message_id *ids, size_t n);
void rpc_put_iwant(struct rpc_writer *w, const struct message_id *ids, size_t n);
void rpc_put_idontwant(struct rpc_writer *w, const struct message_id *ids, size_t n);
void rpc_put_graft(struct rpc_writer *w, const char *topic);
/* A peer to exchange: its id, and its signed record or nothing. */
struct rpc_peer {
        struct bytes peer, record;
};
void rpc_put_prune(struct rpc_writer *w, const char *topic, const struct rpc_peer *peers, size_t n,
                   uint64_t backoff_s);
/* The next RPC, without length, at most RPC_OWN_MAX bytes but for one message that is larger. NULL:
 * nothing is left. */
struct refbuf *rpc_take(struct rpc_writer *w);

/* Another's. Release with unpacked_done(); the message is a Gossipsub__RPC. False: malformed
 * or over the limits. */
bool rpc_read(struct bytes in, struct unpacked *ret);

/* ---- Messages ---- */

/* Views into the raw bytes of a message. */
struct pubsub_message {
        struct bytes from, data, seqno, topic, signature, key;
        struct peer_id author;
        uint64_t sequence;
};
enum message_result {
        MESSAGE_OK = 0,
        MESSAGE_E_INVALID,  /* not a message */
        MESSAGE_E_UNSIGNED, /* StrictSign: author, sequence number and signature are needed */
        MESSAGE_E_AUTHOR,   /* not an Ed25519 peer, or the key is another's */
        MESSAGE_E_TOO_BIG,
};
/* Structure only, no signature check. Returns enum message_result. */
int message_read(struct bytes raw, struct pubsub_message *ret);
/* Appends what is signed: prefix and the fields as sent but signature and key; with_key: as
 * js-libp2p's reading of the specification had it, only the signature is left out. False:
 * malformed. */
bool message_put_signed(struct buffer *b, struct bytes raw, bool with_key);
/* The fields of a message of ours before it is signed, in the order of their numbers. */
void message_put(struct buffer *b, const struct peer_id *author, struct bytes data,
                 uint64_t sequence, const char *topic);
void message_put_signature(struct buffer *b, struct bytes signature);
