#pragma once

/* Names of columns: what may be one, and finding one by its name. In both engines
 * names are equal in any case of ASCII letters. Pure. */

#include "common/base/map.h"
#include "services/worker/tables/infer.h"

struct column {
        struct bytes name; /* owned */
        struct infer_column facts;
        uint64_t seen; /* NDJSON: the last row that named it */
        bool has_number, has_other;
};

struct columns {
        struct column *list; /* TABLE_COLUMNS_MAX of them */
        size_t n, name_bytes;
        struct map *by_name; /* as written -> struct column */
        struct map *folded;  /* lower case -> struct column */
        size_t next;         /* guess of columns_find() */
};

void columns_init(struct columns *c);
void columns_done(struct columns *c);
static inline void columns_donep(struct columns *c) {
        columns_done(c);
}
/* NULL: there is none. Fast when asked in order. */
struct column *columns_find(struct columns *c, struct bytes name);
/* A new one. TABLE_OK, or TABLE_E_BAD with what and remedy of *f filled in (place and
 * name are the caller's): not fit for a name, one of the same name, too many. */
int columns_add(struct columns *c, struct bytes name, struct table_fault *f);
/* u8 2, then the canonical schema. TABLE_OK or TABLE_E_BAD. */
int columns_encode(const struct columns *c, unsigned decimal_max, struct buffer *ret,
                   struct table_fault *f);

#define TABLE_SCHEMA_VERSION 2
/* The schema behind that byte; only types of table files. NULL: not such bytes. */
struct schema *table_schema_decode(struct bytes in);
