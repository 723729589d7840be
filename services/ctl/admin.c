/* quorate status, pause, resume and job: one node's coordinator from outside. */

#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/wire/peerid.h"
#include "proto/coordinator.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/ask.h"
#include "services/ctl/caller.h"
#include "services/ctl/json.h"

static const struct call_target admin = { "coordinator/admin", &coordinator__admin__descriptor, 0 };
static const struct call_target peers = { "transport/peers", &transport__peers__descriptor, 0 };
static const struct call_target query = { "coordinator/query", &coordinator__query__descriptor, 0 };

/* ---- status ---- */

static void metrics_json(const char *name, Types__Metric *const *metrics, size_t n, bool *first) {
        bool none = true;

        json_key(stdout, name, first);
        fputc('{', stdout);
        for (size_t i = 0; i < n; i++) {
                json_key(stdout, metrics[i]->name, &none);
                printf("%.15g", metrics[i]->value);
        }
        fputc('}', stdout);
}

static void observed_json(const Transport__StatusReply *t, bool *first) {
        json_key(stdout, "observed", first);
        for (size_t i = 0; i < t->n_observed; i++) {
                const Transport__Observed *o = t->observed[i];
                bool first_member = true;

                fputs(i ? ",{" : "[{", stdout);
                json_member_string(stdout, "address", o->address, &first_member);
                json_member_u64(stdout, "networks", o->networks, &first_member);
                json_member_bool(stdout, "believed", o->believed, &first_member);
                fputc('}', stdout);
        }
        fputs(t->n_observed ? "]" : "[]", stdout);
}

static void status_json(const Coordinator__AdminStatus *s, const Transport__StatusReply *t) {
        char id[PEER_ID_TEXT_SIZE] = "";
        struct peer_id peer;
        bool first = true;

        if (peer_id_parse(BYTES(s->peer.data, s->peer.len), &peer))
                peer_id_text(&peer, id);
        fputc('{', stdout);
        json_member_string(stdout, "peer", id, &first);
        json_member_bool(stdout, "paused", s->paused, &first);
        json_member_u64(stdout, "workers", s->workers, &first);
        json_member_u64(stdout, "slots", s->slots, &first);
        json_member_u64(stdout, "slots_busy", s->slots_busy, &first);
        json_member_u64(stdout, "jobs_own", s->jobs_own, &first);
        json_member_u64(stdout, "jobs_served", s->jobs_served, &first);
        json_member_u64(stdout, "candidates", s->candidates, &first);
        json_member_u64(stdout, "cache_bytes", s->cache_bytes, &first);
        json_member_u64(stdout, "cache_quota", s->cache_quota, &first);
        json_key(stdout, "engines", &first);
        for (size_t i = 0; i < s->n_engines; i++) {
                fputc(i ? ',' : '[', stdout);
                json_string(stdout, s->engines[i]);
        }
        fputs(s->n_engines ? "]" : "[]", stdout);
        json_key(stdout, "notes", &first);
        for (size_t i = 0; i < s->n_notes; i++) {
                fputc(i ? ',' : '[', stdout);
                json_string(stdout, s->notes[i]);
        }
        fputs(s->n_notes ? "]" : "[]", stdout);
        metrics_json("coordinator", s->metrics, s->n_metrics, &first);
        if (t) {
                json_member_u64(stdout, "connections", t->connections, &first);
                json_key(stdout, "listen", &first);
                for (size_t i = 0; i < t->n_listen; i++) {
                        fputc(i ? ',' : '[', stdout);
                        json_string(stdout, t->listen[i]);
                }
                fputs(t->n_listen ? "]" : "[]", stdout);
                observed_json(t, &first);
                metrics_json("transport", t->metrics, t->n_metrics, &first);
        }
        fputs("}\n", stdout);
}

