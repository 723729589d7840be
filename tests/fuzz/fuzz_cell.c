/* What the strict reader accepts, the writers write again byte for byte. */

#include "common/base/error.h"
#include "common/canonical/cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_apart(struct buffer *b, const struct cell *c) {
        struct cell_members m = cell_members_of(c);
        struct cell key, value;

        if (c->type < CELL_LIST)
                return cell_put(b, c);
        cell_begin(b, c->type, c->count);
        while (cell_next(&m, &key, &value)) {
                if (c->type != CELL_LIST)
                        put_apart(b, &key);
                put_apart(b, &value);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct buffer b;
        struct cell c;

        buffer_init(&b, size + 64);
        while (cell_read(&r, &c) == CELL_OK)
                put_apart(&b, &c);
        check(!b.failed && b.len <= size && (b.len == 0 || memcmp(b.data, data, b.len) == 0));
        buffer_done(&b);
        return 0;
}
