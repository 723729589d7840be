/* quorate: the command people type. One verb, one file; see README.md here. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/similar.h"
#include "quorate-config.h"
#include "services/ctl/command.h"
#include "services/ctl/node.h"

/* In the order and with the few words of `quorate --help`. */
static const struct {
        const struct command *command;
        const char *brief;
} commands[] = {
        { &command_run, "run a node" },
        { &command_status, "what it is and does" },
        { &command_query, "ask one question" },
        { &command_shell, "ask one after another" },
        { &command_explain, "how it would be checked" },
        { &command_job, "list, resume, stop jobs" },
        { &command_dataset, "data by its content" },
        { &command_receipt, "prove an answer, offline" },
        { &command_peers, "who is there" },
        { &command_why, "what happened with one" },
        { &command_find, "where a peer is" },
        { &command_block, "nothing more with a peer" },
        { &command_unblock, "lift a block" },
        { &command_blocklist, "who is blocked, and why" },
        { &command_record, "signed records" },
        { &command_topic, "who takes part in what" },
        { &command_mailbox, "letters to peers away" },
        { &command_dht, "how discovery does" },
        { &command_pause, "no more jobs of others" },
        { &command_resume, "take them again" },
        { &command_key, "make or show the key" },
        { &command_config, "what services run with" },
        { &command_doctor, "what is missing or wrong" },
        { &command_sim, "many nodes in one process" },
};

static void help(FILE *f) {
        fputs("usage: quorate COMMAND [OPTIONS] [OPERANDS]\n"
              "SQL answers you can check, from a peer-to-peer grid.\n\n",
              f);
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                fprintf(f, "  %-10s %-*s%s", commands[i].command->name, i % 2 ? 0 : 25,
                        commands[i].brief, i % 2 || i + 1 == ELEMENTSOF(commands) ? "\n" : "");
        fputs("\neverywhere: --runtime DIR (sockets), --state DIR (what is kept), --config PATH,\n"
              "--json (one object per line), --no-color, -v, -h. COMMAND --help says more.\n"
              "exit codes: 0 verified, local or done; 2 usage; 3 unverified; 4 contested or\n"
              "split; 5 any other error; more: quorate help exit-codes, quorate help states\n"
              "example: quorate query 'SELECT 42'\n",
              f);
}

static void help_exit_codes(FILE *f) {
        fputs("usage: quorate help exit-codes\n"
              "What the exit code of a command says.\n\n"
              "  0  the command did its work; of a query: VERIFIED (independent hosts agree),\n"
              "     CACHED (was verified before), TRUSTED (by your policy), or LOCAL (computed\n"
              "     here, nobody else checked it)\n"
              "  2  usage: a bad option, operand, configuration or input file; nothing was done\n"
              "  3  UNVERIFIED: rows, but fewer hosts agree than the quorum asks for\n"
              "  4  CONTESTED or SPLIT: hosts disagree; there is no answer to believe\n"
              "  5  any other error: no node, too few hosts, a limit, an error in the SQL;\n"
              "     doctor: something to mend\n\n"
              "`explain` ends with 0 where the query has a route, and where it has none as\n"
              "`query` would: 2 or 5.\n\n"
              "With --json the last line on stdout has the code as \"exit\". A shell that reads\n"
              "from a file or pipe ends with the code of the last statement that failed.\n"
              "example: quorate query -q 'SELECT 42' || echo \"exit $?\"\n",
              f);
}

static void help_states(FILE *f) {
        fputs("usage: quorate help states\n"
              "What an answer is worth, in the words it ends with.\n\n"
              "  VERIFIED    at least a quorum of independent hosts gave the same answer, which\n"
              "              leads every other by that many; all rows were hashed again here.\n"
              "              `4 of 4 answers agree (9 hosts wanted, 4 took part)`: fewer were\n"
              "              there than asked for, yet enough for the quorum\n"
              "  CACHED      was VERIFIED before: the same statement, data, engines and rules.\n"
              "              Its age and its quorum are told, and its receipt and all its rows\n"
              "              were checked again. Only with --cache, or [query] cache = yes;\n"
              "              --no-cache asks anew\n"
              "  TRUSTED     fewer runs than the quorum, by your own policy\n"
              "  LOCAL       computed here; nobody else checked it\n"
              "  UNVERIFIED  one host's word (--verify fast)\n"
              "  CONTESTED   answers differ, and the job ended before one of them led\n"
              "  SPLIT       answers differ, and none leads by the quorum\n\n"
              "  confidence: strangers   a host that took part has no record with this node: it\n"
              "              has not yet given five answers of 0.1 s or more that were checked\n"
              "              here. The quorum holds; whether such hosts are one and the same\n"
              "              person, nobody here can tell.\n\n"
              "example: quorate query --meta --prefer remote 'SELECT 42'\n",
              f);
}

