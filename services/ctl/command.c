#include "services/ctl/command.h"

#include <stdarg.h>

#include "common/base/text.h"
#include "services/ctl/json.h"

const struct option common_option_table[] = {
        { OPTION_STRING, 0, "runtime", offsetof(struct common_options, runtime), "DIR",
          "sockets of the node [/run/quorate or yours]" },
        { OPTION_STRING, 0, "state", offsetof(struct common_options, state), "DIR",
          "what the node keeps" },
        { OPTION_STRING, 0, "config", offsetof(struct common_options, config), "DIR",
          "configuration: a folder or one file" },
        { OPTION_FLAG, 0, "json", offsetof(struct common_options, json), NULL,
          "one JSON object per line, for programs" },
        { OPTION_FLAG, 0, "no-color", offsetof(struct common_options, no_color), NULL,
          "no colours on a terminal either" },
        { OPTION_FLAG, 'v', "verbose", offsetof(struct common_options, verbose), NULL,
          "say more about what happens" },
        { OPTION_FLAG, 'h', "help", offsetof(struct common_options, help), NULL, "this text" },
        {},
};

int complain(const struct command_context *ctx, int code, const char *format, ...) {
        char line[1024], shown[1200];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        text_escape(BYTES_STR(line), shown, sizeof(shown));
        fprintf(stderr, "quorate: %s\n", shown);
        if (ctx && ctx->common.json) {
                bool first = true;

                fputc('{', stdout);
                json_member_string(stdout, "error", shown, &first);
                json_member_u64(stdout, "exit", (uint64_t) code, &first);
                fputs("}\n", stdout);
        }
        return code;
}

void command_help(const struct command *c, FILE *f) {
        fprintf(f, "usage: quorate %s\n%s.\n\n", c->usage, c->summary);
        if (c->options)
                options_print(c->options, f);
        fputs("everywhere: --runtime DIR --state DIR --config PATH --json --no-color -v -h\n", f);
        if (c->details)
                fprintf(f, "\n%s\n", c->details);
        if (c->example)
                fprintf(f, "example: %s\n", c->example);
        else
                fprintf(f, "example: quorate %s\n", c->usage);
}
