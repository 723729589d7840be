#include "services/coordinator/data/derived.h"

#include "common/wire/varint.h"

#define KIND_DERIVED 2 /* 1 is the first byte of what a CSV has there */

void derived_encode(const struct derived *d, struct buffer *b) {
        buffer_put_u8(b, KIND_DERIVED);
        buffer_put(b, d->from.bytes, HASH_SIZE);
        buffer_put_prefixed(b, d->version);
}

static bool is_printable(struct bytes text) {
        for (size_t i = 0; i < text.len; i++)
                if (text.data[i] < 0x21 || text.data[i] > 0x7e)
                        return false;
        return text.len > 0 && text.len <= IMPORT_VERSION_MAX;
}

bool derived_decode(const struct manifest *m, struct derived *ret) {
        struct reader r = reader_of(m->options);

        if (!bytes_equal(m->format, BYTES_LIT(IMPORT_FORMAT)) || reader_u8(&r) != KIND_DERIVED)
                return false;
        reader_copy(&r, ret->from.bytes, HASH_SIZE);
        ret->version = reader_prefixed(&r);
        return reader_done(&r) && is_printable(ret->version);
}
