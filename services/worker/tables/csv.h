#pragma once

/* Rows of a CSV file (RFC 4180), read strictly: a quote stands only around a whole
 * field and is doubled inside; every line ends alike, LF or CRLF; every row has as
 * many fields as the first. A byte order mark in front is skipped. An empty line is
 * skipped, but for one column, where it is an empty field (RFC 4180 knows neither;
 * DuckDB's read_csv reads both so). Pure. */

#include "services/worker/tables/table.h"

#define CSV_NULL_MAX 31

struct csv_options {
        char delimiter; /* one of , ; | and tab */
        char quote;     /* " or ' */
        bool has_header;
        struct bytes null_text; /* unquoted, it is NULL; usually empty. A view */
};

/* The bytes in a manifest: u8 1, u8 delimiter, u8 quote, u8 has_header, varint-prefixed
 * null text. */
void csv_options_encode(const struct csv_options *o, struct buffer *b);
/* Strict; false: not such bytes. null_text is a view into `in`. */
bool csv_options_decode(struct bytes in, struct csv_options *ret);

struct csv_field {
        struct bytes text; /* without quotes; a view until the next row */
        bool is_quoted;
        uint64_t offset;
};

struct csv_reader {
        struct csv_options options;
        const uint8_t *begin, *at, *end;
        bool stops[256];  /* bytes that end an unquoted field, or may not be in it */
        char line_end;    /* 'n', 'r' for CRLF, 0 while none was seen */
        uint64_t row;     /* of the current row, from 1 */
        size_t n_columns; /* 0: not known before the first row */
        struct csv_field *fields;
        size_t n_fields;
        struct buffer unquoted; /* what had doubled quotes */
        struct table_fault *fault;
};

/* `data` and `fault` must outlive the reader. */
void csv_begin(struct csv_reader *r, struct bytes data, const struct csv_options *o,
               struct table_fault *fault);
void csv_done(struct csv_reader *r);
/* The next row in r->fields. TABLE_OK, TABLE_END or TABLE_E_BAD. */
int csv_next(struct csv_reader *r);

static inline bool csv_is_null(const struct csv_reader *r, const struct csv_field *f) {
        return !f->is_quoted && bytes_equal(f->text, r->options.null_text);
}
