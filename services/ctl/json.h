#pragma once

/* JSON to a stream, as programs expect it (RFC 8259). The caller keeps the commas. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/bytes.h"

/* Quoted; controls escaped, invalid UTF-8 becomes U+FFFD. */
void json_text(FILE *f, struct bytes v);
void json_string(FILE *f, const char *v); /* NULL: "" */
void json_hex(FILE *f, const void *p, size_t n);
/* ,"name": with the comma unless *first, which becomes false. */
void json_key(FILE *f, const char *name, bool *first);
void json_member_string(FILE *f, const char *name, const char *v, bool *first);
void json_member_u64(FILE *f, const char *name, uint64_t v, bool *first);
void json_member_bool(FILE *f, const char *name, bool v, bool *first);
/* Milliseconds with three decimals from microseconds. */
void json_member_ms(FILE *f, const char *name, uint64_t us, bool *first);
