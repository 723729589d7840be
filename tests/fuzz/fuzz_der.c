/* Certificates of peers: whatever the walker accepts, every view lies inside the
 * input, and a verdict comes out. */

#include "common/base/error.h"
#include "services/transport/tls.h"
#include "services/transport/tls/der.h"

#define WALL 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct bytes part, struct bytes whole) {
        check(part.len == 0 ||
              (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void walk(const struct der_certificate *c, struct bytes whole) {
        struct reader r = reader_of(c->extensions);
        struct der_extension e;

        inside(c->tbs, whole);
        inside(c->spki, c->tbs);
        inside(c->signature, whole);
        inside(c->extensions, c->tbs);
        while (der_next_extension(&r, &e)) {
                struct bytes key, signature;

                inside(e.oid, c->extensions);
                inside(e.value, c->extensions);
                if (der_signed_key(e.value, &key, &signature)) {
                        inside(key, e.value);
                        inside(signature, e.value);
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes der = BYTES(data, size);
        struct der_certificate c;
        struct peer_id peer = {};
        int verdict;

        if (der_certificate(der, &c))
                walk(&c, der);
        verdict = tls_verify_certificate(der, WALL, &peer);
        check(verdict >= 0 && verdict < TLS_VERDICT_N);
        check((verdict == TLS_OK) == !peer_id_is_none(&peer));
        return 0;
}
