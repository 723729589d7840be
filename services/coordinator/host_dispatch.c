#include "services/coordinator/host.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/statement.h"

#define PROVIDERS_MAX 16

/* ---- What was offered against what came ---- */

struct dispatched {
        struct host_job *job;
        const Grid__Dispatch *in;
        nsec_t now;
};

static struct bytes pb(const ProtobufCBinaryData *v) {
        return (struct bytes){ v->data, v->len };
}

static bool same_ticket(const struct dispatched *d) {
        struct host_job *j = d->job;

        return j->is_promised && bytes_equal(pb(&d->in->ticket), BYTES_OF(j->ticket));
}

static bool same_run(const struct dispatched *d) {
        return d->in->run == d->job->offer.run;
}

static bool same_job(const struct dispatched *d) {
        struct hash_value id = job_id(buffer_bytes(&d->job->descriptor_bytes));

        return hash_equal(&id, &d->job->offer.job);
}

static bool same_requester(const struct dispatched *d) {
        return bytes_equal(d->job->descriptor.requester, peer_id_bytes(&d->job->peer->id));
}

static bool same_query(const struct dispatched *d) {
        struct hash_value h = query_hash(buffer_bytes(&d->job->sql));

        return hash_equal(&h, &d->job->descriptor.query);
}

static bool same_network(const struct dispatched *d) {
        return bytes_equal(d->job->descriptor.network, BYTES_STR(d->job->offer.network));
}

static bool same_data_class(const struct dispatched *d) {
        return d->job->descriptor.data_class == d->job->offer.data_class;
}

static bool same_comparison(const struct dispatched *d) {
        return d->job->descriptor.comparison == d->job->offer.comparison;
}

static bool same_engines(const struct dispatched *d) {
        const struct descriptor *x = &d->job->descriptor;
        struct hash_value h = host_list_digest("quorate.host.e", x->classes, x->n_classes);

        return hash_equal(&h, &d->job->offer.engines);
}

static bool same_limits(const struct dispatched *d) {
        const struct descriptor_limits *a = &d->job->descriptor.limits, *b = &d->job->offer.limits;

        return a->rows == b->rows && a->bytes == b->bytes && a->memory == b->memory &&
               a->cpu_ms == b->cpu_ms && a->wall_ms == b->wall_ms;
}

static bool same_roots(const struct dispatched *d) {
        const struct descriptor *x = &d->job->descriptor;
        struct bytes list[DESCRIPTOR_DATASETS_MAX];
        struct hash_value h;

        for (size_t i = 0; i < x->n_datasets; i++)
                list[i] = hash_bytes(&x->datasets[i].root);
        h = host_list_digest("quorate.host.r", list, x->n_datasets);
        return !d->job->offer.has_roots || hash_equal(&h, &d->job->offer.roots);
}

/* One Ed25519 check: paid for by the ticket, of which a peer has few. */
static bool is_signed(const struct dispatched *d) {
        struct bytes statement = pb(&d->in->statement), signature = pb(&d->in->signature);
        const struct host_job *j = d->job;
        struct sign_public key;
        struct dispatch_statement x;

        return !dispatch_decode(statement, &x) && hash_equal(&x.job, &j->offer.job) &&
               bytes_equal(x.host, peer_id_bytes(&j->host->core->self)) &&
               bytes_equal(x.ticket, BYTES_OF(j->ticket)) && x.run == j->offer.run &&
               peer_id_ed25519(&j->peer->id, &key) &&
               j->host->core->verify(&key, statement, signature);
}

static const struct match_row {
        const char *detail;
        bool (*holds)(const struct dispatched *d);
} match_rows[] = {
        { "field=run", same_run },
        { "field=descriptor", same_job },
        { "field=requester", same_requester },
        { "field=query", same_query },
        { "field=network", same_network },
        { "field=data_class", same_data_class },
        { "field=comparison", same_comparison },
        { "field=engines", same_engines },
        { "field=limits", same_limits },
        { "field=roots", same_roots },
        { "field=statement", is_signed },
};

