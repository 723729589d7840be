#include "services/worker/tables/csv.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

#define OPTIONS_VERSION 1

static bool is_delimiter(uint8_t c) {
        return c == ',' || c == ';' || c == '|' || c == '\t';
}

void csv_options_encode(const struct csv_options *o, struct buffer *b) {
        buffer_put_u8(b, OPTIONS_VERSION);
        buffer_put_u8(b, (uint8_t) o->delimiter);
        buffer_put_u8(b, (uint8_t) o->quote);
        buffer_put_u8(b, o->has_header);
        buffer_put_prefixed(b, o->null_text);
}

/* A null text that could not be read back as one field is none. */
static bool is_null_text(const struct csv_options *o) {
        struct bytes t = o->null_text;

        if (t.len > CSV_NULL_MAX || !utf8_is_valid(t))
                return false;
        for (size_t i = 0; i < t.len; i++) {
                if (t.data[i] < 0x20 || t.data[i] == (uint8_t) o->quote || is_delimiter(t.data[i]))
                        return false;
        }
        return true;
}

bool csv_options_decode(struct bytes in, struct csv_options *ret) {
        struct reader r = reader_of(in);
        uint8_t version = reader_u8(&r), delimiter = reader_u8(&r), quote = reader_u8(&r),
                header = reader_u8(&r);

        *ret = (struct csv_options){ .delimiter = (char) delimiter,
                                     .quote = (char) quote,
                                     .has_header = header == 1,
                                     .null_text = reader_prefixed(&r) };
        return reader_done(&r) && version == OPTIONS_VERSION && is_delimiter(delimiter) &&
               (quote == '"' || quote == '\'') && header <= 1 && is_null_text(ret);
}

void csv_begin(struct csv_reader *r, struct bytes data, const struct csv_options *o,
               struct table_fault *fault) {
        static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };

        *r = (struct csv_reader){ .options = *o,
                                  .begin = data.data,
                                  .at = data.data,
                                  .end = data.data + data.len,
                                  .fault = fault };
        if (data.len >= sizeof(mark) && memcmp(data.data, mark, sizeof(mark)) == 0)
                r->at += sizeof(mark);
        r->stops[(uint8_t) o->delimiter] = r->stops[(uint8_t) o->quote] = true;
        r->stops['\n'] = r->stops['\r'] = r->stops[0] = true;
        r->fields = xnew_n(struct csv_field, TABLE_COLUMNS_MAX);
        buffer_init(&r->unquoted, TABLE_ROW_MAX);
}

void csv_done(struct csv_reader *r) {
        free(r->fields);
        r->fields = NULL;
        buffer_done(&r->unquoted);
}

static int bad(struct csv_reader *r, const char *what, const char *remedy) {
        return table_fault_set(r->fault, r->row, (unsigned) r->n_fields + 1,
                               (uint64_t) (r->at - r->begin), what, remedy);
}

static int bad_row(struct csv_reader *r, const uint8_t *from, const char *what,
                   const char *remedy) {
        return table_fault_set(r->fault, r->row, 0, (uint64_t) (from - r->begin), what, remedy);
}

/* ---- lines ---- */

static bool is_line_end(const struct csv_reader *r) {
        return r->at < r->end && (*r->at == '\n' || *r->at == '\r');
}

/* Takes the line end at r->at. */
static int take_line_end(struct csv_reader *r) {
        bool is_crlf = *r->at == '\r';
        char kind = is_crlf ? 'r' : 'n';

        if (is_crlf && (r->end - r->at < 2 || r->at[1] != '\n'))
                return bad(r, "a carriage return without a line feed",
                           "end every line with LF or CRLF");
        if (r->line_end && r->line_end != kind)
                return bad(r, "this line ends otherwise than those before",
                           "end every line alike, with LF or with CRLF");
        r->line_end = kind;
        r->at += is_crlf ? 2 : 1;
        return TABLE_OK;
}

/* Empty lines that are no rows. */
static int skip_empty_lines(struct csv_reader *r) {
        bool is_value = r->n_columns == 1 && r->options.null_text.len == 0;
        int result = TABLE_OK;

        while (result == TABLE_OK && !is_value && is_line_end(r)) {
                if (r->row == 0)
                        return bad_row(r, r->at, "the first line is empty",
                                       "take the empty lines out");
                result = take_line_end(r);
        }
        return result;
}

/* ---- fields ---- */

static int put_field(struct csv_reader *r, const uint8_t *from, size_t len, bool is_quoted) {
        if (r->n_fields == TABLE_COLUMNS_MAX)
                return bad(r, "more than 1000 columns", "split the table");
        r->fields[r->n_fields++] = (struct csv_field){ .text = BYTES(from, len),
                                                       .is_quoted = is_quoted,
                                                       .offset = (uint64_t) (from - r->begin) };
        return TABLE_OK;
}

