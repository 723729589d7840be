/* A query that none of our engines can read, or that its asker wants read elsewhere: hosts say
 * what it is. What they say decides how its answers are compared, so as many independent
 * ones as make a quorum must lead all that say otherwise. What is dispatched is the statement as it
 * was asked, never theirs: they are asked for no rewrite, and who changes it is not heard. Only of
 * public data: it is shown to them. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/unpack.h"
#include "services/coordinator/requester_core.h"
#include "services/coordinator/sql_words.h"

#define DESCRIBERS_MAX 8
#define DESCRIBE_WAIT  (10 * NSEC_PER_SEC)
#define FRAME_MAX      (2u << 20)

static const struct unpack_limits description_limits = {
        .depth = 4, .fields = 4096, .unknown = 16, .memory = 4u << 20
};

struct describer {
        struct describing *of;
        struct handle stream;
        struct lane lane;
        bool has_lane, is_over;
        struct candidate candidate;
        char group[VOTER_GROUP_SIZE];
        struct buffer said; /* a packed description, charged to the requester */
        struct hash_value digest;
        uint32_t refusal;
        char detail[DETAIL_MAX];
};

struct describing {
        struct job *job;
        struct describer list[DESCRIBERS_MAX];
        unsigned n;
        nsec_t began, until;
        nsec_t reached; /* one led by enough; 0: none does */
};

/* ---- Life ---- */

static void drop_lane(struct describer *d) {
        if (!d->has_lane)
                return;
        lane_reset(&d->lane);
        lane_done(&d->lane);
        d->has_lane = false;
        handle_close(RQ_OF(d->of->job), &d->stream);
}

static void end(struct describer *d) {
        d->is_over = true;
        drop_lane(d);
}

void describe_done(struct job *j) {
        struct describing *g = j->describing;

        if (!g)
                return;
        for (unsigned i = 0; i < g->n; i++) {
                end(&g->list[i]);
                budget_give(&RQ_OF(j)->held, g->list[i].said.len);
                buffer_done(&g->list[i].said);
        }
        free(g);
        j->describing = NULL;
}

static bool reads_all(const struct job *j, const char *engine) {
        for (size_t i = 0; i < j->n_inputs; i++)
                if (!engine_reads(engine, j->inputs[i].format))
                        return false;
        return engine_is_wanted(engine, j->request->engines, j->request->n_engines);
}

static bool may_read(const struct job *j, const struct candidate *c) {
        for (size_t i = 0; i < c->claims.n_engines; i++)
                if (reads_all(j, c->claims.engines[i]))
                        return true;
        return c->claims.n_engines == 0;
}

static void ask(struct describing *g, const struct candidate *c) {
        struct describer *d = &g->list[g->n++];
        struct requester *rq = RQ_OF(g->job);
        struct action *a;

        d->of = g;
        d->candidate = *c;
        buffer_init(&d->said, FRAME_MAX);
        lane_init(&d->lane, rq->core->actions, handle_open(rq, &d->stream, HANDLE_DESCRIBE), 0,
                  FRAME_MAX, &rq->held);
        d->has_lane = true;
        a = actions_add(rq->core->actions, ACTION_OPEN, d->stream.id);
        a->peer = c->peer;
        a->n_addresses = c->n_addresses;
        a->addresses = xmemdup(c->addresses, a->n_addresses * sizeof(c->addresses[0]));
}

static bool was_asked(const struct describing *g, const struct candidate *c) {
        for (unsigned i = 0; i < g->n; i++)
                if (peer_id_equal(&g->list[i].candidate.peer, &c->peer))
                        return true;
        return false;
}

/* More than are needed, of those that were not asked yet; false: there are none. */
static bool ask_some(struct describing *g) {
        const struct candidate *list[CANDIDATES_MAX];
        struct job *j = g->job;
        size_t n = job_candidates(j, list), k = 0;
        unsigned before = g->n, most = before + job_need(j) + SET_OF(j)->offer_extra;

        for (size_t i = 0; i < n; i++)
                if (may_read(j, list[i]) && !was_asked(g, list[i]))
                        list[k++] = list[i];
        while (k > 0 && g->n < DESCRIBERS_MAX && g->n < most) {
                size_t i = rng_below(&RQ_OF(j)->rng, k);

                ask(g, list[i]);
                list[i] = list[--k];
        }
        return g->n > before;
}

bool describe_is_possible(const struct job *j) {
        return j->data_class == DATA_PUBLIC && job_prefer(j) != PREFER_LOCAL;
}

