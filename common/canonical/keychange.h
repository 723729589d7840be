#pragma once

/* What a node says about its own key: that another takes its place, or that nothing
 * signed with it counts any more.
 *
 *   rotation   = "quorate/1/rotation" 00    peer old  peer new  u64 created
 *                64 bytes of Ed25519 signature by old, 64 by new, each over all before them
 *   revocation = "quorate/1/revocation" 00  peer  u64 created
 *                64 bytes of Ed25519 signature by that peer over all before
 *
 * created is µs since 1970; the other words are those of README.md, "Notation". Both are
 * evident: whoever has the bytes can check them, and nobody can make them for a key he
 * does not hold. Neither names a network, since a key belongs to none. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/crypto/sign.h"
#include "common/wire/peerid.h"

#define ROTATION_PREFIX     BYTES_LIT("quorate/1/rotation\0")
#define REVOCATION_PREFIX   BYTES_LIT("quorate/1/revocation\0")
#define KEYCHANGE_BYTES_MAX 256

/* As people keep it: one line, this and then the whole in hex digits. */
#define KEYCHANGE_TEXT_PREFIX "quorate-revocation-1:"
#define KEYCHANGE_TEXT_SIZE   (sizeof(KEYCHANGE_TEXT_PREFIX) + 2 * KEYCHANGE_BYTES_MAX)

enum keychange_kind { KEYCHANGE_ROTATION = 1, KEYCHANGE_REVOCATION };

struct keychange {
        enum keychange_kind kind;
        struct peer_id peer;      /* whose key it is about; an Ed25519 one */
        struct peer_id successor; /* of a rotation: the new one; else none */
        int64_t created_us;
};

enum keychange_result {
        KEYCHANGE_OK = 0,
        KEYCHANGE_E_FORMAT, /* prefix, cut short, trailing bytes, varint not minimal */
        KEYCHANGE_E_FIELD,  /* a field out of its limits */
};

/* Appends the bytes to sign. Returns enum keychange_result. */
int keychange_encode(const struct keychange *c, struct buffer *b);

/* A whole one taken apart, nothing verified; views of `value`. */
struct keychange_parts {
        struct keychange fields;
        struct bytes statement;
        struct bytes signature, successor_signature; /* the second only of a rotation */
};
int keychange_split(struct bytes value, struct keychange_parts *ret);

/* How a signature is checked; NULL: sign_verify(). */
typedef bool (*keychange_verify_fn)(void *userdata, const struct sign_public *key,
                                    struct bytes message, struct bytes signature);
/* All its signatures, one Ed25519 check each: charge somebody before. */
bool keychange_verify(const struct keychange_parts *p, keychange_verify_fn fn, void *userdata);

/* Which of two valid rotations of one key counts: < 0 a, > 0 b. The one dated earlier, then the
 * lesser bytes; a key with two of them is in other hands too, and revoking it is what helps. */
int keychange_select(struct bytes a, struct bytes b);

/* A revocation as its owner puts it away; without a newline. Returns ret. */
char *keychange_text(struct bytes revocation, char ret[KEYCHANGE_TEXT_SIZE]);
/* The other way, blanks around it passed over; false: not such a text, or not a revocation. Nothing
 * is verified. Appends. */
bool keychange_from_text(struct bytes text, struct buffer *ret);
