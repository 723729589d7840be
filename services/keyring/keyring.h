#pragma once

/* The keyring as a pure object: identity, TLS keys, rates, and the statements made
 * from fields. No clock, no socket; the shell keeps it in locked memory.
 *
 * One process, one thread, one caller at a time. Every function that signs names
 * the socket the request came over; rules.h decides whether that is allowed. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "common/base/rate.h"
#include "common/canonical/record.h"
#include "common/canonical/statement.h"
#include "common/crypto/identity.h"
#include "common/wire/envelope.h"
#include "services/keyring/certkey.h"
#include "services/keyring/letter.h"
#include "services/keyring/rules.h"

/* Also the codes of proto/keyring.proto. */
enum keyring_result {
        KEYRING_OK = 0,
        KEYRING_E_FIELD,   /* missing, malformed, or out of its limits */
        KEYRING_E_RATE,    /* above the rate of this statement */
        KEYRING_E_FOREIGN, /* would speak for another node, or names a key that is not ours */
        KEYRING_E_KEY,     /* no TLS key of that type */
        KEYRING_E_FAULT,   /* the signature made did not verify: nothing leaves */
        KEYRING_E_SOCKET,  /* this statement is not for the socket it was asked over */
        _KEYRING_RESULT_N,
};
const char *keyring_result_text(int r); /* for people, one line; static */

struct keyring {
        struct identity identity;
        struct peer_id self;
        struct certkey *tls[_CERTKEY_N]; /* owned */
        struct rate rates[_KEYRING_STATEMENT_N];
        uint64_t record_seq; /* of the last peer record signed */
        uint64_t signed_n[_KEYRING_STATEMENT_N];
        uint64_t refused_n[_KEYRING_RESULT_N];
};

/* TLS keys may be NULL; they are the keyring's from now on. */
void keyring_init(struct keyring *k, const uint8_t seed[IDENTITY_SEED_SIZE],
                  struct certkey *const tls[_CERTKEY_N]);
void keyring_done(struct keyring *k); /* frees the TLS keys, wipes everything */

/* A request on its way: who asks, and when. */
struct keyring_ask {
        enum keyring_socket socket;
        nsec_t now;
};

/* Bytes and signature of a statement; release with keyring_signed_done(). */
struct keyring_signed {
        struct buffer bytes;
        struct signature signature;
};
void keyring_signed_done(struct keyring_signed *s);
static inline void keyring_signed_donep(struct keyring_signed *s) {
        keyring_signed_done(s);
}

/* All return enum keyring_result, and leave *ret alone unless KEYRING_OK. */

int keyring_sign_dispatch(struct keyring *k, const struct keyring_ask *ask,
                          const struct dispatch_statement *s, struct keyring_signed *ret);
int keyring_sign_verdict(struct keyring *k, const struct keyring_ask *ask,
                         const struct verdict_statement *s, struct keyring_signed *ret);
/* FOREIGN unless the host is this node. */
int keyring_sign_commit(struct keyring *k, const struct keyring_ask *ask,
                        const struct commit_statement *s, struct keyring_signed *ret);

/* The whole envelope goes to `ret`. seq above the last one. */
int keyring_sign_peer_record(struct keyring *k, const struct keyring_ask *ask, uint64_t seq,
                             const struct bytes *addrs, size_t n_addrs, struct buffer *ret);

struct keyring_binding {
        struct bytes spki; /* view of the key */
        uint8_t public_key[PUBLIC_KEY_ED25519_SIZE];
        struct signature signature;
};
int keyring_bind_tls(struct keyring *k, const struct keyring_ask *ask, enum certkey_type type,
                     struct keyring_binding *ret);

/* A record of the DHT (common/canonical/record.h). The publisher is this node whatever the struct
 * says; FOREIGN for a profile with an X25519 key that is not ours. */
int keyring_sign_record(struct keyring *k, const struct keyring_ask *ask,
                        const struct record_statement *s, struct keyring_signed *ret);

/* A pubsub Message, packed, without signature and key, whose `from` is this node: FOREIGN else. */
int keyring_sign_message(struct keyring *k, const struct keyring_ask *ask, struct bytes message,
                         struct signature *ret);
/* A peers.Capability, packed, whose peer is this node: FOREIGN else. */
int keyring_sign_capability(struct keyring *k, const struct keyring_ask *ask, struct bytes body,
                            struct signature *ret);

/* profile: the recipient's signed profile record, which is verified and names the key. The box
 * goes to `ret`. ephemeral: random, for this call alone. */
int keyring_seal_mailbox(struct keyring *k, const struct keyring_ask *ask, struct bytes profile,
                         struct bytes text, const uint8_t ephemeral[BOX_KEY_SIZE],
                         struct buffer *ret);
/* FOREIGN: not for this node, not whole, or not by the sender it names. ret->text is in `b`. */
int keyring_open_mailbox(struct keyring *k, const struct keyring_ask *ask, struct bytes box,
                         struct buffer *b, struct letter_opened *ret);

/* keychange.c: what this node says about its own key. The whole statement, with its signatures,
 * goes to `ret` (KEYCHANGE_BYTES_MAX). */
struct keyring_successor {
        struct sign_public key;
        struct bytes signature; /* by that key, over the same statement: FOREIGN else */
        int64_t created_us;     /* wall clock, since 1970 */
};
int keyring_sign_rotation(struct keyring *k, const struct keyring_ask *ask,
                          const struct keyring_successor *successor, struct buffer *ret);
int keyring_sign_revocation(struct keyring *k, const struct keyring_ask *ask, int64_t created_us,
                            struct buffer *ret);
/* The other side: this node is to take the place of `old`. For the program that opens a new seed
 * (succeed.h); no socket asks for it. */
int keyring_succeed(struct keyring *k, const struct keyring_ask *ask, const struct peer_id *old,
                    int64_t created_us, struct signature *ret);

/* content: the whole CertificateVerify content; digest: SHA-256 of it, P-256 only.
 * Exactly one of them. */
struct keyring_tls_request {
        struct bytes spki, content, digest;
};
int keyring_sign_tls(struct keyring *k, const struct keyring_ask *ask,
                     const struct keyring_tls_request *request, struct certkey_signature *ret);
/* tbs: a version 3 TBSCertificate that names this key. */
int keyring_sign_certificate(struct keyring *k, const struct keyring_ask *ask, struct bytes spki,
                             struct bytes tbs, struct certkey_signature *ret);
