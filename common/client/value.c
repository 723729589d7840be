#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "common/base/text.h"
#include "common/client/internal.h"

#define USEC_PER_SEC 1000000

static void put_format(struct buffer *b, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void put_format(struct buffer *b, const char *format, ...) {
        char text[128];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        buffer_put(b, text, n < (int) sizeof(text) ? (size_t) n : sizeof(text) - 1);
}

/* Schoolbook division of big-endian two's complement by ten, for what does not fit. */
static void put_big_integer(struct buffer *b, struct bytes twos) {
        uint8_t digits[CELL_INTEGER_MAX], text[3 * CELL_INTEGER_MAX];
        bool negative = twos.len > 0 && twos.data[0] & 0x80, carry = true, any = true;
        size_t n = 0;

        memcpy(digits, twos.data, twos.len);
        for (size_t i = twos.len; negative && i-- > 0;) {
                digits[i] = (uint8_t) (~digits[i] + carry);
                carry = carry && digits[i] == 0;
        }
        while (any) {
                unsigned rest = 0;

                any = false;
                for (size_t i = 0; i < twos.len; i++) {
                        unsigned v = rest << 8 | digits[i];

                        digits[i] = (uint8_t) (v / 10);
                        rest = v % 10;
                        any = any || digits[i];
                }
                text[n++] = (uint8_t) ('0' + rest);
        }
        if (negative)
                buffer_put_u8(b, '-');
        while (n > 0)
                buffer_put_u8(b, text[--n]);
}

static void put_integer(struct buffer *b, const struct cell *c) {
        if (c->fits)
                put_format(b, "%" PRId64, c->integer);
        else
                put_big_integer(b, c->bytes);
}

/* Moves the point `scale` digits to the left. */
static void put_digits(struct buffer *b, const struct cell *c) {
        CLEANUP(buffer_donep) struct buffer digits = {};
        size_t start, n;

        buffer_init(&digits, 256);
        put_integer(&digits, c);
        start = digits.len > 0 && digits.data[0] == '-';
        n = digits.len - start;
        buffer_put(b, digits.data, start);
        if (n <= c->scale) {
                buffer_put(b, "0.", 2);
                for (size_t i = n; i < c->scale; i++)
                        buffer_put_u8(b, '0');
                buffer_put(b, digits.data + start, n);
                return;
        }
        buffer_put(b, digits.data + start, n - c->scale);
        buffer_put_u8(b, '.');
        buffer_put(b, digits.data + start + n - c->scale, c->scale);
}

/* Canonical form drops zeros at the end; the column's type says how many people expect. */
static void put_decimal(struct buffer *b, const struct cell *c, unsigned declared) {
        unsigned scale = c->type == CELL_DECIMAL ? c->scale : 0;

        if (scale > 0)
                put_digits(b, c);
        else
                put_integer(b, c);
        if (scale == 0 && declared > 0)
                buffer_put_u8(b, '.');
        for (; scale < declared; scale++)
                buffer_put_u8(b, '0');
}

/* The shortest of 15, 16, 17 digits that reads back as the same number. */
static void put_real(struct buffer *b, const struct cell *c) {
        char text[40];

        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, c->real);
                if (strtod(text, NULL) == c->real)
                        break;
        }
        if (!strpbrk(text, ".eni"))
                strcat(text, ".0");
        buffer_put(b, text, strlen(text));
}

static void put_hex(struct buffer *b, struct bytes v) {
        uint8_t *to = buffer_reserve(b, 2 * v.len + 1);

        if (!to)
                return;
        hex_encode(v, (char *) to);
        b->len += 2 * v.len;
}

static void put_blob(struct buffer *b, const struct cell *c) {
        buffer_put(b, "x'", 2);
        put_hex(b, c->bytes);
        buffer_put_u8(b, '\'');
}

static void put_text(struct buffer *b, const struct cell *c) {
        buffer_put_bytes(b, c->bytes);
}

