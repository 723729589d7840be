/* The class of a statement and its result schema, before anything is sent.
 *
 * What the engine itself says (its authorizer, its column metadata) comes first;
 * where it says nothing, the tokens decide, and always to the careful side: a
 * statement called EXACT by mistake would make honest hosts differ, one called
 * FLOAT by mistake only needs hosts of one build. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/portable_text.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_analyser.h"
#include "services/worker/sqlite/sqlite_portable.h"

static struct engine_finding *find_at(struct analyser *a, enum engine_class class, size_t from,
                                      size_t to, const char *why) {
        struct engine_finding *f = engine_analysis_find(a->out, class);
        const struct sql_tokens *t = &a->tokens;
        size_t start, len;

        if (!f)
                return NULL;
        *f = (struct engine_finding){ .position = -1, .why = why };
        if (from < to && to <= t->n) {
                start = t->tokens[from].start;
                len = t->tokens[to - 1].start + t->tokens[to - 1].len - start;
                len = len < sizeof(f->expression) ? len : sizeof(f->expression) - 1;
                len = utf8_valid_prefix(BYTES(t->sql.data + start, len));
                memcpy(f->expression, t->sql.data + start, len);
                f->position = a->is_view ? -1 : (int32_t) start;
        }
        return f;
}

void analyser_find(struct analyser *a, enum engine_class class, size_t from, size_t to,
                   const char *why) {
        (void) find_at(a, class, from, to, why);
}

#define PROBES_MAX  128
#define LOOKUPS_MAX 1000000 /* tenths of a second; then names are taken for the worst */

static void find_named(struct analyser *a, enum engine_class class, const char *name,
                       const char *why) {
        struct engine_finding *f = find_at(a, class, 0, 0, why);

        if (f)
                (void) text_escape(BYTES_STR(name), f->expression, sizeof(f->expression));
}

/* ---- functions ---- */

static size_t find_call(const struct analyser *a, const char *name) {
        for (size_t i = 0; i < a->shape.end; i++) {
                char word[48];

                if ((a->tokens.tokens[i].type == SQL_WORD ||
                     a->tokens.tokens[i].type == SQL_QUOTED) &&
                    !strcasecmp(sql_token_name(&a->tokens, i, word, sizeof(word)), name))
                        return i;
        }
        return a->shape.end;
}

static void check_functions(struct analyser *a) {
        static const enum engine_class classes[] = {
                [FUNCTION_FLOAT] = ENGINE_FLOAT,
                [FUNCTION_TIES] = ENGINE_FLOAT,
                [FUNCTION_REFUSED] = ENGINE_REFUSED,
        };
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->functions, &cursor, &key, &value)) {
                const struct function_rule *rule = value;
                size_t at;

                if (rule->effect < FUNCTION_FLOAT) /* decided where it is called */
                        continue;
                at = find_call(a, rule->name);
                if (at < a->shape.end)
                        analyser_find(a, classes[rule->effect], at, at + 1, rule->why);
                else
                        find_named(a, classes[rule->effect], rule->name, rule->why);
        }
}

/* Whether the job's time or seed may be in the answer, of which the engine's own list of the
 * functions it calls decides, views included. A call of date() and its kin was looked at by
 * times_check(); should one not have been found among the tokens, it may be of now. */
static void check_job(struct analyser *a) {
        static const char *const names[] = { "current_date", "current_time", "current_timestamp",
                                             "julianday",    "random",       "randomblob",
                                             "timediff" };
        size_t cursor = 0;
        struct bytes key;
        void *value;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (map_get(a->s->functions, BYTES_STR(names[i])))
                        a->out->sees_job = true;
        while (map_next(a->s->functions, &cursor, &key, &value)) {
                const struct function_rule *rule = value;

                if (rule->effect == FUNCTION_TIME && *a->times == 0)
                        a->out->sees_job = true;
        }
}

