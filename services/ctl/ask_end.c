/* What an answer ends with: its state, who said it, and how it came about. */

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "services/ctl/ask.h"
#include "services/ctl/colour.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

static void host_json(FILE *f, const struct quorate_host *h) {
        bool first = true;

        fputc('{', f);
        json_member_string(f, "peer", h->peer, &first);
        json_key(f, "answer", &first);
        json_hex(f, h->answer, h->has_answer ? sizeof(h->answer) : 0);
        json_member_string(f, "verdict", h->verdict, &first);
        json_member_ms(f, "elapsed_ms", h->elapsed_us, &first);
        json_member_bool(f, "counted", h->counted, &first);
        json_member_string(f, "engine", h->engine, &first);
        json_member_string(f, "address", h->address, &first);
        json_member_string(f, "voter", h->voter, &first);
        json_member_string(f, "origin", h->origin, &first);
        if (*h->problem)
                json_member_string(f, "problem", h->problem, &first);
        fputc('}', f);
}

bool ask_end_is_verified(const struct quorate_end *e) {
        return strcmp(e->state, "VERIFIED") == 0 || strcmp(e->state, "CACHED") == 0;
}

void ask_end_json(FILE *f, const struct quorate_end *e, const uint8_t *job, bool *first) {
        json_member_string(f, "state", e->state, first);
        json_member_bool(f, "verified", ask_end_is_verified(e), first);
        json_member_u64(f, "agreement", e->agreement, first);
        json_member_u64(f, "quorum", e->quorum, first);
        json_member_u64(f, "replicas", e->replicas, first);
        json_member_bool(f, "executed_locally", e->executed_locally, first);
        json_member_u64(f, "rows", e->rows, first);
        json_member_u64(f, "bytes", e->bytes, first);
        json_key(f, "answer", first);
        json_hex(f, e->answer, e->has_answer ? sizeof(e->answer) : 0);
        json_key(f, "hosts", first);
        fputc('[', f);
        for (size_t i = 0; i < e->n_hosts; i++) {
                fputs(i ? "," : "", f);
                host_json(f, &e->hosts[i]);
        }
        fputc(']', f);
        json_member_string(f, "receipt", e->receipt, first);
        json_member_ms(f, "elapsed_ms", e->elapsed_us, first);
        json_member_ms(f, "first_row_ms", e->first_row_us, first);
        json_member_string(f, "route", e->route, first);
        json_member_string(f, "reason", e->reason, first);
        json_member_string(f, "class", e->class_name, first);
        people_json_texts("engines", e->engines, e->n_engines, first);
        json_member_u64(f, "unusable", e->unusable, first);
        json_member_u64(f, "diverse", e->diverse, first);
        json_member_string(f, "fell_over", e->fell_over, first);
        people_json_cost(f, "estimate", &e->estimate, first);
        people_json_cost(f, "actual", &e->actual, first);
        json_member_string(f, "confidence", e->confidence, first);
        json_key(f, "job", first);
        json_hex(f, job, 32);
        if (strcmp(e->state, "CACHED") == 0) {
                json_member_string(f, "cached_state", "VERIFIED", first); /* no other is kept */
                json_member_ms(f, "cached_age_ms", e->cached_age_us, first);
                json_key(f, "cached_job", first);
                json_hex(f, e->cached_job, sizeof(e->cached_job));
        }
        json_member_string(f, "error", e->error, first);
        json_member_string(f, "error_state", e->error_state, first);
        json_member_string(f, "message", e->message, first);
        json_key(f, "position", first);
        fprintf(f, "%d", e->position);
        json_member_u64(f, "exit", (uint64_t) e->exit_code, first);
}

/* "sqlite/3.40.1": the exact build stands in the JSON. */
static int engine_len(const char *engine) {
        const char *slash = strchr(engine, '/');

        return (int) (slash ? (size_t) (slash - engine) + 1 + strcspn(slash + 1, "/")
                            : strlen(engine));
}

