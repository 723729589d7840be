/* quorate explain: what a query is and where it would run, without running it. */

#include <inttypes.h>
#include <string.h>

#include "common/base/text.h"
#include "services/ctl/ask.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

static const struct option options[] = {
        ASK_OPTION(OPTION_LIST, 'd', "data", data, "[NAME=]FILE", ASK_DATA_HELP),
        ASK_OPTION(OPTION_CHOICE, 0, "prefer", prefer, "auto|local|remote",
                   "where it may run [auto]"),
        ASK_OPTION(OPTION_CHOICE, 0, "verify", verify, "quorum|unanimous|fast",
                   "how it is to be checked [quorum]"),
        ASK_OPTION(OPTION_CHOICE, 0, "comparison", comparison, "class|engine|portable",
                   "which answers may be compared"),
        ASK_OPTION(OPTION_LIST, 0, "engine", engines, "NAME",
                   "sqlite, duckdb, or one class; again: or that build"),
        ASK_OPTION(OPTION_FLAG, 0, "engine-diverse", engine_diverse, NULL,
                   "equal answers of two engines"),
        ASK_OPTION(OPTION_CHOICE, 0, "class", data_class, "public|internal|sensitive",
                   "who may see the data"),
        ASK_OPTION(OPTION_FLAG, 0, "remote", remote, NULL,
                   "let hosts read it, not this node; public data only"),
        ASK_OPTION(OPTION_FLAG, 0, "no-rewrite", no_rewrite, NULL, "take the SQL exactly as given"),
        {},
};

static void show_json(const struct quorate_explanation *e) {
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "class", e->class_name, &first);
        json_member_bool(stdout, "ordered", e->ordered, &first);
        json_member_string(stdout, "comparison", e->comparison, &first);
        json_member_bool(stdout, "portable", e->portable, &first);
        json_member_string(stdout, "not_portable", e->not_portable, &first);
        json_key(stdout, "not_portable_at", &first);
        printf("%d", e->portable ? -1 : e->not_portable_at);
        json_member_string(stdout, "not_portable_expression", e->not_portable_expression, &first);
        json_member_string(stdout, "engine", e->engine, &first);
        people_json_texts("engines", e->engines, e->n_engines, &first);
        json_member_u64(stdout, "usable", e->usable, &first);
        json_member_u64(stdout, "unusable", e->unusable, &first);
        people_json_texts("imports", e->imports, e->n_imports, &first);
        json_member_string(stdout, "route", e->route, &first);
        json_member_string(stdout, "reason", e->reason, &first);
        people_json_cost(stdout, "estimate", &e->estimate, &first);
        json_member_string(stdout, "rewrite", e->rewrite, &first);
        json_key(stdout, "reasons", &first);
        fputc('[', stdout);
        for (size_t i = 0; i < e->n_findings; i++) {
                bool inner = true;

                fputs(i ? ",{" : "{", stdout);
                json_member_string(stdout, "expression", e->findings[i].expression, &inner);
                json_key(stdout, "position", &inner);
                printf("%d", e->findings[i].position);
                json_member_string(stdout, "why", e->findings[i].why, &inner);
                fputc('}', stdout);
        }
        fputc(']', stdout);
        json_member_string(stdout, "message", e->message, &first);
        json_member_u64(stdout, "exit", (uint64_t) e->exit_code, &first);
        fputs("}\n", stdout);
}

static void put(const char *name, const char *value) {
        char shown[4096];

        printf("%-11s %s\n", name, text_escape(BYTES_STR(value), shown, sizeof(shown)));
}

static void show_findings(const struct quorate_explanation *e) {
        for (size_t i = 0; i < e->n_findings; i++) {
                const struct quorate_finding *f = &e->findings[i];
                char expression[128], why[256], place[32] = "";

                if (f->position >= 0)
                        snprintf(place, sizeof(place), "at byte %d, ", f->position);
                printf("%-11s %s%s: %s\n", i ? "" : "because", place,
                       text_escape(BYTES_STR(f->expression), expression, sizeof(expression)),
                       text_escape(BYTES_STR(f->why), why, sizeof(why)));
        }
}

