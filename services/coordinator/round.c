/* Who is asked, and who of those that bid runs the job. */

#include "common/base/memory.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/requester_core.h"

/* ---- Prospects: at most candidates_max of the hosts that are known ---- */

struct choice {
        const struct job *job;
        const char *engines[DESCRIPTOR_CLASSES_MAX];
        size_t n_engines;
        const struct candidate *list[CANDIDATES_MAX]; /* NULL: taken */
        unsigned n;
};

static bool is_asked_for(const struct job *j, const struct peer_id *peer) {
        for (size_t i = 0; i < j->request->n_hosts; i++) {
                const ProtobufCBinaryData *h = &j->request->hosts[i];

                if (bytes_equal(BYTES(h->data, h->len), peer_id_bytes(peer)))
                        return true;
        }
        return j->request->n_hosts == 0;
}

static bool may_be_asked_at_all(const struct job *j, const struct candidate *x) {
        const struct requester *rq = RQ_OF(j);

        return !peer_id_equal(&x->peer, &rq->core->self) &&
               !trust_is_proved_liar(rq->trust, &x->peer) &&
               !denied_has(rq->core->denied, &x->peer) && candidate_admits(x, j->data_class) &&
               is_asked_for(j, &x->peer);
}

size_t job_candidates(const struct job *j, const struct candidate **ret) {
        const struct requester *rq = RQ_OF(j);
        size_t n = 0;

        for (size_t i = 0; i < rq->n_candidates; i++)
                if (may_be_asked_at_all(j, &rq->candidates[i]))
                        ret[n++] = &rq->candidates[i];
        return n;
}

static bool is_wanted(const struct choice *c, const struct candidate *x) {
        return may_be_asked_at_all(c->job, x) && job_can_import(c->job, x) &&
               (c->n_engines == 0 ||
                candidate_may_run(x, c->engines, c->n_engines, c->job->data_class));
}

static void shuffle(struct rng *rng, unsigned *order, unsigned n) {
        for (unsigned i = n; i-- > 1;) {
                unsigned k = (unsigned) rng_below(rng, i + 1), swap = order[i];

                order[i] = order[k];
                order[k] = swap;
        }
}

static void list_wanted(const struct job *j, struct choice *c) {
        const struct requester *rq = RQ_OF(j);
        unsigned order[CANDIDATES_MAX];

        *c = (struct choice){ .job = j };
        c->n_engines = job_engines(j, c->engines);
        for (unsigned i = 0; i < rq->n_candidates; i++)
                if (is_wanted(c, &rq->candidates[i]))
                        order[c->n++] = i;
        shuffle(&RQ_OF(j)->rng, order, c->n);
        for (unsigned i = 0; i < c->n; i++)
                c->list[i] = &rq->candidates[order[i]];
}

/* ---- Sources: no single one chooses all voters ---- */

static bool is_from_history(const struct job *j, const struct candidate *c) {
        return c->origin == ORIGIN_HISTORY || trust_is_known(RQ_OF(j)->trust, &c->peer);
}
static bool is_from_dht(const struct job *j, const struct candidate *c) {
        return c->origin == ORIGIN_DHT;
}
static bool is_pinned(const struct job *j, const struct candidate *c) {
        return c->origin == ORIGIN_PINNED;
}
static bool is_connected(const struct job *j, const struct candidate *c) {
        return c->origin == ORIGIN_CONNECTED;
}
static bool is_full(const struct job *j, const struct candidate *c) {
        return c->claims.is_known && c->claims.free_slots == 0;
}
static bool is_from_gossip(const struct job *j, const struct candidate *c) {
        return c->origin == ORIGIN_GOSSIP && !is_full(j, c);
}
static bool is_any(const struct job *j, const struct candidate *c) {
        return !is_connected(j, c);
}

typedef bool (*source_fn)(const struct job *j, const struct candidate *c);

static void take(struct job *j, struct choice *c, source_fn source, unsigned n, bool is_spare,
                 unsigned max) {
        for (unsigned i = 0; i < c->n && n > 0 && j->n_prospects < max; i++) {
                if (!c->list[i] || !source(j, c->list[i]))
                        continue;
                j->prospects[j->n_prospects] = (struct prospect){ .candidate = *c->list[i],
                                                                  .number = j->n_prospects,
                                                                  .is_spare = is_spare };
                j->n_prospects++;
                c->list[i] = NULL;
                n--;
        }
}