static void status_text(const Coordinator__AdminStatus *s, const Transport__StatusReply *t,
                        bool verbose) {
        char id[PEER_ID_TEXT_SIZE] = "?";
        struct peer_id peer;

        if (peer_id_parse(BYTES(s->peer.data, s->peer.len), &peer))
                peer_id_text(&peer, id);
        printf("peer         %s%s\n", id, s->paused ? "  (paused)" : "");
        for (size_t i = 0; t && i < t->n_listen; i++)
                printf("listens on   %s\n", t->listen[i]);
        for (size_t i = 0; t && i < t->n_observed; i++)
                printf("seen at      %s (by peers of %u network%s%s)\n", t->observed[i]->address,
                       t->observed[i]->networks, t->observed[i]->networks == 1 ? "" : "s",
                       t->observed[i]->believed ? "" : ", not believed yet");
        if (t)
                printf("connections  %u (%u inbound)\n", t->connections, t->inbound);
        printf("workers      %u, %u of %u slots busy\n", s->workers, s->slots_busy, s->slots);
        printf("jobs         %u own, %u for others\n", s->jobs_own, s->jobs_served);
        printf("candidates   %u\n", s->candidates);
        for (size_t i = 0; i < s->n_engines; i++)
                printf("engine       %s\n", s->engines[i]);
        printf("datasets     %.1f of %.1f MiB\n", (double) s->cache_bytes / (1 << 20),
               (double) s->cache_quota / (1 << 20));
        for (size_t i = 0; i < s->n_notes; i++)
                printf("note         %s\n", s->notes[i]);
        for (size_t i = 0; verbose && i < s->n_metrics; i++)
                printf("  %-40s %.15g\n", s->metrics[i]->name, s->metrics[i]->value);
        for (size_t i = 0; verbose && t && i < t->n_metrics; i++)
                printf("  %-40s %.15g\n", t->metrics[i]->name, t->metrics[i]->value);
}

static int run_status(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked coordinator = {};
        CLEANUP(unpacked_donep) struct unpacked transport = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        char why[256];
        int code = ctl_call(ctx, &admin, "Status", &empty, &coordinator);

        if (code)
                return code;
        if (ctl_try(ctx, &peers, "Status", &empty, &transport, why) && !ctx->common.json)
                printf("transport does not answer: %s\n", why);
        if (ctx->common.json)
                status_json(coordinator.message, transport.message);
        else
                status_text(coordinator.message, transport.message, ctx->common.verbose);
        return EXIT_OK;
}

const struct command command_status = {
        .name = "status",
        .usage = "status",
        .summary = "Show what this node is and does; -v with all counters",
        .run = run_status,
};

/* ---- pause, resume ---- */

struct pause_options {
        nsec_t drain;
};
static const struct option pause_table[] = {
        { OPTION_DURATION, 0, "drain", offsetof(struct pause_options, drain), "TIME",
          "running jobs of others may finish within it [60s]" },
        {},
};
static const struct pause_options pause_defaults = { .drain = 60 * NSEC_PER_SEC };

static int say(const struct command_context *ctx, int code, const char *text) {
        if (code == EXIT_OK)
                puts(ctx->common.json ? "{\"ok\":true}" : text);
        return code;
}

static int run_pause(const struct command_context *ctx) {
        const struct pause_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__PauseRequest request = COORDINATOR__PAUSE_REQUEST__INIT;

        request.drain_ms = o->drain / NSEC_PER_MSEC;
        return say(ctx, ctl_call(ctx, &admin, "Pause", &request, &u),
                   "paused: no new jobs of others; `quorate resume` takes them again");
}

static int run_resume(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;

        return say(ctx, ctl_call(ctx, &admin, "Resume", &empty, &u), "takes jobs of others again");
}

const struct command command_pause = {
        .name = "pause",
        .usage = "pause [--drain TIME]",
        .summary = "Take no more jobs of others",
        .example = "quorate pause --drain 2min",
        .options = pause_table,
        .options_size = sizeof(struct pause_options),
        .defaults = &pause_defaults,
        .run = run_pause,
};
const struct command command_resume = {
        .name = "resume",
        .usage = "resume",
        .summary = "Take jobs of others again",
        .run = run_resume,
};

/* ---- job ---- */

struct job_options {
        struct ask_options ask;
        uint64_t limit, from;
        bool served;
};
static const struct option job_table[] = {
        { OPTION_U64, 'n', "limit", offsetof(struct job_options, limit), "N",
          "list: at most [20]" },
        { OPTION_FLAG, 0, "served", offsetof(struct job_options, served), NULL,
          "list: those done for others" },
        { OPTION_U64, 0, "from-batch", offsetof(struct job_options, from), "N",
          "attach: first batch wanted [0]" },
        ASK_OPTION(OPTION_CHOICE, 'f', "format", format, "table|csv|json|ndjson|markdown|line",
                   "attach: shape of the rows"),
        ASK_OPTION(OPTION_FLAG, 'm', "meta", meta, NULL, "attach: who answered what"),
        {},
};
static const struct job_options job_defaults = { .limit = 20 };

