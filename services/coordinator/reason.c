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
} reasons[] = {
        { OUTCOME_REFUSED, "rule" },
        { OUTCOME_LIMIT, "which" },
        { OUTCOME_MISMATCH, "field" },
        { OUTCOME_DATA_UNAVAILABLE, NULL },
        { OUTCOME_NOT_VERIFIABLE, "expression" },
        { OUTCOME_STALE, "why" },
        { OUTCOME_SQL_ERROR, "code" }, /* where no host may commit to it */
};

static const struct reason *reason_of(enum outcome_error code) {
        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (reasons[i].code == code)
                        return &reasons[i];
        return NULL;
}

/* "which=memory" of `detail`; false: another argument, or not one word. */
static bool take_word(const char *detail, const char *argument, char ret[WORD_MAX]) {
        size_t name = strlen(argument), n;

        if (strncmp(detail, argument, name) != 0 || detail[name] != '=')
                return false;
        n = strspn(detail + name + 1, "abcdefghijklmnopqrstuvwxyz_-ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 0 || n >= WORD_MAX || detail[name + 1 + n] != 0)
                return false;
        memcpy(ret, detail + name + 1, n);
        ret[n] = 0;
        return true;
}

struct common {
        const struct reason *reason;
        char word[WORD_MAX];
        unsigned hosts;
};

/* False: this host has answered something else. */
static bool take_host(const struct replica *r, struct common *c) {
        const struct reason *reason = reason_of(r->problem);
        char word[WORD_MAX] = "";

        if (!r->has_said) /* nor of the job, whoever was let go before it got it */
                return !r->dispatched && !r->has_commit;
        if (!reason || r->is_for_now || (c->reason && reason != c->reason) ||
            (reason->argument && !take_word(r->detail, reason->argument, word)))
                return false;
        if (c->reason && strcmp(word, c->word) != 0)
                return false;
        c->reason = reason;
        memcpy(c->word, word, sizeof(word));
        c->hosts++;
        return true;
}

static bool find_common(const struct job *j, struct common *ret) {
        *ret = (struct common){};
        FOREACH_REPLICA (r, j)
                if (r->run == 0 && !r->is_again && !take_host(r, ret))
                        return false;
        return ret->reason;
}

/* Of those that agreed on it, or, with no answer, of those that refused for it. */
void job_take_words(struct job *j) {
        FOREACH_REPLICA (r, j)
                if (r->said && r->said[0] && (r->agrees || !j->is_accepted)) {
                        j->problem_peer = r->prospect->candidate.peer;
                        (void) snprintf(j->host_text, sizeof(j->host_text), "%s", r->said);
                        return;
                }
}

/* Those that were not asked at all. */
static const char *left_out(const struct job *j, char ret[64]) {
        ret[0] = 0;
        if (j->classes.unusable > 0)
                (void) snprintf(ret, 64, " without %u of another engine class",
                                j->classes.unusable);
        return ret;
}

void job_too_few(struct job *j, unsigned have, unsigned need, nsec_t now) {
        char text[64];
        char detail[DETAIL_MAX], root[8 + 2 * HASH_SIZE] = "";
        struct common c;

        if (have >= need && j->rule.engines > 1) {
                (void) snprintf(detail, sizeof(detail),
                                "have=%u hosts, all of one engine need=two engines", have);
                job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
                return;
        }
        if (!find_common(j, &c)) {
                (void) snprintf(detail, sizeof(detail), "have=%u%s need=%u", have,
                                left_out(j, text), need);
                job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
                return;
        }
        if (j->n_inputs == 1)
                hex_encode(hash_bytes(&j->inputs[0].root), strcpy(root, "root=") + 5);
        if (c.reason->argument)
                (void) snprintf(detail, sizeof(detail), "%s=%s have=%u need=%u", c.reason->argument,
                                c.word, have, need);
        else
                (void) snprintf(detail, sizeof(detail), "%s asked=%u have=%u need=%u", root,
                                c.hosts, have, need);
        if (c.reason->code == OUTCOME_SQL_ERROR)
                job_take_words(j);
        job_fail(j, c.reason->code, detail, now);
}
