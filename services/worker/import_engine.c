/* Rows that another engine reads (of Parquet files: DuckDB), as SQLite is to keep them. They come
 * as canonical cells, as those of any result do. */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/import.h"

#define TIME_TEXT   32
#define DAY_US      INT64_C(86400000000)
#define YEAR_0_DAYS INT64_C(-719528) /* 0000-01-01 and 9999-12-31, in days since 1970 */
#define YEAR_9_DAYS INT64_C(2932896)

struct cell_rows {
        struct import_rows base;
        const struct engine *engine;
        struct engine_session *session;
        const struct engine_input *input;
        const struct schema *schema;
        struct answer_builder builder;
        struct reader batch;
        bool has_batch;
        uint64_t row;
        struct table_value *values;
        char (*texts)[TIME_TEXT]; /* one for each column */
};

static struct import_rows *cells_free(struct import_rows *base) {
        struct cell_rows *c = (struct cell_rows *) base;

        if (!c)
                return NULL;
        answer_done(&c->builder);
        free(c->values);
        free(c->texts);
        free(c);
        return NULL;
}

/* ---- one value ---- */

/* By hand: printf() of dates took a quarter of an import. */
static char *put_digits(char *to, int64_t v, unsigned n) {
        for (unsigned i = n; i > 0; i--, v /= 10)
                to[i - 1] = (char) ('0' + v % 10);
        return to + n;
}

static char *put_mark(char *to, char mark) {
        *to = mark;
        return to + 1;
}

/* Of years 0 to 9999. https://howardhinnant.github.io/date_algorithms.html#civil_from_days */
static char *put_date(int64_t days, char *ret) {
        int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097,
                yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
                doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153,
                month = mp < 10 ? mp + 3 : mp - 9;

        ret = put_mark(put_digits(ret, yoe + era * 400 + (month <= 2), 4), '-');
        ret = put_mark(put_digits(ret, month, 2), '-');
        return put_digits(ret, doy - (153 * mp + 2) / 5 + 1, 2);
}

/* As a CSV's: "YYYY-MM-DD HH:MM:SS[.f]", no zeros at the end. */
static char *put_timestamp(int64_t usec, char *ret) {
        int64_t days = usec / DAY_US - (usec % DAY_US < 0), rest = usec - days * DAY_US;
        int64_t second = rest / 1000000, fraction = rest % 1000000;

        ret = put_mark(put_date(days, ret), ' ');
        ret = put_mark(put_digits(ret, second / 3600, 2), ':');
        ret = put_mark(put_digits(ret, second / 60 % 60, 2), ':');
        ret = put_digits(ret, second % 60, 2);
        if (fraction == 0)
                return ret;
        ret = put_digits(put_mark(ret, '.'), fraction, 6);
        while (ret[-1] == '0')
                ret--;
        return ret;
}

/* Both are exact up to 15 digits, and so the quotient is the double that is nearest. */
static double decimal_of(const struct cell *c) {
        double power = 1;

        for (unsigned i = 0; c->type == CELL_DECIMAL && i < c->scale; i++)
                power *= 10;
        return (double) c->integer / power;
}

static const char *take_time(struct cell_rows *r, size_t i, const struct cell *c) {
        int64_t days =
                c->type == CELL_DATE ? c->integer : c->integer / DAY_US - (c->integer % DAY_US < 0);
        char *end;

        if (days < YEAR_0_DAYS || days > YEAR_9_DAYS)
                return "a year that is not of four digits";
        end = c->type == CELL_DATE ? put_date(c->integer, r->texts[i])
                                   : put_timestamp(c->integer, r->texts[i]);
        r->values[i] =
                (struct table_value){ .type = CELL_TEXT,
                                      .text = BYTES(r->texts[i], (size_t) (end - r->texts[i])) };
        return NULL;
}

static const char *take_number(struct table_value *v, enum cell_type declared,
                               const struct cell *c) {
        if (!c->fits)
                return "an integer of more than 64 bits";
        if (declared == CELL_DECIMAL)
                *v = (struct table_value){ .type = CELL_REAL, .real = decimal_of(c) };
        else
                *v = (struct table_value){ .type = CELL_INTEGER, .integer = c->integer };
        return NULL;
}

/* NULL, or what SQLite cannot keep. */
static const char *take_cell(struct cell_rows *r, size_t i, const struct cell *c) {
        struct table_value *v = &r->values[i];

        switch (c->type) {
        case CELL_NULL:
                *v = (struct table_value){ .type = CELL_NULL };
                return NULL;
        case CELL_INTEGER:
        case CELL_DECIMAL:
                return take_number(v, r->schema->columns[i]->type, c);
        case CELL_REAL:
                *v = (struct table_value){ .type = CELL_REAL, .real = c->real };
                return c->real != c->real ? "NaN, which SQLite takes for NULL" : NULL;
        case CELL_TEXT:
                *v = (struct table_value){ .type = CELL_TEXT, .text = c->bytes };
                return memchr(c->bytes.data, 0, c->bytes.len) ? "a zero byte in text" : NULL;
        case CELL_BLOB:
                *v = (struct table_value){ .type = CELL_BLOB, .text = c->bytes };
                return NULL;
        default:
                return take_time(r, i, c);
        }
}

