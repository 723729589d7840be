#include "services/ctl/table.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/colour.h"

#define CELL_SIZE 1024 /* a record's name in hex digits and more */

void table_init(struct table *t, const struct table_column *columns) {
        *t = (struct table){ .columns = columns };
        while (columns[t->n_columns].head)
                t->n_columns++;
}

void table_done(struct table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        *t = (struct table){};
}

/* Letters of UTF-8 text, counting each code point as one. */
static unsigned letters(const char *s) {
        unsigned n = 0;

        for (; *s; s++)
                n += (*s & 0xc0) != 0x80;
        return n;
}

static void cut(char *text, unsigned widest) {
        unsigned n = 0;

        if (widest == 0 || letters(text) <= widest)
                return;
        for (char *c = text; *c; c++)
                if ((*c & 0xc0) != 0x80 && ++n == widest) {
                        (void) strcpy(c, "…"); /* kept has room for it */
                        return;
                }
}

static void add(struct table *t, const char *text) {
        char kept[CELL_SIZE + 4];

        (void) snprintf(kept, CELL_SIZE, "%s", text);
        cut(kept, t->columns[t->n_cells % t->n_columns].widest);
        if (t->n_cells == t->n_allocated) {
                t->n_allocated = t->n_allocated ? 2 * t->n_allocated : 64;
                t->cells = xrealloc(t->cells, t->n_allocated * sizeof(*t->cells));
        }
        t->cells[t->n_cells++] = xstrdup(kept);
}

void table_foreign(struct table *t, const char *text) {
        char shown[CELL_SIZE];

        add(t, text_escape(BYTES_STR(text), shown, sizeof(shown)));
}

void table_cell(struct table *t, const char *format, ...) {
        char text[CELL_SIZE];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        add(t, text);
}

static unsigned width_of(const struct table *t, size_t column) {
        unsigned widest = letters(t->columns[column].head);

        for (size_t i = column; i < t->n_cells; i += t->n_columns)
                if (letters(t->cells[i]) > widest)
                        widest = letters(t->cells[i]);
        return widest;
}

struct line {
        const struct command_context *ctx;
        const struct table *t;
        unsigned *widths;
};

static void put(const struct line *l, size_t column, const char *text, bool is_head) {
        const struct table_column *c = &l->t->columns[column];
        bool is_last = column + 1 == l->t->n_columns, coloured = c->state && !is_head;
        int pad = (int) (l->widths[column] - letters(text));

        if (c->right)
                printf("%*s", pad, "");
        printf("%s%s%s", coloured ? colour_begin(l->ctx, stdout, text) : "", text,
               coloured ? colour_end(l->ctx, stdout, text) : "");
        if (!is_last)
                printf("%*s  ", c->right ? 0 : pad, "");
        else
                putchar('\n');
}

void table_show(const struct command_context *ctx, const struct table *t) {
        CLEANUP(freep) unsigned *widths = xnew_n(unsigned, t->n_columns);
        const struct line l = { ctx, t, widths };

        if (t->n_cells == 0)
                return;
        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = width_of(t, i);
        for (size_t i = 0; i < t->n_columns; i++)
                put(&l, i, t->columns[i].head, true);
        for (size_t i = 0; i < t->n_cells; i++)
                put(&l, i % t->n_columns, t->cells[i], false);
}
