/* The texts of problems: the table of outcomes, and beside it what a person can do about
 * one reason alone: an option of the command that asked, or a change of the statement. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/client/internal.h"
#include "common/wire/peerid.h"

#define READS_ONLY \
        "a statement here only reads; give one SELECT, and change data where it comes from"

#define SETTING "is a setting of the engine; leave it out and give one SELECT"
#define EXTENDS "adds to the engine, which must be the same everywhere; leave it out"
#define FILES                                                                                   \
        "opens no file here; give files with --data NAME=FILE, and keep rows with --save-rows " \
        "FILE"
#define PREPARED "is of no use: each query is one statement; give the SELECT itself"

/* By code and first argument. %s: " at byte N" of the statement, where it is known. */
static const struct advice {
        enum outcome_error code;
        const char *fact; /* name=value, whole */
        const char *text;
} advices[] = {
        /* Errors of a statement that have no place in it. */
        { OUTCOME_SQL_ERROR, "code=CAST",
          "CAST: a value cannot be cast as the SQL says; correct the cast or the data" },
        { OUTCOME_SQL_ERROR, "code=OVERFLOW",
          "OVERFLOW: an integer got too large; cast to a wider type" },
        { OUTCOME_SQL_ERROR, "code=DIVISION", "DIVISION: division by zero; guard it with NULLIF" },
        { OUTCOME_SQL_ERROR, "code=SUBQUERY_ROWS",
          "SUBQUERY_ROWS: a subquery gave more than one row; add LIMIT 1 with ORDER BY" },
        { OUTCOME_SQL_ERROR, "code=ENCODING",
          "ENCODING: a value has no exact form (infinity, invalid UTF-8, what its column cannot "
          "hold); cast or filter it, or correct the data" },
        { OUTCOME_SQL_ERROR, "code=RESULT_LIMIT",
          "RESULT_LIMIT: the result is larger than allowed; ask for less, or raise the option that "
          "it is above, if it is above one" },
        /* services/coordinator/reason.c: hosts that ran it did not say one kind of error. */
        { OUTCOME_TOO_FEW_HOSTS, "what=statement",
          "hosts ran into errors of the statement, which are not compared between hosts, and too "
          "few gave an answer; look at what each of them says, and correct the statement" },
        /* What the worker calls these rules: services/worker/sqlite/sqlite_prepare.c. */
        { OUTCOME_REFUSED, "rule=no statement",
          "there is no statement, only blanks or a comment; give one SELECT" },
        { OUTCOME_REFUSED, "rule=one statement",
          "a second statement begins%s; give one at a time" },
        { OUTCOME_REFUSED, "rule=read only", "the statement%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=statement size",
          "the statement is empty or longer than 1 MiB; give one that is shorter" },
        { OUTCOME_REFUSED, "rule=statement text",
          "the statement is no UTF-8 text%s; write it in UTF-8" },
        { OUTCOME_REFUSED, "rule=function",
          "a function%s is not among those that may run; leave it out" },
        { OUTCOME_REFUSED, "rule=table",
          "a table%s is the engine's own and not to be read; leave it out" },
        { OUTCOME_REFUSED, "rule=EXPLAIN",
          "EXPLAIN%s is the engine's own; give the statement alone to `quorate explain`" },
        { OUTCOME_REFUSED, "rule=PRAGMA", "PRAGMA%s " SETTING },
        { OUTCOME_REFUSED, "rule=ATTACH",
          "ATTACH%s opens no file here; give the file with --data NAME=FILE" },
        { OUTCOME_REFUSED, "rule=ALTER", "ALTER%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=ANALYZE", "ANALYZE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=BEGIN", "BEGIN%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=CALL",
          "CALL%s runs a procedure of the engine, which may change it; leave it out and give one "
          "SELECT" },
        { OUTCOME_REFUSED, "rule=CHECKPOINT", "CHECKPOINT%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=COMMENT", "COMMENT%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=COMMIT", "COMMIT%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=COPY", "COPY%s " FILES },
        { OUTCOME_REFUSED, "rule=CREATE", "CREATE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=DELETE", "DELETE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=DETACH", "DETACH%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=DROP", "DROP%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=END", "END%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=EXECUTE", "EXECUTE%s " PREPARED },
        { OUTCOME_REFUSED, "rule=EXPORT", "EXPORT%s " FILES },
        { OUTCOME_REFUSED, "rule=IMPORT", "IMPORT%s " FILES },
        { OUTCOME_REFUSED, "rule=INSERT", "INSERT%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=INSTALL", "INSTALL%s " EXTENDS },
        { OUTCOME_REFUSED, "rule=LOAD", "LOAD%s " EXTENDS },
        { OUTCOME_REFUSED, "rule=MERGE", "MERGE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=PREPARE", "PREPARE%s " PREPARED },
        { OUTCOME_REFUSED, "rule=REINDEX", "REINDEX%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=RELEASE", "RELEASE%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=REPLACE", "REPLACE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=RESET", "RESET%s " SETTING },
        { OUTCOME_REFUSED, "rule=ROLLBACK", "ROLLBACK%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=SAVEPOINT", "SAVEPOINT%s is of no use: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=SELECT", "the statement%s is no SELECT: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=SET", "SET%s " SETTING },
        { OUTCOME_REFUSED, "rule=TRUNCATE", "TRUNCATE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=UPDATE", "UPDATE%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=USE",
          "USE%s is of no use: each dataset is named in the statement; give one SELECT" },
        { OUTCOME_REFUSED, "rule=VACUUM", "VACUUM%s writes: " READS_ONLY },
        { OUTCOME_REFUSED, "rule=engine",
          "the hosts that were asked do not run an engine class that may answer this; "
          "`quorate explain` says which may and why, --engine asks for another one" },
        /* It, or what it runs in, was killed: nothing is wrong with the statement. */
        { OUTCOME_INTERNAL, "what=executor",
          "what ran the query ended before there was an answer; ask again, and should that not "
          "help, look at `quorate doctor` and at the worker's log" },
        { OUTCOME_INTERNAL, "what=worker",
          "the worker said what it must not; ask again, and report it with its log" },
        { OUTCOME_INTERNAL, "what=worker-lost",
          "the worker that ran the query ended, and is started again; ask again" },
        { OUTCOME_INTERNAL, "what=no-worker",
          "no worker is there to read the query; ask again in a moment, and should that not help, "
          "look at `quorate status`" },
        /* Of hosts that ended and came back: they sign nothing twice. */
        { OUTCOME_STALE, "why=perhaps_signed_before_restart",
          "the host has started again since it got this job, and may have signed an answer that "
          "it no longer has; ask again: that is a new job" },
        { OUTCOME_STALE, "why=commit_was_not_kept",
          "the host could not keep what it had signed, so it does not sign again; ask again: that "
          "is a new job" },
        { OUTCOME_STALE, "why=forgotten",
          "the host no longer knows what it signed for jobs of that time; ask again: that is a new "
          "job, with a time of its own" },
        /* The limits that an option sets, up to what hosts give. */
        { OUTCOME_LIMIT, "which=cpu",
          "the limit of cpu was reached; raise --max-cpu, up to what the hosts give a job, or "
          "ask for less" },
        { OUTCOME_LIMIT, "which=memory",
          "the limit of memory was reached; raise --max-memory, up to what the hosts give a job, "
          "or ask for less" },
        { OUTCOME_LIMIT, "which=rows",
          "the limit of rows was reached; set --max-rows to what the hosts give a job, or ask "
          "for less" },
        { OUTCOME_LIMIT, "which=bytes",
          "the limit of bytes was reached; set --max-bytes to what the hosts give a job, or ask "
          "for less" },
        { OUTCOME_LIMIT, "which=wall",
          "the limit of wall was reached; set --timeout to what the hosts give a job, or ask "
          "for less" },
        /* services/worker/sqlite/sqlite_rows.c: a set of answers is sorted to be compared. */
        { OUTCOME_NOT_VERIFIABLE, "expression=unordered_rows",
          "more than 1,048,576 rows without an order cannot be compared; add ORDER BY over what "
          "makes each row different, or ask for less" },
};

