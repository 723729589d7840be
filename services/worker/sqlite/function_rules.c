#include "services/worker/sqlite/function_rules.h"

#include <stdlib.h>
#include <strings.h>

#include "common/base/memory.h"

#define WHY_TEXT                  "puts numbers into text by the build's own rules"
#define WHY_LIBM                  "comes from the machine's mathematics library"
#define WHY_REAL                  "always computes with REAL"
#define WHY_COMPUTES              "computes with REAL"
#define WHY_CONNECTION            "tells about the connection, not about the data"
#define WHY_PLACED                "depends on how rows that are equal in the window's order are placed"
#define WHY_FORMATS               "formats numbers by the build's own rules"
#define WHY_JOINED                "joins rows in an order that cannot be given here"
#define WHY_SEED                  "drawn from the job's seed in the order rows are visited"
#define WHY_HOST                  "tells about the host, not about the data"
#define WHY_TIME                  "reads times by the build's own rules"
#define WHY_NEW                   "is not in every build of the engine"

#define EXACT(n)                  { n, FUNCTION_EXACT, false, NULL },
#define RULE(n, effect, why)      { n, FUNCTION_##effect, false, why },
#define AGGREGATE(n, effect, why) { n, FUNCTION_##effect, true, why },

/* Sorted by name. clang-format off: a table. */
// clang-format off
static const struct function_rule rules[] = {
        RULE("->", FLOAT, FUNCTION_WHY_JSON)
        RULE("->>", FLOAT, FUNCTION_WHY_JSON)
        RULE("abs", NUMERIC, "arithmetic on a REAL")
        RULE("acos", FLOAT, WHY_LIBM)
        RULE("acosh", FLOAT, WHY_LIBM)
        RULE("asin", FLOAT, WHY_LIBM)
        RULE("asinh", FLOAT, WHY_LIBM)
        RULE("atan", FLOAT, WHY_LIBM)
        RULE("atan2", FLOAT, WHY_LIBM)
        RULE("atanh", FLOAT, WHY_LIBM)
        AGGREGATE("avg", FLOAT, WHY_REAL)
        RULE("ceil", FLOAT, WHY_COMPUTES)
        RULE("ceiling", FLOAT, WHY_COMPUTES)
        RULE("changes", REFUSED, WHY_CONNECTION)
        RULE("char", NUMERIC, WHY_COMPUTES)
        EXACT("coalesce")
        RULE("concat", FLOAT, WHY_NEW)
        RULE("concat_ws", FLOAT, WHY_NEW)
        RULE("cos", FLOAT, WHY_LIBM)
        RULE("cosh", FLOAT, WHY_LIBM)
        AGGREGATE("count", EXACT, NULL)
        RULE("cume_dist", FLOAT, WHY_REAL)
        EXACT("current_date")
        EXACT("current_time")
        EXACT("current_timestamp")
        RULE("date", TIME, WHY_TIME)
        RULE("datetime", TIME, WHY_TIME)
        RULE("degrees", FLOAT, WHY_LIBM)
        EXACT("dense_rank")
        RULE("exp", FLOAT, WHY_LIBM)
        RULE("first_value", TIES, WHY_PLACED)
        RULE("floor", FLOAT, WHY_COMPUTES)
        RULE("format", FLOAT, WHY_FORMATS)
        RULE("glob", TEXT, WHY_TEXT)
        AGGREGATE("group_concat", REFUSED, WHY_JOINED)
        RULE("hex", TEXT, WHY_TEXT)
        RULE("if", FLOAT, WHY_NEW)
        EXACT("ifnull")
        EXACT("iif")
        RULE("instr", TEXT, WHY_TEXT)
        RULE("json", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_array", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_array_length", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_error_position", FLOAT, WHY_NEW)
        RULE("json_extract", FLOAT, FUNCTION_WHY_JSON)
        AGGREGATE("json_group_array", REFUSED, WHY_JOINED)
        AGGREGATE("json_group_object", REFUSED, WHY_JOINED)
        RULE("json_insert", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_object", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_patch", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_pretty", FLOAT, WHY_NEW)
        RULE("json_quote", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_remove", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_replace", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_set", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_type", FLOAT, FUNCTION_WHY_JSON)
        RULE("json_valid", FLOAT, FUNCTION_WHY_JSON)
        RULE("julianday", FLOAT, "gives a REAL")
        RULE("lag", TIES, WHY_PLACED)
        RULE("last_insert_rowid", REFUSED, WHY_CONNECTION)
        RULE("last_value", TIES, WHY_PLACED)
        RULE("lead", TIES, WHY_PLACED)
        RULE("length", TEXT, WHY_TEXT)
        RULE("like", TEXT, WHY_TEXT)
        EXACT("likelihood")
        EXACT("likely")
        RULE("ln", FLOAT, WHY_LIBM)
        RULE("log", FLOAT, WHY_LIBM)
        RULE("log10", FLOAT, WHY_LIBM)
        RULE("log2", FLOAT, WHY_LIBM)
        RULE("lower", TEXT, WHY_TEXT)
        RULE("ltrim", TEXT, WHY_TEXT)
        EXACT("max")
        EXACT("min")
        RULE("mod", FLOAT, WHY_COMPUTES)
        RULE("nth_value", TIES, WHY_PLACED)
        RULE("ntile", TIES, WHY_PLACED)
        EXACT("nullif")
        RULE("octet_length", FLOAT, WHY_NEW)
        RULE("percent_rank", FLOAT, WHY_REAL)
        RULE("pi", FLOAT, WHY_LIBM)
        RULE("pow", FLOAT, WHY_LIBM)
        RULE("power", FLOAT, WHY_LIBM)
        RULE("printf", FLOAT, WHY_FORMATS)
        RULE("quote", TEXT, WHY_TEXT)
        RULE("radians", FLOAT, WHY_LIBM)
        RULE("random", FLOAT, WHY_SEED)
        RULE("randomblob", FLOAT, WHY_SEED)
        EXACT("rank")
        RULE("replace", TEXT, WHY_TEXT)
        RULE("round", FLOAT, "rounds a REAL by the build's own rules")
        RULE("row_number", TIES, WHY_PLACED)
        RULE("rtrim", TEXT, WHY_TEXT)
        EXACT("sign")
        RULE("sin", FLOAT, WHY_LIBM)
        RULE("sinh", FLOAT, WHY_LIBM)
        RULE("sqlite_compileoption_get", REFUSED, WHY_HOST)
        RULE("sqlite_compileoption_used", REFUSED, WHY_HOST)
        RULE("sqlite_source_id", REFUSED, WHY_HOST)
        RULE("sqlite_version", REFUSED, WHY_HOST)
        RULE("sqrt", FLOAT, WHY_LIBM)
        RULE("strftime", TIME, WHY_TIME)
        AGGREGATE("string_agg", REFUSED, WHY_JOINED)
        RULE("substr", TEXT, WHY_TEXT)
        RULE("substring", TEXT, WHY_TEXT)
        RULE("subtype", REFUSED, "tells about the engine's inner state")
        AGGREGATE("sum", NUMERIC, "a sum of REAL depends on the order of its terms")
        RULE("tan", FLOAT, WHY_LIBM)
        RULE("tanh", FLOAT, WHY_LIBM)
        RULE("time", TIME, WHY_TIME)
        RULE("timediff", FLOAT, WHY_NEW)
        AGGREGATE("total", FLOAT, WHY_REAL)
        RULE("total_changes", REFUSED, WHY_CONNECTION)
        RULE("trim", TEXT, WHY_TEXT)
        RULE("trunc", FLOAT, WHY_COMPUTES)
        EXACT("typeof")
        RULE("unhex", FLOAT, WHY_NEW)
        RULE("unicode", TEXT, WHY_TEXT)
        RULE("unistr", FLOAT, WHY_NEW)
        RULE("unistr_quote", FLOAT, WHY_NEW)
        RULE("unixepoch", TIME, WHY_TIME)
        EXACT("unlikely")
        RULE("upper", TEXT, WHY_TEXT)
        EXACT("zeroblob")
};
// clang-format on

static int by_name(const void *key, const void *element) {
        return strcasecmp(key, ((const struct function_rule *) element)->name);
}

const struct function_rule *function_rule_of(const char *name) {
        return bsearch(name, rules, ELEMENTSOF(rules), sizeof(rules[0]), by_name);
}
