#include "services/dht/teller.h"

/* Walks who told of it: *cursor starts at 0; NULL after the last. */
static struct candidate *next_teller(const struct lookup *l, const struct candidate *c,
                                     unsigned *cursor) {
        while (*cursor < LOOKUP_CANDIDATES_MAX) {
                uint64_t rest = c->told_by[*cursor / 64] >> *cursor % 64;

                if (rest) {
                        *cursor += (unsigned) __builtin_ctzll(rest);
                        return l->tellers[(*cursor)++];
                }
                *cursor = (*cursor / 64 + 1) * 64;
        }
        return NULL;
}

/* What is known of it already counts for or against who tells of it. */
void teller_note(struct candidate *c, struct candidate *teller) {
        uint64_t *word = &c->told_by[teller->number / 64], bit = UINT64_C(1) << teller->number % 64;

        if (*word & bit || c == teller)
                return;
        *word |= bit;
        teller->all_real += c->state == CANDIDATE_ANSWERED;
        teller->all_unreal += c->state == CANDIDATE_FAILED && !c->is_excused;
}

/* Who is known to find its way without this teller may be strict with it. */
static unsigned patience(const struct lookup *l) {
        return l->n_answered >= l->config.k / 2 ? 1 : LOOKUP_DOUBTED;
}

static bool is_unbelieved(const struct lookup *l, const struct candidate *teller) {
        return teller->n_unreal >= patience(l) && teller->n_unreal > 2 * teller->n_real;
}

bool teller_is_held_back(const struct lookup *l, const struct candidate *teller) {
        return teller && teller->n_real == 0 && teller->n_doubted >= patience(l);
}

/* Told by several, all of whom told mostly lies: liars who name the same ids, or each would be the
 * other's witness. Nobody of our table; nor whom half as many tell of as one tells of: those cost
 * no more than two for each teller. It has its turn as soon as one more tells of it who is
 * believed, or when it turns out that one of them told the truth. */
bool teller_is_conspired(const struct lookup *l, const struct candidate *c) {
        const struct candidate *teller;
        unsigned cursor = 0, n = 0;

        if (c->state != CANDIDATE_NEW || c->teller || !c->root || c->is_revived)
                return false;
        for (; (teller = next_teller(l, c, &cursor)); n++)
                if (teller->all_unreal < LOOKUP_DOUBTED ||
                    teller->all_unreal <= 2 * teller->all_real)
                        return false;
        return n < l->config.k / 2;
}

static void judge_all(struct lookup *l, struct candidate *c, bool is_real) {
        struct candidate *teller;
        unsigned cursor = 0;

        while ((teller = next_teller(l, c, &cursor))) {
                teller->all_real += is_real;
                teller->all_unreal += !is_real;
        }
}

void teller_judge(struct lookup *l, struct candidate *c, bool is_real) {
        struct candidate *teller = c->teller;

        judge_all(l, c, is_real);
        if (!teller)
                return;
        if (teller->n_doubted > 0)
                teller->n_doubted--;
        teller->n_real += is_real;
        teller->n_unreal += !is_real;
        if (!is_unbelieved(l, teller))
                return;
        for (size_t i = 0; i < l->n_candidates; i++)
                if (l->candidates[i]->teller == teller &&
                    l->candidates[i]->state == CANDIDATE_NEW) {
                        l->candidates[i]->state = CANDIDATE_DROPPED;
                        l->n_dropped++;
                }
}
