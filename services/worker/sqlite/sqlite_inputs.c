/* A job's inputs as databases: read-only images admitted here, or empty tables
 * made from a published schema. Tables of other formats: sqlite_tables.c. */

#include <ctype.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/wire/varint.h"
#include "services/worker/sqlite/sqlite_session.h"

#define HEADER_SIZE        100
#define SCHEMA_VERSION     1
#define SCHEMA_OBJECTS_MAX 4096
#define SCHEMA_TEXT_MAX    (64u << 10)
#define SCHEMA_ALL_MAX     (1u << 20)

static int refuse(struct engine_problem *p, const struct engine_input *in, const char *rule,
                  const char *text) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s input=%s", rule, in->name);
        return r;
}

/* https://www.sqlite.org/fileformat.html#the_database_header: magic, page size,
 * versions 1 (a rollback journal: nothing beside the file belongs to it). */
static const char *header_fault(const struct engine_input *in) {
        const uint8_t *h = in->data;
        uint32_t page;

        if (in->length < HEADER_SIZE || memcmp(h, "SQLite format 3", 16) != 0)
                return "not a SQLite database";
        page = (uint32_t) h[16] << 8 | h[17];
        page = page == 1 ? 65536 : page;
        if (page < 512 || (page & (page - 1)) != 0 || in->length % page != 0)
                return "its length is no whole number of pages";
        if (h[18] != 1 || h[19] != 1)
                return "in WAL mode; take a snapshot with VACUUM INTO or .backup";
        return NULL;
}

