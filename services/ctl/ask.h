#pragma once

/* Asking one question and showing its answer: what `query`, `shell` and `job
 * attach` share. */

#include "common/client/data_file.h"
#include "common/client/quorate.h"
#include "services/ctl/command.h"

#define ASK_DATA_MAX 64

/* The options of a question, as the command line has them. */
struct ask_options {
        struct option_list data, hosts, engines;
        const char *format, *prefer, *verify, *comparison, *network, *data_class, *save_rows;
        uint64_t replicas, quorum, max_replicas, max_rows, max_bytes, max_memory;
        nsec_t timeout, cpu;
        bool meta, no_rewrite, quiet, engine_diverse, remote, cache, no_cache;
};
#define ASK_OPTION(kind_, letter_, name_, member_, value_, ...) \
        { kind_, letter_, name_, offsetof(struct ask_options, member_), value_, __VA_ARGS__ }
/* Rows for a command's table; the struct must begin with struct ask_options. */
#define ASK_DATA_HELP "file, dataset ROOT, NAME@me, NAME@PEER; may repeat"
#define ASK_OPTION_ROWS                                                                            \
        ASK_OPTION(OPTION_LIST, 'd', "data", data, "[NAME=]FILE", ASK_DATA_HELP),                  \
                ASK_OPTION(OPTION_CHOICE, 'f', "format", format,                                   \
                           "table|csv|json|ndjson|markdown|line", "[table; csv into a pipe]"),     \
                ASK_OPTION(OPTION_FLAG, 'm', "meta", meta, NULL,                                   \
                           "who answered what, on stderr; -q, --quiet: less"),                     \
                ASK_OPTION(OPTION_CHOICE, 0, "prefer", prefer, "auto|local|remote",                \
                           "where it may run [auto]"),                                             \
                ASK_OPTION(OPTION_CHOICE, 0, "verify", verify, "quorum|unanimous|fast",            \
                           "how it is checked [quorum]"),                                          \
                ASK_OPTION(OPTION_COUNT, 'k', "replicas", replicas, "N", "hosts that start [3]"),  \
                ASK_OPTION(OPTION_COUNT, 'Q', "quorum", quorum, "N", "equal answers needed [2]"),  \
                ASK_OPTION(OPTION_COUNT, 0, "max-replicas", max_replicas, "N",                     \
                           "voters at most while escalating [7]"),                                 \
                ASK_OPTION(OPTION_CHOICE, 0, "comparison", comparison, "class|engine|portable",    \
                           "which answers may be compared"),                                       \
                ASK_OPTION(OPTION_LIST, 0, "engine", engines, "NAME",                              \
                           "sqlite, duckdb, a class; or --engine-diverse"),                        \
                ASK_OPTION(OPTION_FLAG, 0, "engine-diverse", engine_diverse, NULL, NULL),          \
                ASK_OPTION(OPTION_LIST, 0, "host", hosts, "PEER", "only these hosts; may repeat"), \
                ASK_OPTION(OPTION_CHOICE, 0, "class", data_class, "public|internal|sensitive",     \
                           "who may see the data"),                                                \
                ASK_OPTION(OPTION_TIMEOUT, 't', "timeout", timeout, "TIME",                        \
                           "for the whole job [300s]"),                                            \
                ASK_OPTION(OPTION_ROOM, 0, "max-bytes", max_bytes, "SIZE",                         \
                           "of the result, 64M [hosts' limit]; --max-rows N"),                     \
                ASK_OPTION(OPTION_COUNT, 0, "max-rows", max_rows, "N", NULL),                      \
                ASK_OPTION(OPTION_MEMORY, 0, "max-memory", max_memory, "SIZE",                     \
                           "of each host's run: 64M, 1G [hosts' limit]"),                          \
                ASK_OPTION(OPTION_TIMEOUT, 0, "max-cpu", cpu, "TIME",                              \
                           "of each host's run [hosts' limit]"),                                   \
                ASK_OPTION(OPTION_FLAG, 0, "no-rewrite", no_rewrite, NULL,                         \
                           "run the SQL exactly as given"),                                        \
                ASK_OPTION(OPTION_FLAG, 0, "cache", cache, NULL,                                   \
                           "an answer verified here before; --no-cache: anew"),                    \
                ASK_OPTION(OPTION_FLAG, 0, "no-cache", no_cache, NULL, NULL),                      \
                ASK_OPTION(OPTION_STRING, 0, "save-rows", save_rows, "FILE",                       \
                           "keep the rows for `receipt verify --rows`"),                           \
                ASK_OPTION(OPTION_FLAG, 'q', "quiet", quiet, NULL, NULL)

/* The file of "[NAME=]FILE"; *ret_name is empty where it has none. What stands before the = is a
 * name only where an input may be called so. */
const char *ask_data_path(const char *arg, char ret_name[DATA_NAME_SIZE]);
/* Fills a question; `inputs` has room for ASK_DATA_MAX. 0, or an exit code after complaining. */
int ask_question(const struct command_context *ctx, const struct ask_options *o, const char *sql,
                 struct quorate_input *inputs, struct quorate_question *ret);
/* Connects to the node, or with none running to a private executor of our own, which
 * answers LOCAL. Complains when neither will do. */
int ask_open(const struct command_context *ctx, const struct ask_options *o, struct quorate **ret);
/* Connects; complains when nobody is there. */
int ask_connect(const struct command_context *ctx, const struct ask_options *o,
                struct quorate **ret);
/* After quorate_query() and its kind answered `c`, no OK: complains, returns the exit code. */
int ask_complain(const struct command_context *ctx, const struct quorate *q, int c);
/* Reads all of r, shows rows, progress and meta; Ctrl-C cancels. Returns the exit code. */
int ask_show(const struct command_context *ctx, const struct ask_options *o, struct quorate *q,
             struct quorate_result *r);
/* Asks and shows. Returns the exit code. */
int ask_once(const struct command_context *ctx, const struct ask_options *o, struct quorate *q,
             const char *sql);
/* The end as one line of JSON members, without braces. */
/* A quorum of independent hosts gave this answer, and all its rows were hashed again here: now,
 * or for one that is CACHED then, of which receipt and rows were verified once more. */
bool ask_end_is_verified(const struct quorate_end *e);
void ask_end_json(FILE *f, const struct quorate_end *e, const uint8_t *job, bool *first);
/* One line and a table of hosts for people. */
void ask_end_text(const struct command_context *ctx, FILE *f, const struct quorate_end *e,
                  bool with_hosts);
