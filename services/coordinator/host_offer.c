#include "services/coordinator/host.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/denied.h"

/* Order does not matter: the same set of classes or roots in another order is
 * another list, and a requester has no reason to reorder it. */
struct hash_value host_list_digest(const char *name, const struct bytes *list, size_t n) {
        struct hash h;

        hash_begin(&h, name);
        for (size_t i = 0; i < n; i++) {
                uint8_t len[4];

                store_be32(len, (uint32_t) list[i].len);
                hash_update(&h, len, sizeof(len));
                hash_update_bytes(&h, list[i]);
        }
        return hash_end(&h);
}

/* ---- Admission: a rule each; the first that does not hold is the refusal ---- */

struct admission {
        struct host_job *job;
        const Grid__Offer *offer;
        nsec_t now;
        struct host_problem problem;
        char detail[64]; /* where it is no literal */
};

static bool refuse(struct admission *a, enum outcome_error code, const char *detail) {
        a->problem = (struct host_problem){ .code = code, .detail = detail, .position = -1 };
        return false;
}

static const struct host_settings *settings_of(const struct admission *a) {
        return &a->job->host->core->settings.host;
}

static bool rate_holds(struct admission *a) {
        struct host *h = a->job->host;
        nsec_t wait = host_peer_rate(h->peers, a->job->peer, a->now);

        if (!wait)
                return true;
        refuse(a, OUTCOME_REFUSED, "rule=rate");
        a->problem.retry_ms = (uint32_t) (wait / NSEC_PER_MSEC) + 1;
        return false;
}

static bool peer_is_welcome(struct admission *a) {
        return !denied_has(a->job->host->core->denied, &a->job->peer->id) ||
               refuse(a, OUTCOME_REFUSED, "rule=denied");
}

static bool is_taking_jobs(struct admission *a) {
        return !a->job->host->core->governor->is_paused ||
               refuse(a, OUTCOME_REFUSED, "rule=paused");
}

static bool network_is_ours(struct admission *a) {
        return strcmp(a->offer->network, a->job->host->core->settings.query.network) == 0 ||
               refuse(a, OUTCOME_REFUSED, "rule=network");
}

static bool group_is_ours(struct admission *a) {
        const struct host_settings *s = settings_of(a);

        if (!a->offer->group[0])
                return true;
        for (size_t i = 0; i < s->n_groups; i++)
                if (strcmp(s->groups[i], a->offer->group) == 0)
                        return true;
        return refuse(a, OUTCOME_REFUSED, "rule=group");
}

static bool data_class_is_admitted(struct admission *a) {
        unsigned class = data_class_of(BYTES_STR(a->offer->data_class));

        if (!class || class > settings_of(a)->data_class)
                return refuse(a, OUTCOME_REFUSED, "rule=data_class");
        a->job->offer.data_class = (enum data_class) class;
        return true;
}

/* The first admitted class that is here, of this engine only where one is named. */
static const char *class_of(const struct core *core, const Grid__Offer *offer, const char *engine) {
        for (size_t i = 0; i < offer->n_engines; i++)
                for (size_t k = 0; k < core->n_engines; k++)
                        if (strcmp(offer->engines[i], core->engines[k]) == 0 &&
                            (!engine[0] || engine_is_same(core->engines[k], engine)))
                                return core->engines[k];
        return NULL;
}

/* An `engine` comparison admits any build of one engine, `class` the exact class,
 * `portable` other engines too: in each case the requester lists the classes it admits, best first.
 */
static bool engine_is_here(struct admission *a) {
        struct core *core = a->job->host->core;
        const char *class;
        unsigned comparison = comparison_of(BYTES_STR(a->offer->comparison));

        if (!comparison)
                return refuse(a, OUTCOME_REFUSED, "rule=comparison");
        a->job->offer.comparison = (enum comparison) comparison;
        class = class_of(core, a->offer, a->offer->prefer);
        if (!class)
                class = class_of(core, a->offer, "");
        if (!class)
                return refuse(a, OUTCOME_REFUSED, "rule=engine");
        snprintf(a->job->offer.engine, sizeof(a->job->offer.engine), "%s", class);
        return true;
}

/* Nothing was reached: more was asked than is given, and this is how much that is. */
static bool refuse_above(struct admission *a, const char *which, uint64_t most) {
        (void) snprintf(a->detail, sizeof(a->detail), "%s most=%llu", which,
                        (unsigned long long) most);
        return refuse(a, OUTCOME_LIMIT, a->detail);
}

