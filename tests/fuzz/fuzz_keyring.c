/* What a client process could send to keyring: every request type through the bounded
 * unpacking, and the one parser of DER. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "proto/keyring.pb-c.h"
#include "services/keyring/certificate.h"
#include "services/keyring/keyring.h"
#include "services/keyring/seedfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keyring *the_keyring(void) {
        static const uint8_t seed[32] = { 1 };
        static struct keyring k;
        struct certkey *tls[_CERTKEY_N] = {};

        if (k.self.len == 0) {
                check(certkey_new(CERTKEY_ED25519, seed, &tls[CERTKEY_ED25519]) == 0);
                keyring_init(&k, seed, tls);
        }
        return &k;
}

/* Nothing but a real CertificateVerify may come out signed. */
static void try_tls(struct bytes in) {
        static nsec_t now;
        struct keyring *k = the_keyring();
        struct keyring_ask ask = { .socket = KEYRING_TRANSPORT, .now = now += NSEC_PER_SEC };
        struct keyring_tls_request request = { .spki = certkey_spki(k->tls[CERTKEY_ED25519]),
                                               .content = in };
        struct certkey_signature signature;

        if (keyring_sign_tls(k, &ask, &request, &signature) == KEYRING_OK)
                check(in.len >= 64 + 34 + 32 && memcmp(in.data + 64, "TLS 1.3, ", 9) == 0);
        (void) keyring_sign_certificate(k, &ask, request.spki, in, &signature);
}

static void try_dispatch(struct bytes in) {
        struct keyring *k = the_keyring();
        struct keyring_ask ask = { .socket = KEYRING_REQUESTER };
        struct dispatch_statement s = { .host = in, .ticket = in }, back;
        struct keyring_signed out;

        if (keyring_sign_dispatch(k, &ask, &s, &out) != KEYRING_OK)
                return;
        check(dispatch_decode(buffer_bytes(&out.bytes), &back) == STATEMENT_OK);
        keyring_signed_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const ProtobufCMessageDescriptor *const types[] = {
                &keyring__sign_tls_request__descriptor,
                &keyring__sign_peer_record_request__descriptor,
                &keyring__sign_verdict_request__descriptor,
                &keyring__sign_commit_request__descriptor,
        };
        struct bytes in = BYTES(data, size), spki;
        uint8_t seed[SEAL_SEED_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                struct unpacked u = {};

                (void) wire_unpack(types[i], in, NULL, &u);
                unpacked_done(&u);
        }
        if (certificate_tbs_key(in, &spki))
                check(spki.data >= data && spki.data + spki.len <= data + size);
        (void) seedfile_decode(in, BYTES_NONE, seed);
        try_tls(in);
        try_dispatch(in);
        return 0;
}
