#pragma once

/* The signed record of the DHT: one fixed form for every kind of it.
 *
 *   statement = "quorate/1/record" 00  u8 kind  text<=64 network  bytes<=128 label
 *               peer publisher  u64 sequence  u64 created  u32 ttl  bytes<=15872 payload
 *   record    = statement, 64 bytes of Ed25519 signature over exactly the statement
 *
 * created is µs since 1970, ttl seconds from then; the other words are those of
 * README.md, "Notation". What a kind's label and payload are and who may write
 * it: services/dht/README.md. keyring builds statements from fields; everybody
 * else keeps and forwards records verbatim. Decoded structs hold views. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/crypto/identity.h"
#include "common/crypto/sign.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define RECORD_PREFIX        BYTES_LIT("quorate/1/record\0")
#define RECORD_BYTES_MAX     (16 * 1024) /* with its signature: what kad carries */
#define RECORD_NETWORK_MAX   64
#define RECORD_LABEL_MAX     128
#define RECORD_PAYLOAD_MAX   15872
#define RECORD_TTL_MAX       (48 * 3600) /* s */
#define RECORD_ADDRESSES_MAX 8
#define RECORD_TEXT_MAX      64

/* Numbers are forever. */
enum record_kind {
        RECORD_ENDPOINT = 1, /* payload: endpoint_payload_put() */
        RECORD_PROFILE = 2,  /* payload: profile_payload_put() */
        RECORD_TOPIC = 3,    /* payload: the application's */
        RECORD_NAME = 4,     /* payload: a dataset root, 32 bytes */
        RECORD_TOMBSTONE =
                5, /* payload: 1..8 mailbox slots of 32 bytes that the recipient has read */
        _RECORD_SIGNED_N,
        /* not signed by a publisher, and so not of this form */
        RECORD_MAILBOX = 16,
        RECORD_PUBLIC_KEY = 17,
        RECORD_ROTATION = 18, /* keychange.h */
        RECORD_REVOCATION = 19,
};

struct record_statement {
        enum record_kind kind;
        struct bytes network, label;
        struct peer_id publisher; /* an Ed25519 one */
        uint64_t sequence;
        int64_t created_us;
        uint32_t ttl_s; /* 1..RECORD_TTL_MAX */
        struct bytes payload;
};

enum record_result {
        RECORD_OK = 0,
        RECORD_E_FORMAT, /* prefix, cut short, trailing bytes, varint not minimal */
        RECORD_E_FIELD,  /* a field out of its limits */
};

/* Appends the bytes to sign. Returns enum record_result. */
int record_encode(const struct record_statement *s, struct buffer *b);
int record_decode(struct bytes statement, struct record_statement *ret);

/* A whole record taken apart, nothing verified. Returns enum record_result. */
struct record_parts {
        struct record_statement fields;
        struct bytes statement, signature;
};
int record_split(struct bytes record, struct record_parts *ret);
/* One Ed25519 check by the publisher's key: charge somebody before. */
bool record_verify(const struct record_parts *r);

/* ---- payloads that are read by more than one process ---- */

struct profile_payload {
        uint8_t x25519[X25519_SIZE];
        struct bytes name; /* UTF-8, at most RECORD_TEXT_MAX, for people; a claim */
};
/* x25519, text<=64 name; what follows is for later and is passed over. */
void profile_payload_put(struct buffer *b, const struct profile_payload *p);
bool profile_payload_read(struct bytes payload, struct profile_payload *ret);

/* 1..RECORD_ADDRESSES_MAX multiaddrs, each with its length in front. False: not such a payload.
 * ret gets those of known protocols; it may be NULL: only to check. */
bool endpoint_payload_read(struct bytes payload, struct multiaddr ret[RECORD_ADDRESSES_MAX],
                           size_t *ret_n);
