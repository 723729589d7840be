/* quorate receipt: what proves an answer later. */

#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "proto/coordinator.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/colour.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/receipt_show.h"

#define LIST_MAX 200 /* as coordinator has it */

struct receipt_options {
        const char *rows;
        uint64_t limit;
};

static const struct option options[] = {
        { OPTION_STRING, 0, "rows", offsetof(struct receipt_options, rows), "FILE",
          "hash these rows again (query --save-rows)", "verify" },
        { OPTION_COUNT, 'n', "limit", offsetof(struct receipt_options, limit), "N",
          "at most so many [20]", "list" },
        {},
};
static const struct receipt_options defaults = { .limit = 20 };

static void summary_json(const struct command_context *ctx, const Coordinator__ReceiptSummary *r) {
        bool first = true;

        fputc('{', stdout);
        json_key(stdout, "job", &first);
        json_hex(stdout, r->job.data, r->job.len);
        json_member_string(stdout, "state", r->state, &first);
        json_member_string(stdout, "path", r->path, &first);
        json_member_u64(stdout, "time_us", (uint64_t) r->time_us, &first);
        json_member_u64(stdout, "agreement", r->agreement, &first);
        json_member_u64(stdout, "quorum", r->quorum, &first);
        json_member_u64(stdout, "rows", r->rows, &first);
        json_member_string(stdout, "sql", r->sql, &first);
        fputs("}\n", stdout);
}

static void summary_text(const struct command_context *ctx, const Coordinator__ReceiptSummary *r) {
        time_t t = (time_t) (r->time_us / 1000000);
        char when[32] = "", sql[48], job[17] = "";
        struct tm tm;

        if (localtime_r(&t, &tm))
                (void) strftime(when, sizeof(when), "%F %T", &tm);
        if (r->job.len >= 8)
                hex_encode(BYTES(r->job.data, 8), job);
        printf("%-19s  %s%-10s%s  %u agree (quorum %u)  %8lu rows  %s  %s\n", when,
               colour_begin(ctx, stdout, r->state), r->state, colour_end(ctx, stdout, r->state),
               r->agreement, r->quorum, (unsigned long) r->rows, job,
               text_escape(BYTES_STR(r->sql), sql, sizeof(sql)));
        printf("    %s\n", r->path);
}

static int list(const struct command_context *ctx) {
        static const struct call_target target = { "coordinator/admin",
                                                   &coordinator__admin__descriptor, 0 };
        const struct receipt_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__JobListRequest request = COORDINATOR__JOB_LIST_REQUEST__INIT;
        const Coordinator__ReceiptListReply *reply;
        int code;

        if (o->limit > LIST_MAX)
                return complain(ctx, EXIT_USAGE, "--limit: give at most %d", LIST_MAX);
        request.limit = (uint32_t) o->limit;
        code = ctl_call(ctx, &target, "ReceiptList", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_receipts; i++)
                (ctx->common.json ? summary_json : summary_text)(ctx, reply->receipts[i]);
        if (reply->n_receipts == 0 && !ctx->common.json)
                puts("no receipts yet; a verified query makes one");
        people_more(ctx, reply->n_receipts, reply->more, LIST_MAX);
        return EXIT_OK;
}

static int verify(const struct command_context *ctx) {
        const struct receipt_options *o = ctx->options;

        return receipt_verify_file(ctx, ctx->operands.items[1], o->rows);
}

static int show(const struct command_context *ctx) {
        return receipt_show_file(ctx, ctx->operands.items[1]);
}

static const struct {
        const char *name;
        size_t n_operands;
        int (*run)(const struct command_context *ctx);
} verbs[] = { { "list", 1, list }, { "show", 2, show }, { "verify", 2, verify } };

static int run(const struct command_context *ctx) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (ctx->operands.n_items == verbs[i].n_operands &&
                    strcmp(ctx->operands.items[0], verbs[i].name) == 0)
                        return verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE,
                        "receipt: say list, show FILE or verify FILE [--rows FILE]");
}

const struct command command_receipt = {
        .name = "receipt",
        .usage = "receipt list | show FILE | verify FILE [--rows FILE]",
        .summary = "List, show and check receipts (checking needs no network)",
        .example = "quorate receipt verify answer.receipt --rows answer.qrows",
        .options = options,
        .options_size = sizeof(struct receipt_options),
        .defaults = &defaults,
        .run = run,
};
