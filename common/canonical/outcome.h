#pragma once

/* The words for how a job ended: result states, errors, the closed table of SQL
 * errors a host may commit to. One table each, used by coordinator, ctl and
 * libquorate, in commits, verdicts and receipts (README.md, "Outcomes"). Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

enum result_state {
        STATE_VERIFIED = 1, /* q independent equal answers, rows hashed again */
        STATE_TRUSTED,      /* fewer runs than q, only when `confidence` was asked */
        STATE_UNVERIFIED,   /* fast, or not verifiable */
        STATE_LOCAL,        /* own machine */
        STATE_CONTESTED,    /* ended while answers differed */
        STATE_CACHED,
        STATE_SPLIT, /* in verdicts only: no answer led by q; the error SPLIT to clients */
        _STATE_MAX,
};

enum query_mode { MODE_QUORUM = 1, MODE_UNANIMOUS, MODE_FAST, _MODE_MAX };

enum verdict {
        VERDICT_CORRECT = 1,
        VERDICT_INCORRECT,
        VERDICT_TIMEOUT,
        VERDICT_MALFORMED, /* the last of the faults */
        VERDICT_HARDWARE,
        VERDICT_RESOURCE,
        VERDICT_INFEASIBLE,
        VERDICT_REFUSED,
        VERDICT_CANCELLED,
        VERDICT_INCONCLUSIVE,
        _VERDICT_MAX,
};

/* Numbers are wire format: append only. */
enum outcome_error {
        OUTCOME_OK = 0,
        OUTCOME_NO_CANDIDATES,
        OUTCOME_TOO_FEW_HOSTS,
        OUTCOME_SPLIT,
        OUTCOME_REFUSED,
        OUTCOME_NOT_VERIFIABLE,
        OUTCOME_MISMATCH,
        OUTCOME_STALE,
        OUTCOME_SQL_ERROR,
        OUTCOME_ENCODING,
        OUTCOME_LIMIT,
        OUTCOME_DATA_UNAVAILABLE,
        OUTCOME_TIMEOUT,
        OUTCOME_CANCELLED,
        OUTCOME_RESTARTED,
        OUTCOME_USAGE,
        OUTCOME_INTERNAL,
        OUTCOME_CONTESTED,
        OUTCOME_CLASS_MISMATCH,
        _OUTCOME_MAX,
};

/* Errors in the statement itself, equal on every host: form 3 of an answer. */
enum sql_error {
        SQL_PARSE = 1, /* the first three carry a position */
        SQL_UNKNOWN_NAME,
        SQL_TYPE,
        SQL_CAST,
        SQL_OVERFLOW,
        SQL_DIVISION,
        SQL_SUBQUERY_ROWS,
        SQL_ENCODING,
        SQL_RESULT_LIMIT,
        _SQL_ERROR_MAX,
};

/* NULL for a number that is not in the table. */
const char *result_state_name(unsigned state);
const char *query_mode_name(unsigned mode);
const char *verdict_name(unsigned verdict);
const char *outcome_name(unsigned error);
bool outcome_is_error(unsigned error); /* in the table, and not OK */
const char *sql_error_name(unsigned code);

/* 0, or the enumerator of that exact name. */
unsigned query_mode_of(const char *name);
unsigned sql_error_of(const char *name);

bool sql_error_has_position(unsigned code);
bool verdict_is_fault(unsigned verdict);

/* Exit codes: 0 VERIFIED TRUSTED LOCAL CACHED, 2 usage, 3 UNVERIFIED,
 * 4 CONTESTED SPLIT, 5 any other error. */
int result_state_exit_code(unsigned state);
int outcome_exit_code(unsigned error);

struct outcome_arg {
        const char *name; /* as in the table's format: "have", "need" … */
        struct bytes value;
};

/* One line: the name, its arguments, what to do about it. `{name}` in the
 * table's text is replaced by the argument, escaped; a missing one by "?".
 * Returns ret. */
char *outcome_text(unsigned error, const struct outcome_arg *args, size_t n_args, char *ret,
                   size_t ret_size);
/* The same with the arguments as they travel in Problem.detail: "have=1 need=2".
 * A value reaches to the next name and may hold blanks. */
char *outcome_detail_text(unsigned error, struct bytes detail, char *ret, size_t ret_size);
