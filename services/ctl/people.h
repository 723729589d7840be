#pragma once

/* How peers, ages and bytes of others look: one way for people, one in JSON. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/bytes.h"
#include "common/client/quorate.h"
#include "common/wire/peerid.h"
#include "services/ctl/command.h"

#define PEOPLE_SHORT_SIZE 16
#define PEOPLE_AGE_SIZE   16

static inline struct bytes people_bytes(ProtobufCBinaryData v) {
        return BYTES(v.data, v.len);
}
static inline ProtobufCBinaryData people_data(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

/* Whole, "?" when it is no peer id. Returns ret. */
const char *people_peer(ProtobufCBinaryData peer, char ret[PEER_ID_TEXT_SIZE]);
/* "…Xb7dQ2Wz", its last 8 letters: the first ones are the same of all. "" when it is none. */
const char *people_short(ProtobufCBinaryData peer, char ret[PEOPLE_SHORT_SIZE]);
/* "850ms", "12s", "5min", "3h", "2d": rounded. */
const char *people_age(uint64_t ms, char ret[PEOPLE_AGE_SIZE]);
/* A multiaddr of others as text, "?" when it is none; returns ret. */
const char *people_address(ProtobufCBinaryData address, char ret[1024]);

/* "@PEER", as the shell takes it: true, after saying what to give instead. */
bool people_refuse_at(const struct command_context *ctx, const char *verb, const char *text);
/* The operand as a peer id; false after complaining for `verb`. */
bool people_peer_operand(const struct command_context *ctx, const char *verb, const char *text,
                         struct peer_id *ret);

void people_json_peer(const char *name, ProtobufCBinaryData peer, bool *first);
void people_json_texts(const char *name, char *const *texts, size_t n, bool *first);
/* ,"name":{…}, or null where nothing is known. */
void people_json_cost(FILE *f, const char *name, const struct quorate_cost *c, bool *first);
void people_json_addresses(const char *name, const ProtobufCBinaryData *list, size_t n,
                           bool *first);
/* Text where it is text, else "hex:…"; whole. */
void people_json_bytes(const char *name, struct bytes v, bool *first);
/* The same for people: escaped text or "hex:…", cut with "…" where it does not fit. */
const char *people_text(struct bytes v, char *ret, size_t size);
/* Text of others with its lines, each escaped and behind two blanks: it cannot look like ours. */
void people_print(struct bytes v);

/* What a list left out, when it left out any: "… 12 more: --limit 32 lists them" or, as the
 * last line of JSON, {"more":12}. `shown` is how many it has, `most` the largest limit. */
void people_more(const struct command_context *ctx, uint64_t shown, uint64_t more, uint64_t most);

/* "{"ok":true}" or the line for people. */
int people_done(const struct command_context *ctx, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
