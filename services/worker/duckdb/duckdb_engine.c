/* DuckDB as an engine: life of a session and the table of its functions. */

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/crypto/hash.h"
#include "services/worker/duckdb/duckdb_files.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "services/worker/numeric_probe.h"
#include "services/worker/threads.h"

/* One thread: sums of REAL are then the same from run to run. */
static const char *const configuration[][2] = {
        { "threads", "1" },
        { "allow_community_extensions", "false" },
        { "autoload_known_extensions", "false" },
        { "autoinstall_known_extensions", "false" },
        { "allow_unsigned_extensions", "false" },
        { "allow_persistent_secrets", "false" },
};

/* In this order: allowed paths can no longer be set once external access is off. */
static const char *const settings[] = {
        "SET errors_as_json = true",
        "SET temp_directory = ''",
        "SET TimeZone = 'UTC'",
        "SET enable_progress_bar = false",
        "SET allowed_paths = ['/q/0', '/q/1', '/q/2', '/q/3', '/q/4', '/q/5', '/q/6', '/q/7']",
        "SET enable_external_access = false",
};
_Static_assert(ENGINE_INPUTS_MAX == 8, "as many paths are allowed");

static char class_name[ENGINE_CLASS_SIZE];

/* Opened by preload() for the first session: in a zygote's child that is the only one. */
static struct {
        duckdb_database db;
        duckdb_connection connection;
} ready;

/* ---- an instance ---- */

static int run_setting(duckdb_connection connection, const char *sql, struct engine_problem *p) {
        duckdb_result result = {};
        int r = ENGINE_OK;

        if (duckdb.query(connection, sql, &result) != DuckDBSuccess)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                       duckdb.result_error(&result));
        duckdb.destroy_result(&result);
        return r;
}

static int open_database(duckdb_database *ret, struct engine_problem *p) {
        duckdb_config config = NULL;
        char *error = NULL;
        bool ok = duckdb.create_config(&config) == DuckDBSuccess;
        int r = ENGINE_OK;

        for (size_t i = 0; ok && i < ELEMENTSOF(configuration); i++)
                ok = duckdb.set_config(config, configuration[i][0], configuration[i][1]) ==
                     DuckDBSuccess;
        if (!ok || duckdb.open_ext(NULL, ret, config, &error) != DuckDBSuccess)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                       error ? error : "a setting that it does not know");
        if (error)
                duckdb.free(error);
        duckdb.destroy_config(&config);
        return r;
}

static int open_instance(struct engine_problem *p) {
        int r = open_database(&ready.db, p);

        if (r == ENGINE_OK && duckdb.connect(ready.db, &ready.connection) != DuckDBSuccess)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                       "no connection to it");
        for (size_t i = 0; r == ENGINE_OK && i < ELEMENTSOF(settings); i++)
                r = run_setting(ready.connection, settings[i], p);
        return r;
}

/* ---- sessions ---- */

static void close_session(struct engine_session *s) {
        duckdb_rows_done(s);
        duckdb.disconnect(&s->connection);
        duckdb.close(&s->db);
        duckdb_files_seal(NULL);
        free(s);
}

/* In the job, for a zygote's threads would not be in its children. */
static int set_threads(struct engine_session *s, struct engine_problem *p) {
        char sql[32];

        if (executor_threads() == 1)
                return ENGINE_OK;
        (void) snprintf(sql, sizeof(sql), "SET threads = %u", executor_threads());
        return run_setting(s->connection, sql, p);
}

/* What differs from job to job, then the lock that nothing opens again. */
static int lock(struct engine_session *s, struct engine_problem *p) {
        uint32_t seed = load_be32(s->job->seed);
        char sql[96];
        int r;

        (void) snprintf(sql, sizeof(sql), "SET memory_limit = '%lluB'",
                        (unsigned long long) s->job->memory);
        r = run_setting(s->connection, sql, p);
        if (r == ENGINE_OK) {
                (void) snprintf(sql, sizeof(sql), "SELECT setseed(%.17g)",
                                (double) seed / UINT32_MAX);
                r = run_setting(s->connection, sql, p);
        }
        if (r == ENGINE_OK)
                r = set_threads(s, p);
        return r ? r : run_setting(s->connection, "SET lock_configuration = true", p);
}

