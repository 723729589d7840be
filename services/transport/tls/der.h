#pragma once

/* As much DER (ITU-T X.690) as a libp2p certificate needs: definite lengths,
 * minimal form, one-byte tags, no recursion. Views into the input. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

enum der_tag {
        DER_BOOLEAN = 0x01,
        DER_INTEGER = 0x02,
        DER_BIT_STRING = 0x03,
        DER_OCTET_STRING = 0x04,
        DER_OID = 0x06,
        DER_UTC_TIME = 0x17,
        DER_GENERALIZED_TIME = 0x18,
        DER_SEQUENCE = 0x30,
        DER_CONTEXT_0 = 0xa0, /* constructed */
        DER_CONTEXT_3 = 0xa3,
};

struct der_item {
        uint8_t tag;
        struct bytes content;
        struct bytes whole; /* with tag and length */
};

/* The next item of any tag; false at the end or when malformed. */
bool der_next(struct reader *r, struct der_item *ret);
/* The next item if it has this tag. */
bool der_expect(struct reader *r, uint8_t tag, struct der_item *ret);

/* What a certificate is made of (RFC 5280 section 4.1). */
struct der_certificate {
        struct bytes tbs;              /* the signed part, whole item */
        struct bytes spki;             /* SubjectPublicKeyInfo, whole item */
        struct bytes algorithm;        /* content of the outer signature algorithm's OID */
        struct bytes signature;        /* content of the bit string, whole bytes */
        struct bytes extensions;       /* content of the list; empty: none */
        int64_t not_before, not_after; /* seconds since 1970 */
};

struct der_extension {
        struct bytes oid;
        bool critical;
        struct bytes value; /* content of the octet string */
};

/* Exactly one version 3 certificate without unique ids; nothing behind it. */
bool der_certificate(struct bytes der, struct der_certificate *ret);
/* Walks the list; false at the end, and sets r->failed when malformed. */
bool der_next_extension(struct reader *r, struct der_extension *ret);

/* SignedKey of libp2p: SEQUENCE { OCTET STRING key, OCTET STRING signature }. */
bool der_signed_key(struct bytes value, struct bytes *ret_key, struct bytes *ret_signature);
void der_put(struct buffer *b, uint8_t tag, struct bytes content);
