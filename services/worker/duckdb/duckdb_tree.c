#include "services/worker/duckdb/duckdb_tree.h"

#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>
#include <string.h>

#include "common/base/error.h"

static struct json_object *parse(struct bytes json) {
        struct json_tokener *t = json_tokener_new_ex(TREE_DEPTH_MAX);
        struct json_object *ret;

        check(t);
        json_tokener_set_flags(t, JSON_TOKENER_STRICT);
        ret = json_tokener_parse_ex(t, (const char *) json.data, (int) json.len);
        if (json_tokener_get_error(t) != json_tokener_success) {
                (void) json_object_put(ret);
                ret = NULL;
        }
        json_tokener_free(t);
        return ret;
}

int tree_read(struct bytes json, struct json_object **ret) {
        /* The other hash asks the kernel for randomness, which an executor may not; the keys
         * are DuckDB's own. */
        (void) json_global_set_string_hash(JSON_C_STR_HASH_PERLLIKE);
        if (json.len > TREE_BYTES_MAX)
                return TREE_E_LARGE;
        *ret = parse(json);
        return tree_is_object(*ret) ? TREE_OK : TREE_E_FORMAT;
}

struct json_object *tree_make(const char *json) {
        struct json_object *ret = parse(BYTES_STR(json));

        check(ret);
        return ret;
}

struct json_object *tree_copy(const struct json_object *node) {
        struct json_object *ret = NULL;

        check(json_object_deep_copy((struct json_object *) node, &ret, NULL) == 0);
        return ret;
}

const char *tree_write(struct json_object *node) {
        return json_object_to_json_string_ext(node, JSON_C_TO_STRING_PLAIN |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- members ---- */

struct json_object *tree_get(const struct json_object *node, const char *key) {
        struct json_object *ret = NULL;

        return json_object_is_type(node, json_type_object) &&
                               json_object_object_get_ex(node, key, &ret)
                       ? ret
                       : NULL;
}

const char *tree_string(const struct json_object *node) {
        return json_object_is_type(node, json_type_string)
                       ? json_object_get_string((struct json_object *) node)
                       : NULL;
}

const char *tree_text(const struct json_object *node, const char *key) {
        const char *s = tree_string(tree_get(node, key));

        return s ? s : "";
}

size_t tree_number(const struct json_object *node, const char *key, size_t otherwise) {
        const struct json_object *value = tree_get(node, key);
        int64_t v;

        if (!json_object_is_type(value, json_type_int))
                return otherwise;
        v = json_object_get_int64(value); /* the largest there is, where it is larger */
        return v >= 0 && v <= UINT32_MAX ? (size_t) v : otherwise;
}

bool tree_flag(const struct json_object *node, const char *key) {
        const struct json_object *value = tree_get(node, key);

        return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

bool tree_is(const struct json_object *node, const char *key, const char *value) {
        return strcmp(tree_text(node, key), value) == 0;
}

int32_t tree_position(const struct json_object *node) {
        size_t at = tree_number(node, "query_location", SIZE_MAX);

        return at < INT32_MAX ? (int32_t) at : -1;
}

size_t tree_length(const struct json_object *list) {
        return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

struct json_object *tree_at(const struct json_object *list, size_t i) {
        return i < tree_length(list) ? json_object_array_get_idx(list, i) : NULL;
}

bool tree_is_object(const struct json_object *node) {
        return json_object_is_type(node, json_type_object);
}

bool tree_is_number(const struct json_object *node) {
        return json_object_is_type(node, json_type_int) ||
               json_object_is_type(node, json_type_double);
}

/* ---- whole trees ---- */

static void walk(struct json_object *node, tree_fn fn, void *userdata, unsigned depth) {
        if (depth == TREE_DEPTH_MAX)
                return;
        for (size_t i = 0; i < tree_length(node); i++)
                walk(tree_at(node, i), fn, userdata, depth + 1);
        if (!tree_is_object(node) || !fn(userdata, node))
                return;
        json_object_object_foreach(node, key, value) {
                (void) key;
                walk(value, fn, userdata, depth + 1);
        }
}

void tree_walk(struct json_object *node, tree_fn fn, void *userdata) {
        walk(node, fn, userdata, 0);
}

static bool equal(const struct json_object *a, const struct json_object *b, unsigned depth);

static bool equal_lists(const struct json_object *a, const struct json_object *b, unsigned depth) {
        size_t n = tree_length(a);

        for (size_t i = 0; i < n; i++) {
                if (!equal(tree_at(a, i), tree_at(b, i), depth + 1))
                        return false;
        }
        return n == tree_length(b);
}

/* DuckDB writes members that hold nothing, or leaves them out. */
static bool is_empty(const struct json_object *node) {
        if (tree_is_object(node))
                return json_object_object_length(node) == 0;
        return !node || (tree_string(node) ? !*tree_string(node)
                                           : json_object_is_type(node, json_type_array) &&
                                                     tree_length(node) == 0);
}

/* What a holds, b holds. */
static bool holds(const struct json_object *a, const struct json_object *b, unsigned depth) {
        json_object_object_foreach((struct json_object *) a, key, value) {
                const struct json_object *other = tree_get(b, key);

                if (strcmp(key, "query_location") != 0 && !(is_empty(value) && is_empty(other)) &&
                    !equal(value, other, depth + 1))
                        return false;
        }
        return true;
}

/* Members that only b has are empty. */
static bool holds_no_more(const struct json_object *a, const struct json_object *b) {
        json_object_object_foreach((struct json_object *) b, key, value) {
                if (!is_empty(value) && strcmp(key, "query_location") != 0 && !tree_get(a, key))
                        return false;
        }
        return true;
}

static bool equal(const struct json_object *a, const struct json_object *b, unsigned depth) {
        if (depth == TREE_DEPTH_MAX || json_object_get_type(a) != json_object_get_type(b))
                return false;
        if (json_object_is_type(a, json_type_array))
                return equal_lists(a, b, depth);
        if (json_object_is_type(a, json_type_object))
                return holds(a, b, depth) && holds_no_more(a, b);
        return json_object_equal((struct json_object *) a, (struct json_object *) b);
}

bool tree_equal(const struct json_object *a, const struct json_object *b) {
        return equal(a, b, 0);
}
