#pragma once

/* Values as they are written in table files: the forms that every engine reads as
 * the same value. Numbers are those of RFC 8259 in both formats (no blank, no plus,
 * no leading zero); whatever has no other form is TEXT. Pure. */

#include "services/worker/tables/table.h"

enum form_kind {
        FORM_INTEGER,   /* within 64 bits */
        FORM_DECIMAL,   /* digits.digits, at most 18 of them */
        FORM_REAL,      /* with an exponent, or more digits than that; finite */
        FORM_DATE,      /* YYYY-MM-DD, 0001 to 9999 */
        FORM_TIMESTAMP, /* a date, a blank or T, HH:MM:SS and up to six decimals */
        FORM_TEXT,
        FORM_KINDS,
};

#define FORM_DECIMAL_MAX   18 /* digits in 64 bits */
#define FORM_TIMESTAMP_MAX 26

struct form {
        enum form_kind kind;
        uint8_t digits, scale; /* INTEGER, DECIMAL: digits before and behind the point */
        bool is_large;         /* INTEGER beyond 2^53: a REAL would lose digits of it */
};

struct form form_of(struct bytes text);

/* Each exactly, or false. */
bool form_integer(struct bytes text, int64_t *ret);
/* An INTEGER or DECIMAL that DECIMAL(precision, scale) holds without rounding, as the
 * nearest double. */
bool form_decimal(struct bytes text, unsigned precision, unsigned scale, double *ret);
/* Any number that is finite as a double, INTEGER included; correctly rounded. */
bool form_real(struct bytes text, double *ret);
bool form_date(struct bytes text);
/* Written anew: a blank between the parts, no zeros at the end of the decimals. */
bool form_timestamp(struct bytes text, char ret[FORM_TIMESTAMP_MAX], size_t *ret_len);