static const char *format_ms(uint64_t v, char ret[32]) {
        return text_format_duration(v * NSEC_PER_MSEC, ret);
}

static const char *format_count(uint64_t v, char ret[32]) {
        (void) snprintf(ret, 32, "%llu", (unsigned long long) v);
        return ret;
}

/* Whether the detail begins with this fact: its end, or the next name=value, follows. */
static bool says(const char *detail, const char *fact) {
        size_t n = strlen(fact), next;

        if (strncmp(detail, fact, n) != 0)
                return false;
        if (detail[n] == 0)
                return true;
        next = strspn(detail + n + 1, "abcdefghijklmnopqrstuvwxyz_");
        return detail[n] == ' ' && next > 0 && detail[n + 1 + next] == '=';
}

static const struct advice *advice_for(const Types__Problem *p) {
        for (size_t i = 0; i < ELEMENTSOF(advices); i++)
                if (advices[i].code == p->code && says(p->detail, advices[i].fact))
                        return &advices[i];
        return NULL;
}

static void write_advice(const struct advice *a, int32_t position, char *ret, size_t size) {
        const char *mark = strstr(a->text, "%s");
        int before = mark ? (int) (mark - a->text) : (int) strlen(a->text);
        char place[32] = "";

        if (mark && position >= 0)
                (void) snprintf(place, sizeof(place), " at byte %d", position);
        (void) snprintf(ret, size, "%s: %.*s%s%s", outcome_name(a->code), before, a->text, place,
                        mark ? mark + 2 : "");
}

