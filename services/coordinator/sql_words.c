#include "services/coordinator/sql_words.h"

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

static const char word_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* Just past the quoted text, comment or word that begins here, or past one byte. */
static size_t skip_token(const char *sql, size_t i) {
        const char *end;

        if (strchr("'\"`", sql[i]))
                end = strchr(sql + i + 1, sql[i]);
        else if (sql[i] == '-' && sql[i + 1] == '-')
                end = strchr(sql + i, '\n');
        else if (sql[i] == '/' && sql[i + 1] == '*')
                end = (end = strstr(sql + i + 2, "*/")) ? end + 1 : NULL;
        else
                return i + strspn(sql + i, word_bytes) + (strspn(sql + i, word_bytes) == 0);
        return end ? (size_t) (end - sql) + 1 : strlen(sql);
}

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
        return strchr(" \t\r\n;", sql[i]) || (sql[i] == '-' && sql[i + 1] == '-') ||
               (sql[i] == '/' && sql[i + 1] == '*');
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
