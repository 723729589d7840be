#include "services/worker/sqlite/sqlite_columns.h"

#include <strings.h>

#include "common/base/memory.h"

static bool contains(const char *text, const char *part) {
        return strcasestr(text, part) != NULL;
}

/* https://www.sqlite.org/datatype3.html#determination_of_column_affinity */
enum cell_type sqlite_affinity(const char *type) {
        if (contains(type, "INT"))
                return CELL_INTEGER;
        if (contains(type, "CHAR") || contains(type, "CLOB") || contains(type, "TEXT"))
                return CELL_TEXT;
        if (contains(type, "BLOB") || !type[0])
                return CELL_BLOB;
        if (contains(type, "REAL") || contains(type, "FLOA") || contains(type, "DOUB"))
                return CELL_REAL;
        return CELL_ANY;
}

struct metadata {
        const char *type, *collation;
        int not_null, primary_key, autoincrement;
};

static bool read_metadata(struct engine_session *s, const char *database, const char *table,
                          const char *column, struct metadata *ret) {
        *ret = (struct metadata){};
        return sqlite3_table_column_metadata(s->db, database[0] ? database : NULL, table, column,
                                             &ret->type, &ret->collation, &ret->not_null,
                                             &ret->primary_key, &ret->autoincrement) == SQLITE_OK;
}

bool sqlite_has_column(struct engine_session *s, const char *database, const char *table,
                       const char *column) {
        struct metadata m;

        return read_metadata(s, database, table, column, &m);
}

static bool is_rowid(const char *column) {
        return !strcasecmp(column, "rowid") || !strcasecmp(column, "oid") ||
               !strcasecmp(column, "_rowid_");
}

static enum column_kind kind_of_strict(const char *type) {
        if (!strcasecmp(type, "INT") || !strcasecmp(type, "INTEGER"))
                return COLUMN_INTEGER;
        if (!strcasecmp(type, "TEXT"))
                return COLUMN_TEXT;
        return !strcasecmp(type, "BLOB") ? COLUMN_NO_REAL : COLUMN_MAY_BE_REAL;
}

/* json_each() and json_tree(): `value` and `atom` hold what the text says. */
static enum column_kind kind_of_table_function(const char *column) {
        return !strcasecmp(column, "value") || !strcasecmp(column, "atom") ? COLUMN_MAY_BE_REAL
                                                                           : COLUMN_NO_REAL;
}

enum column_kind sqlite_column_kind(struct engine_session *s, const char *database,
                                    const char *table, const char *column) {
        const struct sqlite_table *t = sqlite_table_of(s, database[0] ? database : "main", table);
        struct metadata m;

        if (!column[0])
                return COLUMN_INTEGER; /* only counted */
        if (!strcasecmp(table, "json_each") || !strcasecmp(table, "json_tree"))
                return kind_of_table_function(column);
        if (!t || t->is_view)
                return COLUMN_UNKNOWN;
        if (!read_metadata(s, database, table, column, &m))
                return is_rowid(column) ? COLUMN_INTEGER : COLUMN_MAY_BE_REAL;
        if (t->is_strict && !t->has_generated)
                return kind_of_strict(m.type ? m.type : "");
        if (!m.type || t->has_generated)
                return COLUMN_MAY_BE_REAL;
        if (m.primary_key && !strcasecmp(m.type, "INTEGER") && !contains(t->sql, "WITHOUT"))
                return COLUMN_INTEGER; /* may also be one of several keys: then not the rowid */
        return sqlite_affinity(m.type) == CELL_TEXT ? COLUMN_NO_REAL : COLUMN_MAY_BE_REAL;
}

enum cell_type sqlite_column_type_of(struct engine_session *s, const char *database,
                                     const char *table, const char *column) {
        const struct sqlite_table *t = sqlite_table_of(s, database, table);
        struct metadata m;

        if (!t || !t->is_strict || t->has_generated ||
            !read_metadata(s, database, table, column, &m) || !m.type || !strcasecmp(m.type, "ANY"))
                return CELL_ANY;
        return sqlite_affinity(m.type);
}

bool sqlite_column_has_collation(struct engine_session *s, const struct sqlite_read *r) {
        struct metadata m;

        return r->column[0] && read_metadata(s, r->database, r->table, r->column, &m) &&
               m.collation && strcasecmp(m.collation, "BINARY") != 0;
}
