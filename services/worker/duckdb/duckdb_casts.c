/* Types of bound expressions, and which casts between them every build makes alike. */

#include <ctype.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_judge.h"

/* ---- kinds ---- */

static const struct {
        const char *id;
        enum duckdb_kind kind;
} kinds[] = {
        { "NULL", KIND_NULL },
        { "BOOLEAN", KIND_BOOLEAN },
        { "TINYINT", KIND_INTEGER },
        { "SMALLINT", KIND_INTEGER },
        { "INTEGER", KIND_INTEGER },
        { "BIGINT", KIND_INTEGER },
        { "UTINYINT", KIND_INTEGER },
        { "USMALLINT", KIND_INTEGER },
        { "UINTEGER", KIND_INTEGER },
        { "UBIGINT", KIND_INTEGER },
        { "INTEGER_LITERAL", KIND_INTEGER },
        { "HUGEINT", KIND_WIDE },
        { "UHUGEINT", KIND_WIDE },
        { "DECIMAL", KIND_DECIMAL },
        { "FLOAT", KIND_REAL },
        { "DOUBLE", KIND_REAL },
        { "VARCHAR", KIND_TEXT },
        { "STRING_LITERAL", KIND_TEXT },
        { "BLOB", KIND_BLOB },
        { "BIT", KIND_BIT },
        { "DATE", KIND_DATE },
        { "TIME", KIND_TIME },
        { "TIME_NS", KIND_TIME },
        { "TIMESTAMP", KIND_TIMESTAMP },
        { "TIMESTAMP_S", KIND_TIMESTAMP },
        { "TIMESTAMP_MS", KIND_TIMESTAMP },
        { "TIMESTAMP_NS", KIND_TIMESTAMP },
        { "TIMESTAMP WITH TIME ZONE", KIND_ZONED },
        { "TIME WITH TIME ZONE", KIND_ZONED },
        { "INTERVAL", KIND_INTERVAL },
        { "UUID", KIND_UUID },
        { "ENUM", KIND_ENUM },
        { "LIST", KIND_NESTED },
        { "ARRAY", KIND_NESTED },
        { "STRUCT", KIND_NESTED },
        { "MAP", KIND_NESTED },
};

static bool on_type(void *userdata, struct json_object *node) {
        const char *id = tree_text(node, "id");
        unsigned *set = userdata;

        if (!*id)
                return true;
        if (tree_is(tree_get(node, "type_info"), "alias", "JSON")) {
                *set |= KIND_JSON;
                return true;
        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                if (!strcmp(kinds[i].id, id)) {
                        *set |= kinds[i].kind;
                        return true;
                }
        }
        *set |= KIND_OTHER;
        return true;
}

unsigned duckdb_kinds(struct json_object *type) {
        unsigned set = 0;

        if (!type)
                return KIND_BOOLEAN;
        tree_walk(type, on_type, &set);
        return set ? set : KIND_OTHER;
}

struct json_object *duckdb_type_of(const struct json_object *expression) {
        struct json_object *type = tree_get(expression, "return_type");

        return type ? type : tree_get(tree_get(expression, "value"), "type");
}

/* ---- plain constants ---- */

#define PLAIN_TEXT_MAX 127

/* Digits become 9 and letters a, so that a text can be compared with how such texts look. */
static bool has_shape(const char *text, const char *shape) {
        for (; *shape && *text; shape++, text++) {
                char c = isdigit((unsigned char) *text)   ? '9'
                         : isalpha((unsigned char) *text) ? 'a'
                                                          : *text;

                if (c != *shape)
                        return false;
        }
        return !*shape && !*text;
}

static bool has_shape_of(const char *text, const char *const *shapes) {
        for (; *shapes; shapes++) {
                if (has_shape(text, *shapes))
                        return true;
        }
        return false;
}

