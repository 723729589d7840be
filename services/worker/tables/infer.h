#pragma once

/* The type of a column from the forms of all its values: the narrowest that holds
 * every one of them. INTEGER, DECIMAL(p,s) with p at most what the format's readers
 * keep, REAL, DATE, TIMESTAMP; TEXT when forms of different kinds meet, and for a
 * column that is empty. Where REAL would lose digits of an INTEGER it is TEXT. Pure. */

#include "services/worker/tables/forms.h"

struct infer_column {
        unsigned kinds; /* bits, 1 << enum form_kind */
        uint8_t digits, scale;
        bool has_large; /* an INTEGER that REAL would round */
};

struct infer_type {
        enum cell_type type;
        uint8_t precision, scale;
};

void infer_add(struct infer_column *c, const struct form *f);
void infer_merge(struct infer_column *c, const struct infer_column *from);
struct infer_type infer_type_of(const struct infer_column *c, unsigned decimal_max);
