/* The strict reader of cells: what it accepts, the writers would have written. */

#include <math.h>

#include "common/base/text.h"
#include "common/canonical/cell.h"
#include "common/wire/varint.h"

#define REAL_NAN UINT64_C(0x7ff8000000000000)

static size_t left(const struct reader *r) {
        return r->len - r->pos;
}

static int read_varint(struct reader *r, uint64_t *ret) {
        size_t used;
        int result;

        if (left(r) > 0 && r->data[r->pos] < 0x80) {
                *ret = r->data[r->pos++];
                return CELL_OK;
        }
        result = varint_read(BYTES(r->data + r->pos, left(r)), ret, &used);
        if (result)
                return result == VARINT_E_MORE ? CELL_E_SHORT : CELL_E_LENGTH;
        r->pos += used;
        return CELL_OK;
}

static int read_bytes(struct reader *r, uint64_t n, struct bytes *ret) {
        if (n > left(r))
                return CELL_E_SHORT;
        *ret = BYTES(r->data + r->pos, (size_t) n);
        r->pos += (size_t) n;
        return CELL_OK;
}

static int read_sized(struct reader *r, struct bytes *ret) {
        uint64_t n;
        int result = read_varint(r, &n);

        return result ? result : read_bytes(r, n, ret);
}

static int64_t load_signed(const uint8_t *p, size_t n) {
        uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

        for (size_t i = 0; i < n; i++)
                v = v << 8 | p[i];
        return (int64_t) v;
}

static int read_integer(struct reader *r, struct cell *ret) {
        int result = read_sized(r, &ret->bytes);
        const uint8_t *p = ret->bytes.data;
        size_t n = ret->bytes.len;

        if (result)
                return result;
        if (n == 0 || n > CELL_INTEGER_MAX)
                return CELL_E_INTEGER;
        if (n > 1 && ((p[0] == 0x00 && p[1] < 0x80) || (p[0] == 0xff && p[1] >= 0x80)))
                return CELL_E_INTEGER;
        ret->fits = n <= 8;
        ret->integer = ret->fits ? load_signed(p, n) : 0;
        return CELL_OK;
}

/* Whether the two's complement number is divisible by ten: 256^n is 6 modulo 10. */
static bool is_multiple_of_ten(struct bytes v) {
        unsigned rest = 0;

        for (size_t i = 0; i < v.len; i++)
                rest = (rest * 256 + v.data[i]) % 10;
        return (v.data[0] & 0x80 ? (rest + 4) % 10 : rest) == 0;
}

static int read_decimal(struct reader *r, struct cell *ret) {
        uint64_t scale;
        int result = read_varint(r, &scale);

        if (result)
                return result;
        if (scale == 0 || scale > CELL_SCALE_MAX)
                return CELL_E_DECIMAL;
        ret->scale = (uint8_t) scale;
        result = read_integer(r, ret);
        if (result)
                return result;
        return is_multiple_of_ten(ret->bytes) ? CELL_E_DECIMAL : CELL_OK;
}

static int read_real(struct reader *r, struct cell *ret) {
        struct bytes v;
        int result = read_bytes(r, 8, &v);
        uint64_t bits;

        if (result)
                return result;
        bits = load_be64(v.data);
        memcpy(&ret->real, &bits, sizeof(bits));
        if (isinf(ret->real) || (isnan(ret->real) && bits != REAL_NAN) || bits == UINT64_C(1) << 63)
                return CELL_E_REAL;
        return CELL_OK;
}

static int read_text(struct reader *r, struct cell *ret) {
        int result = read_sized(r, &ret->bytes);

        if (result)
                return result;
        return utf8_is_valid(ret->bytes) ? CELL_OK : CELL_E_UTF8;
}

static int read_blob(struct reader *r, struct cell *ret) {
        return read_sized(r, &ret->bytes);
}

static int read_date(struct reader *r, struct cell *ret) {
        struct bytes v;
        int result = read_bytes(r, 4, &v);

        if (!result)
                ret->integer = (int32_t) load_be32(v.data);
        return result;
}

static int read_usec(struct reader *r, struct cell *ret) {
        struct bytes v;
        int result = read_bytes(r, 8, &v);

        if (!result)
                ret->integer = (int64_t) load_be64(v.data);
        return result;
}

static int read_interval(struct reader *r, struct cell *ret) {
        struct bytes v;
        int result = read_bytes(r, 16, &v);

        if (result)
                return result;
        ret->interval.months = (int32_t) load_be32(v.data);
        ret->interval.days = (int32_t) load_be32(v.data + 4);
        ret->interval.usec = (int64_t) load_be64(v.data + 8);
        return CELL_OK;
}

static int read_uuid(struct reader *r, struct cell *ret) {
        return read_bytes(r, 16, &ret->bytes);
}

static int read_bit(struct reader *r, struct cell *ret) {
        int result = read_varint(r, &ret->count);
        unsigned used = ret->count % 8;

        if (!result)
                result = read_bytes(r, ret->count / 8 + (used != 0), &ret->bytes);
        if (!result && used && (ret->bytes.data[ret->bytes.len - 1] & (0xff >> used)))
                return CELL_E_BIT;
        return result;
}

