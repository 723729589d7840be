#include "services/coordinator/classes.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "services/coordinator/voter.h"

struct known {
        const char *class; /* NULL: taken */
        unsigned votes;
};

/* ---- Independent candidates ---- */

typedef bool (*runs_fn)(const struct candidate *c, const void *what);

static unsigned count_groups(const struct classes_question *q, runs_fn runs, const void *what) {
        CLEANUP(freep) uint64_t *groups = xnew_n(uint64_t, q->n_candidates + 1);
        unsigned n = 0;

        for (size_t i = 0; i < q->n_candidates; i++) {
                uint64_t group;
                unsigned k = 0;

                if (!runs(q->candidates[i], what))
                        continue;
                group = voter_claimed(q->candidates[i], q->independence);
                while (k < n && groups[k] != group)
                        k++;
                groups[k] = group;
                n += k == n;
        }
        return n;
}

static bool runs_listed(const struct candidate *c, const void *what) {
        for (size_t i = 0; i < c->claims.n_engines; i++)
                if (classes_has(what, c->claims.engines[i]))
                        return true;
        return c->claims.n_engines == 0;
}

static bool is_any(const struct candidate *c, const void *what) {
        return true;
}

struct engine_list {
        char *const *items;
        size_t n;
};

static bool runs_engine(const struct candidate *c, const void *what) {
        const struct engine_list *l = what;

        for (size_t i = 0; i < c->claims.n_engines; i++)
                if (engine_is_wanted(c->claims.engines[i], l->items, l->n))
                        return true;
        return c->claims.n_engines == 0;
}

unsigned classes_count(const struct classes_question *q, char *const *engines, size_t n) {
        const struct engine_list l = { engines, n };

        return count_groups(q, runs_engine, &l);
}

/* ---- What is known, and of that what fits ---- */

/* What another engine has to import counts for read only where this one was asked for by name. */
static bool takes(const struct classes_question *q, const char *class, const char *format) {
        return engine_reads(class, format) || (q->n_wanted > 0 && engine_imports(class, format));
}

static bool fits(const struct classes_question *q, const char *class) {
        if (!engine_is_wanted(class, q->wanted, q->n_wanted) || strlen(class) >= ENGINE_TEXT_SIZE)
                return false;
        if (q->comparison != COMPARISON_PORTABLE)
                return engine_is_same(class, q->own);
        for (size_t i = 0; i < q->n_formats; i++)
                if (!takes(q, class, q->formats[i]))
                        return false;
        return true;
}

/* Somebody runs that class; group 0: nobody says so. */
struct claim {
        const char *class;
        uint64_t group;
};

struct claims {
        struct claim *list;
        size_t n;
};

static int compare_claims(const void *a, const void *b) {
        const struct claim *x = a, *y = b;
        int by_class = strcmp(x->class, y->class);

        return by_class ? by_class : (x->group > y->group) - (x->group < y->group);
}

static void claim(const struct classes_question *q, struct claims *c, const char *class,
                  uint64_t group) {
        if (class[0] && fits(q, class))
                c->list[c->n++] = (struct claim){ class, group };
}

/* Our own, those that were asked for by their full name, what hosts have; by class. */
static struct claims claims_of(const struct classes_question *q) {
        struct claims c = { .list = xnew_n(struct claim,
                                           1 + q->n_wanted +
                                                   q->n_candidates * CANDIDATE_ENGINES_MAX) };

        claim(q, &c, q->own, 0);
        for (size_t i = 0; i < q->n_wanted; i++)
                if (engine_is_class(q->wanted[i]))
                        claim(q, &c, q->wanted[i], 0);
        for (size_t i = 0; i < q->n_candidates; i++) {
                uint64_t group = voter_claimed(q->candidates[i], q->independence);

                for (size_t k = 0; k < q->candidates[i]->claims.n_engines; k++)
                        claim(q, &c, q->candidates[i]->claims.engines[k], group);
        }
        if (c.n > 0)
                qsort(c.list, c.n, sizeof(*c.list), compare_claims);
        return c;
}

/* Each class once, with its independent hosts. */
static size_t count_votes(const struct claims *c, struct known *ret) {
        size_t n = 0;

        for (size_t i = 0; i < c->n; i++) {
                bool is_new = i == 0 || strcmp(c->list[i].class, c->list[i - 1].class) != 0;

                if (is_new)
                        ret[n++] = (struct known){ .class = c->list[i].class };
                if (c->list[i].group && (is_new || c->list[i].group != c->list[i - 1].group))
                        ret[n - 1].votes++;
        }
        return n;
}

static bool is_better(const struct classes_question *q, const struct known *a,
                      const struct known *b) {
        bool a_own = strcmp(a->class, q->own) == 0, b_own = strcmp(b->class, q->own) == 0;

        if (q->comparison == COMPARISON_CLASS || a_own == b_own)
                return a->votes != b->votes ? a->votes > b->votes : a_own;
        return a_own; /* what analysed it comes first */
}

static bool take_best(const struct classes_question *q, struct known *list, size_t n,
                      struct classes *ret) {
        struct known *best = NULL;

        for (size_t i = 0; i < n; i++)
                if (list[i].class && (!best || is_better(q, &list[i], best)))
                        best = &list[i];
        if (!best)
                return false;
        (void) snprintf(ret->list[ret->n++], ENGINE_TEXT_SIZE, "%s", best->class);
        best->class = NULL;
        return true;
}

static unsigned count_engines(const struct classes *c) {
        unsigned n = 0;

        for (size_t i = 0; i < c->n; i++) {
                size_t k = 0;

                while (k < i && !engine_is_same(c->list[k], c->list[i]))
                        k++;
                n += k == i;
        }
        return n;
}

void classes_choose(const struct classes_question *q, struct classes *ret) {
        struct claims claims = claims_of(q);
        CLEANUP(freep) struct known *list = xnew_n(struct known, claims.n + 1);
        size_t n = count_votes(&claims, list);
        size_t most = q->comparison == COMPARISON_CLASS ? 1 : DESCRIPTOR_CLASSES_MAX;

        *ret = (struct classes){};
        while (ret->n < most && take_best(q, list, n, ret))
                ;
        ret->engines = count_engines(ret);
        ret->usable = count_groups(q, runs_listed, ret);
        ret->unusable = count_groups(q, is_any, NULL) - ret->usable;
        free(claims.list);
}

void classes_take(const struct bytes *list, size_t n, struct classes *ret) {
        *ret = (struct classes){};
        for (size_t i = 0; i < n && i < DESCRIPTOR_CLASSES_MAX; i++)
                if (list[i].len < ENGINE_TEXT_SIZE)
                        memcpy(ret->list[ret->n++], list[i].data, list[i].len);
        ret->engines = count_engines(ret);
}

bool classes_has(const struct classes *c, const char *class) {
        for (size_t i = 0; i < c->n; i++)
                if (strcmp(c->list[i], class) == 0)
                        return true;
        return false;
}
