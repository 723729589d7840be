#pragma once

/* Configuration as a table: one row per key. Parsing, --check-config and
 * --help-config read the same table; an unknown, repeated or out-of-range key is
 * an error with file and line, not a warning.
 *
 * Files, in this order, later ones win: quorate.conf, quorate.conf.d/ *.conf
 * ([section] is mandatory), <service>.conf, <service>.conf.d/ *.conf (keys before
 * any [section] belong to the service); then QUORATE_<SECTION>_<KEY> of the
 * environment ('-' becomes '_'). In quorate.conf sections of other services are
 * passed over; a section nobody knows is an error. A line has at most 198 characters. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/nsec.h"

#define CONFIG_ERROR_SIZE 512
#define CONFIG_FILE_MAX   (1 << 20)
#define CONFIG_LIST_MAX   256
#define CONFIG_WHY_SIZE   160

enum config_kind {
        CONFIG_KIND_END = 0,
        CONFIG_KIND_INT,      /* uint64_t: decimal digits */
        CONFIG_KIND_SIZE,     /* uint64_t: "64M" */
        CONFIG_KIND_DURATION, /* nsec_t: "8s" */
        CONFIG_KIND_BOOL,     /* bool: yes no true false on off */
        CONFIG_KIND_STRING,   /* char *: never NULL; max is the longest length */
        CONFIG_KIND_ENUM,     /* int: index into `names` */
        CONFIG_KIND_LIST,     /* struct config_list: the one kind that may repeat */
        CONFIG_KIND_SECTION,  /* the rows that follow belong to section `key` */
};

struct config_list {
        char **items;
        size_t n_items;
};

struct config_key {
        enum config_kind kind;
        size_t offset;
        const char *key, *fallback; /* default, in the file's notation */
        uint64_t min, max;
        const char *const *names; /* ENUM: NULL-terminated */
        /* Of LIST: whether a row will do. False: what it is not, and what to write instead
         * ("is no peer id; write …"), which is told with file and line. NULL: all will. */
        bool (*suits)(const char *row, char why[CONFIG_WHY_SIZE]);
        const char *help;
};

/* Rows. `s` is the struct's tag, `m` its member; the member's type is checked. */
#define CONFIG_ROW(s, m, type, ...)                                                             \
        .offset = offsetof(struct s, m) +                                                       \
                  0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *) 0)->m), \
                                                               type)                            \
                                          ? 1                                                   \
                                          : -1]),                                               \
        __VA_ARGS__
#define CONFIG_INT(s, m, key_, default_, min_, max_, help_)                                       \
        {                                                                                         \
                CONFIG_ROW(s, m, uint64_t, .kind = CONFIG_KIND_INT, .key = (key_),                \
                           .fallback = (default_), .min = (min_), .max = (max_), .help = (help_)) \
        }
#define CONFIG_SIZE(s, m, key_, default_, min_, max_, help_)                                      \
        {                                                                                         \
                CONFIG_ROW(s, m, uint64_t, .kind = CONFIG_KIND_SIZE, .key = (key_),               \
                           .fallback = (default_), .min = (min_), .max = (max_), .help = (help_)) \
        }
#define CONFIG_DURATION(s, m, key_, default_, min_, max_, help_)                                  \
        {                                                                                         \
                CONFIG_ROW(s, m, nsec_t, .kind = CONFIG_KIND_DURATION, .key = (key_),             \
                           .fallback = (default_), .min = (min_), .max = (max_), .help = (help_)) \
        }
#define CONFIG_BOOL(s, m, key_, default_, help_)                                \
        {                                                                       \
                CONFIG_ROW(s, m, bool, .kind = CONFIG_KIND_BOOL, .key = (key_), \
                           .fallback = (default_), .help = (help_))             \
        }
#define CONFIG_STRING(s, m, key_, default_, help_)                                  \
        {                                                                           \
                CONFIG_ROW(s, m, char *, .kind = CONFIG_KIND_STRING, .key = (key_), \
                           .fallback = (default_), .max = 4096, .help = (help_))    \
        }
#define CONFIG_ENUM(s, m, key_, default_, names_, help_)                               \
        {                                                                              \
                CONFIG_ROW(s, m, int, .kind = CONFIG_KIND_ENUM, .key = (key_),         \
                           .fallback = (default_), .names = (names_), .help = (help_)) \
        }
#define CONFIG_LIST(s, m, key_, help_)                                                        \
        {                                                                                     \
                CONFIG_ROW(s, m, struct config_list, .kind = CONFIG_KIND_LIST, .key = (key_), \
                           .fallback = "", .max = 4096, .help = (help_))                      \
        }
#define CONFIG_LIST_OF(s, m, key_, suits_, help_)                                             \
        {                                                                                     \
                CONFIG_ROW(s, m, struct config_list, .kind = CONFIG_KIND_LIST, .key = (key_), \
                           .fallback = "", .max = 4096, .suits = (suits_), .help = (help_))   \
        }
#define CONFIG_SECTION(name_) \
        { .kind = CONFIG_KIND_SECTION, .key = (name_) }

enum config_result {
        CONFIG_OK = 0,
        CONFIG_E_INVALID, /* the error text says where, why, and what is allowed */
};

struct config;

/* `keys` ends with {}; rows before any CONFIG_SECTION belong to `service`. The
 * values are a zeroed struct of `size` bytes filled with the defaults. */
struct config *config_new(const char *service, const struct config_key *keys, size_t size);
struct config *config_free(struct config *c); /* the values with it; always NULL */
DEFINE_CLEANUP(struct config *, config_free);
void *config_values(struct config *c);
const char *config_service(const struct config *c);

/* One file's text. `shared`: the rules of quorate.conf. Pure. Returns enum
 * config_result; on an error values may be half changed. */
int config_parse(struct config *c, const char *file, struct bytes text, bool shared,
                 char error[CONFIG_ERROR_SIZE]);
/* `path` is a directory (the files above; missing ones are no error) or one file
 * (shared rules). Returns enum config_result or a fault. */
int config_load(struct config *c, const char *path, char error[CONFIG_ERROR_SIZE]);
int config_environment(struct config *c, const char *const *env, char error[CONFIG_ERROR_SIZE]);

void config_print_help(const struct config *c, FILE *f);   /* every key, default, range */
void config_print_values(const struct config *c, FILE *f); /* as a file it would read back */
