/* printf() and format(), which answer NULL in silence where the result would be above the limit
 * of a value: replace() and the like fail there, and so do these. The functions themselves
 * stay SQLite's own: a second connection, in memory, is asked, where they are not replaced. */

#include <stdio.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/sqlite_session.h"

/* Above that of a value: what lies between is refused by the connection that asked, and text of
 * a database in UTF-16 is longer in UTF-8 by a half. */
#define FORMAT_MAX (2 * SQLITE_VALUE_MAX)

/* Empty is NULL, too. One character before the format tells the two apart. */
enum { AS_IT_IS, WITH_PREFIX, N_QUESTIONS };
static const char *const firsts[N_QUESTIONS] = { "?1", "'x' || ?1" };

struct sqlite_formats {
        sqlite3 *db;
        sqlite3_stmt *stmts[N_QUESTIONS][SQLITE_ARGUMENTS_MAX + 1];
};

struct sqlite_formats *sqlite_formats_free(struct sqlite_formats *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < N_QUESTIONS; i++) {
                for (size_t n = 0; n < ELEMENTSOF(f->stmts[i]); n++)
                        (void) sqlite3_finalize(f->stmts[i][n]);
        }
        (void) sqlite3_close(f->db);
        free(f);
        return NULL;
}

static int formats_open(struct engine_session *s) {
        struct sqlite_formats *f = xnew(struct sqlite_formats);
        int rc = sqlite3_open_v2(":memory:", &f->db, SQLITE_OPEN_READWRITE, SQLITE_VFS_NAME);

        if (rc == SQLITE_OK)
                (void) sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, FORMAT_MAX);
        s->formats = rc == SQLITE_OK ? f : sqlite_formats_free(f);
        return rc;
}

static int formats_stmt(struct sqlite_formats *f, int question, int n, sqlite3_stmt **ret) {
        sqlite3_stmt **q = &f->stmts[question][n];
        char sql[64 + 5 * SQLITE_ARGUMENTS_MAX];
        int rc = SQLITE_OK, at;

        if (!*q) {
                at = snprintf(sql, sizeof(sql), "SELECT printf(%s", n > 0 ? firsts[question] : "");
                for (int i = 1; i < n; i++)
                        at += snprintf(sql + at, sizeof(sql) - (size_t) at, ", ?%d", i + 1);
                (void) snprintf(sql + at, sizeof(sql) - (size_t) at, ")");
                rc = sqlite3_prepare_v2(f->db, sql, -1, q, NULL);
        }
        *ret = *q;
        return rc;
}

/* Text and blobs as what printf() takes them for: a blob is text in the encoding of the database
 * it is of, which the other connection cannot know. */
static int bind(sqlite3_stmt *q, int i, sqlite3_value *v) {
        int type = sqlite3_value_type(v);
        const char *text;

        if (type != SQLITE_TEXT && type != SQLITE_BLOB)
                return sqlite3_bind_value(q, i, v);
        text = (const char *) sqlite3_value_text(v);
        return sqlite3_bind_text64(q, i, text, (sqlite3_uint64) sqlite3_value_bytes(v),
                                   SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* SQLITE_ROW: answered, until the statement is reset. */
static int ask(struct sqlite_formats *f, int question, int n, sqlite3_value **arguments,
               sqlite3_stmt **ret) {
        int rc = formats_stmt(f, question, n, ret);

        for (int i = 0; i < n && rc == SQLITE_OK; i++)
                rc = bind(*ret, i + 1, arguments[i]);
        return rc == SQLITE_OK ? sqlite3_step(*ret) : rc;
}

/* What was bound may be large, and is the job's memory. */
static void asked(sqlite3_stmt *q) {
        if (!q)
                return;
        (void) sqlite3_reset(q);
        (void) sqlite3_clear_bindings(q);
}

/* Of the connection that was asked, as the error of the function. */
static void fail(sqlite3_context *context, const struct sqlite_formats *f, int rc) {
        switch (rc & 0xff) {
        case SQLITE_NOMEM:
                return sqlite3_result_error_nomem(context);
        case SQLITE_TOOBIG:
                return sqlite3_result_error_toobig(context);
        default:
                return sqlite3_result_error(context, f ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc),
                                            -1);
        }
}

/* Too long, once NULL came out of a format that is none; or empty. */
static int is_too_long(struct sqlite_formats *f, int n, sqlite3_value **arguments, bool *ret) {
        sqlite3_stmt *q = NULL;
        int rc = ask(f, WITH_PREFIX, n, arguments, &q);

        *ret = rc == SQLITE_ROW && sqlite3_column_type(q, 0) == SQLITE_NULL;
        asked(q);
        return rc;
}

static void on_format(sqlite3_context *context, int n, sqlite3_value **arguments) {
        struct engine_session *s = sqlite3_user_data(context);
        sqlite3_stmt *q = NULL;
        bool too_long = false;
        int rc = SQLITE_OK;

        if (n > SQLITE_ARGUMENTS_MAX) /* a limit of the connection already */
                return sqlite3_result_error(context, "too many arguments", -1);
        if (!s->formats)
                rc = formats_open(s);
        if (rc == SQLITE_OK)
                rc = ask(s->formats, AS_IT_IS, n, arguments, &q);
        if (rc == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
                sqlite3_result_value(context, sqlite3_column_value(q, 0));
        else if (rc == SQLITE_ROW && n > 0 && sqlite3_value_text(arguments[0]))
                rc = is_too_long(s->formats, n, arguments, &too_long);
        if (rc != SQLITE_ROW)
                fail(context, s->formats, rc);
        else if (too_long)
                sqlite3_result_error_toobig(context);
        asked(q);
}

/* With the properties of the functions they stand for, so that what rests on them in the schema
 * of a file (indexes, generated columns, views) goes on. */
int sqlite_formats_replace(struct engine_session *s) {
        static const char *const names[] = { "printf", "format" };
        int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, rc = SQLITE_OK;

        for (size_t i = 0; i < ELEMENTSOF(names) && rc == SQLITE_OK; i++)
                rc = sqlite3_create_function_v2(s->db, names[i], -1, flags, s, on_format, NULL,
                                                NULL, NULL);
        return rc;
}