static int run_own(struct engine_session *s, const char *sql) {
        return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int run_own_with(struct engine_session *s, const char *format, const char *a,
                        const char *b) {
        char *sql = sqlite3_mprintf(format, a, b);
        int rc = sql ? run_own(s, sql) : SQLITE_NOMEM;

        sqlite3_free(sql);
        return rc;
}

static const char *path_of(const struct engine_session *s, size_t i, char ret[32]) {
        const struct engine_input *in = &s->job->inputs[i];

        if (!in->data || (sqlite_is_table(in) && !sqlite_is_imported(in)))
                return ":memory:";
        (void) snprintf(ret, 32, "/q/%zu", i);
        return ret;
}

static int main_index(const struct engine_session *s) {
        for (size_t i = 0; i < s->job->n_inputs; i++) {
                if (strcasecmp(s->job->inputs[i].name, "main") == 0)
                        return (int) i;
        }
        return -1;
}

static int create_one(struct engine_session *s, struct bytes sql) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
        sqlite3_stmt *stmt = NULL;
        int rc;

        if (sql_tokens_read(sql, &t) || !sql_token_is(&t, 0, "create"))
                return SQLITE_AUTH;
        s->phase = SQLITE_PHASE_SCHEMA;
        rc = sqlite3_prepare_v2(s->db, (const char *) sql.data, (int) sql.len, &stmt, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(stmt);
        (void) sqlite3_finalize(stmt);
        s->phase = SQLITE_PHASE_OPEN;
        return rc == SQLITE_DONE ? SQLITE_OK : rc == SQLITE_OK ? SQLITE_ERROR : rc;
}

static int create_all(struct engine_session *s, const struct engine_input *in,
                      struct engine_problem *p) {
        struct reader r = reader_of(in->schema);
        uint64_t n;

        if (in->schema.len == 0)
                return ENGINE_OK;
        if (reader_u8(&r) != SCHEMA_VERSION)
                return refuse(p, in, "schema", "not a schema of a SQLite dataset");
        n = reader_varint(&r);
        for (uint64_t i = 0; i < n; i++) {
                struct bytes sql = reader_prefixed(&r);

                if (r.failed || i == SCHEMA_OBJECTS_MAX || sql.len > SCHEMA_TEXT_MAX)
                        return refuse(p, in, "schema", "not a schema of a SQLite dataset");
                if (create_one(s, sql) != SQLITE_OK)
                        return refuse(p, in, "schema", sqlite3_errmsg(s->db));
        }
        return reader_done(&r) ? ENGINE_OK : refuse(p, in, "schema", "bytes behind the schema");
}

/* An empty database becomes the main one, is filled, and its image attached
 * under its name: so that names need no qualification inside the statements. */
static int fill(struct engine_session *s, size_t i, struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[i];
        sqlite3 *outer = s->db, *own = NULL;
        sqlite3_int64 size = 0;
        unsigned char *image = NULL;
        int r = ENGINE_OK, rc;

        if (strcasecmp(in->name, "main") == 0)
                return create_all(s, in, p);
        rc = sqlite3_open_v2(":memory:", &own, SQLITE_OPEN_READWRITE, SQLITE_VFS_NAME);
        s->db = own;
        if (rc == SQLITE_OK)
                rc = sqlite_lock(s);
        if (rc == SQLITE_OK)
                r = create_all(s, in, p);
        if (rc == SQLITE_OK && r == ENGINE_OK)
                image = sqlite3_serialize(own, "main", &size, 0);
        s->db = outer;
        (void) sqlite3_close(own);
        if (rc != SQLITE_OK || r != ENGINE_OK)
                return r ? r : refuse(p, in, "schema", sqlite3_errstr(rc));
        if (!image || size == 0) { /* a schema of no tables */
                sqlite3_free(image);
                return ENGINE_OK;
        }
        rc = sqlite3_deserialize(s->db, in->name, image, size, size,
                                 SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
        return rc == SQLITE_OK ? ENGINE_OK : refuse(p, in, "schema", sqlite3_errstr(rc));
}

static int attach(struct engine_session *s, size_t i, struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[i];
        char path[32];

        if (strcasecmp(in->name, "main") != 0 &&
            run_own_with(s, "ATTACH %Q AS \"%w\"", path_of(s, i, path), in->name) != SQLITE_OK)
                return refuse(p, in, "input", sqlite3_errmsg(s->db));
        if (sqlite_is_imported(in))
                return ENGINE_OK;
        if (sqlite_is_table(in))
                return sqlite_table_fill(s, in, p);
        return in->data ? ENGINE_OK : fill(s, i, p);
}

static void table_key(struct buffer *b, const char *database, const char *name) {
        buffer_init(b, 2048);
        for (const char *c = database; *c; c++)
                buffer_put_u8(b, (uint8_t) tolower((unsigned char) *c));
        buffer_put_u8(b, 0);
        for (const char *c = name; *c; c++)
                buffer_put_u8(b, (uint8_t) tolower((unsigned char) *c));
}

const struct sqlite_table *sqlite_table_of(const struct engine_session *s, const char *database,
                                           const char *name) {
        CLEANUP(buffer_donep) struct buffer key = {};

        table_key(&key, database, name);
        return map_get(s->tables, buffer_bytes(&key));
}

/* Its text has AS ( inside the parentheses of the columns. */
static bool has_generated(const char *sql) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};

        if (sql_tokens_read(BYTES_STR(sql), &t))
                return true;
        for (size_t i = 0; i + 1 < t.n; i++) {
                if (t.tokens[i].depth == 1 && sql_token_is(&t, i, "as") &&
                    sql_token_is(&t, i + 1, "("))
                        return true;
        }
        return false;
}

static int on_object(struct engine_session *s, const char *database, sqlite3_stmt *q,
                     struct engine_problem *p, const struct engine_input *in) {
        const char *type = (const char *) sqlite3_column_text(q, 0);
        const char *name = (const char *) sqlite3_column_text(q, 1);
        const char *sql = (const char *) sqlite3_column_text(q, 2);
        CLEANUP(buffer_donep) struct buffer key = {};
        struct sqlite_table *t;

        if (!type || !name)
                return refuse(p, in, "input", "its catalogue is damaged");
        if (strcmp(type, "trigger") == 0)
                return refuse(p, in, "triggers", name);
        if (strcmp(type, "table") == 0 && sqlite3_column_int64(q, 3) == 0)
                return refuse(p, in, "virtual tables", name);
        if (strcmp(type, "table") != 0 && strcmp(type, "view") != 0)
                return ENGINE_OK;

        t = xnew(struct sqlite_table);
        t->is_view = strcmp(type, "view") == 0;
        t->sql = xstrdup(sql ? sql : "");
        t->has_generated = !t->is_view && has_generated(t->sql);
        table_key(&key, database, name);
        t = map_set(s->tables, buffer_bytes(&key), t);
        if (t)
                return refuse(p, in, "input", "one name stands twice in its catalogue");
        return ENGINE_OK;
}

