/* Lines for the shell: libedit on a terminal, getline() from a pipe. */

#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/ctl/shell.h"

#define HISTORY_SIZE 1000

struct shell_input {
        EditLine *el; /* NULL: no terminal */
        History *history;
        char *path, *line;
        size_t size;
        bool continues, dropped;
};

static struct shell_input *input_of(EditLine *el) {
        void *in = NULL;

        (void) el_get(el, EL_CLIENTDATA, &in);
        return in;
}

static char *prompt(EditLine *el) {
        static char first[] = "quorate> ", more[] = "    ...> ";

        return input_of(el)->continues ? more : first;
}

/* Ctrl-C arrives as a key, so that no line is torn by a signal. */
static unsigned char on_cancel(EditLine *el, int key) {
        (void) key;
        input_of(el)->dropped = true;
        fputs("^C", stdout);
        return CC_NEWLINE;
}

static unsigned char on_complete(EditLine *el, int key) {
        const LineInfo *line = el_line(el);
        size_t len = (size_t) (line->cursor - line->buffer);
        const char *name;

        (void) key;
        if (len == 0 || line->buffer[0] != '.')
                return CC_REFRESH_BEEP;
        name = shell_dot_name(line->buffer, len, 0);
        if (!name)
                return CC_REFRESH_BEEP;
        if (shell_dot_name(line->buffer, len, 1)) {
                fputc('\n', stdout);
                for (size_t n = 0; (name = shell_dot_name(line->buffer, len, n)); n++)
                        printf("%s  ", name);
                fputc('\n', stdout);
                return CC_REDISPLAY;
        }
        (void) el_insertstr(el, name + len);
        (void) el_insertstr(el, " ");
        return CC_REFRESH;
}

static void set_up(struct shell_input *in) {
        HistEvent event;

        in->history = history_init();
        (void) history(in->history, &event, H_SETSIZE, HISTORY_SIZE);
        (void) history(in->history, &event, H_SETUNIQUE, 1);
        (void) history(in->history, &event, H_LOAD, in->path);
        (void) el_set(in->el, EL_CLIENTDATA, in);
        (void) el_set(in->el, EL_PROMPT, prompt);
        (void) el_set(in->el, EL_EDITOR, "emacs");
        (void) el_set(in->el, EL_HIST, history, in->history);
        (void) el_set(in->el, EL_ADDFN, "q-cancel", "drop the line", on_cancel);
        (void) el_set(in->el, EL_ADDFN, "q-complete", "complete a dot command", on_complete);
        (void) el_set(in->el, EL_SETTY, "-d", "-isig", NULL);
        (void) el_set(in->el, EL_BIND, "^C", "q-cancel", NULL);
        (void) el_set(in->el, EL_BIND, "^I", "q-complete", NULL);
        (void) el_set(in->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

struct shell_input *shell_input_new(const char *path, bool is_terminal) {
        struct shell_input *in = xnew(struct shell_input);

        in->path = xstrdup(path);
        if (is_terminal)
                in->el = el_init("quorate", stdin, stdout, stderr);
        if (in->el)
                set_up(in);
        return in;
}

struct shell_input *shell_input_free(struct shell_input *in) {
        HistEvent event;

        if (!in)
                return NULL;
        if (in->el) {
                mode_t mask = umask(077);

                (void) history(in->history, &event, H_SAVE, in->path);
                (void) chmod(in->path, 0600);
                (void) umask(mask);
                history_end(in->history);
                el_end(in->el);
        }
        free(in->path);
        free(in->line);
        free(in);
        return NULL;
}

static enum shell_line take(struct shell_input *in, const char *text, ssize_t n, char **ret) {
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
                n--;
        if (text != in->line) { /* libedit's, which the next line overwrites */
                free(in->line);
                in->line = xcalloc((size_t) n + 1, 1);
                memcpy(in->line, text, (size_t) n);
        }
        in->line[n] = 0;
        *ret = in->line;
        return SHELL_LINE;
}

enum shell_line shell_input_line(struct shell_input *in, bool continues, char **ret) {
        const char *text;
        ssize_t n;
        int count = 0;

        in->continues = continues;
        in->dropped = false;
        if (!in->el) {
                n = getline(&in->line, &in->size, stdin);
                return n < 0 ? SHELL_END : take(in, in->line, n, ret);
        }
        text = el_gets(in->el, &count);
        if (in->dropped) {
                fputc('\n', stdout);
                return SHELL_DROPPED;
        }
        if (!text || count <= 0) {
                fputc('\n', stdout);
                return SHELL_END;
        }
        return take(in, text, count, ret);
}

void shell_input_remember(struct shell_input *in, const char *statement) {
        HistEvent event;

        if (in->el && *statement)
                (void) history(in->history, &event, H_ENTER, statement);
}
