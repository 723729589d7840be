#pragma once

/* Rows of an NDJSON file: one object of RFC 8259 on each line, its members flat
 * values. Lines of blanks only are skipped. Stricter than most readers: no byte order
 * mark, no name twice in an object, no U+0000. Pure. */

#include "services/worker/tables/table.h"

enum ndjson_kind {
        NDJSON_NULL,
        NDJSON_BOOLEAN, /* text: "true" or "false" */
        NDJSON_NUMBER,  /* text: as it is written */
        NDJSON_STRING,  /* text: its content */
};

struct ndjson_member {
        struct bytes name, text; /* views until the next row; valid UTF-8 */
        enum ndjson_kind kind;
        uint64_t offset; /* of the value */
};

struct ndjson_reader {
        const uint8_t *begin, *at, *end, *line_end;
        uint64_t row; /* of the current row, from 1; lines that are skipped do not count */
        struct ndjson_member *members;
        size_t n_members;
        struct buffer unescaped; /* strings that had escapes */
        struct table_fault *fault;
};

/* `data` and `fault` must outlive the reader. */
void ndjson_begin(struct ndjson_reader *r, struct bytes data, struct table_fault *fault);
void ndjson_done(struct ndjson_reader *r);
/* The next object in r->members; that no name stands twice is left to the caller, who
 * looks them up. TABLE_OK, TABLE_END or TABLE_E_BAD. */
int ndjson_next(struct ndjson_reader *r);
/* A fault at that member. */
int ndjson_bad_member(struct ndjson_reader *r, const struct ndjson_member *m, const char *what,
                      const char *remedy);
