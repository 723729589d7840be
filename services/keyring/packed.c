#include "services/keyring/packed.h"

#include "common/wire/varint.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

/* One field: its number, and its content if it is bytes. */
static uint64_t take_field(struct reader *r, struct bytes *ret) {
        uint64_t tag = reader_varint(r);

        *ret = BYTES_NONE;
        switch (tag & 7) {
        case WIRE_VARINT:
                /* up to ten bytes: a 64-bit number is one more than ours has */
                for (size_t i = 0; i < 10 && reader_u8(r) & 0x80; i++)
                        if (i == 9)
                                r->failed = true;
                break;
        case WIRE_FIXED64:
                (void) reader_u64(r);
                break;
        case WIRE_BYTES:
                *ret = reader_prefixed(r);
                break;
        default:
                r->failed = true;
        }
        return tag >> 3;
}

bool packed_speaks_for(struct bytes message, struct bytes value, uint32_t max_field) {
        struct reader r = reader_of(message);
        struct bytes content;
        uint64_t last = 1;

        if (take_field(&r, &content) != 1 || !bytes_equal(content, value) || r.failed)
                return false;
        while (reader_left(&r) > 0 && !r.failed) {
                uint64_t number = take_field(&r, &content);

                if (number <= 1 || number < last || number > max_field)
                        return false;
                last = number;
        }
        return reader_done(&r);
}
