/* The last frame of a result: the state or the problem, who said what, and where
 * the receipt is. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/requester_core.h"

static void fill_problem(const struct job *j, Types__Problem *p) {
        types__problem__init(p);
        p->code = j->problem;
        p->detail = (char *) j->detail;
        p->text = (char *) j->host_text;
        p->peer = binary(peer_id_bytes(&j->problem_peer));
        p->position = j->position;
}

/* Where the vote of this host stands now: a re-check may have taken the place of its
 * first run. */
static const struct replica *vote_behind(const struct replica *r) {
        const struct replica *vote = r->has_commit ? vote_holder(r->job, r->prospect) : NULL;

        return vote ? vote : r;
}

static const char *verdict_text(const struct replica *r) {
        const char *name = r->judged ? verdict_name(r->judged) : NULL;

        if (name)
                return name;
        return r->has_commit ? "dissent" : r->problem ? "refused" : "";
}

/* Those that were given the job, and those that say why they would not take it. */
static bool is_reported(const struct replica *r) {
        return r->run == 0 && !r->is_again && (r->dispatched || r->problem);
}

static void fill_host_problem(const struct replica *r, Types__Problem *p) {
        types__problem__init(p);
        p->code = r->problem;
        p->detail = (char *) r->detail;
        p->peer = binary(peer_id_bytes(&r->prospect->candidate.peer));
        p->position = -1;
        if (r->problem != OUTCOME_SQL_ERROR || !r->said)
                return;
        p->text = r->said;
        p->position = r->said_at;
}

static void fill_host(const struct replica *r, struct job_end *ret, size_t i) {
        Coordinator__HostReport *h = &ret->reports[i];
        nsec_t end = r->has_commit ? r->committed : r->over;
        nsec_t began = r->dispatched ? r->dispatched : r->offered; /* 0: never reached */

        coordinator__host_report__init(h);
        h->peer = binary(peer_id_bytes(&r->prospect->candidate.peer));
        if (r->has_commit)
                h->answer = binary(hash_bytes(&r->answer.hash));
        h->verdict = (char *) verdict_text(vote_behind(r));
        h->elapsed_us = end && began ? nsec_sub(end, began) / NSEC_PER_USEC : 0;
        h->engine = (char *) r->bid.engine;
        h->counted = vote_behind(r)->is_counted;
        h->voter = (char *) r->voter.group;
        h->bid_us = nsec_sub(r->bid_at, r->offered) / NSEC_PER_USEC;
        h->origin = (char *) candidate_origin_name(r->prospect->candidate.origin);
        h->address = multiaddr_text(&r->remote.address, ret->addresses[i]);
        types__metering__init(&ret->claims[i]);
        ret->claims[i].cpu_us = r->claimed.cpu_us;
        ret->claims[i].wall_us = r->claimed.wall_us;
        ret->claims[i].peak_memory = r->claimed.peak_memory;
        ret->claims[i].rows = r->claimed.rows;
        ret->claims[i].bytes = r->claimed.bytes;
        h->claimed = &ret->claims[i];
        if (r->problem) {
                fill_host_problem(r, &ret->problems[i]);
                h->problem = &ret->problems[i];
        }
        ret->report_list[i] = h;
}

static void fill_hosts(const struct job *j, struct job_end *ret) {
        size_t n = 0;

        FOREACH_REPLICA (r, j)
                if (is_reported(r) && n < QUORUM_VOTES_MAX)
                        fill_host(r, ret, n++);
        ret->end.n_hosts = n;
        ret->end.hosts = ret->report_list;
}

/* Who said what, where that matters: SPLIT and CONTESTED. */
static void fill_answers(const struct job *j, struct job_end *ret) {
        size_t n = 0;

        FOREACH_REPLICA (r, j) {
                Coordinator__AnswerGroup *g;
                size_t i = 0;

                if (!is_reported(r) || !r->has_commit)
                        continue;
                while (i < n && memcmp(ret->groups[i].answer.data, r->answer.hash.bytes, HASH_SIZE))
                        i++;
                if (i == QUORUM_VOTES_MAX)
                        continue;
                g = &ret->groups[i];
                if (i == n) {
                        coordinator__answer_group__init(g);
                        g->answer = binary(hash_bytes(&r->answer.hash));
                        g->voters = ret->voters[i];
                        ret->group_list[n++] = g;
                }
                if (g->n_voters < QUORUM_VOTES_MAX)
                        g->voters[g->n_voters++] =
                                binary(peer_id_bytes(&r->prospect->candidate.peer));
        }
        ret->end.n_answers = n;
        ret->end.answers = ret->group_list;
}

