#pragma once

/* Rows of dht.db: what store.h asks, as prepared statements. store_sqlite.c has the
 * file around them. Shell only. */

#include <sqlite3.h>

#include "services/dht/store_order.h"
#include "services/dht/store_sqlite.h"

enum statement_index {
        BEGIN,
        COMMIT,
        ROLLBACK,
        PUT,
        REMOVE,
        ONE,
        EACH,
        WALK,
        HEADS,
        RECORD_HEAD,
        COUNT,
        COUNT_UP,
        COUNT_DROP,
        PROVIDER_PUT,
        PROVIDER_HEAD,
        PROVIDERS,
        PROVIDER_REMOVE,
        OWN,
        OWN_PROVIDERS,
        EXPIRED_RECORD,
        EXPIRED_PROVIDER,
        STATE_PUT,
        STATE_GET,
        _STATEMENT_N,
};

extern const char *const store_rows_statements[_STATEMENT_N];
extern const struct store_ops store_rows_ops;

struct record_store {
        sqlite3 *db;
        sqlite3_stmt *statement[_STATEMENT_N];
        struct store_limits limits;
        bool is_dirty, is_failed;
        char error[STORE_ERROR_SIZE];
};
