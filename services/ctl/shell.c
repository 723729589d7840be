/* quorate shell: statement after statement over one connection. */

#include "services/ctl/shell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/ctl/node.h"

#define STATEMENT_MAX (1u << 20)

static const struct option options[] = {
        ASK_OPTION_ROWS,
        {},
};

int shell_connect(struct shell *s) {
        return s->q ? EXIT_OK : ask_open(s->ctx, &s->q);
}

static void ask(struct shell *s, const char *sql) {
        int code = shell_connect(s);

        if (code == EXIT_OK)
                code = ask_once(s->ctx, &s->ask, s->q, sql);
        fflush(stdout);
        s->code = code ? code : s->code;
        if (code != EXIT_OTHER)
                return;
        quorate_close(s->q); /* the node may be another one by now */
        s->q = NULL;
}

static bool is_blank(const char *text) {
        return text[strspn(text, " \t\r\n;")] == 0;
}

/* Length of the first whole statement with its semicolon, 0: none yet. */
static size_t whole_statement(char *sql) {
        for (char *c = strchr(sql, ';'); c; c = strchr(c + 1, ';')) {
                char next = c[1];
                bool whole;

                c[1] = 0;
                whole = sqlite3_complete(sql);
                c[1] = next;
                if (whole)
                        return (size_t) (c - sql) + 1;
        }
        return 0;
}

/* Runs every statement that is whole and keeps the rest. */
static void take_statements(struct shell *s, struct shell_input *in, struct buffer *text) {
        size_t n;

        while (text->len > 0 && (n = whole_statement((char *) text->data)) > 0) {
                CLEANUP(freep) char *sql = xcalloc(n + 1, 1);

                memcpy(sql, text->data, n);
                buffer_consume(text, n);
                buffer_put_u8(text, 0);
                text->len--;
                if (is_blank(sql))
                        continue;
                shell_input_remember(in, sql);
                ask(s, sql);
        }
        if (text->len > 0 && is_blank((const char *) text->data))
                buffer_clear(text);
}

/* Appends a line; data stays a string. */
static void append(struct shell *s, struct buffer *statement, const char *line) {
        if (statement->len > 0)
                buffer_put_u8(statement, '\n');
        buffer_put(statement, line, strlen(line) + 1);
        if (statement->failed) {
                s->code = complain(s->ctx, EXIT_USAGE, "a statement has at most 1 MiB");
                buffer_clear(statement);
                buffer_put_u8(statement, 0);
        }
        statement->len--; /* the 0 stands behind it */
}

static void take_word(struct shell *s, struct shell_input *in, const char *line) {
        CLEANUP(freep) char *word = xasprintf("%s%s", line[0] == '.' ? "" : ".", line);

        shell_input_remember(in, line);
        shell_dot(s, word);
        fflush(stdout);
}

static void loop(struct shell *s, struct shell_input *in) {
        CLEANUP(buffer_donep) struct buffer statement = {};

        buffer_init(&statement, STATEMENT_MAX);
        while (!s->quits) {
                char *line = NULL;
                enum shell_line kind = shell_input_line(in, statement.len > 0, &line);

                if (kind == SHELL_DROPPED) {
                        buffer_clear(&statement);
                        continue;
                }
                if (kind == SHELL_END)
                        break;
                if (statement.len == 0 && (line[0] == '.' || shell_is_word(line))) {
                        take_word(s, in, line);
                        continue;
                }
                append(s, &statement, line);
                take_statements(s, in, &statement);
        }
        /* A filter's last statement may lack its semicolon. */
        if (!s->is_terminal && !s->quits && statement.len > 0 &&
            !is_blank((const char *) statement.data))
                ask(s, (const char *) statement.data);
}

static void greet(const struct shell *s) {
        if (s->is_terminal && !s->ask.quiet)
                puts("Statements end with a semicolon; .help lists the rest, Ctrl-D leaves.");
}

static void history_path(const struct command_context *ctx, char ret[PATH_MAX + 16]) {
        struct node node;

        if (node_find(&ctx->common, &node) || node_mkdir(node.state))
                (void) strcpy(ret, "/dev/null");
        else
                (void) snprintf(ret, PATH_MAX + 16, "%s/history", node.state);
}

static int run(const struct command_context *ctx) {
        struct shell s = { .ctx = ctx };
        char history[PATH_MAX + 16] = "/dev/null";
        struct shell_input *in;

        if (ctx->operands.n_items > 0)
                return complain(ctx, EXIT_USAGE, "shell: takes no operands; files with --data");
        s.ask = *(const struct ask_options *) ctx->options;
        for (size_t i = 0; i < s.ask.data.n_items; i++)
                s.ask.data.items[i] = s.data[i] = xstrdup(s.ask.data.items[i]);
        s.is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        if (s.is_terminal)
                history_path(ctx, history);
        greet(&s);
        in = shell_input_new(history, s.is_terminal);
        loop(&s, in);
        shell_input_free(in);
        quorate_close(s.q);
        for (size_t i = 0; i < ASK_DATA_MAX; i++)
                free(s.data[i]);
        free(s.format);
        free(s.verify);
        return s.is_terminal ? EXIT_OK : s.code;
}

const struct command command_shell = {
        .name = "shell",
        .usage = "shell [OPTIONS]",
        .summary = "Ask one statement after another, with editing; also a filter",
        .example = "quorate shell --data sales.db",
        .options = options,
        .options_size = sizeof(struct ask_options),
        .run = run,
};
