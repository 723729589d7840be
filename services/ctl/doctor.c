/* quorate doctor: is everything here that a node needs, and what to do if not. */

#include "services/ctl/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/colour.h"
#include "services/ctl/json.h"

static const char *const words[] = { "ok", "warn", "fail" };

void finding_set(struct finding *f, enum health health, const char *format, ...) {
        va_list args;

        f->health = health;
        va_start(args, format);
        (void) vsnprintf(f->text, sizeof(f->text), format, args);
        va_end(args);
}

void finding_detail(struct finding *f, const char *format, ...) {
        va_list args;

        if (f->n_details == ELEMENTSOF(f->details))
                return;
        va_start(args, format);
        (void) vsnprintf(f->details[f->n_details++], sizeof(f->details[0]), format, args);
        va_end(args);
}

void finding_remedy(struct finding *f, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(f->remedy, sizeof(f->remedy), format, args);
        va_end(args);
}

static void show(const struct command_context *ctx, const char *name, const struct finding *f) {
        const char *word = words[f->health];
        bool first = true;
        char text[600], remedy[300];

        if (ctx->common.json) {
                fputc('{', stdout);
                json_member_string(stdout, "check", name, &first);
                json_member_string(stdout, "health", words[f->health], &first);
                json_member_string(stdout, "found", f->text, &first);
                json_member_string(stdout, "remedy", f->remedy, &first);
                json_key(stdout, "details", &first);
                for (size_t i = 0; i < f->n_details; i++) {
                        fputc(i ? ',' : '[', stdout);
                        json_string(stdout, f->details[i]);
                }
                fputs(f->n_details ? "]" : "[]", stdout);
                fputs("}\n", stdout);
                return;
        }
        printf("%s%-4s%s  %-12s %s\n", colour_begin(ctx, stdout, word), word,
               colour_end(ctx, stdout, word), name,
               text_escape(BYTES_STR(f->text), text, sizeof(text)));
        for (size_t i = 0; i < f->n_details; i++)
                printf("%20s%s\n", "", text_escape(BYTES_STR(f->details[i]), text, sizeof(text)));
        if (*f->remedy)
                printf("%20s-> %s\n", "",
                       text_escape(BYTES_STR(f->remedy), remedy, sizeof(remedy)));
}

static void look_at_all(struct doctor *d, const struct doctor_check *checks, unsigned counts[3]) {
        for (const struct doctor_check *c = checks; c->name; c++) {
                struct finding f = {};

                c->look(d, &f);
                counts[f.health]++;
                show(d->ctx, c->name, &f);
                fflush(stdout);
        }
}

static int run(const struct command_context *ctx) {
        struct doctor d = { .ctx = ctx };
        unsigned counts[3] = {};

        if (node_find_running(&ctx->common, &d.node))
                return complain(ctx, EXIT_USAGE,
                                "no usable directories; set HOME, or give --runtime and --state");
        look_at_all(&d, doctor_node_checks, counts);
        look_at_all(&d, doctor_machine_checks, counts);
        if (ctx->common.json)
                printf("{\"ok\":%s,\"warn\":%u,\"fail\":%u}\n",
                       counts[HEALTH_FAIL] ? "false" : "true", counts[HEALTH_WARN],
                       counts[HEALTH_FAIL]);
        else
                printf("\n%u ok, %u to know about, %u to mend\n", counts[HEALTH_OK],
                       counts[HEALTH_WARN], counts[HEALTH_FAIL]);
        return counts[HEALTH_FAIL] ? EXIT_OTHER : EXIT_OK;
}

const struct command command_doctor = {
        .name = "doctor",
        .no_operands = true,
        .usage = "doctor",
        .summary = "Look for what is missing or wrong, and say what to do",
        .example = "quorate doctor --state ~/.local/share/quorate",
        .run = run,
};