/* json_each() and json_tree(): what is JSON, and `id`, changed between versions. */
static void check_table_functions(struct analyser *a) {
        static const char *const names[] = { "json_each", "json_tree" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                for (size_t k = 0; k < a->s->n_reads; k++) {
                        size_t at = find_call(a, names[i]);

                        if (strcasecmp(a->s->reads[k].table, names[i]) != 0)
                                continue;
                        if (at < a->shape.end)
                                analyser_find(a, ENGINE_FLOAT, at, at + 1, FUNCTION_WHY_JSON);
                        else
                                find_named(a, ENGINE_FLOAT, names[i], FUNCTION_WHY_JSON);
                        break;
                }
        }
}

/* ---- words in the wrong place ---- */

static void on_fault(void *userdata, enum sql_fault fault, size_t token) {
        static const struct {
                enum engine_class class;
                const char *why;
        } faults[] = {
                [SQL_FAULT_INNER_LIMIT] = { ENGINE_REFUSED,
                                            "an inner LIMIT without ORDER BY picks any rows" },
                [SQL_FAULT_INNER_TIES] = { ENGINE_FLOAT,
                                           "an inner LIMIT may cut between rows of equal order" },
                [SQL_FAULT_BARE_COLUMN] = { ENGINE_REFUSED,
                                            "a column beside aggregates that is not grouped by: "
                                            "its value comes from any row" },
                [SQL_FAULT_FIRST_ROW] = { ENGINE_FLOAT,
                                          "of several rows of a subquery the plan decides which "
                                          "is first; take max() or min() of it" },
        };
        struct analyser *a = userdata;

        analyser_find(a, faults[fault].class, token, token + 1, faults[fault].why);
}

static bool has_collate(const struct analyser *a) {
        for (size_t i = 0; i + 1 < a->shape.end; i++) {
                char name[16];

                if (sql_token_is(&a->tokens, i, "collate") &&
                    strcasecmp(sql_token_name(&a->tokens, i + 1, name, sizeof(name)), "binary"))
                        return true;
        }
        return false;
}

static void check_collations(struct analyser *a) {
        static const char *const choosers[] = { "distinct", "group", "union", "intersect",
                                                "except",   "min",   "max" };

        for (size_t i = 0; a->collates && i < ELEMENTSOF(choosers); i++) {
                size_t at = find_call(a, choosers[i]);

                if (at < a->shape.end) {
                        analyser_find(a, ENGINE_FLOAT, at, at + 1,
                                      "chooses among texts that only a collation holds for equal");
                        return;
                }
        }
}

/* Builds differ in which operand's collation IN (…) takes, and in whether what is no
 * table has a rowid. */
static void check_names(struct analyser *a) {
        static const char *const rowids[] = { "rowid", "oid", "_rowid_" };
        const struct sql_tokens *t = &a->tokens;

        for (size_t i = 1; i < a->shape.end; i++) {
                char name[16];

                if (sql_token_is(t, i, "in") && sql_token_is(t, i + 1, "(")) {
                        size_t close = t->tokens[i + 1].match,
                               at = sql_find(t, i, close, t->tokens[i].depth + 1, "collate");

                        if (at < close)
                                analyser_find(a, ENGINE_FLOAT, at, at + 2,
                                              "a collation inside IN (…): builds differ in "
                                              "whether it counts");
                }
                if (a->is_flat || !sql_ends_operand(&a->tokens, i))
                        continue;
                sql_token_name(t, i, name, sizeof(name));
                for (size_t k = 0; k < ELEMENTSOF(rowids); k++) {
                        if (!strcasecmp(name, rowids[k]))
                                analyser_find(a, ENGINE_FLOAT, i, i + 1,
                                              "a rowid, perhaps of what is no table: builds "
                                              "differ in whether there is one");
                }
        }
}

static bool is_read(const struct analyser *a, const char *column) {
        for (size_t k = 0; k < a->s->n_reads; k++)
                if (strcasecmp(a->s->reads[k].column, column) == 0)
                        return true;
        return false;
}

