#pragma once

/* The subset of SQL that SQLite and DuckDB answer alike, over integers and texts: functions with
 * one argument of one kind. What is not listed is not portable. tests/oracle compares both
 * engines over statements made of nothing else. */

#include <stdbool.h>
#include <stddef.h>

enum portable_kind {
        PORTABLE_ANY,     /* integers or texts, all of one kind */
        PORTABLE_INTEGER, /* up to 64 bits */
        PORTABLE_TEXT,    /* UTF-8 without NUL, compared byte by byte */
};

struct portable_function {
        const char *name; /* lower case */
        enum portable_kind takes;
        unsigned arguments_min, arguments_max;
};

/* NULL: not portable. `name` in any case. */
const struct portable_function *portable_function_of(const char *name);
/* Operators between and before values, "+" …; NULL-terminated. Division, remainders, LIKE, shifts,
 * and conversions that are not written as CAST differ between the engines. */
extern const char *const portable_operators[];
/* Words with a meaning of their own, in lower case; NULL-terminated. */
extern const char *const portable_keywords[];
/* Types of CAST: from integers to BIGINT or TEXT, from texts to TEXT. (INTEGER has 32 bits in
 * DuckDB.) */
extern const char *const portable_casts[];
