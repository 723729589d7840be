#include "services/worker/sqlite/sql_tokens.h"

#include <stdlib.h>
#include <strings.h>

#include "common/base/memory.h"

struct scan {
        const uint8_t *p;
        size_t len, pos;
};

static uint8_t peek(const struct scan *s, size_t ahead) {
        return s->pos + ahead < s->len ? s->p[s->pos + ahead] : 0;
}

static bool is_digit(uint8_t c) {
        return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_blank(uint8_t c) {
        return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

/* Letters, digits, _, $ and everything outside ASCII. */
static bool is_word(uint8_t c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
               c == '$' || c >= 0x80;
}

/* Past blanks and comments. An unfinished block comment ends with the statement. */
static void skip_blanks(struct scan *s) {
        for (;;) {
                if (s->pos < s->len && is_blank(s->p[s->pos])) {
                        s->pos++;
                } else if (peek(s, 0) == '-' && peek(s, 1) == '-') {
                        while (s->pos < s->len && s->p[s->pos] != '\n')
                                s->pos++;
                } else if (peek(s, 0) == '/' && peek(s, 1) == '*' && s->pos + 2 < s->len) {
                        s->pos += 3;
                        while (s->pos < s->len && !(s->p[s->pos - 1] == '*' && s->p[s->pos] == '/'))
                                s->pos++;
                        s->pos += s->pos < s->len;
                } else {
                        return;
                }
        }
}

static void skip_words(struct scan *s) {
        while (s->pos < s->len && is_word(s->p[s->pos]))
                s->pos++;
}

static void skip_digits(struct scan *s) {
        while (is_digit(peek(s, 0)))
                s->pos++;
}

/* A doubled quote stands for itself; [names] end at the first ]. */
static bool skip_quoted(struct scan *s, uint8_t end) {
        for (s->pos++; s->pos < s->len; s->pos++) {
                if (s->p[s->pos] != end)
                        continue;
                if (end == ']' || peek(s, 1) != end) {
                        s->pos++;
                        return true;
                }
                s->pos++;
        }
        return false;
}

/* SQLite reads such digits as REAL. The smallest integer, a sign and 2^63, is no
 * exception here: whether the sign belongs to it is for a parser to say. */
static bool is_beyond_int64(const uint8_t *digits, size_t n) {
        static const char max[] = "9223372036854775807";

        while (n > 0 && *digits == '0') {
                digits++;
                n--;
        }
        return n > sizeof(max) - 1 || (n == sizeof(max) - 1 && memcmp(digits, max, n) > 0);
}

static enum sql_token_type scan_number(struct scan *s) {
        enum sql_token_type type = SQL_INTEGER;
        size_t start = s->pos;

        if (peek(s, 0) == '0' && (peek(s, 1) | 0x20) == 'x' && is_hex(peek(s, 2))) {
                for (s->pos += 2; is_hex(peek(s, 0));)
                        s->pos++;
        } else {
                skip_digits(s);
                if (is_beyond_int64(s->p + start, s->pos - start))
                        type = SQL_FLOAT;
                if (peek(s, 0) == '.') {
                        type = SQL_FLOAT;
                        s->pos++;
                        skip_digits(s);
                }
                if ((peek(s, 0) | 0x20) == 'e' &&
                    (is_digit(peek(s, 1)) ||
                     ((peek(s, 1) == '+' || peek(s, 1) == '-') && is_digit(peek(s, 2))))) {
                        type = SQL_FLOAT;
                        s->pos += 2;
                        skip_digits(s);
                }
        }
        start = s->pos;
        skip_words(s);
        return s->pos == start ? type : SQL_ILLEGAL;
}

static enum sql_token_type scan_variable(struct scan *s) {
        size_t start;

        if (s->p[s->pos++] == '?') {
                skip_digits(s);
                return SQL_VARIABLE;
        }
        start = s->pos;
        skip_words(s);
        if (peek(s, 0) == '(' || peek(s, 0) == ':') /* Tcl's $a::b(c): refused */
                return SQL_ILLEGAL;
        return s->pos > start ? SQL_VARIABLE : SQL_ILLEGAL;
}

static enum sql_token_type scan_operator(struct scan *s) {
        static const char *const pairs[] = { "||", "<<", ">>", "<=", ">=", "==", "!=", "<>" };
        static const char singles[] = "()+-*/%,;.=<>&|~";
        uint8_t c = s->p[s->pos];

        if (c == '-' && peek(s, 1) == '>') {
                s->pos += peek(s, 2) == '>' ? 3 : 2;
                return SQL_OPERATOR;
        }
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                if (c == (uint8_t) pairs[i][0] && peek(s, 1) == (uint8_t) pairs[i][1]) {
                        s->pos += 2;
                        return SQL_OPERATOR;
                }
        }
        s->pos++;
        return c && strchr(singles, c) ? SQL_OPERATOR : SQL_ILLEGAL;
}

static enum sql_token_type scan_token(struct scan *s) {
        uint8_t c = peek(s, 0);

        if (c == '\'')
                return skip_quoted(s, c) ? SQL_STRING : SQL_ILLEGAL;
        if (c == '"' || c == '`')
                return skip_quoted(s, c) ? SQL_QUOTED : SQL_ILLEGAL;
        if (c == '[')
                return skip_quoted(s, ']') ? SQL_QUOTED : SQL_ILLEGAL;
        if ((c | 0x20) == 'x' && peek(s, 1) == '\'') {
                s->pos++;
                return skip_quoted(s, '\'') ? SQL_BLOB : SQL_ILLEGAL;
        }
        if (is_digit(c) || (c == '.' && is_digit(peek(s, 1))))
                return scan_number(s);
        if (c == '?' || c == ':' || c == '@' || c == '$')
                return scan_variable(s);
        if (is_word(c)) {
                skip_words(s);
                return SQL_WORD;
        }
        return scan_operator(s);
}

/* Depths and partners of parentheses, with a stack of open ones made of `match`. */
static void match_parentheses(struct sql_tokens *t) {
        uint32_t depth = 0, open = UINT32_MAX;

        t->is_balanced = true;
        for (uint32_t i = 0; i < t->n; i++) {
                struct sql_token *k = &t->tokens[i];
                uint8_t c = k->type == SQL_OPERATOR ? t->sql.data[k->start] : 0;

                k->match = i;
                if (c == ')' && open == UINT32_MAX)
                        t->is_balanced = false;
                if (c == ')' && open != UINT32_MAX) {
                        uint32_t outer = t->tokens[open].match;

                        depth--;
                        k->match = open;
                        t->tokens[open].match = i;
                        open = outer;
                }
                k->depth = depth;
                if (c == '(') {
                        k->match = open;
                        open = i;
                        depth++;
                }
        }
        t->is_balanced = t->is_balanced && open == UINT32_MAX;
        while (open != UINT32_MAX) {
                uint32_t outer = t->tokens[open].match;

                t->tokens[open].match = open;
                open = outer;
        }
}

int sql_tokens_read(struct bytes sql, struct sql_tokens *ret) {
        struct scan s = { .p = sql.data, .len = sql.len };
        struct sql_tokens t = { .sql = sql };
        size_t capacity = 0;

        for (skip_blanks(&s); s.pos < s.len; skip_blanks(&s)) {
                struct sql_token k = { .start = (uint32_t) s.pos };

                if (t.n == SQL_TOKENS_MAX) {
                        sql_tokens_done(&t);
                        return SQL_TOKENS_E_LIMIT;
                }
                if (t.n == capacity) {
                        capacity = capacity ? capacity * 2 : 64;
                        t.tokens = xrealloc(t.tokens, capacity * sizeof(*t.tokens));
                }
                k.type = scan_token(&s);
                k.len = (uint32_t) s.pos - k.start;
                t.tokens[t.n++] = k;
        }
        match_parentheses(&t);
        *ret = t;
        return SQL_TOKENS_OK;
}

void sql_tokens_done(struct sql_tokens *t) {
        free(t->tokens);
        *t = (struct sql_tokens){};
}

bool sql_token_is_any(const struct sql_tokens *t, size_t i, const char *const *words) {
        for (; *words; words++) {
                if (sql_token_is(t, i, *words))
                        return true;
        }
        return false;
}

struct bytes sql_token_text(const struct sql_tokens *t, size_t i) {
        return BYTES(t->sql.data + t->tokens[i].start, t->tokens[i].len);
}

bool sql_token_is(const struct sql_tokens *t, size_t i, const char *text) {
        size_t len = strlen(text);

        return i < t->n && (t->tokens[i].type == SQL_WORD || t->tokens[i].type == SQL_OPERATOR) &&
               t->tokens[i].len == len &&
               strncasecmp((const char *) t->sql.data + t->tokens[i].start, text, len) == 0;
}

static bool is_name(enum sql_token_type type) {
        return type == SQL_WORD || type == SQL_QUOTED || type == SQL_STRING;
}

char *sql_token_name(const struct sql_tokens *t, size_t i, char *ret, size_t ret_size) {
        struct bytes v = sql_token_text(t, i);
        size_t n = 0;
        uint8_t quote = 0;

        if (t->tokens[i].type == SQL_QUOTED || t->tokens[i].type == SQL_STRING) {
                quote = v.data[v.len - 1];
                v = BYTES(v.data + 1, v.len - 2);
        }
        for (size_t k = 0; k < v.len && n + 1 < ret_size; k++) {
                ret[n++] = (char) v.data[k];
                if (quote && quote != ']' && v.data[k] == quote)
                        k++;
        }
        ret[n] = 0;
        return ret;
}

bool sql_token_same(const struct sql_tokens *t, size_t a, size_t b) {
        char x[256], y[256];

        if (is_name(t->tokens[a].type) && is_name(t->tokens[b].type) &&
            t->tokens[a].len < sizeof(x) && t->tokens[b].len < sizeof(y)) {
                if ((t->tokens[a].type == SQL_STRING) != (t->tokens[b].type == SQL_STRING))
                        return false;
                sql_token_name(t, a, x, sizeof(x));
                sql_token_name(t, b, y, sizeof(y));
                return t->tokens[a].type == SQL_STRING ? !strcmp(x, y) : !strcasecmp(x, y);
        }
        return t->tokens[a].type == t->tokens[b].type &&
               bytes_equal(sql_token_text(t, a), sql_token_text(t, b));
}

size_t sql_find(const struct sql_tokens *t, size_t from, size_t to, uint32_t depth,
                const char *text) {
        for (size_t i = from; i < to; i++) {
                if (t->tokens[i].depth == depth && sql_token_is(t, i, text))
                        return i;
        }
        return to;
}
