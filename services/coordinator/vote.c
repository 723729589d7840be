/* Commits, and what they decide. */

#include "common/base/memory.h"
#include "common/canonical/receipt.h"
#include "services/coordinator/requester_core.h"

/* ---- Is it a commit of this host, for this run, and what it says it is? ---- */

static bool is_admitted(const struct descriptor *d, struct bytes engine_class) {
        for (size_t i = 0; i < d->n_classes; i++)
                if (bytes_equal(d->classes[i], engine_class))
                        return true;
        return false;
}

static bool take_answer(const Grid__Commit *c, struct answer *ret) {
        if (c->answer.len != HASH_SIZE || c->sequence_root.len != HASH_SIZE)
                return false;
        *ret = (struct answer){ .form = c->form,
                                .error = c->error,
                                .position = c->position,
                                .batches = c->batches,
                                .rows = c->rows,
                                .bytes = c->bytes };
        memcpy(ret->hash.bytes, c->answer.data, HASH_SIZE);
        memcpy(ret->sequence_root.bytes, c->sequence_root.data, HASH_SIZE);
        return true;
}

static bool tags_fit(const struct job *j, const struct commit_statement *s,
                     const struct answer *a) {
        struct hash_value answer = answer_tag(&j->salt, a), result = answer_result_tag(&j->salt, a);

        return hash_equal(&answer, &s->answer_tag) && hash_equal(&result, &s->result_tag);
}

/* Signed by this host, about this run. NULL: all is well; else the name of what is
 * wrong. *ret holds views into c. */
static const char *check_statement(const struct replica *r, const Grid__Commit *c,
                                   struct commit_statement *ret) {
        const struct job *j = r->job;
        struct bytes statement = BYTES(c->statement.data, c->statement.len);
        struct bytes signature = BYTES(c->signature.data, c->signature.len);
        struct sign_public key;

        if (signature.len != SIGNATURE_SIZE || statement.len > STATEMENT_BYTES_MAX ||
            !peer_id_ed25519(&r->prospect->candidate.peer, &key) ||
            !RQ_OF(j)->core->verify(&key, statement, signature))
                return "field=signature";
        if (commit_decode(statement, ret) != STATEMENT_OK)
                return "field=statement";
        if (!hash_equal(&ret->job, &j->id) || ret->run != r->run ||
            !bytes_equal(ret->host, peer_id_bytes(&r->prospect->candidate.peer)))
                return "field=job";
        return NULL;
}

/* The plain values beside a statement, by the rules of whoever verifies a receipt. */
static const char *check_values(const struct replica *r, const Grid__Commit *c,
                                const struct commit_statement *s, struct answer *ret) {
        const struct job *j = r->job;
        CLEANUP(freep) struct descriptor *d = xnew(struct descriptor);

        if (descriptor_decode(buffer_bytes(&j->descriptor), d, NULL) ||
            !is_admitted(d, s->engine_class))
                return "field=engine";
        if (!take_answer(c, ret) || !tags_fit(j, s, ret))
                return "field=tags";
        return receipt_answer_is_whole(ret, &j->schema->digest) && receipt_answer_is_allowed(d, ret)
                       ? NULL
                       : "field=answer";
}

/* ---- Taking it ---- */

static bool answers_equal(const struct answer *a, const struct answer *b) {
        return hash_equal(&a->hash, &b->hash);
}

struct replica *vote_holder(const struct job *j, const struct prospect *p) {
        FOREACH_REPLICA (r, j)
                if (r->is_vote && r->prospect == p)
                        return r;
        return NULL;
}

bool vote_speaks(const struct job *j, const struct replica *r) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        for (size_t i = 0; i < j->quorum.n_votes; i++)
                if (j->quorum.votes[i].host == r->prospect->number)
                        return r->is_vote && t.is_counted[i];
        return false;
}

/* The vote of this host is void. From JOB_CLOSING on it is what was decided with. */
static void strike(struct replica *r, enum verdict why) {
        struct job *j = r->job;
        struct replica *vote = vote_holder(j, r->prospect);

        if (!vote || j->stage >= JOB_CLOSING)
                return;
        quorum_strike(&j->quorum, r->prospect->number);
        vote->is_vote = vote->agrees = false;
        vote->judged = why;
        if (vote->has_lane && vote != r)
                lane_reset(&vote->lane);
        if (vote != r)
                replica_drop_lane(vote);
}

