/* Why too few hosts took part: one word when all that answered say the same. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/requester_core.h"

#define WORD_MAX 40

/* What hosts may say for the job as a whole, and the argument its text needs. Only a
 * word of ours is taken over from them, never a sentence. */
static const struct reason {
        enum outcome_error code;
        const char *argument; /* NULL: none of theirs */
        /* Of the statement, which an offer does not show: only who was given it may say so, and as
         * many as an answer needs must. */
        bool is_of_statement;
} reasons[] = {
        { OUTCOME_REFUSED, "rule", false },
        { OUTCOME_LIMIT, "which", false },
        { OUTCOME_MISMATCH, "field", false },
        { OUTCOME_DATA_UNAVAILABLE, NULL, false },
        { OUTCOME_NOT_VERIFIABLE, "expression", false },
        { OUTCOME_STALE, "why", false },
        { OUTCOME_SQL_ERROR, "code", true }, /* where no host may commit to it */
};

static const struct reason *reason_of(enum outcome_error code) {
        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (reasons[i].code == code)
                        return &reasons[i];
        return NULL;
}

/* " most=1024", and no more: what could be had where too much was asked for. 0: not that. */
static uint64_t take_most(const char *rest) {
        static const char name[] = " most=";
        uint64_t most = 0;

        if (strncmp(rest, name, sizeof(name) - 1) == 0)
                (void) text_parse_u64(rest + sizeof(name) - 1, 1, UINT64_MAX, &most);
        return most;
}

