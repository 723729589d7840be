#include "services/coordinator/sql_words.h"

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

/* ---- Tokens, as DuckDB's lexer has them: tests/unit/coordinator/test_sql_words.c ---- */

/* Bytes of the Unicode space that is here and that DuckDB takes for one; 0: none is. */
static size_t unicode_space(const char *s) {
        static const char *const others[] = { "\xc2\xa0",     "\xe2\x80\xaf", "\xe2\x81\x9f",
                                              "\xe2\x81\xa0", "\xe3\x80\x80", "\xef\xbb\xbf" };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (strncmp(s, others[i], strlen(others[i])) == 0)
                        return strlen(others[i]);
        return strncmp(s, "\xe2\x80", 2) == 0 && (uint8_t) s[2] >= 0x80 && (uint8_t) s[2] <= 0x8b
                       ? 3
                       : 0;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool begins_name(const char *s) {
        return (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_' ||
               ((uint8_t) *s >= 0x80 && !unicode_space(s));
}

static const char *skip_name(const char *s, bool with_dollars) {
        while (begins_name(s) || is_digit(*s) || (with_dollars && *s == '$'))
                s++;
        return s;
}

/* A name may follow at once: 1ORDER BY is two words and more. */
static const char *skip_number(const char *s) {
        const char *power;

        s += strspn(s, "0123456789_.");
        power = s + ((*s | 0x20) == 'e');
        power += power > s && (*power == '+' || *power == '-');
        return power > s && is_digit(*power) ? power + strspn(power, "0123456789_") : s;
}

static const char *past(const char *s, const char *found, size_t len) {
        return found ? found + len : s + strlen(s);
}

/* Behind a line break a string goes on, by the same rules. NULL: it does not. */
static const char *continued(const char *s) {
        bool is_below = false;

        for (; *s; s++) {
                if (*s == '\'' && is_below)
                        return s + 1;
                if (s[0] == '-' && s[1] == '-')
                        s += strcspn(s, "\r\n");
                if (!strchr(" \t\f\r\n", *s) || !*s)
                        return NULL;
                is_below = is_below || *s == '\r' || *s == '\n';
        }
        return NULL;
}

/* `s` stands behind the quote that begins E'…'. */
static const char *skip_escaped(const char *s) {
        while (*s && (*s != '\'' || s[1] == '\''))
                s += (*s == '\\' && s[1]) || *s == '\'' ? 2 : 1;
        return s + (*s == '\'');
}

static const char *skip_escapes(const char *s) {
        const char *more = s;

        while (more) {
                s = skip_escaped(more);
                more = s[-1] == '\'' ? continued(s) : NULL;
        }
        return s;
}

/* $$…$$, $tag$…$tag$, or a parameter. */
static const char *skip_dollar(const char *s) {
        const char *end =
                is_digit(s[1]) ? s + 1 + strspn(s + 1, "0123456789") : skip_name(s + 1, false);
        size_t len = (size_t) (end - s) + 1;

        if (*end != '$' || is_digit(s[1]))
                return end;
        for (s = end + 1; *s; s++)
                if (*s == '$' && strncmp(s, end + 1 - len, len) == 0)
                        return s + len;
        return s;
}

/* Comments may be nested. */
static const char *skip_comment(const char *s) {
        unsigned depth = 0;

        while (*s) {
                bool opens = s[0] == '/' && s[1] == '*', closes = s[0] == '*' && s[1] == '/';

                s += opens || closes ? 2 : 1;
                depth += opens;
                depth -= closes;
                if (depth == 0)
                        break;
        }
        return s;
}

/* Just past the quoted text, comment, number or name that begins here, or past one byte. */
static const char *skip(const char *s) {
        if (strchr("'\"`", *s))
                return past(s, strchr(s + 1, *s), 1);
        if ((*s | 0x20) == 'e' && s[1] == '\'')
                return skip_escapes(s + 2);
        if (*s == '$')
                return skip_dollar(s);
        if (s[0] == '-' && s[1] == '-')
                return s + strcspn(s, "\r\n");
        if (s[0] == '/' && s[1] == '*')
                return skip_comment(s);
        if (is_digit(*s) || (*s == '.' && is_digit(s[1])))
                return skip_number(s);
        if (begins_name(s))
                return skip_name(s, true);
        return s + (unicode_space(s) ? unicode_space(s) : 1);
}

static size_t skip_token(const char *sql, size_t i) {
        return (size_t) (skip(sql + i) - sql);
}

/* ---- What they tell ---- */

static bool is_word(const char *sql, size_t i, size_t next, const char *word) {
        return next - i == strlen(word) && strncasecmp(sql + i, word, next - i) == 0;
}

static bool is_one_of(const char *sql, size_t i, size_t next, const char *const *words, size_t n) {
        for (size_t k = 0; k < n; k++)
                if (is_word(sql, i, next, words[k]))
                        return true;
        return false;
}

int32_t sql_outermost_order(const char *sql) {
        int depth = 0;

        for (size_t i = 0, next; sql[i]; i = next) {
                next = skip_token(sql, i);
                depth += (sql[i] == '(') - (sql[i] == ')');
                if (depth == 0 && is_word(sql, i, next, "ORDER"))
                        return (int32_t) i;
        }
        return -1;
}

/* Of more than these, or with others beside them, it may give any number of rows. */
static bool is_aggregate(const char *sql, size_t i, size_t next) {
        static const char *const names[] = { "count", "sum", "avg", "min", "max", "total" };

        return is_one_of(sql, i, next, names, ELEMENTSOF(names)) && sql[next] == '(';
}

static bool is_blank(const char *sql, size_t i) {
        return strchr(" \t\f\r\n;", sql[i]) || unicode_space(sql + i) ||
               (sql[i] == '-' && sql[i + 1] == '-') || (sql[i] == '/' && sql[i + 1] == '*');
}

bool sql_gives_one_row(const char *sql) {
        static const char *const many[] = { "GROUP",   "UNION", "INTERSECT", "EXCEPT", "OVER",
                                            "QUALIFY", "WITH",  "VALUES",    "HAVING", "WHERE" };
        bool is_select = false, has_from = false, is_first = false, all = true;
        int depth = 0;

        for (size_t i = 0, next; sql[i]; i = next) {
                next = skip_token(sql, i);
                if (is_blank(sql, i))
                        continue;
                if (!is_select) {
                        if (!is_word(sql, i, next, "SELECT"))
                                return false;
                        is_select = is_first = true;
                        continue;
                }
                if (is_first && !has_from)
                        all = all && is_aggregate(sql, i, next);
                is_first = depth == 0 && sql[i] == ',';
                depth += (sql[i] == '(') - (sql[i] == ')');
                has_from = has_from || (depth == 0 && is_word(sql, i, next, "FROM"));
                if (depth == 0 && is_one_of(sql, i, next, many, ELEMENTSOF(many)) &&
                    !(has_from && all && is_word(sql, i, next, "WHERE")))
                        return false;
        }
        return is_select && (all || !has_from);
}
