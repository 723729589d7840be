#include "common/daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/similar.h"
#include "common/base/text.h"
#include "common/daemon/capability.h"
#include "quorate-config.h"

struct row {
        const struct config_key *key;
        const char *section;
        bool is_seen; /* in this file */
};

struct config {
        const char *service;
        uint8_t *values;
        struct row *rows;
        size_t n_rows;
};

/* Sections of quorate.conf that are called unlike a service, and the one that reads all
 * their keys, if there is one: it knows a wrong key for sure. */
static const struct {
        const char *name, *owner;
} shared_sections[] = {
        { "network", "transport" },  { "host", "coordinator" },
        { "query", "coordinator" },  { "trust", "coordinator" },
#if QUORATE_FAULTS
        { "faults", "coordinator" },
#endif
};

static void *member(const struct config *c, const struct row *row) {
        return c->values + row->key->offset;
}

/* ---- values: one row of functions per kind ---- */

static bool set_int(const struct config_key *k, const char *text, void *m) {
        return text_parse_u64(text, k->min, k->max, m);
}

static bool in_range(const struct config_key *k, uint64_t v, void *m) {
        if (v < k->min || v > k->max)
                return false;
        *(uint64_t *) m = v;
        return true;
}

static bool set_size(const struct config_key *k, const char *text, void *m) {
        uint64_t v;

        return text_parse_size(text, &v) && in_range(k, v, m);
}

static bool set_duration(const struct config_key *k, const char *text, void *m) {
        nsec_t v;

        return text_parse_duration(text, &v) && in_range(k, v, m);
}

static bool set_bool(const struct config_key *k, const char *text, void *m) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (strcmp(text, words[i]) != 0)
                        continue;
                *(bool *) m = i & 1;
                return true;
        }
        return false;
}

static bool set_string(const struct config_key *k, const char *text, void *m) {
        char **string = m;

        if (strlen(text) > k->max)
                return false;
        free(*string);
        *string = xstrdup(text);
        return true;
}

static bool set_enum(const struct config_key *k, const char *text, void *m) {
        for (int i = 0; k->names[i]; i++) {
                if (strcmp(text, k->names[i]) != 0)
                        continue;
                *(int *) m = i;
                return true;
        }
        return false;
}

static bool set_list(const struct config_key *k, const char *text, void *m) {
        struct config_list *list = m;

        if (strlen(text) > k->max || list->n_items >= CONFIG_LIST_MAX)
                return false;
        if (!*text) /* "key =" empties it */
                return true;
        list->items = xrealloc(list->items, (list->n_items + 1) * sizeof(char *));
        list->items[list->n_items++] = xstrdup(text);
        return true;
}

static void list_clear(struct config_list *list) {
        for (size_t i = 0; i < list->n_items; i++)
                free(list->items[i]);
        free(list->items);
        *list = (struct config_list){};
}

