#include "tests/oracle/generate.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/memory.h"

#define DEPTH_MAX 3

/* What a statement under construction knows of itself. */
struct maker {
        const struct dialect *dialect;
        struct rng *r;
        struct buffer *b;
        char alias[3]; /* of the tables in FROM, one letter each */
        unsigned n_aliases, next_alias;
};

static void put(struct maker *m, const char *text) {
        buffer_put(m->b, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void putf(struct maker *m, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        put(m, text);
}

static unsigned below(struct maker *m, unsigned n) {
        return (unsigned) rng_below(m->r, n);
}

static const char *word(struct maker *m, const char *const *words, unsigned n) {
        return words[below(m, n)];
}
static const char *one_of(struct maker *m, const char *const *words) {
        unsigned n = 0;

        while (words[n])
                n++;
        return word(m, words, n);
}

#define WORD(m, ...)                                  \
        word(m, (const char *const[]){ __VA_ARGS__ }, \
             (unsigned) (sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)))

static void put_column(struct maker *m, const char *name) {
        putf(m, "%c.%s", m->alias[below(m, m->n_aliases)], name);
}

/* ---- expressions: templates in which a letter asks for one more ---- */

typedef void (*make_fn)(struct maker *m, unsigned depth);
static void put_template(struct maker *m, const char *template, unsigned depth);

static void put_integer(struct maker *m, unsigned depth) {
        if (depth >= DEPTH_MAX || below(m, 3) == 0) {
                if (below(m, 4) == 0)
                        putf(m, "%d", (int) below(m, 12) - 2);
                else
                        put_column(m, WORD(m, "a", "b", "a", "b", "id"));
                return;
        }
        put_template(m, one_of(m, m->dialect->integers), depth);
}

static void put_text(struct maker *m, unsigned depth) {
        if (depth >= DEPTH_MAX || below(m, 3) == 0) {
                if (below(m, 4) == 0)
                        putf(m, "'%s'", WORD(m, "a", "A", "ab", "", "10", "b%", "x y"));
                else
                        put_column(m, "c");
                return;
        }
        put_template(m, one_of(m, m->dialect->texts), depth);
}

static void put_real(struct maker *m, unsigned depth) {
        if (depth >= DEPTH_MAX || below(m, 2) == 0) {
                put_column(m, "d");
                return;
        }
        put_template(m, one_of(m, m->dialect->reals), depth);
}

static void put_predicate(struct maker *m, unsigned depth) {
        if (depth >= DEPTH_MAX) {
                put_template(m, "I < I", depth);
                return;
        }
        put_template(m, one_of(m, m->dialect->predicates), depth);
}

static void put_subquery(struct maker *m, unsigned depth) {
        putf(m, "%s AS q", WORD(m, "t", "u", "l"));
        if (below(m, 2))
                put_template(m, " WHERE q.b = I", DEPTH_MAX);
}

static void put_template(struct maker *m, const char *template, unsigned depth) {
        static const make_fn fns[128] = {
                ['I'] = put_integer,   ['T'] = put_text,     ['R'] = put_real,
                ['P'] = put_predicate, ['Q'] = put_subquery,
        };

        for (const char *c = template; *c; c++) {
                bool is_word = c[0] >= 'A' && c[0] <= 'Z' &&
                               ((c[1] >= 'A' && c[1] <= 'Z') ||
                                (c > template && c[-1] >= 'A' && c[-1] <= 'Z'));

                if (!is_word && fns[(unsigned char) *c])
                        fns[(unsigned char) *c](m, depth + 1);
                else
                        buffer_put(m->b, c, 1);
        }
}

static void put_any(struct maker *m) {
        static const make_fn fns[] = { put_integer, put_integer, put_integer,
                                       put_text,    put_text,    put_real };

        fns[below(m, ELEMENTSOF(fns))](m, 1);
}

static void put_aggregate(struct maker *m) {
        put_template(m, one_of(m, m->dialect->aggregates), 1);
}

static void put_window(struct maker *m) {
        put_template(m, one_of(m, m->dialect->windows), 2);
}

/* ---- statements ---- */

static char add_table(struct maker *m, const char *table) {
        char alias = (char) ('g' + m->next_alias++);

        m->alias[m->n_aliases++] = alias;
        putf(m, "%s AS %c", table, alias);
        return alias;
}

static void put_from(struct maker *m) {
        const char *join;
        char first, second;

        m->n_aliases = 0;
        put(m, " FROM ");
        if (below(m, 6) == 0) {
                struct maker inner = *m;

                put(m, "(SELECT q.id AS id, q.a AS a, q.b AS b, q.c AS c, q.d AS d FROM ");
                inner.n_aliases = 1;
                inner.alias[0] = 'q';
                putf(m, "%s AS q", WORD(m, "t", "u", "l"));
                if (below(m, 2))
                        put_template(&inner, " WHERE P", 1);
                if (below(m, 3) == 0)
                        put(m, WORD(m, " LIMIT 5", " ORDER BY q.a LIMIT 5"));
                put(m, ") AS z");
                m->alias[m->n_aliases++] = 'z';
                return;
        }
        first = add_table(m, WORD(m, "t", "u", "l", "t", "u"));
        if (below(m, 3))
                return;
        join = WORD(m, " JOIN ", " LEFT JOIN ", ", ");
        put(m, join);
        second = add_table(m, WORD(m, "t", "u", "l"));
        if (join[0] == ' ')
                putf(m, " ON %c.b = %c.b", first, second);
}

static void put_items(struct maker *m, void (*fn)(struct maker *m), unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                put(m, i ? ", " : "");
                fn(m);
        }
}