/* TRUE and FALSE are values unless a column is called so, which nothing here looks for. */
static void check_truths(struct analyser *a) {
        for (size_t i = 0; i < a->shape.end; i++) {
                bool is_named = i > 0 && (sql_token_is(&a->tokens, i - 1, "as") ||
                                          sql_ends_operand(&a->tokens, i - 1));
                char name[8];

                if (a->tokens.tokens[i].type > SQL_STRING)
                        continue;
                sql_token_name(&a->tokens, i, name, sizeof(name));
                if (strcasecmp(name, "true") && strcasecmp(name, "false"))
                        continue;
                if (is_named || is_read(a, name))
                        analyser_find(a, ENGINE_REFUSED, i, i + 1,
                                      "a column called true or false may be meant by the value; "
                                      "call it something else");
        }
}

static void check_tokens(struct analyser *a) {
        const struct sql_names names = { outside_names, outside_is_column, a };

        reals_check(a);
        check_names(a);
        check_truths(a);
        check_collations(a);
        sql_faults_find(&a->tokens, a->shape.end, &names, on_fault, a);
}

/* The text of a view stands for what the statement says of it. */
static void check_view(struct analyser *outer, struct analyser *view) {
        size_t as = sql_find(&view->tokens, 0, view->shape.end, 0, "as");

        outer->shape.is_compound = outer->shape.is_compound || view->shape.is_compound;
        if (view->shape.limit < view->shape.end && as < view->shape.end)
                analyser_find(view, view->shape.order.n ? ENGINE_FLOAT : ENGINE_REFUSED,
                              view->shape.limit, view->shape.limit + 1, "a LIMIT inside a view");
        view->collates = view->collates || has_collate(view);
        check_tokens(view);
}

/* What a view says by itself may come out under any name. */
static void add_view(struct analyser *outer, struct analyser *view) {
        values_add_tokens(view);
        outer->may_real = view->may_real;
        outer->may_overflow = view->may_overflow;
        outer->chooses = view->chooses;
        outer->worst = view->may_real ? COLUMN_MAY_BE_REAL : view->worst;
}

static void read_view(struct analyser *outer, const struct sqlite_table *view,
                      void (*fn)(struct analyser *outer, struct analyser *view)) {
        struct analyser a = *outer;

        if (sql_tokens_read(BYTES_STR(view->sql), &a.tokens) != SQL_TOKENS_OK) {
                find_named(outer, ENGINE_REFUSED, "view", "a view too long to be analysed");
                return;
        }
        a.is_view = true;
        a.is_flat = false;
        sql_shape_read(&a.tokens, &a.shape);
        fn(outer, &a);
        sql_shape_done(&a.shape);
        sql_tokens_done(&a.tokens);
}

/* How many views the statement uses; `fn` may be NULL. */
static size_t each_view(struct analyser *a,
                        void (*fn)(struct analyser *outer, struct analyser *view)) {
        size_t cursor = 0, n = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->tables, &cursor, &key, &value)) {
                if (!((struct sqlite_table *) value)->is_used)
                        continue;
                n++;
                if (fn)
                        read_view(a, value, fn);
        }
        return n;
}

/* ---- result columns ---- */

/* The result expression of column i; empty when a star hides it. */
static struct sql_range item_of(const struct analyser *a, size_t i, size_t n_columns) {
        const struct sql_list *l = &a->shape.result;
        size_t first = l->n, last = 0;

        for (size_t k = 0; k < l->n; k++) {
                if (l->items[k].from >= l->items[k].to || !sql_is_star(&a->tokens, l->items[k]))
                        continue;
                first = first == l->n ? k : first;
                last = k + 1;
        }
        if (i < first && i < l->n)
                return l->items[i];
        if (last > 0 && i + (l->n - last) >= n_columns)
                return l->items[l->n - (n_columns - i)];
        return (struct sql_range){};
}

