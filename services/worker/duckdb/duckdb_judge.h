#pragma once

/* What the files of the analysis share: one statement, as written and as bound, and where
 * findings go. The judges are pure: trees in, findings out. They lean on two texts of
 * DuckDB's own: the statement says which names and clauses the user wrote and where; the
 * plan says what they are bound to, with every type. Whatever is in neither list of known
 * parts is refused. */

#include "services/worker/duckdb/duckdb_tree.h"
#include "services/worker/engine.h"

/* A call or window as written. Aggregates and windows have no position in plans. */
struct duckdb_mention {
        const struct json_object *node;
        const char *name; /* of the function */
        int32_t position;
};

struct judge {
        struct engine_analysis *out;
        const struct engine_job *job;  /* whose inputs are the tables */
        struct json_object *statement; /* as written: one of "statements" */
        struct duckdb_mention *mentions;
        size_t n_mentions, mentions_size;
        const char **names; /* of CTEs */
        size_t n_names, names_size;
        const struct json_object *sorted; /* a call whose list is sorted by the one around it */
        const struct json_object
                *typed;              /* a call of date_trunc() whose type the cast around it says */
        bool has_typed, has_untyped; /* calls of date_trunc() with and without such a type */
        size_t n_parameters;         /* without a value here: positions of the plan are not ours */
        bool calls_now;              /* a literal has to take its place */
        bool is_order_total;         /* of the outermost ORDER BY, by the plan */
        const char *forbidden;       /* the name of what must not run at all, or NULL */
        const char *forbidden_why;
        int32_t forbidden_at;
        bool is_unknown; /* it is a table that is not there: an error of the statement */
};
void judge_done(struct judge *j);
static inline void judge_donep(struct judge *j) {
        judge_done(j);
}

/* ---- duckdb_judge.c ---- */
/* `name` is shown as the expression; `why` is static. */
void judge_find(struct judge *j, enum engine_class class, const char *name, int32_t position,
                const char *why);
void judge_forbid(struct judge *j, const char *name, int32_t position, const char *why);
void judge_mention(struct judge *j, const struct json_object *node, const char *name);
/* Where the call of the plan's node was written, as well as can be told; or -1. */
int32_t judge_position(const struct judge *j, const struct json_object *node, const char *name);
bool judge_mentions(const struct judge *j, const char *name);
/* A top-level modifier of the statement, "ORDER_MODIFIER" …; NULL: none. */
struct json_object *judge_modifier(const struct json_object *query_node, const char *type);

/* ---- duckdb_names.c: the statement as written ---- */
void judge_statement(struct judge *j);

/* ---- duckdb_plan.c: the statement as bound ---- */
void judge_plan(struct judge *j, struct json_object *plan);

/* ---- duckdb_casts.c ---- */
enum duckdb_kind {
        KIND_NULL = 1u << 0,
        KIND_BOOLEAN = 1u << 1,
        KIND_INTEGER = 1u << 2, /* up to 64 bits */
        KIND_WIDE = 1u << 3,    /* 128 bits */
        KIND_DECIMAL = 1u << 4,
        KIND_REAL = 1u << 5,
        KIND_TEXT = 1u << 6,
        KIND_JSON = 1u << 7,
        KIND_BLOB = 1u << 8,
        KIND_BIT = 1u << 9,
        KIND_DATE = 1u << 10,
        KIND_TIME = 1u << 11,
        KIND_TIMESTAMP = 1u << 12,
        KIND_ZONED = 1u << 13, /* TIMESTAMPTZ, TIMETZ */
        KIND_INTERVAL = 1u << 14,
        KIND_UUID = 1u << 15,
        KIND_ENUM = 1u << 16,
        KIND_NESTED = 1u << 17, /* LIST, ARRAY, STRUCT, MAP; what is inside is in the set too */
        KIND_OTHER = 1u << 18,
};
/* The set of kinds that a type holds, at any depth. */
unsigned duckdb_kinds(struct json_object *type);
/* The type of a bound expression, NULL: BOOLEAN. */
struct json_object *duckdb_type_of(const struct json_object *expression);
/* Why a cast may differ between builds or rows; NULL: it does not. */
const char *duckdb_cast_fault(const struct json_object *cast);
/* A text that such a cast reads as it reads `text`, alike on every build: the value is another one,
 * so that nothing but its shape is looked at. NULL: `text` is not plain. */
const char *duckdb_plain_sample(struct bytes text, struct json_object *type);
/* Built of a plain constant, as INTERVAL '3' DAY is. */
bool duckdb_is_plain_interval(const struct json_object *call);

/* ---- duckdb_order.c: whether ties can be seen ---- */
void judge_order(struct judge *j, struct json_object *plan);

/* ---- duckdb_rewrite.c ---- */
/* Appends to the outermost ORDER BY the ordinals of those columns that it has not by theirs. */
void rewrite_order(struct json_object *statement, size_t n_columns);
/* DuckDB reads count(*) as count_star(), and would write it so; it reads back as the same. */
void rewrite_counts(struct json_object *statement);
/* Puts literals of the job's time in place of the calls that `plan` says are of it. False:
 * one of them cannot be replaced. */
bool rewrite_now(struct json_object *statement, struct json_object *plan, int64_t time_us);
/* Casts of parameters become casts of values of their cells' types, so that the statement can be
 * planned. False: of some the type is not known, and NULL stands for them. */
bool rewrite_parameters(struct json_object *statement, const struct bytes *cells, size_t n);