void vote_withdraw(struct replica *r) {
        strike(r, VERDICT_MALFORMED);
}

/* Another signed commit of the same host for the same run: said again, or with
 * another answer, and then the two are a fault proof, whatever its values are. */
static void second_commit(struct replica *r, const Grid__Commit *c,
                          const struct commit_statement *s) {
        struct job *j = r->job;
        struct hash_value tag = answer_tag(&j->salt, &r->answer);

        if (hash_equal(&tag, &s->answer_tag) || r->has_lied_twice)
                return;
        buffer_put(&r->second.bytes, c->statement.data, c->statement.len);
        memcpy(r->second.signature, c->signature.data, SIGNATURE_SIZE);
        strike(r, VERDICT_INCORRECT);
        job_event(j, EVENT_WARNING, "fault_proof", &r->prospect->candidate.peer);
        r->has_lied_twice = true;
        r->judged = VERDICT_INCORRECT;
        r->prospect->is_out = true;
        journal_judgement(j, r);
        if (r->has_lane)
                lane_reset(&r->lane);
        replica_drop_lane(r);
}

/* What it signs counts, not what it had bid: a commit may be one from before. */
static void take_engine(struct replica *r, struct bytes class) {
        if (class.len >= sizeof(r->bid.engine))
                return;
        memcpy(r->bid.engine, class.data, class.len);
        r->bid.engine[class.len] = 0;
}

static void keep_commit(struct replica *r, const Grid__Commit *c, const struct answer *answer,
                        nsec_t now) {
        buffer_clear(&r->commit.bytes);
        buffer_put(&r->commit.bytes, c->statement.data, c->statement.len);
        memcpy(r->commit.signature, c->signature.data, SIGNATURE_SIZE);
        r->commit.is_signed = true;
        r->has_commit = true;
        r->answer = *answer;
        r->committed = now;
        r->stage = REPLICA_COMMITTED;
        if (answer->form == ANSWER_ERROR)
                replica_says(r, c->text);
        if (c->claimed) {
                r->claimed.cpu_us = c->claimed->cpu_us;
                r->claimed.wall_us = c->claimed->wall_us;
                r->claimed.peak_memory = c->claimed->peak_memory;
                r->claimed.rows = c->claimed->rows;
                r->claimed.bytes = c->claimed->bytes;
        }
}

/* The host has voted on another stream; the answer has to be the one it gave there. */
static void again_commit(struct replica *r, struct replica *vote, const Grid__Commit *c,
                         const struct commit_statement *s) {
        if (answers_equal(&vote->answer, &r->answer))
                r->agrees = vote->agrees;
        else
                second_commit(vote, c, s);
}

/* What this commit is good for: a vote, rows, or (a re-check) its verdict. */
static void use_commit(struct replica *r, const Grid__Commit *c, const struct commit_statement *s) {
        struct job *j = r->job;
        struct replica *vote = vote_holder(j, r->prospect);
        bool may_agree =
                j->stage == JOB_ROWS && !r->is_cancelled && answers_equal(&r->answer, &j->accepted);

        if (vote && vote->run == r->run)
                again_commit(r, vote, c, s);
        else if (r->run == 0 && !r->is_again && j->stage < JOB_CLOSING)
                r->is_vote = quorum_vote(&j->quorum, r->prospect->number, r->group,
                                         job_engine_number(j, r->bid.engine), &r->answer.hash);
        if (r->is_vote)
                r->prospect->is_busy = true; /* let go, it was free for a moment */
        if (may_agree && (r->is_vote || r->is_for_rows))
                r->agrees = true;
}

void vote_commit(struct replica *r, const Grid__Commit *c, nsec_t now) {
        struct commit_statement s;
        struct answer answer;
        const char *wrong = check_statement(r, c, &s);

        if (!wrong && r->has_commit) {
                second_commit(r, c, &s);
                return;
        }
        if (!wrong)
                wrong = check_values(r, c, &s, &answer);
        if (wrong) {
                replica_fail(r, VERDICT_MALFORMED, OUTCOME_MISMATCH, wrong, now);
                return;
        }
        take_engine(r, s.engine_class);
        keep_commit(r, c, &answer, now);
        use_commit(r, c, &s);
}

