#pragma once

/* Messages of /quorate/record/1 (proto/record.proto), bounded before anything is
 * unpacked: 64 KiB, 256 fields, one level of messages within. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/wire/unpack.h"
#include "proto/record.pb-c.h"

#define RECORD_MESSAGE_MAX (64 * 1024)
#define RECORD_PAGE_BYTES  (48 * 1024) /* of values in one reply; one letter always fits */
#define RECORD_PAGE_MAX    32
#define RECORD_STATES_MAX  16
#define RECORD_ENTRY       20   /* of what is held; its first … */
#define RECORD_WANTED      16   /* … are what to ask for */
#define RECORD_ENTRIES_MAX 2048 /* in one reply */

/* A message read; views live as long as it. */
struct record_request {
        struct unpacked unpacked;
        const Record__Request *in; /* its body is set, slots have 32 bytes or are empty */
};
struct record_reply {
        struct unpacked unpacked;
        const Record__Reply *in;
};

/* False: not such a message, or over the limits. Release with _done(). */
bool record_request_read(struct bytes in, struct record_request *ret);
bool record_reply_read(struct bytes in, struct record_reply *ret);
static inline void record_request_donep(struct record_request *r) {
        unpacked_done(&r->unpacked);
}
static inline void record_reply_donep(struct record_reply *r) {
        unpacked_done(&r->unpacked);
}

/* Whether it may be Region or Fetch, which look at many records: before anything is unpacked. */
bool record_is_walk(struct bytes message);

/* Append a request. */
void record_put_store(struct buffer *b, struct bytes name, struct bytes value);
void record_put_find(struct buffer *b, struct bytes name, struct bytes after, uint32_t max);
void record_put_list(struct buffer *b, struct bytes after, uint32_t max);
void record_put_delete(struct buffer *b, struct bytes tombstone);
/* n <= RECORD_STATES_MAX */
void record_put_status(struct buffer *b, struct bytes recipient, const uint8_t (*slots)[32],
                       size_t n);
/* after: empty, or 32 bytes */
void record_put_region(struct buffer *b, struct bytes after);
/* 1..RECORD_PAGE_MAX times RECORD_WANTED bytes */
void record_put_fetch(struct buffer *b, struct bytes wanted);

static inline struct bytes record_bytes(ProtobufCBinaryData v) {
        return (struct bytes){ v.data, v.len };
}
static inline ProtobufCBinaryData record_binary(struct bytes v) {
        return (ProtobufCBinaryData){ .len = v.len, .data = (uint8_t *) v.data };
}
