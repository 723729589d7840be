#pragma once

/* Command-line options as a table: parsing and --help read the same rows. Long
 * options (--name VALUE, --name=VALUE), one-letter ones, "--" ends them; they may
 * stand before or after the operands. Pure but for printing the help. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/nsec.h"

#define OPTION_LIST_MAX 64

enum option_kind {
        OPTION_END = 0,
        OPTION_FLAG,     /* bool */
        OPTION_STRING,   /* const char * */
        OPTION_U64,      /* uint64_t, decimal */
        OPTION_DURATION, /* nsec_t: "8s" */
        OPTION_SIZE,     /* uint64_t: "64M" */
        OPTION_COUNT,    /* uint64_t from 1 on: 0 in the struct is `not given` */
        OPTION_TIMEOUT,  /* nsec_t from 1 ms on */
        OPTION_LIFE,     /* nsec_t from 1 s on */
        OPTION_ROOM,     /* uint64_t from 1 on, as OPTION_SIZE */
        OPTION_MEMORY,   /* uint64_t from 1M on, as OPTION_SIZE */
        OPTION_DEPTH,    /* int64_t from 0 on; -1: no limit */
        OPTION_CHOICE,   /* const char *: one of `choices` ("a|b|c") */
        OPTION_LIST,     /* struct option_list: may repeat */
};

struct option_list {
        const char *items[OPTION_LIST_MAX];
        size_t n_items;
};

struct option {
        enum option_kind kind;
        char letter; /* 0: none */
        const char *name;
        size_t offset;
        const char *value; /* shown in the help: "FILE"; of CHOICE the choices */
        const char *help;  /* NULL: told in another row's */
        const char *verbs; /* first operands ("publish, pin") it is for, with others a mistake;
                              NULL: for all */
};

struct operands {
        const char **items; /* points into argv */
        size_t n_items;
};

enum options_result {
        OPTIONS_OK = 0,
        OPTIONS_E_USAGE, /* the error text says what and what is allowed */
};

/* argv without the command's name. Values are views into argv. Tables end with {};
 * `shared` (may be NULL) are the options every command has, in another struct. */
struct options_target {
        const struct option *table;
        void *values;
};
int options_parse(int argc, char **argv, const struct options_target *targets, size_t n_targets,
                  struct operands *ret_operands, char error[256]);

/* Whether v is one of "a|b|c". */
bool options_is_choice(const char *choices, const char *v);

void options_print(const struct option *table, FILE *f);