static bool matches(struct dispatched *d) {
        for (size_t i = 0; i < ELEMENTSOF(match_rows); i++) {
                if (match_rows[i].holds(d))
                        continue;
                d->job->host->counters.mismatches++;
                host_refuse_for(d->job, OUTCOME_MISMATCH, match_rows[i].detail);
                return false;
        }
        return true;
}

/* query.md section 1: what could have been signed before we remember, or be
 * replayed after we forgot, is not signed. */
static bool is_stale(const struct host_job *j, nsec_t now) {
        const struct host *h = j->host;
        const struct host_settings *s = &h->core->settings.host;
        int64_t age = core_wall_us(h->core, now) - j->descriptor.time_us;
        int64_t past =
                (int64_t) ((j->offer.run ? s->recheck_max_age : s->run_max_age) / NSEC_PER_USEC);
        int64_t ahead = (int64_t) (s->run_max_age / NSEC_PER_USEC);

        return age > past || age < -ahead || j->descriptor.time_us < h->created_us;
}

/* It may have been signed and forgotten, as the clock of then said that it was old. */
static bool is_forgotten(const struct host_job *j) {
        return j->descriptor.time_us <= records_horizon(j->host->records, j->offer.run);
}

static void refuse_forgotten(struct host_job *j, nsec_t now) {
        struct host *h = j->host;
        int64_t ahead = records_horizon(h->records, j->offer.run) - core_wall_us(h->core, now);
        struct host_problem p = { .code = OUTCOME_STALE,
                                  .detail = "why=forgotten",
                                  .position = -1 };
        char text[256];

        if (ahead > 0) {
                snprintf(
                        text, sizeof(text),
                        "the clock of this host was ahead once: it takes no job from before %lld s "
                        "from now; ask another host, or submit the query again then",
                        (long long) (ahead / 1000000 + 1));
                p.retry_ms = ahead < 3600000000 ? (uint32_t) (ahead / 1000) + 1 : 3600000;
        } else {
                snprintf(text, sizeof(text),
                         "this host no longer knows what it signed for jobs of that time; submit "
                         "the query again: it gets a new job time");
        }
        if (ahead > 0 && !h->warned_of_clock)
                host_event(h, EVENT_WARNING, "host_clock_was_ahead", j);
        h->warned_of_clock = ahead > 0;
        p.text = BYTES_STR(text);
        host_refuse(j, &p);
}

/* Of another time than may be signed now: refused. */
static bool is_too_old(struct host_job *j, nsec_t now) {
        if (!is_stale(j, now) && !is_forgotten(j))
                return false;
        j->host->counters.stale++;
        if (is_stale(j, now))
                host_refuse_for(j, OUTCOME_STALE, "why=job_time");
        else
                refuse_forgotten(j, now);
        return true;
}

/* Executors would refuse it, after its data were fetched and imported. */
static bool is_named(struct host_job *j) {
        const struct descriptor *d = &j->descriptor;
        const struct host_problem p = {
                .code = OUTCOME_REFUSED,
                .detail = "rule=input name",
                .text = BYTES_LIT("the name of a dataset has letters, digits and _ only, and no "
                                  "digit first"),
                .position = -1,
        };

        for (size_t i = 0; i < d->n_datasets; i++) {
                if (dataset_is_named(d->datasets[i].name))
                        continue;
                host_refuse(j, &p);
                return false;
        }
        return true;
}

/* ---- Keeping what came ---- */

static bool keep(struct host_job *j, const Grid__Dispatch *in) {
        size_t sql = strlen(in->sql), total = sql + in->descriptor.len;
        const char *field = "format";
        char detail[64];

        if (budget_take(&j->peer->memory, total)) {
                j->host->counters.quota++;
                host_refuse_for(j, OUTCOME_LIMIT, "which=peer_memory");
                return false;
        }
        j->charged = total;
        buffer_put_bytes(&j->descriptor_bytes, pb(&in->descriptor));
        buffer_put(&j->sql, in->sql, sql);
        if (!j->descriptor_bytes.failed && !j->sql.failed &&
            !descriptor_decode(buffer_bytes(&j->descriptor_bytes), &j->descriptor, &field))
                return true;
        j->host->counters.mismatches++;
        snprintf(detail, sizeof(detail), "field=descriptor.%s", field ? field : "format");
        host_refuse_for(j, OUTCOME_MISMATCH, detail);
        return false;
}