/* One of each source; then all that is known to fit; what a look-up found may be no host
 * at all, so only a quarter is that. Those without a free slot, and those that are merely
 * connected to us, are asked last: whoever wants to be asked can connect. */
void job_prospects(struct job *j) {
        static const source_fn each[] = { is_from_history, is_from_dht, is_pinned, is_from_gossip };
        static const source_fn rest[] = { is_from_history, is_pinned, is_from_gossip };
        unsigned max = SET_OF(j)->candidates_max,
                 enough = j->rule.replicas + SET_OF(j)->offer_extra;
        CLEANUP(freep) struct choice *c = xnew(struct choice);

        max = max < JOB_PROSPECTS_MAX ? max : JOB_PROSPECTS_MAX;
        list_wanted(j, c);
        j->n_prospects = 0;
        for (size_t i = 0; i < ELEMENTSOF(each); i++)
                take(j, c, each[i], 1, false, max);
        take(j, c, is_from_dht, max / 4, false, max);
        for (size_t i = 0; i < ELEMENTSOF(rest); i++)
                take(j, c, rest[i], max, false, max);
        take(j, c, is_any, max, true, max);
        take(j, c, is_connected, max, true, enough < max ? enough : max);
}

/* ---- Asking ---- */

static bool may_be_asked(const struct prospect *p, nsec_t now) {
        return !p->is_busy && !p->is_out && p->not_before <= now;
}

static void ask(struct job *j, unsigned n, nsec_t now) {
        struct round *o = &j->round;

        for (; n > 0 && o->next < o->n_order; n--)
                (void) replica_open(j, &j->prospects[o->order[o->next++]], 0, now);
}

static void move_to(unsigned *order, unsigned from, unsigned to) {
        unsigned x = order[from];

        memmove(&order[to + 1], &order[to], (from - to) * sizeof(*order));
        order[to] = x;
}

/* One of each source that must have a voter is among the first; spare ones are last. */
static void arrange(const struct job *j, struct round *o) {
        static const source_fn first[] = { is_from_dht, is_from_history };
        unsigned n = 0;

        for (unsigned i = 0; i < o->n_order; i++)
                if (!j->prospects[o->order[i]].is_spare)
                        move_to(o->order, i, n++);
        for (size_t f = 0; f < ELEMENTSOF(first); f++)
                for (unsigned i = 0; i < o->n_order; i++)
                        if (first[f](j, &j->prospects[o->order[i]].candidate)) {
                                move_to(o->order, i, 0);
                                break;
                        }
}

/* Returns how many hosts there are to ask; 0: no round was begun. */
unsigned round_begin(struct job *j, unsigned want, unsigned fewest, nsec_t now) {
        struct round *o = &j->round;

        *o = (struct round){ .want = want, .fewest = fewest, .began = now };
        for (unsigned i = 0; i < j->n_prospects; i++)
                if (may_be_asked(&j->prospects[i], now))
                        o->order[o->n_order++] = i;
        shuffle(&RQ_OF(j)->rng, o->order, o->n_order);
        arrange(j, o);
        if (roomier_is_wanted(j))
                roomier_first(j, o->order, o->n_order);
        o->is_active = o->n_order > 0;
        if (o->is_active)
                ask(j, want + SET_OF(j)->offer_extra, now);
        return o->n_order;
}

/* ---- Choosing ---- */

/* Another voter of this group has a replica that counts or may still count. */
static bool group_is_taken(const struct job *j, const struct replica *r) {
        unsigned in_block = 0;

        FOREACH_REPLICA (other, j) {
                if (other == r || other->run != 0 || other->stage <= REPLICA_BID ||
                    (other->stage == REPLICA_OVER && !other->is_vote))
                        continue;
                if (other->group == r->group)
                        return true;
                in_block += r->voter.block[0] && strcmp(other->voter.block, r->voter.block) == 0;
        }
        return in_block >= VOTERS_PER_V6_BLOCK;
}

static unsigned list_bids(const struct job *j, struct replica **ret) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                if (r->stage == REPLICA_BID && !group_is_taken(j, r))
                        ret[n++] = r;
        return n;
}

/* Distinct voters among the bids: what may still be chosen. */
static unsigned count_bids(const struct job *j) {
        struct replica *bids[JOB_REPLICAS_MAX];
        unsigned n = list_bids(j, bids), distinct = 0;

        for (unsigned i = 0; i < n; i++) {
                unsigned k = 0;

                while (k < i && bids[k]->group != bids[i]->group)
                        k++;
                distinct += k == i;
        }
        return distinct;
}

