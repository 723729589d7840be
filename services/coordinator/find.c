/* More hosts for a job: gossip is asked when those that are known are too few, before
 * it is decided where the job runs. */

#include "common/base/memory.h"
#include "common/canonical/descriptor.h"
#include "proto/gossip.pb-c.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/requester_core.h"

#define FIND_WAIT    (1500 * NSEC_PER_MSEC) /* gossip itself gives up after a second */
#define FIND_PAUSE   (250 * NSEC_PER_MSEC)
#define DRAW_TIMEOUT 1000 /* ms */

size_t job_engines(const struct job *j, const char **ret) {
        for (size_t i = 0; i < j->classes.n; i++)
                ret[i] = j->classes.list[i];
        return j->classes.n;
}

/* What gossip is asked for: one class, any build of one engine, or whatever there is. */
static size_t engines_to_find(const struct job *j, const char **ret, char name[ENGINE_TEXT_SIZE]) {
        struct bytes engine = engine_name(j->engine);

        if (j->comparison == COMPARISON_CLASS || j->request->n_engines > 0)
                return job_engines(j, ret);
        if (j->comparison != COMPARISON_ENGINE || engine.len >= ENGINE_TEXT_SIZE)
                return 0;
        memcpy(name, engine.data, engine.len);
        name[engine.len] = 0;
        ret[0] = name;
        return 1;
}

static bool insists(const struct job *j) {
        return job_prefer(j) == PREFER_REMOTE || j->has_asked_check;
}

/* Hosts asked for by name are known or not; the others are the more the better. */
static bool has_enough(const struct job *j) {
        return j->request->n_hosts > 0 ||
               (j->n_prospects >= j->rule.replicas + SET_OF(j)->offer_extra &&
                j->classes.engines >= j->rule.engines);
}

bool job_wants_more(const struct job *j) {
        return RQ_OF(j)->has_discovery && !has_enough(j) && job_would_be_grid(j);
}

static void fill_draw(const struct job *j, const char **engines, char name[ENGINE_TEXT_SIZE],
                      Gossip__DrawRequest *ret) {
        gossip__draw_request__init(ret);
        ret->engines = (char **) engines;
        ret->n_engines = engines_to_find(j, engines, name);
        ret->data_class = (char *) data_class_name(j->data_class);
        ret->min_memory = j->request->limits ? j->request->limits->memory : 0;
        ret->region = (char *) SET_OF(j)->region;
        ret->min_slots = 1;
        ret->count = CANDIDATES_PER_JOB;
        ret->timeout_ms = DRAW_TIMEOUT;
}

void job_find(struct job *j, nsec_t now) {
        const char *engines[DESCRIPTOR_CLASSES_MAX];
        CLEANUP(buffer_donep) struct buffer b = {};
        char name[ENGINE_TEXT_SIZE];
        Gossip__DrawRequest draw;

        fill_draw(j, engines, name, &draw);
        buffer_init(&b, 1u << 16);
        wire_pack(&b, &draw.base);
        j->stage = JOB_FINDING;
        j->find_until = nsec_add(now, FIND_WAIT);
        actions_add_data(ACTIONS(j), ACTION_FIND, handle_open(RQ_OF(j), &j->find, HANDLE_FIND),
                         refbuf_new(buffer_bytes(&b)));
}

bool found_leaves_full(const struct found *found, size_t n, size_t wanted) {
        return n < wanted && found->unusable > 0;
}

/* A node that has just started hears of hosts one by one: who insists on others waits. */
static void go_on(struct job *j, nsec_t now) {
        bool is_young = now < nsec_add(RQ_OF(j)->started, DISCOVERY_WAIT);

        handle_close(RQ_OF(j), &j->find);
        job_plan(j);
        if (j->n_prospects < job_need(j) && insists(j) && is_young)
                j->find_until = nsec_add(now, FIND_PAUSE);
        else
                job_begin(j, now);
}

void requester_found(void *role, uint64_t id, const struct found *found, nsec_t now) {
        struct requester *rq = role;
        struct handle *h = map_get_u64(rq->handles, id);
        struct job *j;

        if (!h || h->kind != HANDLE_FIND)
                return;
        j = container_of(h, struct job, find);
        j->found = *found;
        j->has_found = true;
        if (j->stage == JOB_FINDING)
                go_on(j, now);
        job_step(j, now);
}

