#pragma once

/* What the files of the analysis share: one statement (or the text of one view),
 * its tokens, and where findings go. */

#include "services/worker/sqlite/sql_shape.h"
#include "services/worker/sqlite/sqlite_columns.h"
#include "services/worker/sqlite/sqlite_session.h"

struct analyser {
        struct engine_session *s;
        sqlite3_stmt *stmt;
        struct sql_tokens tokens;
        struct sql_shape shape;
        bool is_view;           /* the tokens are those of a view, not of the statement */
        bool is_flat;           /* one SELECT, no views: names in it are columns of tables */
        bool may_real;          /* some column it reads may hold REAL */
        bool may_overflow;      /* it computes with integers that may grow into REAL */
        bool chooses;           /* GROUP BY, DISTINCT, min() …: one of several equal values */
        enum column_kind worst; /* of all it reads and says: what an unknown name may hold */
        bool collates;          /* texts may be equal that are not the same */
        size_t *lookups_left;   /* words that may still be compared to find aliases */
        size_t *probes_left;    /* subqueries that may still be prepared by themselves */
        size_t *times;          /* calls of date() and its kin that were looked at */
        struct engine_analysis *out;
};

/* ---- sqlite_analysis.c ---- */
/* Tokens [from, to) are at fault; none: no position. `why` is static. */
void analyser_find(struct analyser *a, enum engine_class class, size_t from, size_t to,
                   const char *why);

/* ---- sqlite_values.c: what an expression may give. Always to the careful side. ---- */
/* Fills in may_real, may_overflow, chooses and worst. Once per statement, before the rest. */
void values_prepare(struct analyser *a);
/* The same with the tokens of one more text, that of a view. */
void values_add_tokens(struct analyser *a);
/* The worst kind among the values of a range of tokens. */
enum column_kind values_kind(const struct analyser *a, struct sql_range r);
/* Whether it may be REAL; as an operand of arithmetic also text, which may look like one. */
bool values_bring_real(const struct analyser *a, struct sql_range r, bool arithmetic);
/* Whether it holds arithmetic on integers that may overflow into REAL. */
bool values_may_overflow(const struct analyser *a, struct sql_range r);
/* Operand before, or behind, an operator at token i, with all that binds tighter. */
enum operator_strength { OPERATOR_TEXT, OPERATOR_ARITHMETIC, OPERATOR_COMPARISON };
struct sql_range values_left(const struct analyser *a, size_t i, enum operator_strength of);
struct sql_range values_right(const struct analyser *a, size_t i, enum operator_strength of);
bool values_is_infix(const struct analyser *a, size_t i); /* + - * / % between two values */
/* From CASE or WHEN at token i to the THEN that belongs to it, or `end`: what is asked there is no
 * value. */
size_t values_behind_condition(const struct analyser *a, size_t i, size_t end);
/* A name or keyword that is called. The name is written to ret, "": no call. */
const char *values_call(const struct analyser *a, size_t i, char *ret, size_t ret_size);
/* Integers of at most 31 bits, whatever the data: literals, lengths, sums of them. */
bool values_are_small(const struct analyser *a, struct sql_range r);
/* Where a comparison reads text as a number: one side may be a number of a column, the
 * other a text. */
bool values_mix(const struct analyser *a, struct sql_range left, struct sql_range right);

/* ---- sqlite_outside.c: struct sql_names, answered by the engine ---- */
bool outside_names(void *userdata, size_t open, struct sql_list *ret);
bool outside_is_column(void *userdata, size_t select, size_t name);

/* ---- sqlite_reals.c ---- */
void reals_check(struct analyser *a);

/* ---- sqlite_times.c ---- */
/* A call of date(), strftime() … at token i. */
void times_check(struct analyser *a, size_t i);
