#include "common/canonical/outcome.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"

struct word {
        const char *name;
        int exit_code;
        const char *text; /* after the name; {x} is replaced by the argument x */
};

static const struct word states[_STATE_MAX] = {
        [STATE_VERIFIED] = { "VERIFIED", 0 },     [STATE_TRUSTED] = { "TRUSTED", 0 },
        [STATE_UNVERIFIED] = { "UNVERIFIED", 3 }, [STATE_LOCAL] = { "LOCAL", 0 },
        [STATE_CONTESTED] = { "CONTESTED", 4 },   [STATE_CACHED] = { "CACHED", 0 },
        [STATE_SPLIT] = { "SPLIT", 4 },
};

static const char *const modes[_MODE_MAX] = {
        [MODE_QUORUM] = "quorum",
        [MODE_UNANIMOUS] = "unanimous",
        [MODE_FAST] = "fast",
};

static const char *const verdicts[_VERDICT_MAX] = {
        [VERDICT_CORRECT] = "correct",       [VERDICT_INCORRECT] = "incorrect",
        [VERDICT_TIMEOUT] = "timeout",       [VERDICT_MALFORMED] = "malformed",
        [VERDICT_HARDWARE] = "hardware",     [VERDICT_RESOURCE] = "resource",
        [VERDICT_INFEASIBLE] = "infeasible", [VERDICT_REFUSED] = "refused",
        [VERDICT_CANCELLED] = "cancelled",   [VERDICT_INCONCLUSIVE] = "inconclusive",
};

#define ERROR(n, code, line) [OUTCOME_##n] = { #n, code, line }

static const struct word errors[_OUTCOME_MAX] = {
        [OUTCOME_OK] = { "OK", 0, "" },
        ERROR(NO_CANDIDATES, 5,
              "no host can run this ({why}); add peers (`quorate peers`) or run it with "
              "--prefer local"),
        ERROR(TOO_FEW_HOSTS, 5,
              "too few hosts took part ({have}, {need} are needed); add hosts, lower "
              "--quorum, or try again"),
        ERROR(SPLIT, 4,
              "{voters} voters gave {answers} answers and none leads by the quorum; the "
              "receipt says who answered what; ask again with more replicas"),
        ERROR(REFUSED, 5,
              "the rule `{rule}` does not allow it; change the query, or ask other hosts "
              "if it is a host's rule"),
        ERROR(NOT_VERIFIABLE, 5,
              "`{expression}`[ at byte {position}] can differ between hosts; rewrite it, or use "
              "--verify fast; `quorate explain '…'` says more"),
        ERROR(MISMATCH, 5,
              "the descriptor's {field} differs from the offer; update both nodes to "
              "the same version"),
        ERROR(STALE, 5,
              "the job's time is too far from the host's clock; set this machine's clock "
              "and ask again"),
        ERROR(SQL_ERROR, 5, "{code} at byte {position} of the statement; correct the SQL"),
        ERROR(ENCODING, 5,
              "column {column} holds {type}, which has no exact form; cast it to a "
              "listed type"),
        ERROR(LIMIT, 5, "the limit of {which} was reached; raise it or ask for less"),
        ERROR(DATA_UNAVAILABLE, 5,
              "the data[set {root}][ ({what})] is not here[, nor at {asked} peers that were "
              "asked][: {who}][; {searched} nodes of the DHT were asked who has it]; "
              "publish it again or wait for its owner"),
        ERROR(TIMEOUT, 5, "not done in time, in stage {stage}; try again or raise --timeout"),
        ERROR(CANCELLED, 5, "cancelled; nothing more is running"),
        ERROR(RESTARTED, 5,
              "the coordinator restarted during this job[ ({job})]; see `quorate job list` or "
              "ask again"),
        ERROR(USAGE, 2, "{what}; see --help"),
        ERROR(INTERNAL, 5, "[{what}; ]please report it with the log around this line"),
        ERROR(CONTESTED, 4,
              "answers differ and the job ended before one led by the quorum; ask "
              "again with more replicas or time"),
        ERROR(CLASS_MISMATCH, 5,
              "the host's analysis gave another class than the descriptor's; "
              "choose hosts with engine {engine}"),
};

/* In the order of enum sql_error. */
static const char *const sql_errors[_SQL_ERROR_MAX] = {
        [SQL_PARSE] = "PARSE",
        [SQL_UNKNOWN_NAME] = "UNKNOWN_NAME",
        [SQL_TYPE] = "TYPE",
        [SQL_CAST] = "CAST",
        [SQL_OVERFLOW] = "OVERFLOW",
        [SQL_DIVISION] = "DIVISION",
        [SQL_SUBQUERY_ROWS] = "SUBQUERY_ROWS",
        [SQL_ENCODING] = "ENCODING",
        [SQL_RESULT_LIMIT] = "RESULT_LIMIT",
};

static const char *name_in(const char *const *names, size_t n, unsigned i) {
        return i < n ? names[i] : NULL;
}

