/* date(), time(), datetime(), strftime(), unixepoch(): alike on every build only for
 * times and modifiers of a closed list. Measured between 3.40 and 3.54: '2024-02-31'
 * and '24:00:00' give other days, '…:59.9996' another second, 'subsec' is new, and so
 * are ten letters of strftime(). */

#include <ctype.h>
#include <strings.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_analyser.h"

#define NUMBER_MAX 6 /* digits of '+N days' */

static const char text_time[] = "reads a time out of text, where builds differ; give 'now', a "
                                "literal date, or an INTEGER with 'unixepoch'",
                  modifier[] = "a modifier that is not one every build has",
                  format[] = "a format that is not a literal of what every build writes alike";

/* A string literal without its quotes; len 0: none. */
static struct bytes literal(const struct analyser *a, struct sql_range r) {
        struct bytes text;

        if (r.to - r.from != 1 || a->tokens.tokens[r.from].type != SQL_STRING)
                return BYTES_NONE;
        text = sql_token_text(&a->tokens, r.from);
        return BYTES(text.data + 1, text.len - 2);
}

static bool is_word(struct bytes text, const char *word) {
        return text.len == strlen(word) && !strncasecmp((const char *) text.data, word, text.len);
}

/* What every build writes from a time alike: integers. */
static bool is_format(struct bytes text) {
        static const char letters[] = "dHjmMSswWY%";

        for (size_t i = 0; i < text.len; i++) {
                if (text.data[i] != '%')
                        continue;
                if (++i == text.len || !memchr(letters, text.data[i], sizeof(letters) - 1))
                        return false;
        }
        return text.len > 0;
}

/* '2024-02-28' or '2024-02-28 23:59:59': 9 a digit. Days to 28, hours to 23. */
static bool is_date(struct bytes text) {
        static const char shape[] = "9999-99-99 99:99:99";

        if (text.len != 10 && text.len != 16 && text.len != 19)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                if (shape[i] == '9' ? !isdigit(text.data[i]) : text.data[i] != shape[i])
                        return false;
        }
        return memcmp(text.data + 8, "28", 2) <= 0 &&
               (text.len == 10 || memcmp(text.data + 11, "23", 2) <= 0);
}

static bool is_shift(struct bytes text) {
        static const char *const units[] = { "second", "minute", "hour",    "day",
                                             "month",  "year",   "seconds", "minutes",
                                             "hours",  "days",   "months",  "years" };
        size_t i = text.len > 0 && (text.data[0] == '+' || text.data[0] == '-'), from = i;

        while (i < text.len && isdigit(text.data[i]))
                i++;
        if (i == from || i - from > NUMBER_MAX || i == text.len || text.data[i] != ' ')
                return false;
        text = BYTES(text.data + i + 1, text.len - i - 1);
        for (size_t k = 0; k < ELEMENTSOF(units); k++) {
                if (is_word(text, units[k]))
                        return true;
        }
        return false;
}

static bool is_modifier(struct bytes text) {
        static const char *const words[] = { "start of month", "start of year", "start of day",
                                             "localtime",      "utc",           "unixepoch" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (is_word(text, words[i]))
                        return true;
        }
        if (text.len == 9 && is_word(BYTES(text.data, 8), "weekday "))
                return text.data[8] >= '0' && text.data[8] <= '6';
        return is_shift(text);
}

static void check_time(struct analyser *a, struct sql_range value, bool is_epoch) {
        struct bytes text = literal(a, value);
        bool is_integer = is_epoch && values_kind(a, value) == COLUMN_INTEGER &&
                          !values_bring_real(a, value, true);

        if (!is_date(text) && !is_integer)
                a->out->sees_job = true;
        if (!is_word(text, "now") && !is_date(text) && !is_integer)
                analyser_find(a, ENGINE_FLOAT, value.from, value.to, text_time);
}

void times_check(struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        struct sql_range inside = { i + 2, t->tokens[i + 1].match };
        struct sql_list list = sql_split(t, inside, t->tokens[i].depth + 1);
        char name[16];
        size_t k = 0;

        if (!strcasecmp(values_call(a, i, name, sizeof(name)), "strftime") && list.n > 0) {
                if (!is_format(literal(a, list.items[0])))
                        analyser_find(a, ENGINE_FLOAT, list.items[0].from, list.items[0].to,
                                      format);
                k = 1;
        }
        ++*a->times;
        if (k == list.n) /* then it is of now */
                a->out->sees_job = true;
        if (k < list.n)
                check_time(a, list.items[k],
                           k + 1 < list.n && is_word(literal(a, list.items[k + 1]), "unixepoch"));
        for (k++; k < list.n; k++) {
                if (!is_modifier(literal(a, list.items[k])))
                        analyser_find(a, ENGINE_FLOAT, list.items[k].from, list.items[k].to,
                                      modifier);
        }
        sql_list_done(&list);
}
