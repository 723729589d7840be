#include "common/canonical/cell.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/sort.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

#define REAL_NAN UINT64_C(0x7ff8000000000000)

const char *cell_type_name(enum cell_type type) {
        static const struct {
                enum cell_type type;
                const char *name;
        } names[] = {
                { CELL_NULL, "NULL" },
                { CELL_INTEGER, "INTEGER" },
                { CELL_DECIMAL, "DECIMAL" },
                { CELL_REAL, "REAL" },
                { CELL_TEXT, "TEXT" },
                { CELL_BLOB, "BLOB" },
                { CELL_DATE, "DATE" },
                { CELL_TIME, "TIME" },
                { CELL_TIMESTAMP, "TIMESTAMP" },
                { CELL_TIMESTAMPTZ, "TIMESTAMPTZ" },
                { CELL_INTERVAL, "INTERVAL" },
                { CELL_UUID, "UUID" },
                { CELL_BIT, "BIT" },
                { CELL_LIST, "LIST" },
                { CELL_STRUCT, "STRUCT" },
                { CELL_MAP, "MAP" },
                { CELL_ANY, "ANY" },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].type == type)
                        return names[i].name;
        return "?";
}

const char *cell_result_text(int result) {
        static const char *const texts[] = {
                [CELL_OK] = "well formed",
                [CELL_E_SHORT] = "ends inside a value",
                [CELL_E_TYPE] = "a type that does not belong here",
                [CELL_E_LENGTH] = "a length that is not minimal",
                [CELL_E_INTEGER] = "an integer that is not minimal, or too long",
                [CELL_E_DECIMAL] = "a decimal not in lowest form, or out of scale",
                [CELL_E_REAL] = "an infinity, a negative zero, or another NaN",
                [CELL_E_UTF8] = "text that is not UTF-8",
                [CELL_E_BIT] = "bits set in the padding",
                [CELL_E_MAP_ORDER] = "map keys not ascending, or repeated",
                [CELL_E_NAME] = "a struct member without a name",
                [CELL_E_DEPTH] = "nested too deeply",
        };

        return result >= 0 && (size_t) result < ELEMENTSOF(texts) ? texts[result] : "failed";
}

void cell_put_null(struct buffer *b) {
        buffer_put_u8(b, CELL_NULL);
}

/* Bytes of the shortest two's complement. */
static size_t integer_size(int64_t v) {
        uint64_t magnitude = (uint64_t) (v ^ (v >> 63));

        return magnitude ? (size_t) (64 - __builtin_clzll(magnitude)) / 8 + 1 : 1;
}

/* Length and value; p has room for 9 bytes. Returns how many count. */
static size_t put_integer_body(uint8_t *p, int64_t v) {
        size_t n = integer_size(v);

        p[0] = (uint8_t) n;
        store_be64(p + 1, (uint64_t) v << (64 - 8 * n));
        return 1 + n;
}

void cell_put_integer(struct buffer *b, int64_t v) {
        uint8_t *p = buffer_reserve(b, 10);

        if (!p)
                return;
        p[0] = CELL_INTEGER;
        b->len += 1 + put_integer_body(p + 1, v);
}

static struct bytes trim_integer(struct bytes v) {
        while (v.len > 1 && ((v.data[0] == 0x00 && v.data[1] < 0x80) ||
                             (v.data[0] == 0xff && v.data[1] >= 0x80)))
                v = BYTES(v.data + 1, v.len - 1);
        return v;
}

static struct bytes integer128_bytes(__int128 v, uint8_t be[16]) {
        store_be64(be, (uint64_t) (v >> 64));
        store_be64(be + 8, (uint64_t) v);
        return trim_integer(BYTES(be, 16));
}

int cell_put_integer_bytes(struct buffer *b, struct bytes twos_complement) {
        struct bytes v = trim_integer(twos_complement);

        if (v.len == 0 || v.len > CELL_INTEGER_MAX)
                return CELL_E_INTEGER;
        buffer_put_u8(b, CELL_INTEGER);
        buffer_put_u8(b, (uint8_t) v.len);
        buffer_put_bytes(b, v);
        return CELL_OK;
}

