#include "services/ctl/format.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/json.h"

#define MEASURED_ROWS 500
#define CELL_WIDTH    60 /* of a table without a terminal */
#define CELL_BYTES    1024

struct format_kind {
        const char *name;
        void (*begin)(struct format *f, struct quorate_result *r);
        void (*row)(struct format *f, struct quorate_result *r);
        void (*end)(struct format *f, struct quorate_result *r);
};

struct format {
        const struct format_kind *kind;
        FILE *out;
        unsigned width;
        bool begun, is_terminal;
        uint64_t n_rows;
        char **held; /* cells of the measured rows, row by row */
        size_t n_held;
        unsigned *widths;
        bool *right; /* numbers stand on the right */
        bool measured;
};

/* ---- shared ---- */

static bool is_number(const struct quorate_value *v) {
        return v->type == QUORATE_INTEGER || v->type == QUORATE_DECIMAL || v->type == QUORATE_REAL;
}

static char *shown(const struct quorate_value *v, char ret[CELL_BYTES]) {
        if (v->type == QUORATE_NULL)
                return strcpy(ret, "NULL");
        return text_escape(BYTES(v->text, v->text_len), ret, CELL_BYTES);
}

/* Terminal columns of UTF-8 text, counting each code point as one. */
static unsigned columns_of(const char *s) {
        unsigned n = 0;

        for (; *s; s++)
                n += (*s & 0xc0) != 0x80;
        return n;
}

/* Prints at most `width` columns, padded. */
static void put_cell(FILE *f, const char *s, unsigned width, bool right) {
        unsigned n = columns_of(s), pad = n < width ? width - n : 0, at = 0;

        if (right)
                fprintf(f, "%*s", (int) pad, "");
        for (; *s; s++) {
                if ((*s & 0xc0) != 0x80 && n > width && ++at >= width) {
                        fputs("…", f);
                        break;
                }
                fputc(*s, f);
        }
        if (!right)
                fprintf(f, "%*s", (int) pad, "");
}

/* ---- table ---- */

static void table_begin(struct format *f, struct quorate_result *r) {
        size_t n = quorate_n_columns(r);

        f->widths = xnew_n(unsigned, n);
        f->right = xnew_n(bool, n);
        f->held = xnew_n(char *, n *MEASURED_ROWS);
        for (size_t i = 0; i < n; i++) {
                char name[CELL_BYTES];

                f->widths[i] = columns_of(
                        text_escape(BYTES_STR(quorate_column_name(r, i)), name, sizeof(name)));
                f->right[i] = true;
        }
}

static void table_line(const struct format *f, size_t n, const char *left, const char *middle,
                       const char *right) {
        fputs(left, f->out);
        for (size_t i = 0; i < n; i++) {
                for (unsigned w = 0; w < f->widths[i] + 2; w++)
                        fputs("─", f->out);
                fputs(i + 1 < n ? middle : right, f->out);
        }
        fputc('\n', f->out);
}

/* Takes width from the widest column until the table fits the terminal. */
static void fit(struct format *f, size_t n) {
        unsigned limit = f->width > 4 * n ? f->width - (unsigned) (3 * n + 1) : 0;

        for (size_t i = 0; i < n && !f->width; i++)
                if (f->widths[i] > CELL_WIDTH)
                        f->widths[i] = CELL_WIDTH;
        for (;;) {
                size_t widest = 0;
                unsigned sum = 0;

                for (size_t i = 0; i < n; i++) {
                        sum += f->widths[i];
                        if (f->widths[i] > f->widths[widest])
                                widest = i;
                }
                if (!limit || sum <= limit || f->widths[widest] <= 4)
                        return;
                f->widths[widest]--;
        }
}

static void table_put_row(const struct format *f, char *const *cells, size_t n) {
        for (size_t i = 0; i < n; i++) {
                fputs("│ ", f->out);
                put_cell(f->out, cells[i], f->widths[i], f->right[i]);
                fputc(' ', f->out);
        }
        fputs("│\n", f->out);
}