static bool is_number(const char *s) {
        size_t whole, part = 0;

        s += *s == '-' || *s == '+';
        whole = strspn(s, "0123456789");
        s += whole;
        if (*s == '.') {
                part = strspn(s + 1, "0123456789");
                s += 1 + part;
        }
        return !*s && whole > 0 && whole + part <= 38;
}

/* "3 days 4 hours" */
static bool is_interval(const char *s) {
        do {
                size_t n = strspn(s, "0123456789"), space = strspn(s + n, " "), word;

                s += n + space;
                word = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
                if (n == 0 || n > 9 || word == 0)
                        return false;
                s += word;
                s += strspn(s, " ");
        } while (*s);
        return true;
}

static bool is_boolean(const char *s) {
        static const char *const words[] = { "t", "f", "true", "false" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (!strcmp(s, words[i]))
                        return true;
        }
        return false;
}

static bool is_date(const char *s) {
        static const char *const shapes[] = { "9999-99-99", NULL };

        return has_shape_of(s, shapes);
}

static bool is_time(const char *s) {
        static const char *const shapes[] = { "99:99:99", "99:99:99.999999", NULL };

        return has_shape_of(s, shapes);
}

static bool is_timestamp(const char *s) {
        static const char *const shapes[] = { "9999-99-99", "9999-99-99 99:99:99",
                                              "9999-99-99T99:99:99", "9999-99-99 99:99:99.999999",
                                              NULL };

        return has_shape_of(s, shapes);
}

static bool is_zoned(const char *s) {
        static const char *const shapes[] = { "9999-99-99 99:99:99+99",
                                              "9999-99-99 99:99:99.999999+99", NULL };

        return has_shape_of(s, shapes) && strcmp(s + strlen(s) - 3, "+00") == 0;
}

static bool is_printable(const char *s) {
        for (; *s; s++) {
                if (*s < ' ' || *s > '~' || *s == '\\')
                        return false;
        }
        return true;
}

static const struct plain_text {
        enum duckdb_kind to;
        bool (*is_plain)(const char *text);
        const char *sample; /* plain, and of every type of that kind; NULL: there is none */
} plain_texts[] = {
        { KIND_BOOLEAN, is_boolean, "true" },
        { KIND_INTEGER, is_number, "19" },
        { KIND_WIDE, is_number, "19" },
        { KIND_DECIMAL, is_number, "0.5" },
        { KIND_REAL, is_number, "19" },
        { KIND_DATE, is_date, "2019-07-19" },
        { KIND_TIME, is_time, "07:19:19" },
        { KIND_TIMESTAMP, is_timestamp, "2019-07-19 07:19:19" },
        { KIND_ZONED, is_zoned, "2019-07-19 07:19:19+00" },
        { KIND_INTERVAL, is_interval, "19 days" },
        { KIND_BLOB, is_printable, "y" },
        { KIND_ENUM, is_printable, NULL },
};

/* NULL: it is not plain. */
static const struct plain_text *plain_text_of(const char *text, unsigned to) {
        for (size_t i = 0; i < ELEMENTSOF(plain_texts); i++) {
                if (plain_texts[i].to == to)
                        return plain_texts[i].is_plain(text) ? &plain_texts[i] : NULL;
        }
        return NULL;
}

static bool is_plain_text(const struct json_object *constant, unsigned to) {
        return plain_text_of(tree_text(tree_get(constant, "value"), "value"), to);
}

const char *duckdb_plain_sample(struct bytes text, struct json_object *type) {
        char copy[PLAIN_TEXT_MAX + 1] = "";
        const struct plain_text *plain;

        if (text.len == 0 || text.len > PLAIN_TEXT_MAX || memchr(text.data, 0, text.len))
                return NULL;
        memcpy(copy, text.data, text.len);
        plain = plain_text_of(copy, duckdb_kinds(type));
        return plain ? plain->sample : NULL;
}

/* ---- casts ---- */

#define NUMBERS (KIND_BOOLEAN | KIND_INTEGER | KIND_WIDE | KIND_DECIMAL)

