#include "services/ctl/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/alone.h"
#include "services/ctl/dataset.h"
#include "services/ctl/format.h"
#include "services/ctl/json.h"
#include "services/ctl/node.h"
#include "services/ctl/own_key.h"
#include "services/ctl/progress.h"
#include "services/ctl/rows_file.h"

#define RESOLVE_WITHIN (15 * NSEC_PER_SEC)

/* Inputs of the question that were named by root or by NAME@PEER: the answer says which. */
static struct {
        char name[64];
        uint8_t root[HASH_SIZE];
} resolved[ASK_DATA_MAX];
static size_t n_resolved;

static struct quorate *interruptible;
static volatile sig_atomic_t interrupts;

static void on_interrupt(int signo) {
        interrupts++;
        if (interruptible)
                quorate_wake(interruptible);
}

static void catch_interrupts(struct quorate *q) {
        struct sigaction action = { .sa_handler = q ? on_interrupt : SIG_DFL };

        interrupts = 0;
        interruptible = q;
        (void) sigaction(SIGINT, &action, NULL);
        (void) sigaction(SIGTERM, &action, NULL);
}

const char *ask_data_path(const char *arg, char ret_name[DATA_NAME_SIZE]) {
        const char *equals = strchr(arg, '=');
        size_t n = equals ? (size_t) (equals - arg) : 0;

        ret_name[0] = 0;
        if (n == 0 || n >= DATA_NAME_SIZE || strchr("0123456789", *arg) ||
            strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != n)
                return arg;
        memcpy(ret_name, arg, n);
        ret_name[n] = 0;
        return equals + 1;
}

/* A root, or NAME@PEER: what it stands for now is what the job will be about. */
static int resolve_data(const struct command_context *ctx, const struct ask_options *o,
                        struct quorate_input *inputs) {
        n_resolved = 0;
        for (size_t i = 0; i < o->data.n_items; i++) {
                const char *text = inputs[i].path;
                int code;

                if (!dataset_is_reference(text))
                        continue;
                inputs[i].path = NULL;
                inputs[i].name = inputs[i].name ? inputs[i].name : "main";
                code = dataset_resolve(ctx, "--data", text, RESOLVE_WITHIN, inputs[i].root);
                if (code)
                        return code;
                (void) snprintf(resolved[n_resolved].name, sizeof(resolved[0].name), "%s",
                                inputs[i].name);
                memcpy(resolved[n_resolved++].root, inputs[i].root, HASH_SIZE);
        }
        return EXIT_OK;
}

/* A file that is not there may have been meant as something else. */
static int complain_file(const struct command_context *ctx, const char *arg, const char *path) {
        const char *equals = strchr(path, '=');
        bool is_plain = errno == ENOENT && !strchr(path, '/');

        if (!*path)
                return complain(ctx, EXIT_USAGE,
                                "--data '%s': no file is named; say --data NAME=FILE, or NAME@me "
                                "for a dataset of this node",
                                arg);
        if (errno == ENOENT && path == arg && equals && !memchr(path, '/', equals - path))
                return complain(ctx, EXIT_USAGE,
                                "--data %s: `%.*s` is not a file nor a name in SQL: letters, "
                                "digits and _, no digit first, at most %d; say "
                                "for example --data t=%s",
                                arg, (int) (equals - path), path, DATA_NAME_SIZE - 1, equals + 1);
        if (is_plain && strchr(path, '@'))
                return dataset_complain_peer(ctx, "--data", path);
        if (is_plain && !strchr(path, '.'))
                return complain(ctx, EXIT_USAGE,
                                "--data %s: no such file; a dataset that is called so here is "
                                "%s@me, as `quorate dataset list` shows it",
                                path, path);
        return complain(ctx, EXIT_USAGE,
                        "--data %s: %s; give a SQLite, CSV, NDJSON or Parquet "
                        "file you may read",
                        path, strerror(errno));
}

