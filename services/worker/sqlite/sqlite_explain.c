/* What SQLite's plan costs: EXPLAIN QUERY PLAN says which tables it walks and by which index;
 * how many rows they have we look up. SQLite tells no numbers of its own, so the shares below
 * are guesses; how wrong they are, the coordinator learns. Nothing runs. */

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/sql_shape.h"
#include "services/worker/sqlite/sqlite_session.h"

#define STEPS_MAX      256
#define ROWS_MAX       1e15
#define ROWS_OF_NOBODY 1000.0 /* of a table nobody has counted */
#define EQUAL_SHARE    10.0   /* rows behind one key of an index that nobody has counted */
#define RANGE_SHARE    0.25
#define FILTER_SHARE   0.3  /* of a table walked whole where there is a WHERE */
#define SEARCH_WORK    10.0 /* rows that a step down a tree costs as much as */

/* A nest of loops: all steps with one parent. */
struct nest {
        int parent;
        double product; /* how often its innermost loop comes round */
};

struct plan {
        struct engine_session *s;
        struct sql_tokens tokens;
        struct nest nests[STEPS_MAX];
        size_t n_nests;
        double work;
        bool has_filter;
};

static double bounded(double v) {
        return v < 0 ? 0 : v > ROWS_MAX ? ROWS_MAX : v;
}

/* ---- rows of a table ---- */

