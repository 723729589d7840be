#include "services/ctl/options.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/similar.h"
#include "common/base/text.h"
#include "common/canonical/descriptor.h"

struct parse {
        const struct options_target *targets;
        size_t n_targets;
        int argc, at;
        char **argv;
        char *error;
        const struct option *meant[OPTION_LIST_MAX]; /* given ones that are not for every verb */
        size_t n_meant;
};

static int refuse(struct parse *p, const char *format, const char *a, const char *b) {
        char shown[160];

        text_escape(BYTES_STR(a), shown, sizeof(shown));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(p->error, 256, format, shown, b);
#pragma GCC diagnostic pop
        return OPTIONS_E_USAGE;
}

static const struct option *find(const struct parse *p, const char *name, size_t len, char letter,
                                 void **ret_values) {
        for (size_t t = 0; t < p->n_targets; t++)
                for (const struct option *o = p->targets[t].table; o->kind != OPTION_END; o++)
                        if (letter ? o->letter == letter
                                   : strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
                                *ret_values = p->targets[t].values;
                                return o;
                        }
        return NULL;
}

bool options_is_choice(const char *choices, const char *v) {
        size_t n = strlen(v);

        for (const char *c = strchr(v, '|') ? NULL : choices; c;
             c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
                if (n > 0 && strncmp(c, v, n) == 0 && (c[n] == 0 || c[n] == '|'))
                        return true;
        return false;
}

static bool store_depth(const char *v, int64_t *ret) {
        uint64_t depth = 0;

        if (strcmp(v, "-1") == 0) {
                *ret = -1;
                return true;
        }
        if (!text_parse_u64(v, 0, INT32_MAX, &depth))
                return false;
        *ret = (int64_t) depth;
        return true;
}

static bool store(const struct option *o, void *values, const char *v) {
        void *to = (char *) values + o->offset;
        struct option_list *list = to;

        switch (o->kind) {
        case OPTION_U64:
                return text_parse_u64(v, 0, UINT64_MAX, to);
        case OPTION_DURATION:
                return text_parse_duration(v, to);
        case OPTION_SIZE:
                return text_parse_size(v, to);
        case OPTION_COUNT:
                return text_parse_u64(v, 1, UINT64_MAX, to);
        case OPTION_TIMEOUT:
                return text_parse_duration(v, to) && *(const nsec_t *) to >= NSEC_PER_MSEC;
        case OPTION_LIFE:
                return text_parse_duration(v, to) && *(const nsec_t *) to >= NSEC_PER_SEC;
        case OPTION_ROOM:
                return text_parse_size(v, to) && *(const uint64_t *) to > 0;
        case OPTION_MEMORY:
                return text_parse_size(v, to) && *(const uint64_t *) to >= LIMIT_MEMORY_MIN;
        case OPTION_DEPTH:
                return store_depth(v, to);
        case OPTION_LIST:
                if (list->n_items == OPTION_LIST_MAX)
                        return false;
                list->items[list->n_items++] = v;
                return true;
        case OPTION_CHOICE:
                if (!options_is_choice(o->value, v))
                        return false;
                *(const char **) to = v;
                return true;
        default:
                *(const char **) to = v;
                return true;
        }
}

static const char *expected(const struct option *o) {
        static const char *const texts[] = {
                [OPTION_U64] = "a whole number",
                [OPTION_DURATION] = "a time with its unit, such as 250ms, 8s or 5min",
                [OPTION_SIZE] = "a size with its unit, such as 64M or 1G",
                [OPTION_COUNT] = "a whole number from 1 on",
                [OPTION_TIMEOUT] = "a time with its unit, such as 250ms, 8s or 5min, from 1ms on",
                [OPTION_LIFE] = "a time with its unit, such as 90s, 12h or 2d, from 1s on",
                [OPTION_ROOM] = "a size with its unit, such as 64M or 1G, above 0",
                [OPTION_MEMORY] = "a size with its unit, such as 64M or 1G, from 1M on",
                [OPTION_DEPTH] = "a whole number, or -1 for no limit",
                [OPTION_LIST] = "at most 64 of them",
        };

        return o->kind == OPTION_CHOICE                        ? o->value
               : o->kind < ELEMENTSOF(texts) && texts[o->kind] ? texts[o->kind]
                                                               : "a value";
}

static int refuse_value(struct parse *p, const struct option *o, const char *v) {
        char shown[80];

        text_escape(BYTES_STR(v), shown, sizeof(shown));
        (void) snprintf(p->error, 256, "'%s' will not do for --%.40s: give %.90s", shown, o->name,
                        expected(o));
        return OPTIONS_E_USAGE;
}

/* Each once; there are fewer rows in a table than room here. */
static void note_meant(struct parse *p, const struct option *o) {
        size_t i = 0;

        while (i < p->n_meant && p->meant[i] != o)
                i++;
        if (o->verbs && i == p->n_meant && i < ELEMENTSOF(p->meant))
                p->meant[p->n_meant++] = o;
}

static bool is_for(const struct option *o, const char *verb) {
        size_t n = strlen(verb), len;

        for (const char *v = o->verbs; *v; v += len, v += strspn(v, ", ")) {
                len = strcspn(v, ",");
                if (len == n && strncmp(v, verb, n) == 0)
                        return true;
        }
        return false;
}

/* Options may stand before the verb. Without a verb the command says what to give. */
static int check_meant(struct parse *p, const struct operands *operands) {
        for (size_t i = 0; i < p->n_meant && operands->n_items > 0; i++)
                if (!is_for(p->meant[i], operands->items[0]))
                        return refuse(p, "--%s is for %s alone; see --help", p->meant[i]->name,
                                      p->meant[i]->verbs);
        return OPTIONS_OK;
}

static int take_value(struct parse *p, const struct option *o, void *values, const char *inline_v) {
        const char *v = inline_v;

        note_meant(p, o);
        if (o->kind == OPTION_FLAG) {
                if (v)
                        return refuse(p, "--%s takes no value%s", o->name, "");
                *(bool *) ((char *) values + o->offset) = true;
                return OPTIONS_OK;
        }
        if (!v && p->at + 1 < p->argc)
                v = p->argv[++p->at];
        if (!v)
                return refuse(p, "--%s needs %s; see --help", o->name,
                              o->kind == OPTION_LIST ? "a value" : expected(o));
        if (!store(o, values, v))
                return refuse_value(p, o, v);
        return OPTIONS_OK;
}

static int refuse_long(struct parse *p, const char *arg) {
        char name[48], after[80];
        struct similar s;

        if (strcspn(arg, " \n") < strcspn(arg, "=")) /* no option has one, a line of SQL does */
                return refuse(p,
                              "unknown option --%s; a statement that begins with -- goes "
                              "behind a -- of its own%s",
                              arg, "");
        (void) snprintf(name, sizeof(name), "%.*s", (int) strcspn(arg, "="), arg);
        s = similar_to(name);
        for (size_t t = 0; t < p->n_targets; t++)
                for (const struct option *o = p->targets[t].table; o->kind != OPTION_END; o++)
                        similar_try(&s, o->name);
        (void) snprintf(after, sizeof(after), "%s%.40s; see --help",
                        s.best ? ", did you mean --" : "", s.best ? s.best : "");
        return refuse(p, "unknown option --%s%s", arg, after);
}

static int take_long(struct parse *p, const char *arg) {
        const char *equals = strchr(arg, '=');
        size_t len = equals ? (size_t) (equals - arg) : strlen(arg);
        const struct option *o;
        void *values;

        o = find(p, arg, len, 0, &values);
        if (!o)
                return refuse_long(p, arg);
        return take_value(p, o, values, equals ? equals + 1 : NULL);
}

static int take_short(struct parse *p, const char *letters) {
        for (const char *c = letters; *c; c++) {
                void *values;
                const struct option *o = find(p, NULL, 0, *c, &values);
                int r;

                if (!o)
                        return refuse(p, "unknown option -%s; see --help%s", letters, "");
                if (o->kind != OPTION_FLAG)
                        return take_value(p, o, values, c[1] ? c + 1 : NULL);
                r = take_value(p, o, values, NULL);
                if (r)
                        return r;
        }
        return OPTIONS_OK;
}

int options_parse(int argc, char **argv, const struct options_target *targets, size_t n_targets,
                  struct operands *ret_operands, char error[256]) {
        struct parse p = { .targets = targets,
                           .n_targets = n_targets,
                           .argc = argc,
                           .argv = argv,
                           .error = error };
        size_t n = 0;
        bool ended = false;

        for (; p.at < argc; p.at++) {
                char *arg = argv[p.at];
                int r = OPTIONS_OK;

                if (ended || arg[0] != '-' || arg[1] == 0)
                        argv[n++] = arg; /* operands move to the front: already read */
                else if (strcmp(arg, "--") == 0)
                        ended = true;
                else if (arg[1] == '-')
                        r = take_long(&p, arg + 2);
                else
                        r = take_short(&p, arg + 1);
                if (r)
                        return r;
        }
        *ret_operands = (struct operands){ (const char **) argv, n };
        return check_meant(&p, ret_operands);
}

void options_print(const struct option *table, FILE *f) {
        for (const struct option *o = table; o->kind != OPTION_END; o++) {
                char left[64], letter[8] = "    ";

                if (!o->help)
                        continue;
                if (o->letter)
                        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
                snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
                         o->value ? o->value : "");
                fprintf(f, "  %-26s  %s%s%s\n", left, o->verbs ? o->verbs : "",
                        o->verbs ? ": " : "", o->help);
        }
}