/* "which=memory" of `detail`, perhaps with its `most`; false: another argument, or not one word. */
static bool take_word(const char *detail, const char *argument, char ret[WORD_MAX],
                      uint64_t *ret_most) {
        size_t name = strlen(argument), n;

        if (strncmp(detail, argument, name) != 0 || detail[name] != '=')
                return false;
        n = strspn(detail + name + 1, "abcdefghijklmnopqrstuvwxyz_-ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 0 || n >= WORD_MAX)
                return false;
        *ret_most = take_most(detail + name + 1 + n);
        if (detail[name + 1 + n] != 0 && !*ret_most)
                return false;
        memcpy(ret, detail + name + 1, n);
        ret[n] = 0;
        return true;
}

struct common {
        const struct reason *reason;
        char word[WORD_MAX];
        unsigned groups[JOB_REPLICAS_MAX]; /* of each voter: hosts of one are counted once */
        uint64_t most[JOB_REPLICAS_MAX];   /* of each; 0: it gave as much and that was used up */
        unsigned hosts, voters;
};

/* A voter gives what the least of its hosts does. */
static void count_host(struct common *c, unsigned group, uint64_t most) {
        unsigned i = 0;

        c->hosts++;
        while (i < c->voters && c->groups[i] != group)
                i++;
        if (i == c->voters) {
                c->groups[i] = group;
                c->most[i] = most;
                c->voters++;
        } else if (most < c->most[i]) {
                c->most[i] = most;
        }
}

/* False: this host has answered something else. */
static bool take_host(const struct replica *r, struct common *c) {
        const struct reason *reason = reason_of(r->problem);
        char word[WORD_MAX] = "";
        uint64_t most = 0;

        if (!r->has_said) /* nor of the job, whoever was let go before it got it */
                return !r->dispatched && !r->has_commit;
        if (!reason || r->is_for_now || (c->reason && reason != c->reason) ||
            (reason->is_of_statement && !r->dispatched) ||
            (reason->argument && !take_word(r->detail, reason->argument, word, &most)))
                return false;
        if (c->reason && strcmp(word, c->word) != 0)
                return false;
        c->reason = reason;
        memcpy(c->word, word, sizeof(word));
        count_host(c, r->group, most);
        return true;
}

static bool is_first_run(const struct replica *r) {
        return r->run == 0 && !r->is_again;
}

/* All that were given the statement ran into one kind of error, which no host may sign. Whoever
 * would not take the job says nothing of it. */
static bool find_error(const struct job *j, struct common *ret) {
        *ret = (struct common){};
        FOREACH_REPLICA (r, j)
                if (is_first_run(r) && r->dispatched && (r->has_commit || !take_host(r, ret)))
                        return false;
        return ret->reason && ret->reason->is_of_statement && ret->voters >= job_need(j);
}

bool job_errs_alike(const struct job *j) {
        struct common c;

        return find_error(j, &c);
}

static bool find_common(const struct job *j, struct common *ret) {
        if (find_error(j, ret))
                return true;
        *ret = (struct common){};
        FOREACH_REPLICA (r, j)
                if (is_first_run(r) && !take_host(r, ret))
                        return false;
        return ret->reason && (!ret->reason->is_of_statement || ret->voters >= job_need(j));
}

/* Of those that agreed on it, or, with no answer, of those that refused for it: whose word it is,
 * and what more that host says, if one of them does. */
void job_take_words(struct job *j) {
        const struct replica *speaker = NULL;

        FOREACH_REPLICA (r, j)
                if (r->said &&
                    (r->agrees || (!j->is_accepted && is_first_run(r) && r->dispatched)) &&
                    (!speaker || !speaker->said[0]))
                        speaker = r;
        if (!speaker)
                return;
        j->problem_peer = speaker->prospect->candidate.peer;
        (void) snprintf(j->host_text, sizeof(j->host_text), "%s", speaker->said);
}

static int compare_down(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? 1 : x > y ? -1 : 0;
}

/* What as many as an answer needs give, where all gave less than was asked for; "": not all did, or
 * so few said it that it is no word of the grid. */
static const char *say_most(struct common *c, unsigned need, char ret[32]) {
        ret[0] = 0;
        if (need == 0 || c->voters < need)
                return ret;
        qsort(c->most, c->voters, sizeof(c->most[0]), compare_down);
        if (c->most[c->voters - 1] > 0)
                (void) snprintf(ret, 32, " most=%llu", (unsigned long long) c->most[need - 1]);
        return ret;
}

/* Those that were not asked at all. */
static const char *left_out(const struct job *j, char ret[64]) {
        ret[0] = 0;
        if (j->classes.unusable > 0)
                (void) snprintf(ret, 64, " without %u of another engine class",
                                j->classes.unusable);
        return ret;
}

/* As many as an answer needs ran into errors, but not into one: more hosts are no remedy. */
static bool has_erred(const struct job *j) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                n += is_first_run(r) && r->dispatched && r->has_said &&
                     r->problem == OUTCOME_SQL_ERROR;
        return n > 0 && n >= job_need(j);
}

void job_too_few(struct job *j, unsigned have, unsigned need, nsec_t now) {
        char text[64], most[32];
        char detail[DETAIL_MAX], root[8 + 2 * HASH_SIZE] = "";
        struct common c;

        if (have >= need && j->rule.engines > 1) {
                (void) snprintf(detail, sizeof(detail),
                                "have=%u hosts, all of one engine need=two engines", have);
                job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
                return;
        }
        if (!find_common(j, &c)) {
                (void) snprintf(detail, sizeof(detail), "%shave=%u%s need=%u",
                                has_erred(j) ? "what=statement " : "", have, left_out(j, text),
                                need);
                job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
                return;
        }
        if (j->n_inputs == 1)
                hex_encode(hash_bytes(&j->inputs[0].root), strcpy(root, "root=") + 5);
        if (c.reason->argument)
                (void) snprintf(detail, sizeof(detail), "%s=%s%s have=%u need=%u",
                                c.reason->argument, c.word, say_most(&c, job_need(j), most), have,
                                need);
        else
                (void) snprintf(detail, sizeof(detail), "%s asked=%u have=%u need=%u", root,
                                c.hosts, have, need);
        if (c.reason->code == OUTCOME_SQL_ERROR) {
                j->is_error_unsigned = true;
                job_take_words(j);
        }
        job_fail(j, c.reason->code, detail, now);
}
