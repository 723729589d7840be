/* SQLite as an engine: life of a session and the table of its functions. */

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/numeric_probe.h"
#include "services/worker/sqlite/sqlite_session.h"

#define REHEARSAL_MEMORY (16u << 20)

static char class_name[ENGINE_CLASS_SIZE];

static void make_class_name(void) {
        struct hash_value v;
        struct hash h;
        char hex[2 * 8 + 1];

        engine_class_begin(&h);
        hash_update(&h, sqlite3_sourceid(), strlen(sqlite3_sourceid()));
        for (int i = 0; sqlite3_compileoption_get(i); i++)
                hash_update(&h, sqlite3_compileoption_get(i), strlen(sqlite3_compileoption_get(i)));
        numeric_probe(&h);
        v = hash_end(&h);
        hex_encode(BYTES(v.bytes, 8), hex);
        (void) snprintf(class_name, sizeof(class_name), "sqlite/%s/%s", sqlite3_libversion(), hex);
}

static void sqlite_class_name(char ret[ENGINE_CLASS_SIZE]) {
        memcpy(ret, class_name, ENGINE_CLASS_SIZE);
}

/* Options of a build whose answers are not those of other builds, so that it is no
 * SQLite of ours: other rules of letters (ICU, LIKE), of substr(), of numbers. */
const char *sqlite_foreign_option(int (*is_used)(const char *option)) {
        static const char *const options[] = { "ENABLE_ICU", "CASE_SENSITIVE_LIKE",
                                               "SUBSTR_COMPATIBILITY", "OMIT_FLOATING_POINT",
                                               "EBCDIC" };

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                if (is_used(options[i]))
                        return options[i];
        }
        return NULL;
}

static void sqlite_close(struct engine_session *s) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        (void) sqlite3_finalize(s->stmt);
        (void) sqlite3_close(s->db);
        sqlite_formats_free(s->formats);
        while (map_next(s->tables, &cursor, &key, &value)) {
                free(((struct sqlite_table *) value)->sql);
                free(value);
        }
        map_free(s->tables);
        map_free(s->functions);
        for (size_t i = 0; i < ENGINE_INPUTS_MAX; i++)
                buffer_done(&s->heads[i]);
        free(s->is_bare);
        free(s);
        sqlite_vfs_bind(NULL);
        (void) sqlite3_hard_heap_limit64(0);
}

static int sqlite_open(const struct engine_job *job, struct engine_session **ret,
                       struct engine_problem *p) {
        struct engine_session *s = xnew(struct engine_session);
        int r;

        s->job = job;
        s->tables = map_new(0);
        s->functions = map_new(0);
        sqlite_vfs_bind(s);
        sqlite3_randomness(0, NULL); /* drawn anew from this job's seed */
        r = sqlite_inputs_open(s, p);
        /* However it is said: an input that did not fit is not at fault. */
        if (r && p->outcome == OUTCOME_REFUSED && s->db && sqlite3_errcode(s->db) == SQLITE_NOMEM)
                r = sqlite_problem_memory(p);
        if (r) {
                sqlite_close(s);
                return r;
        }
        sqlite_lock_close(s);
        *ret = s;
        return ENGINE_OK;
}

/* A whole job of nothing, so that what is lazy (the linker, SQLite, the C library) is
 * behind us when the first one comes. */
static bool rehearse(void) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        const struct engine_job job = { .memory = REHEARSAL_MEMORY };
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        bool ok = sqlite_open(&job, &s, &p) == ENGINE_OK;

        ok = ok && sqlite_analyse(s, BYTES_LIT("SELECT 42 ORDER BY 1"), false, &a, &p) == ENGINE_OK;
        ok = ok && sqlite3_prepare_v2(s->db, a.rewrite, -1, &s->stmt, NULL) == SQLITE_OK &&
             sqlite3_step(s->stmt) == SQLITE_ROW && sqlite3_column_int(s->stmt, 0) == 42;
        if (s)
                sqlite_close(s);
        (void) sqlite3_memory_highwater(1); /* is reported of a job */
        return ok;
}

