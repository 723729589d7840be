/* Encoding and hashing results: rows of 8 mixed columns (two integers, decimal,
 * real, two texts, date, timestamp; about 75 bytes) from plain values in memory
 * to an answer, one core. Median of five rounds; one line of JSON. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/answer.h"

#define ROWS   (1u << 20)
#define ROUNDS 5

static const char *const cities[] = { "Amsterdam", "Berlin",   "Copenhagen", "Dublin",
                                      "Edinburgh", "Florence", "Gothenburg", "Helsinki" };

static void put_row(struct buffer *b, uint64_t i) {
        char name[] = "customer #00000000";
        uint64_t mixed = i * UINT64_C(0x9e3779b97f4a7c15);

        for (int digit = 17; digit > 9; digit--) {
                name[digit] = (char) ('0' + i % 10);
                i /= 10;
        }
        cell_put_integer(b, (int64_t) (mixed >> 40));
        cell_put_integer(b, (int64_t) (mixed & 1));
        check(!cell_put_decimal(b, (__int128) (mixed >> 44), 2));
        check(!cell_put_real(b, (double) (mixed >> 11) * 0x1p-53));
        check(!cell_put_text(b, BYTES(name, 18)));
        check(!cell_put_text(b, BYTES_STR(cities[mixed >> 61])));
        cell_put_date(b, (int32_t) (mixed >> 50));
        cell_put_usec(b, CELL_TIMESTAMP, (int64_t) (mixed >> 14));
}

/* Returns rows per second; the sums keep the work from being dropped. */
static double run(enum answer_form form, bool hashed, uint64_t *ret_bytes) {
        const struct hash_value schema = {};
        const struct answer_limits limits = {};
        struct answer_builder b;
        struct timespec start, end;
        struct answer a;

        clock_gettime(CLOCK_MONOTONIC, &start);
        answer_begin(&b, form, &schema, &limits, NULL);
        for (uint64_t i = 0; i < ROWS; i++) {
                put_row(answer_row(&b), i);
                if (answer_end_row(&b) == BATCH_READY) {
                        if (hashed)
                                (void) answer_next(&b);
                        else
                                batch_next(&b.batch);
                }
        }
        if (answer_finish(&b) == BATCH_READY)
                (void) answer_next(&b);
        answer_result(&b, &a);
        answer_done(&b);
        clock_gettime(CLOCK_MONOTONIC, &end);
        *ret_bytes = a.bytes;
        return ROWS / ((double) (end.tv_sec - start.tv_sec) +
                       (double) (end.tv_nsec - start.tv_nsec) / 1e9);
}

static struct schema *row_schema(void) {
        static const enum cell_type types[] = { CELL_INTEGER, CELL_INTEGER,  CELL_DECIMAL,
                                                CELL_REAL,    CELL_TEXT,     CELL_TEXT,
                                                CELL_DATE,    CELL_TIMESTAMP };
        struct schema *schema;
        struct buffer b;

        buffer_init(&b, SCHEMA_BYTES_MAX);
        schema_begin(&b, ELEMENTSOF(types));
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                schema_put_name(&b, BYTES_LIT("c"));
                if (types[i] == CELL_DECIMAL)
                        schema_put_decimal(&b, 18, 2);
                else
                        schema_put_type(&b, types[i]);
        }
        check(!schema_decode(buffer_bytes(&b), &schema));
        buffer_done(&b);
        return schema;
}

/* The receiver: one batch of 4,096 rows parsed and hashed over and over. */
static double run_check(enum answer_form form) {
        const struct answer want = { .form = form, .rows = ROWS, .bytes = UINT64_MAX };
        struct schema *schema = row_schema();
        struct timespec start, end;
        struct answer_checker c;
        struct buffer batch;

        buffer_init(&batch, BATCH_BYTES_MAX);
        for (uint64_t i = 0; i < BATCH_ROWS_MAX; i++)
                put_row(&batch, i);
        clock_gettime(CLOCK_MONOTONIC, &start);
        answer_check_begin(&c, &want, schema, false, NULL);
        for (unsigned i = 0; i < ROWS / BATCH_ROWS_MAX; i++)
                check(answer_check_batch(&c, buffer_bytes(&batch)) == CHECK_OK);
        clock_gettime(CLOCK_MONOTONIC, &end);
        answer_check_done(&c);
        buffer_done(&batch);
        schema_free(schema);
        return ROWS / ((double) (end.tv_sec - start.tv_sec) +
                       (double) (end.tv_nsec - start.tv_nsec) / 1e9);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(enum answer_form form, bool hashed, uint64_t *ret_bytes) {
        double rounds[ROUNDS];

        for (int i = 0; i < ROUNDS; i++)
                rounds[i] = run(form, hashed, ret_bytes);
        qsort(rounds, ROUNDS, sizeof(*rounds), compare_doubles);
        return rounds[ROUNDS / 2];
}

int main(void) {
        uint64_t bytes;
        double sequence = median(ANSWER_SEQUENCE, true, &bytes);
        double encode = median(ANSWER_SEQUENCE, false, &bytes);
        double set = median(ANSWER_SET, true, &bytes);
        double check_sequence = run_check(ANSWER_SEQUENCE), check_set = run_check(ANSWER_SET);

        printf("{\"canonical_rows_per_s\": %.0f, \"canonical_encode_rows_per_s\": %.0f, "
               "\"canonical_set_rows_per_s\": %.0f, \"canonical_check_rows_per_s\": %.0f, "
               "\"canonical_check_set_rows_per_s\": %.0f, \"canonical_row_bytes\": %.1f}\n",
               sequence, encode, set, check_sequence, check_set, (double) bytes / ROWS);
        return 0;
}
