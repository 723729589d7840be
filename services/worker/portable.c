#include "services/worker/portable.h"

#include <strings.h>

#include "common/base/memory.h"

/* upper() and lower() know other letters, substr() and instr() other positions, min() and max() of
 * several are something else, round() and the like are of REAL. */
static const struct portable_function functions[] = {
        { "abs", PORTABLE_INTEGER, 1, 1 }, { "coalesce", PORTABLE_ANY, 2, 8 },
        { "count", PORTABLE_ANY, 0, 1 },   { "length", PORTABLE_TEXT, 1, 1 },
        { "max", PORTABLE_ANY, 1, 1 },     { "min", PORTABLE_ANY, 1, 1 },
        { "nullif", PORTABLE_ANY, 2, 2 },  { "replace", PORTABLE_TEXT, 3, 3 },
        { "sum", PORTABLE_INTEGER, 1, 1 },
};

const char *const portable_operators[] = { "+", "-",  "*",  "=", "==", "<>", "!=", "<", "<=",
                                           ">", ">=", "||", "(", ")",  ",",  ".",  ";", NULL };

const char *const portable_keywords[] = {
        "select", "distinct",  "all",    "from",  "where", "group", "by",     "having", "order",
        "asc",    "desc",      "nulls",  "first", "last",  "limit", "offset", "join",   "inner",
        "left",   "outer",     "cross",  "on",    "as",    "and",   "or",     "not",    "is",
        "null",   "between",   "in",     "case",  "when",  "then",  "else",   "end",    "union",
        "except", "intersect", "exists", "with",  "cast",  NULL,
};

const char *const portable_casts[] = { "bigint", "text", "varchar", NULL };

const struct portable_function *portable_function_of(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                if (strcasecmp(functions[i].name, name) == 0)
                        return &functions[i];
        }
        return NULL;
}
