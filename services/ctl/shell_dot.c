/* The shell's own words: dot commands. */

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/client/data_file.h"
#include "services/ctl/dataset.h"
#include "services/ctl/format.h"
#include "services/ctl/shell.h"

struct dot {
        const char *name, *argument, *help;
        void (*run)(struct shell *s, const char *argument);
};

static void dot_quit(struct shell *s, const char *argument) {
        s->quits = true;
}

/* The file of "[NAME=]FILE", and the name it is asked by. */
static const char *item_of(const char *item, char name[DATA_NAME_SIZE]) {
        const char *path = ask_data_path(item, name);

        if (!name[0])
                data_file_name(path, name);
        return path;
}

static void dot_open(struct shell *s, const char *argument) {
        struct option_list *list = &s->ask.data;
        char name[DATA_NAME_SIZE], other[DATA_NAME_SIZE];
        const char *path;

        if (!*argument) {
                for (size_t i = 0; i < list->n_items; i++)
                        puts(list->items[i]);
                return;
        }
        path = item_of(argument, name);
        if (!dataset_is_reference(path) && access(path, R_OK) < 0) {
                s->code = complain(s->ctx, EXIT_USAGE,
                                   ".open %s: no such file, or not yours to read, nor a dataset as "
                                   "NAME@me",
                                   argument);
                return;
        }
        /* One takes the place of another of its name: so does a database without one. */
        for (size_t i = 0; i < list->n_items; i++) {
                (void) item_of(list->items[i], other);
                if (strcasecmp(name, other) == 0) {
                        free(s->data[i]);
                        list->items[i] = s->data[i] = xstrdup(argument);
                        return;
                }
        }
        if (list->n_items >= QUORATE_INPUTS_MAX) {
                s->code = complain(s->ctx, EXIT_USAGE,
                                   ".open: at most %d files; open one by a name that is taken, "
                                   "whose place it takes",
                                   QUORATE_INPUTS_MAX);
                return;
        }
        s->data[list->n_items] = xstrdup(argument);
        list->items[list->n_items] = s->data[list->n_items];
        list->n_items++;
}

static void choose(struct shell *s, const char *choices, const char *argument, char **to) {
        if (!options_is_choice(choices, argument)) {
                s->code = complain(s->ctx, EXIT_USAGE, "give one of %s", choices);
                return;
        }
        free(*to);
        *to = xstrdup(argument);
}

static void dot_format(struct shell *s, const char *argument) {
        choose(s, FORMAT_NAMES, argument, &s->format);
        s->ask.format = s->format;
}

static void dot_mode(struct shell *s, const char *argument) {
        if (options_is_choice(FORMAT_NAMES, argument)) {
                s->code = complain(s->ctx, EXIT_USAGE,
                                   ".mode is how answers are checked; `.format %s` shows them so",
                                   argument);
                return;
        }
        choose(s, "quorum|unanimous|fast", argument, &s->verify);
        s->ask.verify = s->verify;
}

static void dot_meta(struct shell *s, const char *argument) {
        if (!options_is_choice("on|off", argument))
                s->code = complain(s->ctx, EXIT_USAGE, ".meta: on or off");
        else
                s->ask.meta = strcmp(argument, "on") == 0;
}

/* The user's own file, with the user's rights. `database`: empty where tables need none. */
static void tables_of(struct shell *s, const char *path, const char *database) {
        sqlite3_stmt *st = NULL;
        sqlite3 *db = NULL;
        char name[256];

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) ||
            sqlite3_prepare_v2(db,
                               "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
                               " AND name NOT LIKE 'sqlite_%' ORDER BY 1",
                               -1, &st, NULL))
                s->code = complain(s->ctx, EXIT_USAGE, "%s: %s", path, sqlite3_errmsg(db));
        while (st && sqlite3_step(st) == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(st, 0);

                printf("%s%s%s\n", database, *database ? "." : "",
                       text_escape(BYTES_STR(text ? text : ""), name, sizeof(name)));
        }
        (void) sqlite3_finalize(st);
        (void) sqlite3_close(db);
}

