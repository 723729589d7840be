#include "services/worker/other_statements.h"

#include <ctype.h>
#include <strings.h>

#include "common/base/memory.h"

/* What each is called to people: common/client/advice.c. DESCRIBE, SHOW, PIVOT and the like are
 * SELECTs to DuckDB, and an error of syntax to SQLite. */
static const char *const words[] = {
        "ALTER",    "ANALYZE",   "ATTACH",  "BEGIN",    "CALL",    "CHECKPOINT", "COMMENT",
        "COMMIT",   "COPY",      "CREATE",  "DELETE",   "DETACH",  "DROP",       "END",
        "EXECUTE",  "EXPLAIN",   "EXPORT",  "IMPORT",   "INSERT",  "INSTALL",    "LOAD",
        "MERGE",    "PRAGMA",    "PREPARE", "REINDEX",  "RELEASE", "REPLACE",    "RESET",
        "ROLLBACK", "SAVEPOINT", "SET",     "TRUNCATE", "UPDATE",  "USE",        "VACUUM",
};

static bool begins(struct bytes sql, size_t at, const char *mark) {
        size_t n = strlen(mark);

        return sql.len - at >= n && memcmp(sql.data + at, mark, n) == 0;
}

/* Past `mark`, or to the end. */
static size_t skip_to(struct bytes sql, size_t at, const char *mark) {
        while (at < sql.len && !begins(sql, at, mark))
                at++;
        return at < sql.len ? at + strlen(mark) : sql.len;
}

static size_t skip_blanks(struct bytes sql) {
        size_t at = 0;

        for (;;) {
                if (begins(sql, at, "--"))
                        at = skip_to(sql, at, "\n");
                else if (begins(sql, at, "/*"))
                        at = skip_to(sql, at + 2, "*/");
                else if (at < sql.len && isspace(sql.data[at]))
                        at++;
                else
                        return at;
        }
}

const char *other_statement(struct bytes sql, int32_t *ret_position) {
        size_t at = skip_blanks(sql), n = 0;

        while (at + n < sql.len && (isalnum(sql.data[at + n]) || sql.data[at + n] == '_'))
                n++;
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (n != strlen(words[i]) ||
                    strncasecmp((const char *) sql.data + at, words[i], n) != 0)
                        continue;
                *ret_position = (int32_t) at;
                return words[i];
        }
        return NULL;
}
