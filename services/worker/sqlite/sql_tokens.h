#pragma once

/* SQLite's tokens with their depth in parentheses: what the analysis needs to
 * find the outermost ORDER BY and LIMIT, and expressions in a list. It follows
 * https://www.sqlite.org/draft/tokenreq.html; blanks and comments are left out.
 * Keywords are not told from names here, except by sql_token_is(). Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define SQL_TOKENS_MAX 100000

enum sql_token_type {
        SQL_WORD,     /* keyword or name without quotes */
        SQL_QUOTED,   /* "name", [name], `name` */
        SQL_STRING,   /* 'text' */
        SQL_BLOB,     /* x'00' */
        SQL_INTEGER,  /* decimal or 0x */
        SQL_FLOAT,    /* with a point or an exponent */
        SQL_VARIABLE, /* ?, ?1, :a, @a, $a */
        SQL_OPERATOR, /* one or two characters, also ( ) , ; . */
        SQL_ILLEGAL,  /* an unfinished quote, a character that is no token */
};

struct sql_token {
        enum sql_token_type type;
        uint32_t start, len; /* bytes of the statement */
        uint32_t depth;      /* parentheses around it; both of a pair have that of their outside */
        uint32_t match;      /* of ( and ): index of the other one, else own index */
};

struct sql_tokens {
        struct bytes sql; /* not owned */
        struct sql_token *tokens;
        size_t n;
        bool is_balanced;
};

enum sql_tokens_result {
        SQL_TOKENS_OK = 0,
        SQL_TOKENS_E_LIMIT, /* more than SQL_TOKENS_MAX */
};

/* Cannot be refused for its content: what SQLite would not read is SQL_ILLEGAL. */
int sql_tokens_read(struct bytes sql, struct sql_tokens *ret);
void sql_tokens_done(struct sql_tokens *t);
static inline void sql_tokens_donep(struct sql_tokens *t) {
        sql_tokens_done(t);
}

/* Whether token i exists and is this word without quotes, or this operator; in any case. */
bool sql_token_is(const struct sql_tokens *t, size_t i, const char *text);
/* One of these words or operators; NULL-terminated. */
bool sql_token_is_any(const struct sql_tokens *t, size_t i, const char *const *words);
struct bytes sql_token_text(const struct sql_tokens *t, size_t i);
/* The name a WORD, QUOTED or STRING token stands for, quotes undone, cut to size. */
char *sql_token_name(const struct sql_tokens *t, size_t i, char *ret, size_t ret_size);
/* Equal as SQL: words and quoted names without regard to case and quotes. */
bool sql_token_same(const struct sql_tokens *t, size_t a, size_t b);

/* First token in [from, to) at `depth` that is `text`; `to` when there is none. */
size_t sql_find(const struct sql_tokens *t, size_t from, size_t to, uint32_t depth,
                const char *text);
