#include "common/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"

struct unit {
        const char *name;
        uint64_t factor;
};

/* Largest first, so that formatting finds the shortest exact form. */
static const struct unit duration_units[] = {
        { "d", 86400 * NSEC_PER_SEC },
        { "h", 3600 * NSEC_PER_SEC },
        { "min", 60 * NSEC_PER_SEC },
        { "s", NSEC_PER_SEC },
        { "ms", NSEC_PER_MSEC },
        { "us", NSEC_PER_USEC },
        { "ns", 1 },
};
static const struct unit size_units[] = {
        { "T", 1ull << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "B", 1 },
};

void hex_encode(struct bytes v, char *ret) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < v.len; i++) {
                ret[2 * i] = digits[v.data[i] >> 4];
                ret[2 * i + 1] = digits[v.data[i] & 15];
        }
        ret[2 * v.len] = 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool hex_decode(const char *text, uint8_t *ret, size_t len) {
        if (strlen(text) != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                ret[i] = (uint8_t) (high << 4 | low);
        }
        return true;
}

/* Reads digits; *ret_end is what follows them. False: none, or too large. */
static bool parse_digits(const char *text, uint64_t *ret, const char **ret_end) {
        uint64_t v = 0;
        const char *p = text;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
                        return false;
        *ret = v;
        *ret_end = p;
        return p != text;
}

static bool parse_units(const char *text, const struct unit *units, size_t n, uint64_t *ret) {
        const char *end;
        uint64_t v;

        if (!parse_digits(text, &v, &end))
                return false;
        if (v == 0 && *end == 0) {
                *ret = 0;
                return true;
        }
        for (size_t i = 0; i < n; i++)
                if (strcmp(end, units[i].name) == 0)
                        return !__builtin_mul_overflow(v, units[i].factor, ret);
        return false;
}

bool text_parse_duration(const char *text, nsec_t *ret) {
        return parse_units(text, duration_units, ELEMENTSOF(duration_units), ret);
}

bool text_parse_size(const char *text, uint64_t *ret) {
        return parse_units(text, size_units, ELEMENTSOF(size_units), ret);
}

bool text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        const char *end;
        uint64_t v;

        if (!parse_digits(text, &v, &end) || *end != 0 || v < min || v > max)
                return false;
        *ret = v;
        return true;
}

static const char *format_units(uint64_t v, const struct unit *units, char ret[32]) {
        if (v == 0)
                return strcpy(ret, "0");
        while (v % units->factor != 0)
                units++;
        snprintf(ret, 32, "%" PRIu64 "%s", v / units->factor, units->name);
        return ret;
}

const char *text_format_duration(nsec_t v, char ret[32]) {
        return format_units(v, duration_units, ret);
}

const char *text_format_size(uint64_t v, char ret[32]) {
        return format_units(v, size_units, ret);
}

/* Length of the valid sequence at the start of v, 0 when there is none
 * (Unicode standard, table 3-7). */