static unsigned find_in(const char *const *names, size_t n, const char *name) {
        for (size_t i = 1; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return (unsigned) i;
        return 0;
}

const char *result_state_name(unsigned state) {
        return state < _STATE_MAX ? states[state].name : NULL;
}

const char *query_mode_name(unsigned mode) {
        return name_in(modes, ELEMENTSOF(modes), mode);
}

const char *verdict_name(unsigned verdict) {
        return name_in(verdicts, ELEMENTSOF(verdicts), verdict);
}

const char *outcome_name(unsigned error) {
        return error < _OUTCOME_MAX ? errors[error].name : NULL;
}

bool outcome_is_error(unsigned error) {
        return error > OUTCOME_OK && error < _OUTCOME_MAX;
}

const char *sql_error_name(unsigned code) {
        return name_in(sql_errors, ELEMENTSOF(sql_errors), code);
}

unsigned query_mode_of(const char *name) {
        return find_in(modes, ELEMENTSOF(modes), name);
}

unsigned sql_error_of(const char *name) {
        return find_in(sql_errors, ELEMENTSOF(sql_errors), name);
}

bool sql_error_has_position(unsigned code) {
        return code >= SQL_PARSE && code <= SQL_TYPE;
}

bool verdict_is_fault(unsigned verdict) {
        return verdict >= VERDICT_CORRECT + 1 && verdict <= VERDICT_MALFORMED;
}

int result_state_exit_code(unsigned state) {
        return result_state_name(state) ? states[state].exit_code : 5;
}

int outcome_exit_code(unsigned error) {
        return outcome_name(error) ? errors[error].exit_code : 5;
}

/* Where arguments come from: a list, or "name=value name=value" in one string. */
struct facts {
        const struct outcome_arg *args;
        size_t n_args;
        struct bytes detail;
};

static bool begins_fact(struct bytes v, size_t i) {
        size_t n = i;

        if (i > 0 && v.data[i - 1] != ' ')
                return false;
        while (n < v.len && ((v.data[n] >= 'a' && v.data[n] <= 'z') || v.data[n] == '_'))
                n++;
        return n > i && n < v.len && v.data[n] == '=';
}

/* A value reaches to the next name, so it may hold blanks. */
static struct bytes fact_in(struct bytes detail, struct bytes name) {
        for (size_t i = 0; i + name.len < detail.len; i++) {
                size_t start = i + name.len + 1, end = start;

                if (!begins_fact(detail, i) || detail.data[start - 1] != '=' ||
                    memcmp(detail.data + i, name.data, name.len) != 0)
                        continue;
                while (end < detail.len && !begins_fact(detail, end + 1))
                        end++;
                return BYTES(detail.data + start, end - start);
        }
        return BYTES_NONE;
}

static struct bytes argument(const struct facts *facts, struct bytes name) {
        for (size_t i = 0; i < facts->n_args; i++)
                if (bytes_equal(BYTES_STR(facts->args[i].name), name))
                        return facts->args[i].value;
        return fact_in(facts->detail, name);
}

struct text_out {
        char *at;
        size_t left; /* the final 0 included */
};

static void append(struct text_out *o, const char *s, size_t n) {
        if (n >= o->left)
                n = o->left - 1;
        memcpy(o->at, s, n);
        o->at += n;
        o->left -= n;
        *o->at = 0;
}

/* Of the argument that begins there: "{name}". */
static struct bytes name_at(const char *p) {
        return BYTES(p + 1, strcspn(p, "}") - 1);
}

static const char *write_argument(struct text_out *out, const struct facts *facts, const char *p) {
        struct bytes name = name_at(p), value = argument(facts, name);
        char escaped[400];

        text_escape(value.data ? value : BYTES_LIT("?"), escaped, sizeof(escaped));
        append(out, escaped, strlen(escaped));
        return p + name.len + 2;
}

/* What stands in [] is left out where its first argument is not known. */
static char *write_text(unsigned error, const struct facts *facts, char *ret, size_t ret_size) {
        const struct word *e = &errors[error < _OUTCOME_MAX ? error : OUTCOME_INTERNAL];
        struct text_out out = { ret, ret_size };

        check(ret_size > 0);
        append(&out, e->name, strlen(e->name));
        append(&out, ": ", 2);
        for (const char *p = e->text; *p;) {
                size_t n = strcspn(p, "{[]");

                append(&out, p, n);
                p += n;
                if (*p == '{')
                        p = write_argument(&out, facts, p);
                else if (*p == '[' && !argument(facts, name_at(strchr(p, '{'))).data)
                        p = strchr(p, ']') + 1;
                else if (*p)
                        p++;
        }
        return ret;
}

char *outcome_text(unsigned error, const struct outcome_arg *args, size_t n_args, char *ret,
                   size_t ret_size) {
        const struct facts facts = { .args = args, .n_args = n_args };

        return write_text(error, &facts, ret, ret_size);
}

char *outcome_detail_text(unsigned error, struct bytes detail, char *ret, size_t ret_size) {
        const struct facts facts = { .detail = detail };

        return write_text(error, &facts, ret, ret_size);
}
