/* quorate: the command people type. One verb, one file; see README.md here. */

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "quorate-config.h"
#include "services/ctl/command.h"

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

static const struct command *const commands[] = {
        &command_run,     &command_query, &command_shell,  &command_explain, &command_status,
        &command_peers,   &command_why,   &command_pause,  &command_resume,  &command_job,
        &command_receipt, &command_key,   &command_config, &command_doctor,
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
                fputs("{\"error\":\"", stdout);
                for (const char *c = shown; *c; c++) {
                        if (*c == '"' || *c == '\\')
                                fputc('\\', stdout);
                        fputc(*c, stdout);
                }
                printf("\",\"exit\":%d}\n", code);
        }
        return code;
}

void command_help(const struct command *c, FILE *f) {
        fprintf(f, "usage: quorate %s\n%s.\n\n", c->usage, c->summary);
        if (c->options) {
                options_print(c->options, f);
                fputc('\n', f);
        }
        options_print(common_option_table, f);
        if (c->example)
                fprintf(f, "\nexample: %s\n", c->example);
}

static void help(FILE *f) {
        fputs("usage: quorate COMMAND [OPTIONS] [OPERANDS]\n"
              "SQL answers you can check, from a peer-to-peer grid.\n\n",
              f);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
        fputs("\n`quorate COMMAND --help` says more. Exit codes: 0 verified, local or done, 2 "
              "usage,\n"
              "3 unverified, 4 contested or split, 5 any other error.\n\n"
              "example: quorate query 'SELECT 42'\n",
              f);
}

static const struct command *find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        return NULL;
}

static int run(const struct command *c, int argc, char **argv) {
        static const struct option no_options[] = { {} };
        CLEANUP(freep) void *options = xcalloc(1, c->options_size);
        struct command_context ctx = { .options = options };
        const struct options_target targets[] = { { c->options ? c->options : no_options, options },
                                                  { common_option_table, &ctx.common } };
        char error[256];

        if (c->defaults)
                memcpy(options, c->defaults, c->options_size);
        if (options_parse(argc, argv, targets, ELEMENTSOF(targets), &ctx.operands, error))
                return complain(&ctx, EXIT_USAGE, "%s: %s", c->name, error);
        if (ctx.common.help) {
                command_help(c, stdout);
                return EXIT_OK;
        }
        return c->run(&ctx);
}

int main(int argc, char **argv) {
        const struct command *c;

        (void) signal(SIGPIPE, SIG_IGN);
        if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
            strcmp(argv[1], "help") == 0) {
                help(argc < 2 ? stderr : stdout);
                return argc < 2 ? EXIT_USAGE : EXIT_OK;
        }
        if (strcmp(argv[1], "--version") == 0) {
                puts("quorate " QUORATE_VERSION);
                return EXIT_OK;
        }
        c = find(argv[1]);
        if (!c)
                return complain(NULL, EXIT_USAGE,
                                "unknown command '%s'; `quorate --help` lists them", argv[1]);
        return run(c, argc - 2, argv + 2);
}