static size_t utf8_sequence(struct bytes v) {
        uint8_t c = v.data[0], low = 0x80, high = 0xbf;
        size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

        if (n <= 1 || n > v.len)
                return n > v.len ? 0 : n;
        if (c == 0xe0)
                low = 0xa0;
        else if (c == 0xed)
                high = 0x9f;
        else if (c == 0xf0)
                low = 0x90;
        else if (c == 0xf4)
                high = 0x8f;
        if (v.data[1] < low || v.data[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++)
                if ((v.data[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

size_t utf8_valid_prefix(struct bytes v) {
        size_t i = 0, n;

        while (i < v.len) {
                uint64_t word;

                /* Eight ASCII bytes at a time: nearly all text is ASCII. */
                if (v.len - i >= 8) {
                        memcpy(&word, v.data + i, 8);
                        if ((word & 0x8080808080808080) == 0) {
                                i += 8;
                                continue;
                        }
                }
                n = utf8_sequence(BYTES(v.data + i, v.len - i));
                if (n == 0)
                        break;
                i += n;
        }
        return i;
}

bool utf8_is_valid(struct bytes v) {
        return utf8_valid_prefix(v) == v.len;
}

/* Controls, and what has no shape of its own: text that holds it looks like other text, or stands
 * in another order than it is read. Not so the last two selectors, which are part of ordinary
 * emoji, nor blanks of any width, which are seen, and ordinary in French and Japanese: names are
 * escaped as the values of rows are, which people have to read. In order. */
static const struct {
        uint32_t first, last;
} hidden[] = {
        { 0x00, 0x1f },       { 0x7f, 0x9f },       /* C0, DEL and C1 */
        { 0xad, 0xad },       { 0x34f, 0x34f },     /* soft hyphen, grapheme joiner */
        { 0x61c, 0x61c },                           /* Arabic letter mark: bidi */
        { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   /* fillers and vowels without a glyph */
        { 0x180b, 0x180f },                         /* Mongolian selectors and separator */
        { 0x200b, 0x200f },                         /* zero width, marks of direction */
        { 0x2028, 0x202e },                         /* line separators, bidi */
        { 0x2060, 0x206f },                         /* word joiner, operators, isolates */
        { 0x2800, 0x2800 },   { 0x3164, 0x3164 },   /* Braille without a dot, Hangul filler */
        { 0xfe00, 0xfe0d },   { 0xfeff, 0xfeff },   /* selectors, byte order mark */
        { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   /* half-width filler, annotations */
        { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, /* of shorthand, of music */
        { 0xe0000, 0xe0fff },                       /* tags, selectors */
};

bool text_is_hidden(uint32_t c) {
        for (size_t i = 0; i < ELEMENTSOF(hidden) && c >= hidden[i].first; i++)
                if (c <= hidden[i].last)
                        return true;
        return false;
}

size_t utf8_next(struct bytes v, uint32_t *ret) {
        static const uint8_t head[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
        size_t n = utf8_sequence(v);

        *ret = n ? v.data[0] & head[n] : 0;
        for (size_t i = 1; i < n; i++)
                *ret = *ret << 6 | (v.data[i] & 0x3f);
        return n;
}

static size_t escape_one(struct bytes v, char out[20], size_t *ret_out) {
        uint32_t c;
        size_t n = utf8_next(v, &c), used = n ? n : 1;

        if (n > 0 && !text_is_hidden(c)) {
                memcpy(out, v.data, n);
                *ret_out = n;
                return used;
        }
        *ret_out = 0;
        for (size_t i = 0; i < used; i++)
                *ret_out += (size_t) snprintf(out + *ret_out, 20 - *ret_out, "\\x%02x", v.data[i]);
        return used;
}

static bool escaped_fits(struct bytes v, size_t room) {
        size_t at = 0, n_out;
        char out[20];

        while (v.len > 0 && at <= room) {
                size_t used = escape_one(v, out, &n_out);

                at += n_out;
                v = BYTES(v.data + used, v.len - used);
        }
        return at <= room;
}

char *text_escape(struct bytes v, char *ret, size_t ret_size) {
        static const char more[] = "…";
        size_t at = 0, room = ret_size - 1, keep = sizeof(more) - 1, n_out;
        bool fits = escaped_fits(v, room);
        char out[20];

        while (v.len > 0) {
                size_t used = escape_one(v, out, &n_out);

                if (!fits && at + n_out + keep > room)
                        break;
                memcpy(ret + at, out, n_out);
                at += n_out;
                v = BYTES(v.data + used, v.len - used);
        }
        if (!fits && at + keep <= room) {
                memcpy(ret + at, more, keep);
                at += keep;
        }
        ret[at] = 0;
        return ret;
}

/* ---- Pieces of a statement ---- */

static bool is_word(uint8_t c) {
        return c == '_' || c >= 0x80 || (c >= '0' && c <= '9') ||
               ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Behind the quote that ends what begins at `at`, doubled ones being part of it. */
static size_t end_of_quoted(struct bytes v, size_t at) {
        uint8_t quote = v.data[at];
        size_t i = at + 1;

        while (i < v.len && (v.data[i] != quote || (i + 1 < v.len && v.data[i + 1] == quote)))
                i += v.data[i] == quote ? 2 : 1;
        return i < v.len ? i + 1 : v.len;
}

static bool is_quote(uint8_t c) {
        return c == '\'' || c == '"';
}

/* Behind the bracket that closes the one at `at`. */
static size_t end_of_brackets(struct bytes v, size_t at) {
        size_t i = at, depth = 0;

        do {
                uint8_t c = v.data[i];

                depth = c == '(' ? depth + 1 : c == ')' ? depth - 1 : depth;
                i = is_quote(c) ? end_of_quoted(v, i) : i + 1;
        } while (i < v.len && depth > 0);
        return i;
}

char *text_expression(struct bytes statement, size_t at, char *ret, size_t ret_size) {
        struct bytes v = statement;
        size_t end;

        if (at > v.len)
                at = v.len;
        end = at;
        if (at < v.len && is_quote(v.data[at]))
                end = end_of_quoted(v, at);
        else if (at < v.len && is_word(v.data[at]))
                while (end < v.len && is_word(v.data[end]))
                        end++;
        else if (at < v.len && v.data[at] != '(')
                while (end < v.len && !strchr(" \t\r\n", v.data[end]))
                        end++;
        if (end < v.len && v.data[end] == '(')
                end = end_of_brackets(v, end);
        return text_escape(BYTES(v.data + at, end > at ? end - at : 0), ret, ret_size);
}