static struct record_key key_of(const struct host_job *j) {
        return (struct record_key){ .requester = j->peer->id,
                                    .job = j->offer.job,
                                    .run = j->offer.run };
}

/* The commit is on an older stream of this requester: its rows go on here. */
static void take_over(struct host_job *j, struct host_job *old, nsec_t now) {
        struct host *h = j->host;

        j->record = TAKE(old->record);
        j->record->busy = j;
        j->salt = old->salt;
        j->answer = old->answer;
        j->words = TAKE(old->words);
        j->metering = old->metering;
        memcpy(j->engine, old->engine, sizeof(j->engine));
        j->run = old->run;
        j->request = old->request;
        j->journal = old->journal;
        j->is_journalled = old->is_journalled;
        j->spooled = old->spooled;
        j->is_fetching = old->is_fetching;
        j->not_before = old->not_before;
        j->state = old->state;
        for (size_t i = 0; i < 3; i++) {
                uint64_t id = i == 0 ? j->run : i == 1 ? j->request : j->journal;

                if (id)
                        map_set_u64(h->ids, id, j);
        }
        old->run = old->request = old->journal = 0;
        old->spooled = 0;
        host_reset(old, now);
        j->read = j->touched = now;
        if (j->state == HOST_HELD)
                host_send_recorded(j, now);
}

/* What was signed is said again, from memory or from the journal. */
static void hold_again(struct host_job *j, struct record *record, nsec_t now) {
        struct record_key key = record_key(record);

        j->record = record;
        record->busy = j;
        j->read = now;
        if (record->commit) {
                j->state = HOST_HELD;
                host_send_recorded(j, now);
        } else {
                j->state = HOST_RECALLING;
                host_recall(j, &key);
        }
}

/* True when a record answered it: this dispatch was seen before. */
static bool is_repeated(struct host_job *j, nsec_t now) {
        struct record_key key = key_of(j);
        struct record *record = records_find(j->host->records, &key);

        if (!record)
                return false;
        if (record->busy && record->busy->state < HOST_COMMITTING) {
                host_reset(record->busy, now);
                return false;
        }
        j->host->counters.repeated++;
        if (record->busy && record->busy->state == HOST_RECALLING)
                host_reset(record->busy, now);
        if (record->busy)
                take_over(j, record->busy, now);
        else if (record->state == RECORD_SIGNED)
                hold_again(j, record, now);
        else
                host_refuse_for(j, OUTCOME_STALE, "why=perhaps_signed_before_restart");
        return true;
}

/* ---- Inputs ---- */

static size_t providers_of(const Grid__Dispatch *in, const struct host_job *j,
                           struct peer_id ret[PROVIDERS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < in->n_providers && n < PROVIDERS_MAX; i++)
                n += peer_id_parse(pb(&in->providers[i]), &ret[n]);
        if (n == 0)
                ret[n++] = j->peer->id;
        return n;
}

static void ask_inputs(struct host_job *j, const Grid__Dispatch *in) {
        struct peer_id providers[PROVIDERS_MAX];
        size_t n = providers_of(in, j, providers);

        j->n_inputs = j->descriptor.n_datasets;
        j->inputs = xnew_n(struct host_input, j->n_inputs);
        for (size_t i = 0; i < j->n_inputs; i++) {
                struct action *a;

                j->inputs[i].fetch = host_id(j);
                a = actions_add(j->host->core->actions, ACTION_INPUT, j->inputs[i].fetch);
                a->hash = j->descriptor.datasets[i].root;
                a->claim = (struct input_claim){ j->inputs[0].fetch, j->offer.input_bytes };
                a->providers = xmemdup(providers, n * sizeof(*providers));
                a->n_providers = n;
                a->n = j->descriptor.data_class == DATA_PUBLIC ? INPUT_SEARCH : 0;
        }
}