static int load_catalogue(struct engine_session *s, const struct engine_input *in,
                          struct engine_problem *p) {
        char *sql = sqlite3_mprintf("SELECT type, name, sql, rootpage FROM \"%w\".sqlite_schema",
                                    in->name);
        sqlite3_stmt *q = NULL;
        int r = ENGINE_OK, rc;

        rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) : SQLITE_NOMEM;
        while (rc == SQLITE_OK && r == ENGINE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
                r = on_object(s, in->name, q, p, in);
                rc = SQLITE_OK;
        }
        if (r == ENGINE_OK && rc != SQLITE_DONE)
                r = refuse(p, in, "input", sqlite3_errmsg(s->db));
        (void) sqlite3_finalize(q);
        sqlite3_free(sql);
        return r;
}

/* Which tables are STRICT, in the engine's own judgement. */
static int load_strict(struct engine_session *s) {
        sqlite3_stmt *q = NULL;
        int rc = sqlite3_prepare_v2(s->db, "PRAGMA table_list", -1, &q, NULL);

        while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
                struct sqlite_table *t = (struct sqlite_table *) sqlite_table_of(
                        s, (const char *) sqlite3_column_text(q, 0),
                        (const char *) sqlite3_column_text(q, 1));

                if (t)
                        t->is_strict = sqlite3_column_int(q, 5) != 0;
                rc = SQLITE_OK;
        }
        (void) sqlite3_finalize(q);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int quick_check(struct engine_session *s, const struct engine_input *in,
                       struct engine_problem *p) {
        char *sql = sqlite3_mprintf("PRAGMA \"%w\".quick_check(1)", in->name);
        sqlite3_stmt *q = NULL;
        int rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) : SQLITE_NOMEM;
        int r = ENGINE_OK;
        const char *said;

        if (rc == SQLITE_OK)
                rc = sqlite3_step(q);
        said = rc == SQLITE_ROW ? (const char *) sqlite3_column_text(q, 0) : sqlite3_errmsg(s->db);
        if (rc == SQLITE_INTERRUPT)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_TIMEOUT, 0, -1,
                                       "checking the input took too long");
        else if (rc != SQLITE_ROW || !said || strcmp(said, "ok") != 0)
                r = refuse(p, in, "input", said ? said : "damaged");
        (void) sqlite3_finalize(q);
        sqlite3_free(sql);
        return r;
}

static int admit(struct engine_session *s, const struct engine_input *in,
                 struct engine_problem *p) {
        int r = load_catalogue(s, in, p);

        if (r == ENGINE_OK && in->data && !in->admitted &&
            (!sqlite_is_table(in) || sqlite_is_imported(in)))
                r = quick_check(s, in, p);
        return r;
}

/* Before SQLite sees a byte. */
static int check_input(const struct engine_input *in, struct engine_problem *p) {
        bool is_database = !in->format[0] || strcmp(in->format, "sqlite") == 0;
        const char *fault = in->data && is_database ? header_fault(in) : NULL;

        if (!is_database && !sqlite_reads_rows(in) &&
            (!sqlite_is_table(in) || (in->data && !in->imported)))
                return refuse(p, in, "format",
                              "SQLite does not read this format, and without DuckDB's library "
                              "nothing here imports it; ask hosts with DuckDB, or publish it as "
                              "CSV, NDJSON or a SQLite file");
        if (fault)
                return refuse(p, in, "input", fault);
        if (!engine_input_is_named(in) || strcasecmp(in->name, "temp") == 0)
                return refuse(p, in, "input name", "letters, digits and _ only, not temp");
        return ENGINE_OK;
}