static int check_data(const struct command_context *ctx, const struct ask_options *o,
                      const struct quorate_question *q) {
        for (size_t i = 0; i < q->n_inputs; i++) {
                if (q->inputs[i].path && access(q->inputs[i].path, R_OK) < 0)
                        return complain_file(ctx, o->data.items[i], q->inputs[i].path);
        }
        return EXIT_OK;
}

/* What no node could take, said before one is asked. */
static int check_options(const struct command_context *ctx, const struct ask_options *o) {
        if (o->replicas > 32 || o->quorum > 32 || o->max_replicas > 32)
                return complain(ctx, EXIT_USAGE,
                                "--replicas, --quorum and --max-replicas: give at most 32");
        if (o->timeout > 24 * 3600 * NSEC_PER_SEC)
                return complain(ctx, EXIT_USAGE, "--timeout: give at most 24h");
        if (o->replicas && o->quorum > o->replicas)
                return complain(ctx, EXIT_USAGE,
                                "--quorum %u needs at least as many --replicas; raise those",
                                (unsigned) o->quorum);
        if (o->hosts.n_items && o->prefer && strcmp(o->prefer, "local") == 0)
                return complain(ctx, EXIT_USAGE,
                                "--host names others, --prefer local asks nobody; give one of "
                                "them");
        if (o->engine_diverse && o->prefer && strcmp(o->prefer, "local") == 0)
                return complain(ctx, EXIT_USAGE,
                                "--engine-diverse has hosts of two engines agree, --prefer local "
                                "asks nobody; give one of them");
        if (o->cache && o->no_cache)
                return complain(ctx, EXIT_USAGE,
                                "--cache takes what was verified before, --no-cache asks anew; "
                                "give one of them");
        return EXIT_OK;
}

int ask_question(const struct command_context *ctx, const struct ask_options *o, const char *sql,
                 struct quorate_input *inputs, struct quorate_question *ret) {
        static char names[ASK_DATA_MAX][DATA_NAME_SIZE]; /* one question at a time */
        int code;

        if (o->data.n_items > QUORATE_INPUTS_MAX)
                return complain(ctx, EXIT_USAGE,
                                "--data: at most %d in one query; put some into one SQLite file as "
                                "its tables, or join them beforehand, and give that",
                                QUORATE_INPUTS_MAX);
        for (size_t i = 0; i < o->data.n_items; i++) {
                inputs[i] =
                        (struct quorate_input){ .path = ask_data_path(o->data.items[i], names[i]) };
                inputs[i].name = names[i][0] ? names[i] : NULL;
        }
        code = resolve_data(ctx, o, inputs);
        if (code)
                return code;
        code = check_options(ctx, o);
        if (code)
                return code;
        if (sql[strspn(sql, " \t\r\n;")] == 0)
                return complain(ctx, EXIT_USAGE,
                                "the statement is empty; give one, such as 'SELECT 42'");
        *ret = (struct quorate_question){
                .sql = sql,
                .inputs = inputs,
                .n_inputs = o->data.n_items,
                .prefer = o->prefer,
                .verify = o->verify,
                .comparison = o->comparison,
                .network = o->network,
                .data_class = o->data_class,
                .replicas = (unsigned) o->replicas,
                .quorum = (unsigned) o->quorum,
                .max_replicas = (unsigned) o->max_replicas,
                .timeout_ms = o->timeout / NSEC_PER_MSEC,
                .max_rows = o->max_rows,
                .max_bytes = o->max_bytes,
                .max_memory = o->max_memory,
                .max_cpu_ms = o->cpu / NSEC_PER_MSEC,
                .no_rewrite = o->no_rewrite,
                .hosts = o->hosts.items,
                .n_hosts = o->hosts.n_items,
                .engines = o->engines.items,
                .n_engines = o->engines.n_items,
                .engine_diverse = o->engine_diverse,
                .remote_analysis = o->remote,
                .cache = o->cache      ? "on"
                         : o->no_cache ? "off"
                                       : NULL,
        };
        return check_data(ctx, o, ret);
}