static void refuse_input(struct host_job *j, size_t i, const struct input_failure *f) {
        char detail[16 + 2 * HASH_SIZE + sizeof(f->who)];

        input_failure_detail(f, &j->descriptor.datasets[i].root, detail, sizeof(detail));
        if (f->code == OUTCOME_LIMIT)
                host_refuse_for(j, OUTCOME_LIMIT, "which=data");
        else
                host_refuse_for(j, OUTCOME_DATA_UNAVAILABLE, detail);
}

void host_input(struct host_job *j, uint64_t fetch, const struct input_facts *facts,
                const struct input_failure *failure, nsec_t now) {
        struct host_input *in = NULL;

        for (size_t i = 0; i < j->n_inputs; i++)
                if (j->inputs[i].fetch == fetch)
                        in = &j->inputs[i];
        if (!in || in->is_ready)
                return;
        if (!facts) {
                refuse_input(j, (size_t) (in - j->inputs), failure);
                return;
        }
        in->is_ready = true;
        in->format = xstrdup(facts->format);
        in->path = xstrdup(facts->path);
        in->options = BYTES(xmemdup(facts->options.data, facts->options.len), facts->options.len);
        in->schema = BYTES(xmemdup(facts->schema.data, facts->schema.len), facts->schema.len);
        in->length = facts->length;
        j->fetched += facts->fetched;
        j->n_ready++;
        j->touched = now;
        if (j->n_ready == j->n_inputs)
                host_start(j, now);
}

/* ---- Start ---- */

static uint64_t least(uint64_t asked, uint64_t most) {
        return asked && asked < most ? asked : most;
}

/* What every host of the job has alike: above these the answer is an error that is signed. What is
 * this host's own limit alone is none. */
static void fill_agreed(const struct host_job *j, Types__Limits *l) {
        types__limits__init(l);
        l->rows = j->descriptor.limits.rows;
        l->bytes = j->descriptor.limits.bytes;
}

static void fill_limits(const struct host_job *j, Types__Limits *l) {
        const struct host_settings *s = &j->host->core->settings.host;
        const struct descriptor_limits *d = &j->descriptor.limits;

        types__limits__init(l);
        l->rows = least(d->rows, s->rows_max);
        l->bytes = least(least(d->bytes, s->bytes_max), s->spool_bytes_job);
        l->memory = j->memory;
        l->cpu_ms = least(d->cpu_ms, s->cpu_max / NSEC_PER_MSEC);
        l->wall_ms = least(d->wall_ms, s->wall_max / NSEC_PER_MSEC);
}

static void fill_sources(const struct host_job *j, Worker__Source *sources, Worker__Source **list) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                const struct descriptor_dataset *d = &j->descriptor.datasets[i];
                const struct host_input *in = &j->inputs[i];

                worker__source__init(&sources[i]);
                sources[i].name = strndup((const char *) d->name.data, d->name.len);
                sources[i].format = in->format;
                sources[i].path = in->path;
                sources[i].options =
                        (ProtobufCBinaryData){ in->options.len, (uint8_t *) in->options.data };
                sources[i].schema =
                        (ProtobufCBinaryData){ in->schema.len, (uint8_t *) in->schema.data };
                sources[i].length = in->length;
                sources[i].root = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) d->root.bytes };
                list[i] = &sources[i];
        }
}

/* Views of single cells into the descriptor's run of them. */
static size_t fill_parameters(const struct host_job *j, ProtobufCBinaryData *ret) {
        struct reader r = reader_of(j->descriptor.parameters);
        size_t n = 0;
        struct cell c;

        while (n < j->descriptor.n_parameters) {
                size_t from = r.pos;

                check(cell_read(&r, &c) == CELL_OK); /* descriptor_decode() saw to it */
                ret[n++] =
                        (ProtobufCBinaryData){ r.pos - from,
                                               (uint8_t *) j->descriptor.parameters.data + from };
        }
        return n;
}