void describe_begin(struct job *j, nsec_t now) {
        struct describing *g = xnew(struct describing);
        char detail[DETAIL_MAX];

        g->job = j;
        g->began = now;
        g->until = nsec_add(now, DESCRIBE_WAIT);
        j->describing = g;
        if (ask_some(g)) {
                j->stage = JOB_DESCRIBING;
                return;
        }
        describe_done(j);
        if (!job_due(j, nsec_add(RQ_OF(j)->started, CANDIDATES_WAIT), now))
                return; /* hosts become known one by one */
        (void) snprintf(detail, sizeof(detail), "why=no host is known that could read it (%.40s)",
                        j->request->n_engines ? j->request->engines[0] : "any engine");
        job_fail(j, OUTCOME_NO_CANDIDATES, detail, now);
}

/* ---- What is asked ---- */

static void send_describe(struct describer *d, nsec_t now) {
        struct job *j = d->of->job;
        CLEANUP(freep) Grid__Table *tables = xnew_n(Grid__Table, j->n_inputs + 1);
        CLEANUP(freep) Grid__Table **list = xnew_n(Grid__Table *, j->n_inputs + 1);
        Grid__Describe out = GRID__DESCRIBE__INIT;
        Grid__JobMessage m;

        for (size_t i = 0; i < j->n_inputs; i++) {
                grid__table__init(&tables[i]);
                tables[i].name = j->inputs[i].name;
                tables[i].format = j->inputs[i].format;
                tables[i].schema = binary(buffer_bytes(&j->inputs[i].schema));
                tables[i].options = binary(buffer_bytes(&j->inputs[i].options));
                list[i] = &tables[i];
        }
        out.sql = j->request->sql;
        out.n_parameters = j->request->n_parameters;
        out.parameters = j->request->parameters;
        out.network = j->request->network[0] ? j->request->network : SET_OF(j)->network;
        out.data_class = (char *) data_class_name(j->data_class);
        out.n_engines = j->request->n_engines;
        out.engines = j->request->engines;
        out.no_rewrite = true;
        out.time_us = j->time_us;
        out.n_tables = j->n_inputs;
        out.tables = list;
        job_message_init(&m, GRID__JOB_MESSAGE__BODY_DESCRIBE);
        m.describe = &out;
        if (lane_send(&d->lane, &m))
                end(d);
}

/* ---- What is said ---- */

/* All that goes on from here, but for words and the build; the rewrite is none (is_as_asked()). */
static struct hash_value digest_of(const Grid__Description *m) {
        const struct bytes engine = engine_name(m->engine);
        const uint8_t flags[2] = { (uint8_t) (m->ordered != 0), (uint8_t) (m->portable != 0) };
        uint8_t problem[8] = {};
        struct hash h;
        struct bytes parts[] = {
                BYTES(m->schema.data, m->schema.len),
                BYTES_STR(m->class_name),
                engine,
                BYTES_OF(flags),
                BYTES_OF(problem),
                m->problem ? BYTES_STR(m->problem->detail) : BYTES_NONE,
        };

        if (m->problem) {
                store_be32(problem, m->problem->code);
                store_be32(problem + 4, (uint32_t) m->problem->position);
        }
        hash_begin(&h, "quorate.descr.1");
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                uint8_t len[4];

                store_be32(len, (uint32_t) parts[i].len);
                hash_update(&h, len, sizeof(len));
                hash_update_bytes(&h, parts[i]);
        }
        return hash_end(&h);
}

static bool is_as_asked(const struct job *j, const Grid__Description *m) {
        return !m->rewrite[0] || strcmp(m->rewrite, j->request->sql) == 0;
}

static bool is_sound(const struct job *j, const Grid__Description *m) {
        static const char *const classes[] = { "EXACT", "ORDERED", "FLOAT", "REFUSED" };
        bool is_class = false;

        if (m->problem)
                return outcome_is_error(m->problem->code);
        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                is_class |= strcmp(m->class_name, classes[i]) == 0;
        return is_class && strlen(m->engine) < ENGINE_TEXT_SIZE && reads_all(j, m->engine) &&
               is_as_asked(j, m);
}

static void take_description(struct describer *d, const Grid__Description *m) {
        struct requester *rq = RQ_OF(d->of->job);
        size_t size = protobuf_c_message_get_packed_size(&m->base);

        if (!is_sound(d->of->job, m)) {
                d->refusal = OUTCOME_MISMATCH;
                (void) strcpy(d->detail, "field=description");
                job_event(d->of->job, EVENT_WARNING, "description_malformed", &d->candidate.peer);
                return;
        }
        if (size > FRAME_MAX || budget_take(&rq->held, size))
                return;
        wire_pack(&d->said, &m->base);
        check(d->said.len == size);
        d->digest = digest_of(m);
}

