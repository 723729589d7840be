#include "services/worker/tables/describe.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/tables/columns.h"
#include "services/worker/tables/ndjson.h"
#include "services/worker/tables/sniff.h"

/* ---- CSV ---- */

/* The first row, until it is known whether it holds the names. */
struct first_row {
        size_t n;
        struct bytes *texts; /* owned */
        bool *is_null;
        struct form *forms;
};

static void first_row_donep(struct first_row *f) {
        for (size_t i = 0; i < f->n; i++)
                free((void *) f->texts[i].data);
        free(f->texts);
        free(f->is_null);
        free(f->forms);
}

static void take_first(struct first_row *f, const struct csv_reader *r) {
        f->n = r->n_fields;
        f->texts = xnew_n(struct bytes, f->n);
        f->is_null = xnew_n(bool, f->n);
        f->forms = xnew_n(struct form, f->n);
        for (size_t i = 0; i < f->n; i++) {
                struct bytes text = r->fields[i].text;

                f->texts[i] = BYTES(xmemdup(text.data, text.len), text.len);
                f->is_null[i] = csv_is_null(r, &r->fields[i]);
                f->forms[i] = form_of(text);
        }
}

static int bad_field(struct csv_reader *r, size_t i, const char *what, const char *remedy) {
        return table_fault_set(r->fault, r->row, (unsigned) i + 1, r->fields[i].offset, what,
                               remedy);
}

static int add_fields(struct csv_reader *r, struct infer_column *facts) {
        for (size_t i = 0; i < r->n_fields; i++) {
                const struct csv_field *field = &r->fields[i];
                struct form form;

                if (csv_is_null(r, field))
                        continue;
                form = form_of(field->text);
                if (form.kind == FORM_TEXT && !utf8_is_valid(field->text))
                        return bad_field(r, i, "bytes that are not UTF-8",
                                         "export the file as UTF-8");
                infer_add(&facts[i], &form, r->row, field->text);
        }
        return TABLE_OK;
}

/* The first row holds names when all its fields are words, or when one is a word
 * above values that are none. */
static bool is_header(const struct first_row *first, const struct infer_column *facts) {
        bool all_words = true;

        for (size_t i = 0; i < first->n; i++) {
                bool is_word = !first->is_null[i] && first->forms[i].kind == FORM_TEXT;

                if (is_word && facts[i].kinds != 0 && !(facts[i].kinds & (1u << FORM_TEXT)))
                        return true;
                all_words = all_words && (is_word || first->is_null[i]);
        }
        return all_words;
}

static int name_columns(struct columns *c, const struct first_row *first, bool has_header,
                        struct table_fault *fault) {
        for (size_t i = 0; i < first->n; i++) {
                char made[32];
                struct bytes name = first->texts[i];
                int result;

                (void) snprintf(made, sizeof(made), "column%zu", i + 1);
                if (!has_header)
                        name = BYTES_STR(made);
                result = columns_add(c, name, fault);
                if (result) {
                        (void) table_fault_set(fault, 1, (unsigned) i + 1, 0, fault->what,
                                               fault->remedy);
                        table_fault_name(fault, name);
                        return result;
                }
        }
        return TABLE_OK;
}

/* Without names the first row is values like the others. */
static int settle_first(struct columns *c, const struct first_row *first,
                        struct infer_column *facts, bool has_header, struct table_fault *fault) {
        int result = name_columns(c, first, has_header, fault);

        for (size_t i = 0; i < first->n && !has_header && result == TABLE_OK; i++) {
                if (first->is_null[i])
                        continue;
                if (!utf8_is_valid(first->texts[i]))
                        return table_fault_set(fault, 1, (unsigned) i + 1, 0,
                                               "bytes that are not UTF-8",
                                               "export the file as UTF-8");
                infer_add(&facts[i], &first->forms[i], 1, first->texts[i]);
        }
        for (size_t i = 0; i < c->n && result == TABLE_OK; i++)
                c->list[i].facts = facts[i];
        return result;
}