void cell_put_integer128(struct buffer *b, __int128 v) {
        uint8_t be[16];

        if (v == (int64_t) v)
                return cell_put_integer(b, (int64_t) v);
        (void) cell_put_integer_bytes(b, integer128_bytes(v, be)); /* 16 bytes always fit */
}

static int put_decimal128(struct buffer *b, __int128 mantissa, unsigned scale) {
        uint8_t be[16];
        struct bytes v;

        while (scale > 0 && mantissa % 10 == 0) {
                mantissa /= 10;
                scale--;
        }
        if (scale > CELL_SCALE_MAX)
                return CELL_E_DECIMAL;
        if (scale == 0 || mantissa == (int64_t) mantissa) {
                if (scale == 0)
                        cell_put_integer128(b, mantissa);
                else
                        return cell_put_decimal(b, mantissa, scale);
                return CELL_OK;
        }
        v = integer128_bytes(mantissa, be);
        buffer_put_u8(b, CELL_DECIMAL);
        buffer_put_varint(b, scale);
        buffer_put_u8(b, (uint8_t) v.len);
        buffer_put_bytes(b, v);
        return CELL_OK;
}

int cell_put_decimal(struct buffer *b, __int128 mantissa, unsigned scale) {
        int64_t v = (int64_t) mantissa;
        uint8_t *p;

        if (v == 0 && mantissa == 0)
                scale = 0;
        if (v != mantissa)
                return put_decimal128(b, mantissa, scale);
        while (scale > 0 && v % 10 == 0) {
                v /= 10;
                scale--;
        }
        if (scale > CELL_SCALE_MAX)
                return CELL_E_DECIMAL;
        if (scale == 0) {
                cell_put_integer(b, v);
                return CELL_OK;
        }
        p = buffer_reserve(b, 12);
        if (!p)
                return CELL_OK; /* the buffer says so itself */
        p[0] = CELL_DECIMAL;
        p += 1 + varint_write(scale, p + 1);
        p += put_integer_body(p, v);
        b->len = (size_t) (p - b->data);
        return CELL_OK;
}

static void put_fixed64(struct buffer *b, uint8_t tag, uint64_t v) {
        uint8_t *p = buffer_reserve(b, 9);

        if (!p)
                return;
        p[0] = tag;
        store_be64(p + 1, v);
        b->len += 9;
}

int cell_put_real(struct buffer *b, double v) {
        uint64_t bits = REAL_NAN;

        if (isinf(v))
                return CELL_E_REAL;
        v += 0.0; /* −0 + 0 is +0 */
        if (!isnan(v))
                memcpy(&bits, &v, sizeof(bits));
        put_fixed64(b, CELL_REAL, bits);
        return CELL_OK;
}

static void put_sized(struct buffer *b, uint8_t tag, uint64_t count, struct bytes v) {
        uint8_t *p = v.len <= SIZE_MAX - 10 ? buffer_reserve(b, 10 + v.len) : NULL;

        if (!p) {
                b->failed = true;
                return;
        }
        *p++ = tag;
        if (count < 0x80)
                *p++ = (uint8_t) count;
        else
                p += varint_write(count, p);
        if (v.len > 0)
                memcpy(p, v.data, v.len);
        b->len = (size_t) (p - b->data) + v.len;
}

int cell_put_text(struct buffer *b, struct bytes v) {
        if (!utf8_is_valid(v))
                return CELL_E_UTF8;
        put_sized(b, CELL_TEXT, v.len, v);
        return CELL_OK;
}

void cell_put_blob(struct buffer *b, struct bytes v) {
        put_sized(b, CELL_BLOB, v.len, v);
}

void cell_put_date(struct buffer *b, int32_t days) {
        uint8_t *p = buffer_reserve(b, 5);

        if (!p)
                return;
        p[0] = CELL_DATE;
        store_be32(p + 1, (uint32_t) days);
        b->len += 5;
}

void cell_put_usec(struct buffer *b, enum cell_type type, int64_t usec) {
        check(type >= CELL_TIME && type <= CELL_TIMESTAMPTZ);
        put_fixed64(b, (uint8_t) type, (uint64_t) usec);
}

void cell_put_interval(struct buffer *b, int32_t months, int32_t days, int64_t usec) {
        buffer_put_u8(b, CELL_INTERVAL);
        buffer_put_u32(b, (uint32_t) months);
        buffer_put_u32(b, (uint32_t) days);
        buffer_put_u64(b, (uint64_t) usec);
}

