/* common/canonical/cell for a test in another language. One line of hex in, one out:
 *   r HEX  the strict reader: "ok", or "no"
 *   w HEX  the writers, given one cell in loose form (as the canonical one, but maps in any
 *          order, integers padded, decimals with zeros at the end, any NaN): its bytes, or "no" */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/canonical/cell.h"
#include "common/wire/varint.h"

#define LINE_SIZE (1 << 17)

static int put_loose(struct buffer *b, struct reader *r);

static __int128 to_integer(struct bytes v) {
        __int128 n = v.len > 0 && v.data[0] & 0x80 ? -1 : 0;

        check(v.len <= sizeof(n));
        for (size_t i = 0; i < v.len; i++)
                n = (__int128) ((unsigned __int128) n << 8 | v.data[i]);
        return n;
}

static int put_real(struct buffer *b, uint64_t bits) {
        double v;

        memcpy(&v, &bits, sizeof(v));
        return cell_put_real(b, v);
}

static int put_nested(struct buffer *b, struct reader *r, enum cell_type type) {
        uint64_t n = reader_varint(r);
        size_t start = b->len;
        int result = CELL_OK;

        cell_begin(b, type, n);
        for (uint64_t i = 0; i < n && result == CELL_OK; i++) {
                if (type != CELL_LIST)
                        result = put_loose(b, r);
                if (result == CELL_OK)
                        result = put_loose(b, r);
        }
        return result == CELL_OK && type == CELL_MAP ? cell_sort_map(b, start) : result;
}

static int put_interval(struct buffer *b, struct reader *r) {
        int32_t months = (int32_t) reader_u32(r), days = (int32_t) reader_u32(r);

        cell_put_interval(b, months, days, (int64_t) reader_u64(r));
        return CELL_OK;
}

static int put_bits(struct buffer *b, struct reader *r) {
        uint64_t n = reader_varint(r);

        cell_put_bit(b, reader_take(r, (size_t) (n + 7) / 8).data, n);
        return CELL_OK;
}

static int put_decimal(struct buffer *b, struct reader *r) {
        unsigned scale = (unsigned) reader_varint(r);

        return cell_put_decimal(b, to_integer(reader_prefixed(r)), scale);
}

static int put_loose(struct buffer *b, struct reader *r) {
        enum cell_type type = reader_u8(r);

        switch (type) {
        case CELL_NULL:
                return cell_put_null(b), CELL_OK;
        case CELL_INTEGER:
                return cell_put_integer_bytes(b, reader_prefixed(r));
        case CELL_DECIMAL:
                return put_decimal(b, r);
        case CELL_REAL:
                return put_real(b, reader_u64(r));
        case CELL_TEXT:
                return cell_put_text(b, reader_prefixed(r));
        case CELL_BLOB:
                return cell_put_blob(b, reader_prefixed(r)), CELL_OK;
        case CELL_DATE:
                return cell_put_date(b, (int32_t) reader_u32(r)), CELL_OK;
        case CELL_TIME:
        case CELL_TIMESTAMP:
        case CELL_TIMESTAMPTZ:
                return cell_put_usec(b, type, (int64_t) reader_u64(r)), CELL_OK;
        case CELL_INTERVAL:
                return put_interval(b, r);
        case CELL_UUID:
                return cell_put_uuid(b, reader_take(r, 16).data), CELL_OK;
        case CELL_BIT:
                return put_bits(b, r);
        case CELL_LIST:
        case CELL_STRUCT:
        case CELL_MAP:
                return put_nested(b, r, type);
        default:
                return CELL_E_TYPE;
        }
}

static void answer_read(struct bytes v) {
        struct reader r = reader_of(v);
        struct cell c;

        puts(cell_read(&r, &c) == CELL_OK && reader_done(&r) ? "ok" : "no");
}

static void answer_write(struct bytes v) {
        struct reader r = reader_of(v);
        struct buffer b;

        buffer_init(&b, LINE_SIZE);
        if (put_loose(&b, &r) != CELL_OK || b.failed || !reader_done(&r)) {
                puts("no");
        } else {
                for (size_t i = 0; i < b.len; i++)
                        printf("%02x", b.data[i]);
                putchar('\n');
        }
        buffer_done(&b);
}

int main(void) {
        static char line[LINE_SIZE];
        static uint8_t input[LINE_SIZE / 2];

        while (fgets(line, sizeof(line), stdin)) {
                size_t n = 0;

                for (const char *p = line + 2; sscanf(p, "%2hhx", &input[n]) == 1; p += 2)
                        n++;
                if (line[0] == 'r')
                        answer_read(BYTES(input, n));
                else
                        answer_write(BYTES(input, n));
        }
        return 0;
}
