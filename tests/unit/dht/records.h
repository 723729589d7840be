#pragma once

/* Signed records by numbered people, for the tests of records. */

#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/dht/dht.h"
#include "services/dht/record.h"
#include "services/dht/rules.h"
#include "tests/support/test.h"

#define NOW    INT64_C(1800000000000000) /* µs since 1970 */
#define SECOND INT64_C(1000000)
#define HOUR   (3600 * SECOND)

struct person {
        struct sign_secret secret;
        struct sign_public public;
        struct peer_id peer;
};

static inline struct person person_no(uint32_t n) {
        uint8_t seed[SIGN_SEED_SIZE];
        struct person p;

        if (n < 256)
                memset(seed, (int) n, sizeof(seed));
        else
                memset(seed, 0, sizeof(seed)), store_be32(seed, n);
        sign_keypair(seed, &p.secret, &p.public);
        p.peer = peer_id_from_ed25519(&p.public);
        return p;
}

static inline struct record_statement statement_by(const struct person *p, enum record_kind kind,
                                                   struct bytes label, struct bytes payload) {
        return (struct record_statement){ .kind = kind,
                                          .network = BYTES_LIT("default"),
                                          .label = label,
                                          .publisher = p->peer,
                                          .sequence = 1,
                                          .created_us = NOW,
                                          .ttl_s = record_rule_of(kind)->ttl_s,
                                          .payload = payload };
}

/* That person as transport tells of it, in a subnet of its own. contact_done() its contact. */
static inline struct dht_remote remote_of(uint32_t number) {
        struct person p = person_no(number);
        const uint8_t addr[4] = { 11, 0, (uint8_t) number, 1 };
        struct dht_remote r = { .endpoint = endpoint_ip4(addr, 4001),
                                .is_server = true,
                                .pow_bits = 16 };
        struct multiaddr at = multiaddr_from_endpoint(&r.endpoint);

        contact_init(&r.contact, &p.peer, &at, 1);
        return r;
}

/* Statement and signature into b, which is cleared. */
static inline struct bytes sign_record(struct buffer *b, const struct person *p,
                                       const struct record_statement *s) {
        struct signature signature;

        buffer_clear(b);
        assert_int_equal(record_encode(s, b), RECORD_OK);
        signature = sign_make(&p->secret, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&signature));
        assert_false(b->failed);
        return buffer_bytes(b);
}

static inline struct bytes name_for(struct buffer *b, enum record_kind kind,
                                    const struct peer_id *peer, struct bytes label) {
        buffer_clear(b);
        assert_true(record_name_put(b, kind, peer, label));
        return buffer_bytes(b);
}

static inline struct bytes unhex(struct buffer *b, const char *text) {
        size_t n = strlen(text) / 2;

        buffer_clear(b);
        assert_true(n == 0 || hex_decode(text, buffer_reserve(b, n), n));
        b->len += n;
        return buffer_bytes(b);
}