static void take_refusal(struct describer *d, const Grid__Refusal *m) {
        if (!m->problem || !outcome_is_error(m->problem->code))
                return;
        d->refusal = m->problem->code;
        text_escape(BYTES_STR(m->problem->detail), d->detail, sizeof(d->detail));
}

/* The first word is the last. */
static bool on_message(void *userdata, const Grid__JobMessage *m) {
        struct describer *d = userdata;

        if (m->body_case == GRID__JOB_MESSAGE__BODY_DESCRIPTION)
                take_description(d, m->description);
        else if (m->body_case == GRID__JOB_MESSAGE__BODY_REFUSAL)
                take_refusal(d, m->refusal);
        d->is_over = true;
        return false;
}

/* ---- Streams of this kind ---- */

static struct describer *describer_of(struct requester *rq, uint64_t stream) {
        struct handle *h = map_get_u64(rq->handles, stream);

        return h && h->kind == HANDLE_DESCRIBE ? container_of(h, struct describer, stream) : NULL;
}

bool describe_opened(struct requester *rq, uint64_t stream, const struct stream_remote *remote,
                     uint32_t window, nsec_t now) {
        struct describer *d = describer_of(rq, stream);
        struct voter voter;

        if (!d)
                return false;
        voter_of(&d->candidate, remote, SET_OF(d->of->job)->independence, &voter);
        (void) snprintf(d->group, sizeof(d->group), "%s", voter.group);
        lane_window(&d->lane, window);
        if (peer_id_equal(&remote->peer, &d->candidate.peer))
                send_describe(d, now);
        else
                end(d);
        job_step(d->of->job, now);
        return true;
}

bool describe_data(struct requester *rq, uint64_t stream, struct bytes data, nsec_t now) {
        struct describer *d = describer_of(rq, stream);

        if (!d)
                return false;
        if (lane_feed(&d->lane, data, on_message, d) != LANE_OK || d->is_over)
                end(d);
        job_step(d->of->job, now);
        return true;
}

bool describe_window(struct requester *rq, uint64_t stream, uint32_t units) {
        struct describer *d = describer_of(rq, stream);

        if (d)
                lane_window(&d->lane, units);
        return d;
}

bool describe_closed(struct requester *rq, uint64_t stream, bool is_reset, nsec_t now) {
        struct describer *d = describer_of(rq, stream);

        if (!d)
                return false;
        d->lane.is_ended = d->lane.is_ended || is_reset;
        end(d);
        job_step(d->of->job, now);
        return true;
}

/* ---- Deciding ---- */

/* One vote of each independent host that has said something, by the rule of answers. */
static void count(const struct describing *g, struct quorum *ret, struct tally *t) {
        unsigned need = job_need(g->job);
        const struct quorum_rule rule = { MODE_QUORUM, need, need, QUORUM_VOTES_MAX, 1 };

        quorum_init(ret, &rule);
        for (unsigned i = 0; i < g->n; i++) {
                unsigned group = 0;

                if (g->list[i].said.len == 0)
                        continue;
                while (strcmp(g->list[group].group, g->list[i].group) != 0)
                        group++;
                (void) quorum_vote(ret, i, group, 0, &g->list[i].digest);
        }
        quorum_tally(ret, t);
}

static const struct describer *speaker_of(const struct describing *g,
                                          const struct hash_value *digest) {
        for (unsigned i = 0; i < g->n; i++)
                if (g->list[i].said.len > 0 && hash_equal(&g->list[i].digest, digest))
                        return &g->list[i];
        return NULL;
}

static void accept_problem(struct job *j, const Types__Problem *p, const struct peer_id *speaker,
                           nsec_t now) {
        char detail[DETAIL_MAX];

        text_escape(BYTES_STR(p->detail), detail, sizeof(detail));
        text_escape(BYTES_STR(p->text), j->host_text, sizeof(j->host_text));
        j->problem_peer = *speaker;
        j->position = p->position;
        job_fail(j, p->code, detail, now);
}

/* ---- An order that needs a rewrite ---- */

/* With an engine of our own the order would be completed; without, only its asker can. */
static bool loses_order(struct job *j, const Grid__Description *m, nsec_t now) {
        int32_t at = sql_outermost_order(j->request->sql);
        char detail[DETAIL_MAX];

        if (m->ordered || j->request->no_rewrite || at < 0 || strcmp(m->class_name, "REFUSED") == 0)
                return false;
        (void) snprintf(detail, sizeof(detail),
                        "what=ORDER BY at byte %d leaves ties: end it with the numbers of all "
                        "output columns, or give --no-rewrite",
                        at);
        j->position = at;
        job_fail(j, OUTCOME_USAGE, detail, now);
        return true;
}