static void put_date_of(struct buffer *b, int64_t days) {
        /* Civil from days (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
        int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
        int64_t month = mp < 10 ? mp + 3 : mp - 9;

        put_format(b, "%04" PRId64 "-%02d-%02d", yoe + era * 400 + (month <= 2), (int) month,
                   (int) (doy - (153 * mp + 2) / 5 + 1));
}

static void put_time_of(struct buffer *b, int64_t usec) {
        int64_t sec = usec / USEC_PER_SEC;

        put_format(b, "%02d:%02d:%02d", (int) (sec / 3600), (int) (sec / 60 % 60),
                   (int) (sec % 60));
        if (usec % USEC_PER_SEC)
                put_format(b, ".%06d", (int) (usec % USEC_PER_SEC));
}

static void put_date(struct buffer *b, const struct cell *c) {
        put_date_of(b, c->integer);
}

static void put_time(struct buffer *b, const struct cell *c) {
        put_time_of(b, c->integer);
}

static void put_timestamp(struct buffer *b, const struct cell *c) {
        const int64_t day = (int64_t) 86400 * USEC_PER_SEC;
        int64_t days = c->integer / day - (c->integer % day < 0);

        put_date_of(b, days);
        buffer_put_u8(b, ' ');
        put_time_of(b, c->integer - days * day);
        if (c->type == CELL_TIMESTAMPTZ)
                buffer_put_u8(b, 'Z');
}

static void put_interval(struct buffer *b, const struct cell *c) {
        put_format(b, "%d months %d days %" PRId64 " us", c->interval.months, c->interval.days,
                   c->interval.usec);
}

static void put_uuid(struct buffer *b, const struct cell *c) {
        static const size_t groups[] = { 4, 2, 2, 2, 6 };
        size_t at = 0;

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                if (i > 0)
                        buffer_put_u8(b, '-');
                put_hex(b, BYTES(c->bytes.data + at, groups[i]));
                at += groups[i];
        }
}

static void put_bit(struct buffer *b, const struct cell *c) {
        for (uint64_t i = 0; i < c->count; i++)
                buffer_put_u8(b, c->bytes.data[i / 8] & 0x80 >> i % 8 ? '1' : '0');
}

static void put_members(struct buffer *b, const struct cell *c, const struct schema_type *t) {
        const struct schema_type *k = t ? schema_child(t) : NULL, *v = k;
        struct cell_members m = cell_members_of(c);
        struct cell key, value;
        bool first = true;

        if (c->type == CELL_MAP && k)
                v = schema_next(k);
        buffer_put_u8(b, c->type == CELL_LIST ? '[' : '{');
        while (cell_next(&m, &key, &value)) {
                if (!first) {
                        buffer_put(b, ", ", 2);
                        v = c->type == CELL_STRUCT && v ? schema_next(v) : v;
                }
                first = false;
                if (c->type != CELL_LIST) {
                        value_text(&key, c->type == CELL_MAP ? k : NULL, b);
                        buffer_put(b, ": ", 2);
                }
                value_text(&value, v, b); /* depth is bounded by CELL_DEPTH_MAX */
        }
        buffer_put_u8(b, c->type == CELL_LIST ? ']' : '}');
}

static void put_null(struct buffer *b, const struct cell *c) {
        (void) b, (void) c;
}

static const struct {
        enum cell_type tag;
        enum quorate_type type;
        void (*put)(struct buffer *b, const struct cell *c);
} types[] = {
        { CELL_NULL, QUORATE_NULL, put_null },
        { CELL_INTEGER, QUORATE_INTEGER, put_integer },
        { CELL_DECIMAL, QUORATE_DECIMAL, put_digits },
        { CELL_REAL, QUORATE_REAL, put_real },
        { CELL_TEXT, QUORATE_TEXT, put_text },
        { CELL_BLOB, QUORATE_BLOB, put_blob },
        { CELL_DATE, QUORATE_OTHER, put_date },
        { CELL_TIME, QUORATE_OTHER, put_time },
        { CELL_TIMESTAMP, QUORATE_OTHER, put_timestamp },
        { CELL_TIMESTAMPTZ, QUORATE_OTHER, put_timestamp },
        { CELL_INTERVAL, QUORATE_OTHER, put_interval },
        { CELL_UUID, QUORATE_OTHER, put_uuid },
        { CELL_BIT, QUORATE_OTHER, put_bit },
        { CELL_LIST, QUORATE_OTHER, NULL },
        { CELL_STRUCT, QUORATE_OTHER, NULL },
        { CELL_MAP, QUORATE_OTHER, NULL },
};

static bool is_decimal(const struct cell *c, const struct schema_type *t) {
        return t && t->type == CELL_DECIMAL && (c->type == CELL_DECIMAL || c->type == CELL_INTEGER);
}

void value_text(const struct cell *c, const struct schema_type *t, struct buffer *b) {
        if (is_decimal(c, t)) {
                put_decimal(b, c, t->scale);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                if (types[i].tag != c->type)
                        continue;
                if (types[i].put)
                        types[i].put(b, c);
                else /* a member has a type of its own only where the types of both agree */
                        put_members(b, c, t && t->type == c->type ? t : NULL);
        }
}

void value_fill(const struct cell *c, const struct schema_type *t, struct buffer *text,
                struct quorate_value *ret) {
        *ret = (struct quorate_value){ .type = QUORATE_OTHER, .tag = (uint8_t) c->type };
        buffer_clear(text);
        value_text(c, t, text);
        buffer_put_u8(text, 0);
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (types[i].tag == c->type)
                        ret->type = types[i].type;
        if (is_decimal(c, t))
                ret->type = QUORATE_DECIMAL;
        if (c->type == CELL_INTEGER && c->fits)
                ret->integer = c->integer;
        if (c->type == CELL_REAL)
                ret->real = c->real;
        if (c->type == CELL_TEXT || c->type == CELL_BLOB) {
                ret->blob = c->bytes.data;
                ret->blob_len = c->bytes.len;
        }
        ret->text = text->failed ? "" : (const char *) text->data;
        ret->text_len = text->failed ? 0 : text->len - 1;
}
