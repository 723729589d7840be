/* What is changed in a statement's tree before DuckDB writes it down again. */

#include <json-c/linkhash.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/cell.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/duckdb/duckdb_rules.h"

#define DAY_US INT64_C(86400000000)

/* ---- total order ---- */

static struct json_object *new_ordinal(size_t i) {
        char json[256];

        (void) snprintf(json, sizeof(json),
                        "{\"type\":\"ASCENDING\",\"null_order\":\"NULLS LAST\",\"expression\":{"
                        "\"class\":\"CONSTANT\",\"type\":\"VALUE_CONSTANT\",\"value\":{\"type\":{"
                        "\"id\":\"INTEGER\"},\"is_null\":false,\"value\":%zu}}}",
                        i);
        return tree_make(json);
}

static bool is_ordinal(const struct json_object *order, size_t i) {
        const struct json_object *e = tree_get(order, "expression"), *v = tree_get(e, "value");

        return tree_is(e, "type", "VALUE_CONSTANT") && !tree_flag(v, "is_null") &&
               tree_is(tree_get(v, "type"), "id", "INTEGER") && tree_number(v, "value", 0) == i;
}

void rewrite_order(struct json_object *statement, size_t n_columns) {
        struct json_object *order = judge_modifier(tree_get(statement, "node"), "ORDER_MODIFIER");
        struct json_object *list = tree_get(order, "orders");
        size_t n = tree_length(list);

        for (size_t i = 1; json_object_is_type(list, json_type_array) && i <= n_columns; i++) {
                size_t k = 0;

                while (k < n && !is_ordinal(tree_at(list, k), i))
                        k++;
                if (k == n)
                        (void) json_object_array_add(list, new_ordinal(i));
        }
}

/* ---- count(*) ---- */

/* Of a window it is a count() of nothing. */
static bool is_count(const struct json_object *node) {
        return tree_length(tree_list(node, "children")) == 0 &&
               (tree_is(node, "function_name", "count_star") ||
                (tree_is(node, "function_name", "count") && tree_is(node, "class", "WINDOW")));
}

static bool on_count(void *userdata, struct json_object *node) {
        struct json_object *children;

        (void) userdata;
        if (!is_count(node))
                return true;
        children = json_object_new_array();
        (void) json_object_array_add(children,
                                     tree_make("{\"class\":\"STAR\",\"type\":\"STAR\",\"exclude_"
                                               "list\":[],\"replace_list\":[]}"));
        (void) json_object_object_add(node, "function_name", json_object_new_string("count"));
        (void) json_object_object_add(node, "children", children);
        return true;
}

void rewrite_counts(struct json_object *statement) {
        tree_walk(statement, on_count, NULL);
}

/* ---- the job's time ---- */

/* Civil from days (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"); the C
 * library's own looks for the machine's time zone. */
static void civil(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
        int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
        unsigned doe = (unsigned) (z - era * 146097);
        unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

        *day = doy - (153 * mp + 2) / 5 + 1;
        *month = mp < 10 ? mp + 3 : mp - 9;
        *year = (int64_t) yoe + era * 400 + (*month <= 2);
}

#define TIME_SIZE 96

static bool time_text(const char *type, int64_t time_us, char ret[TIME_SIZE]) {
        int64_t days = time_us / DAY_US - (time_us % DAY_US < 0), year;
        int64_t us = time_us - days * DAY_US;
        char date[32], clock[48];
        unsigned month, day;

        civil(days, &year, &month, &day);
        if (year < 0 || year > 9999)
                return false;
        (void) snprintf(date, sizeof(date), "%04d-%02u-%02u", (int) year, month, day);
        (void) snprintf(clock, sizeof(clock), "%02u:%02u:%02u.%06u", (unsigned) (us / 3600000000),
                        (unsigned) (us / 60000000 % 60), (unsigned) (us / 1000000 % 60),
                        (unsigned) (us % 1000000));
        if (!strcmp(type, "DATE"))
                (void) snprintf(ret, TIME_SIZE, "%s", date);
        else if (!strcmp(type, "TIME"))
                (void) snprintf(ret, TIME_SIZE, "%s", clock);
        else if (!strcmp(type, "TIMESTAMP"))
                (void) snprintf(ret, TIME_SIZE, "%s %s", date, clock);
        else if (!strcmp(type, "TIMESTAMP WITH TIME ZONE"))
                (void) snprintf(ret, TIME_SIZE, "%s %s+00", date, clock);
        else
                return false;
        return true;
}

