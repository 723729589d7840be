/* Engines that are to agree: which of them have a voter, which host is to be asked for
 * which. A class is what a host says; its commit signs it. */

#include <limits.h>

#include "common/base/memory.h"
#include "services/coordinator/requester_core.h"

unsigned job_engine_number(const struct job *j, const char *class) {
        for (size_t i = 0; i < j->classes.n; i++)
                if (engine_is_same(j->classes.list[i], class))
                        return (unsigned) i;
        return (unsigned) j->classes.n;
}

/* It runs the job, or has given its vote for the answer that leads. */
static bool covers(const struct job *j, const struct replica *r, const struct tally *t) {
        if (r->run != 0 || r->is_again)
                return false;
        return r->is_vote ? hash_equal(&r->answer.hash, &t->leader) : replica_is_live(r);
}

static void mark(const struct job *j, const struct replica *r, bool *seen) {
        seen[job_engine_number(j, r->bid.engine)] = true;
}

static void list_covered(const struct job *j, bool *seen) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        FOREACH_REPLICA (r, j)
                if (covers(j, r, &t))
                        mark(j, r, seen);
}

static unsigned count(const bool *seen, size_t n) {
        unsigned sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += seen[i];
        return sum;
}

bool diverse_is_missing(const struct job *j) {
        bool seen[DESCRIPTOR_CLASSES_MAX + 1] = {};

        if (j->rule.engines < 2)
                return false;
        list_covered(j, seen);
        return count(seen, j->classes.n) < j->rule.engines;
}

unsigned diverse_pick(const struct job *j, struct replica **bids, unsigned n) {
        bool seen[DESCRIPTOR_CLASSES_MAX + 1] = {};
        unsigned k = 0;

        list_covered(j, seen);
        for (unsigned i = 0; i < n; i++)
                if (!seen[job_engine_number(j, bids[i]->bid.engine)])
                        bids[k++] = bids[i];
        return k;
}

bool diverse_is_possible(const struct job *j, struct replica **bids, unsigned n) {
        bool seen[DESCRIPTOR_CLASSES_MAX + 1] = {};

        if (j->rule.engines < 2)
                return true;
        list_covered(j, seen);
        for (unsigned i = 0; i < n; i++)
                mark(j, bids[i], seen);
        return count(seen, j->classes.n) >= j->rule.engines;
}

/* ---- Asking ---- */

static bool may_run(const struct candidate *c, const char *class) {
        for (size_t i = 0; i < c->claims.n_engines; i++)
                if (engine_is_same(c->claims.engines[i], class))
                        return true;
        return c->claims.n_engines == 0;
}

/* Hosts that were asked for that engine, run it, or have voted with it. */
static unsigned count_asked(const struct job *j, unsigned engine) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j) {
                const char *class = r->bid.engine[0] ? r->bid.engine : r->prefer;

                n += r->run == 0 && (r->stage != REPLICA_OVER || r->is_vote) && *class &&
                     job_engine_number(j, class) == engine;
        }
        return n;
}

static const char *least_asked(const struct job *j, const struct candidate *c) {
        const char *best = "";
        unsigned fewest = UINT_MAX;

        for (unsigned i = 0; i < j->classes.n; i++) {
                unsigned n;

                if (job_engine_number(j, j->classes.list[i]) != i ||
                    !may_run(c, j->classes.list[i]))
                        continue;
                n = count_asked(j, i);
                if (n < fewest) {
                        fewest = n;
                        best = j->classes.list[i];
                }
        }
        return best;
}

/* What it ran before it is to run again. */
static const char *engine_before(const struct replica *r) {
        FOREACH_REPLICA (other, r->job)
                if (other != r && other->prospect == r->prospect && other->has_commit)
                        return other->bid.engine;
        return "";
}

void diverse_prefer(struct replica *r) {
        const struct job *j = r->job;
        const char *class = engine_before(r);
        struct bytes name;

        if (!*class && j->rule.engines > 1)
                class = least_asked(j, &r->prospect->candidate);
        name = engine_name(class);
        if (name.len < sizeof(r->prefer)) {
                memcpy(r->prefer, name.data, name.len);
                r->prefer[name.len] = 0;
        }
}
