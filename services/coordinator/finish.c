/* How a job ends: verdicts signed, the receipt stored, hosts released and told;
 * then the re-check of those whose answer was another. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/receipt.h"
#include "services/coordinator/requester_core.h"

/* ---- Verdicts ---- */

static bool agrees(const struct job *j, const struct replica *r) {
        return j->is_accepted && r->is_vote && hash_equal(&r->answer.hash, &j->accepted.hash);
}

struct replica *recheck_of(const struct job *j, const struct replica *r) {
        FOREACH_REPLICA (again, j)
                if (again->run == 1 && !again->is_for_rows && !again->is_again &&
                    again->prospect == r->prospect)
                        return again;
        return NULL;
}

/* The other commit of a host that gave two answers: what `hardware` is proved with. */
static struct replica *other_run_of(const struct job *j, const struct replica *r) {
        FOREACH_REPLICA (other, j)
                if (other->run != r->run && other->prospect == r->prospect && other->has_commit &&
                    !other->is_for_rows && !other->is_again && other->dispatch.is_signed &&
                    !hash_equal(&other->answer.hash, &r->answer.hash))
                        return other;
        return NULL;
}

static unsigned votes_for_accepted(const struct job *j) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        return j->is_accepted && hash_equal(&t.leader, &j->accepted.hash) ? t.first : 0;
}

/* Of hosts with the same engine class: that another one answers otherwise is nobody's fault. */
static unsigned votes_of_class(const struct job *j, const struct replica *r) {
        unsigned n = 0;

        FOREACH_REPLICA (other, j)
                n += agrees(j, other) && vote_speaks(j, other) &&
                     strcmp(other->bid.engine, r->bid.engine) == 0;
        return n;
}

/* Nobody is incorrect on fewer than q + 1 votes, nor before a re-check. */
static bool wants_recheck(const struct job *j, const struct replica *r) {
        return r->is_vote && !r->judged && j->state == STATE_VERIFIED && !agrees(j, r) &&
               votes_for_accepted(j) > j->rule.quorum && votes_of_class(j, r) > j->rule.quorum;
}

static enum verdict verdict_now(const struct job *j, const struct replica *r) {
        if (j->state != STATE_VERIFIED)
                return VERDICT_INCONCLUSIVE;
        if (!agrees(j, r))
                return wants_recheck(j, r) ? 0 : VERDICT_INCONCLUSIVE;
        if (r->is_rows_bad && !r->is_counted)
                return VERDICT_MALFORMED;
        return r->run == 1 ? VERDICT_HARDWARE : VERDICT_CORRECT;
}

static enum verdict verdict_after_recheck(const struct job *j, const struct replica *r) {
        const struct replica *again = recheck_of(j, r);

        if (!again || again->is_ours) /* it could not be asked: that is no fault of its */
                return VERDICT_INCONCLUSIVE;
        if (again->has_commit && hash_equal(&again->answer.hash, &j->accepted.hash))
                return VERDICT_HARDWARE;
        return VERDICT_INCORRECT;
}

/* Those that the tally counted for the answer; hosts that served wrong rows only
 * where the quorum does not stand without them. */
static void count_voters(struct job *j, bool with_bad_rows) {
        FOREACH_REPLICA (r, j)
                r->is_counted =
                        agrees(j, r) && vote_speaks(j, r) && (with_bad_rows || !r->is_rows_bad);
}

static unsigned count_counted(const struct job *j) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                n += r->is_counted;
        return n;
}

static unsigned votes_against(const struct job *j) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        return t.second;
}

static enum result_state state_to_sign(const struct job *j) {
        if (j->problem == OUTCOME_SPLIT)
                return STATE_SPLIT;
        return j->state ? j->state : STATE_CONTESTED;
}

static uint64_t since_dispatch(const struct replica *r, nsec_t when) {
        return r->dispatched ? nsec_sub(when, r->dispatched) / NSEC_PER_USEC : 0;
}

/* The commit that contradicts the first, where there is one. */
static void add_evidence(const struct job *j, const struct replica *r,
                         struct verdict_statement *s) {
        const struct replica *other = r->judged == VERDICT_HARDWARE ? other_run_of(j, r) : NULL;

        if (other)
                s->evidence[s->n_evidence++] = statement_digest(buffer_bytes(&other->commit.bytes));
        else if (r->has_lied_twice)
                s->evidence[s->n_evidence++] = statement_digest(buffer_bytes(&r->second.bytes));
}

