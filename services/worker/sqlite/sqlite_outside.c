/* Which names in a subquery are columns of the query around it, and which names of a SELECT are
 * columns of its FROM: SQLite itself says so. The subquery is prepared without what is around it,
 * but for the WITH clauses it stands under; the name that SQLite does not know then is one of
 * those, a variable takes its place, and so on. Of a FROM one name is selected. */

#include "common/base/memory.h"
#include "services/worker/sqlite/sqlite_analyser.h"

struct probe {
        const struct analyser *a;
        struct buffer text;
        size_t open, close; /* tokens: the parentheses of the subquery */
        size_t at;          /* of the subquery in `text` */
};

static void put_tokens(struct probe *p, size_t from, size_t to) {
        const struct sql_tokens *t = &p->a->tokens;

        size_t end = to < t->n ? t->tokens[to].start : t->sql.len;

        buffer_put(&p->text, t->sql.data + t->tokens[from].start, end - t->tokens[from].start);
}

/* The WITH at token i, if there is one; then what follows is inside the next EXISTS. */
static size_t put_with(struct probe *p, size_t i) {
        static const char exists[] = " SELECT EXISTS (";
        const struct sql_tokens *t = &p->a->tokens;
        uint32_t depth = t->tokens[i].depth;
        size_t end;

        if (!sql_token_is(t, i, "with"))
                return 0;
        end = sql_find(t, i, sql_find(t, i, t->n, depth, "values"), depth, "select");
        if (end == t->n)
                return 0;
        put_tokens(p, i, end);
        buffer_put(&p->text, exists, sizeof(exists) - 1);
        return 1;
}

/* All that token p->open stands under. So many parentheses are open then. */
static size_t put_withs(struct probe *p) {
        const struct sql_tokens *t = &p->a->tokens;
        size_t begin = p->a->is_view ? sql_find(t, 0, t->n, 0, "as") + 1 : 0;
        size_t n_open = begin < t->n ? put_with(p, begin) : 0;

        for (size_t i = begin; i < p->open; i++) {
                if (sql_token_is(t, i, "(") && t->tokens[i].match > p->open)
                        n_open += put_with(p, i + 1);
        }
        return n_open;
}

static void put_closes(struct probe *p, size_t n) {
        while (n-- > 0)
                buffer_put_u8(&p->text, ')');
}

static void write_probe(struct probe *p) {
        static const char exists[] = " SELECT EXISTS ";
        size_t n_open = put_withs(p);

        buffer_put(&p->text, exists, sizeof(exists) - 1);
        p->at = p->text.len;
        put_tokens(p, p->open, p->close);
        put_closes(p, n_open + 1);
}

/* A name that is unknown at this byte of the text; empty: it is none of the subquery. */
static struct sql_range name_at(const struct probe *p, int offset) {
        const struct sql_tokens *t = &p->a->tokens;
        size_t start = t->tokens[p->open].start, from = p->open, to;

        if (offset < 0 || (size_t) offset < p->at)
                return (struct sql_range){};
        start += (size_t) offset - p->at;
        while (from < p->close && t->tokens[from].start < start)
                from++;
        if (from == p->open || from == p->close || t->tokens[from].start != start)
                return (struct sql_range){};
        while (sql_token_is(t, from - 1, "."))
                from -= 2;
        for (to = from + 1; sql_token_is(t, to, ".");)
                to += 2;
        return from > p->open && to <= p->close ? (struct sql_range){ from, to }
                                                : (struct sql_range){};
}

static void replace(struct probe *p, struct sql_range name) {
        const struct sql_tokens *t = &p->a->tokens;
        const struct sql_token *last = &t->tokens[name.to - 1];
        uint8_t *to = p->text.data + p->at + t->tokens[name.from].start - t->tokens[p->open].start;

        memset(to, ' ', last->start + last->len - t->tokens[name.from].start);
        *to = '?';
}

/* A view's tables are those of its own database, a probe's those of any. */
static bool is_ambiguous(const struct analyser *a) {
        for (size_t i = 0; a->is_view && a->s->job->n_inputs > 1 && i < a->tokens.n; i++) {
                size_t cursor = 0, n = 0;
                struct bytes key;
                void *value;
                char name[128];

                if (a->tokens.tokens[i].type != SQL_WORD && a->tokens.tokens[i].type != SQL_QUOTED)
                        continue;
                sql_token_name(&a->tokens, i, name, sizeof(name));
                while (map_next(a->s->tables, &cursor, &key, &value)) {
                        const uint8_t *own = memchr(key.data, 0, key.len);

                        n += own && key.data + key.len - own - 1 == (ptrdiff_t) strlen(name) &&
                             !strncasecmp((const char *) own + 1, name, strlen(name));
                }
                if (n > 1)
                        return true;
        }
        return false;
}