/* Not answered in time, or asked again after a pause. */
void job_finding_step(struct job *j, nsec_t now) {
        if (!job_due(j, j->find_until, now))
                return;
        if (j->find.id)
                go_on(j, now);
        else if (RQ_OF(j)->has_discovery)
                job_find(j, now);
        else
                job_begin(j, now);
}

/* ---- Said to people ---- */

const char *job_why_nobody(const struct job *j, char ret[DETAIL_MAX]) {
        const char *engines[DESCRIPTOR_CLASSES_MAX];
        size_t n = job_engines(j, engines);

        if (j->n_prospects > 0 && j->classes.engines < j->rule.engines)
                (void) snprintf(ret, DETAIL_MAX,
                                "two engines are to agree, and hosts of %.50s "
                                "alone are known",
                                n > 0 ? engines[0] : "one");
        else if (j->request->n_hosts > 0 && j->n_prospects == 0)
                (void) strcpy(ret, "none of the hosts that were named is known here");
        else if (j->n_prospects == 0 && j->classes.unusable > 0)
                (void) snprintf(ret, DETAIL_MAX, "%u known, all of another class than %.50s%s",
                                j->classes.unusable, n > 0 ? engines[0] : "?",
                                n > 1 ? " or another" : "");
        else if (j->has_found)
                (void) snprintf(ret, DETAIL_MAX, "gossip: %u known, %u unusable for class %.50s%s",
                                j->found.known, j->found.unusable, n > 0 ? engines[0] : "?",
                                n > 1 ? " or another" : "");
        else
                (void) snprintf(ret, DETAIL_MAX, "no host is known");
        return ret;
}

const char *job_reason(const struct job *j, char ret[REASON_MAX]) {
        bool is_few = j->has_found && j->n_prospects < job_need(j);
        bool is_grid = !j->plan.is_local && !j->plan.error && j->classes.n > 0;
        char why[DETAIL_MAX] = "";

        if (is_few)
                (void) job_why_nobody(j, why);
        else if (is_grid || j->classes.unusable > 0)
                (void) job_say_classes(j, why);
        (void) snprintf(ret, REASON_MAX, "%s: %s%s%s%s", j->plan.reason, j->plan.sentence,
                        *why ? " (" : "", why, *why ? ")" : "");
        return ret;
}

/* ---- What others want to know of our hosts ---- */

void requester_discovery(void *role, bool is_there) {
        struct requester *rq = role;

        rq->has_discovery = is_there;
}

size_t requester_history(const void *role, struct peer_id *ret, size_t max) {
        const struct requester *rq = role;

        return trust_history(rq->trust, ret, max);
}

double requester_trust(const void *role, const struct peer_id *peer, nsec_t now, bool *ret_known) {
        const struct requester *rq = role;

        *ret_known = trust_is_known(rq->trust, peer);
        return trust_score(rq->trust, peer, core_wall_us(rq->core, now));
}

/* ---- Denied ---- */

/* A vote that was given stands: to deny a host is no judgement of what it signed. */
static void deny_replica(struct replica *r, nsec_t now) {
        if (r->stage != REPLICA_COMMITTED && r->stage != REPLICA_OVER) {
                replica_fail(r, 0, OUTCOME_REFUSED, "rule=denied", now);
                return;
        }
        if (r->has_lane)
                lane_reset(&r->lane);
        replica_drop_lane(r);
}

static bool deny_in_job(struct job *j, nsec_t now) {
        bool is_any = false;

        for (unsigned i = 0; i < j->n_prospects; i++)
                if (denied_has(RQ_OF(j)->core->denied, &j->prospects[i].candidate.peer))
                        is_any = j->prospects[i].is_out = true;
        FOREACH_REPLICA (r, j)
                if (denied_has(RQ_OF(j)->core->denied, &r->prospect->candidate.peer))
                        deny_replica(r, now);
        return is_any;
}

void requester_denied(void *role, nsec_t now) {
        struct requester *rq = role;

        LIST_FOREACH_SAFE (it, &rq->all) {
                struct job *j = LIST_ENTRY(it, struct job, link);

                if (deny_in_job(j, now))
                        job_step(j, now);
        }
}