/* A table is found by its own name alone, so no database beside it may have one of it. */
static int check_names(const struct engine_session *s, struct engine_problem *p) {
        const struct engine_job *job = s->job;

        for (size_t i = 0; i < job->n_inputs; i++) {
                const struct engine_input *in = &job->inputs[i];

                for (size_t k = 0; sqlite_is_table(in) && k < job->n_inputs; k++) {
                        if (k != i && sqlite_table_of(s, job->inputs[k].name, in->name))
                                return refuse(p, in, "input name",
                                              "another input has a table of that name; give this "
                                              "one another with --data NAME=FILE");
                }
        }
        return ENGINE_OK;
}

static int not_ready(struct engine_session *s, int rc, struct engine_problem *p) {
        const char *text = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);

        if ((rc & 0xff) == SQLITE_NOMEM)
                return sqlite_problem_memory(p);
        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1, text);
        (void) snprintf(p->detail, sizeof(p->detail), "rule=input");
        return ENGINE_E_PROBLEM;
}

int sqlite_inputs_open(struct engine_session *s, struct engine_problem *p) {
        static const char settings[] =
                "PRAGMA cell_size_check=1; PRAGMA temp_store=MEMORY;"
                "PRAGMA mmap_size=2147418112; PRAGMA trusted_schema=0;"
                /* Connected before the authorizer forbids what connecting needs. */
                "SELECT 1 FROM json_each('[]'), json_tree('[]');";
        char path[32];
        int index = main_index(s), r = ENGINE_OK, rc;

        for (size_t i = 0; i < s->job->n_inputs && r == ENGINE_OK; i++) {
                r = check_input(&s->job->inputs[i], p);
                if (r == ENGINE_OK && sqlite_is_imported(&s->job->inputs[i]))
                        r = sqlite_import_head(s, i, p);
        }
        if (r)
                return r;
        rc = sqlite3_open_v2(index < 0 ? ":memory:" : path_of(s, (size_t) index, path), &s->db,
                             SQLITE_OPEN_READWRITE, SQLITE_VFS_NAME);
        if (rc == SQLITE_OK)
                rc = sqlite_lock(s);
        if (rc == SQLITE_OK)
                rc = run_own(s, settings);
        if (rc != SQLITE_OK)
                return not_ready(s, rc, p);
        for (size_t i = 0; i < s->job->n_inputs; i++) {
                r = attach(s, i, p);
                if (r == ENGINE_OK)
                        r = admit(s, &s->job->inputs[i], p);
                if (r)
                        return r;
        }
        r = check_names(s, p);
        if (r)
                return r;
        rc = run_own(s, "PRAGMA mmap_size=2147418112"); /* of those attached since */
        if (rc == SQLITE_OK)
                rc = load_strict(s);
        if (rc == SQLITE_OK)
                rc = run_own(s, "PRAGMA query_only=1");
        return rc == SQLITE_OK ? ENGINE_OK : not_ready(s, rc, p);
}

/* u8 version, varint count, then each CREATE text with its length, in the order
 * they were made; statistics and the tables SQLite makes itself are left out. */
int sqlite_describe(struct engine_session *s, struct buffer *ret, struct engine_problem *p) {
        static const char sql[] =
                "SELECT sql FROM main.sqlite_schema WHERE sql IS NOT NULL AND type IN "
                "('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid";
        CLEANUP(buffer_donep) struct buffer texts = {};
        sqlite3_stmt *q = NULL;
        uint64_t n = 0;
        int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

        buffer_init(&texts, SCHEMA_ALL_MAX);
        while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
                const void *text = sqlite3_column_text(q, 0);
                size_t len = (size_t) sqlite3_column_bytes(q, 0);

                texts.failed = texts.failed || len > SCHEMA_TEXT_MAX || n == SCHEMA_OBJECTS_MAX;
                buffer_put_prefixed(&texts, BYTES(text, len));
                n++;
                rc = SQLITE_OK;
        }
        (void) sqlite3_finalize(q);
        if (rc != SQLITE_DONE)
                return refuse(p, &s->job->inputs[0], "input", sqlite3_errmsg(s->db));
        if (texts.failed)
                return refuse(p, &s->job->inputs[0], "schema size",
                              "its schema is too long to be published");
        buffer_put_u8(ret, SCHEMA_VERSION);
        buffer_put_varint(ret, n);
        buffer_put_bytes(ret, buffer_bytes(&texts));
        return ENGINE_OK;
}