/* Of what can be compared at all: whether engines can be, too. */
static void show_portable(const struct quorate_explanation *e) {
        bool is_asked = strcmp(e->comparison, "portable") == 0;
        char place[128] = "";

        if (e->portable)
                put("portable", is_asked ? "yes: SQLite and DuckDB answer it alike"
                                         : "yes: SQLite and DuckDB answer it alike; try "
                                           "--engine-diverse");
        if (e->portable || !*e->not_portable || strcmp(e->comparison, "class") == 0)
                return;
        if (e->not_portable_at >= 0)
                snprintf(place, sizeof(place), "at byte %d, %s: ", e->not_portable_at,
                         e->not_portable_expression);
        printf("%-11s no: %s%s\n", "portable", place, e->not_portable);
}

static void show_imports(const struct quorate_explanation *e) {
        char name[128];

        for (size_t i = 0; i < e->n_imports; i++)
                printf("%-11s %s: a SQLite host makes a SQLite file of it, once, and keeps it\n",
                       i ? "" : "import",
                       text_escape(BYTES_STR(e->imports[i]), name, sizeof(name)));
}

static void show_estimate(const struct quorate_explanation *e) {
        const struct quorate_cost *c = &e->estimate;
        char runs[64] = "by the plan alone; runs will correct it";

        if (!*c->source)
                return;
        if (c->runs > 0) /* older ones count less: not a whole number, but people count so */
                snprintf(runs, sizeof(runs), "learned from %.0f run%s (%s)",
                         c->runs < 1 ? 1 : c->runs, c->runs < 1.5 ? "" : "s", c->source);
        printf("%-11s %" PRIu64 " row%s, %.1f KiB, %.1f ms of processor, %.1f MiB: %s\n",
               "estimate", c->rows, c->rows == 1 ? "" : "s", (double) c->bytes / 1024,
               (double) c->cpu_us / 1000, (double) c->memory / (1 << 20), runs);
}

static void show_text(const struct quorate_explanation *e, const char *sql) {
        put("class", e->class_name);
        show_findings(e);
        put("order", e->ordered ? "total: rows come in this order on every host" : "none promised");
        put("compared", e->comparison);
        show_portable(e);
        put("engine", e->engine);
        show_imports(e);
        show_estimate(e);
        put("route", *e->route ? e->route : "none");
        put("reason", e->reason);
        if (*e->rewrite && strcmp(e->rewrite, sql) != 0)
                put("rewritten", e->rewrite);
}

static int explain(const struct command_context *ctx, struct quorate *q, const char *sql) {
        struct quorate_input inputs[ASK_DATA_MAX];
        struct quorate_question question;
        const struct quorate_explanation *e;
        int c, code = ask_question(ctx, ctx->options, sql, inputs, &question);

        if (code)
                return code;
        c = quorate_explain(q, &question, &e);
        if (c != QUORATE_OK)
                return ask_complain(ctx, q, c);
        if (ctx->common.json)
                show_json(e);
        else if (*e->message)
                return complain(ctx, e->exit_code, "%s", e->message);
        else
                show_text(e, sql);
        return e->exit_code;
}

static int run(const struct command_context *ctx) {
        struct quorate *q;
        int code;

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE, "explain: give one statement in quotes");
        code = ask_open(ctx, ctx->options, &q);
        if (code)
                return code;
        code = explain(ctx, q, ctx->operands.items[0]);
        quorate_close(q);
        return code;
}

const struct command command_explain = {
        .name = "explain",
        .usage = "explain [OPTIONS] SQL",
        .summary =
                "Say how a query can be checked, why, and where it would run; exit 0 if anywhere",
        .example = "quorate explain 'SELECT name FROM t ORDER BY 1 LIMIT 5' --data t.db",
        .options = options,
        .options_size = sizeof(struct ask_options),
        .run = run,
};