static void show_waiting(void *userdata, uint64_t waited_ms) {
        const struct quorate_progress what = { .stage = "waiting",
                                               .note = "for the node, which is just starting",
                                               .elapsed_us = waited_ms * 1000 };

        progress_show(userdata, &what);
}

/* A node that is just restarting is waited for, as long as --timeout allows. */
static int open_node(const struct command_context *ctx, const struct ask_options *o,
                     struct quorate **ret) {
        uint64_t within = o->timeout ? o->timeout / NSEC_PER_MSEC : UINT64_MAX;
        struct progress progress;
        int r;

        progress_init(&progress, o->quiet || ctx->common.json);
        r = quorate_open_within(ctx->common.runtime, within, show_waiting, &progress, ret);
        progress_clear(&progress);
        return r;
}

/* A grid's folder instead of a node's: nobody is there, and alone is not what was meant. */
static bool is_grid(const struct command_context *ctx, int r, char why[256]) {
        struct node node;

        return r == QUORATE_E_NO_NODE && node_find(&ctx->common, &node) == NODE_OK &&
               node_is_grid(node.runtime, why);
}

int ask_connect(const struct command_context *ctx, const struct ask_options *o,
                struct quorate **ret) {
        int r = open_node(ctx, o, ret);
        char why[256];

        if (r == QUORATE_OK)
                return EXIT_OK;
        if (is_grid(ctx, r, why))
                return complain(ctx, EXIT_OTHER, "%s", why);
        if (r != QUORATE_E_NO_NODE)
                return complain(ctx, EXIT_OTHER, "%s", quorate_code_text(r));
        return complain(ctx, EXIT_OTHER, "%s; start one with `quorate run`, or give --runtime DIR",
                        quorate_code_text(r));
}

int ask_open(const struct command_context *ctx, const struct ask_options *o, struct quorate **ret) {
        char executor[PATH_MAX], why[256], error[512];
        int r = open_node(ctx, o, ret);

        if (is_grid(ctx, r, why))
                return complain(ctx, EXIT_OTHER, "%s", why);
        if (r == QUORATE_E_NO_NODE && !alone_configure(ctx, error))
                return complain(ctx, EXIT_USAGE, "%s", error);
        if (r == QUORATE_E_NO_NODE && node_binary("executor", executor))
                r = quorate_open_private(executor, ret);
        if (r == QUORATE_OK)
                return EXIT_OK;
        if (r != QUORATE_E_NO_NODE)
                return complain(ctx, EXIT_OTHER, "%s", quorate_code_text(r));
        return complain(ctx, EXIT_OTHER,
                        "no node is running here, and quorate-executor was not found to answer "
                        "alone; start a node with `quorate run`, or set QUORATE_LIBEXEC");
}

static unsigned terminal_width(void) {
        struct winsize size = {};

        return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
                                                                                     : 0;
}

/* ---- what came out ---- */

static void inputs_json(FILE *f, bool *first) {
        if (n_resolved == 0)
                return;
        json_key(f, "inputs", first);
        for (size_t i = 0; i < n_resolved; i++) {
                bool inner = true;

                fputs(i ? ",{" : "[{", f);
                json_member_string(f, "name", resolved[i].name, &inner);
                json_key(f, "root", &inner);
                json_hex(f, resolved[i].root, HASH_SIZE);
                fputc('}', f);
        }
        fputc(']', f);
}

static void inputs_text(FILE *f) {
        char hex[2 * HASH_SIZE + 1];

        for (size_t i = 0; i < n_resolved; i++) {
                hex_encode(BYTES(resolved[i].root, HASH_SIZE), hex);
                fprintf(f, "  data %s: %s\n", resolved[i].name, hex);
        }
}