unsigned job_live(const struct job *j, uint32_t run) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                n += r->run == run && !r->is_again &&
                     (replica_is_live(r) || (run == 1 && r->stage < REPLICA_SIGNING));
        return n;
}

unsigned job_group(struct job *j, const char *group) {
        for (unsigned i = 0; i < j->n_groups; i++)
                if (strcmp(j->groups[i], group) == 0)
                        return i;
        check(j->n_groups < JOB_REPLICAS_MAX);
        j->groups[j->n_groups] = xstrdup(group);
        return j->n_groups++;
}

/* ---- Deciding ---- */

static bool is_vote_for(const struct replica *r, const struct hash_value *answer) {
        return r->is_vote && hash_equal(&r->answer.hash, answer);
}

/* A lie is computed faster than the truth: unless all that agree have earned it,
 * the slower ones are heard, too. */
static bool is_agreed(struct job *j, const struct tally *t, nsec_t now) {
        const struct query_settings *s = SET_OF(j);
        int64_t wall = core_wall_us(RQ_OF(j)->core, now);
        bool all_trusted = true;
        nsec_t wait;

        if (job_live(j, 0) == 0 || j->rule.mode == MODE_FAST)
                return true;
        FOREACH_REPLICA (r, j)
                if (is_vote_for(r, &t->leader) &&
                    trust_score(RQ_OF(j)->trust, &r->prospect->candidate.peer, wall) <
                            s->agree_wait_trust)
                        all_trusted = false;
        if (all_trusted)
                return true;
        if (!j->reached)
                j->reached = now;
        wait = (nsec_t) ((double) nsec_sub(j->reached, j->first_dispatch) * s->agree_wait_share);
        return job_due(j, nsec_add(j->reached, nsec_max(s->agree_wait_min, wait)), now);
}

static void accept(struct job *j, const struct tally *t, nsec_t now) {
        bool is_other = !j->is_accepted || !hash_equal(&j->accepted.hash, &t->leader);
        bool has_source = !is_other; /* then what was accepted stays */

        round_stop(j, now);
        j->is_accepted = j->is_accepted && !is_other;
        FOREACH_REPLICA (r, j) {
                if (r->run != 0 && !r->is_vote)
                        continue;
                r->agrees = is_vote_for(r, &t->leader) && !r->is_rows_bad;
                /* What a voter with bad rows signed is a vote all the same; without another
                 * its values stand here until somebody is found who has the rows. */
                if (is_vote_for(r, &t->leader) && (r->agrees || !j->is_accepted) && !has_source) {
                        j->accepted = r->answer;
                        j->is_accepted = true;
                        has_source = r->agrees;
                }
                if (r->agrees)
                        replica_hold(r);
                else if (r->stage != REPLICA_OVER || r->has_commit)
                        replica_cancel(r, now);
        }
        j->hold_at = nsec_add(now, SET_OF(j)->hold_interval);
        j->is_contested = false;
        j->stage = JOB_ROWS;
        if (is_other)
                rows_begin(j, now);
}

static void give_up(struct job *j, const struct tally *t, nsec_t now) {
        unsigned need = j->rule.mode == MODE_UNANIMOUS ? j->rule.replicas : j->rule.quorum;
        char detail[DETAIL_MAX];

        if (t->answers == 1 && t->first >= need && t->engines < j->rule.engines) {
                (void) snprintf(detail, sizeof(detail),
                                "have=%u equal answers of one engine need=two engines", t->first);
                job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
        } else if (t->answers > 1) {
                (void) snprintf(detail, sizeof(detail), "answers=%u voters=%u", t->answers,
                                t->voters);
                job_fail(j, OUTCOME_SPLIT, detail, now);
        } else {
                job_too_few(j, t->voters, need, now);
        }
}

/* Hosts that failed may be asked again after their pause. */
static nsec_t next_prospect(const struct job *j) {
        nsec_t when = NSEC_NEVER;

        for (unsigned i = 0; i < j->n_prospects; i++)
                if (!j->prospects[i].is_busy && !j->prospects[i].is_out)
                        when = nsec_min(when, j->prospects[i].not_before);
        return when;
}

