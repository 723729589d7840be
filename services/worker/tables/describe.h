#pragma once

/* A table file that nobody has described yet: its options and its schema, from one pass
 * over all of it. Done once, at publishing, in an executor; whatever two engines would
 * read differently is refused there. Pure. */

#include "services/worker/engine.h"
#include "services/worker/tables/infer.h"

/* DECIMAL at most: DuckDB reads numbers of JSON as doubles, which keep 15 digits. */
#define DESCRIBE_DECIMAL_CSV  18
#define DESCRIBE_DECIMAL_JSON 15

#define DESCRIBE_ODD_MAX      16

/* A column of TEXT most of whose values are of one class: perhaps a few are wrong. */
struct describe_oddity {
        char name[SCHEMA_NAME_MAX + 1];
        unsigned column; /* from 1 */
        enum infer_class class;
        uint64_t n, others; /* values; those not of that class */
        struct infer_place first;
};

struct describe_odd {
        struct describe_oddity list[DESCRIBE_ODD_MAX]; /* the first ones */
        size_t n;
};

/* What a description is appended to; odd may be NULL. */
struct describe_to {
        struct buffer *options, *schema;
        struct describe_odd *odd;
};

/* `format` is csv or ndjson. TABLE_OK and all appended, TABLE_E_BAD or TABLE_E_OVER. */
int describe_table(enum table_format format, struct bytes data, struct table_watch watch,
                   const struct describe_to *ret, struct table_fault *fault);
/* Lines: of a text file about its rows. What stands in quotes over several counts for more. */
uint64_t tables_count_lines(struct bytes data);

/* Input 0 of `job` for engines of any kind: ENGINE_OK and both appended, or
 * ENGINE_E_PROBLEM. */
int tables_describe(const struct engine_job *job, struct buffer *options, struct buffer *schema,
                    struct describe_odd *odd, struct engine_problem *p);
/* What a result of reading a described file is as a problem of a job: ENGINE_OK for TABLE_OK. A row
 * that is not what was published is so on every host: ENGINE_E_SQL, ENCODING. */
int tables_problem(const struct engine_input *in, int result, const struct table_fault *fault,
                   struct engine_problem *p);