static void hosts_text(const struct command_context *ctx, FILE *f, const struct quorate_end *e) {
        for (size_t i = 0; i < e->n_hosts; i++) {
                const struct quorate_host *h = &e->hosts[i];
                char answer[20] = "-";

                for (int b = 0; h->has_answer && b < 8; b++)
                        snprintf(answer + 2 * b, 3, "%02x", h->answer[b]);
                fprintf(f, "  %-52s  %-16s  %s%-12s%s %8.1f ms  %-9s %-14.*s%s%s\n", h->peer,
                        answer, colour_begin(ctx, f, h->verdict), h->verdict,
                        colour_end(ctx, f, h->verdict), (double) h->elapsed_us / 1000, h->origin,
                        engine_len(h->engine), h->engine, *h->problem ? "  " : "", h->problem);
        }
}

/* "3 of 3 answers agree": of those that came. Who was wanted and did not take part, or was not
 * waited for, is no dissent, and is said. */
static void agreement_text(FILE *f, const struct quorate_end *e) {
        unsigned answers = 0, cancelled = 0;

        for (size_t i = 0; i < e->n_hosts; i++) {
                answers += e->hosts[i].has_answer;
                cancelled +=
                        !e->hosts[i].has_answer && strcmp(e->hosts[i].verdict, "cancelled") == 0;
        }
        answers = answers > e->agreement ? answers : e->agreement;
        fprintf(f, ": %u of %u answers agree", e->agreement, answers);
        if (answers + cancelled < e->replicas)
                fprintf(f, " (%u hosts wanted, %u took part)", e->replicas, answers + cancelled);
        else if (answers < e->replicas)
                fprintf(f, " (%u more not waited for)", e->replicas - answers);
        if (e->quorum == 1)
                fputs(" (a quorum of one: its word alone)", f);
}

/* "CACHED: VERIFIED 3 min ago by 3 equal answers (quorum 2; --no-cache asks anew)". */
static void cached_text(FILE *f, const struct quorate_end *e) {
        uint64_t s = e->cached_age_us / 1000000;

        fputs(": VERIFIED ", f);
        if (s < 120)
                fprintf(f, "%lu s", (unsigned long) s);
        else if (s < 120 * 60)
                fprintf(f, "%lu min", (unsigned long) (s / 60));
        else
                fprintf(f, "%lu h", (unsigned long) (s / 3600));
        fprintf(f, " ago by %u equal answers (quorum %u; --no-cache asks anew)", e->agreement,
                e->quorum);
}

/* Who reads of an error takes it for what is so: not when hosts have said it and signed nothing. */
static void error_state_text(const struct command_context *ctx, FILE *f,
                             const struct quorate_end *e) {
        const char *state = e->error_state;

        if (strcmp(state, "UNVERIFIED") != 0)
                return;
        fprintf(f, "; %s%s%s: %s", colour_begin(ctx, f, state), state, colour_end(ctx, f, state),
                e->quorum > 1 ? "what each host says by itself; this error is not compared between "
                                "hosts"
                              : "the word of one host, which no other one checked");
}

void ask_end_text(const struct command_context *ctx, FILE *f, const struct quorate_end *e,
                  bool with_hosts) {
        const char *word = *e->state ? e->state : "error";

        fprintf(f, "%s%s%s", colour_begin(ctx, f, word), *e->state ? e->state : e->message,
                colour_end(ctx, f, word));
        error_state_text(ctx, f, e);
        if (strcmp(e->state, "VERIFIED") == 0)
                agreement_text(f, e);
        if (strcmp(e->state, "CACHED") == 0)
                cached_text(f, e);
        if (*e->state)
                fprintf(f, ", %lu row%s in %.1f ms", (unsigned long) e->rows,
                        e->rows == 1 ? "" : "s", (double) e->elapsed_us / 1000);
        if (*e->state && *e->reason && strcmp(e->route, "local") == 0)
                fprintf(f, " (%s)", e->reason);
        if (*e->fell_over)
                fprintf(f, " (%s)", e->fell_over);
        if (*e->state && *e->confidence)
                fprintf(f, ", confidence: %s%s", e->confidence,
                        strcmp(e->confidence, "strangers") == 0
                                ? " (hosts too new here for a record; `quorate help states`)"
                                : "");
        fputc('\n', f);
        if (with_hosts)
                hosts_text(ctx, f, e);
        if (with_hosts && *e->receipt)
                fprintf(f, "  receipt: %s\n", e->receipt);
}