static void allow_int(const struct config_key *k, char *ret, size_t size) {
        (void) snprintf(ret, size, "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
}

static void allow_size(const struct config_key *k, char *ret, size_t size) {
        char low[32], high[32];

        (void) snprintf(ret, size, "a size with its unit (512B, 64K, 1M, 4G) from %s to %s",
                        text_format_size(k->min, low), text_format_size(k->max, high));
}

static void allow_duration(const struct config_key *k, char *ret, size_t size) {
        char low[32], high[32];

        (void) snprintf(ret, size,
                        "a duration with its unit (250ms, 8s, 5min, 2h, 7d) from %s to %s",
                        text_format_duration(k->min, low), text_format_duration(k->max, high));
}

static void allow_bool(const struct config_key *k, char *ret, size_t size) {
        (void) snprintf(ret, size, "yes or no");
}

static void allow_string(const struct config_key *k, char *ret, size_t size) {
        (void) snprintf(ret, size, "text of at most %" PRIu64 " bytes", k->max);
}

static void allow_list(const struct config_key *k, char *ret, size_t size) {
        (void) snprintf(ret, size, "text, may be repeated up to %d times", CONFIG_LIST_MAX);
}

static void allow_enum(const struct config_key *k, char *ret, size_t size) {
        size_t n = (size_t) snprintf(ret, size, "one of");

        for (int i = 0; k->names[i] && n < size; i++)
                n += (size_t) snprintf(ret + n, size - n, " %s", k->names[i]);
}

static void put_int(FILE *f, const void *m) {
        (void) fprintf(f, "%" PRIu64, *(const uint64_t *) m);
}

static void put_size(FILE *f, const void *m) {
        char text[32];

        (void) fputs(text_format_size(*(const uint64_t *) m, text), f);
}

static void put_duration(FILE *f, const void *m) {
        char text[32];

        (void) fputs(text_format_duration(*(const nsec_t *) m, text), f);
}

static void put_bool(FILE *f, const void *m) {
        (void) fputs(*(const bool *) m ? "yes" : "no", f);
}

static void put_string(FILE *f, const void *m) {
        (void) fputs(*(char *const *) m, f);
}

static const struct kind {
        bool (*set)(const struct config_key *k, const char *text, void *m);
        void (*allow)(const struct config_key *k, char *ret, size_t size);
        void (*put)(FILE *f, const void *m); /* ENUM and LIST: see print_value() */
} kinds[] = {
        [CONFIG_KIND_INT] = { set_int, allow_int, put_int },
        [CONFIG_KIND_SIZE] = { set_size, allow_size, put_size },
        [CONFIG_KIND_DURATION] = { set_duration, allow_duration, put_duration },
        [CONFIG_KIND_BOOL] = { set_bool, allow_bool, put_bool },
        [CONFIG_KIND_STRING] = { set_string, allow_string, put_string },
        [CONFIG_KIND_ENUM] = { set_enum, allow_enum, NULL },
        [CONFIG_KIND_LIST] = { set_list, allow_list, NULL },
};

/* ---- the table ---- */

static void set_default(struct config *c, const struct row *row) {
        check(kinds[row->key->kind].set(row->key, row->key->fallback, member(c, row)));
}

struct config *config_new(const char *service, const struct config_key *keys, size_t size) {
        struct config *c = xnew(struct config);
        const char *section = service;
        size_t n = 0;

        c->service = service;
        c->values = xcalloc(1, size ? size : 1);
        while (keys && keys[n].kind != CONFIG_KIND_END)
                n++;
        c->rows = xnew_n(struct row, n + 1);
        for (size_t i = 0; i < n; i++) {
                if (keys[i].kind == CONFIG_KIND_SECTION) {
                        section = keys[i].key;
                        continue;
                }
                c->rows[c->n_rows] = (struct row){ .key = &keys[i], .section = section };
                set_default(c, &c->rows[c->n_rows++]);
        }
        return c;
}

struct config *config_free(struct config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_rows; i++) {
                if (c->rows[i].key->kind == CONFIG_KIND_STRING)
                        free(*(char **) member(c, &c->rows[i]));
                else if (c->rows[i].key->kind == CONFIG_KIND_LIST)
                        list_clear(member(c, &c->rows[i]));
        }
        free(c->rows);
        free(c->values);
        free(c);
        return NULL;
}

void *config_values(struct config *c) {
        return c->values;
}

const char *config_service(const struct config *c) {
        return c->service;
}

static struct row *find_row(struct config *c, const char *section, const char *key) {
        for (size_t i = 0; i < c->n_rows; i++)
                if (strcmp(c->rows[i].section, section) == 0 &&
                    strcmp(c->rows[i].key->key, key) == 0)
                        return &c->rows[i];
        return NULL;
}

static bool has_section(const struct config *c, const char *section) {
        if (strcmp(c->service, section) == 0)
                return true;
        for (size_t i = 0; i < c->n_rows; i++)
                if (strcmp(c->rows[i].section, section) == 0)
                        return true;
        return false;
}

static bool is_known_section(const struct config *c, const char *section) {
        if (has_section(c, section) || capability_is_service(section))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(shared_sections); i++)
                if (strcmp(shared_sections[i].name, section) == 0)
                        return true;
        return false;
}

/* Does this service read every key of the section? */
static bool owns_section(const struct config *c, const char *section) {
        for (size_t i = 0; i < ELEMENTSOF(shared_sections); i++)
                if (strcmp(shared_sections[i].name, section) == 0)
                        return shared_sections[i].owner &&
                               strcmp(shared_sections[i].owner, c->service) == 0;
        return strcmp(section, c->service) == 0;
}

/* ---- one text ---- */

struct parse {
        struct config *config;
        const char *file;
        bool shared, has_failed;
        struct bytes left;
        unsigned line;
        char *error; /* CONFIG_ERROR_SIZE */
};

__attribute__((format(printf, 2, 3))) static int fail(struct parse *p, const char *format, ...) {
        char raw[CONFIG_ERROR_SIZE];
        va_list args;
        size_t n;

        if (p->has_failed)
                return 0; /* the first one counts */
        p->has_failed = true;
        if (p->line > 0)
                n = (size_t) snprintf(raw, sizeof(raw), "%s:%u: ", p->file, p->line);
        else
                n = (size_t) snprintf(raw, sizeof(raw), "%s: ", p->file);
        va_start(args, format);
        if (n < sizeof(raw))
                (void) vsnprintf(raw + n, sizeof(raw) - n, format, args);
        va_end(args);
        text_escape(BYTES_STR(raw), p->error, CONFIG_ERROR_SIZE);
        return 0;
}