void cell_put_uuid(struct buffer *b, const uint8_t v[16]) {
        buffer_put_u8(b, CELL_UUID);
        buffer_put(b, v, 16);
}

void cell_put_bit(struct buffer *b, const uint8_t *bits, uint64_t n_bits) {
        size_t n = (size_t) (n_bits / 8 + (n_bits % 8 != 0));

        put_sized(b, CELL_BIT, n_bits, BYTES(bits, n));
        if (!b->failed && n_bits % 8 != 0)
                b->data[b->len - 1] &= (uint8_t) (0xff00 >> (n_bits % 8));
}

void cell_begin(struct buffer *b, enum cell_type type, uint64_t count) {
        check(type == CELL_LIST || type == CELL_STRUCT || type == CELL_MAP);
        put_sized(b, (uint8_t) type, count, BYTES_NONE);
}

void cell_put(struct buffer *b, const struct cell *c) {
        uint8_t tag = (uint8_t) c->type;

        switch (c->type) {
        case CELL_NULL:
                return cell_put_null(b);
        case CELL_DECIMAL:
                buffer_put_u8(b, tag);
                buffer_put_varint(b, c->scale);
                return buffer_put_prefixed(b, c->bytes);
        case CELL_REAL:
                (void) cell_put_real(b, c->real); /* read cells are finite or NaN */
                return;
        case CELL_DATE:
                return cell_put_date(b, (int32_t) c->integer);
        case CELL_TIME ... CELL_TIMESTAMPTZ:
                return put_fixed64(b, tag, (uint64_t) c->integer);
        case CELL_INTERVAL:
                return cell_put_interval(b, c->interval.months, c->interval.days, c->interval.usec);
        case CELL_UUID:
                return cell_put_uuid(b, c->bytes.data);
        case CELL_BIT ... CELL_MAP:
                return put_sized(b, tag, c->count, c->bytes);
        default: /* INTEGER, TEXT, BLOB */
                return put_sized(b, tag, c->bytes.len, c->bytes);
        }
}

struct map_entry {
        struct bytes key, whole;
};

static int compare_entries(const void *a, const void *b) {
        const struct map_entry *x = a, *y = b;

        return bytes_compare(x->key, y->key);
}

static int read_entries(struct reader *r, struct map_entry *entries, size_t n) {
        struct cell cell;

        for (size_t i = 0; i < n; i++) {
                size_t start = r->pos, middle;
                int result = cell_read(r, &cell);

                if (result)
                        return result;
                if (cell.type == CELL_NULL)
                        return CELL_E_TYPE;
                middle = r->pos;
                result = cell_read(r, &cell);
                if (result)
                        return result;
                entries[i].key = BYTES(r->data + start, middle - start);
                entries[i].whole = BYTES(r->data + start, r->pos - start);
        }
        return reader_done(r) ? CELL_OK : CELL_E_LENGTH;
}

int cell_sort_map(struct buffer *b, size_t start) {
        struct reader r = reader_of(BYTES(b->data + start, b->len - start));
        CLEANUP(freep) struct map_entry *entries = NULL;
        CLEANUP(freep) uint8_t *sorted = NULL;
        size_t content, n, at = 0;
        int result;

        check(!b->failed && reader_u8(&r) == CELL_MAP);
        n = (size_t) reader_varint(&r);
        content = r.pos;
        if (n > reader_left(&r) / 2)
                return CELL_E_SHORT;
        entries = calloc(n + 1, sizeof(*entries));
        sorted = malloc(reader_left(&r) + 1);
        if (!entries || !sorted)
                return error_origin(-ENOMEM);
        result = read_entries(&r, entries, n);
        if (result)
                return result;
        sort(entries, n, sizeof(*entries), compare_entries); /* in executors: not qsort() */
        for (size_t i = 0; i < n; i++) {
                if (i > 0 && bytes_equal(entries[i - 1].key, entries[i].key))
                        return CELL_E_MAP_ORDER;
                memcpy(sorted + at, entries[i].whole.data, entries[i].whole.len);
                at += entries[i].whole.len;
        }
        if (at > 0)
                memcpy(b->data + start + content, sorted, at);
        return CELL_OK;
}