/* Before others: hosts that are known, then the sooner ready. */
static bool is_better(const struct job *j, const struct replica *a, const struct replica *b) {
        bool a_known = trust_is_known(RQ_OF(j)->trust, &a->prospect->candidate.peer);
        bool b_known = trust_is_known(RQ_OF(j)->trust, &b->prospect->candidate.peer);

        if (a_known != b_known)
                return a_known;
        if (a->bid.fetch_bytes != b->bid.fetch_bytes)
                return a->bid.fetch_bytes < b->bid.fetch_bytes;
        return a->bid.estimate_us < b->bid.estimate_us;
}

static struct replica *best_of(const struct job *j, struct replica **bids, unsigned n) {
        struct replica *best = bids[0];

        for (unsigned i = 1; i < n; i++)
                if (is_better(j, bids[i], best))
                        best = bids[i];
        return best;
}

/* A host of this source has the job, or has given its vote. */
static bool has_voter(const struct job *j, source_fn source) {
        FOREACH_REPLICA (r, j)
                if (r->run == 0 && source(j, &r->prospect->candidate) && r->stage > REPLICA_BID &&
                    (r->stage != REPLICA_OVER || r->is_vote))
                        return true;
        return false;
}

/* Own history and the DHT have a voter each where they have a bid: what gossip says
 * then does not decide alone. */
static struct replica *next_of(const struct job *j, struct replica **bids, unsigned n) {
        static const source_fn sources[] = { is_from_history, is_from_dht };
        struct replica *some[JOB_REPLICAS_MAX];

        for (size_t s = 0; s < ELEMENTSOF(sources); s++) {
                unsigned k = 0;

                if (has_voter(j, sources[s]))
                        continue;
                for (unsigned i = 0; i < n; i++)
                        if (sources[s](j, &bids[i]->prospect->candidate))
                                some[k++] = bids[i];
                if (k > 0)
                        return best_of(j, some, k);
        }
        return best_of(j, bids, n);
}

/* The last one is drawn uniformly from all that are left, so that no claim about
 * speed or price buys every place. */
static unsigned choose(struct job *j, nsec_t now) {
        struct replica *bids[JOB_REPLICAS_MAX];
        unsigned chosen = 0;

        while (chosen < j->round.want) {
                unsigned n = list_bids(j, bids);
                struct replica *r;

                if (n == 0)
                        break;
                if (diverse_is_missing(j)) {
                        unsigned k = diverse_pick(j, bids, n);

                        if (k == 0 && chosen + 1 == j->round.want)
                                break; /* one more of the same engine decides nothing */
                        n = k > 0 ? k : n;
                }
                if (roomier_is_wanted(j))
                        r = roomier_pick(bids, n);
                else if (chosen + 1 == j->round.want)
                        r = bids[rng_below(&RQ_OF(j)->rng, n)];
                else
                        r = next_of(j, bids, n);
                if (!trust_is_known(RQ_OF(j)->trust, &r->prospect->candidate.peer))
                        j->has_strangers = true;
                replica_dispatch(r, now);
                chosen++;
        }
        return chosen;
}

/* Everybody who was asked and not taken hears it at once. */
void round_stop(struct job *j, nsec_t now) {
        j->round.is_active = false;
        FOREACH_REPLICA (r, j) {
                if (r->run != 0 || r->stage > REPLICA_BID)
                        continue;
                r->prospect->is_busy = vote_holder(j, r->prospect);
                replica_cancel(r, now);
                replica_finish(r);
        }
}

#define LOST_AT_ONCE   (500 * NSEC_PER_MSEC) /* silent hosts take longer to fail */
#define LOST_AGAIN_MAX 6
/* transport lets an address rest for half a second after a failure */
#define DIAL_AGAIN_AFTER (600 * NSEC_PER_MSEC)

static bool was_cut_off(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        return core->is_cut_off || core->was_cut_off > j->round.began;
}

/* Somebody could not be reached, and our own transport was gone meanwhile, or that was known at
 * once: it may be starting again. Hosts that say nothing have had their time to bid; but a job
 * that was under way when we were restarted is not given up for what is slow then. */
static bool has_lost_some(const struct job *j, nsec_t now) {
        if (j->rounds_failed >= LOST_AGAIN_MAX ||
            (!j->is_restored && !was_cut_off(j) && nsec_sub(now, j->round.began) > LOST_AT_ONCE))
                return false;
        FOREACH_REPLICA (r, j)
                if (r->run == 0 && r->stage == REPLICA_OVER && r->problem == OUTCOME_TIMEOUT &&
                    !r->prospect->is_out)
                        return true;
        return false;
}

