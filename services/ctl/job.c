/* quorate job: what this node was asked, and one of them taken up or stopped. */

#include <string.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "proto/coordinator.pb-c.h"
#include "services/ctl/ask.h"
#include "services/ctl/caller.h"
#include "services/ctl/colour.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

#define LIST_MAX 200 /* as coordinator has it */

static const struct call_target admin = { "coordinator/admin", &coordinator__admin__descriptor, 0 };
static const struct call_target query = { "coordinator/query", &coordinator__query__descriptor, 0 };

struct job_options {
        struct ask_options ask;
        uint64_t limit, from;
        bool served;
};
static const struct option job_table[] = {
        { OPTION_COUNT, 'n', "limit", offsetof(struct job_options, limit), "N",
          "at most so many [20]", "list" },
        { OPTION_FLAG, 0, "served", offsetof(struct job_options, served), NULL,
          "those done for others", "list" },
        { OPTION_U64, 0, "from-batch", offsetof(struct job_options, from), "N",
          "first batch wanted [0]", "attach" },
        ASK_OPTION(OPTION_CHOICE, 'f', "format", format, "table|csv|json|ndjson|markdown|line",
                   "shape of the rows", "attach"),
        ASK_OPTION(OPTION_FLAG, 'm', "meta", meta, NULL, "who answered what", "attach"),
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

static void job_text(const struct command_context *ctx, const Coordinator__JobSummary *j) {
        const char *word = *j->problem && !*colour_of(j->state) ? "error" : j->state;
        time_t t = (time_t) (j->started_us / 1000000);
        char when[32] = "", sql[60], job[2 * HASH_SIZE + 1] = "";
        struct tm tm;

        if (localtime_r(&t, &tm))
                (void) strftime(when, sizeof(when), "%F %T", &tm);
        if (j->job.len == HASH_SIZE)
                hex_encode(BYTES(j->job.data, HASH_SIZE), job);
        printf("%s  %s  %s%-12s%s %8.1f ms  %s\n", job, when, colour_begin(ctx, stdout, word),
               j->state, colour_end(ctx, stdout, word), (double) j->elapsed_us / 1000,
               text_escape(BYTES_STR(j->sql), sql, sizeof(sql)));
}

static int job_list(const struct command_context *ctx) {
        const struct job_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__JobListRequest request = COORDINATOR__JOB_LIST_REQUEST__INIT;
        const Coordinator__JobListReply *reply;
        int code;

        if (ctx->operands.n_items > 1)
                return complain(ctx, EXIT_USAGE,
                                "job list: takes options only, not '%s'; see --help",
                                ctx->operands.items[1]);
        if (o->limit > LIST_MAX)
                return complain(ctx, EXIT_USAGE, "--limit: give at most %d", LIST_MAX);
        request.limit = (uint32_t) o->limit;
        request.served = o->served;
        code = ctl_call(ctx, &admin, "JobList", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_jobs; i++)
                if (ctx->common.json)
                        job_json(reply->jobs[i]);
                else
                        job_text(ctx, reply->jobs[i]);
        if (reply->n_jobs == 0 && !ctx->common.json)
                puts("no jobs");
        people_more(ctx, reply->n_jobs, reply->more, LIST_MAX);
        return EXIT_OK;
}

static int job_cancel(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__JobRef ref = COORDINATOR__JOB_REF__INIT;
        uint8_t job[HASH_SIZE];
        int code;

        if (!job_of(ctx, job))
                return complain(ctx, EXIT_USAGE,
                                "job cancel: give a job id of 64 hex digits (`quorate job list`)");
        ref.job = (ProtobufCBinaryData){ HASH_SIZE, job };
        code = ctl_call(ctx, &query, "Cancel", &ref, &u);
        if (code == EXIT_OK)
                puts(ctx->common.json ? "{\"ok\":true}" : "cancelled");
        return code;
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
        code = ask_connect(ctx, &o->ask, &q);
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