struct now {
        struct json_object *statement;
        const struct json_object *call, *written; /* in the plan, in the statement */
        int64_t time_us;
        bool is_column, is_replaced, has_failed;
};

/* Where it is a result column of its own, that keeps its name. */
static bool on_select(void *userdata, struct json_object *node) {
        struct now *n = userdata;
        const struct json_object *list = tree_list(node, "select_list");

        for (size_t i = 0; i < tree_length(list); i++)
                n->is_column |= tree_at(list, i) == n->written;
        return true;
}

static char *new_name(const struct json_object *node) {
        const char *column = tree_string(tree_at(tree_list(node, "column_names"), 0));

        if (*tree_text(node, "alias") || column)
                return xstrdup(*tree_text(node, "alias") ? tree_text(node, "alias") : column);
        return xasprintf("%s()", tree_text(node, "function_name"));
}

/* `type` as JSON, with its quotes; NULL: the NULL that has none. */
static struct json_object *new_constant(const char *type, const char *text) {
        char json[256];

        if (!type)
                return tree_make("{\"class\":\"CONSTANT\",\"type\":\"VALUE_CONSTANT\",\"value\":{"
                                 "\"type\":{\"id\":\"NULL\"},\"is_null\":true}}");
        (void) snprintf(json, sizeof(json),
                        "{\"class\":\"CONSTANT\",\"type\":\"VALUE_CONSTANT\",\"value\":{\"type\":{"
                        "\"id\":%s},\"is_null\":false,\"value\":\"%s\"}}",
                        type, text);
        return tree_make(json);
}

/* Both as JSON: `type` with its quotes. */
static struct json_object *new_value(const char *type, const char *text) {
        char json[512];

        (void) snprintf(json, sizeof(json),
                        "{\"class\":\"CAST\",\"type\":\"OPERATOR_CAST\",\"child\":{\"class\":"
                        "\"CONSTANT\",\"type\":\"VALUE_CONSTANT\",\"value\":{\"type\":{\"id\":"
                        "\"VARCHAR\"},\"is_null\":false,\"value\":\"%s\"}},\"cast_type\":{\"id\":"
                        "%s},\"try_cast\":false}",
                        text, type);
        return tree_make(json);
}

static void replace(struct now *n, struct json_object *node, const char *text) {
        CLEANUP(freep) char *type = xasprintf("\"%s\"", tree_text(duckdb_type_of(n->call), "id"));
        CLEANUP(tree_donep) struct json_object *cast = new_value(type, text);
        CLEANUP(freep) char *name = new_name(node);

        n->written = node;
        n->is_column = *tree_text(node, "alias");
        tree_walk(n->statement, on_select, n);
        while (json_object_object_length(node) > 0)
                json_object_object_del(node, lh_entry_k(json_object_get_object(node)->head));
        json_object_object_foreach(cast, key, value) {
                (void) json_object_object_add(node, key, json_object_get(value));
        }
        if (n->is_column)
                (void) json_object_object_add(node, "alias", json_object_new_string(name));
        n->is_replaced = true;
}

static bool on_written(void *userdata, struct json_object *node) {
        struct now *n = userdata;
        const char *type = tree_text(duckdb_type_of(n->call), "id");
        char text[TIME_SIZE];
        bool is_call = tree_is(node, "class", "FUNCTION") || tree_is(node, "class", "COLUMN_REF");

        if (!is_call || tree_position(node) < 0 || tree_position(node) != tree_position(n->call) ||
            !time_text(type, n->time_us, text))
                return true;
        replace(n, node, text);
        return false;
}

static bool on_bound(void *userdata, struct json_object *node) {
        struct now *n = userdata;
        struct duckdb_rule rule;

        if (!tree_is(node, "expression_class", "BOUND_FUNCTION") ||
            !duckdb_rule_of(tree_text(node, "name"), &rule) || rule.effect != DUCKDB_NOW)
                return true;
        n->call = node;
        n->is_replaced = false;
        tree_walk(n->statement, on_written, n);
        n->has_failed |= !n->is_replaced;
        return true;
}