/* ---- showing ---- */

struct showing {
        const struct command_context *ctx;
        const struct ask_options *o;
        struct quorate *q;
        struct quorate_result *r;
        struct format *format;
        struct rows_file *rows;
        struct progress progress;
        uint64_t n_rows;
};

/* Ctrl-C once cancels and waits for the end; twice gives up waiting. */
static bool handle_interrupt(struct showing *s, int *cancelled) {
        if (interrupts > 1)
                return false;
        if (interrupts == 1 && !*cancelled) {
                *cancelled = 1;
                progress_clear(&s->progress);
                fputs("quorate: cancelling; Ctrl-C again leaves at once\n", stderr);
                (void) quorate_cancel(s->r);
        }
        return true;
}

static void show_json_row(struct showing *s) {
        printf("%s[", s->n_rows > 1 ? "," : "");
        for (size_t i = 0; i < quorate_n_columns(s->r); i++) {
                fputs(i ? "," : "", stdout);
                format_json_value(stdout, quorate_value(s->r, i));
        }
        fputc(']', stdout);
}

static void begin_json(struct showing *s) {
        fputs("{\"columns\":[", stdout);
        for (size_t i = 0; i < quorate_n_columns(s->r); i++) {
                fputs(i ? ",{\"name\":" : "{\"name\":", stdout);
                json_string(stdout, quorate_column_name(s->r, i));
                fputs(",\"type\":", stdout);
                json_string(stdout, quorate_column_type(s->r, i));
                fputc('}', stdout);
        }
        fputs("],\"data\":[", stdout);
}

/* Also amid rows: what was begun as one object stays one. */
__attribute__((format(printf, 2, 3))) static int give_up(const struct showing *s,
                                                         const char *format, ...) {
        char line[1024], shown[1200];
        bool first = true;
        va_list args;

        va_start(args, format);
        (void) vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        if (!s->ctx->common.json || s->n_rows == 0)
                return complain(s->ctx, EXIT_OTHER, "%s", line);
        text_escape(BYTES_STR(line), shown, sizeof(shown));
        fprintf(stderr, "quorate: %s\n", shown);
        fputs("],", stdout);
        json_member_string(stdout, "error", shown, &first);
        json_member_u64(stdout, "exit", EXIT_OTHER, &first);
        fputs("}\n", stdout);
        return EXIT_OTHER;
}

static int show_row(struct showing *s) {
        s->n_rows++;
        progress_clear(&s->progress);
        if (s->rows && rows_file_take(s->rows, s->r))
                return give_up(s, "%s: %s; is the disk full?", s->o->save_rows, strerror(errno));
        if (s->ctx->common.json && s->n_rows == 1)
                begin_json(s);
        if (s->ctx->common.json)
                show_json_row(s);
        else
                format_row(s->format, s->r);
        return ferror(stdout) ? EXIT_OTHER : EXIT_OK; /* main() says so */
}

/* Into a pipe only what a reader must know: that nobody else checked it. */
static bool says_end(const struct showing *s, const struct quorate_end *e) {
        return s->o->meta || e->exit_code != EXIT_OK ||
               (!s->o->quiet && (!ask_end_is_verified(e) || isatty(STDERR_FILENO)));
}

static int show_end(struct showing *s) {
        const struct quorate_end *e = quorate_end(s->r);
        bool first = true;

        progress_clear(&s->progress);
        if (s->rows && rows_file_finish(s->rows, s->r))
                return give_up(s, "%s: %s; is the disk full?", s->o->save_rows, strerror(errno));
        if (s->ctx->common.json) {
                if (s->n_rows == 0)
                        begin_json(s);
                fputs("],", stdout);
                ask_end_json(stdout, e, quorate_job(s->r), &first);
                inputs_json(stdout, &first);
                fputs("}\n", stdout);
                return e->exit_code;
        }
        if (*e->state)
                format_end(s->format, s->r);
        if (says_end(s, e)) {
                if (!*e->state)
                        fputs("quorate: ", stderr);
                ask_end_text(s->ctx, stderr, e, s->o->meta || e->exit_code != EXIT_OK);
                if (s->o->meta)
                        inputs_text(stderr);
        }
        return e->exit_code;
}