static const struct {
        unsigned from, to;
} exact_casts[] = {
        { KIND_NULL, ~KIND_OTHER },
        { NUMBERS, NUMBERS | KIND_TEXT },
        { KIND_BOOLEAN | KIND_INTEGER, KIND_REAL },
        { KIND_DATE | KIND_TIMESTAMP, KIND_DATE | KIND_TIMESTAMP | KIND_TEXT },
        { KIND_TIMESTAMP | KIND_TIME, KIND_TIME | KIND_TEXT },
        { KIND_UUID | KIND_ENUM | KIND_JSON, KIND_TEXT },
        { KIND_TEXT, KIND_ENUM },
};
/* Which of these a cast first belongs to says why. */
static const struct {
        unsigned from, to;
        const char *why;
} faults[] = {
        { KIND_OTHER, ~0u, "a type that cannot be compared" },
        { ~0u, KIND_OTHER, "a type that cannot be compared" },
        { ~0u, KIND_JSON, "reads or writes JSON by the build's own rules" },
        { KIND_REAL, ~0u, "turns a REAL into text or a number by the build's own rules" },
        { KIND_TEXT | KIND_JSON, ~0u,
          "reads text as a number, a time or bytes by the build's own rules" },
        { ~0u, KIND_REAL, "turns a number that REAL cannot hold into one" },
        { KIND_ZONED, ~0u, "follows the time zones of the build" },
        { ~0u, KIND_ZONED, "follows the time zones of the build" },
        { ~0u, KIND_TEXT, "puts a value into text by the build's own rules" },
};

/* Up to 15 digits: numerator and power of ten are both REAL exactly, and divided once. */
static bool is_short_decimal(const struct json_object *constant) {
        const struct json_object *info = tree_get(duckdb_type_of(constant), "type_info");

        return tree_number(info, "width", 38) <= 15;
}

static bool is_exact_constant(const struct json_object *child, unsigned from, unsigned to) {
        if (!tree_is(child, "expression_class", "BOUND_CONSTANT"))
                return false;
        return from == KIND_TEXT
                       ? is_plain_text(child, to)
                       : from == KIND_DECIMAL && to == KIND_REAL && is_short_decimal(child);
}

const char *duckdb_cast_fault(const struct json_object *cast) {
        const struct json_object *child = tree_get(cast, "child");
        unsigned from = duckdb_kinds(duckdb_type_of(child));
        unsigned to = duckdb_kinds(duckdb_type_of(cast));

        if ((from == to && from != KIND_OTHER) || is_exact_constant(child, from, to))
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(exact_casts); i++) {
                if (!(from & ~exact_casts[i].from) && !(to & ~exact_casts[i].to))
                        return NULL;
        }
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                if ((from & faults[i].from) && (to & faults[i].to))
                        return faults[i].why;
        }
        return "a cast that builds are free to change";
}

/* INTERVAL '3' DAY is to_days(CAST(trunc(CAST('3' AS DOUBLE)) AS INTEGER)). */
bool duckdb_is_plain_interval(const struct json_object *call) {
        const struct json_object *e = tree_at(tree_list(call, "children"), 0);
        const struct json_object *value;

        if (strncmp(tree_text(call, "name"), "to_", 3) != 0 ||
            !tree_is(duckdb_type_of(call), "id", "INTERVAL"))
                return false;
        while (e && !tree_is(e, "expression_class", "BOUND_CONSTANT")) {
                if (!tree_is(e, "expression_class", "BOUND_CAST") && !tree_is(e, "name", "trunc"))
                        return false;
                e = tree_is(e, "expression_class", "BOUND_CAST")
                            ? tree_get(e, "child")
                            : tree_at(tree_list(e, "children"), 0);
        }
        value = tree_get(tree_get(e, "value"), "value");
        return e && (tree_is_number(value) ||
                     (tree_string(value) && strlen(tree_string(value)) < 10 &&
                      strspn(tree_string(value), "0123456789") == strlen(tree_string(value))));
}