static bool is_unreached(const struct replica *r) {
        return r->run == 0 && !r->prospect->is_out &&
               (r->stage == REPLICA_OPENING ||
                (r->stage == REPLICA_OVER && r->problem == OUTCOME_TIMEOUT && !r->has_said &&
                 !r->offered));
}

/* A dial that was not answered says nothing of the host: a busy machine or a few lost packets
 * do that too. Once a job, in its own time, such hosts are dialled again before it is said
 * that they are too few; who was reached and did not bid has had its time. */
static bool may_dial_again(const struct job *j, nsec_t now) {
        nsec_t takes = DIAL_AGAIN_AFTER + SET_OF(j)->dial_timeout;

        if (j->has_dialled_again || now > nsec_sub(j->deadline, takes))
                return false;
        FOREACH_REPLICA (r, j)
                if (is_unreached(r))
                        return true;
        return false;
}

static bool bids_are_diverse(const struct job *j) {
        struct replica *bids[JOB_REPLICAS_MAX];
        unsigned n = list_bids(j, bids);

        return diverse_is_possible(j, bids, n);
}

/* Hosts of engines that have their voter are of no use to a job that needs another one. */
static void leave_out_bids(struct job *j) {
        FOREACH_REPLICA (r, j)
                if (r->stage == REPLICA_BID && r->run == 0)
                        r->prospect->is_out = true;
}

static void round_close(struct job *j, nsec_t now) {
        unsigned bids = count_bids(j);

        if (bids < j->round.fewest && !has_lost_some(j, now) && may_dial_again(j, now)) {
                j->has_dialled_again = true;
                j->fewest_again = j->round.fewest;
                round_stop(j, now);
                j->retry_at = nsec_add(now, DIAL_AGAIN_AFTER);
                return;
        }
        if (bids < j->round.fewest && has_lost_some(j, now)) {
                round_stop(j, now);
                j->retry_at =
                        nsec_add(now, retry_pause(SET_OF(j), j->rounds_failed++, &RQ_OF(j)->rng));
                return;
        }
        if (bids < j->round.fewest) {
                round_stop(j, now);
                job_too_few(j, bids, j->round.fewest, now);
                return;
        }
        if (!bids_are_diverse(j)) {
                leave_out_bids(j);
                if (j->round.fewest > 0) {
                        round_stop(j, now);
                        job_too_few(j, bids, j->round.fewest, now);
                        return;
                }
        }
        roomier_leave_out(j, now);
        if (choose(j, now) == 0)
                j->retry_at =
                        nsec_add(now, retry_pause(SET_OF(j), j->rounds_failed++, &RQ_OF(j)->rng));
        round_stop(j, now);
}

/* ---- Waiting ---- */

static nsec_t estimate_of(const struct job *j) {
        uint64_t us = 0;

        FOREACH_REPLICA (r, j)
                if (r->stage == REPLICA_BID && r->bid.estimate_us > us)
                        us = r->bid.estimate_us;
        return us > NSEC_NEVER / NSEC_PER_USEC ? NSEC_NEVER : us * NSEC_PER_USEC;
}

/* How long better bids are waited for, once there are enough. */
static nsec_t patience(const struct job *j) {
        const struct query_settings *s = SET_OF(j);
        nsec_t share = (nsec_t) ((double) estimate_of(j) * s->bid_wait_share);

        return nsec_min(nsec_min(s->bid_wait_max, nsec_sub(j->round.kth, j->round.began)), share);
}

static unsigned count_waiting(const struct job *j) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                n += r->run == 0 && replica_is_waiting(r);
        return n;
}

void round_step(struct job *j, nsec_t now) {
        const struct query_settings *s = SET_OF(j);
        struct round *o = &j->round;
        unsigned bids = count_bids(j), waiting = count_waiting(j);

        if (bids < o->want && o->next < o->n_order &&
            (waiting == 0 || job_due(j, nsec_add(o->began, s->offer_rest_after), now))) {
                ask(j, o->n_order, now);
                waiting = count_waiting(j);
        }
        if (!bids_are_diverse(j))
                bids = 0; /* a host of another engine is waited for */
        if (bids >= o->want && !o->kth)
                o->kth = now;
        if (waiting == 0 || job_due(j, nsec_add(o->began, s->bid_wait_limit), now) ||
            (bids >= o->want && job_due(j, nsec_add(o->kth, patience(j)), now)))
                round_close(j, now);
}