bool rewrite_now(struct json_object *statement, struct json_object *plan, int64_t time_us) {
        struct now n = { .statement = statement, .time_us = time_us };

        tree_walk(plan, on_bound, &n);
        return !n.has_failed;
}

/* ---- parameters ---- */

struct parameters {
        const struct bytes *cells;
        size_t n;
        bool all_known;
};

/* Some value of the type that duckdb_bind() makes of a cell, as text that every build reads alike.
 * Not NULL: DuckDB puts NULL in place of most calls of NULL, and nobody would see them. */
static const struct sample {
        enum cell_type cell;
        const char *type, *value; /* as JSON */
} samples[] = {
        { CELL_NULL, NULL, NULL },
        { CELL_INTEGER, "\"BIGINT\"", "7919" },
        { CELL_DECIMAL,
          "\"DECIMAL\",\"type_info\":{\"type\":\"DECIMAL_TYPE_INFO\",\"width\":38,\"scale\":9}",
          "7919.5" },
        { CELL_REAL, "\"DOUBLE\"", "7919.5" },
        { CELL_TEXT, "\"VARCHAR\"", "\\\\" }, /* no plain number, time or bytes */
        { CELL_BLOB, "\"BLOB\"", "y" },
        { CELL_DATE, "\"DATE\"", "2019-07-19" },
        { CELL_TIME, "\"TIME\"", "07:19:19" },
        { CELL_TIMESTAMP, "\"TIMESTAMP\"", "2019-07-19 07:19:19" },
        { CELL_TIMESTAMPTZ, "\"TIMESTAMP WITH TIME ZONE\"", "2019-07-19 07:19:19+00" },
        { CELL_INTERVAL, "\"INTERVAL\"", "7919 days" },
};
static const struct sample wide = { CELL_INTEGER, "\"HUGEINT\"", "7919" };

/* By its number; one with a name is not looked for. */
static bool read_parameter(const struct parameters *p, const char *number, struct cell *ret) {
        struct reader r;
        uint64_t at;

        if (!text_parse_u64(number, 1, p->n, &at))
                return false;
        r = reader_of(p->cells[at - 1]);
        return cell_read(&r, ret) == CELL_OK;
}

/* NULL: its type is not known. */
static const struct sample *sample_of(const struct cell *c) {
        if (c->type == CELL_INTEGER && !c->fits)
                return &wide;
        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                if (samples[i].cell == c->type)
                        return &samples[i];
        }
        return NULL;
}

/* What stands for the value of a parameter below a cast to `type`; NULL: that is not known. A text
 * that is plain for this type is judged as a literal of it is: the job fixes it as much. */
static struct json_object *new_sample(const struct parameters *p, const char *number,
                                      struct json_object *type) {
        const char *plain = NULL;
        const struct sample *s;
        struct cell c;

        if (!read_parameter(p, number, &c))
                return NULL;
        s = sample_of(&c);
        if (c.type == CELL_TEXT)
                plain = duckdb_plain_sample(c.bytes, type);
        if (plain)
                return new_constant("\"VARCHAR\"", plain);
        return !s ? NULL : s->type ? new_value(s->type, s->value) : new_constant(NULL, NULL);
}

static bool on_cast(void *userdata, struct json_object *node) {
        const struct json_object *child = tree_get(node, "child");
        struct parameters *p = userdata;
        struct json_object *sample;

        if (!tree_is(child, "class", "PARAMETER"))
                return true;
        sample = new_sample(p, tree_text(child, "identifier"), tree_get(node, "cast_type"));
        p->all_known = p->all_known && sample;
        (void) json_object_object_add(node, "child", sample ? sample : new_constant(NULL, NULL));
        (void) json_object_object_add(node, "try_cast", json_object_new_boolean(false));
        return false;
}

bool rewrite_parameters(struct json_object *statement, const struct bytes *cells, size_t n) {
        struct parameters p = { .cells = cells, .n = n, .all_known = true };

        tree_walk(statement, on_cast, &p);
        json_object_object_del(statement, "named_param_map");
        return p.all_known;
}
