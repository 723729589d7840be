#include "services/worker/shape.h"

#include <ctype.h>

struct text {
        struct bytes sql;
        size_t at;
        struct hash h;
        uint8_t last; /* put, to know where two words would grow together */
};

static uint8_t peek(const struct text *t, size_t ahead) {
        return t->at + ahead < t->sql.len ? t->sql.data[t->at + ahead] : 0;
}

static bool is_word(uint8_t c) {
        return isalnum(c) || c == '_' || c >= 0x80;
}

static void put(struct text *t, uint8_t c) {
        hash_update(&t->h, &c, 1);
        t->last = c;
}

/* Up to and with the quote that ends it; a doubled one does not. */
static void skip_quoted(struct text *t, uint8_t quote, bool is_kept) {
        do {
                if (is_kept)
                        put(t, peek(t, 0));
                t->at++;
                if (peek(t, 0) == quote && peek(t, 1) == quote)
                        t->at += 2;
        } while (t->at < t->sql.len && peek(t, 0) != quote);
        if (is_kept)
                put(t, quote);
        t->at++;
}

static void skip_number(struct text *t) {
        while (is_word(peek(t, 0)) || peek(t, 0) == '.')
                t->at += 1 + ((peek(t, 0) | 32) == 'e' && (peek(t, 1) == '-' || peek(t, 1) == '+'));
}

static bool skip_blank(struct text *t) {
        size_t before = t->at;

        while (isspace(peek(t, 0)))
                t->at++;
        if (peek(t, 0) == '-' && peek(t, 1) == '-') {
                while (t->at < t->sql.len && peek(t, 0) != '\n')
                        t->at++;
        } else if (peek(t, 0) == '/' && peek(t, 1) == '*') {
                t->at += 2;
                while (t->at < t->sql.len && !(peek(t, 0) == '*' && peek(t, 1) == '/'))
                        t->at++;
                t->at += 2;
        }
        return t->at > before;
}

static void put_word(struct text *t) {
        if (is_word(t->last) || t->last == '?')
                put(t, ' ');
        while (is_word(peek(t, 0)))
                put(t, (uint8_t) tolower(t->sql.data[t->at++]));
}

static void put_constant(struct text *t) {
        if (is_word(t->last))
                put(t, ' ');
        put(t, '?');
}

static void step(struct text *t) {
        uint8_t c = peek(t, 0);

        if (c == '\'') {
                skip_quoted(t, c, false);
                put_constant(t);
        } else if (c == '"' || c == '`') {
                skip_quoted(t, c, true);
        } else if (isdigit(c) || (c == '.' && isdigit(peek(t, 1)))) {
                skip_number(t);
                put_constant(t);
        } else if (is_word(c)) {
                put_word(t);
        } else {
                put(t, c);
                t->at++;
        }
}

struct hash_value statement_shape(struct bytes sql) {
        struct text t = { .sql = sql };

        hash_begin(&t.h, "quorate.shape.1");
        while (t.at < sql.len)
                if (!skip_blank(&t))
                        step(&t);
        return hash_end(&t.h);
}