static enum cell_type declared_type(const struct analyser *a, size_t i, struct sql_range item) {
        const char *database = sqlite3_column_database_name(a->stmt, (int) i);
        const char *table = sqlite3_column_table_name(a->stmt, (int) i);
        const char *column = sqlite3_column_origin_name(a->stmt, (int) i);
        struct sql_range type;
        char name[64];
        enum cell_type t;

        /* The engine reports the columns of the first SELECT of a compound only. */
        if (a->shape.is_compound)
                return CELL_ANY;
        if (database && table && column)
                return sqlite_column_type_of(a->s, database, table, column);
        if (item.from >= item.to || !sql_is_cast(&a->tokens, item, &type))
                return CELL_ANY;
        t = sqlite_affinity(sql_token_name(&a->tokens, type.from, name, sizeof(name)));
        return t;
}

static void check_column(struct analyser *a, size_t i, struct sql_range item, enum cell_type type) {
        const char *database = sqlite3_column_database_name(a->stmt, (int) i);
        const char *table = sqlite3_column_table_name(a->stmt, (int) i);
        const char *column = sqlite3_column_origin_name(a->stmt, (int) i);

        if (type != CELL_ANY)
                return;
        if (database && table && column && !a->shape.is_compound) {
                if (sqlite_column_kind(a->s, database, table, column) == COLUMN_MAY_BE_REAL)
                        find_named(a, ENGINE_FLOAT, column,
                                   "no column of a STRICT table, so without a type: may hold REAL");
                return;
        }
        if (a->is_flat && item.from < item.to ? values_bring_real(a, item, false) : a->may_real)
                analyser_find(a, ENGINE_FLOAT, item.from, item.to,
                              "a result without a type that may be REAL; CAST it");
}

/* What is the same everywhere is typed, so that engines whose columns have types can give it. */
static enum cell_type result_type(const struct analyser *a, size_t i, struct sql_range item) {
        enum cell_type type = declared_type(a, i, item);

        return type == CELL_ANY && !a->out->not_portable
                       ? portable_type(a, sql_without_alias(&a->tokens, item))
                       : type;
}

static void check_portable(struct analyser *a) {
        size_t at;

        a->out->not_portable = portable_text_fault(a->tokens.sql, 0, &a->out->not_portable_at);
        if (a->out->not_portable)
                return;
        a->out->not_portable = portable_fault(a, &at);
        a->out->not_portable_at = a->out->not_portable && at < a->shape.end
                                          ? (int32_t) a->tokens.tokens[at].start
                                          : -1;
}

static void write_schema(struct analyser *a) {
        size_t n = (size_t) sqlite3_column_count(a->stmt);

        buffer_init(&a->out->schema, SCHEMA_BYTES_MAX);
        schema_begin(&a->out->schema, n);
        for (size_t i = 0; i < n; i++) {
                const char *name = sqlite3_column_name(a->stmt, (int) i);
                size_t len = name ? strlen(name) : 0;
                struct sql_range item = item_of(a, i, n);
                enum cell_type type = result_type(a, i, item);

                if (type != CELL_INTEGER && type != CELL_TEXT && !a->out->not_portable)
                        a->out->not_portable = "a result that is neither INTEGER nor TEXT";
                len = len < SCHEMA_NAME_MAX ? len : SCHEMA_NAME_MAX;
                len = utf8_valid_prefix(BYTES(name, len));
                check_column(a, i, item, type);
                schema_put_name(&a->out->schema, BYTES(name, len));
                schema_put_type(&a->out->schema, type);
        }
}

/* ---- order ---- */