static void sign_verdict(struct job *j, struct replica *r, nsec_t now) {
        struct verdict_statement s = {
                .job = j->id,
                .host = peer_id_bytes(&r->prospect->candidate.peer),
                .verdict = r->judged,
                .state = state_to_sign(j),
                .mode = j->rule.mode,
                .replicas = (uint8_t) j->rule.replicas,
                .quorum = (uint8_t) j->rule.quorum,
                .voter_group = BYTES_STR(r->voter.group),
                .n_facts = 1,
                .n_evidence = 1,
                .evidence = { statement_digest(buffer_bytes(&r->commit.bytes)) },
                .time_us = core_wall_us(RQ_OF(j)->core, now),
                .started_us = since_dispatch(r, r->started),
                .committed_us = since_dispatch(r, r->committed),
                .ended_us = since_dispatch(r, now),
        };
        struct action *a;

        add_evidence(j, r, &s);
        s.facts[0] = (struct statement_fact){ BYTES_STR(r->voter.fact), BYTES_STR(r->voter.group),
                                              r->voter.is_measured };
        buffer_clear(&r->verdict.bytes);
        r->verdict.is_signed = r->is_told = false;
        if (verdict_encode(&s, &r->verdict.bytes) != STATEMENT_OK) {
                job_event(j, EVENT_WARNING, "verdict_too_big", NULL);
                return;
        }
        j->unsigned_verdicts++;
        a = actions_add(ACTIONS(j), ACTION_SIGN,
                        handle_open(RQ_OF(j), &r->request, HANDLE_REQUEST));
        a->n = STATEMENT_VERDICT;
        a->data = refbuf_new(buffer_bytes(&r->verdict.bytes));
}

static void judge(struct job *j, struct replica *r, enum verdict verdict, nsec_t now) {
        r->judged = verdict;
        if (!r->is_rows_bad)
                journal_judgement(j, r);
        sign_verdict(j, r, now);
}

/* ---- The receipt ---- */

static void receipt_part(const struct job *j, const struct replica *r, struct receipt_host *h) {
        (void) peer_id_ed25519(&r->prospect->candidate.peer, &h->key);
        h->dispatch = buffer_bytes(&r->dispatch.bytes);
        h->dispatch_signature = BYTES_OF(r->dispatch.signature);
        h->commit = buffer_bytes(&r->commit.bytes);
        h->commit_signature = BYTES_OF(r->commit.signature);
        h->answer = r->answer;
        h->counted = r->is_counted && r->verdict.is_signed;
        if (r->verdict.is_signed) {
                h->verdict = buffer_bytes(&r->verdict.bytes);
                h->verdict_signature = BYTES_OF(r->verdict.signature);
        }
}

static void add_part(const struct job *j, const struct replica *r, struct receipt *receipt) {
        if (receipt->n_hosts < RECEIPT_VOTERS_MAX)
                receipt_part(j, r, &receipt->hosts[receipt->n_hosts]);
        receipt->n_hosts++;
}

/* What the tally counted, for and against, and the other run of a host that is
 * `hardware`. A vote that does not speak for its group, was struck, or came after the
 * decision is not there: nothing rests on it. */
static void add_parts(const struct job *j, struct receipt *receipt) {
        FOREACH_REPLICA (r, j) {
                const struct replica *other;

                if (!vote_speaks(j, r) || !r->dispatch.is_signed)
                        continue;
                add_part(j, r, receipt);
                other = r->judged == VERDICT_HARDWARE ? other_run_of(j, r) : NULL;
                if (other)
                        add_part(j, other, receipt);
        }
}

/* VERIFIED needs the signed verdict of as many as it needs votes. */
static bool proves_enough(const struct job *j, const struct receipt *receipt) {
        unsigned n = 0;

        for (size_t i = 0; i < receipt->n_hosts; i++)
                n += receipt->hosts[i].counted;
        return j->state != STATE_VERIFIED || n >= j->rule.quorum + votes_against(j);
}

/* Returns the bundle, or NULL when there is nothing to prove, or not enough for it. */
static struct refbuf *make_receipt(struct job *j) {
        CLEANUP(freep) struct receipt *receipt = xnew(struct receipt);
        CLEANUP(buffer_donep) struct buffer b = {};