/* More hosts: one at a time for a dissent, as many as failed otherwise. */
static void recruit(struct job *j, const struct tally *t, nsec_t now) {
        unsigned live = job_live(j, 0), missing = quorum_missing(&j->quorum, t), want = 0, fewest;
        nsec_t next = next_prospect(j);

        if (live == 0 && job_errs_alike(j)) {
                give_up(j, t, now);
                return;
        }
        if (t->answers > 1)
                want = live == 0 ? 1 : 0;
        else if (t->voters + live < j->rule.replicas)
                want = j->rule.replicas - t->voters - live;
        if (want == 0 && live == 0)
                want = missing;
        if (want == 0 || !job_due(j, j->retry_at, now))
                return;
        if (next == NSEC_NEVER) {
                if (live == 0)
                        give_up(j, t, now);
                return;
        }
        if (!job_due(j, next, now))
                return;
        if (t->answers < 2 && !retry_take(&RQ_OF(j)->retry, now)) {
                (void) job_due(j, retry_next(&RQ_OF(j)->retry, now), now);
                return;
        }
        fewest = j->fewest_again;
        j->fewest_again = 0;
        round_begin(j, want, fewest, now);
        round_step(j, now);
}

/* Unanimous: those who differ from the leader run it once more, each once. */
static bool recheck_some(struct job *j, const struct tally *t, nsec_t now) {
        bool is_any = false;

        FOREACH_REPLICA (r, j)
                if (vote_speaks(j, r) && r->run == 0 && !hash_equal(&r->answer.hash, &t->leader) &&
                    !recheck_of(j, r) && replica_open(j, r->prospect, 1, now))
                        is_any = true;
        return is_any;
}

/* A dissent that does not stand: what the host said then is its vote, and both runs
 * are in the receipt. */
static void take_rechecks(struct job *j) {
        FOREACH_REPLICA (r, j) {
                struct replica *first = vote_holder(j, r->prospect);

                if (r->run != 1 || r->is_for_rows || r->is_vote || !r->has_commit ||
                    r->has_lied_twice || !first || answers_equal(&first->answer, &r->answer))
                        continue;
                quorum_revote(&j->quorum, r->prospect->number, &r->answer.hash);
                first->is_vote = first->agrees = false;
                r->is_vote = true;
                r->voter = first->voter;
                r->group = first->group;
        }
}

static void contested_unanimous(struct job *j, struct tally *t, nsec_t now) {
        if (job_live(j, 0) > 0 || job_live(j, 1) > 0 || recheck_some(j, t, now))
                return;
        take_rechecks(j);
        quorum_tally(&j->quorum, t);
        if (t->answers > 1)
                give_up(j, t, now);
        else
                job_grid_step(j, now);
}

static void contested(struct job *j, struct tally *t, nsec_t now) {
        if (!j->was_contested)
                job_event(j, EVENT_INFO, "contested", NULL);
        j->is_contested = j->was_contested = true;
        if (j->rule.mode == MODE_UNANIMOUS)
                contested_unanimous(j, t, now);
        else if (!j->round.is_active)
                recruit(j, t, now);
}

void job_grid_step(struct job *j, nsec_t now) {
        struct tally t;

        if (j->round.is_active)
                round_step(j, now);
        if (j->stage != JOB_GRID)
                return;
        quorum_tally(&j->quorum, &t);
        switch (quorum_state(&j->quorum, &t)) {
        case QUORUM_REACHED:
                if (is_agreed(j, &t, now))
                        accept(j, &t, now);
                break;
        case QUORUM_SPLIT:
                if (job_live(j, 0) == 0)
                        give_up(j, &t, now);
                break;
        case QUORUM_CONTESTED:
                j->reached = 0;
                contested(j, &t, now);
                break;
        case QUORUM_OPEN:
                j->reached = 0;
                if (!j->round.is_active)
                        recruit(j, &t, now);
                break;
        }
}

bool vote_recruit(struct job *j, nsec_t now) {
        nsec_t next = next_prospect(j);

        if (j->round.is_active)
                round_step(j, now);
        if (j->round.is_active || job_live(j, 0) > 0)
                return true;
        if (next == NSEC_NEVER)
                return false;
        if (job_due(j, nsec_max(next, j->retry_at), now))
                round_begin(j, 1, 0, now);
        return true;
}

/* While rows are under way a late commit may take the lead away again. */
bool vote_still_stands(struct job *j) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        return quorum_state(&j->quorum, &t) == QUORUM_REACHED &&
               hash_equal(&t.leader, &j->accepted.hash);
}
