/* What both engines' readers make of table files, for test_tables.py. On stdin for each file
 * 'c' or 'n', u32 length, bytes; on stdout for each one line: "fault", or the canonical rows
 * of `SELECT * FROM t` by DuckDB in hexadecimal, then a line for each row of ours, then "end". */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/error.h"
#include "services/worker/engine.h"
#include "services/worker/tables/columns.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/rows.h"
#include "tests/support/duckdb_library.h"

static void print_hex(struct bytes v) {
        for (size_t i = 0; i < v.len; i++)
                printf("%02x", v.data[i]);
}

static void print_value(const struct table_value *v, enum cell_type type) {
        uint64_t bits;

        printf(" %02x", type);
        if (v->type == CELL_NULL) {
                printf("N");
        } else if (v->type == CELL_INTEGER) {
                printf("I%" PRId64, v->integer);
        } else if (v->type == CELL_REAL) {
                memcpy(&bits, &v->real, sizeof(bits));
                printf("R%016" PRIx64, bits);
        } else {
                printf("T");
                print_hex(v->text);
        }
}

static void print_ours(const struct engine_input *in) {
        CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
        const struct table_value *values;
        struct table_fault fault;
        int r;

        check(table_rows_open(in, (struct table_watch){}, &fault, &rows) == TABLE_OK);
        while ((r = table_rows_next(rows, &values)) == TABLE_OK) {
                const struct schema *s = table_rows_schema(rows);

                printf("row");
                for (size_t i = 0; i < s->n_columns; i++)
                        print_value(&values[i], s->columns[i]->type);
                printf("\n");
        }
        check(r == TABLE_END);
}

static int print_batches(struct engine_session *s, const struct schema *schema,
                         struct engine_problem *p) {
        static const struct answer_limits limits;
        struct answer_builder b;
        int r;

        answer_begin(&b, ANSWER_SEQUENCE, &schema->digest, &limits, NULL);
        while ((r = engine_duckdb.step(s, &b, p)) == ENGINE_BATCH) {
                print_hex(answer_batch(&b));
                (void) answer_next(&b);
        }
        answer_done(&b);
        return r;
}

static void print_duckdb(const struct engine_job *job) {
        CLEANUP(schema_freep) struct schema *schema = table_schema_decode(job->inputs[0].schema);
        const struct engine_statement statement = { .sql = BYTES_LIT("SELECT * FROM t"),
                                                    .schema = schema };
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        int r = engine_duckdb.open(job, &s, &p);

        if (r == ENGINE_OK)
                r = engine_duckdb.prepare(s, &statement, &p);
        if (r == ENGINE_OK)
                r = print_batches(s, schema, &p);
        if (r != ENGINE_END)
                printf("problem %s %s", p.detail, p.text);
        printf("\n");
        if (s)
                engine_duckdb.close(s);
}

static void judge(const char *format, struct bytes file) {
        CLEANUP(buffer_donep) struct buffer options = {}, schema = {};
        struct engine_job job = { .memory = 256 << 20, .n_inputs = 1 };
        struct engine_input *in = &job.inputs[0];
        struct table_fault fault;

        buffer_init(&options, 256);
        buffer_init(&schema, 1u << 20);
        (void) snprintf(in->name, sizeof(in->name), "t");
        (void) snprintf(in->format, sizeof(in->format), "%s", format);
        in->data = file.data;
        in->length = file.len;
        if (describe_table(table_format_of(format), file, (struct table_watch){},
                           &(struct describe_to){ &options, &schema, NULL }, &fault)) {
                printf("fault\n");
        } else {
                in->options = buffer_bytes(&options);
                in->schema = buffer_bytes(&schema);
                print_duckdb(&job);
                print_ours(in);
        }
        printf("end\n");
        (void) fflush(stdout);
}

int main(void) {
        CLEANUP(buffer_donep) struct buffer file = {};
        uint8_t head[5];

        if (!duckdb_engine_name())
                return DUCKDB_SKIPPED;
        check(engine_duckdb.preload(strchr(duckdb_engine_name(), ':') + 1) == 0);
        buffer_init(&file, 64u << 20);
        while (fread(head, 1, sizeof(head), stdin) == sizeof(head)) {
                uint32_t n = load_be32(head + 1);

                buffer_clear(&file);
                check(buffer_reserve(&file, n) && fread(file.data, 1, n, stdin) == n);
                judge(head[0] == 'c' ? "csv" : "ndjson", BYTES(file.data, n));
        }
        return 0;
}
