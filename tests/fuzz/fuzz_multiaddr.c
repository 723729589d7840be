#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/multiaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct multiaddr *a) {
        char text[MULTIADDR_TEXT_SIZE], endpoint[ENDPOINT_TEXT_SIZE];
        struct multiaddr again, stripped = *a;
        enum endpoint_family family;
        struct endpoint e, parsed;
        struct bytes name;
        struct peer_id id;
        uint16_t port;

        check(a->len > 0 && a->len <= MULTIADDR_MAX);
        multiaddr_text(a, text);
        check(multiaddr_from_text(BYTES_STR(text), &again) == MULTIADDR_OK);
        check(multiaddr_equal(a, &again));
        if (multiaddr_endpoint(a, &e)) {
                check(endpoint_from_text(endpoint_text(&e, endpoint), &parsed));
                check(endpoint_equal(&e, &parsed));
                (void) multiaddr_from_endpoint(&e);
        }
        (void) multiaddr_scope(a);
        (void) multiaddr_is_dialable_quic(a);
        (void) multiaddr_name(a, &name, &port, &family);
        (void) multiaddr_dnsaddr(a, &name);
        if (multiaddr_peer(a, &id)) {
                multiaddr_strip_peer(&stripped);
                check(multiaddr_append_peer(&stripped, &id) && multiaddr_equal(a, &stripped));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes in = BYTES(data, size);
        struct endpoint e;
        struct multiaddr a;
        char *text;

        if (multiaddr_parse(in, &a) == MULTIADDR_OK) {
                check(bytes_equal(multiaddr_bytes(&a), in));
                use(&a);
        }
        if (multiaddr_from_text(in, &a) == MULTIADDR_OK)
                use(&a);
        if (multiaddr_from_config(in, &a) == MULTIADDR_OK)
                use(&a);

        text = xmalloc(size + 1);
        memcpy(text, data, size);
        text[size] = 0;
        (void) endpoint_from_text(text, &e);
        free(text);
        return 0;
}