        receipt->descriptor = buffer_bytes(&j->descriptor);
        receipt->sql = BYTES_STR(j->sql);
        if (!peer_id_ed25519(&RQ_OF(j)->core->self, &receipt->requester))
                return NULL;
        add_parts(j, receipt);
        buffer_init(&b, RECEIPT_BYTES_MAX);
        if (receipt->n_hosts == 0)
                return NULL;
        if (receipt->n_hosts > RECEIPT_VOTERS_MAX || !proves_enough(j, receipt) ||
            !receipt_encode(receipt, &b)) {
                job_event(j, EVENT_WARNING, "receipt_incomplete", NULL);
                return NULL;
        }
        return refbuf_new(buffer_bytes(&b));
}

static bool store_receipt(struct job *j) {
        struct refbuf *bundle = make_receipt(j);
        struct action *a;

        if (!bundle)
                return false;
        cached_store(j, refbuf_bytes(bundle));
        a = actions_add(ACTIONS(j), ACTION_RECEIPT,
                        handle_open(RQ_OF(j), &j->receipt, HANDLE_RECEIPT));
        a->hash = j->id;
        a->data = bundle;
        return true;
}

/* ---- Telling the hosts ---- */

static void send_verdict(struct replica *r, struct signed_bytes *verdict, nsec_t now) {
        Grid__Verdict v = GRID__VERDICT__INIT;
        Grid__JobMessage m;

        v.statement = (ProtobufCBinaryData){ verdict->bytes.len, verdict->bytes.data };
        v.signature = (ProtobufCBinaryData){ SIGNATURE_SIZE, verdict->signature };
        job_message_init(&m, GRID__JOB_MESSAGE__BODY_VERDICT);
        m.verdict = &v;
        replica_send(r, &m, now);
}

/* On whatever stream to that host is open: the re-check's, when there was one. What
 * does not leave at once may never leave: it is owed too, and a host hears it once. */
static void tell(struct job *j, struct replica *r, nsec_t now) {
        if (!r->verdict.is_signed || r->is_told)
                return;
        FOREACH_REPLICA (through, j) {
                if (through->prospect != r->prospect || !through->has_lane || r->is_told ||
                    through->stage == REPLICA_OPENING)
                        continue;
                send_verdict(through, &r->verdict, now);
                r->is_told = through->has_lane && lane_queued(&through->lane) == 0;
        }
        if (!r->is_told)
                r->is_told = verdicts_owe(RQ_OF(j)->verdicts, &j->id, &r->prospect->candidate,
                                          &r->verdict, now);
}

/* Statements go out, then the streams end; those to hosts that keep the rows stay
 * until the client has read them. */
static void tell_all(struct job *j, nsec_t now) {
        FOREACH_REPLICA (r, j)
                tell(j, r, now);
        FOREACH_REPLICA (r, j) {
                bool is_kept = r->agrees && !j->is_settled;

                if (!is_kept && (r->run == 0 || r->stage >= REPLICA_COMMITTED))
                        replica_finish(r);
        }
}

/* ---- Stages ---- */

static void cancel_live(struct job *j, nsec_t now) {
        FOREACH_REPLICA (r, j)
                if (replica_is_live(r) || (r->run == 1 && r->stage < REPLICA_SIGNING))
                        replica_cancel(r, now);
}

/* The client has what it wanted, or will not come for it: only now the journal
 * forgets the job and the hosts their spools. Until then a restart of ours finds
 * both, and the client reads on. */
static void settle(struct job *j, nsec_t now) {
        j->is_settled = true;
        FOREACH_REPLICA (r, j)
                if (r->stage == REPLICA_COMMITTED && !r->is_cancelled && (r->run == 0 || r->agrees))
                        replica_release(r);
        journal_ended(j);
        tell_all(j, now);
}

static bool may_settle(struct job *j, nsec_t now) {
        nsec_t since = nsec_max(j->ended, j->idle_since);

        if (j->was_read || !j->state)
                return true;
        return (!j->client.id || j->client.has_all) &&
               job_due(j, nsec_add(since, SET_OF(j)->client_grace), now);
}

static bool has_statements(const struct job *j) {
        return !j->plan.is_local && !cached_is_served(j) && j->has_id &&
               (j->state || j->problem == OUTCOME_SPLIT);
}