static int read_csv(struct csv_reader *r, struct table_watch *watch, struct first_row *first,
                    struct infer_column *facts) {
        int result = csv_next(r);

        if (result)
                return result == TABLE_END ? table_fault_set(r->fault, 0, 0, 0, "no rows at all",
                                                             "give a file with a row of names")
                                           : result;
        take_first(first, r);
        while ((result = csv_next(r)) == TABLE_OK) {
                result = add_fields(r, facts);
                if (result)
                        return result;
                if (table_is_over(watch))
                        return TABLE_E_OVER;
        }
        return result == TABLE_END ? TABLE_OK : result;
}

static int describe_csv(struct bytes data, struct table_watch *watch, struct buffer *options,
                        struct columns *c, struct table_fault *fault) {
        CLEANUP(freep)
        struct infer_column *facts = xnew_n(struct infer_column, TABLE_COLUMNS_MAX);
        CLEANUP(first_row_donep) struct first_row first = {};
        struct csv_options o = { .delimiter = sniff_delimiter(data), .quote = '"' };
        struct csv_reader r;
        int result;

        csv_begin(&r, data, &o, fault);
        result = read_csv(&r, watch, &first, facts);
        csv_done(&r);
        if (result)
                return result;
        o.has_header = is_header(&first, facts);
        csv_options_encode(&o, options);
        return settle_first(c, &first, facts, o.has_header, fault);
}

/* ---- NDJSON ---- */

static int add_member(struct ndjson_reader *r, struct columns *c, const struct ndjson_member *m) {
        struct column *column = columns_find(c, m->name);
        struct form form = { .kind = FORM_TEXT };
        int result;

        if (!column) {
                result = columns_add(c, m->name, r->fault);
                if (result)
                        return ndjson_bad_member(r, m, r->fault->what, r->fault->remedy);
                column = &c->list[c->n - 1];
                c->next = c->n;
        }
        if (column->seen == r->row)
                return ndjson_bad_member(r, m, "a name that stands twice in its object",
                                         "take one of them out");
        column->seen = r->row;
        if (m->kind == NDJSON_NULL)
                return TABLE_OK;
        column->has_number = column->has_number || m->kind == NDJSON_NUMBER;
        column->has_other = column->has_other || m->kind != NDJSON_NUMBER;
        if (column->has_number && column->has_other)
                return ndjson_bad_member(r, m, "a number and another kind of value in one column",
                                         "write all of them as strings, or all as numbers");
        if (m->kind != NDJSON_BOOLEAN)
                form = form_of(m->text);
        if (m->kind == NDJSON_NUMBER && form.kind == FORM_TEXT)
                return ndjson_bad_member(r, m, "no number of JSON, or one beyond its column types",
                                         "write the column as strings");
        /* A number in quotes is a string. */
        if (m->kind == NDJSON_STRING && form.kind < FORM_DATE)
                form = (struct form){ .kind = FORM_TEXT };
        infer_add(&column->facts, &form, r->row, m->text);
        return TABLE_OK;
}

/* Of columns of numbers: TEXT would be written otherwise by every reader. */
static int check_numbers(const struct columns *c, struct table_fault *fault) {
        for (size_t i = 0; i < c->n; i++) {
                const struct column *column = &c->list[i];

                if (!column->has_number ||
                    infer_type_of(&column->facts, DESCRIBE_DECIMAL_JSON).type != CELL_TEXT)
                        continue;
                (void) table_fault_set(fault, 0, (unsigned) i + 1, 0,
                                       "integers beyond 2^53 and fractions in one column",
                                       "write the column as strings");
                table_fault_name(fault, column->name);
                return TABLE_E_BAD;
        }
        return TABLE_OK;
}

static int read_ndjson(struct ndjson_reader *r, struct table_watch *watch, struct columns *c) {
        int result;

        while ((result = ndjson_next(r)) == TABLE_OK) {
                c->next = 0;
                for (size_t i = 0; i < r->n_members && result == TABLE_OK; i++)
                        result = add_member(r, c, &r->members[i]);
                if (result)
                        return result;
                if (table_is_over(watch))
                        return TABLE_E_OVER;
        }
        if (result != TABLE_END)
                return result;
        return c->n ? check_numbers(c, r->fault)
                    : table_fault_set(r->fault, 0, 0, 0, "no object with a member",
                                      "write one {\"name\": value} on each line");
}

