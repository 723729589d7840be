#include "services/coordinator/quorum.h"

#include "common/base/error.h"
#include "common/base/memory.h"

void quorum_init(struct quorum *q, const struct quorum_rule *rule) {
        *q = (struct quorum){ .rule = *rule };
        check(rule->quorum >= 1 && rule->max_replicas <= QUORUM_VOTES_MAX);
}

static struct vote *vote_of(struct quorum *q, unsigned host) {
        for (size_t i = 0; i < q->n_votes; i++)
                if (q->votes[i].host == host)
                        return &q->votes[i];
        return NULL;
}

const struct vote *quorum_vote_of(const struct quorum *q, unsigned host) {
        return vote_of((struct quorum *) q, host);
}

bool quorum_vote(struct quorum *q, unsigned host, unsigned group, unsigned engine,
                 const struct hash_value *answer) {
        if (q->n_votes == QUORUM_VOTES_MAX || vote_of(q, host))
                return false;
        q->votes[q->n_votes++] =
                (struct vote){ .host = host, .group = group, .engine = engine, .answer = *answer };
        return true;
}

void quorum_strike(struct quorum *q, unsigned host) {
        struct vote *v = vote_of(q, host);

        if (v)
                v->is_struck = true;
}

void quorum_revote(struct quorum *q, unsigned host, const struct hash_value *answer) {
        struct vote *v = vote_of(q, host);

        if (v)
                v->answer = *answer;
}

/* The first vote of a group that was not struck speaks for it. */
static bool speaks(const struct quorum *q, size_t index) {
        if (q->votes[index].is_struck)
                return false;
        for (size_t i = 0; i < index; i++)
                if (q->votes[i].group == q->votes[index].group && !q->votes[i].is_struck)
                        return false;
        return true;
}

static unsigned votes_for(const struct quorum *q, const struct tally *t,
                          const struct hash_value *answer) {
        unsigned n = 0;

        for (size_t i = 0; i < q->n_votes; i++)
                n += t->is_counted[i] && hash_equal(&q->votes[i].answer, answer);
        return n;
}

/* Whether an earlier counted vote has the same answer. */
static bool seen_before(const struct quorum *q, const struct tally *t, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (t->is_counted[i] && hash_equal(&q->votes[i].answer, &q->votes[index].answer))
                        return true;
        return false;
}

static bool is_for(const struct quorum *q, const struct tally *t, size_t index) {
        return t->is_counted[index] && hash_equal(&q->votes[index].answer, &t->leader);
}

static unsigned engines_of_leader(const struct quorum *q, const struct tally *t) {
        unsigned n = 0;

        for (size_t i = 0; i < q->n_votes; i++) {
                size_t k = 0;

                if (!is_for(q, t, i))
                        continue;
                while (k < i && !(is_for(q, t, k) && q->votes[k].engine == q->votes[i].engine))
                        k++;
                n += k == i;
        }
        return n;
}

void quorum_tally(const struct quorum *q, struct tally *ret) {
        *ret = (struct tally){};
        for (size_t i = 0; i < q->n_votes; i++)
                ret->voters += ret->is_counted[i] = speaks(q, i);
        for (size_t i = 0; i < q->n_votes; i++) {
                unsigned n;

                if (!ret->is_counted[i] || seen_before(q, ret, i))
                        continue;
                n = votes_for(q, ret, &q->votes[i].answer);
                ret->answers++;
                if (n > ret->first) {
                        ret->second = ret->first;
                        ret->first = n;
                        ret->leader = q->votes[i].answer;
                } else if (n > ret->second) {
                        ret->second = n;
                }
        }
        ret->engines = ret->first ? engines_of_leader(q, ret) : 0;
}

static unsigned most(unsigned a, unsigned b) {
        return a > b ? a : b;
}

unsigned quorum_missing(const struct quorum *q, const struct tally *t) {
        unsigned lead = t->first - t->second, need = q->rule.quorum;
        unsigned engines = t->engines < q->rule.engines ? q->rule.engines - t->engines : 0;

        switch (q->rule.mode) {
        case MODE_UNANIMOUS:
                return most(engines,
                            t->voters < q->rule.replicas ? q->rule.replicas - t->voters : 0);
        case MODE_FAST:
                return t->voters ? 0 : 1;
        default:
                return most(engines, lead < need ? need - lead : 0);
        }
}

enum quorum_state quorum_state(const struct quorum *q, const struct tally *t) {
        unsigned missing = quorum_missing(q, t);

        if (q->rule.mode == MODE_UNANIMOUS && t->answers > 1)
                return QUORUM_CONTESTED;
        if (missing == 0)
                return QUORUM_REACHED;
        if (t->voters + missing > q->rule.max_replicas)
                return QUORUM_SPLIT;
        return t->answers < 2 ? QUORUM_OPEN : QUORUM_CONTESTED;
}