static bool limits_fit(struct admission *a) {
        const struct host_settings *s = settings_of(a);
        const Types__Limits *l = a->offer->limits;
        const struct {
                uint64_t asked, most;
                const char *detail;
        } rows[] = {
                { l ? l->rows : 0, s->rows_max, "which=rows" },
                { l ? l->bytes : 0, s->bytes_max, "which=bytes" },
                { l ? l->memory : 0, s->memory_max, "which=memory" },
                { l ? l->cpu_ms : 0, s->cpu_max / NSEC_PER_MSEC, "which=cpu" },
                { l ? l->wall_ms : 0, s->wall_max / NSEC_PER_MSEC, "which=wall" },
                { a->offer->input_bytes, s->input_bytes_max, "which=data" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].asked > rows[i].most)
                        return refuse_above(a, rows[i].detail, rows[i].most);
        if (l)
                a->job->offer.limits = (struct descriptor_limits){
                        .rows = l->rows,
                        .bytes = l->bytes,
                        .memory = l->memory,
                        .cpu_ms = l->cpu_ms,
                        .wall_ms = l->wall_ms,
                };
        return true;
}

/* Without a limit: a slot's share, and more where it is expected to need more and we have it. */
uint64_t host_memory_of(const struct host_job *j, uint64_t asked) {
        const struct governor *g = j->host->core->governor;
        uint64_t most = j->host->core->settings.host.memory_max;
        uint64_t expected =
                j->offer.estimated_memory < g->most ? j->offer.estimated_memory : g->most;
        uint64_t want = asked ? asked : expected > g->share ? expected : g->share;

        return want < most ? want : most;
}

static bool refuse_for_now(struct admission *a, const char *detail) {
        a->problem.retry_ms = 200;
        return refuse(a, OUTCOME_REFUSED, detail);
}

/* Why there is no room for one more record. All but a full host is about this requester;
 * what it may do is the same: ask others, and come back when its own have become old. */
static struct host_problem record_problem(int why) {
        static const struct {
                const char *detail, *text;
        } rows[] = {
                [SHARES_E_FULL] = { "which=commits", "this host remembers as many signed answers "
                                                     "as it can, each for "
                                                     "an hour; ask another host" },
                [SHARES_E_REQUESTER] = { "which=commits_of_requester",
                                         "this host remembers your share of signed answers, each "
                                         "for an "
                                         "hour; ask another host, or again later" },
                [SHARES_E_SUBNET] = { "which=commits_of_subnet",
                                      "this host remembers your subnet's share of signed answers, "
                                      "each for an hour; ask another host, or again later" },
        };

        return (struct host_problem){ .code = OUTCOME_LIMIT,
                                      .detail = rows[why].detail,
                                      .text = BYTES_STR(rows[why].text),
                                      .position = -1,
                                      .retry_ms = 60000 };
}

void host_refuse_record(struct host_job *j, int why) {
        const struct host_problem problem = record_problem(why);

        j->host->counters.shared_commits += why != SHARES_E_FULL;
        j->host->counters.quota += why == SHARES_E_FULL;
        host_refuse(j, &problem);
}

/* What was signed may be said again, however full. */
static bool record_is_possible(struct admission *a) {
        struct host_job *j = a->job;
        const struct record_key key = { .requester = j->peer->id,
                                        .job = j->offer.job,
                                        .run = j->offer.run };
        int r = SHARES_OK;

        host_expire_records(j->host, a->now);
        if (!records_find(j->host->records, &key))
                r = records_room(j->host->records, &j->peer->id, &j->subnet);
        if (!r)
                return true;
        j->host->counters.shared_commits += r != SHARES_E_FULL;
        j->host->counters.quota += r == SHARES_E_FULL;
        a->problem = record_problem(r);
        return false;
}

/* Bids, runs that wait and runs under way: each holds a place of its requester. */
static bool run_is_in_share(struct admission *a) {
        struct host_job *j = a->job;
        struct shares *s = j->host->runs_shared;

        shares_resize(s, governor_places(j->host->core->governor));
        switch (shares_check(s, &j->peer->id, &j->subnet)) {
        case SHARES_OK:
        case SHARES_E_FULL: /* the governor's to say */
                return true;
        case SHARES_E_SUBNET:
                j->host->counters.shared_runs++;
                return refuse_for_now(a, "rule=subnet_share");
        default:
                j->host->counters.shared_runs++;
                return refuse_for_now(a, "rule=share");
        }
}

static bool capacity_is_left(struct admission *a) {
        struct host_job *j = a->job;

        if (j->peer->bids >= settings_of(a)->bids_per_peer)
                return refuse(a, OUTCOME_REFUSED, "rule=bids");
        switch (governor_promise(j->host->core->governor,
                                 host_memory_of(j, j->offer.limits.memory))) {
        case GOVERNOR_OK:
                break;
        case GOVERNOR_E_PAUSED:
                return refuse(a, OUTCOME_REFUSED, "rule=paused");
        case GOVERNOR_E_TOO_BIG:
                return refuse_above(a, "which=memory", j->host->core->governor->most);
        default:
                return refuse_for_now(a, "rule=slots");
        }
        shares_hold(j->host->runs_shared, &j->peer->id, &j->subnet);
        j->is_promised = j->has_place = j->has_run = true;
        j->peer->bids++;
        return true;
}

