/* The class of a statement and its result schema, before anything is sent.
 *
 * DuckDB's own parser says what is written and its own binder what that means; we judge
 * both, always to the careful side: a statement called EXACT by mistake would make honest
 * hosts differ, one called FLOAT by mistake only needs hosts of one build. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/duckdb/duckdb_portable.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "services/worker/duckdb/duckdb_weight.h"
#include "services/worker/other_statements.h"
#include "services/worker/portable_text.h"

/* Its tree and its plan take a few hundred bytes for each word. */
#define SQL_MAX (128u << 10)

/* One look at one text. */
struct look {
        struct engine_session *s;
        struct judge judge;
        struct json_object *tree, *plan; /* as DuckDB gave them */
        size_t n_columns;
        bool no_rewrite;
};

static void look_donep(struct look *l) {
        judge_done(&l->judge);
        (void) json_object_put(l->tree);
        (void) json_object_put(l->plan);
}

/* ---- questions to DuckDB ---- */

static int keep_text(void *userdata, const struct bytes *cells, size_t n_cells) {
        struct buffer *text = userdata;

        (void) n_cells;
        buffer_put_bytes(text, cells[0]);
        return ENGINE_OK;
}

static int ask_text(struct engine_session *s, const char *question, struct bytes about,
                    struct buffer *ret, struct engine_problem *p) {
        int r;

        buffer_init(ret, TREE_BYTES_MAX);
        r = duckdb_ask(s, question, about, keep_text, ret, p);
        if (r == ENGINE_OK && ret->failed)
                r = duckdb_refuse(p, "statement size", -1, "its tree is too large to be analysed");
        return r;
}

static int ask_tree(struct engine_session *s, const char *question, struct bytes sql,
                    struct json_object **ret, struct engine_problem *p) {
        CLEANUP(buffer_donep) struct buffer text = {};
        int r = ask_text(s, question, sql, &text, p);

        if (r)
                return r;
        return tree_read(buffer_bytes(&text), ret) == TREE_OK
                       ? ENGINE_OK
                       : duckdb_refuse(p, "statement depth", -1,
                                       "its tree is too deep to be analysed");
}

/* As DuckDB writes it; *ret is the caller's. */
static int write_down(struct engine_session *s, struct json_object *statement, char **ret,
                      struct engine_problem *p) {
        CLEANUP(tree_donep)
        struct json_object *whole = tree_make("{\"error\":false,\"statements\":[]}");
        struct json_object *written = tree_copy(statement);
        CLEANUP(buffer_donep) struct buffer sql = {};
        int r;

        rewrite_counts(written);
        (void) json_object_array_add(tree_get(whole, "statements"), written);
        r = ask_text(s, "SELECT json_deserialize_sql($1::JSON)", BYTES_STR(tree_write(whole)), &sql,
                     p);
        if (r)
                return r;
        buffer_put_u8(&sql, 0);
        *ret = xstrdup((const char *) sql.data);
        return ENGINE_OK;
}

/* ---- one look ---- */

static int refuse_forbidden(const struct judge *j, struct engine_problem *p) {
        char rule[96], text[128];

        (void) text_escape(BYTES_STR(j->forbidden), rule, sizeof(rule));
        if (j->is_unknown) {
                (void) snprintf(text, sizeof(text), "no such table: %s", rule);
                return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_UNKNOWN_NAME,
                                          j->forbidden_at > 0 ? j->forbidden_at : 0, text);
        }
        return duckdb_refuse(p, rule, j->forbidden_at, j->forbidden_why);
}

/* Before anything is bound. */
static int refuse_heavy(const struct look *l, struct engine_problem *p) {
        struct duckdb_weight w = duckdb_weigh(l->judge.statement);
        const char *remedy = NULL, *rule = duckdb_too_heavy(&w, &remedy);

        return rule ? duckdb_refuse(p, rule, -1, remedy) : ENGINE_OK;
}

/* DuckDB says of all of them only that they cannot be serialized. */
static int refuse_other(struct bytes sql, const char *said, struct engine_problem *p) {
        int32_t position = 0;
        const char *word = other_statement(sql, &position);

        return word ? duckdb_refuse(p, word, position, "") : duckdb_refuse(p, "SELECT", 0, said);
}

