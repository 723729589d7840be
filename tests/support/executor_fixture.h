#pragma once

/* One executor's zygote, database images in memory, and jobs on them. */

#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "common/client/executor.h"
#include "tests/support/test.h"

struct executed {
        int result; /* enum executor_result */
        struct executor_event ended;
        uint32_t last; /* body case of the last report */
        /* FAILED */
        uint32_t outcome;
        char detail[128], text[256]; /* the text of COMMITTED, too */
        int32_t position;
        /* ANALYSIS */
        char class_name[16], rewrite[1024], why[128];
        struct buffer schema, options; /* of DESCRIBED too */
        bool is_ordered;
        /* COMMITTED */
        uint32_t form, error;
        uint8_t answer[32], root[32];
        uint64_t rows, batches, bytes;
        /* Progress and Started */
        unsigned missing_layers, n_progress;
        uint64_t progress_rows;
        uint64_t first_ns; /* from the call to Started */
        int spool;         /* of the last job */
};

/* What a test may want otherwise; zero is the default. */
struct asked {
        const char *sql;
        int image; /* 0: no input */
        uint64_t length;
        int64_t time_us;
        uint8_t seed;
        uint64_t memory, cpu_ms, wall_ms, spool, rows;
        const char *class_name;
        const uint8_t *answer_schema;
        size_t answer_schema_len;
        uint32_t form;
        bool admitted;
        struct bytes source_schema; /* tables without data, or of a file described before */
        struct bytes source_options;
        const char *second_name; /* another input under this name */
        int second_image;
        uint64_t second_length;
        const char *comparison;
        nsec_t timeout;
        const char *name, *format; /* of the input; NULL: main, sqlite */
};

/* A sealed memfd with the database that `sql` makes. */
int image_of(const char *sql, uint64_t *ret_length);
/* Fails the test when there is none. */
struct executor_zygote *zygote_of(const char *path);
struct executor_zygote *zygote_of_engine(const char *path, const char *engine);
struct executed execute(struct executor_zygote *z, enum _Worker__Job__Mode mode,
                        const struct asked *a);
/* Analyse, then run what the analysis said, as the coordinator does. */
struct executed run_query(struct executor_zygote *z, const struct asked *a);
void executed_done(struct executed *e);
/* The first value of the first row, as text, out of the spool. */
const char *first_text(const struct executed *e, char *ret, size_t size);