static int take_unquoted(struct csv_reader *r) {
        const uint8_t *from = r->at;

        while (r->at < r->end && !r->stops[*r->at])
                r->at++;
        if (r->at < r->end && *r->at == (uint8_t) r->options.quote)
                return bad(r, "a quote inside a field without quotes around it",
                           "put quotes around the whole field and double those inside");
        if (r->at < r->end && *r->at == 0)
                return bad(r, "a zero byte", "CSV is text; export the file as UTF-8");
        return put_field(r, from, (size_t) (r->at - from), false);
}

/* The text between the quotes, the doubled ones made single. */
static struct bytes unquote(struct csv_reader *r, struct bytes raw) {
        size_t from = r->unquoted.len, n = 0;
        uint8_t *to;

        /* Room for any row, so that views stay where they are. */
        if (from == 0)
                (void) buffer_reserve(&r->unquoted, TABLE_ROW_MAX);
        to = buffer_reserve(&r->unquoted, raw.len);
        if (!to)
                return BYTES_NONE;
        for (size_t i = 0; i < raw.len; i++) {
                to[n++] = raw.data[i];
                i += raw.data[i] == (uint8_t) r->options.quote;
        }
        r->unquoted.len += n;
        return BYTES(r->unquoted.data + from, n);
}

/* Line breaks in the first row: a reader that finds out by itself how lines end may look
 * at those first. */
static int check_quoted(struct csv_reader *r, struct bytes raw) {
        if (memchr(raw.data, 0, raw.len))
                return bad(r, "a zero byte", "CSV is text; export the file as UTF-8");
        if (r->row == 1 && (memchr(raw.data, '\n', raw.len) || memchr(raw.data, '\r', raw.len)))
                return bad(r, "a line break in the first row",
                           "put a row of column names without line breaks in front");
        return TABLE_OK;
}

/* The closing quote; NULL: none. *ret_doubled: there were doubled ones before it. */
static const uint8_t *find_closing(const struct csv_reader *r, const uint8_t *from,
                                   bool *ret_doubled) {
        *ret_doubled = false;
        for (;;) {
                const uint8_t *q = memchr(from, r->options.quote, (size_t) (r->end - from));

                if (!q || q + 1 == r->end || q[1] != *q)
                        return q;
                *ret_doubled = true;
                from = q + 2;
        }
}

static int take_quoted(struct csv_reader *r) {
        const uint8_t *from = r->at + 1, *to;
        struct bytes text;
        bool has_doubled;
        int result;

        to = find_closing(r, from, &has_doubled);
        if (!to)
                return bad(r, "an opening quote that is never closed", "close or double it");
        text = BYTES(from, (size_t) (to - from));
        if (text.len > TABLE_ROW_MAX)
                return bad(r, "a field above 1 MiB", "is the quote before it closed?");
        result = check_quoted(r, text);
        if (result)
                return result;
        r->at = to + 1;
        if (r->at < r->end && *r->at != (uint8_t) r->options.delimiter && !is_line_end(r))
                return bad(r, "text behind a closing quote", "double the quotes inside a field");
        if (has_doubled)
                text = unquote(r, text);
        result = put_field(r, from, 0, true);
        if (result == TABLE_OK)
                r->fields[r->n_fields - 1].text = text;
        return result;
}

static int take_fields(struct csv_reader *r) {
        for (;;) {
                bool is_quoted = r->at < r->end && *r->at == (uint8_t) r->options.quote;
                int result = is_quoted ? take_quoted(r) : take_unquoted(r);

                if (result)
                        return result;
                if (r->at == r->end)
                        return TABLE_OK;
                if (*r->at != (uint8_t) r->options.delimiter)
                        return take_line_end(r);
                r->at++;
        }
}

static int check_row(struct csv_reader *r, const uint8_t *from) {
        if ((size_t) (r->at - from) > TABLE_ROW_MAX)
                return bad_row(r, from, "a row above 1 MiB", "is a quote before it not closed?");
        if (r->unquoted.failed)
                return bad_row(r, from, "no memory for the row", "raise the memory of the job");
        if (r->n_columns == 0)
                r->n_columns = r->n_fields;
        if (r->n_fields < r->n_columns)
                return bad_row(r, from, "fewer fields than in the first row",
                               "fill the row up with delimiters, or quote line breaks in a field");
        if (r->n_fields > r->n_columns)
                return bad_row(r, from, "more fields than in the first row",
                               "quote fields that hold the delimiter");
        return TABLE_OK;
}

int csv_next(struct csv_reader *r) {
        const uint8_t *from;
        int result = skip_empty_lines(r);

        if (result)
                return result;
        if (r->at == r->end)
                return TABLE_END;
        r->row++;
        r->n_fields = 0;
        buffer_clear(&r->unquoted);
        from = r->at;
        result = take_fields(r);
        if (result)
                return result;
        return check_row(r, from);
}
