#include "services/worker/duckdb/duckdb_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/text.h"

void judge_done(struct judge *j) {
        free(j->mentions);
        free(j->names);
        *j = (struct judge){};
}

void judge_find(struct judge *j, enum engine_class class, const char *name, int32_t position,
                const char *why) {
        struct engine_finding *f = engine_analysis_find(j->out, class);
        size_t len = utf8_valid_prefix(BYTES(name, strnlen(name, sizeof(f->expression) - 1)));

        if (!f)
                return;
        *f = (struct engine_finding){ .position = position, .why = why };
        memcpy(f->expression, name, len);
}

void judge_forbid(struct judge *j, const char *name, int32_t position, const char *why) {
        if (j->forbidden)
                return;
        j->forbidden = name;
        j->forbidden_at = position;
        j->forbidden_why = why;
}

void judge_mention(struct judge *j, const struct json_object *node, const char *name) {
        if (j->n_mentions == j->mentions_size) {
                j->mentions_size = j->mentions_size ? 2 * j->mentions_size : 16;
                j->mentions = xrealloc(j->mentions, j->mentions_size * sizeof(*j->mentions));
        }
        j->mentions[j->n_mentions++] = (struct duckdb_mention){ node, name, tree_position(node) };
}

bool judge_mentions(const struct judge *j, const char *name) {
        for (size_t i = 0; i < j->n_mentions; i++) {
                if (!strcasecmp(j->mentions[i].name, name))
                        return true;
        }
        return false;
}

/* The first argument of both is the same column, or stands at the same place. */
static bool same_argument(const struct json_object *written, const struct json_object *bound) {
        const struct json_object *a = tree_at(tree_list(written, "children"), 0);
        const struct json_object *b = tree_at(tree_list(bound, "children"), 0);
        const struct json_object *names = tree_list(a, "column_names");
        const char *last = tree_string(tree_at(names, tree_length(names) - 1));

        if (last)
                return strcasecmp(last, tree_text(b, "alias")) == 0;
        if (tree_is(b, "expression_class", "BOUND_CAST"))
                b = tree_get(b, "child");
        return tree_position(a) >= 0 && tree_position(a) == tree_position(b);
}

int32_t judge_position(const struct judge *j, const struct json_object *node, const char *name) {
        int32_t at = j->n_parameters ? -1 : tree_position(node), first = -1;

        for (size_t i = 0; at < 0 && i < j->n_mentions; i++) {
                const struct duckdb_mention *m = &j->mentions[i];

                if (strcasecmp(m->name, name) != 0)
                        continue;
                first = first < 0 ? m->position : first;
                if (same_argument(m->node, node))
                        at = m->position;
        }
        return at < 0 ? first : at;
}

struct json_object *judge_modifier(const struct json_object *query_node, const char *type) {
        const struct json_object *list = tree_list(query_node, "modifiers");

        for (size_t i = 0; i < tree_length(list); i++) {
                if (tree_is(tree_at(list, i), "type", type))
                        return tree_at(list, i);
        }
        return NULL;
}
