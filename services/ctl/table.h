#pragma once

/* Aligned columns for people: cells are measured, then all are printed. What others
 * say is escaped here. */

#include <stdarg.h>

#include "common/base/bytes.h"
#include "services/ctl/command.h"

struct table_column {
        const char *head;
        unsigned widest; /* in letters, 0: as wide as it is */
        bool right;      /* numbers stand on the right */
        bool state;      /* coloured by its word: colour.h */
};

struct table {
        const struct table_column *columns; /* ends with {}; borrowed */
        size_t n_columns;
        char **cells; /* row by row */
        size_t n_cells, n_allocated;
};

void table_init(struct table *t, const struct table_column *columns);
void table_done(struct table *t);
static inline void table_donep(struct table *t) {
        table_done(t);
}
/* The next cell: text of others, or our own. Cut to its column's width. */
void table_foreign(struct table *t, const char *text);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The head and all rows; nothing without rows. */
void table_show(const struct command_context *ctx, const struct table *t);