static int prepare(const struct probe *p) {
        struct engine_session *s = p->a->s;
        sqlite3_stmt *stmt = NULL;
        int rc;

        s->is_probing = true;
        rc = sqlite3_prepare_v2(s->db, (const char *) p->text.data, (int) p->text.len, &stmt, NULL);
        s->is_probing = false;
        (void) sqlite3_finalize(stmt);
        return rc;
}

/* What there was no column for. */
static bool is_unknown_name(const struct probe *p, int rc) {
        static const char unknown[] = "no such column";

        return rc == SQLITE_ERROR &&
               strncmp(sqlite3_errmsg(p->a->s->db), unknown, sizeof(unknown) - 1) == 0;
}

static bool ask(struct probe *p, struct sql_list *ret) {
        size_t size = 0;

        while (*p->a->probes_left > 0) {
                sqlite3 *db = p->a->s->db;
                int rc = prepare(p);
                struct sql_range name;

                (*p->a->probes_left)--;
                if (rc == SQLITE_OK)
                        return true;
                if (!is_unknown_name(p, rc))
                        return false;
                name = name_at(p, sqlite3_error_offset(db));
                if (name.from == name.to)
                        return false;
                replace(p, name);
                if (ret->n == size) {
                        size = size ? size * 2 : 8;
                        ret->items = xrealloc(ret->items, size * sizeof(*ret->items));
                }
                ret->items[ret->n++] = name;
        }
        return false;
}

bool outside_names(void *userdata, size_t open, struct sql_list *ret) {
        struct analyser *a = userdata;
        struct probe p = { .a = a, .open = open, .close = a->tokens.tokens[open].match };
        bool is_told;

        if (p.close <= open || is_ambiguous(a))
                return false;
        buffer_init(&p.text, 2 * ENGINE_SQL_MAX);
        write_probe(&p);
        is_told = !p.text.failed && p.text.len <= ENGINE_SQL_MAX && ask(&p, ret);
        buffer_done(&p.text);
        return is_told;
}

/* ---- columns of a FROM ---- */

/* Its tokens, without the FROM of another SELECT that is beside it. */
static struct sql_range from_of(const struct sql_tokens *t, size_t select) {
        static const char *const ends[] = { "where", "group",     "having", "window", "order",
                                            "limit", "intersect", "except", "union" };
        uint32_t depth = t->tokens[select].depth;
        struct sql_range r = { select + 1, select + 1 };

        while (r.to < t->n && t->tokens[r.to].depth >= depth && !sql_token_is(t, r.to, ";"))
                r.to++;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                r.to = sql_find_clause(t, r.from, r.to, depth, ends[i]);
        r.from = sql_find_clause(t, r.from, r.to, depth, "from");
        return r;
}

static bool is_column_of(struct probe *p, struct sql_range from, size_t name) {
        static const char exists[] = " SELECT EXISTS (SELECT ";
        const struct sql_token *k = &p->a->tokens.tokens[name];
        size_t n_open = put_withs(p);
        int rc;

        buffer_put(&p->text, exists, sizeof(exists) - 1);
        p->at = p->text.len;
        buffer_put(&p->text, p->a->tokens.sql.data + k->start, k->len);
        buffer_put_u8(&p->text, ' ');
        put_tokens(p, from.from, from.to);
        put_closes(p, n_open + 1);
        if (p->text.failed || p->text.len > ENGINE_SQL_MAX)
                return true;
        rc = prepare(p);
        return !is_unknown_name(p, rc) || sqlite3_error_offset(p->a->s->db) != (int) p->at;
}

bool outside_is_column(void *userdata, size_t select, size_t name) {
        struct analyser *a = userdata;
        struct probe p = { .a = a, .open = select };
        struct sql_range from = from_of(&a->tokens, select);
        bool is_column;

        if (from.from == from.to)
                return false;
        if (*a->probes_left == 0 || is_ambiguous(a))
                return true;
        (*a->probes_left)--;
        buffer_init(&p.text, 2 * ENGINE_SQL_MAX);
        is_column = is_column_of(&p, from, name);
        buffer_done(&p.text);
        return is_column;
}
