#pragma once

/* The type of a column from the forms of all its values: the narrowest that holds
 * every one of them. INTEGER, DECIMAL(p,s) with p at most what the format's readers
 * keep, REAL, DATE, TIMESTAMP; TEXT when forms of different kinds meet, and for a
 * column that is empty. Where REAL would lose digits of an INTEGER it is TEXT. Pure. */

#include "services/worker/tables/forms.h"

enum infer_class { INFER_NUMBERS, INFER_DATES, INFER_TIMESTAMPS, INFER_CLASSES };

/* A value as it stands in the file. */
struct infer_place {
        uint64_t row;  /* from 1; 0: none */
        char text[40]; /* cut short */
};

struct infer_column {
        unsigned kinds; /* bits, 1 << enum form_kind */
        uint8_t digits, scale;
        bool has_large;                        /* an INTEGER that REAL would round */
        uint64_t n, of_class[INFER_CLASSES];   /* values */
        struct infer_place odd[INFER_CLASSES]; /* the first that is not of that class */
};

struct infer_type {
        enum cell_type type;
        uint8_t precision, scale;
};

void infer_add(struct infer_column *c, const struct form *f, uint64_t row, struct bytes text);
struct infer_type infer_type_of(const struct infer_column *c, unsigned decimal_max);
/* Of a column of TEXT: the class that most of its values are of, and the first that is not. False:
 * most are of none. */
bool infer_is_odd(const struct infer_column *c, enum infer_class *ret);
