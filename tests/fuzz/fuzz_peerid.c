#include "common/base/error.h"
#include "common/wire/multibase.h"
#include "common/wire/peerid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const struct peer_id *id) {
        char text[PEER_ID_TEXT_SIZE];
        struct peer_id again;

        check(peer_id_from_text(BYTES_STR(peer_id_text(id, text)), &again));
        check(peer_id_equal(id, &again));
        check(peer_id_parse(peer_id_bytes(id), &again) && peer_id_equal(id, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes in = BYTES(data, size);
        uint8_t out[64];
        struct peer_id id;
        size_t len;

        if (peer_id_parse(in, &id)) {
                check(bytes_equal(peer_id_bytes(&id), in));
                check_id(&id);
        }
        if (peer_id_from_public_key(in, &id))
                check_id(&id);
        if (peer_id_from_text(in, &id))
                check_id(&id);
        (void) base58_decode(in, out, sizeof(out), &len);
        (void) base32_decode(in, out, sizeof(out), &len);
        return 0;
}
