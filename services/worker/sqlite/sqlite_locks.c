/* What a job's statement may not do. Measured ways out and why each lock is
 * here: README.md. The sandbox stands behind all of this. */

#include <stdio.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_session.h"

#define PROGRESS_STEPS 10000

static const struct {
        int id, value;
} limits[] = {
        { SQLITE_LIMIT_LENGTH, SQLITE_VALUE_MAX },
        { SQLITE_LIMIT_SQL_LENGTH, ENGINE_SQL_MAX },
        { SQLITE_LIMIT_COLUMN, SCHEMA_COLUMNS_MAX * 2 }, /* ORDER BY with ordinals appended */
        { SQLITE_LIMIT_EXPR_DEPTH, 200 },
        { SQLITE_LIMIT_COMPOUND_SELECT, 100 },
        { SQLITE_LIMIT_VDBE_OP, 250000 },
        { SQLITE_LIMIT_FUNCTION_ARG, SQLITE_ARGUMENTS_MAX },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200 },
        { SQLITE_LIMIT_VARIABLE_NUMBER, 999 },
        { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
        { SQLITE_LIMIT_WORKER_THREADS, 0 },
};

static const struct {
        int id, value;
} switches[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 },
        { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0 },
        { SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 0 },
        { SQLITE_DBCONFIG_ENABLE_QPSG, 1 }, /* plans never depend on bound values */
        { SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
};

static const struct {
        int action;
        const char *name;
} actions[] = {
        { SQLITE_CREATE_INDEX, "CREATE INDEX" },
        { SQLITE_CREATE_TABLE, "CREATE TABLE" },
        { SQLITE_CREATE_TEMP_TABLE, "CREATE TEMP TABLE" },
        { SQLITE_CREATE_TRIGGER, "CREATE TRIGGER" },
        { SQLITE_CREATE_VIEW, "CREATE VIEW" },
        { SQLITE_CREATE_VTABLE, "CREATE VIRTUAL TABLE" },
        { SQLITE_DELETE, "DELETE" },
        { SQLITE_DROP_TABLE, "DROP TABLE" },
        { SQLITE_INSERT, "INSERT" },
        { SQLITE_PRAGMA, "PRAGMA" },
        { SQLITE_TRANSACTION, "BEGIN, COMMIT or ROLLBACK" },
        { SQLITE_SAVEPOINT, "SAVEPOINT" },
        { SQLITE_UPDATE, "UPDATE" },
        { SQLITE_ATTACH, "ATTACH" },
        { SQLITE_DETACH, "DETACH" },
        { SQLITE_ALTER_TABLE, "ALTER TABLE" },
        { SQLITE_REINDEX, "REINDEX" },
        { SQLITE_ANALYZE, "ANALYZE" },
};

static int deny(struct engine_session *s, const char *what, const char *name) {
        if (!s->denied.is_denied) {
                s->denied = (struct sqlite_denied){ .is_denied = true, .what = what };
                (void) snprintf(s->denied.name, sizeof(s->denied.name), "%s", name ? name : "");
        }
        return SQLITE_DENY;
}

static int deny_action(struct engine_session *s, int action, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                if (actions[i].action == action)
                        return deny(s, actions[i].name, name);
        }
        return deny(s, "statement", name);
}

static void record_read(struct engine_session *s, const char *database, const char *table,
                        const char *column) {
        struct sqlite_read *r = &s->reads[s->n_reads];

        for (size_t i = 0; i < s->n_reads; i++) {
                if (!strcmp(s->reads[i].table, table) && !strcmp(s->reads[i].column, column) &&
                    !strcmp(s->reads[i].database, database))
                        return;
        }
        if (s->n_reads == SQLITE_READS_MAX) {
                s->too_many_reads = true;
                return;
        }
        (void) snprintf(r->database, sizeof(r->database), "%s", database);
        (void) snprintf(r->table, sizeof(r->table), "%s", table);
        (void) snprintf(r->column, sizeof(r->column), "%s", column);
        s->n_reads++;
}

static int on_read(struct engine_session *s, const char *database, const char *table,
                   const char *column) {
        if (strncasecmp(table, "pragma_", 7) == 0)
                return deny(s, "table", table);
        if (strncasecmp(table, "sqlite_", 7) == 0)
                s->reads_catalogue = true;
        record_read(s, database ? database : "", table, column ? column : "");
        return SQLITE_OK;
}