/* In the zygote, once. */
static int sqlite_preload(const char *library) {
        const char *foreign = sqlite_foreign_option(sqlite3_compileoption_used);
        int rc;

        if (class_name[0])
                return 0;
        if (foreign) {
                (void) fprintf(stderr,
                               "quorate-executor: this SQLite was built with %s and would "
                               "answer otherwise than others; use another library\n",
                               foreign);
                return error_origin(-ENOTSUP);
        }
        (void) setenv("TZ", "UTC0", 1);
        tzset();
        (void) setlocale(LC_ALL, "C");
        rc = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        if (rc == SQLITE_OK)
                rc = sqlite3_initialize();
        if (rc == SQLITE_OK)
                rc = sqlite_vfs_register();
        if (rc != SQLITE_OK || !rehearse())
                return error_origin(-ENOTSUP);
        make_class_name();
        return 0;
}

/* 1-based ?N and ? in the order of the statement; every one must be given. */
static int bind_one(sqlite3_stmt *q, int index, const struct cell *c) {
        switch (c->type) {
        case CELL_NULL:
                return sqlite3_bind_null(q, index);
        case CELL_INTEGER:
                return c->fits ? sqlite3_bind_int64(q, index, c->integer) : SQLITE_RANGE;
        case CELL_REAL:
                return sqlite3_bind_double(q, index, c->real);
        case CELL_TEXT:
                return sqlite3_bind_text64(q, index, (const char *) c->bytes.data, c->bytes.len,
                                           SQLITE_TRANSIENT, SQLITE_UTF8);
        case CELL_BLOB:
                return sqlite3_bind_blob64(q, index,
                                           c->bytes.len ? c->bytes.data : (const void *) "",
                                           c->bytes.len, SQLITE_TRANSIENT);
        default:
                return SQLITE_MISMATCH;
        }
}

static int bind_all(struct engine_session *s, const struct bytes *parameters, size_t n,
                    struct engine_problem *p) {
        if ((size_t) sqlite3_bind_parameter_count(s->stmt) != n)
                return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_USAGE, 0, -1,
                                          "the number of parameters is not that of the statement");
        for (size_t i = 0; i < n; i++) {
                struct reader r = reader_of(parameters[i]);
                struct cell c;

                if (cell_read(&r, &c) != CELL_OK || !reader_done(&r) ||
                    bind_one(s->stmt, (int) i + 1, &c) != SQLITE_OK)
                        return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_USAGE, 0, -1,
                                                  "a parameter this engine has no value for");
        }
        return ENGINE_OK;
}

static int sqlite_prepare(struct engine_session *s, const struct engine_statement *statement,
                          struct engine_problem *p) {
        const struct schema *schema = statement->schema;
        int r = sqlite_prepare_one(s, statement->sql, &s->stmt, p);

        if (r)
                return r;
        if ((size_t) sqlite3_column_count(s->stmt) != schema->n_columns) {
                (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_MISMATCH, 0, -1,
                                          "the declared schema has another number of columns");
                (void) snprintf(p->detail, sizeof(p->detail), "field=schema");
                return ENGINE_E_PROBLEM;
        }
        s->schema = schema;
        s->is_exact = statement->is_exact;
        s->is_bare = xnew_n(bool, schema->n_columns + 1);
        for (size_t i = 0; i < schema->n_columns; i++)
                s->is_bare[i] = sqlite3_column_origin_name(s->stmt, (int) i) != NULL;
        sqlite3_randomness(0, NULL);
        s->random_counter = 0;
        return bind_all(s, statement->parameters, statement->n_parameters, p);
}

static uint64_t sqlite_memory(struct engine_session *s) {
        return (uint64_t) sqlite3_memory_highwater(0);
}

const struct engine engine_sqlite = {
        .name = "sqlite",
        .runs_into_same_errors = true,
        .preload = sqlite_preload,
        .class_name = sqlite_class_name,
        .open = sqlite_open,
        .close = sqlite_close,
        .describe = sqlite_describe,
        .analyse = sqlite_analyse,
        .promise = sqlite_promise,
        .prepare = sqlite_prepare,
        .step = sqlite_step,
        .memory = sqlite_memory,
};
