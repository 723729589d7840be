/* What the readers of tables make of a file on stdin, one line a fact, for
 * test_random.py. usage: judge csv|ndjson < FILE */

#include <inttypes.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/rows.h"

static void print_hex(struct bytes v) {
        for (size_t i = 0; i < v.len; i++)
                printf("%02x", v.data[i]);
}

static void print_fault(const struct table_fault *f) {
        char text[256];

        printf("fault %" PRIu64 " %u %s\n", f->row, f->column,
               table_fault_text(f, text, sizeof(text)));
}

static void print_value(const struct table_value *v) {
        uint64_t bits;

        switch (v->type) {
        case CELL_INTEGER:
                printf(" I%" PRId64, v->integer);
                break;
        case CELL_REAL:
                memcpy(&bits, &v->real, sizeof(bits));
                printf(" R%016" PRIx64, bits);
                break;
        case CELL_TEXT:
                printf(" T");
                print_hex(v->text);
                break;
        default:
                printf(" N");
        }
}

static int print_rows(const struct engine_input *in) {
        CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
        const struct table_value *values;
        struct table_fault fault;
        char type[64];
        int r = table_rows_open(in, (struct table_watch){}, &fault, &rows);

        if (r == TABLE_OK) {
                const struct schema *s = table_rows_schema(rows);

                for (size_t i = 0; i < s->n_columns; i++) {
                        printf("column %s ", schema_type_text(s->columns[i], type, sizeof(type)));
                        print_hex(s->columns[i]->name);
                        printf("\n");
                }
                while ((r = table_rows_next(rows, &values)) == TABLE_OK) {
                        printf("row");
                        for (size_t i = 0; i < s->n_columns; i++)
                                print_value(&values[i]);
                        printf("\n");
                }
        }
        if (r == TABLE_END)
                return 0;
        print_fault(&fault);
        return 1;
}

int main(int argc, char **argv) {
        CLEANUP(buffer_donep) struct buffer file = {}, options = {}, schema = {};
        struct engine_input in = {};
        struct table_fault fault;
        uint8_t part[4096];
        size_t n;

        check(argc == 2 && table_format_of(argv[1]));
        buffer_init(&file, 64u << 20);
        buffer_init(&options, 256);
        buffer_init(&schema, 1u << 20);
        while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
                buffer_put(&file, part, n);
        if (describe_table(table_format_of(argv[1]), buffer_bytes(&file), (struct table_watch){},
                           &(struct describe_to){ &options, &schema, NULL }, &fault)) {
                print_fault(&fault);
                return 0;
        }
        (void) snprintf(in.format, sizeof(in.format), "%s", argv[1]);
        in.data = file.data;
        in.length = file.len;
        in.options = buffer_bytes(&options);
        in.schema = buffer_bytes(&schema);
        printf("options ");
        print_hex(in.options);
        printf("\n");
        return print_rows(&in); /* what was described is read without a fault */
}