/* They were asked for no rewrite whatever our client says: to let it be is no remedy. */
static char *why_of(const struct job *j, const Grid__Finding *f) {
        static char instead[] = "no rewrite of other hosts is taken: order by all output columns, "
                                "write times as literals, or install the engine";

        return !j->request->no_rewrite && strstr(f->why, "--no-rewrite") ? instead : f->why;
}

/* From here on it is as if a worker of ours had said it. */
static void accept(struct job *j, const struct describer *d, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(freep) Worker__Finding *findings = NULL;
        CLEANUP(freep) Worker__Finding **list = NULL;
        Worker__Analysis a = WORKER__ANALYSIS__INIT;
        const struct peer_id speaker = d->candidate.peer;
        const Grid__Description *m;

        check(!wire_unpack(&grid__description__descriptor, buffer_bytes(&d->said),
                           &description_limits, &u));
        m = u.message;
        describe_done(j);
        if (m->problem) {
                accept_problem(j, m->problem, &speaker, now);
                return;
        }
        if (loses_order(j, m, now))
                return;
        findings = xnew_n(Worker__Finding, m->n_findings + 1);
        list = xnew_n(Worker__Finding *, m->n_findings + 1);
        for (size_t i = 0; i < m->n_findings; i++) {
                worker__finding__init(&findings[i]);
                findings[i].expression = m->findings[i]->expression;
                findings[i].position = m->findings[i]->position;
                findings[i].why = why_of(j, m->findings[i]);
                list[i] = &findings[i];
        }
        a.class_name = m->class_name;
        a.rewrite = j->request->sql;
        a.schema = m->schema;
        a.ordered = m->ordered;
        a.portable = m->portable;
        a.not_portable_at = -1; /* a description says no place */
        a.engine = m->engine;
        a.plan_rows = sql_gives_one_row(j->request->sql); /* nobody has sent a plan */
        a.findings = list;
        a.n_findings = m->n_findings;
        j->stage = JOB_ANALYSING;
        job_on_analysis(j, &a, now);
}

static void give_up(struct job *j, const struct tally *t, nsec_t now) {
        const struct describing *g = j->describing;
        const struct describer *said = NULL;
        char detail[DETAIL_MAX];

        for (unsigned i = 0; i < g->n && !said; i++)
                said = g->list[i].refusal ? &g->list[i] : NULL;
        if (t->answers > 1)
                (void) snprintf(detail, sizeof(detail),
                                "have=%u say alike what it is and %u otherwise; naming one "
                                "--engine may help need=%u more than for any other",
                                t->first, t->voters - t->first, job_need(j));
        else if (t->first > 0 || !said)
                (void) snprintf(detail, sizeof(detail), "have=%u say alike what it is need=%u",
                                t->first, job_need(j));
        else
                (void) snprintf(detail, sizeof(detail),
                                "have=0; none that was asked could read it: %.20s %.30s need=%u",
                                outcome_name(said->refusal), said->detail, job_need(j));
        describe_done(j);
        job_fail(j, OUTCOME_TOO_FEW_HOSTS, detail, now);
}

/* A lie is told faster than the truth: the slower ones are heard, too. */
static bool is_heard(struct describing *g, unsigned waiting, nsec_t now) {
        const struct query_settings *s = SET_OF(g->job);
        nsec_t wait;

        if (waiting == 0)
                return true;
        if (!g->reached)
                g->reached = now;
        wait = (nsec_t) ((double) nsec_sub(g->reached, g->began) * s->agree_wait_share);
        return job_due(g->job, nsec_add(g->reached, nsec_max(s->agree_wait_min, wait)), now);
}

void job_describing_step(struct job *j, nsec_t now) {
        struct describing *g = j->describing;
        unsigned waiting = 0, missing;
        struct quorum q;
        struct tally t;

        if (!g || j->stage != JOB_DESCRIBING)
                return;
        for (unsigned i = 0; i < g->n; i++)
                waiting += !g->list[i].is_over;
        count(g, &q, &t);
        missing = quorum_missing(&q, &t);
        if (missing == 0) {
                if (is_heard(g, waiting, now))
                        accept(j, speaker_of(g, &t.leader), now);
                return;
        }
        g->reached = 0;
        if (job_due(j, g->until, now) || (waiting < missing && !ask_some(g) && waiting == 0))
                give_up(j, &t, now);
}
