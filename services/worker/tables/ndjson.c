#include "services/worker/tables/ndjson.h"

#include "common/base/memory.h"
#include "common/base/text.h"

void ndjson_begin(struct ndjson_reader *r, struct bytes data, struct table_fault *fault) {
        *r = (struct ndjson_reader){
                .begin = data.data, .at = data.data, .end = data.data + data.len, .fault = fault
        };
        r->members = xnew_n(struct ndjson_member, TABLE_COLUMNS_MAX);
        buffer_init(&r->unescaped, TABLE_ROW_MAX);
}

void ndjson_done(struct ndjson_reader *r) {
        free(r->members);
        r->members = NULL;
        buffer_done(&r->unescaped);
}

static int bad(struct ndjson_reader *r, const char *what, const char *remedy) {
        return table_fault_set(r->fault, r->row, 0, (uint64_t) (r->at - r->begin), what, remedy);
}

int ndjson_bad_member(struct ndjson_reader *r, const struct ndjson_member *m, const char *what,
                      const char *remedy) {
        (void) table_fault_set(r->fault, r->row, (unsigned) (m - r->members) + 1, m->offset, what,
                               remedy);
        table_fault_name(r->fault, m->name);
        return TABLE_E_BAD;
}

/* ---- strings (section 7) ---- */