static void put_where(struct maker *m) {
        if (below(m, 2))
                put_template(m, " WHERE P", 1);
}

static void put_order(struct maker *m, unsigned n_items) {
        if (below(m, 3))
                return;
        putf(m, " ORDER BY %u%s", 1 + below(m, n_items), WORD(m, "", " DESC", " ASC NULLS LAST"));
        if (below(m, 2))
                putf(m, " LIMIT %u", 1 + below(m, 9));
}

/* FROM comes first, for it says which names there are; then it is moved behind the items. */
static void put_select(struct maker *m, void (*items)(struct maker *m, unsigned n), unsigned n) {
        CLEANUP(buffer_donep) struct buffer from = {};
        struct buffer *whole = m->b;

        buffer_init(&from, 1 << 16);
        m->b = &from;
        put_from(m);
        m->b = whole;
        put(m, below(m, 8) ? "SELECT " : "SELECT DISTINCT ");
        items(m, n);
        buffer_put(m->b, from.data, from.len);
}

static void plain_items(struct maker *m, unsigned n) {
        put_items(m, put_any, n);
}

static void window_items(struct maker *m, unsigned n) {
        put_column(m, "id");
        for (unsigned i = 1; i < n; i++) {
                put(m, ", ");
                put_window(m);
        }
}

static void aggregate_items(struct maker *m, unsigned n) {
        put_items(m, put_aggregate, n);
}

static void plain(struct maker *m) {
        unsigned n = 1 + below(m, 3);

        put_select(m, plain_items, n);
        put_where(m);
        put_order(m, n);
}

static void aggregated(struct maker *m) {
        put_select(m, aggregate_items, 1 + below(m, 3));
        put_where(m);
}

static void group_items(struct maker *m, unsigned n) {
        put_any(m);
        for (unsigned i = 1; i < n; i++) {
                put(m, ", ");
                if (below(m, 12) == 0)
                        put_column(m, "a"); /* bare, beside aggregates */
                else
                        put_aggregate(m);
        }
}

static void grouped(struct maker *m) {
        unsigned n = 2 + below(m, 2);

        put_select(m, group_items, n);
        put_where(m);
        put(m, " GROUP BY 1");
        if (below(m, 3) == 0)
                put_template(m, " HAVING count(*) > 1", 1);
        put_order(m, n);
}

