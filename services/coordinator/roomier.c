/* A run that was out of memory goes to hosts with more of it. What a host says of its own is
 * no proof: one alone rules out nobody, as many as make a quorum do. */

#include "common/base/memory.h"
#include "services/coordinator/requester_core.h"

bool roomier_is_wanted(const struct job *j) {
        FOREACH_REPLICA (r, j)
                if (r->ran_out)
                        return true;
        return false;
}

/* With that much a quorum of independent hosts of this engine has run out; 0: no quorum has. What
 * one engine needs says nothing of another. */
static uint64_t too_little(const struct job *j, const char *engine) {
        uint64_t most = 0;

        FOREACH_REPLICA (r, j) {
                unsigned n = 0;

                if (!r->ran_out)
                        continue;
                FOREACH_REPLICA (other, j)
                        n += other->ran_out && other->bid.memory >= r->bid.memory &&
                             engine_is_same(other->bid.engine, engine);
                if (n >= j->rule.quorum && r->bid.memory > most)
                        most = r->bid.memory;
        }
        return most;
}

void roomier_leave_out(struct job *j, nsec_t now) {
        FOREACH_REPLICA (r, j) {
                if (r->stage != REPLICA_BID || r->run != 0 || !r->bid.memory ||
                    r->bid.memory > too_little(j, r->bid.engine))
                        continue;
                r->prospect->is_out = r->has_said = true; /* by what others like it have said */
                replica_cancel(r, now);
                r->problem = OUTCOME_LIMIT;
                (void) strcpy(r->detail, "which=memory");
                replica_finish(r);
        }
}

struct replica *roomier_pick(struct replica **bids, unsigned n) {
        struct replica *best = bids[0];

        for (unsigned i = 1; i < n; i++)
                if (bids[i]->bid.memory > best->bid.memory)
                        best = bids[i];
        return best;
}

void roomier_first(const struct job *j, unsigned *order, unsigned n) {
        for (unsigned i = 1; i < n; i++)
                for (unsigned k = i; k > 0; k--) {
                        unsigned a = order[k - 1], b = order[k];

                        if (j->prospects[a].candidate.claims.memory >=
                            j->prospects[b].candidate.claims.memory)
                                break;
                        order[k - 1] = b;
                        order[k] = a;
                }
}