static void check_order(struct analyser *a, bool no_rewrite) {
        size_t n = (size_t) sqlite3_column_count(a->stmt);
        struct sql_shape *s = &a->shape;

        a->out->is_ordered = sql_order_is_total(&a->tokens, s, n, a->collates);
        if (s->order.n > 0 && !a->out->is_ordered && !no_rewrite) {
                a->out->rewrite = sql_with_total_order(&a->tokens, s, n, a->collates,
                                                       a->collates            ? " COLLATE BINARY"
                                                       : a->out->not_portable ? ""
                                                                              : " NULLS FIRST");
                a->out->is_ordered = true;
        }
        if (s->limit < s->end && s->order.n == 0)
                analyser_find(a, ENGINE_REFUSED, s->limit, s->limit + 1,
                              "LIMIT without ORDER BY picks any rows");
        else if (s->limit < s->end && !a->out->is_ordered)
                analyser_find(a, ENGINE_REFUSED, s->limit, s->limit + 1,
                              "LIMIT cuts between rows of equal order; drop --no-rewrite");
        if (a->out->class == ENGINE_EXACT && a->out->is_ordered)
                a->out->class = ENGINE_ORDERED;
}

static bool reads_collation(struct engine_session *s) {
        for (size_t i = 0; i < s->n_reads; i++) {
                if (sqlite_column_has_collation(s, &s->reads[i]))
                        return true;
        }
        return s->too_many_reads;
}

static void analyse(struct analyser *a, bool no_rewrite) {
        for (size_t i = 0; i < a->tokens.n; i++) {
                if (a->tokens.tokens[i].type == SQL_ILLEGAL)
                        analyser_find(a, ENGINE_REFUSED, i, i + 1,
                                      "not a token of the SQL we know");
        }
        a->is_flat = a->shape.n_selects == 1 && each_view(a, NULL) == 0;
        values_prepare(a);
        each_view(a, add_view);
        a->collates = has_collate(a) || reads_collation(a->s);
        check_table_functions(a);
        if (a->s->reads_catalogue)
                find_named(a, ENGINE_REFUSED, "sqlite_schema",
                           "tells about the file, not about its data");
        check_functions(a);
        check_tokens(a);
        (void) each_view(a, check_view);
        check_job(a);
        check_portable(a);
        write_schema(a);
        check_order(a, no_rewrite);
        if (a->out->class > ENGINE_ORDERED && !a->out->not_portable)
                a->out->not_portable = "its class";
}

static int check_rewrite(struct analyser *a, struct bytes sql, struct engine_problem *p) {
        sqlite3_stmt *again = NULL;
        int r;

        if (!a->out->rewrite) {
                a->out->rewrite = xmalloc(sql.len + 1);
                memcpy(a->out->rewrite, sql.data, sql.len);
                a->out->rewrite[sql.len] = 0;
                return ENGINE_OK;
        }
        r = sqlite_prepare_one(a->s, BYTES_STR(a->out->rewrite), &again, p);
        (void) sqlite3_finalize(again);
        if (r)
                p->position = -1;
        return r;
}

int sqlite_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p) {
        size_t lookups_left = LOOKUPS_MAX, probes_left = PROBES_MAX, times = 0;
        struct analyser a = { .s = s,
                              .out = ret,
                              .lookups_left = &lookups_left,
                              .probes_left = &probes_left,
                              .times = &times };
        int r;

        sqlite_recorded_clear(s);
        r = sqlite_prepare_one(s, sql, &a.stmt, p);
        if (r)
                return r;
        if (sql_tokens_read(sql, &a.tokens) != SQL_TOKENS_OK) {
                (void) sqlite3_finalize(a.stmt);
                return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1,
                                          "a statement of too many words");
        }
        sql_shape_read(&a.tokens, &a.shape);
        analyse(&a, no_rewrite);
        r = check_rewrite(&a, sql, p);
        sql_shape_done(&a.shape);
        sql_tokens_done(&a.tokens);
        (void) sqlite3_finalize(a.stmt);
        if (r == ENGINE_OK && ret->schema.failed)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1,
                                       "the result has too many columns");
        return r;
}