static int hex_digit(uint8_t c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits at `at`, or -1. */
static int unit_of(const uint8_t *at, const uint8_t *end) {
        int v = 0;

        if (end - at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int d = hex_digit(at[i]);

                if (d < 0)
                        return -1;
                v = v * 16 + d;
        }
        return v;
}

static size_t put_utf8(uint8_t *to, uint32_t c) {
        if (c < 0x80) {
                to[0] = (uint8_t) c;
                return 1;
        }
        if (c < 0x800) {
                to[0] = (uint8_t) (0xc0 | c >> 6);
                to[1] = (uint8_t) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                to[0] = (uint8_t) (0xe0 | c >> 12);
                to[1] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
                to[2] = (uint8_t) (0x80 | (c & 0x3f));
                return 3;
        }
        to[0] = (uint8_t) (0xf0 | c >> 18);
        to[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
        to[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        to[3] = (uint8_t) (0x80 | (c & 0x3f));
        return 4;
}

/* What \uXXXX at `at` (behind the u) stands for, surrogate pairs together; the bytes it
 * takes in *ret_used. 0: nothing we take. */
static uint32_t code_point(const uint8_t *at, const uint8_t *end, size_t *ret_used) {
        int high = unit_of(at, end), low;

        *ret_used = 4;
        if (high < 0 || (high & 0xfc00) == 0xdc00)
                return 0;
        if ((high & 0xfc00) != 0xd800)
                return (uint32_t) high;
        if (end - at < 10 || at[4] != '\\' || at[5] != 'u')
                return 0;
        low = unit_of(at + 6, end);
        if (low < 0 || (low & 0xfc00) != 0xdc00)
                return 0;
        *ret_used = 10;
        return 0x10000 + ((uint32_t) (high & 0x3ff) << 10 | (uint32_t) (low & 0x3ff));
}

/* One escape at `at` (behind the backslash) into `to`; bytes taken, 0: none we take. */
static size_t unescape_one(const uint8_t *at, const uint8_t *end, uint8_t *to, size_t *ret_len) {
        static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        const char *letter = at < end && *at ? strchr(letters, *at) : NULL;
        size_t used;
        uint32_t c;

        if (letter) {
                *to = (uint8_t) values[letter - letters];
                *ret_len = 1;
                return 1;
        }
        if (at >= end || *at != 'u')
                return 0;
        c = code_point(at + 1, end, &used);
        if (c == 0)
                return 0;
        *ret_len = put_utf8(to, c);
        return 1 + used;
}

/* No escape is shorter than what it stands for. */
static int unescape(struct ndjson_reader *r, struct bytes raw, struct bytes *ret) {
        uint8_t *to;
        const uint8_t *at = raw.data, *end = raw.data + raw.len;
        size_t n = 0;

        /* Room for any row, so that views stay where they are. */
        if (r->unescaped.len == 0)
                (void) buffer_reserve(&r->unescaped, TABLE_ROW_MAX);
        to = buffer_reserve(&r->unescaped, raw.len);
        if (!to)
                return bad(r, "no memory for the row", "raise the memory of the job");
        while (at < end) {
                size_t used, len;

                if (*at != '\\') {
                        to[n++] = *at++;
                        continue;
                }
                used = unescape_one(at + 1, end, to + n, &len);
                if (used == 0) {
                        r->at = at;
                        return bad(r, "an escape that is none, a lone surrogate, or \\u0000",
                                   "write the character itself in UTF-8");
                }
                n += len;
                at += 1 + used;
        }
        r->unescaped.len += n;
        *ret = BYTES(to, n);
        return TABLE_OK;
}

/* A string at r->at, which stands at its opening quote. */
static int take_string(struct ndjson_reader *r, struct bytes *ret) {
        const uint8_t *from = r->at + 1, *at = from;
        bool has_escapes = false;

        while (at < r->line_end && *at != '"' && *at >= 0x20) {
                has_escapes = has_escapes || *at == '\\';
                at += *at == '\\' && r->line_end - at > 1 ? 2 : 1;
        }
        if (at >= r->line_end || *at != '"') {
                r->at = at < r->line_end ? at : r->line_end;
                return at < r->line_end ? bad(r, "a control character in a string",
                                              "escape it, as in \\n or \\t")
                                        : bad(r, "a string that does not end on its line",
                                              "write each object on one line");
        }
        *ret = BYTES(from, (size_t) (at - from));
        if (!utf8_is_valid(*ret)) {
                r->at += 1 + utf8_valid_prefix(*ret);
                return bad(r, "bytes that are not UTF-8", "export the file as UTF-8");
        }
        if (has_escapes) {
                int result = unescape(r, *ret, ret);

                if (result)
                        return result;
        }
        r->at = at + 1;
        return TABLE_OK;
}

/* ---- values ---- */

static void skip_blanks(struct ndjson_reader *r) {
        while (r->at < r->line_end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
                r->at++;
}

static bool is_next(const struct ndjson_reader *r, char c) {
        return r->at < r->line_end && *r->at == (uint8_t) c;
}

static bool is_word_byte(uint8_t c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '+' || c == '.';
}

/* null, true, false or a number; whether a number is one is for its form to say. */
static int take_word(struct ndjson_reader *r, struct ndjson_member *m) {
        const uint8_t *from = r->at;

        while (r->at < r->line_end && is_word_byte(*r->at))
                r->at++;
        m->text = BYTES(from, (size_t) (r->at - from));
        if (bytes_equal(m->text, BYTES_LIT("null")))
                m->kind = NDJSON_NULL;
        else if (bytes_equal(m->text, BYTES_LIT("true")) ||
                 bytes_equal(m->text, BYTES_LIT("false")))
                m->kind = NDJSON_BOOLEAN;
        else if (m->text.len > 0 && (*from == '-' || (*from >= '0' && *from <= '9')))
                m->kind = NDJSON_NUMBER;
        else
                return ndjson_bad_member(r, m, "no JSON value",
                                         "give a string, a number, true, false or null");
        return TABLE_OK;
}

static int take_value(struct ndjson_reader *r, struct ndjson_member *m) {
        m->offset = (uint64_t) (r->at - r->begin);
        if (is_next(r, '{') || is_next(r, '['))
                return ndjson_bad_member(r, m, "a nested object or array",
                                         "flatten it into columns, or write it as a string");
        if (!is_next(r, '"'))
                return take_word(r, m);
        m->kind = NDJSON_STRING;
        return take_string(r, &m->text);
}

static int take_member(struct ndjson_reader *r) {
        struct ndjson_member *m = &r->members[r->n_members];
        int result;

        if (r->n_members == TABLE_COLUMNS_MAX)
                return bad(r, "more than 1000 members", "split the table");
        *m = (struct ndjson_member){};
        skip_blanks(r);
        if (!is_next(r, '"'))
                return bad(r, "no member where one should be", "write \"name\": value");
        result = take_string(r, &m->name);
        if (result)
                return result;
        skip_blanks(r);
        if (!is_next(r, ':'))
                return bad(r, "no colon behind a name", "write \"name\": value");
        r->at++;
        skip_blanks(r);
        result = take_value(r, m);
        r->n_members += result == TABLE_OK;
        skip_blanks(r);
        return result;
}

static int take_object(struct ndjson_reader *r) {
        int result;

        if (is_next(r, '\xef'))
                return bad(r, "not a JSON object, perhaps a byte order mark",
                           "save the file as UTF-8 without one");
        if (!is_next(r, '{'))
                return bad(r, "not a JSON object", "write one {…} on each line");
        r->at++;
        skip_blanks(r);
        if (!is_next(r, '}')) {
                do {
                        result = take_member(r);
                        if (result)
                                return result;
                } while (is_next(r, ',') && r->at++);
        }
        if (!is_next(r, '}'))
                return bad(r, "an object that does not end on its line",
                           "write each object on one line, its members with commas between");
        r->at++;
        skip_blanks(r);
        return r->at == r->line_end
                       ? TABLE_OK
                       : bad(r, "text behind the object", "write one object on each line");
}

/* To the next line that has more than blanks; false: none. */
static bool next_line(struct ndjson_reader *r) {
        while (r->at < r->end) {
                const uint8_t *to = memchr(r->at, '\n', (size_t) (r->end - r->at));

                r->line_end = to ? to : r->end;
                skip_blanks(r);
                if (r->at < r->line_end)
                        return true;
                r->at = to ? to + 1 : r->end;
        }
        return false;
}

int ndjson_next(struct ndjson_reader *r) {
        int result;

        if (!next_line(r))
                return TABLE_END;
        r->row++;
        r->n_members = 0;
        buffer_clear(&r->unescaped);
        if (r->line_end - r->at > TABLE_ROW_MAX)
                return bad(r, "a line above 1 MiB", "write one object on each line");
        result = take_object(r);
        if (result == TABLE_OK && r->at < r->end)
                r->at++;
        return result;
}
