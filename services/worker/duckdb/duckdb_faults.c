/* What DuckDB's errors mean in the closed table. They come as JSON (errors_as_json): one
 * flat object of strings, of which exception_type, error_subtype and position decide. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_files.h"
#include "services/worker/duckdb/duckdb_session.h"

#define FIELD_SIZE 256

struct fault {
        char type[FIELD_SIZE], subtype[FIELD_SIZE], message[FIELD_SIZE];
        int32_t position; /* or -1 */
};

/* ---- their JSON ---- */

static int hex_of(const char *four) {
        unsigned v = 0;

        return sscanf(four, "%4x", &v) == 1 ? (int) v : '?';
}

/* One character of a string at *at (behind its quote), 0 at the closing quote or the end.
 * What is not ASCII and escaped becomes "?": messages only. */
static char next_character(const char **at) {
        static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
        const char *c = *at, *escape;

        if (*c == 0 || *c == '"')
                return 0;
        *at = c + 1;
        if (*c != '\\' || c[1] == 0)
                return *c;
        *at = c + 2;
        if (c[1] == 'u') {
                int v = strlen(c + 2) >= 4 ? hex_of(c + 2) : 0;

                *at += strlen(c + 2) >= 4 ? 4 : 0;
                return v > 0 && v < 128 ? (char) v : '?';
        }
        escape = strchr(from, c[1]);
        return escape ? to[escape - from] : c[1];
}

/* A string with its quotes; cut short to what fits. False: there is none. */
static bool take_string(const char **at, char ret[FIELD_SIZE]) {
        size_t n = 0;
        char c;

        if (**at != '"')
                return false;
        (*at)++;
        while ((c = next_character(at)) != 0)
                if (n + 1 < FIELD_SIZE)
                        ret[n++] = c;
        ret[n] = 0;
        if (**at != '"')
                return false;
        (*at)++;
        return true;
}

static void take_field(struct fault *f, const char *name, const char *value) {
        const struct {
                const char *name;
                char *ret;
        } fields[] = {
                { "exception_type", f->type },
                { "error_subtype", f->subtype },
                { "exception_message", f->message },
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                if (strcmp(name, fields[i].name) == 0)
                        memcpy(fields[i].ret, value, FIELD_SIZE);
        }
        if (strcmp(name, "position") == 0)
                f->position = (int32_t) strtol(value, NULL, 10);
}

/* One line: the place is told apart, and what picture the engine draws of it is left out. */
static void make_line(char *message) {
        char *picture = strstr(message, "\n\nLINE "), *to = message;

        if (picture)
                *picture = 0;
        for (const char *from = message; *from; from++) {
                bool is_blank = (unsigned char) *from <= ' ';

                if (!is_blank || (to > message && to[-1] != ' '))
                        *to++ = is_blank ? ' ' : *from;
        }
        *to = 0;
}

static struct fault fault_of(const char *error) {
        const char *at = error ? strchr(error, '{') : NULL;
        char name[FIELD_SIZE], value[FIELD_SIZE];
        struct fault f = { .position = -1 };

        while (at && (*at == '{' || *at == ',')) {
                at++;
                if (!take_string(&at, name) || *at++ != ':' || !take_string(&at, value))
                        break;
                take_field(&f, name, value);
        }
        if (!f.type[0]) /* not JSON after all */
                (void) snprintf(f.message, sizeof(f.message), "%s", error ? error : "");
        make_line(f.message);
        duckdb_files_name(f.message, sizeof(f.message));
        return f;
}

/* ---- what they mean ---- */

int duckdb_refuse(struct engine_problem *p, const char *rule, int32_t position, const char *text) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, position, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s", rule);
        return r;
}

static int limit(struct engine_problem *p, uint32_t outcome, const char *detail) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, outcome, 0, -1, "");

        (void) snprintf(p->detail, sizeof(p->detail), "%s", detail);
        return r;
}

int duckdb_timed_out(struct engine_problem *p, const char *stage) {
        char detail[32];

        (void) snprintf(detail, sizeof(detail), "stage=%s", stage);
        return limit(p, OUTCOME_TIMEOUT, detail);
}

