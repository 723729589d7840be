/* What a peer can call a rotation or a revocation, and the text its owner keeps: what is read is
 * written again as the same bytes, and only the key it names can have signed it. */

#include "common/base/error.h"
#include "common/canonical/keychange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool verify_shape(void *userdata, const struct sign_public *key, struct bytes message,
                         struct bytes signature) {
        check(signature.len == SIGNATURE_SIZE && message.len > 0);
        return true;
}

static void try_bytes(struct bytes in) {
        uint8_t room[KEYCHANGE_BYTES_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        struct keychange_parts parts;

        if (keychange_split(in, &parts) != KEYCHANGE_OK)
                return;
        check(keychange_encode(&parts.fields, &b) == KEYCHANGE_OK);
        check(bytes_equal(buffer_bytes(&b), parts.statement));
        check(parts.statement.len + parts.signature.len + parts.successor_signature.len == in.len);
        check(keychange_verify(&parts, verify_shape, NULL));
        check(keychange_select(in, in) == 0);
}

static void try_text(struct bytes in) {
        uint8_t room[KEYCHANGE_BYTES_MAX], again[KEYCHANGE_BYTES_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        struct buffer c = buffer_over(again, sizeof(again));
        char text[KEYCHANGE_TEXT_SIZE];

        if (!keychange_from_text(in, &b))
                return;
        check(keychange_from_text(BYTES_STR(keychange_text(buffer_bytes(&b), text)), &c));
        check(bytes_equal(buffer_bytes(&b), buffer_bytes(&c)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        try_bytes(BYTES(data, size));
        try_text(BYTES(data, size));
        return 0;
}