/* Different engines among them. */
static unsigned count_engines(const struct job *j) {
        bool seen[DESCRIPTOR_CLASSES_MAX + 1] = {};
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                if (r->is_counted)
                        seen[job_engine_number(j, r->bid.engine)] = true;
        for (size_t i = 0; i < ELEMENTSOF(seen); i++)
                n += seen[i];
        return n;
}

static unsigned count_agreeing(const struct job *j) {
        unsigned n = 0;

        FOREACH_REPLICA (r, j)
                n += r->is_counted;
        return n;
}

static void fill_receipt(const struct job *j, struct job_end *ret) {
        char hex[2 * HASH_SIZE + 1];

        if (!j->has_receipt)
                return;
        hex_encode(hash_bytes(cached_receipt_of(j)), hex);
        (void) snprintf(ret->receipt, sizeof(ret->receipt), "%s/%s.receipt", SET_OF(j)->receipt_dir,
                        hex);
        ret->end.receipt = ret->receipt;
}

static void fill_cost(const struct job *j, struct job_end *ret) {
        const struct estimate_values *v = &j->cost.actual;

        if (j->cost.is_estimated) {
                cost_fill(j, &ret->estimate);
                ret->end.estimate = &ret->estimate;
        }
        if (!j->cost.has_actual)
                return;
        types__metering__init(&ret->actual);
        ret->actual.rows = v->of[ESTIMATE_ROWS];
        ret->actual.bytes = v->of[ESTIMATE_BYTES];
        ret->actual.cpu_us = v->of[ESTIMATE_CPU];
        ret->actual.peak_memory = v->of[ESTIMATE_MEMORY];
        ret->end.actual = &ret->actual;
}

/* An error of the statement is an answer, too: of so many that agreed, or the unsigned word of
 * each. */
static const char *error_state(const struct job *j) {
        if (j->problem != OUTCOME_SQL_ERROR)
                return "";
        if (j->state)
                return result_state_name(j->state);
        return j->problem_peer.len > 0 && (job_need(j) == 1 || j->is_error_unsigned)
                       ? result_state_name(STATE_UNVERIFIED)
                       : "";
}

void job_end_fill(const struct job *j, struct job_end *ret) {
        Coordinator__ResultEnd *e = &ret->end;

        memset(ret, 0, sizeof(*ret));
        coordinator__result_end__init(e);
        if (j->problem) {
                fill_problem(j, &ret->problem);
                e->problem = &ret->problem;
                e->error_state = (char *) error_state(j);
        } else {
                e->state = (char *) result_state_name(j->state);
        }
        if (j->is_accepted) {
                e->answer = binary(hash_bytes(&j->accepted.hash));
                e->rows = j->accepted.rows;
                e->bytes = j->accepted.bytes;
        }
        e->job = binary(hash_bytes(&j->id));
        e->executed_locally = j->plan.is_local;
        e->elapsed_us = j->elapsed / NSEC_PER_USEC;
        e->first_row_us = j->first_row ? nsec_sub(j->first_row, j->began) / NSEC_PER_USEC : 0;
        e->class_name = j->class_name ? j->class_name : (char *) "";
        if (j->plan.reason) {
                e->reason = (char *) job_reason(j, ret->reason);
                e->route = (char *) (j->plan.is_local ? "local" : j->plan.error ? "" : "grid");
        }
        e->engines = ret->engines;
        e->n_engines = job_list_classes(j, ret->engines);
        e->unusable = j->classes.unusable;
        if (cached_is_served(j)) {
                cached_end(j, ret);
        } else if (!j->plan.is_local) {
                e->agreement = count_agreeing(j);
                e->diverse = count_engines(j);
                e->quorum = j->rule.quorum;
                e->replicas = j->rule.replicas;
                e->confidence = (char *) (j->has_strangers ? "strangers" : "");
                fill_hosts(j, ret);
                if (j->problem == OUTCOME_SPLIT || j->was_contested)
                        fill_answers(j, ret);
        }
        fallover_say(j, ret->fell_over);
        e->fell_over = ret->fell_over;
        fill_cost(j, ret);
        fill_receipt(j, ret);
}