static void table_flush(struct format *f, struct quorate_result *r) {
        size_t n = quorate_n_columns(r);

        if (f->measured)
                return;
        f->measured = true;
        fit(f, n);
        table_line(f, n, "┌", "┬", "┐");
        for (size_t i = 0; i < n; i++) {
                char name[CELL_BYTES];

                fputs("│ ", f->out);
                put_cell(f->out,
                         text_escape(BYTES_STR(quorate_column_name(r, i)), name, sizeof(name)),
                         f->widths[i], false);
                fputc(' ', f->out);
        }
        fputs("│\n", f->out);
        table_line(f, n, "├", "┼", "┤");
        for (size_t at = 0; at + n <= f->n_held && n > 0; at += n)
                table_put_row(f, f->held + at, n);
}

static void table_row(struct format *f, struct quorate_result *r) {
        size_t n = quorate_n_columns(r);
        char text[CELL_BYTES], *cells[1024];

        if (n > ELEMENTSOF(cells)) /* a schema has at most 1,000 */
                n = ELEMENTSOF(cells);
        if (n == 0)
                return;
        for (size_t i = 0; i < n; i++) {
                const struct quorate_value *v = quorate_value(r, i);
                unsigned w;

                cells[i] = xstrdup(shown(v, text));
                w = columns_of(cells[i]);
                if (!f->measured && w > f->widths[i])
                        f->widths[i] = w;
                if (!f->measured && v->type != QUORATE_NULL && !is_number(v))
                        f->right[i] = false;
        }
        if (f->n_rows <= MEASURED_ROWS) {
                memcpy(f->held + f->n_held, cells, n * sizeof(*cells));
                f->n_held += n;
                return;
        }
        table_flush(f, r);
        table_put_row(f, cells, n);
        for (size_t i = 0; i < n; i++)
                free(cells[i]);
}

static void table_end(struct format *f, struct quorate_result *r) {
        table_flush(f, r);
        table_line(f, quorate_n_columns(r), "└", "┴", "┘");
}

/* ---- csv (RFC 4180) ---- */

static void csv_field(const struct format *to, const char *s, size_t len) {
        char shown[CELL_BYTES];
        bool quote = len == 0;
        FILE *f = to->out;

        if (to->is_terminal) { /* people look at it: nothing may act on their screen */
                s = text_escape(BYTES(s, len), shown, sizeof(shown));
                len = strlen(s);
        }

        for (size_t i = 0; i < len && !quote; i++)
                quote = strchr(",\"\r\n", s[i]) != NULL;
        if (!quote) {
                fwrite(s, 1, len, f);
                return;
        }
        fputc('"', f);
        for (size_t i = 0; i < len; i++) {
                if (s[i] == '"')
                        fputc('"', f);
                fputc(s[i], f);
        }
        fputc('"', f);
}

static void csv_begin(struct format *f, struct quorate_result *r) {
        for (size_t i = 0; i < quorate_n_columns(r); i++) {
                const char *name = quorate_column_name(r, i);

                fputs(i ? "," : "", f->out);
                csv_field(f, name, strlen(name));
        }
        fputs("\r\n", f->out);
}

/* NULL is an empty field, empty text is "". */
static void csv_row(struct format *f, struct quorate_result *r) {
        for (size_t i = 0; i < quorate_n_columns(r); i++) {
                const struct quorate_value *v = quorate_value(r, i);

                fputs(i ? "," : "", f->out);
                if (v->type != QUORATE_NULL)
                        csv_field(f, v->text, v->text_len);
        }
        fputs("\r\n", f->out);
}

/* ---- json ---- */

void format_json_value(FILE *f, const struct quorate_value *v) {
        if (v->type == QUORATE_NULL || (v->type == QUORATE_REAL && isnan(v->real)))
                fputs("null", f);
        else if (is_number(v))
                fwrite(v->text, 1, v->text_len, f);
        else
                json_text(f, BYTES(v->text, v->text_len));
}