static double number_of(struct engine_session *s, const char *format, const char *a,
                        const char *b) {
        char *sql = sqlite3_mprintf(format, a, b);
        sqlite3_stmt *q = NULL;
        double n = -1;

        if (sql && sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK &&
            sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
                n = sqlite3_column_double(q, 0);
        (void) sqlite3_finalize(q);
        sqlite3_free(sql);
        return n;
}

static double count_table(struct engine_session *s, const struct engine_input *in,
                          const char *table) {
        double n;

        if (!in->data || sqlite_is_table(in))
                return in->rows ? (double) in->rows : ROWS_OF_NOBODY;
        /* The last rowid is a step down the tree. */
        n = number_of(s, "SELECT max(_rowid_) FROM \"%w\".\"%w\"", in->name, table);
        return n >= 0 ? n : ROWS_OF_NOBODY;
}

/* Of the first input that has a table of this name; below 0: none has. */
static double rows_of_table(struct engine_session *s, const char *table) {
        for (size_t i = 0; i < s->job->n_inputs; i++)
                if (sqlite_table_of(s, s->job->inputs[i].name, table))
                        return count_table(s, &s->job->inputs[i], table);
        return -1;
}

/* A plan names a table by its alias, where it has one; of VALUES it says how many. */
static double rows_of(struct plan *p, const char *name) {
        const struct sql_tokens *t = &p->tokens;
        double n = isdigit((unsigned char) *name) ? strtod(name, NULL) : rows_of_table(p->s, name);

        for (size_t i = 1; i < t->n && n < 0; i++) {
                char word[128];
                size_t before = i - 1;

                if (strcasecmp(sql_token_name(t, i, word, sizeof(word)), name) != 0)
                        continue;
                if (before > 0 && sql_token_is(t, before, "as"))
                        before--;
                n = rows_of_table(p->s, sql_token_name(t, before, word, sizeof(word)));
        }
        return n < 0 ? ROWS_OF_NOBODY : n;
}

/* ---- steps ---- */

static bool begins(const char *text, const char *with) {
        return strncmp(text, with, strlen(with)) == 0;
}

static struct nest *nest_of(struct plan *p, int parent) {
        for (size_t i = 0; i < p->n_nests; i++)
                if (p->nests[i].parent == parent)
                        return &p->nests[i];
        if (p->n_nests == STEPS_MAX)
                return NULL;
        p->nests[p->n_nests] = (struct nest){ .parent = parent, .product = 1 };
        return &p->nests[p->n_nests++];
}

static unsigned count_of(const char *text, const char *what) {
        unsigned n = 0;

        for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
                n++;
        return n;
}

/* Of ANALYZE: "rows, per key of one column, of two, …" of this index; below 0: not counted. */
static double counted_behind(struct plan *p, const char *index, unsigned columns) {
        double n = -1;

        for (size_t i = 0; i < p->s->job->n_inputs && n < 0; i++) {
                char *sql = sqlite3_mprintf("SELECT stat FROM \"%w\".sqlite_stat1 WHERE idx = %Q",
                                            p->s->job->inputs[i].name, index);
                sqlite3_stmt *q = NULL;

                if (sql && sqlite3_prepare_v2(p->s->db, sql, -1, &q, NULL) == SQLITE_OK &&
                    sqlite3_step(q) == SQLITE_ROW) {
                        const char *at = (const char *) sqlite3_column_text(q, 0);

                        for (unsigned k = 0; at && k < columns && (at = strchr(at, ' ')); k++)
                                at++;
                        n = at ? strtod(at, NULL) : -1;
                }
                (void) sqlite3_finalize(q);
                sqlite3_free(sql);
        }
        return n;
}

static void index_of(const char *detail, char ret[128]) {
        const char *at = strstr(detail, "INDEX ");
        size_t len = at ? strcspn(at + 6, " ") : 0;

        ret[0] = 0;
        if (len == 0 || len > 127)
                return;
        memcpy(ret, at + 6, len);
        ret[len] = 0;
}

/* "SEARCH t USING INDEX i (a=? AND b>?)" */
static double rows_found(struct plan *p, const char *detail, double rows) {
        unsigned equal = count_of(detail, "=?"),
                 ranges = count_of(detail, ">?") + count_of(detail, "<?");
        char index[128];
        double n;

        if (strstr(detail, "PRIMARY KEY (rowid=?)"))
                return 1;
        index_of(detail, index);
        n = equal > 0 && *index ? counted_behind(p, index, equal) : -1;
        if (n >= 0)
                rows = n;
        else if (strstr(detail, "AUTOMATIC"))
                rows = equal > 1 ? 1 : sqrt(rows); /* made for this question, on what is no key */
        else if (equal > 0)
                rows = fmin(rows, EQUAL_SHARE / equal);
        for (; ranges > 0; ranges--)
                rows *= RANGE_SHARE;
        return fmax(rows, 1);
}

static bool name_of(const char *from, char ret[128]) {
        size_t len = strcspn(from, " ");

        if (len > 127)
                return false;
        memcpy(ret, from, len);
        ret[len] = 0;
        return strcmp(ret, "CONSTANT") != 0;
}

/* All rows are looked at, and where there is a WHERE some go on. */
static void add_scan(struct plan *p, struct nest *n, const char *name) {
        n->product = bounded(n->product * fmax(rows_of(p, name), 1));
        p->work = bounded(p->work + n->product);
        n->product *= p->has_filter ? FILTER_SHARE : 1;
}

static void add_search(struct plan *p, struct nest *n, const char *name, const char *detail) {
        double rows = rows_of(p, name);

        if (strstr(detail, "AUTOMATIC"))
                p->work = bounded(p->work + SEARCH_WORK * rows); /* the index is made first */
        p->work = bounded(p->work + SEARCH_WORK * n->product);
        n->product = bounded(n->product * rows_found(p, detail, rows));
        /* Behind an index that has not all of it, each row is a step down the table's tree. */
        p->work = bounded(p->work + n->product * (strstr(detail, "USING INDEX") ? SEARCH_WORK : 1));
}

static void add_loop(struct plan *p, struct nest *n, const char *detail) {
        bool is_search = begins(detail, "SEARCH ");
        char name[128];

        if (!name_of(detail + (is_search ? 7 : 5), name))
                return;
        if (is_search)
                add_search(p, n, name, detail);
        else
                add_scan(p, n, name);
}

/* What is asked again for each row of its nest. */
static void begin_inner(struct plan *p, const struct nest *outer, int id, const char *detail) {
        double times = strstr(detail, "CORRELATED") ? outer->product : 1;
        struct nest *inner = nest_of(p, id);

        if (inner)
                inner->product = bounded(times);
}

static void add_step(struct plan *p, int id, int parent, const char *detail) {
        struct nest *n = nest_of(p, parent);

        if (!n)
                return;
        if (begins(detail, "SCAN ") || begins(detail, "SEARCH "))
                add_loop(p, n, detail);
        else if (begins(detail, "USE TEMP B-TREE"))
                p->work = bounded(p->work + n->product * log2(n->product + 2) / 4);
        else
                begin_inner(p, n, id, detail);
}

/* ---- rows of the result ---- */

static bool has_word(const struct plan *p, const char *word) {
        return sql_find(&p->tokens, 0, p->tokens.n, 0, word) < p->tokens.n;
}

static bool is_one_row(const struct plan *p) {
        static const char *const aggregates[] = { "count", "sum", "total",        "avg",
                                                  "min",   "max", "group_concat", NULL };
        size_t from = sql_find_clause(&p->tokens, 0, p->tokens.n, 0, "from");

        for (size_t i = 0; i + 1 < from; i++)
                if (p->tokens.tokens[i].depth == 0 && sql_token_is_any(&p->tokens, i, aggregates) &&
                    sql_token_is(&p->tokens, i + 1, "("))
                        return !has_word(p, "group") && !has_word(p, "over") &&
                               !has_word(p, "union");
        return false;
}

static double result_rows(struct plan *p) {
        size_t limit = sql_find(&p->tokens, 0, p->tokens.n, 0, "limit");
        const struct nest *top = nest_of(p, 0);
        double rows = top ? top->product : 1;

        if (is_one_row(p))
                return 1;
        if (has_word(p, "group"))
                rows = cbrt(rows);
        if (limit + 1 < p->tokens.n && p->tokens.tokens[limit + 1].type == SQL_INTEGER) {
                struct bytes text = sql_token_text(&p->tokens, limit + 1);
                char number[24] = "";

                memcpy(number, text.data, text.len < sizeof(number) - 1 ? text.len : 0);
                rows = fmin(rows, strtod(number, NULL));
        }
        return fmax(rows, 1);
}

static bool walk(struct plan *p, const char *sql) {
        char *question = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
        sqlite3_stmt *q = NULL;
        int rc = question ? sqlite3_prepare_v2(p->s->db, question, -1, &q, NULL) : SQLITE_NOMEM;
        bool ok = rc == SQLITE_OK && q;

        while (ok && (rc = sqlite3_step(q)) == SQLITE_ROW)
                add_step(p, sqlite3_column_int(q, 0), sqlite3_column_int(q, 1),
                         (const char *) sqlite3_column_text(q, 3));
        (void) sqlite3_finalize(q);
        sqlite3_free(question);
        return ok && rc == SQLITE_DONE;
}

void sqlite_promise(struct engine_session *s, const char *sql, struct engine_promise *ret) {
        CLEANUP(freep) struct plan *p = xnew(struct plan);

        *ret = (struct engine_promise){};
        p->s = s;
        if (sql_tokens_read(BYTES_STR(sql), &p->tokens) != SQL_TOKENS_OK)
                return;
        p->has_filter = has_word(p, "where");
        if (walk(p, sql)) {
                ret->rows = result_rows(p);
                ret->work = p->work;
                ret->is_known = true;
        }
        sql_tokens_done(&p->tokens);
}
