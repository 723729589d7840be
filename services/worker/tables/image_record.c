/* https://www.sqlite.org/fileformat.html#record_format and #b_tree_pages. */

#include "services/worker/tables/image_record.h"

#include "common/base/memory.h"

#define LOCAL_MAX (USABLE - 35)
#define LOCAL_MIN ((USABLE - 12) * 32 / 255 - 23)

size_t record_varint_size(uint64_t v) {
        size_t n = 1;

        while (n < 9 && v >> (7 * n))
                n++;
        return n;
}

size_t record_varint(uint64_t v, uint8_t *ret) {
        size_t n = record_varint_size(v);

        if (n == 9) {
                ret[8] = (uint8_t) v;
                v >>= 8;
                for (size_t i = 8; i-- > 0; v >>= 7)
                        ret[i] = (uint8_t) (v & 0x7f) | 0x80;
                return n;
        }
        for (size_t i = n; i-- > 0; v >>= 7)
                ret[i] = (uint8_t) (v & 0x7f) | (i + 1 < n ? 0x80 : 0);
        return n;
}

/* ---- values ---- */

/* Serial types 1 to 6 have these many bytes; 0 and 1 are types of their own (8, 9). */
static const uint8_t widths[] = { 0, 1, 2, 3, 4, 6, 8 };

static unsigned integer_type(int64_t v) {
        for (unsigned i = 1; i < ELEMENTSOF(widths) - 1; i++) {
                int64_t bound = INT64_C(1) << (8 * widths[i] - 1);

                if (v >= -bound && v < bound)
                        return i == 1 && (v == 0 || v == 1) ? 8 + (unsigned) v : i;
        }
        return 6;
}

static uint64_t serial_type(const struct table_value *v) {
        switch (v->type) {
        case CELL_INTEGER:
                return integer_type(v->integer);
        case CELL_REAL:
                return 7;
        case CELL_TEXT:
                return 13 + 2 * (uint64_t) v->text.len;
        case CELL_BLOB:
                return 12 + 2 * (uint64_t) v->text.len;
        default:
                return 0;
        }
}

static size_t body_size(const struct table_value *v, uint64_t type) {
        if (type >= 12)
                return v->text.len;
        if (type == 7)
                return 8;
        return type < ELEMENTSOF(widths) ? widths[type] : 0;
}

static size_t put_body(const struct table_value *v, uint64_t type, uint8_t *ret) {
        size_t n = body_size(v, type);
        double real = v->type == CELL_REAL && v->real != 0 ? v->real : 0; /* no minus zero */
        uint8_t be[8];
        uint64_t bits;

        if (type >= 12) {
                if (n)
                        memcpy(ret, v->text.data, n);
                return n;
        }
        memcpy(&bits, type == 7 ? (const void *) &real : (const void *) &v->integer, sizeof(bits));
        store_be64(be, bits);
        if (n)
                memcpy(ret, be + sizeof(be) - n, n);
        return n;
}

/* ---- records ---- */

/* Its own size counts too. */
static size_t header_size(size_t types) {
        size_t n = types + 1;

        while (types + record_varint_size(n) > n)
                n = types + record_varint_size(n);
        return n;
}

static size_t types_size(const struct table_value *values, size_t n, size_t *ret_bodies) {
        size_t types = 0;

        *ret_bodies = 0;
        for (size_t i = 0; i < n; i++) {
                uint64_t type = serial_type(&values[i]);

                types += record_varint_size(type);
                *ret_bodies += body_size(&values[i], type);
        }
        return types;
}

size_t record_size(const struct table_value *values, size_t n) {
        size_t bodies, types = types_size(values, n, &bodies);

        return header_size(types) + bodies;
}

void record_write(const struct table_value *values, size_t n, uint8_t *ret) {
        size_t bodies, types = types_size(values, n, &bodies), header = header_size(types);
        uint8_t *body = ret + header;

        ret += record_varint(header, ret);
        for (size_t i = 0; i < n; i++) {
                uint64_t type = serial_type(&values[i]);

                ret += record_varint(type, ret);
                body += put_body(&values[i], type, body);
        }
}

size_t record_local(size_t size) {
        size_t k;

        if (size <= LOCAL_MAX)
                return size;
        k = LOCAL_MIN + (size - LOCAL_MIN) % SPILL_BYTES;
        return k <= LOCAL_MAX ? k : LOCAL_MIN;
}

size_t record_cell_size(size_t size, uint64_t rowid) {
        size_t local = record_local(size);

        return record_varint_size(size) + record_varint_size(rowid) + local +
               (local < size ? 4 : 0);
}
