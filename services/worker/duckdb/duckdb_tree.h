#pragma once

/* Trees that DuckDB writes as JSON: a statement (json_serialize_sql) or its bound plan
 * (json_serialize_plan). All of it is data of a foreign program: sizes and depth are
 * bounded, what is missing reads as empty. Pure. */

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"

#define TREE_BYTES_MAX (32u << 20)
#define TREE_DEPTH_MAX 2048 /* levels of JSON; DuckDB stops at 1000 expressions */

enum tree_result {
        TREE_OK = 0,
        TREE_E_FORMAT, /* not JSON, or deeper than the limit */
        TREE_E_LARGE,
};

/* Returns enum tree_result; *ret is the caller's. */
int tree_read(struct bytes json, struct json_object **ret);
/* A node of our own making: JSON that is known to be right. */
struct json_object *tree_make(const char *json);
struct json_object *tree_copy(const struct json_object *node);
/* As JSON, numbers as they were read; NULL: no memory. A view that lives as long as the node. */
const char *tree_write(struct json_object *node);
static inline void tree_donep(struct json_object **t) {
        (void) json_object_put(*t);
}

/* ---- members of any node, or of NULL ---- */
struct json_object *tree_get(const struct json_object *node, const char *key); /* NULL: none */
const char *tree_text(const struct json_object *node, const char *key);        /* "" */
/* An index or a count. */
size_t tree_number(const struct json_object *node, const char *key, size_t otherwise);
bool tree_flag(const struct json_object *node, const char *key);
bool tree_is(const struct json_object *node, const char *key, const char *value); /* this text */
int32_t tree_position(const struct json_object *node); /* bytes into the statement, or -1 */

static inline const struct json_object *tree_list(const struct json_object *node, const char *key) {
        return tree_get(node, key);
}

/* ---- elements of a list ---- */
size_t tree_length(const struct json_object *list); /* 0 for what is no list */
struct json_object *tree_at(const struct json_object *list, size_t i);

const char *tree_string(const struct json_object *node); /* NULL: not a text */
bool tree_is_object(const struct json_object *node);
bool tree_is_number(const struct json_object *node);

/* Every object below and including `node`, parents first; whatever fn says no to is not
 * entered. */
typedef bool (*tree_fn)(void *userdata, struct json_object *node);
void tree_walk(struct json_object *node, tree_fn fn, void *userdata);

/* Equal but for where in the text they stand. */
bool tree_equal(const struct json_object *a, const struct json_object *b);
