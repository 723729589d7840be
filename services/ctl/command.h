#pragma once

/* One verb of `quorate`: a row in the table of main.c. */

#include <stdio.h>

#include "services/ctl/options.h"

/* Documented exit codes (product: query.md section 2; README of this folder). */
enum exit_code {
        EXIT_OK = 0,    /* VERIFIED, TRUSTED, LOCAL, CACHED; or the command did its work */
        EXIT_USAGE = 2, /* bad option, unreadable input */
        EXIT_UNVERIFIED = 3,
        EXIT_CONTESTED = 4, /* CONTESTED, SPLIT */
        EXIT_OTHER = 5,     /* any other error */
};

/* What every command knows. */
struct common_options {
        const char *runtime, *state, *config; /* NULL: the default place */
        bool json, help, no_color, verbose;
};

struct command_context {
        struct common_options common;
        struct operands operands;
        const void *options; /* the command's own struct */
};

struct command {
        const char *name;
        const char *usage;            /* "query [OPTIONS] SQL" */
        const char *summary;          /* one line */
        const char *example;          /* shown in --help */
        const char *details;          /* of --help, lines behind the options; NULL: none */
        bool no_operands;             /* it takes none: what stands there is a mistake */
        const struct option *options; /* ends with {}; NULL: none */
        size_t options_size;
        const void *defaults;                          /* of the struct; NULL: zeros */
        int (*run)(const struct command_context *ctx); /* enum exit_code */
        const char *program; /* not NULL: a program beside the services' that takes the arguments as
                                they are, --help too; then only name and usage are given */
};

extern const struct option common_option_table[];

/* "quorate: <text>" on stderr, one line; with --json also {"error": …} on stdout.
 * Returns `code`, so that `return complain(…)` reads well. */
int complain(const struct command_context *ctx, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void command_help(const struct command *c, FILE *f);

extern const struct command command_run, command_key, command_query, command_shell, command_explain,
        command_status, command_peers, command_why, command_pause, command_resume, command_job,
        command_receipt, command_config, command_doctor, command_find, command_record,
        command_topic, command_mailbox, command_dht, command_block, command_unblock,
        command_blocklist, command_sim, command_dataset;
