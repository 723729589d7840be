#pragma once

/* What the shell remembers between lines; shared by shell*.c only. */

#include "services/ctl/ask.h"

struct shell {
        const struct command_context *ctx;
        struct ask_options ask;
        char *data[ASK_DATA_MAX]; /* what ask.data points to */
        char *format, *verify;
        struct quorate *q; /* NULL: not connected */
        int code;          /* of the last statement that failed: a filter's exit code */
        bool quits, is_terminal;
};

/* ".peers" and the like. Unknown ones are complained about. */
void shell_dot(struct shell *s, char *line);
/* Whether a line is a dot command whose dot may be left out: "peers", "peers @PEER". */
bool shell_is_word(const char *line);
/* The n-th dot command that begins with these `len` characters; NULL: no more. */
const char *shell_dot_name(const char *prefix, size_t len, size_t n);
/* Opens the connection when there is none. EXIT_OK, or after complaining. */
int shell_connect(struct shell *s);

struct shell_input;
/* Lines from a terminal with editing, history in <state>/history and completion, or
 * from a pipe. */
struct shell_input *shell_input_new(const char *history, bool is_terminal);
struct shell_input *shell_input_free(struct shell_input *in);
enum shell_line { SHELL_LINE = 0, SHELL_DROPPED, SHELL_END };
/* *ret: without its newline, valid until the next call. DROPPED: Ctrl-C. */
enum shell_line shell_input_line(struct shell_input *in, bool continues, char **ret);
void shell_input_remember(struct shell_input *in, const char *statement);