/* ---- rows ---- */

#define REMEDY "ask DuckDB (--engine duckdb), or publish it without"

/* Where texts do not say what stands there. */
static void show_value(const struct cell *c, struct table_fault *ret) {
        char number[48];

        *ret = (struct table_fault){};
        if (c->type == CELL_TEXT)
                table_fault_value(ret, c->bytes);
        if (c->type != CELL_DATE && c->type != CELL_TIMESTAMP)
                return;
        (void) snprintf(number, sizeof(number), "%" PRId64 " %s from 1970", c->integer,
                        c->type == CELL_DATE ? "days" : "us");
        table_fault_value(ret, BYTES_STR(number));
}

/* The same on every host: the cells are canonical. */
static int refuse(const struct cell_rows *r, size_t i, const struct cell *c, const char *what,
                  struct engine_problem *p) {
        struct table_fault fault;

        show_value(c, &fault);
        fault.row = r->row;
        fault.offset = TABLE_NO_OFFSET;
        fault.column = (unsigned) i + 1;
        fault.what = what;
        fault.remedy = REMEDY;
        table_fault_name(&fault, r->schema->columns[i]->name);
        (void) engine_problem_data(p, "");
        (void) table_fault_text(&fault, p->text, sizeof(p->text));
        return ENGINE_E_SQL;
}

static int take_row(struct cell_rows *r, struct engine_problem *p) {
        size_t bytes = 0;

        r->row++;
        for (size_t i = 0; i < r->schema->n_columns; i++) {
                const char *fault;
                struct cell c;

                if (cell_read(&r->batch, &c) != CELL_OK)
                        return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                                  "the engine's rows are not canonical");
                fault = take_cell(r, i, &c);
                bytes += r->values[i].text.len;
                if (!fault && bytes > TABLE_ROW_MAX)
                        fault = "a row of more than 1 MiB";
                if (fault)
                        return refuse(r, i, &c, fault, p);
        }
        return ENGINE_OK;
}

/* A value that no result may have is no value of a table either. */
static int refuse_cell(const struct cell_rows *r, struct engine_problem *p) {
        char text[sizeof(p->text)], place[64] = "";
        size_t column;

        if (sscanf(p->detail, "column=%zu ", &column) == 1 && column < r->schema->n_columns)
                (void) snprintf(place, sizeof(place), ", column %zu", column + 1);
        (void) snprintf(text, sizeof(text), "row %" PRIu64 "%s: %.120s; " REMEDY,
                        r->builder.rows + 1, place, p->text);
        return engine_problem_data(p, text);
}

static int as_problem(const struct cell_rows *r, int result, struct engine_problem *p) {
        if (result != ENGINE_E_SQL)
                return result;
        if (p->sql_error == SQL_ENCODING)
                return refuse_cell(r, p);
        p->outcome = OUTCOME_REFUSED;
        (void) snprintf(p->detail, sizeof(p->detail), "rule=import input=%s", r->input->name);
        return ENGINE_E_PROBLEM;
}

static int cells_next(struct import_rows *base, const struct table_value **ret,
                      struct engine_problem *p) {
        struct cell_rows *r = (struct cell_rows *) base;

        *ret = r->values;
        while (reader_left(&r->batch) == 0) {
                int result;

                if (r->has_batch)
                        (void) answer_next(&r->builder);
                result = r->engine->step(r->session, &r->builder, p);
                r->has_batch = result == ENGINE_BATCH;
                if (!r->has_batch)
                        return as_problem(r, result, p);
                r->batch = reader_of(answer_batch(&r->builder));
        }
        return take_row(r, p);
}

int import_engine_rows(const struct engine *engine, struct engine_session *session,
                       const struct engine_input *in, const struct schema *schema,
                       struct import_rows **ret, struct engine_problem *p) {
        static const struct answer_limits none;
        char sql[sizeof(in->name) + 32];
        struct engine_statement statement = {};
        struct cell_rows *r = xnew(struct cell_rows);

        *r = (struct cell_rows){ .base = { .next = cells_next, .free = cells_free },
                                 .engine = engine,
                                 .session = session,
                                 .schema = schema,
                                 .input = in };
        r->base.schema = schema;
        r->values = xnew_n(struct table_value, schema->n_columns);
        r->texts = xcalloc(schema->n_columns, TIME_TEXT);
        answer_begin(&r->builder, ANSWER_SEQUENCE, &schema->digest, &none, NULL);
        (void) snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", in->name);
        statement.sql = BYTES_STR(sql);
        statement.schema = schema;
        *ret = &r->base;
        return as_problem(r, engine->prepare(session, &statement, p), p);
}