static int set_row(struct parse *p, struct row *row, const char *value) {
        const struct config_key *k = row->key;
        char allowed[256], shown[160];

        if (row->is_seen && k->kind != CONFIG_KIND_LIST)
                return fail(p, "[%s] %s: is there twice, keep one", row->section, k->key);
        if (!row->is_seen && k->kind == CONFIG_KIND_LIST)
                list_clear(member(p->config, row)); /* this file's list replaces an earlier one */
        row->is_seen = true;
        text_escape(BYTES_STR(value), shown, sizeof(shown));
        if (*value && k->suits && !k->suits(value, allowed))
                return fail(p, "[%s] %s: \"%s\" %s", row->section, k->key, shown, allowed);
        if (kinds[k->kind].set(k, value, member(p->config, row)))
                return 1;
        kinds[k->kind].allow(k, allowed, sizeof(allowed));
        return fail(p, "[%s] %s: \"%s\" is not allowed, give %s", row->section, k->key, shown,
                    allowed);
}

static int fail_unknown_key(struct parse *p, const char *section, const char *key) {
        struct similar s = similar_to(key);
        char meant[64];

        for (size_t i = 0; i < p->config->n_rows; i++)
                if (strcmp(p->config->rows[i].section, section) == 0)
                        similar_try(&s, p->config->rows[i].key->key);
        return fail(p, "[%s] %s: unknown key%s; `quorate config reference %s` lists them", section,
                    key, similar_text(&s, meant), p->config->service);
}

static int on_pair(void *userdata, const char *section, const char *key, const char *value) {
        struct parse *p = userdata;
        struct row *row;

        if (p->has_failed)
                return 0;
        if (!*section && p->shared)
                return fail(p, "%s: stands before any [section], put it below one", key);
        if (!*section)
                section = p->config->service;
        if (!has_section(p->config, section)) {
                if (p->shared && is_known_section(p->config, section))
                        return 1;
                return fail(p, "[%s]: unknown section%s", section,
                            p->shared ? "; `quorate config reference` lists them"
                                      : ", this file is for one service");
        }
        row = find_row(p->config, section, key);
        if (!row) {
                /* A shared section may hold keys other services read. */
                if (p->shared && !owns_section(p->config, section))
                        return 1;
                return fail_unknown_key(p, section, key);
        }
        return set_row(p, row, value);
}

static struct bytes next_line(struct bytes *left) {
        const uint8_t *end = memchr(left->data, '\n', left->len);
        size_t n = end ? (size_t) (end - left->data) + 1 : left->len;
        struct bytes line = { left->data, n };

        left->data += n;
        left->len -= n;
        return line;
}

