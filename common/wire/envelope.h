#pragma once

/* Signed envelopes (libp2p RFC 0002) and peer records (RFC 0003, with the domain
 * and payload type that deployed peers use). Pure.
 *
 * The signature covers varint-prefixed domain, payload type and payload. It is
 * checked before the payload is looked into. Ed25519 signers only. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "common/wire/unpack.h"

#define ENVELOPE_MAX          (16 * 1024)
#define PEER_RECORD_ADDRS_MAX 32

#define PEER_RECORD_DOMAIN    BYTES_LIT("libp2p-peer-record")
#define PEER_RECORD_TYPE      BYTES_LIT("\x03\x01")
#define RESERVATION_DOMAIN    BYTES_LIT("libp2p-relay-rsvp")
#define RESERVATION_TYPE      BYTES_LIT("\x03\x02")

enum envelope_result {
        ENVELOPE_OK = 0,
        ENVELOPE_E_INVALID,   /* not an envelope, or too long */
        ENVELOPE_E_TYPE,      /* another payload type than asked for */
        ENVELOPE_E_KEY,       /* signer's key is not Ed25519 */
        ENVELOPE_E_SIGNATURE, /* does not verify */
        ENVELOPE_E_PAYLOAD,   /* signed, but the record inside is malformed or another peer's */
};

/* One Ed25519 check: charge the sender before. Keep the bytes you were sent if
 * they are to be forwarded. */
struct envelope {
        struct unpacked unpacked;
        struct peer_id signer;
        struct sign_public key;
        struct bytes payload; /* view, as long as unpacked */
};

/* Returns enum envelope_result; release with envelope_done(). */
int envelope_open(struct bytes in, struct bytes domain, struct bytes type, struct envelope *ret);
void envelope_done(struct envelope *e);
static inline void envelope_donep(struct envelope *e) {
        envelope_done(e);
}

/* What is signed. */
void envelope_put_signed(struct buffer *b, struct bytes domain, struct bytes type,
                         struct bytes payload);
/* The whole, once signed. */
void envelope_put(struct buffer *b, const struct sign_public *key, struct bytes type,
                  struct bytes payload, const struct signature *signature);

/* About 8 KiB. Addresses we cannot use are left out; n_skipped says how many. */
struct peer_record {
        struct peer_id peer;
        uint64_t seq; /* newer is greater; not a time */
        size_t n_addrs, n_skipped;
        struct multiaddr addrs[PEER_RECORD_ADDRS_MAX];
};

/* Envelope and record; the record's peer is its signer. Returns enum envelope_result. */
int peer_record_open(struct bytes envelope, struct peer_record *ret);
/* The payload of an envelope. */
void peer_record_put(struct buffer *b, const struct peer_record *record);
