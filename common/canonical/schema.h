#pragma once

/* The declared columns of a result: names and logical types, fixed by the
 * analysis before anything is sent (README.md, "Schema"). Its bytes travel in
 * the descriptor; a decoded schema owns a copy. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/canonical/cell.h"
#include "common/crypto/hash.h"

#define SCHEMA_COLUMNS_MAX 1000
#define SCHEMA_TYPES_MAX   8192 /* nested ones counted */
#define SCHEMA_NAME_MAX    255
#define SCHEMA_BYTES_MAX   (512u << 10)

enum schema_result {
        SCHEMA_OK = 0,
        SCHEMA_E_FORMAT,  /* cut short, trailing bytes, a varint not minimal */
        SCHEMA_E_TYPE,    /* not a type, NULL, or arguments out of range */
        SCHEMA_E_NAME,    /* not UTF-8, or too long */
        SCHEMA_E_COLUMNS, /* more columns, or more types, than the limit */
        SCHEMA_E_DEPTH,
};

const char *schema_result_text(int result);

/* One type of the tree, stored before its children. */
struct schema_type {
        enum cell_type type;
        uint8_t precision, scale; /* DECIMAL */
        struct bytes name;        /* of a column or STRUCT member; empty else */
        uint32_t n_children;      /* LIST 1, MAP 2 (key, value), STRUCT any */
        uint32_t n_below;         /* types in the whole subtree, itself excluded */
};

struct schema {
        struct schema_type *types; /* all of them, depth first */
        size_t n_types;
        const struct schema_type **columns;
        size_t n_columns;
        struct bytes encoded; /* own copy; names point into it */
        struct hash_value digest;
};

/* Returns enum schema_result; *ret is new. */
int schema_decode(struct bytes encoded, struct schema **ret);
struct schema *schema_free(struct schema *s);
DEFINE_CLEANUP(struct schema *, schema_free);

struct hash_value schema_digest(struct bytes encoded);

/* First child of a type; the next sibling of t is t + 1 + t->n_below. */
static inline const struct schema_type *schema_child(const struct schema_type *t) {
        return t->n_children ? t + 1 : NULL;
}

static inline const struct schema_type *schema_next(const struct schema_type *t) {
        return t + 1 + t->n_below;
}

/* Writing: the count, then for each column its name and its type; a LIST is
 * followed by one type, a MAP by two, a STRUCT by schema_put_members() and
 * name and type of each. What comes out is checked by schema_decode(). */
void schema_begin(struct buffer *b, size_t n_columns);
void schema_put_name(struct buffer *b, struct bytes name);
void schema_put_type(struct buffer *b, enum cell_type type);
void schema_put_decimal(struct buffer *b, uint8_t precision, uint8_t scale);
void schema_put_struct(struct buffer *b, size_t n_members);

/* Whether a cell may stand in a column of this type, nested types included:
 * NULL anywhere, anything in ANY, INTEGER in DECIMAL (scale 0). */
bool schema_admits(const struct schema_type *t, const struct cell *c);

/* "DECIMAL(10,2)", "LIST(INTEGER)" …, cut short with "…"; returns ret. */
char *schema_type_text(const struct schema_type *t, char *ret, size_t ret_size);
