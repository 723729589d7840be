#include "services/coordinator/data/derived.h"

#include <stdio.h>
#include <string.h>

#include "common/wire/varint.h"

#define KIND_DERIVED 2 /* 1 is the first byte of what a CSV has there */

const char *import_version(const char *class, char ret[IMPORT_VERSION_MAX + 1]) {
        (void) snprintf(ret, IMPORT_VERSION_MAX + 1, "%s%s%s", IMPORT_VERSION, *class ? "+" : "",
                        class);
        return ret;
}

const char *import_version_class(const char *version) {
        size_t len = strlen(IMPORT_VERSION);

        if (strncmp(version, IMPORT_VERSION, len) != 0)
                return NULL;
        version += len;
        return !*version ? version : version[0] == '+' && version[1] ? version + 1 : NULL;
}

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