static bool (*const rules[])(struct admission *a) = {
        peer_is_welcome,        rate_holds,     is_taking_jobs, network_is_ours,    group_is_ours,
        data_class_is_admitted, engine_is_here, limits_fit,     record_is_possible, run_is_in_share,
        capacity_is_left,
};

/* ---- Bids ---- */

/* Of the offered roots; data that are not disclosed may all have to be fetched. */
static uint64_t bytes_to_fetch(const struct host_job *j) {
        return j->offer.input_bytes > j->fetched ? j->offer.input_bytes - j->fetched : 0;
}

static void bid(struct host_job *j, nsec_t now) {
        struct host *h = j->host;
        const struct host_settings *s = &h->core->settings.host;
        Grid__Bid out = GRID__BID__INIT;
        Grid__JobMessage m;

        rng_bytes(&h->rng, j->ticket, sizeof(j->ticket));
        j->bid_until = nsec_add(now, s->bid_valid);
        j->state = HOST_BID;
        out.ticket = (ProtobufCBinaryData){ sizeof(j->ticket), j->ticket };
        out.valid_ms = (uint32_t) (s->bid_valid / NSEC_PER_MSEC);
        out.engine = (char *) j->offer.engine;
        out.free_slots = governor_free_slots(h->core->governor);
        out.fetch_bytes = bytes_to_fetch(j);
        out.price = s->price;
        out.memory = host_memory_of(j, j->offer.limits.memory);
        out.estimate_us = j->offer.estimate_us;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_BID);
        m.bid = &out;
        h->counters.bids++;
        host_send(j, &m);
}

/* ---- Which of the data are here: asked without providers, so nothing is fetched ---- */

static void look_up(struct host_job *j, const Grid__Offer *offer) {
        j->state = HOST_LOOKING;
        j->n_inputs = offer->n_roots;
        j->inputs = xnew_n(struct host_input, j->n_inputs);
        for (size_t i = 0; i < j->n_inputs; i++) {
                j->inputs[i].fetch = host_id(j);
                memcpy(actions_add(j->host->core->actions, ACTION_INPUT, j->inputs[i].fetch)
                               ->hash.bytes,
                       offer->roots[i].data, HASH_SIZE);
        }
}

void host_looked_up(struct host_job *j, uint64_t fetch, const struct input_facts *facts,
                    nsec_t now) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                struct host_input *in = &j->inputs[i];

                if (in->fetch != fetch || in->is_looked_up)
                        continue;
                in->is_looked_up = true;
                j->n_ready++;
                j->fetched += facts ? facts->length : 0;
        }
        if (j->n_ready < j->n_inputs)
                return;
        host_inputs_done(j);
        bid(j, now);
        j->fetched = 0;
}

static void remember_lists(struct host_job *j, const Grid__Offer *offer) {
        struct bytes list[DESCRIPTOR_DATASETS_MAX];

        for (size_t i = 0; i < offer->n_engines; i++)
                list[i] = BYTES_STR(offer->engines[i]);
        j->offer.engines = host_list_digest("quorate.host.e", list, offer->n_engines);
        for (size_t i = 0; i < offer->n_roots; i++)
                list[i] = BYTES(offer->roots[i].data, offer->roots[i].len);
        j->offer.roots = host_list_digest("quorate.host.r", list, offer->n_roots);
        j->offer.has_roots = offer->n_roots > 0;
}

_Static_assert(DESCRIPTOR_CLASSES_MAX <= DESCRIPTOR_DATASETS_MAX, "one list serves both");

static bool roots_are_hashes(const Grid__Offer *offer) {
        for (size_t i = 0; i < offer->n_roots; i++)
                if (offer->roots[i].len != HASH_SIZE)
                        return false;
        return true;
}

void host_on_offer(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        const Grid__Offer *offer = m->offer;
        struct admission a = { .job = j, .offer = offer, .now = now };

        j->host->counters.offers++;
        if (offer->job.len != HASH_SIZE || offer->run > 1 ||
            offer->n_engines > DESCRIPTOR_CLASSES_MAX || offer->n_roots > DESCRIPTOR_DATASETS_MAX ||
            !roots_are_hashes(offer) || strlen(offer->network) > DESCRIPTOR_TEXT_MAX) {
                host_refuse_for(j, OUTCOME_MISMATCH, "field=offer");
                return;
        }
        memcpy(j->offer.job.bytes, offer->job.data, HASH_SIZE);
        j->offer.run = offer->run;
        strcpy(j->offer.network, offer->network);
        j->offer.estimated_memory = offer->estimated_memory;
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (!rules[i](&a)) {
                        host_refuse(j, &a.problem);
                        return;
                }
        remember_lists(j, offer);
        j->offer.input_bytes = offer->input_bytes;
        j->offer.estimate_us = offer->estimated_cpu_us;
        if (offer->n_roots > 0)
                look_up(j, offer);
        else
                bid(j, now);
}