static void dot_tables(struct shell *s, const char *argument) {
        if (s->ask.data.n_items == 0)
                puts("no file is open; `.open FILE`");
        for (size_t i = 0; i < s->ask.data.n_items; i++) {
                char given[DATA_NAME_SIZE], name[DATA_NAME_SIZE];
                const char *path = ask_data_path(s->ask.data.items[i], given);

                (void) item_of(s->ask.data.items[i], name);
                if (dataset_is_reference(path))
                        printf("%s: a dataset of the node, not opened here; `quorate dataset show` "
                               "says what it is\n",
                               *given ? given : "main");
                else if (data_file_is_table(path))
                        puts(name);
                else
                        tables_of(s, path, given);
        }
}

/* Another command with one operand. */
static void run_command(struct shell *s, const struct command *c, const char *operand,
                        const void *options) {
        const char *items[] = { operand };
        struct command_context ctx = { .common = s->ctx->common,
                                       .operands = { items, operand ? 1 : 0 },
                                       .options = options };
        int code = c->run(&ctx);

        s->code = code ? code : s->code;
}

/* "@PEER": whom that one knows. */
static void dot_peers(struct shell *s, const char *argument) {
        if (*argument && (*argument != '@' || !argument[1]))
                s->code = complain(s->ctx, EXIT_USAGE,
                                   "peers: give nothing, or @PEER to ask that one");
        else
                run_command(s, &command_peers, *argument ? argument + 1 : NULL,
                            command_peers.defaults);
}

static void dot_status(struct shell *s, const char *argument) {
        run_command(s, &command_status, NULL, NULL);
}

static void dot_explain(struct shell *s, const char *argument) {
        if (!*argument)
                s->code = complain(s->ctx, EXIT_USAGE, ".explain: give the statement");
        else
                run_command(s, &command_explain, argument, &s->ask);
}

static void dot_help(struct shell *s, const char *argument);

static const struct dot dots[] = {
        { ".explain", "SQL", "how it can be checked and where it would run", dot_explain },
        { ".format", "F", FORMAT_NAMES, dot_format },
        { ".help", "", "this", dot_help },
        { ".meta", "on|off", "who answered what, after each answer", dot_meta },
        { ".mode", "M", "how answers are checked: quorum, unanimous, fast", dot_mode },
        { ".open", "[NAME=]FILE",
          "ask this SQLite, CSV, NDJSON or Parquet file; without one: which are open", dot_open },
        { ".peers", "[@PEER]", "nodes this one knows, or that peer; also without the dot",
          dot_peers },
        { ".quit", "", "leave; so does Ctrl-D", dot_quit },
        { ".status", "", "what this node is and does", dot_status },
        { ".tables", "", "tables and views of the open files", dot_tables },
};

static void dot_help(struct shell *s, const char *argument) {
        for (size_t i = 0; i < ELEMENTSOF(dots); i++)
                printf("%-10s%-13s%s\n", dots[i].name, dots[i].argument, dots[i].help);
        puts("Anything else is SQL and ends with a semicolon. Ctrl-C stops it.");
}

const char *shell_dot_name(const char *prefix, size_t len, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(dots); i++)
                if (strncmp(dots[i].name, prefix, len) == 0 && n-- == 0)
                        return dots[i].name;
        return NULL;
}

bool shell_is_word(const char *line) {
        const size_t n = strlen("peers");

        return strncmp(line, "peers", n) == 0 && line[n + strspn(line + n, " \t")] != ';' &&
               (line[n] == 0 || line[n] == ' ' || line[n] == '\t');
}

void shell_dot(struct shell *s, char *line) {
        size_t n = strcspn(line, " \t"), blank = strspn(line + n, " \t");
        char *argument = line + n + blank, *end = argument + strlen(argument);

        while (end > argument && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = 0;
        for (size_t i = 0; i < ELEMENTSOF(dots); i++)
                if (strlen(dots[i].name) == n && strncmp(dots[i].name, line, n) == 0) {
                        dots[i].run(s, argument);
                        return;
                }
        s->code = complain(s->ctx, EXIT_USAGE, "%.*s: no such command; .help lists them",
                           (int) (n < 64 ? n : 64), line);
}