static int on_function(struct engine_session *s, const char *name) {
        const struct function_rule *rule = function_rule_of(name);

        if (!rule)
                return deny(s, "function", name);
        (void) map_set(s->functions, BYTES_STR(rule->name), (void *) rule);
        return SQLITE_OK;
}

/* CREATE of a published schema writes into sqlite_schema and reads it again. */
static int authorize_schema(struct engine_session *s, int action, const char *a) {
        switch (action) {
        case SQLITE_CREATE_TABLE:
        case SQLITE_CREATE_VIEW:
        case SQLITE_CREATE_INDEX:
        case SQLITE_REINDEX:
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_INSERT:
        case SQLITE_UPDATE:
        case SQLITE_RECURSIVE:
        case SQLITE_FUNCTION:
                return SQLITE_OK;
        default:
                return deny_action(s, action, a);
        }
}

/* Expressions of generated columns are resolved when a CREATE runs, and never asked
 * for again. (Those in a file's own schema are held by TRUSTED_SCHEMA: functions
 * without side effects only.) */
static int authorize_open(struct engine_session *s, int action, const char *function) {
        if (action == SQLITE_FUNCTION && !function_rule_of(function))
                return deny(s, "function", function);
        return SQLITE_OK;
}

/* The authorizer names the innermost view; which database it is of stays open. */
static void use_views(struct engine_session *s, const char *name) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(s->tables, &cursor, &key, &value)) {
                const uint8_t *own = (const uint8_t *) memchr(key.data, 0, key.len) + 1;
                size_t len = key.len - (size_t) (own - key.data);
                struct sqlite_table *t = value;

                if (!name)
                        t->is_used = false;
                else if (t->is_view && len == strlen(name) &&
                         !strncasecmp((const char *) own, name, len))
                        t->is_used = true;
        }
}

static int authorize_probe(int action) {
        return action == SQLITE_SELECT || action == SQLITE_RECURSIVE || action == SQLITE_READ ||
                               action == SQLITE_FUNCTION
                       ? SQLITE_OK
                       : SQLITE_DENY;
}

static int authorize(void *userdata, int action, const char *a, const char *b, const char *database,
                     const char *view) {
        struct engine_session *s = userdata;
        int rc = SQLITE_OK;

        if (s->phase == SQLITE_PHASE_OPEN || action == SQLITE_FUNCTION)
                rc = authorize_open(s, action, b);
        if (s->phase == SQLITE_PHASE_OPEN || rc != SQLITE_OK)
                return rc;
        if (s->phase == SQLITE_PHASE_SCHEMA)
                return authorize_schema(s, action, a);
        if (s->is_probing)
                return authorize_probe(action);
        if (view)
                use_views(s, view);
        if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE)
                return SQLITE_OK;
        if (action == SQLITE_READ)
                return on_read(s, database, a, b);
        if (action == SQLITE_FUNCTION)
                return on_function(s, b);
        return deny_action(s, action, a);
}

static int on_progress(void *userdata) {
        struct engine_session *s = userdata;

        return s->job->is_over && s->job->is_over(s->job->userdata);
}

int sqlite_lock(struct engine_session *s) {
        static const char *const modules_kept[] = { "json_each", "json_tree", NULL };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                (void) sqlite3_limit(s->db, limits[i].id, limits[i].value);
        for (size_t i = 0; i < ELEMENTSOF(switches); i++) {
                int rc = sqlite3_db_config(s->db, switches[i].id, switches[i].value, NULL);

                if (rc != SQLITE_OK)
                        return rc;
        }
        if (sqlite_formats_replace(s) != SQLITE_OK)
                return SQLITE_NOMEM;
        /* dbstat, sqlite_stmt, full-text search: no module, no table function. */
        (void) sqlite3_drop_modules(s->db, (const char **) modules_kept);
        (void) sqlite3_hard_heap_limit64((sqlite3_int64) s->job->memory);
        sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
        return sqlite3_set_authorizer(s->db, authorize, s);
}

void sqlite_recorded_clear(struct engine_session *s) {
        use_views(s, NULL);
        s->n_reads = 0;
        s->too_many_reads = false;
        s->reads_catalogue = false;
        s->denied = (struct sqlite_denied){};
        map_free(s->functions);
        s->functions = map_new(0);
}

void sqlite_lock_close(struct engine_session *s) {
        (void) sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
        s->phase = SQLITE_PHASE_LOCKED;
        sqlite_recorded_clear(s);
}