static int describe_ndjson(struct bytes data, struct table_watch *watch, struct columns *c,
                           struct table_fault *fault) {
        struct ndjson_reader r;
        int result;

        ndjson_begin(&r, data, fault);
        result = read_ndjson(&r, watch, c);
        ndjson_done(&r);
        return result;
}

/* ---- both ---- */

static void note_oddities(const struct columns *c, unsigned decimal_max, struct describe_odd *ret) {
        for (size_t i = 0; i < c->n && ret->n < DESCRIBE_ODD_MAX; i++) {
                const struct infer_column *facts = &c->list[i].facts;
                struct describe_oddity *o = &ret->list[ret->n];
                size_t n = c->list[i].name.len;
                enum infer_class class;

                if (infer_type_of(facts, decimal_max).type != CELL_TEXT ||
                    !infer_is_odd(facts, &class))
                        continue;
                *o = (struct describe_oddity){ .column = (unsigned) i + 1,
                                               .class = class,
                                               .n = facts->n,
                                               .others = facts->n - facts->of_class[class],
                                               .first = facts->odd[class] };
                memcpy(o->name, c->list[i].name.data, n);
                ret->n++;
        }
}

int describe_table(enum table_format format, struct bytes data, struct table_watch watch,
                   const struct describe_to *ret, struct table_fault *fault) {
        const unsigned decimal_max =
                format == TABLE_FORMAT_CSV ? DESCRIBE_DECIMAL_CSV : DESCRIBE_DECIMAL_JSON;
        CLEANUP(columns_donep) struct columns c = {};
        bool is_csv = format == TABLE_FORMAT_CSV;
        int result;

        *fault = (struct table_fault){};
        columns_init(&c);
        result = is_csv ? describe_csv(data, &watch, ret->options, &c, fault)
                        : describe_ndjson(data, &watch, &c, fault);
        if (result)
                return result;
        if (ret->odd)
                note_oddities(&c, decimal_max, ret->odd);
        return columns_encode(&c, decimal_max, ret->schema, fault);
}

static int refuse(const struct engine_input *in, const struct table_fault *fault,
                  struct engine_problem *p) {
        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1, "");
        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s input=%s", in->format, in->name);
        /* Its foreign part is escaped there. */
        (void) table_fault_text(fault, p->text, sizeof(p->text));
        return ENGINE_E_PROBLEM;
}

static int over(struct engine_problem *p) {
        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_TIMEOUT, 0, -1,
                                  "reading the input took too long");
        (void) snprintf(p->detail, sizeof(p->detail), "stage=input");
        return ENGINE_E_PROBLEM;
}

int tables_problem(const struct engine_input *in, int result, const struct table_fault *fault,
                   struct engine_problem *p) {
        if (result == TABLE_OK)
                return ENGINE_OK;
        if (result == TABLE_E_OVER)
                return over(p);
        if (fault->row == 0)
                return refuse(in, fault, p);
        (void) engine_problem_data(p, "");
        (void) table_fault_text(fault, p->text, sizeof(p->text));
        return ENGINE_E_SQL;
}

int tables_describe(const struct engine_job *job, struct buffer *options, struct buffer *schema,
                    struct describe_odd *odd, struct engine_problem *p) {
        const struct engine_input *in = &job->inputs[0];
        const struct table_watch watch = { job->is_over, job->userdata, 0 };
        struct table_fault fault;
        const struct describe_to to = { options, schema, odd };
        int r = describe_table(table_format_of(in->format), BYTES(in->data, in->length), watch, &to,
                               &fault);

        if (r == TABLE_OK)
                return ENGINE_OK;
        return r == TABLE_E_OVER ? over(p) : refuse(in, &fault, p);
}

uint64_t tables_count_lines(struct bytes data) {
        const uint8_t *at = data.data, *end = data.data + data.len;
        uint64_t n = 0;

        while (at && at < end && (at = memchr(at, '\n', (size_t) (end - at)))) {
                at++;
                n++;
        }
        return n;
}