static void json_row(struct format *f, struct quorate_result *r) {
        fputc('{', f->out);
        for (size_t i = 0; i < quorate_n_columns(r); i++) {
                fputs(i ? "," : "", f->out);
                json_string(f->out, quorate_column_name(r, i));
                fputc(':', f->out);
                format_json_value(f->out, quorate_value(r, i));
        }
        fputc('}', f->out);
}

static void array_row(struct format *f, struct quorate_result *r) {
        fputs(f->n_rows > 1 ? ",\n " : "[", f->out);
        json_row(f, r);
}

static void array_end(struct format *f, struct quorate_result *r) {
        fputs(f->n_rows ? "]\n" : "[]\n", f->out);
}

static void ndjson_row(struct format *f, struct quorate_result *r) {
        json_row(f, r);
        fputc('\n', f->out);
}

/* ---- markdown and line ---- */

static void markdown_cell(FILE *f, const char *s) {
        fputc(' ', f);
        for (; *s; s++)
                fprintf(f, *s == '|' ? "\\|" : "%c", *s);
        fputs(" |", f);
}

static void markdown_begin(struct format *f, struct quorate_result *r) {
        char text[CELL_BYTES];

        fputc('|', f->out);
        for (size_t i = 0; i < quorate_n_columns(r); i++)
                markdown_cell(f->out, text_escape(BYTES_STR(quorate_column_name(r, i)), text,
                                                  sizeof(text)));
        fputs("\n|", f->out);
        for (size_t i = 0; i < quorate_n_columns(r); i++)
                fputs("---|", f->out);
        fputc('\n', f->out);
}

static void markdown_row(struct format *f, struct quorate_result *r) {
        char text[CELL_BYTES];

        fputc('|', f->out);
        for (size_t i = 0; i < quorate_n_columns(r); i++)
                markdown_cell(f->out, shown(quorate_value(r, i), text));
        fputc('\n', f->out);
}

static void line_row(struct format *f, struct quorate_result *r) {
        char text[CELL_BYTES];
        unsigned widest = 0;

        for (size_t i = 0; i < quorate_n_columns(r); i++) {
                unsigned w = columns_of(
                        text_escape(BYTES_STR(quorate_column_name(r, i)), text, sizeof(text)));

                widest = w > widest ? w : widest;
        }
        if (f->n_rows > 1)
                fputc('\n', f->out);
        for (size_t i = 0; i < quorate_n_columns(r); i++) {
                put_cell(f->out,
                         text_escape(BYTES_STR(quorate_column_name(r, i)), text, sizeof(text)),
                         widest, true);
                fprintf(f->out, " = %s\n", shown(quorate_value(r, i), text));
        }
}

/* ---- choice ---- */

static const struct format_kind kinds[] = {
        { "table", table_begin, table_row, table_end },
        { "csv", csv_begin, csv_row, NULL },
        { "json", NULL, array_row, array_end },
        { "ndjson", NULL, ndjson_row, NULL },
        { "markdown", markdown_begin, markdown_row, NULL },
        { "line", NULL, line_row, NULL },
};

struct format *format_new(const char *name, FILE *out, unsigned width) {
        struct format *f = xnew(struct format);

        f->kind = &kinds[0];
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        f->kind = &kinds[i];
        f->out = out;
        f->is_terminal = isatty(fileno(out));
        f->width = width;
        return f;
}

struct format *format_free(struct format *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < f->n_held; i++)
                free(f->held[i]);
        free(f->held);
        free(f->widths);
        free(f->right);
        free(f);
        return NULL;
}

static void begin(struct format *f, struct quorate_result *r) {
        if (!f->begun && f->kind->begin)
                f->kind->begin(f, r);
        f->begun = true;
}

void format_row(struct format *f, struct quorate_result *r) {
        begin(f, r);
        f->n_rows++;
        f->kind->row(f, r);
}

void format_end(struct format *f, struct quorate_result *r) {
        if (quorate_n_columns(r) == 0)
                return;
        begin(f, r);
        if (f->kind->end)
                f->kind->end(f, r);
        fflush(f->out);
}
