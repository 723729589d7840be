#include "services/coordinator/shell_actions.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/coordinator/imports.h"
#include "services/coordinator/kept.h"
#include "services/coordinator/shell_dataset.h"
#include "services/coordinator/shell_discovery.h"

#define CLOCK_EVERY NSEC_PER_SEC /* wall clock, candidates */

int64_t shell_wall_us(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- Actions ---- */

static void do_input(struct shell *s, struct action *a) {
        const struct data_request request = { .id = a->id,
                                              .root = a->hash,
                                              .claim = a->claim,
                                              .providers = a->providers,
                                              .n_providers = a->n_providers,
                                              .search = a->n == INPUT_SEARCH };

        shell_data_input(s->data, &request);
}

static void do_input_cancel(struct shell *s, struct action *a) {
        shell_data_cancel(s->data, a->id);
}

static void do_event(struct shell *s, struct action *a) {
        static const int levels[] = {
                [EVENT_DEBUG] = LOG_DEBUG, [EVENT_INFO] = LOG_INFO, [EVENT_WARNING] = LOG_WARNING
        };
        char peer[PEER_ID_TEXT_SIZE], kept[128];
        const struct event *e = &a->event;
        struct log_fields fields = { .peer = peer_id_text(&e->peer, peer) };

        s->counters.events++;
        log_with(levels[e->level], &fields, "%s %s%s%s%s%s%s%s", e->name, e->text ? e->text : "",
                 e->more ? " (" : "", e->more ? e->more : "", e->more ? ")" : "",
                 peer[0] ? " peer " : "", peer, shell_kept_name(&e->kept, kept, sizeof(kept)));
}

static void do_nothing(struct shell *s, struct action *a) {
}

static const shell_action_fn do_action[_ACTION_N] = {
        [ACTION_NONE] = do_nothing,
        [ACTION_OPEN] = shell_do_open,
        [ACTION_SEND] = shell_do_send,
        [ACTION_CONSUMED] = shell_do_consumed,
        [ACTION_FINISH] = shell_do_finish,
        [ACTION_RESET] = shell_do_reset,
        [ACTION_SIGN] = shell_do_sign,
        [ACTION_WORK] = shell_do_work,
        [ACTION_WORK_FETCH] = shell_do_work_fetch,
        [ACTION_WORK_CONSUMED] = shell_do_work_consumed,
        [ACTION_WORK_RELEASE] = shell_do_work_release,
        [ACTION_WORK_CANCEL] = shell_do_work_cancel,
        [ACTION_INPUT] = do_input,
        [ACTION_INPUT_CANCEL] = do_input_cancel,
        [ACTION_JOURNAL] = shell_do_journal,
        [ACTION_RECALL] = shell_do_recall,
        [ACTION_RECEIPT] = shell_do_receipt,
        [ACTION_SPOOL_WRITE] = shell_do_spool_write,
        [ACTION_SPOOL_READ] = shell_do_spool_read,
        [ACTION_SPOOL_DROP] = shell_do_spool_drop,
        [ACTION_ANSWER_FIND] = shell_do_answer_find,
        [ACTION_ANSWER_KEEP] = shell_do_answer_keep,
        [ACTION_ANSWER_DROP] = shell_do_answer_drop,
        [ACTION_FIND] = shell_do_find,
        [ACTION_REPLY] = shell_do_reply,
        [ACTION_CLIENT] = shell_do_client,
        [ACTION_CLIENT_FINISH] = shell_do_client_finish,
        [ACTION_EVENT] = do_event,
};

/* An action may tell the core something at once; what that wants is carried out by
 * the round under way. */
void shell_turn(struct shell *s) {
        struct action a;

        if (s->is_turning)
                return;
        s->is_turning = true;
        while (coordinator_output(s->core, &a)) {
                s->counters.actions++;
                do_action[a.type](s, &a);
                action_done(&a);
        }
        s->is_turning = false;
        shell_offer_look(s);
        (void) loop_timer_set(s->timer, coordinator_deadline(s->core));
}

static int on_timer(void *userdata) {
        struct shell *s = userdata;

        coordinator_expire(s->core, shell_now(s));
        shell_turn(s);
        return 0;
}

/* The wall clock may be set at any time; a few seconds late is early enough. */
static int on_clock(void *userdata) {
        struct shell *s = userdata;
        uint32_t own, served;

        coordinator_clock(s->core, shell_now(s), shell_wall_us());
        shell_streams_expire(s);
        shell_candidates(s);
        shell_files_prune(s);
        shell_files_sync(s);
        shell_datasets_tick(s);
        coordinator_busy(s->core, &own, &served);
        s->gauges.jobs_own = own;
        s->gauges.jobs_served = served;
        return loop_timer_set(s->clock, nsec_add(shell_now(s), CLOCK_EVERY));
}

/* ---- Datasets ---- */

static void on_input_ready(void *userdata, uint64_t fetch, const struct input_facts *facts) {
        struct shell *s = userdata;

        if (shell_dataset_ready(s, fetch, facts))
                return;
        coordinator_input_ready(s->core, fetch, facts, shell_now(s));
        shell_turn(s);
}

static void on_input_failed(void *userdata, uint64_t fetch, const struct input_failure *failure) {
        struct shell *s = userdata;

        if (shell_dataset_failed(s, fetch, failure))
                return;
        coordinator_input_failed(s->core, fetch, failure, shell_now(s));
        shell_turn(s);
}

static void on_blamed(void *userdata, const struct peer_id *peer, const char *why) {
        char text[PEER_ID_TEXT_SIZE];
        struct log_fields fields = { .peer = peer_id_text(peer, text) };

        log_with(LOG_NOTICE, &fields, "provider %s given up: %s", text, why);
}

static const struct shell_data_handler data_handler = { .ready = on_input_ready,
                                                        .failed = on_input_failed,
                                                        .blamed = on_blamed,
                                                        .search = shell_dataset_search,
                                                        .ended = shell_dataset_ended };

int shell_check(const struct service_context *ctx) {
        const struct coordinator_config *config = ctx->config;

        int r = network_check(&config->node_network, NULL, ctx->config_path);
        struct coordinator_settings settings;

        if (r == 0)
                r = coordinator_config_settings(config, "", &settings);
        if (r == 0)
                free((void *) settings.host.denied);
        return r;
}

/* Nodes of other networks call their protocols otherwise. */
static int start_network(struct shell *s) {
        CLEANUP(freep) struct network *n = xnew(struct network);
        int r = network_load(&s->config->node_network, NULL, n);

        if (r)
                return r;
        network_wipe(n); /* only its fingerprint is needed here */
        network_protocol(n, JOB_PROTOCOL, s->job_protocol);
        network_protocol(n, DATA_PROTOCOL, s->data_protocol);
        return 0;
}

static int start_data(struct shell *s) {
        struct shell_data_config config = shell_data_defaults;
        static const char *const texts[] = {
                [STORE_E_LOCKED] = "another coordinator uses it; stop that one",
                [STORE_E_DISK] = "the disk is full; make room",
                [STORE_E_QUOTA] = "it is over its quota; raise [coordinator] cache-size",
        };
        int r;

        s->cache_path = xasprintf("%s/datasets", s->ctx->state);
        r = store_open(s->cache_path, s->config->cache_size, &s->store);
        if (r > 0)
                log_error("dataset cache %s: %s", s->cache_path,
                          (size_t) r < ELEMENTSOF(texts) && texts[r] ? texts[r] : "not usable");
        if (r)
                return r < 0 ? log_fault(r, "cannot open the dataset cache %s", s->cache_path)
                             : error_origin(-EIO);
        r = shell_files_secret(s);
        if (r)
                return log_fault(r, "cannot read or make upload.secret in %s", s->ctx->state);
        config.protocol = s->data_protocol;
        config.zstd = (enum pays_mode) s->config->zstd;
        config.fault = s->config->fault;
        s->data = shell_data_new(s->loop, s->store, &config, &data_handler, s);
        return 0;
}

/* ---- Life ---- */

static int start_timers(struct shell *s) {
        int r = loop_add_timer(s->loop, on_timer, s, &s->timer);

        if (!r)
                r = loop_add_timer(s->loop, on_clock, s, &s->clock);
        return r;
}

static int start_core(struct shell *s) {
        struct coordinator_settings settings;
        uint64_t seed;
        int r;

        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        r = coordinator_config_settings(s->config, s->receipts_path, &settings);
        if (r)
                return r;
        s->denied = (struct peer_id *) settings.host.denied;
        s->core = coordinator_new(&settings, &s->self, seed);
        coordinator_clock(s->core, shell_now(s), shell_wall_us());
        return shell_files_restore(s);
}

/* Who we are and what we know first; only then those who ask. */
static int (*const starts[])(struct shell *s) = {
        start_network,        start_timers,        shell_keyring_start, shell_files_start,
        shell_kept_start,     start_data,          start_core,          shell_discovery_start,
        shell_datasets_start, shell_workers_start, shell_client_start,  shell_streams_start,
};

int shell_start(struct service_context *ctx, void **ret) {
        struct shell *s = xnew(struct shell);

        s->ctx = ctx;
        s->loop = ctx->loop;
        s->config = ctx->config;
        s->streams = map_new(1);
        s->clients = map_new(2);
        s->calls = map_new(3);
        s->runs = map_new(4);
        s->spools = map_new(5);
        s->next_stream = 1;
        rpc_services_init(s, s->services);
        list_init(&s->workers);
        list_init(&s->uploads);
        list_init(&s->imports);
        s->import_faults = xnew(struct import_faults);
        for (size_t i = 0; i < ELEMENTSOF(starts); i++) {
                int r = starts[i](s);

                if (r) {
                        shell_stop(ctx, s);
                        return r;
                }
        }
        shell_metrics(s);
        shell_turn(s);
        (void) on_clock(s);
        *ret = s;
        return 0;
}

void shell_drain(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        s->is_draining = true;
        rpc_server_refuse(s->query_rpc);
        coordinator_pause(s->core, 0, shell_now(s));
        shell_turn(s);
        service_drained(ctx);
}

static void map_done(struct map **m) {
        *m = map_free(*m);
}

void *shell_stop(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        if (!s)
                return NULL;
        shell_streams_stop(s);
        shell_client_stop(s);
        shell_workers_stop(s);
        shell_datasets_stop(s);
        shell_discovery_stop(s);
        s->core = coordinator_free(s->core);
        shell_data_free(s->data);
        store_free(s->store);
        shell_files_stop(s);
        shell_kept_stop(s);
        shell_keyring_stop(s);
        loop_source_free(s->timer);
        loop_source_free(s->clock);
        map_done(&s->streams);
        map_done(&s->clients);
        map_done(&s->calls);
        map_done(&s->runs);
        map_done(&s->spools);
        free(s->denied);
        free(s->cache_path);
        free(s->receipts_path);
        free(s->import_faults);
        free(s);
        return NULL;
}

/* ---- Metrics ---- */

#define COUNTER(m, help) METRIC(shell_counters, m, METRIC_COUNTER, help)
#define GAUGE(m, help)   METRIC(shell_gauges, m, METRIC_GAUGE, help)

static const struct metric counters[] = {
        COUNTER(actions, "actions of the core carried out"),
        COUNTER(streams_opened, "job streams opened to hosts"),
        COUNTER(streams_inbound, "job streams opened by requesters"),
        COUNTER(runs, "jobs handed to workers: one executor each"),
        COUNTER(clients, "result channels opened"),
        COUNTER(submits, "queries submitted"),
        COUNTER(uploads, "datasets uploaded"),
        COUNTER(signatures, "statements signed by keyring"),
        COUNTER(sign_failures, "statements keyring did not sign"),
        COUNTER(journal_commits, "transactions of the journal"),
        COUNTER(journal_failures, "transactions that failed"),
        COUNTER(receipts, "receipts written"),
        COUNTER(events, "events of the core"),
        COUNTER(draws, "times gossip was asked for hosts"),
        COUNTER(look_ups, "times dht was asked for hosts near a random key"),
        COUNTER(imports, "datasets imported for SQLite"),
        COUNTER(imports_unkept, "imports that found no room, and were not kept"),
        COUNTER(imports_again, "imports begun again, as the run that gave them most was gone"),
        COUNTER(imports_known, "runs told what an import of their data had failed for before"),
        COUNTER(offers_told, "times gossip was told what this node offers"),
        COUNTER(announcements, "times dht was told of a dataset, or that it is gone"),
        COUNTER(data_searches, "times dht was asked who has a dataset"),
        COUNTER(data_searches_refused,
                "times it was not, because too many searches were under way"),
        {},
};
static const struct metric gauges[] = {
        GAUGE(workers, "workers enlisted"),
        GAUGE(slots, "slots of all workers"),
        GAUGE(slots_busy, "runs under way"),
        GAUGE(jobs_own, "own jobs under way"),
        GAUGE(jobs_served, "jobs served for others under way"),
        GAUGE(cache_bytes, "bytes of the disk that the dataset cache takes"),
        GAUGE(cache_datasets, "datasets in it, those fetched in part too"),
        GAUGE(cache_evicted, "datasets that had to make room since the start"),
        GAUGE(data_fetched, "bytes of datasets fetched from others"),
        GAUGE(data_served, "bytes of datasets served to others"),
        GAUGE(data_packed, "bytes of chunks that were packed on their way to others, before"),
        GAUGE(verdicts_kept, "verdicts of requesters on disk, each with the commit it judges"),
        {},
};

#define HOST(m, help) METRIC(host_counters, m, METRIC_COUNTER, help)
#define OWED(m, help) METRIC(verdicts_counters, m, METRIC_COUNTER, help)

static const struct metric host_metrics[] = {
        HOST(offers, "offers of requesters"),
        HOST(describes, "statements that requesters asked to have read"),
        HOST(bids, "offers answered with a bid"),
        HOST(refusals, "offers refused"),
        HOST(dispatches, "jobs dispatched to this host"),
        HOST(mismatches, "dispatches that differ from their offer"),
        HOST(stale, "dispatches with a job time that may not be signed"),
        HOST(runs, "runs begun"),
        HOST(commits, "answers signed"),
        HOST(failures, "dispatched jobs that ended without a commit"),
        HOST(repeated, "dispatches answered from a record"),
        HOST(cancelled, "jobs cancelled by their requester"),
        HOST(expired, "bids that were not taken up"),
        HOST(malformed, "streams ended for what came on them"),
        HOST(quota, "refused because this host is full"),
        HOST(shared_streams, "streams refused: the requester or its subnet has its share"),
        HOST(shared_runs, "offers refused: the requester or its subnet has its share of runs"),
        HOST(shared_commits, "jobs refused: the requester or its subnet has its share of commits"),
        HOST(records_dropped, "records withdrawn because nothing was signed"),
        HOST(records_expired, "records forgotten after a day"),
        HOST(verdicts_kept, "verdicts on our commits kept"),
        HOST(verdicts_repeated, "verdicts that were there already"),
        HOST(verdicts_unknown, "verdicts on no commit we remember"),
        HOST(verdicts_over, "verdicts beyond two on one commit"),
        HOST(verdicts_bad, "verdicts that are false or not signed by their requester"),
        HOST(verdicts_correct, "kept verdicts: correct"),
        HOST(verdicts_fault, "kept verdicts: a fault"),
        HOST(verdicts_other, "kept verdicts: neither"),
        {},
};
static const struct metric owed_metrics[] = {
        OWED(owed, "verdicts that did not go out on the job's stream"),
        OWED(delivered, "of these, taken by their host later"),
        OWED(given_up, "of these, not delivered in time"),
        OWED(refused, "of these, not kept: too many for one host, or for all"),
        OWED(attempts, "streams opened to deliver them"),
        {},
};

#define ANSWER(m, help)     METRIC(answers_counters, m, METRIC_COUNTER, help)
#define KEPT(m, type, help) METRIC(kept_figures, m, type, help)

static const struct metric answers_metrics[] = {
        ANSWER(hits, "queries answered with one that was verified before"),
        ANSWER(misses, "queries for which none was kept, or none that may be given"),
        ANSWER(damaged, "kept answers that did not verify any more, and went"),
        ANSWER(distrusted, "kept answers that a proved liar or a denied host signed, and went"),
        ANSWER(expired, "kept answers older than cache-age, and went"),
        ANSWER(too_large, "answers not kept: larger than cache-entry"),
        ANSWER(no_room, "answers neither kept nor given for want of memory"),
        {},
};
static const struct metric kept_metrics[] = {
        KEPT(bytes, METRIC_GAUGE, "bytes of the disk that kept answers take"),
        KEPT(entries, METRIC_GAUGE, "answers kept now"),
        KEPT(kept, METRIC_COUNTER, "answers written"),
        KEPT(evicted, METRIC_COUNTER, "answers that had to make room"),
        KEPT(refused, METRIC_COUNTER, "answers not kept: larger than the limits allow"),
        KEPT(failures, METRIC_COUNTER, "answers that could not be written, or read again"),
        {},
};

#define ESTIMATES(m, help) METRIC(estimates_counters, m, METRIC_COUNTER, help)

static const struct metric estimates_metrics[] = {
        ESTIMATES(learned, "runs of own queries that estimates rest on"),
        ESTIMATES(forgotten, "kinds of queries forgotten for want of room"),
        {},
};

void shell_metrics(struct shell *s) {
        metrics_register(s->ctx->metrics, "host", host_metrics, coordinator_host(s->core));
        metrics_register(s->ctx->metrics, "owed", owed_metrics, coordinator_owed(s->core));
        metrics_register(s->ctx->metrics, "answers", answers_metrics, coordinator_answers(s->core));
        if (s->kept)
                metrics_register(s->ctx->metrics, "answers", kept_metrics, kept_figures(s->kept));
        metrics_register(s->ctx->metrics, "estimates", estimates_metrics,
                         coordinator_estimates(s->core));
        metrics_register(s->ctx->metrics, NULL, counters, &s->counters);
        metrics_register(s->ctx->metrics, NULL, gauges, &s->gauges);
}