static bool is_blank(uint8_t ch) {
        return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static bool line_is_clean(struct bytes line) {
        for (size_t i = 0; i < line.len; i++)
                if (line.data[i] < 0x20 && !is_blank(line.data[i]))
                        return false;
        return true;
}

/* Sections with nothing of ours below them never reach on_pair(). */
static void check_section(struct parse *p, struct bytes line) {
        const uint8_t *end = memchr(line.data, ']', line.len);
        char name[64];

        if (!end || line.data[0] != '[')
                return;
        (void) snprintf(name, sizeof(name), "%.*s", (int) (end - line.data - 1), line.data + 1);
        if (!is_known_section(p->config, name))
                fail(p, "[%s]: unknown section; `quorate config reference` lists them", name);
}

/* inih's line source. Lines it would cut, join or misread are refused here. */
static char *read_line(char *buffer, int size, void *userdata) {
        struct parse *p = userdata;
        struct bytes line;

        if (p->left.len == 0 || p->has_failed)
                return NULL;
        line = next_line(&p->left);
        p->line++;
        while (line.len > 0 && is_blank(line.data[line.len - 1]))
                line.len--;
        if (line.len > (size_t) size - 2)
                return fail(p, "longer than %d characters", size - 2), NULL;
        if (!line_is_clean(line))
                return fail(p, "control characters"), NULL;
        if (line.len > 0 && is_blank(line.data[0]))
                return fail(p, "starts with a blank; continuation lines are not supported"), NULL;
        if (line.len > 0)
                check_section(p, line);
        memcpy(buffer, line.data, line.len);
        buffer[line.len] = '\n';
        buffer[line.len + 1] = 0;
        return buffer;
}

int config_parse(struct config *c, const char *file, struct bytes text, bool shared,
                 char error[CONFIG_ERROR_SIZE]) {
        struct parse p = {
                .config = c, .file = file, .shared = shared, .left = text, .error = error
        };
        int line;

        for (size_t i = 0; i < c->n_rows; i++)
                c->rows[i].is_seen = false;
        if (text.len > CONFIG_FILE_MAX) {
                fail(&p, "larger than %d bytes", CONFIG_FILE_MAX);
                return CONFIG_E_INVALID;
        }
        line = ini_parse_stream(read_line, &p, on_pair, &p);
        if (line > 0 && !p.has_failed) {
                p.line = (unsigned) line;
                fail(&p, "neither \"[section]\" nor \"key = value\"");
        }
        return p.has_failed ? CONFIG_E_INVALID : 0;
}

/* ---- environment ---- */

static void environment_name(const char *section, const char *key, char *ret, size_t size) {
        (void) snprintf(ret, size, "QUORATE_%s_%s", section, key);
        for (char *p = ret; *p; p++)
                *p = *p == '-' ? '_' : (char) toupper((unsigned char) *p);
}

static int set_words(struct parse *p, struct row *row, const char *value) {
        CLEANUP(freep) char *copy = xstrdup(value);
        char *save = NULL;

        if (row->key->kind != CONFIG_KIND_LIST)
                return set_row(p, row, value);
        if (!set_row(p, row, ""))
                return 0;
        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
                if (!set_row(p, row, w))
                        return 0;
        return 1;
}

static void take_variable(struct parse *p, const char *variable) {
        const char *equal = strchr(variable, '=');
        char name[128], prefix[64];

        if (!equal)
                return;
        for (size_t i = 0; i < p->config->n_rows; i++) {
                struct row *row = &p->config->rows[i];

                environment_name(row->section, row->key->key, name, sizeof(name));
                if (strlen(name) == (size_t) (equal - variable) &&
                    strncmp(name, variable, strlen(name)) == 0) {
                        (void) set_words(p, row, equal + 1);
                        return;
                }
        }
        environment_name(p->config->service, "", prefix, sizeof(prefix));
        if (strncmp(variable, prefix, strlen(prefix)) == 0)
                fail(p, "%.*s: unknown key; `quorate config reference %s` lists them",
                     (int) (equal - variable), variable, p->config->service);
}

int config_environment(struct config *c, const char *const *env, char error[CONFIG_ERROR_SIZE]) {
        struct parse p = { .config = c, .file = "environment", .error = error };

        for (size_t i = 0; i < c->n_rows; i++)
                c->rows[i].is_seen = false;
        for (; *env && !p.has_failed; env++)
                if (strncmp(*env, "QUORATE_", 8) == 0)
                        take_variable(&p, *env);
        return p.has_failed ? CONFIG_E_INVALID : 0;
}

/* ---- printing ---- */

static void print_section(const struct config *c, size_t i, FILE *f) {
        if (i == 0 || strcmp(c->rows[i].section, c->rows[i - 1].section) != 0)
                (void) fprintf(f, "%s[%s]\n", i == 0 ? "" : "\n", c->rows[i].section);
}

void config_print_help(const struct config *c, FILE *f) {
        char allowed[256];

        for (size_t i = 0; i < c->n_rows; i++) {
                const struct config_key *k = c->rows[i].key;

                print_section(c, i, f);
                kinds[k->kind].allow(k, allowed, sizeof(allowed));
                (void) fprintf(f, "# %s\n# %s\n%s = %s\n", k->help, allowed, k->key, k->fallback);
        }
}

static void print_value(const struct config *c, const struct row *row, FILE *f) {
        const struct config_key *k = row->key;
        const void *m = member(c, row);

        if (k->kind == CONFIG_KIND_LIST) {
                const struct config_list *list = m;

                for (size_t i = 0; i < list->n_items; i++)
                        (void) fprintf(f, "%s = %s\n", k->key, list->items[i]);
                return;
        }
        (void) fprintf(f, "%s = ", k->key);
        if (k->kind == CONFIG_KIND_ENUM)
                (void) fputs(k->names[*(const int *) m], f);
        else
                kinds[k->kind].put(f, m);
        (void) fputc('\n', f);
}

void config_print_values(const struct config *c, FILE *f) {
        for (size_t i = 0; i < c->n_rows; i++) {
                print_section(c, i, f);
                print_value(c, &c->rows[i], f);
        }
}
