#pragma once

/* Text in and out: hexadecimal, durations and sizes with mandatory units, and
 * untrusted strings made fit for a terminal or a log. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"

/* Writes 2 × len lower-case digits and a 0; ret has room for 2 × len + 1. */
void hex_encode(struct bytes v, char *ret);
/* Exactly 2 × len digits of either case; false leaves ret undefined. */
bool hex_decode(const char *text, uint8_t *ret, size_t len);

/* "250ms", "8s", "5min", "2h", "7d", "0": a whole number and a unit (ns us ms s
 * min h d); a bare number other than 0 is refused. */
bool text_parse_duration(const char *text, nsec_t *ret);
/* "64K", "1M", "4G", "512B", "0": powers of 1024; a bare number other than 0 is refused. */
bool text_parse_size(const char *text, uint64_t *ret);
/* Decimal digits only, no sign, no blank; within [min, max]. */
bool text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* The shortest exact form that the parsers above read back. ret >= 32 bytes. */
const char *text_format_duration(nsec_t v, char ret[32]);
const char *text_format_size(uint64_t v, char ret[32]);

/* Copies at most len bytes of a foreign string, replacing invalid UTF-8 and what is
 * hidden (below) with \xNN; ends with "…" when it did not fit.
 * ret_size includes the final 0; returns ret. */
char *text_escape(struct bytes v, char *ret, size_t ret_size);

/* The expression of a statement that begins at this byte, as far as text alone tells: a name, with
 * its arguments in brackets where it has any; a quoted piece; else up to the next blank. Escaped
 * and cut short as above. */
char *text_expression(struct bytes statement, size_t at, char *ret, size_t ret_size);

/* Length of the valid UTF-8 prefix of v (RFC 3629: no surrogates, no overlongs). */
size_t utf8_valid_prefix(struct bytes v);
bool utf8_is_valid(struct bytes v);
/* The code point that v, not empty, begins with; its length, 0: it begins with none. */
size_t utf8_next(struct bytes v, uint32_t *ret);
/* Controls, zero-width and bidi characters and others that people cannot see. */
bool text_is_hidden(uint32_t c);