/* No state is told of a job that has no answer: it is a defect of ours, and said to be one. */
static void set_state(struct job *j) {
        if (!j->is_accepted) {
                j->problem = OUTCOME_INTERNAL;
                (void) snprintf(j->detail, sizeof(j->detail), "what=no-answer");
                return;
        }
        if (j->plan.is_local)
                j->state = STATE_LOCAL;
        else if (cached_is_served(j))
                j->state = STATE_CACHED;
        else
                j->state = j->rule.mode == MODE_FAST ? STATE_UNVERIFIED : STATE_VERIFIED;
        if (j->accepted.form != ANSWER_ERROR)
                return;
        j->problem = OUTCOME_SQL_ERROR;
        j->position = (int32_t) j->accepted.position;
        (void) snprintf(j->detail, sizeof(j->detail), "code=%s position=%u",
                        sql_error_name(j->accepted.error), j->accepted.position);
        job_take_words(j);
}

static void sign_verdicts(struct job *j, nsec_t now) {
        count_voters(j, false);
        if (count_counted(j) < j->rule.quorum + votes_against(j))
                count_voters(j, true);
        FOREACH_REPLICA (r, j) {
                enum verdict verdict = r->is_vote ? verdict_now(j, r) : 0;

                if (verdict)
                        judge(j, r, verdict, now);
                else if (r->has_lied_twice && r->run == 0) /* was judged when it did */
                        sign_verdict(j, r, now);
        }
}

void job_close(struct job *j, nsec_t now) {
        if (j->stage >= JOB_CLOSING)
                return;
        j->stage = JOB_CLOSING;
        j->ended = now;
        j->elapsed = nsec_sub(now, j->began);
        if (!j->problem)
                set_state(j);
        round_stop(j, now);
        handle_close(RQ_OF(j), &j->cached.find);
        job_run_end(j, j->problem ? ACTION_WORK_CANCEL : ACTION_WORK_RELEASE);
        describe_done(j);
        job_inputs_done(j);
        cancel_live(j, now);
        if (has_statements(j))
                sign_verdicts(j, now);
        cost_learn(j, now);
}

void job_verdict_signed(struct replica *r, nsec_t now) {
        struct job *j = r->job;

        if (j->unsigned_verdicts > 0)
                j->unsigned_verdicts--;
        if (j->unsigned_verdicts > 0)
                return;
        if (j->stage == JOB_CLOSING) {
                j->needs_receipt = true;
        } else {
                (void) store_receipt(j);
                tell_all(j, now);
        }
}

void job_receipt_stored(struct job *j, bool ok, nsec_t now) {
        handle_close(RQ_OF(j), &j->receipt);
        j->has_receipt = j->has_receipt || ok;
        if (!ok)
                job_event(j, EVENT_WARNING, "receipt_not_stored", NULL);
}

void job_closing_step(struct job *j, nsec_t now) {
        if (j->unsigned_verdicts > 0 || j->receipt.id)
                return;
        if (j->needs_receipt) {
                j->needs_receipt = false;
                if (store_receipt(j))
                        return;
        }
        if (j->n_calls > 0 && !j->has_id && !j->is_explain)
                job_name_without_descriptor(j);
        if (j->n_calls > 0 && !j->is_journalled && j->has_id)
                return; /* the client knows no job yet */
        j->stage = JOB_ENDED;
        cached_keep_end(j);
        tell_all(j, now);
        FOREACH_REPLICA (r, j)
                if (wants_recheck(j, r) && !recheck_of(j, r))
                        (void) replica_open(j, r->prospect, 1, now);
}

static bool rechecks_are_over(struct job *j, nsec_t now) {
        return job_live(j, 1) == 0 ||
               job_due(j, nsec_add(j->ended, SET_OF(j)->recheck_timeout), now);
}

static bool is_told_all(const struct job *j) {
        FOREACH_REPLICA (r, j)
                if (r->has_lane)
                        return false;
        return true;
}

void job_ended_step(struct job *j, nsec_t now) {
        bool is_checked = rechecks_are_over(j, now);

        if (!j->is_settled && may_settle(j, now))
                settle(j, now);
        if (!j->is_settled)
                rows_hold(j, now);
        if (is_checked)
                FOREACH_REPLICA (r, j)
                        if (wants_recheck(j, r))
                                judge(j, r, verdict_after_recheck(j, r), now);
        if (!is_checked || !j->is_settled || j->unsigned_verdicts > 0 || j->receipt.id)
                return;
        if (!j->was_read &&
            !job_due(j, nsec_add(nsec_max(j->ended, j->idle_since), SET_OF(j)->client_grace), now))
                return;
        if (is_told_all(j) || job_due(j, nsec_add(j->ended, SET_OF(j)->statement_linger), now))
                j->is_dead = true;
}