/* Exactly one SELECT, and nothing in it that must not even be bound. */
static int read_statement(struct look *l, struct bytes sql, struct engine_problem *p) {
        duckdb_prepared_statement q = NULL;
        const struct json_object *list;
        int r;

        if (sql.len > SQL_MAX || memchr(sql.data, 0, sql.len))
                return duckdb_refuse(p, "statement size", -1, "longer than 128 KiB");
        r = ask_tree(l->s, "SELECT json_serialize_sql($1::VARCHAR)", sql, &l->tree, p);
        if (r)
                return r;
        if (tree_flag(l->tree, "error")) {
                r = tree_is(l->tree, "error_type", "parser") ? duckdb_prepare_one(l->s, sql, &q, p)
                                                             : ENGINE_OK;
                duckdb.destroy_prepare(&q);
                return r ? r : refuse_other(sql, tree_text(l->tree, "error_message"), p);
        }
        list = tree_list(l->tree, "statements");
        if (tree_length(list) != 1)
                return duckdb_refuse(p, "one statement", -1, "");
        l->judge.statement = tree_at(list, 0);
        r = refuse_heavy(l, p);
        if (r)
                return r;
        judge_statement(&l->judge);
        return l->judge.forbidden ? refuse_forbidden(&l->judge, p) : ENGINE_OK;
}

static int read_columns(struct look *l, struct bytes sql, struct engine_problem *p) {
        duckdb_prepared_statement q = NULL;
        int r = duckdb_prepare_one(l->s, sql, &q, p);

        if (r)
                return r;
        buffer_init(&l->judge.out->schema, SCHEMA_BYTES_MAX);
        l->n_columns = duckdb.prepared_statement_column_count(q);
        r = duckdb_columns(q, &l->judge.out->schema, p);
        duckdb.destroy_prepare(&q);
        if (r == ENGINE_OK && l->judge.out->schema.failed)
                r = duckdb_refuse(p, "columns", -1, "the result has too many columns");
        return r;
}

static bool on_computed(void *userdata, struct json_object *node) {
        const struct json_object *value = tree_get(node, "value");
        bool *is_computed = userdata;

        *is_computed |= tree_is(node, "expression_class", "BOUND_CONSTANT") &&
                        tree_flag(value, "is_null") &&
                        !tree_is(tree_get(value, "type"), "id", "NULL");
        return true;
}

/* A call that is NULL for the value that stands for a parameter is not in the plan but as that: a
 * NULL that has a type, as written ones have not. Nobody has judged it. */
static void judge_computed(struct look *l) {
        bool is_computed = false;

        tree_walk(tree_at(tree_list(l->plan, "plans"), 0), on_computed, &is_computed);
        if (is_computed)
                judge_find(&l->judge, ENGINE_FLOAT, "CAST", -1,
                           "a parameter for whose value a call may be NULL");
}

/* DuckDB plans nothing that has parameters: values of their types stand for them. */
static int read_plan(struct look *l, struct bytes sql, struct engine_problem *p) {
        CLEANUP(tree_donep) struct json_object *copy = NULL;
        CLEANUP(freep) char *text = NULL;
        const struct engine_job *job = l->s->job;
        int r = ENGINE_OK;

        if (l->judge.n_parameters > 0) {
                copy = tree_copy(l->judge.statement);
                if (!rewrite_parameters(copy, job->parameters, job->n_parameters))
                        judge_find(&l->judge, ENGINE_FLOAT, "CAST", -1,
                                   "a cast of a parameter whose type is not known here");
                r = write_down(l->s, copy, &text, p);
                sql = text ? BYTES_STR(text) : sql;
        }
        if (r == ENGINE_OK)
                r = ask_tree(l->s,
                             "SELECT json_serialize_plan($1::VARCHAR, skip_null := true, "
                             "skip_empty := true)",
                             sql, &l->plan, p);
        if (r)
                return r;
        if (tree_flag(l->plan, "error") || tree_length(tree_list(l->plan, "plans")) != 1)
                return duckdb_refuse(p, "plan", -1, tree_text(l->plan, "error_message"));
        judge_plan(&l->judge, tree_at(tree_list(l->plan, "plans"), 0));
        if (copy)
                judge_computed(l);
        return l->judge.forbidden ? refuse_forbidden(&l->judge, p) : ENGINE_OK;
}

static const struct json_object *outermost(const struct look *l, const char *modifier) {
        return judge_modifier(tree_get(l->judge.statement, "node"), modifier);
}

static bool has_order(const struct look *l) {
        return tree_length(tree_list(outermost(l, "ORDER_MODIFIER"), "orders")) > 0;
}

static void judge_as_it_is(struct look *l) {
        struct judge *j = &l->judge;
        const struct json_object *limit = outermost(l, "LIMIT_MODIFIER");

        limit = limit ? limit : outermost(l, "LIMIT_PERCENT_MODIFIER");
        j->out->is_ordered = has_order(l) && j->is_order_total;
        if (limit && has_order(l) && !j->is_order_total)
                judge_find(j, ENGINE_REFUSED, "LIMIT", tree_position(tree_get(limit, "limit")),
                           "LIMIT cuts between rows of equal order; drop --no-rewrite, and CAST "
                           "columns that have no order");
        if (j->calls_now)
                judge_find(j, ENGINE_REFUSED, "now()", -1,
                           "the time of each host; drop --no-rewrite, or write it as a literal");
        if (j->out->class == ENGINE_EXACT && j->out->is_ordered)
                j->out->class = ENGINE_ORDERED;
}