/* Resident pages at most, beyond those that came with the process: DuckDB tells its own
 * figure only to a statement, and there is one running. */
static uint64_t peak_of_process(void) {
        struct rusage usage = {};

        (void) getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) usage.ru_maxrss * 1024;
}

static int open_session(const struct engine_job *job, struct engine_session **ret,
                        struct engine_problem *p) {
        struct engine_session *s;
        int r = ready.db ? ENGINE_OK : open_instance(p);

        if (r)
                return r;
        s = xnew(struct engine_session);
        s->job = job;
        s->db = ready.db;
        s->connection = ready.connection;
        s->memory_before = peak_of_process();
        ready.db = NULL;
        ready.connection = NULL;
        duckdb_files_seal(job);
        r = lock(s, p);
        if (r == ENGINE_OK)
                r = duckdb_inputs_open(s, p);
        if (r) {
                close_session(s);
                return r;
        }
        *ret = s;
        return ENGINE_OK;
}

static int prepare_session(struct engine_session *s, const struct engine_statement *statement,
                           struct engine_problem *p) {
        int r;

        duckdb_rows_done(s); /* of a statement before this one */
        r = duckdb_inputs_attach(s, p);
        if (r == ENGINE_OK)
                r = duckdb_prepare_one(s, statement->sql, &s->statement, p);
        if (r)
                return r;
        if (duckdb.prepared_statement_column_count(s->statement) != statement->schema->n_columns) {
                (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_MISMATCH, 0, -1,
                                          "the declared schema has another number of columns");
                (void) snprintf(p->detail, sizeof(p->detail), "field=schema");
                return ENGINE_E_PROBLEM;
        }
        s->schema = statement->schema;
        return duckdb_bind(s->statement, statement->parameters, statement->n_parameters, p);
}

static uint64_t session_memory(struct engine_session *s) {
        return peak_of_process() - s->memory_before;
}

static void session_class_name(char ret[ENGINE_CLASS_SIZE]) {
        memcpy(ret, class_name, ENGINE_CLASS_SIZE);
}

/* ---- once per process ---- */

#define REHEARSAL_MEMORY (64u << 20)

/* A whole job of nothing, so that what is lazy (the linker, DuckDB, the C library) is
 * behind us when the first one comes. */
static bool rehearse(struct engine_problem *p) {
        static const struct answer_limits limits;
        const struct engine_job job = { .memory = REHEARSAL_MEMORY };
        CLEANUP(schema_freep) struct schema *schema = NULL;
        CLEANUP(buffer_donep) struct buffer columns = {};
        struct engine_statement statement = { .sql = BYTES_LIT("SELECT 42 AS a ORDER BY a") };
        struct engine_session *s = NULL;
        struct answer_builder b;
        bool ok = open_session(&job, &s, p) == ENGINE_OK;

        buffer_init(&columns, SCHEMA_BYTES_MAX);
        schema_begin(&columns, 1);
        schema_put_name(&columns, BYTES_LIT("a"));
        schema_put_type(&columns, CELL_INTEGER);
        ok = ok && schema_decode(buffer_bytes(&columns), &schema) == SCHEMA_OK;
        statement.schema = schema;
        ok = ok && prepare_session(s, &statement, p) == ENGINE_OK;
        if (ok) {
                answer_begin(&b, ANSWER_SET, &schema->digest, &limits, NULL);
                ok = duckdb_step(s, &b, p) == ENGINE_BATCH && b.rows == 1;
                answer_done(&b);
        }
        if (s)
                close_session(s);
        return ok;
}