static int read_null(struct reader *r, struct cell *ret) {
        return CELL_OK;
}

/* Only the count; every member takes at least one byte. */
static int read_count(struct reader *r, struct cell *ret) {
        int result = read_varint(r, &ret->count);

        if (!result && ret->count > left(r))
                return CELL_E_SHORT;
        return result;
}

static int (*const readers[256])(struct reader *, struct cell *) = {
        [CELL_NULL] = read_null,         [CELL_INTEGER] = read_integer,
        [CELL_DECIMAL] = read_decimal,   [CELL_REAL] = read_real,
        [CELL_TEXT] = read_text,         [CELL_BLOB] = read_blob,
        [CELL_DATE] = read_date,         [CELL_TIME] = read_usec,
        [CELL_TIMESTAMP] = read_usec,    [CELL_TIMESTAMPTZ] = read_usec,
        [CELL_INTERVAL] = read_interval, [CELL_UUID] = read_uuid,
        [CELL_BIT] = read_bit,           [CELL_LIST] = read_count,
        [CELL_STRUCT] = read_count,      [CELL_MAP] = read_count,
};

static bool is_nested(enum cell_type type) {
        return type >= CELL_LIST && type <= CELL_MAP;
}

/* A scalar whole; of a nested cell the tag and the count. */
static int read_head(struct reader *r, struct cell *ret) {
        uint8_t tag;

        if (left(r) == 0)
                return CELL_E_SHORT;
        tag = r->data[r->pos++];
        ret->type = tag;
        return readers[tag] ? readers[tag](r, ret) : CELL_E_TYPE;
}

/* A nested cell whose members are being read. */
struct level {
        enum cell_type type;
        uint64_t left; /* members; of a MAP keys and values, an even number at a key */
        size_t start;  /* of the key being read */
        struct bytes last_key;
};

static struct level level_of(const struct cell *c) {
        return (struct level){ .type = c->type,
                               .left = c->type == CELL_MAP ? 2 * c->count : c->count };
}

static int member_begin(struct reader *r, struct level *l, struct cell *ret) {
        bool is_key = l->type == CELL_MAP && l->left % 2 == 0;
        struct cell name;
        int result;

        if (l->type == CELL_STRUCT) {
                result = read_head(r, &name);
                if (result)
                        return result;
                if (name.type != CELL_TEXT)
                        return CELL_E_NAME;
        }
        l->start = r->pos;
        result = read_head(r, ret);
        if (result)
                return result;
        return is_key && ret->type == CELL_NULL ? CELL_E_TYPE : CELL_OK;
}

static int member_end(struct reader *r, struct level *l) {
        bool is_key = l->type == CELL_MAP && l->left % 2 == 0;
        struct bytes key;

        l->left--;
        if (!is_key)
                return CELL_OK;
        key = BYTES(r->data + l->start, r->pos - l->start);
        if (l->last_key.len > 0 && bytes_compare(l->last_key, key) >= 0)
                return CELL_E_MAP_ORDER;
        l->last_key = key;
        return CELL_OK;
}

static int read_members(struct reader *r, const struct cell *outer) {
        struct level levels[CELL_DEPTH_MAX];
        struct cell member;
        size_t depth = 1;
        int result;

        levels[0] = level_of(outer);
        for (;;) {
                struct level *l = &levels[depth - 1];

                if (l->left > 0) {
                        result = member_begin(r, l, &member);
                        if (result)
                                return result;
                        if (is_nested(member.type) && depth == CELL_DEPTH_MAX)
                                return CELL_E_DEPTH;
                        if (is_nested(member.type)) {
                                levels[depth++] = level_of(&member);
                                continue;
                        }
                } else if (--depth == 0) {
                        return CELL_OK;
                }
                result = member_end(r, &levels[depth - 1]);
                if (result)
                        return result;
        }
}

int cell_read(struct reader *r, struct cell *ret) {
        size_t start;
        int result;

        *ret = (struct cell){};
        if (r->failed)
                return CELL_E_SHORT;
        result = read_head(r, ret);
        if (result || !is_nested(ret->type))
                return result;
        start = r->pos;
        result = read_members(r, ret);
        ret->bytes = BYTES(r->data + start, r->pos - start);
        return result;
}

struct cell_members cell_members_of(const struct cell *c) {
        return (struct cell_members){ .reader = reader_of(c->bytes),
                                      .type = c->type,
                                      .left = is_nested(c->type) ? c->count : 0 };
}

bool cell_next(struct cell_members *m, struct cell *ret_key, struct cell *ret_value) {
        *ret_key = (struct cell){};
        if (m->left == 0)
                return false;
        m->left--;
        if (m->type != CELL_LIST && cell_read(&m->reader, ret_key))
                return false;
        return cell_read(&m->reader, ret_value) == CELL_OK;
}
