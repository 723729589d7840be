#pragma once

/* What a column of an input may hold, as far as the engine guarantees it. */

#include "services/worker/sqlite/sqlite_session.h"

enum column_kind {
        COLUMN_UNKNOWN, /* no column of a table: an alias, a column of a view */
        COLUMN_INTEGER, /* never anything but INTEGER and NULL */
        COLUMN_TEXT,    /* TEXT and NULL */
        COLUMN_NO_REAL, /* TEXT, BLOB, INTEGER */
        COLUMN_MAY_BE_REAL,
};

enum column_kind sqlite_column_kind(struct engine_session *s, const char *database,
                                    const char *table, const char *column);
bool sqlite_has_column(struct engine_session *s, const char *database, const char *table,
                       const char *column);
/* The type a STRICT table guarantees; CELL_ANY for all others. */
enum cell_type sqlite_column_type_of(struct engine_session *s, const char *database,
                                     const char *table, const char *column);
/* Compares otherwise than byte by byte. */
bool sqlite_column_has_collation(struct engine_session *s, const struct sqlite_read *r);
/* Of a CAST or a declared type, by SQLite's rules of affinity; CELL_ANY: NUMERIC. */
enum cell_type sqlite_affinity(const char *type);