/* What no statement is to blame for, or is refused whatever it says. */
static int other(const struct fault *f, const char *stage, struct engine_problem *p) {
        if (strcmp(f->type, "Out of Memory") == 0)
                return limit(p, OUTCOME_LIMIT, "which=memory");
        if (strcmp(f->type, "INTERRUPT") == 0)
                return duckdb_timed_out(p, stage);
        if (strcmp(f->type, "Permission") == 0)
                return duckdb_refuse(p, "files", f->position, f->message);
        if (strcmp(f->type, "Missing Extension") == 0 ||
            strcmp(f->type, "Extension Autoloading") == 0)
                return duckdb_refuse(p, "extensions", f->position, f->message);
        if (strcmp(f->type, "IO") == 0)
                return duckdb_refuse(p, "input", -1, f->message);
        return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1, f->message);
}

struct meaning {
        const char *type, *subtype, *part; /* NULL: any; part of the message */
        enum sql_error code;
};

static const struct meaning at_preparing[] = {
        { "Parser", NULL, NULL, SQL_PARSE },
        { "Syntax", NULL, NULL, SQL_PARSE },
        { "Catalog", NULL, NULL, SQL_UNKNOWN_NAME },
        { "Binder", "COLUMN_NOT_FOUND", NULL, SQL_UNKNOWN_NAME },
        { "Binder", NULL, "not found", SQL_UNKNOWN_NAME },
        { "Binder", NULL, "does not have a column", SQL_UNKNOWN_NAME },
        { "Binder", NULL, "does not exist", SQL_UNKNOWN_NAME },
        { "Binder", NULL, "mbiguous", SQL_UNKNOWN_NAME },
        { "Binder", NULL, NULL, SQL_TYPE },
        { "Invalid type", NULL, NULL, SQL_TYPE },
        { "Mismatch Type", NULL, NULL, SQL_TYPE },
        { "Not implemented", NULL, NULL, SQL_TYPE },
        { "Invalid Input", NULL, NULL, SQL_TYPE },
        { "Parameter Not Resolved", NULL, NULL, SQL_TYPE },
        {},
};

static const struct meaning at_running[] = {
        { "Conversion", NULL, NULL, SQL_CAST },
        { "Out of Range", NULL, NULL, SQL_OVERFLOW },
        { "Decimal", NULL, NULL, SQL_OVERFLOW },
        { "Divide by Zero", NULL, NULL, SQL_DIVISION },
        { "Invalid Input", NULL, "More than one row returned by a subquery", SQL_SUBQUERY_ROWS },
        { "Invalid Input", NULL, NULL, SQL_CAST },
        { "Invalid type", NULL, NULL, SQL_CAST },
        { "Mismatch Type", NULL, NULL, SQL_CAST },
        { "Object Size", NULL, NULL, SQL_RESULT_LIMIT },
        {},
};

static enum sql_error meaning_of(const struct fault *f, const struct meaning *table) {
        for (const struct meaning *m = table; m->type; m++) {
                if (strcmp(f->type, m->type) == 0 &&
                    (!m->subtype || strcmp(f->subtype, m->subtype) == 0) &&
                    (!m->part || strstr(f->message, m->part)))
                        return m->code;
        }
        return 0;
}

int duckdb_problem_prepare(const char *error, struct bytes sql, struct engine_problem *p) {
        struct fault f = fault_of(error);
        enum sql_error code = meaning_of(&f, at_preparing);
        int32_t position = f.position > 0 && (size_t) f.position <= sql.len ? f.position : 0;

        if (!code)
                code = meaning_of(&f, at_running); /* a constant that was computed at once */
        if (!code)
                return other(&f, "prepare", p);
        return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, code, position, f.message);
}

int duckdb_problem_run(const char *error, struct engine_problem *p) {
        struct fault f = fault_of(error);
        enum sql_error code = meaning_of(&f, at_running);

        if (!code)
                return other(&f, "run", p);
        return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, code, 0, f.message);
}