static const struct {
        const char *name;
        void (*print)(FILE *f);
} topics[] = { { "exit-codes", help_exit_codes }, { "states", help_states } };

static const struct command *find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(commands[i].command->name, name) == 0)
                        return commands[i].command;
        return NULL;
}

/* argv has room for one more in front: it is main()'s, from its third on. */
/* What every command takes and one without a node has no use for. */
static void drop_node_options(char **argv) {
        static const char *const with_value[] = { "--runtime", "--state", "--config" };
        char **to = argv;

        for (; *argv; argv++) {
                bool drops = strcmp(*argv, "--no-color") == 0 || strcmp(*argv, "-v") == 0;

                for (size_t i = 0; i < ELEMENTSOF(with_value) && argv[0] && argv[1]; i++)
                        if (strcmp(*argv, with_value[i]) == 0) {
                                argv++;
                                drops = true;
                                break;
                        }
                if (!drops)
                        *to++ = *argv;
        }
        *to = NULL;
}

static int run_program(const struct command *c, char **argv) {
        char binary[PATH_MAX];

        drop_node_options(argv);

        if (!node_binary(c->program, binary))
                return complain(
                        NULL, EXIT_OTHER,
                        "%s: quorate-%s is not installed; set QUORATE_LIBEXEC to where it is",
                        c->name, c->program);
        argv[-1] = binary;
        (void) execv(binary, argv - 1);
        return complain(NULL, EXIT_OTHER, "%s: cannot be started", binary);
}

static int run(const struct command *c, int argc, char **argv) {
        static const struct option no_options[] = { {} };
        CLEANUP(freep) void *options = xcalloc(1, c->options_size);
        struct command_context ctx = { .options = options };
        const struct options_target targets[] = { { c->options ? c->options : no_options, options },
                                                  { common_option_table, &ctx.common } };
        char error[256];

        if (c->program)
                return run_program(c, argv);
        if (c->defaults)
                memcpy(options, c->defaults, c->options_size);
        if (options_parse(argc, argv, targets, ELEMENTSOF(targets), &ctx.operands, error))
                return complain(&ctx, EXIT_USAGE, "%s: %s", c->name, error);
        if (ctx.common.help) {
                command_help(c, stdout);
                return EXIT_OK;
        }
        if (c->no_operands && ctx.operands.n_items > 0)
                return complain(&ctx, EXIT_USAGE, "%s: takes options only, not '%s'; see --help",
                                c->name, ctx.operands.items[0]);
        return c->run(&ctx);
}

/* The only line of somebody who mistyped it: it says what was meant, if that can be seen. */
static int complain_unknown(const char *before, const char *name) {
        static const char *const others[] = { "help", "--help", "--version" };
        struct similar s = similar_to(name);
        char meant[64];

        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                similar_try(&s, commands[i].command->name);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                similar_try(&s, others[i]);
        return complain(NULL, EXIT_USAGE, "%s '%s'%s; `quorate --help` lists them", before, name,
                        similar_text(&s, meant));
}

static int help_on(const char *topic) {
        const struct command *c = find(topic);

        for (size_t i = 0; i < ELEMENTSOF(topics); i++)
                if (strcmp(topic, topics[i].name) == 0) {
                        topics[i].print(stdout);
                        return EXIT_OK;
                }
        if (!c)
                return complain_unknown("help: no command", topic);
        if (c->program)
                return run_program(c, (char *[]){ NULL, (char *) "--help", NULL } + 1);
        command_help(c, stdout);
        return EXIT_OK;
}

/* Nothing that is opened later takes the number of a stream that was closed for us: what is
 * written there fails and is told. */
static void hold_standard_streams(void) {
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void) open("/dev/null", O_RDONLY);
}

/* Cut short by a full disk is no success. Who closed a pipe has read enough. */
static int finish(int code) {
        errno = 0;
        if (fflush(stdout) == 0 && !ferror(stdout))
                return code;
        if (errno == EPIPE)
                return code ? code : EXIT_OTHER;
        return complain(NULL, EXIT_OTHER, "the output could not be written whole (%s); ask again",
                        errno ? strerror(errno) : "is the disk full?");
}

static int run_line(int argc, char **argv) {
        const struct command *c;

        if (argc == 3 && strcmp(argv[1], "help") == 0)
                return help_on(argv[2]);
        if (argc > 3 && strcmp(argv[1], "help") == 0)
                return complain(NULL, EXIT_USAGE, "help: give one command, not %d", argc - 2);
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
                return complain_unknown("unknown command", argv[1]);
        return run(c, argc - 2, argv + 2);
}

int main(int argc, char **argv) {
        (void) signal(SIGPIPE, SIG_IGN);
        hold_standard_streams();
        return finish(run_line(argc, argv));
}
