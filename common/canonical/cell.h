#pragma once

/* One value of a result in canonical bytes (README.md, "Cells"): equal values
 * of one type have equal bytes. Writers append to a buffer and do not allocate
 * beside it; readers give views into their input and accept the canonical form
 * only. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define CELL_DEPTH_MAX   16 /* nested types around a value */
#define CELL_INTEGER_MAX 32 /* bytes of two's complement, INTEGER and DECIMAL */
#define CELL_SCALE_MAX   255

enum cell_type {
        CELL_NULL = 0x00,
        CELL_INTEGER = 0x10, /* any width, BOOLEAN too */
        CELL_DECIMAL = 0x11,
        CELL_REAL = 0x20,
        CELL_TEXT = 0x30,
        CELL_BLOB = 0x31,
        CELL_DATE = 0x40,        /* days since 1970-01-01 */
        CELL_TIME = 0x41,        /* µs since midnight */
        CELL_TIMESTAMP = 0x42,   /* µs since 1970-01-01, no zone */
        CELL_TIMESTAMPTZ = 0x43, /* µs since 1970-01-01 UTC */
        CELL_INTERVAL = 0x44,
        CELL_UUID = 0x45,
        CELL_BIT = 0x46,
        CELL_LIST = 0x50,
        CELL_STRUCT = 0x51,
        CELL_MAP = 0x52,
        CELL_ANY = 0xff, /* in schemas only: each cell carries its own type */
};

enum cell_result {
        CELL_OK = 0,
        CELL_E_SHORT,     /* the input ends inside the cell */
        CELL_E_TYPE,      /* unknown tag, or not the column's type */
        CELL_E_LENGTH,    /* a varint that is not minimal, or past a limit */
        CELL_E_INTEGER,   /* not minimal, or longer than CELL_INTEGER_MAX */
        CELL_E_DECIMAL,   /* scale 0, trailing zeros, scale past the limit */
        CELL_E_REAL,      /* an infinity, −0, or another NaN */
        CELL_E_UTF8,      /* TEXT that is not UTF-8 */
        CELL_E_BIT,       /* padding that is not zero */
        CELL_E_MAP_ORDER, /* keys not ascending, or twice the same */
        CELL_E_NAME,      /* a STRUCT member without a TEXT name */
        CELL_E_DEPTH,     /* more than CELL_DEPTH_MAX levels */
};

/* "INTEGER", "TEXT" …; "?" for an unknown one. */
const char *cell_type_name(enum cell_type type);
const char *cell_result_text(int result); /* what is wrong, for people */

struct cell {
        enum cell_type type;
        bool fits;     /* INTEGER, DECIMAL: the value, or mantissa, is in `integer` */
        uint8_t scale; /* DECIMAL: mantissa × 10^-scale */
        union {
                int64_t integer; /* INTEGER, DECIMAL when `fits`; DATE … TIMESTAMPTZ */
                double real;
                struct {
                        int32_t months, days;
                        int64_t usec;
                } interval;
        };
        uint64_t count; /* BIT: bits; LIST, STRUCT, MAP: members */
        /* INTEGER, DECIMAL: big-endian two's complement; TEXT, BLOB, BIT, UUID:
         * content; LIST, STRUCT, MAP: the cells inside. */
        struct bytes bytes;
};

/* Writers. A failed buffer stays failed; ask it once at the end of a row. Those
 * returning int answer enum cell_result and write nothing unless CELL_OK. */
void cell_put_null(struct buffer *b);
void cell_put_integer(struct buffer *b, int64_t v);
void cell_put_integer128(struct buffer *b, __int128 v);
int cell_put_integer_bytes(struct buffer *b, struct bytes twos_complement); /* any length >= 1 */
int cell_put_decimal(struct buffer *b, __int128 mantissa, unsigned scale);
int cell_put_real(struct buffer *b, double v);
int cell_put_text(struct buffer *b, struct bytes v);
void cell_put_blob(struct buffer *b, struct bytes v);
void cell_put_date(struct buffer *b, int32_t days);
void cell_put_usec(struct buffer *b, enum cell_type type, int64_t usec); /* TIME … TIMESTAMPTZ */
void cell_put_interval(struct buffer *b, int32_t months, int32_t days, int64_t usec);
void cell_put_uuid(struct buffer *b, const uint8_t v[16]);
/* MSB first; bits past n_bits in the last byte are written as zeros. */
void cell_put_bit(struct buffer *b, const uint8_t *bits, uint64_t n_bits);
/* Any cell that was read; the same bytes come out. */
void cell_put(struct buffer *b, const struct cell *c);

/* LIST, STRUCT or MAP of `count` members: the caller then writes the cells; of
 * a STRUCT a TEXT name before each, of a MAP a key before each value. */
void cell_begin(struct buffer *b, enum cell_type type, uint64_t count);
/* Sorts the entries of the MAP that begins at offset `start` and is the last
 * cell in b. CELL_E_MAP_ORDER: a key stands twice. Faults: -ENOMEM. */
int cell_sort_map(struct buffer *b, size_t start);

/* Reads one cell, everything inside it included. On any other answer than
 * CELL_OK the reader is to be abandoned. */
int cell_read(struct reader *r, struct cell *ret);

/* The members of a LIST, STRUCT or MAP that cell_read() gave. */
struct cell_members {
        struct reader reader;
        enum cell_type type;
        uint64_t left;
};

struct cell_members cell_members_of(const struct cell *c);
/* False at the end. `ret_key`: a STRUCT member's name, a MAP's key; NULL cell in a LIST. */
bool cell_next(struct cell_members *m, struct cell *ret_key, struct cell *ret_value);