#define CANCEL_WAIT_MS 5000

/* Nobody takes the rows any more: the hosts shall not go on for nobody. */
static void cancel_rest(struct showing *s) {
        int c = QUORATE_ROW;

        (void) quorate_cancel(s->r);
        while (c == QUORATE_ROW || c == QUORATE_PROGRESS)
                c = quorate_next(s->r, CANCEL_WAIT_MS);
}

static int show_all(struct showing *s) {
        int cancelled = 0;

        for (;;) {
                int c = quorate_next(s->r, cancelled ? CANCEL_WAIT_MS : -1), code = EXIT_OK;

                if (c == QUORATE_ROW)
                        code = show_row(s);
                else if (c == QUORATE_PROGRESS)
                        progress_show(&s->progress, quorate_progress(s->r));
                else if (c == QUORATE_END)
                        return show_end(s);
                else if (c != QUORATE_AGAIN)
                        return give_up(s, "%s", quorate_error(s->q));
                else if (cancelled && interrupts < 2)
                        return complain(s->ctx, EXIT_OTHER,
                                        "cancelled; the node did not confirm it in time");
                else if (!handle_interrupt(s, &cancelled))
                        return give_up(s, "interrupted");
                if (code != EXIT_OK) {
                        cancel_rest(s);
                        return code;
                }
                if (c == QUORATE_ROW && interrupts && !handle_interrupt(s, &cancelled))
                        return give_up(s, "interrupted");
        }
}

int ask_show(const struct command_context *ctx, const struct ask_options *o, struct quorate *q,
             struct quorate_result *r) {
        const char *format = o->format ? o->format : isatty(STDOUT_FILENO) ? "table" : "csv";
        struct showing s = { .ctx = ctx, .o = o, .q = q, .r = r };
        int code;

        if (o->save_rows) {
                s.rows = rows_file_new(o->save_rows);
                if (!s.rows)
                        return complain(ctx, EXIT_USAGE,
                                        "--save-rows %s: %s; give a file in a folder you may write",
                                        o->save_rows, strerror(errno));
        }
        progress_init(&s.progress, o->quiet || ctx->common.json);
        s.format = format_new(format, stdout, terminal_width());
        catch_interrupts(q);
        code = show_all(&s);
        catch_interrupts(NULL);
        progress_clear(&s.progress);
        format_free(s.format);
        rows_file_free(s.rows);
        return code;
}

int ask_complain(const struct command_context *ctx, const struct quorate *q, int c) {
        bool usage = c == QUORATE_E_INPUT || c == QUORATE_E_USAGE;

        if (c == QUORATE_AGAIN)
                return complain(ctx, EXIT_OTHER, "interrupted");
        return complain(ctx, usage ? EXIT_USAGE : EXIT_OTHER, "%s", quorate_error(q));
}

int ask_once(const struct command_context *ctx, const struct ask_options *o, struct quorate *q,
             const char *sql) {
        struct quorate_input inputs[ASK_DATA_MAX];
        struct quorate_question question;
        struct quorate_result *r;
        int c, code = ask_question(ctx, o, sql, inputs, &question);

        if (code)
                return code;
        catch_interrupts(q);
        c = quorate_query(q, &question, &r);
        catch_interrupts(NULL);
        if (c != QUORATE_OK)
                return ask_complain(ctx, q, c);
        code = ask_show(ctx, o, q, r);
        quorate_result_free(r);
        if (code != EXIT_OK && code != EXIT_USAGE)
                own_key_warn(ctx);
        return code;
}