/* What can be asked for less of, in the units of `most`. */
static const struct {
        const char *which, *option;
        const char *(*format)(uint64_t v, char ret[32]);
} lowered[] = {
        { "which=memory most=", "--max-memory", text_format_size },
        { "which=cpu most=", "--max-cpu", format_ms },
        { "which=wall most=", "--timeout", format_ms },
        { "which=rows most=", "--max-rows", format_count },
        { "which=bytes most=", "--max-bytes", text_format_size },
};

/* More was asked for than hosts give: nothing was used up. */
static bool write_lower(const Types__Problem *p, char *ret, size_t size) {
        char most[32];

        for (size_t i = 0; p->code == OUTCOME_LIMIT && i < ELEMENTSOF(lowered); i++) {
                size_t n = strlen(lowered[i].which);
                uint64_t v = 0;

                if (strncmp(p->detail, lowered[i].which, n) != 0)
                        continue;
                v = strtoull(p->detail + n, NULL, 10);
                (void) snprintf(ret, size,
                                "%s: %s is more than a job is given here; lower it to %s or less",
                                outcome_name(p->code), lowered[i].option,
                                lowered[i].format(v, most));
                return true;
        }
        return false;
}

static void write_outcome(const Types__Problem *p, char *ret, size_t size) {
        char detail[320];
        size_t n;

        (void) snprintf(detail, sizeof(detail), "%.280s", p->detail);
        if (p->position >= 0 && !strstr(detail, "position=")) {
                n = strlen(detail);
                (void) snprintf(detail + n, sizeof(detail) - n, "%sposition=%d", n ? " " : "",
                                p->position);
        }
        outcome_detail_text(p->code, BYTES_STR(detail), ret, size);
}

#define ID_SHOWN     8
#define SPEAKER_SIZE 40

/* Free text of a host is its own word, and no part of what was agreed. */
static const char *speaker(const Types__Problem *p, char ret[SPEAKER_SIZE]) {
        char text[PEER_ID_TEXT_SIZE];
        struct peer_id id;

        ret[0] = 0;
        if (peer_id_parse(BYTES(p->peer.data, p->peer.len), &id)) {
                size_t n = strlen(peer_id_text(&id, text));

                (void) snprintf(ret, SPEAKER_SIZE,
                                "host …%s says: ", text + (n > ID_SHOWN ? n - ID_SHOWN : 0));
        }
        return ret;
}

const char *client_problem_text(const Types__Problem *p, char *ret, size_t size) {
        const struct advice *a = advice_for(p);
        char text[512], who[SPEAKER_SIZE];
        size_t n;

        if (a && !write_lower(p, ret, size))
                write_advice(a, p->position, ret, size);
        else if (!a)
                write_outcome(p, ret, size);
        text_escape(BYTES_STR(p->text), text, sizeof(text));
        n = strlen(ret);
        if (*text)
                (void) snprintf(ret + n, size - n, " (%s%s)", speaker(p, who), text);
        return ret;
}

int client_bad_file(struct quorate *q, const char *path, const char *format, const char *detail,
                    const char *text) {
        char shown[320];

        text_escape(BYTES_STR(text), shown, sizeof(shown));
        if (strcmp(format, "sqlite") == 0)
                return client_fail(
                        q, QUORATE_E_INPUT,
                        "%s: not a sound SQLite database; repair or export it first%s%.200s", path,
                        *shown ? ": " : "", shown);
        if (*shown)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s", path, shown);
        return client_fail(q, QUORATE_E_INPUT,
                           "%s: it could not be read as %s (%.100s); look at it, and try again",
                           path, format, detail);
}