static void send_job(struct host_job *j) {
        CLEANUP(freep) Worker__Source *sources = xnew_n(Worker__Source, j->n_inputs);
        CLEANUP(freep) Worker__Source **list = xnew_n(Worker__Source *, j->n_inputs);
        CLEANUP(freep)
        ProtobufCBinaryData *cells = xnew_n(ProtobufCBinaryData, j->descriptor.n_parameters);
        CLEANUP(freep) char *sql = strndup((const char *) j->sql.data, j->sql.len);
        const struct descriptor *d = &j->descriptor;
        Worker__Job job = WORKER__JOB__INIT;
        Types__Limits limits, agreed;
        struct refbuf *packed;

        fill_limits(j, &limits);
        fill_agreed(j, &agreed);
        fill_sources(j, sources, list);
        job.mode = WORKER__JOB__MODE__RUN;
        job.engine = (char *) j->offer.engine;
        job.sql = sql;
        job.n_parameters = fill_parameters(j, cells);
        job.parameters = cells;
        job.n_inputs = j->n_inputs;
        job.inputs = list;
        job.limits = &limits;
        job.agreed = &agreed;
        job.time_us = d->time_us;
        job.seed = (ProtobufCBinaryData){ DESCRIPTOR_SEED_SIZE, (uint8_t *) d->seed };
        job.no_rewrite = true; /* what was dispatched is what is run */
        job.schema = (ProtobufCBinaryData){ d->schema.len, (uint8_t *) d->schema.data };
        job.form = d->ordered ? ANSWER_SEQUENCE : ANSWER_SET;
        job.comparison = (char *) comparison_name(d->comparison);
        job.class_name = (char *) "";
        packed = refbuf_alloc(worker__job__get_packed_size(&job));
        worker__job__pack(&job, packed->data);
        for (size_t i = 0; i < j->n_inputs; i++)
                free(sources[i].name);
        actions_add_data(j->host->core->actions, ACTION_WORK, j->run, packed);
}

void host_start(struct host_job *j, nsec_t now) {
        const struct host_settings *s = &j->host->core->settings.host;
        int r;

        list_remove(&j->in_waiting);
        j->memory = host_memory_of(j, j->descriptor.limits.memory);
        r = governor_take(j->host->core->governor, GOVERNOR_SERVED, j->memory);
        if (r == GOVERNOR_E_TOO_BIG) {
                host_refuse_for(j, OUTCOME_LIMIT, "which=memory");
                return;
        }
        if (r) {
                j->state = HOST_WAITING;
                list_push_back(&j->host->waiting, &j->in_waiting);
                return;
        }
        j->has_slot = true;
        host_promise_done(j);
        j->run = host_id(j);
        j->state = HOST_RUNNING;
        j->run_until = nsec_add(now, nsec_add(s->wall_max, 10 * NSEC_PER_SEC));
        j->said = now;
        j->progress = (struct host_progress){ .stage = "running" };
        j->host->counters.runs++;
        send_job(j);
}

/* ---- Dispatch ---- */

/* Used up, whatever comes of it. The place that was promised stays taken until the job
 * has its slot: else dispatches could queue without end. */
static void consume_ticket(struct host_job *j) {
        j->peer->bids--;
        j->is_promised = false;
}

static bool open_record(struct host_job *j) {
        struct record_key key = key_of(j);
        int r = records_room(j->host->records, &j->peer->id, &j->subnet);

        if (!r)
                j->record = records_add(j->host->records, &key, &j->subnet, j->descriptor.time_us);
        if (!j->record) {
                host_refuse_record(j, r ? r : SHARES_E_FULL);
                return false;
        }
        j->record->busy = j;
        j->journal = host_id(j);
        host_journal(j->host, j->record, false, j->journal);
        return true;
}

void host_on_dispatch(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        struct dispatched d = { .job = j, .in = m->dispatch, .now = now };

        j->host->counters.dispatches++;
        j->is_dispatched = true;
        if (!same_ticket(&d)) {
                host_refuse_for(j, OUTCOME_REFUSED, "rule=ticket");
                return;
        }
        consume_ticket(j);
        if (!keep(j, d.in) || !matches(&d))
                return;
        j->salt = job_salt(buffer_bytes(&j->descriptor_bytes));
        if (is_repeated(j, now)) { /* what was signed may be said again at any time */
                host_executor_done(j);
                return;
        }
        if (is_too_old(j, now) || !is_named(j) || !open_record(j))
                return;
        j->state = HOST_FETCHING;
        j->said = now;
        ask_inputs(j, d.in);
        if (j->n_inputs == 0)
                host_start(j, now);
}