static bool job_of(const struct command_context *ctx, uint8_t ret[HASH_SIZE]) {
        return ctx->operands.n_items == 2 && hex_decode(ctx->operands.items[1], ret, HASH_SIZE);
}

static void job_json(const Coordinator__JobSummary *j) {
        bool first = true;

        fputc('{', stdout);
        json_key(stdout, "job", &first);
        json_hex(stdout, j->job.data, j->job.len);
        json_member_string(stdout, "state", j->state, &first);
        json_member_u64(stdout, "started_us", (uint64_t) j->started_us, &first);
        json_member_ms(stdout, "elapsed_ms", j->elapsed_us, &first);
        json_member_u64(stdout, "rows", j->rows, &first);
        json_member_string(stdout, "problem", j->problem, &first);
        json_member_bool(stdout, "served", j->served, &first);
        json_member_string(stdout, "sql", j->sql, &first);
        fputs("}\n", stdout);
}

static void job_text(const Coordinator__JobSummary *j) {
        time_t t = (time_t) (j->started_us / 1000000);
        char when[32] = "", sql[60], job[2 * HASH_SIZE + 1] = "";
        struct tm tm;

        if (localtime_r(&t, &tm))
                (void) strftime(when, sizeof(when), "%F %T", &tm);
        if (j->job.len == HASH_SIZE)
                hex_encode(BYTES(j->job.data, HASH_SIZE), job);
        printf("%s  %s  %-12s %8.1f ms  %s\n", job, when, j->state, (double) j->elapsed_us / 1000,
               text_escape(BYTES_STR(j->sql), sql, sizeof(sql)));
}

static int job_list(const struct command_context *ctx) {
        const struct job_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__JobListRequest request = COORDINATOR__JOB_LIST_REQUEST__INIT;
        const Coordinator__JobListReply *reply;
        int code;

        request.limit = (uint32_t) o->limit;
        request.served = o->served;
        code = ctl_call(ctx, &admin, "JobList", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_jobs; i++)
                (ctx->common.json ? job_json : job_text)(reply->jobs[i]);
        if (reply->n_jobs == 0 && !ctx->common.json)
                puts("no jobs");
        return EXIT_OK;
}

static int job_cancel(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__JobRef ref = COORDINATOR__JOB_REF__INIT;
        uint8_t job[HASH_SIZE];

        if (!job_of(ctx, job))
                return complain(ctx, EXIT_USAGE,
                                "job cancel: give a job id of 64 hex digits (`quorate job list`)");
        ref.job = (ProtobufCBinaryData){ HASH_SIZE, job };
        return say(ctx, ctl_call(ctx, &query, "Cancel", &ref, &u), "cancelled");
}

static int job_attach(const struct command_context *ctx) {
        const struct job_options *o = ctx->options;
        struct quorate_result *r;
        uint8_t job[HASH_SIZE];
        struct quorate *q;
        int code;

        if (!job_of(ctx, job))
                return complain(ctx, EXIT_USAGE,
                                "job attach: give a job id of 64 hex digits (`quorate job list`)");
        code = ask_connect(ctx, &q);
        if (code)
                return code;
        if (quorate_attach(q, job, o->from, &r) == QUORATE_OK) {
                code = ask_show(ctx, &o->ask, q, r);
                quorate_result_free(r);
        } else {
                code = complain(ctx, EXIT_OTHER, "%s", quorate_error(q));
        }
        quorate_close(q);
        return code;
}

static const struct {
        const char *name;
        int (*run)(const struct command_context *ctx);
} job_verbs[] = { { "list", job_list }, { "attach", job_attach }, { "cancel", job_cancel } };

static int run_job(const struct command_context *ctx) {
        for (size_t i = 0; i < ELEMENTSOF(job_verbs) && ctx->operands.n_items > 0; i++)
                if (strcmp(ctx->operands.items[0], job_verbs[i].name) == 0)
                        return job_verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE, "job: say list, attach JOB or cancel JOB");
}

const struct command command_job = {
        .name = "job",
        .usage = "job list | attach JOB | cancel JOB",
        .summary = "List jobs, take one up again, or stop it",
        .example = "quorate job list --served --json",
        .options = job_table,
        .options_size = sizeof(struct job_options),
        .defaults = &job_defaults,
        .run = run_job,
};