static void judge_portable(struct look *l, struct bytes sql) {
        struct engine_analysis *out = l->judge.out;

        out->not_portable_at = -1;
        out->not_portable = portable_text_fault(sql, l->n_columns, &out->not_portable_at);
        if (out->not_portable)
                return;
        out->not_portable_at = -1;
        out->not_portable = out->class > ENGINE_ORDERED
                                    ? "its class"
                                    : duckdb_portable_fault(l->s->job, l->judge.statement,
                                                            tree_at(tree_list(l->plan, "plans"), 0),
                                                            &out->not_portable_at);
}

static int look_at(struct look *l, struct bytes sql, struct engine_problem *p) {
        int r = read_statement(l, sql, p);

        if (r == ENGINE_OK)
                r = read_columns(l, sql, p);
        return r ? r : read_plan(l, sql, p);
}

/* ---- the rewrite ---- */

static bool wants_rewrite(const struct look *l) {
        return !l->no_rewrite && (l->judge.calls_now || (has_order(l) && !l->judge.is_order_total));
}

/* The text of the changed tree, if it reads back as that tree. */
static int write_rewrite(struct look *l, char **ret, struct engine_problem *p) {
        CLEANUP(tree_donep) struct json_object *copy = tree_copy(l->judge.statement);
        CLEANUP(tree_donep) struct json_object *back = NULL;
        CLEANUP(freep) char *text = NULL;
        int r;

        if (l->judge.calls_now &&
            (l->judge.n_parameters > 0 || !rewrite_now(copy, l->plan, l->s->job->time_us)))
                return ENGINE_OK;
        if (has_order(l) && !l->judge.is_order_total)
                rewrite_order(copy, l->n_columns);
        r = write_down(l->s, copy, &text, p);
        if (r)
                return r;
        r = ask_tree(l->s, "SELECT json_serialize_sql($1::VARCHAR)", BYTES_STR(text), &back, p);
        if (r == ENGINE_OK && tree_equal(copy, tree_at(tree_list(back, "statements"), 0)))
                *ret = TAKE(text);
        return r;
}

/* What is dispatched is what counts; what the user wrote is where the reasons point. */
static void take_over(struct engine_analysis *ret, struct engine_analysis *rewritten, char *text) {
        ret->rewrite = text;
        /* DuckDB writes much of it as no other engine reads it. */
        ret->not_portable = "rewritten; give the whole order yourself, with NULLS FIRST or LAST";
        ret->not_portable_at = -1;
        ret->is_ordered = rewritten->is_ordered;
        buffer_done(&ret->schema);
        ret->schema = rewritten->schema;
        rewritten->schema = (struct buffer){};
        if (rewritten->class > ret->class || rewritten->class == ENGINE_ORDERED)
                ret->class = rewritten->class;
        if (rewritten->n_findings > 0 && rewritten->class > ENGINE_ORDERED &&
            (ret->n_findings == 0 || ret->n_deciding == 0)) {
                memcpy(ret->findings, rewritten->findings, sizeof(ret->findings));
                ret->n_findings = rewritten->n_findings;
                ret->n_deciding = rewritten->n_deciding;
        }
}

static int try_rewrite(struct look *l, struct engine_analysis *ret, bool *done,
                       struct engine_problem *p) {
        CLEANUP(engine_analysis_donep) struct engine_analysis again = {};
        CLEANUP(look_donep)
        struct look second = { .s = l->s,
                               .no_rewrite = true,
                               .judge = { .out = &again, .job = l->s->job } };
        CLEANUP(freep) char *text = NULL;
        int r = write_rewrite(l, &text, p);

        if (r || !text)
                return r;
        r = look_at(&second, BYTES_STR(text), p);
        if (r)
                return r;
        judge_as_it_is(&second);
        *done = !second.judge.calls_now && (again.is_ordered || !has_order(l));
        if (*done)
                take_over(ret, &again, TAKE(text));
        return ENGINE_OK;
}

int duckdb_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p) {
        CLEANUP(look_donep)
        struct look l = { .s = s,
                          .no_rewrite = no_rewrite,
                          .judge = { .out = ret, .job = s->job } };
        bool done = false;
        int r = look_at(&l, sql, p);

        ret->sees_job = l.judge.calls_now; /* random() and its kin are REFUSED */
        if (r == ENGINE_OK && wants_rewrite(&l))
                r = try_rewrite(&l, ret, &done, p);
        if (r || done)
                return r;
        judge_as_it_is(&l);
        judge_portable(&l, sql);
        ret->rewrite = xmalloc(sql.len + 1);
        memcpy(ret->rewrite, sql.data, sql.len);
        ret->rewrite[sql.len] = 0;
        return ENGINE_OK;
}