static void windowed(struct maker *m) {
        unsigned n = 2 + below(m, 2);

        put_select(m, window_items, n);
        put_where(m);
        put_order(m, n);
}

static void compound(struct maker *m) {
        put(m, "SELECT p.a, p.c FROM t AS p ");
        put(m, WORD(m, "UNION", "UNION ALL", "EXCEPT", "INTERSECT"));
        put(m, " SELECT q.b, q.c FROM u AS q");
        m->n_aliases = 1;
        m->alias[0] = 'q';
        put_where(m);
        put_order(m, 2);
}

static void common_table(struct maker *m) {
        putf(m, "WITH w(a, c) AS (SELECT p.%s, p.c FROM %s AS p) SELECT ",
             WORD(m, "a", "b", "d", "id"), WORD(m, "t", "u", "l"));
        put(m, WORD(m, "w.a, count(*) FROM w GROUP BY w.a", "sum(w.a) FROM w",
                    "max(w.c), min(w.a) FROM w", "w.c || 'x' FROM w",
                    "w.a + 1, w.c FROM w WHERE w.a > 1", "w.a FROM w ORDER BY w.a LIMIT 3"));
}

void generate_query(const struct dialect *d, struct rng *r, struct buffer *ret) {
        static void (*const fns[])(struct maker *
                                   m) = { plain,   plain,   plain,    aggregated, aggregated,
                                          grouped, grouped, windowed, compound,   common_table };
        struct maker m = { .dialect = d, .r = r, .b = ret };

        fns[below(&m, ELEMENTSOF(fns))](&m);
        buffer_put_u8(ret, 0);
}

/* ---- pairs ---- */

void generate_pair(const struct dialect *d, struct rng *r, struct buffer *ret_a,
                   struct buffer *ret_b) {
        CLEANUP(buffer_donep) struct buffer predicate = {};
        struct maker m = {
                .dialect = d, .r = r, .b = &predicate, .alias = { 'g' }, .n_aliases = 1
        };
        const char *table = WORD(&m, "t", "u", "l"), *p;
        bool is_tlp = below(&m, 2);
        char *a, *b;

        buffer_init(&predicate, 1 << 16);
        put_predicate(&m, 1);
        buffer_put_u8(&predicate, 0);
        p = (const char *) predicate.data;
        if (is_tlp) {
                a = xasprintf("SELECT g.id, g.a, g.c FROM %s AS g", table);
                b = xasprintf(
                        "%s WHERE %s UNION ALL %s WHERE NOT (%s) UNION ALL %s WHERE (%s) IS NULL",
                        a, p, a, p, a, p);
        } else {
                a = xasprintf("SELECT count(*) AS n FROM %s AS g WHERE %s", table, p);
                b = xasprintf("SELECT count(CASE WHEN (%s) THEN 1 END) AS n FROM %s AS g", p,
                              table);
        }
        buffer_put(ret_a, a, strlen(a) + 1);
        buffer_put(ret_b, b, strlen(b) + 1);
        free(a);
        free(b);
}

/* ---- rows ---- */

void generate_row(const struct dialect *d, struct rng *r, size_t table, size_t row,
                  struct buffer *ret) {
        struct maker m = { .dialect = d, .r = r, .b = ret };
        const char *const *columns = d->columns[table];

        put(&m, "(");
        for (size_t i = 0; columns[i]; i++) {
                const char *const *values = d->values[(unsigned char) columns[i][0]];

                put(&m, i ? ", " : "");
                if (columns[i][1] == '?' && below(&m, 6) == 0)
                        put(&m, "NULL");
                else if (values)
                        put(&m, one_of(&m, values));
                else
                        putf(&m, "%zu",
                             row * 7919 % 10007); /* another order than that of the rows */
        }
        put(&m, ")");
}