static int hash_file(struct hash *h, int fd) {
        CLEANUP(freep) uint8_t *block = xmalloc(1 << 20);
        off_t at = 0;
        ssize_t n;

        while ((n = pread(fd, block, 1 << 20, at)) > 0) {
                hash_update(h, block, (size_t) n);
                at += n;
        }
        return n < 0 ? -errno : 0;
}

static int make_class_name(int library) {
        const unsigned threads = executor_threads();
        struct hash_value v;
        struct hash h;
        char hex[2 * 8 + 1];
        int r;

        engine_class_begin(&h);
        r = hash_file(&h, library);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(configuration); i++)
                for (size_t j = 0; j < 2; j++)
                        hash_update(&h, configuration[i][j], strlen(configuration[i][j]) + 1);
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                hash_update(&h, settings[i], strlen(settings[i]) + 1);
        if (threads > 1)
                hash_update(&h, &threads, sizeof(threads));
        numeric_probe(&h);
        v = hash_end(&h);
        hex_encode(BYTES(v.bytes, 8), hex);
        (void) snprintf(class_name, sizeof(class_name), "duckdb/%s/%s", duckdb_api_version(), hex);
        return 0;
}

static int fail(const char *path, const char *why, int r) {
        (void) fprintf(stderr, "quorate-executor: DuckDB (%s): %s\n", path, why);
        return error_origin(r);
}

static bool is_as_before(const struct stat *a, const struct stat *b) {
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
               a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What is loaded is what the class names: one open file, whatever its path means meanwhile. */
static int load_and_name(const char *path, char why[DUCKDB_API_TEXT_MAX]) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct engine_problem p = {};
        struct stat before, after;
        char itself[32];
        int r;

        if (fd < 0 || fstat(fd, &before) < 0) /* the linker says why, and what to do */
                return duckdb_api_load(path, why) < 0 ? -ENOENT : -EBADF;
        (void) snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
        r = duckdb_api_load(itself, why);
        if (r == 0)
                r = duckdb_watch_prepare();
        if (r < 0)
                return r;
        if (!rehearse(&p) || open_instance(&p) != ENGINE_OK) {
                (void) snprintf(why, DUCKDB_API_TEXT_MAX, "%s", p.text);
                return -ENOTSUP;
        }
        r = make_class_name(fd);
        if (r == 0 && (fstat(fd, &after) < 0 || !is_as_before(&before, &after))) {
                class_name[0] = 0;
                (void) snprintf(why, DUCKDB_API_TEXT_MAX,
                                "it was written to while it was loaded; start again when it is "
                                "installed");
                return -EBUSY;
        }
        return r;
}

static int preload(const char *library) {
        char why[DUCKDB_API_TEXT_MAX] = "";
        const char *missing = duckdb_libc_missing();
        int r;

        if (class_name[0])
                return 0;
        if (!library)
                return fail("none", "no library was named: quorate-executor --zygote duckdb:FILE",
                            -EINVAL);
        if (missing) {
                (void) snprintf(why, sizeof(why),
                                "another library's %s() stands before ours, so inputs could not be "
                                "kept apart from the machine's files",
                                missing);
                return fail(library, why, -ENOTSUP);
        }
        (void) setenv("TZ", "UTC0", 1);
        tzset();
        (void) setlocale(LC_ALL, "C");
        r = load_and_name(library, why);
        return r < 0 ? fail(library, why[0] ? why : strerror(-r), r) : 0;
}

const struct engine engine_duckdb = {
        .name = "duckdb",
        .preload = preload,
        .class_name = session_class_name,
        .open = open_session,
        .close = close_session,
        .describe = duckdb_describe,
        .analyse = duckdb_analyse,
        .promise = duckdb_promise,
        .count = duckdb_count,
        .prepare = prepare_session,
        .step = duckdb_step,
        .memory = session_memory,
};
