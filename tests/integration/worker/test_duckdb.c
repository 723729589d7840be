/* DuckDB inside the sandbox, with neither the analysis nor the gate of statement types in
 * front of it: whatever SQL says is stopped by the locks, the functions that stand before
 * the C library's, or the sandbox; and what it is for runs behind the filter of calls.
 * Run as root and again as uid 65534. */

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common/canonical/outcome.h"
#include "quorate-config.h"
#include "services/worker/confine.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "services/worker/engine.h"
#include "tests/support/ordinary_user.h"
#include "tests/support/parquet.h"

#define ESCAPE      "/tmp/quorate-duckdb-escape"
#define DEADLINE_MS 500   /* the engine is asked to stop */
#define KILL_MS     1200  /* as the worker does, from outside */
#define PATIENCE_MS 60000 /* of what is to end by itself */
#define SLACK_MS    10000 /* this machine does other things as well; a bomb is of minutes and more */
#define MEMORY      (256ull << 20)

/* Before the threads of our own DuckDB: children inherit the arenas that those leave behind, which
 * an executor has none of (confine_prepare()). */
__attribute__((constructor)) static void keep_one_arena(void) {
        (void) mallopt(M_ARENA_MAX, 1);
}

struct ended {
        int signal; /* that killed it, or 0 */
        int result; /* of the engine */
        uint32_t outcome, sql_error;
        char detail[128], text[256];
        uint64_t rows, ms;
        uint8_t cells[64];
        size_t n_cells;
};

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

/* ---- in the confined child ---- */

static bool is_over(void *userdata) {
        return now_ms() >= *(uint64_t *) userdata;
}

/* As the executor runs a statement, but for the analysis. */
static int run_select(struct engine_session *s, struct bytes sql, struct ended *e,
                      struct engine_problem *p) {
        static const struct answer_limits limits = { .sequence_beyond = true };
        struct engine_statement statement = { .sql = sql };
        duckdb_prepared_statement q = NULL;
        struct schema *schema = NULL;
        struct answer_builder b;
        struct buffer columns;
        int r = duckdb_prepare_one(s, sql, &q, p);

        buffer_init(&columns, SCHEMA_BYTES_MAX);
        r = r ? r : duckdb_columns(q, &columns, p);
        if (r)
                return r;
        assert_int_equal(schema_decode(buffer_bytes(&columns), &schema), SCHEMA_OK);
        statement.schema = schema;
        r = engine_duckdb.prepare(s, &statement, p);
        if (r)
                return r;
        answer_begin(&b, ANSWER_SEQUENCE, &schema->digest, &limits, NULL);
        while ((r = engine_duckdb.step(s, &b, p)) == ENGINE_BATCH) {
                struct bytes batch = answer_batch(&b);

                if (b.batches == 0) {
                        e->n_cells = batch.len < sizeof(e->cells) ? batch.len : sizeof(e->cells);
                        memcpy(e->cells, batch.data, e->n_cells);
                }
                (void) answer_next(&b);
        }
        e->rows = b.rows;
        return r;
}

static _Noreturn void run_child(const struct engine_input *inputs, size_t n, const char *sql,
                                bool raw, bool is_patient) {
        uint64_t deadline = now_ms() + (is_patient ? PATIENCE_MS : DEADLINE_MS);
        struct engine_job job = {
                .memory = MEMORY, .is_over = is_over, .userdata = &deadline, .n_inputs = n
        };
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        struct ended e = {};
        struct iovec iov = { &e, sizeof(e) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        for (size_t i = 0; i < n; i++)
                job.inputs[i] = inputs[i];
        e.result = engine_duckdb.open(&job, &s, &p);
        if (e.result == ENGINE_OK && raw) {
                duckdb_watch_begin(s);
                e.result = duckdb_ask(s, sql, BYTES_NONE, NULL, NULL, &p);
                if (e.result == ENGINE_OK) /* it may have changed what comes after it */
                        e.result = duckdb_ask(s, "SELECT 42", BYTES_NONE, NULL, NULL, &p);
                duckdb_watch_end();
        } else if (e.result == ENGINE_OK) {
                e.result = run_select(s, BYTES_STR(sql), &e, &p);
        }
        e.outcome = p.outcome;
        e.sql_error = p.sql_error;
        memcpy(e.detail, p.detail, sizeof(e.detail));
        memcpy(e.text, p.text, sizeof(e.text));
        (void) sendmsg(CONFINE_JOB_FD, &m, 0);
        if (s && raw)
                engine_duckdb.close(s); /* an executor never does, and ends by _exit() */
        _exit(0);
}

static bool into_places(int job, int spool) {
        int high = fcntl(job, F_DUPFD, 20), high_spool = fcntl(spool, F_DUPFD, 20);

        return dup2(high, CONFINE_JOB_FD) >= 0 && dup2(high_spool, CONFINE_SPOOL_FD) >= 0 &&
               close_range(CONFINE_SPOOL_FD + 1, ~0u, 0) >= 0;
}

/* ---- in a process that is a zygote ---- */

struct asked {
        const char *sql;
        bool raw;        /* any statement, as if nothing stood before the engine */
        bool is_patient; /* it ends by itself, however slow the machine is */
};

static struct ended run_confined(const struct engine_input *inputs, size_t n,
                                 const struct asked *asked) {
        struct confine_limits limits = { .memory = MEMORY, .cpu_ms = 3000, .spool = 1 << 20 };
        int pair[2], pidfd = -1, net = -1, spool = memfd_create("spool", MFD_CLOEXEC), status = 0;
        unsigned namespaces = 0, layers = 0;
        uint64_t begun = now_ms();
        struct ended e = { .result = -1 };
        pid_t pid;

        for (size_t i = 0; i < n; i++)
                limits.inputs += inputs[i].length;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        pid = confine_fork(&pidfd, &namespaces, &net);
        if (pid == 0) {
                if (!into_places(pair[1], spool) ||
                    confine_enter(&limits, CONFINE_ALL, &layers) < 0)
                        _exit(101);
                run_child(inputs, n, asked->sql, asked->raw, asked->is_patient);
        }
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        if (poll(&p, 1, asked->is_patient ? PATIENCE_MS : KILL_MS) == 0)
                (void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        (void) waitpid(pid, &status, 0);
        (void) recv(pair[0], &e, sizeof(e), MSG_DONTWAIT);
        e.ms = now_ms() - begun;
        e.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (WIFEXITED(status) && WEXITSTATUS(status))
                e.result = -WEXITSTATUS(status);
        (void) confine_net_give(net, status == 0);
        (void) close(pair[0]);
        (void) close(pair[1]);
        (void) close(spool);
        (void) close(pidfd);
        return e;
}

/* What each answers, from one zygote. */
static struct ended *run_all(const struct engine_input *inputs, size_t n_inputs,
                             const struct asked *asked, size_t n) {
        size_t size = n * sizeof(struct ended);
        struct ended *all =
                mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                for (int i = 1; i < SIGRTMIN; i++) /* cmocka's would go on with the test */
                        (void) signal(i, SIG_DFL);
                if (confine_prepare("duckdb") < 0 ||
                    engine_duckdb.preload(strchr(duckdb_engine_name(), ':') + 1) < 0)
                        _exit(1);
                for (size_t i = 0; i < n; i++)
                        all[i] = run_confined(inputs, n_inputs, &asked[i]);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        for (size_t i = 0; i < n; i++)
                print_message("# %.100s: signal %d result %d outcome %u sql %u %s %s (%u ms)\n",
                              asked[i].sql, all[i].signal, all[i].result, all[i].outcome,
                              all[i].sql_error, all[i].detail, all[i].text, (unsigned) all[i].ms);
        return all;
}

/* ---- what it is for ---- */

static void test_works(void **state) {
        static const struct asked asked[] = {
                { "SELECT count(*), sum(a), min(b), max(d) FROM t", false, true },
                { "SELECT * FROM t ORDER BY b DESC, a", false, true },
                { "SELECT a % 100 AS g, count(*), sum(c), avg(c) FROM t GROUP BY g", false, true },
                { "SELECT x.a, y.b FROM t x JOIN t y ON x.a = y.a + 1", false, true },
                { "SELECT a, sum(a) OVER (ORDER BY a ROWS 10 PRECEDING) FROM t", false, true },
                { "SELECT b FROM t WHERE regexp_matches(b, 'name(1|2)+$')", false, true },
                { "SELECT strftime(d, '%A %d %B %Y'), d::TIMESTAMPTZ, age(d) FROM t", false, true },
                { "SELECT list(b ORDER BY b), histogram(a % 5), quantile_cont(a, 0.5) FROM t",
                  false, true },
                { "SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]'), md5(b), to_json(t) FROM t",
                  false, true },
                { "SELECT exp(a / 1000.0), ln(a + 1), sin(a) FROM t", false, true },
                { "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000) "
                  "SELECT sum(i) FROM r",
                  false, true },
                { "SELECT * FROM (PIVOT t ON a % 3 IN (0, 1, 2) USING count(*) GROUP BY d)", false,
                  true },
                { "SELECT now(), random(), uuid(), current_date FROM t", false, true },
                { "SELECT sum(i), max(s) FROM c", false, true },
                { "SELECT i, s FROM j ORDER BY i", false, true },
                { "SELECT * FROM range(300000)", false, true },
        };
        static const char csv[] = "1,x\n2,y\n",
                          ndjson[] = "{\"i\": 1, \"s\": \"x\"}\n{\"s\": \"y\"}\n";
        static const uint8_t columns[] = "\x02\x02\x30\x01"
                                         "i\x10\x30\x01"
                                         "s\x30";
        struct bytes file =
                parquet_of("SELECT range a, 'name' || range b, (range % 100)::DECIMAL(12,2) "
                           "/ 3 c, DATE '2020-01-01' + (range % 1000)::INTEGER d "
                           "FROM range(50000)");
        struct engine_input inputs[] = {
                { .name = "t", .format = "parquet", .data = file.data, .length = file.len },
                { .name = "c",
                  .format = "csv",
                  .data = (const uint8_t *) csv,
                  .length = strlen(csv),
                  .options = BYTES_LIT("\x01,\"\x00\x00"),
                  .schema = BYTES(columns, sizeof(columns) - 1) },
                { .name = "j",
                  .format = "ndjson",
                  .data = (const uint8_t *) ndjson,
                  .length = strlen(ndjson),
                  .schema = BYTES(columns, sizeof(columns) - 1) },
        };
        struct ended *all = run_all(inputs, ELEMENTSOF(inputs), asked, ELEMENTSOF(asked));

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                assert_int_equal(all[i].signal, 0);
                assert_int_equal(all[i].result, ENGINE_END);
                assert_true(all[i].rows > 0);
        }
        (void) munmap(all, sizeof(*all) * ELEMENTSOF(asked));
        free((void *) file.data);
}

/* ---- escapes ---- */

#define LOG "storage = 'file', storage_path = '" ESCAPE "'"

static const struct asked escapes[] = {
        /* files */
        { "SELECT * FROM read_csv('/etc/passwd')", true },
        { "SELECT * FROM read_text('/proc/self/environ')", true },
        { "SELECT * FROM read_blob('/proc/self/fd/3')", true },
        { "SELECT * FROM '/etc/passwd.csv'", true },
        { "SELECT * FROM read_csv('/q/../etc/passwd')", true },
        { "SELECT * FROM read_csv('file:///etc/passwd')", true },
        { "SELECT * FROM read_json('/etc/machine-id')", true },
        { "SELECT * FROM read_parquet('/q/7')", true },
        { "SELECT * FROM glob('/etc/*')", true },
        { "SELECT * FROM sniff_csv('/etc/passwd')", true },
        { "SELECT * FROM parquet_metadata('/etc/passwd')", true },
        { "COPY (SELECT 1) TO '" ESCAPE "'", true },
        { "COPY (SELECT 1) TO '/dev/stdout'", true },
        { "COPY (SELECT 1) TO '/q/0'", true },
        { "COPY (SELECT 1) TO '/q/5' (FORMAT parquet)", true },
        { "EXPORT DATABASE '" ESCAPE "'", true },
        { "IMPORT DATABASE '/etc'", true },
        { "ATTACH '" ESCAPE "' AS e", true },
        { "ATTACH '/q/0' AS e", true },
        { "ATTACH '/q/0' AS e (READ_ONLY)", true },
        { "CREATE TABLE e AS FROM read_csv('/etc/passwd')", true },
        { "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')", true },
        /* the network, other code */
        { "SELECT * FROM read_csv('http://127.0.0.1:9/x')", true },
        { "SELECT * FROM read_csv('https://127.0.0.1:9/x')", true },
        { "INSTALL httpfs", true },
        { "INSTALL x FROM 'http://127.0.0.1:9/'", true },
        { "LOAD httpfs", true },
        { "LOAD '/tmp/x.duckdb_extension'", true },
        { "CALL dbgen(sf = 1)", true },
        /* settings */
        { "SET enable_external_access = true", true },
        { "SET lock_configuration = false", true },
        { "RESET memory_limit", true },
        { "SET memory_limit = '100GB'", true },
        { "SET threads = 8", true },
        { "SET GLOBAL allowed_directories = ['/']", true },
        { "SET temp_directory = '/tmp'", true },
        { "SET log_query_path = '" ESCAPE "'", true },
        { "SET profiling_output = '" ESCAPE "'", true },
        { "SET custom_extension_repository = 'http://127.0.0.1:9'", true },
        { "SET disabled_filesystems = 'LocalFileSystem'", true },
        { "PRAGMA memory_limit = '100GB'", true },
        { "SET enable_logging = true", true },
        { "SET logging_storage = 'file'", true },
};

static const struct asked logging[] = {
        { "FROM enable_logging(" LOG ")", true },
        { "SELECT * FROM enable_logging(" LOG ")", true },
        { "SELECT * FROM ENABLE_LOGGING(" LOG ")", true },
        { "SELECT * FROM \"enable_logging\"(" LOG ")", true },
        { "SELECT * FROM system.main.enable_logging(" LOG ")", true },
        { "SELECT * FROM main.enable_logging(" LOG ")", true },
        { "CALL enable_logging(" LOG ")", true },
        { "CALL enable_logging('QueryLog', " LOG ")", true },
        { "FROM enable_logging(level = 'trace', " LOG ")", true },
        { "FROM enable_logging(storage = 'file', storage_config = {'path': '" ESCAPE "'})", true },
        { "FROM enable_logging(storage = 'file', storage_config = {'path': '/q/0'})", true },
        { "FROM enable_logging(storage = 'stdout')", true },
        { "FROM enable_logging()", true },
        { "FROM enable_logging(storage = 'memory')", true },
        { "WITH l AS (FROM enable_logging(" LOG ")) FROM l", true },
        { "SELECT (SELECT count(*) FROM enable_logging(" LOG "))", true },
        { "FROM query('FROM enable_logging(storage = ''file'', storage_path = ''" ESCAPE "'')')",
          true },
        { "PREPARE p AS FROM enable_logging(" LOG ")", true },
        { "PRAGMA enable_logging", true },
        { "PRAGMA enable_logging('QueryLog')", true },
        { "FROM write_log('x', level := 'error')", true },
        { "FROM truncate_duckdb_logs()", true },
        { "FROM disable_logging()", true },
        { "PRAGMA enable_profiling", true },
        { "FROM enable_profiling(save_location = '" ESCAPE "')", true },
        { "CHECKPOINT", true },
        { "FROM force_checkpoint()", true },
};

static void assert_no_escape(void) {
        assert_int_equal(access(ESCAPE, F_OK), -1);
        assert_int_equal(access(ESCAPE ".wal", F_OK), -1);
}

/* Says no, or changes nothing outside and goes on; never anything else. */
static void check_escapes(const struct asked *asked, size_t n, bool may_run) {
        struct bytes file = parquet_of("SELECT 1 AS a");
        struct engine_input inputs[] = {
                { .name = "t", .format = "parquet", .data = file.data, .length = file.len },
        };
        struct ended *all;

        assert_no_escape();
        all = run_all(inputs, 1, asked, n);
        assert_no_escape();
        for (size_t i = 0; i < n; i++) {
                print_message("# %s\n", asked[i].sql);
                assert_true(all[i].ms < KILL_MS + SLACK_MS);
                assert_true(all[i].result != ENGINE_OK || may_run);
        }
        (void) munmap(all, sizeof(*all) * n);
        free((void *) file.data);
}

static void test_escapes(void **state) {
        (void) state;
        check_escapes(escapes, ELEMENTSOF(escapes), false);
}

static void test_logging(void **state) {
        (void) state;
        check_escapes(logging, ELEMENTSOF(logging), true);
}

/* ---- bombs ---- */

static const struct asked bombs[] = {
        { "SELECT len(range(100000000))", false },
        { "SELECT len(generate_series(1, 1000000000))", false },
        { "SELECT len(array_to_string(range(30000000), ','))", false },
        { "SELECT len(list_sort(range(50000000)))", false },
        { "SELECT len(apply(range(50000000), x -> x + 1))", false },
        { "SELECT len(repeat('x', 1000000000))", false },
        { "SELECT len(rpad('x', 1000000000, 'y'))", false },
        { "SELECT len(format('{:1000000000}', 1))", false },
        { "SELECT len(printf('%1000000000d', 1))", false },
        { "SELECT md5(repeat('x', 1000000000))", false },
        { "SELECT levenshtein(repeat('a', 50000), repeat('b', 50000))", false },
        { "SELECT bit_count(bitstring('1', 1000000000))", false },
        { "SELECT count(*) FROM range(10000000000) t(i) WHERE i % 7 = 3", false },
        { "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
          false },
        { "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) "
          "= 1",
          false },
        { "SELECT unnest(range(100000000)) FROM range(1000000)", false },
        { "SELECT * FROM range(100000000) t(i) ORDER BY hash(i)", false },
        { "SELECT list(i) FROM range(1000000000) t(i)", false },
        { "SELECT mode(i), quantile_cont(i, 0.5) FROM range(1000000000) t(i)", false },
        { "SELECT string_agg(i::VARCHAR, ',') FROM range(1000000000) t(i)", false },
        { "SELECT sleep_ms(60000)", false },
        { "SELECT regexp_replace(repeat('a', 100000), '(a*)*b', 'x')", false },
        { "SELECT repeat('a', 30000) LIKE repeat('%a', 2000) || 'b'", false },
};

/* Each ends in time: by itself, by its memory, at its deadline, or killed from outside.
 * What did not end by itself has a reason. */
static void test_bombs(void **state) {
        struct ended *all;

        (void) state;
        if (QUORATE_SANITIZED) /* there is no RLIMIT_AS, and this machine's memory to spend */
                skip();
        all = run_all(NULL, 0, bombs, ELEMENTSOF(bombs));
        for (size_t i = 0; i < ELEMENTSOF(bombs); i++) {
                const struct ended *e = &all[i];

                print_message("# %s\n", bombs[i].sql);
                assert_true(e->ms < KILL_MS + SLACK_MS);
                if (e->signal) { /* SIGXCPU is the kernel's, SIGABRT the library's out of memory */
                        assert_true(e->signal == SIGKILL || e->signal == SIGXCPU ||
                                    e->signal == SIGABRT);
                        continue;
                }
                assert_true(e->result == ENGINE_END || e->outcome == OUTCOME_LIMIT ||
                            e->outcome == OUTCOME_TIMEOUT || e->sql_error);
        }
        (void) munmap(all, sizeof(*all) * ELEMENTSOF(bombs));
}

/* Statements that are long themselves. */
static void test_long_statements(void **state) {
        static char deep[400000], wide[900000], joins[20000];
        struct asked asked[] = { { deep, false }, { wide, false }, { joins, false } };
        struct ended *all;
        size_t n;

        (void) state;
        n = (size_t) snprintf(deep, sizeof(deep), "SELECT ");
        memset(deep + n, '(', 150000);
        deep[n + 150000] = '1';
        memset(deep + n + 150001, ')', 150000);
        n = (size_t) snprintf(wide, sizeof(wide), "SELECT 1");
        while (n + 8 < sizeof(wide))
                n += (size_t) snprintf(wide + n, sizeof(wide) - n, "+1");
        n = (size_t) snprintf(joins, sizeof(joins), "SELECT count(*) FROM range(9) t0(i)");
        for (int i = 1; i < 60; i++)
                n += (size_t) snprintf(joins + n, sizeof(joins) - n,
                                       " JOIN range(9) t%d(i) ON t%d.i < t%d.i + t0.i", i, i,
                                       i - 1);
        all = run_all(NULL, 0, asked, ELEMENTSOF(asked));
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                assert_true(all[i].ms < KILL_MS + SLACK_MS);
                assert_true(all[i].signal != SIGSYS);
        }
        (void) munmap(all, sizeof(*all) * ELEMENTSOF(asked));
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_works), cmocka_unit_test(test_escapes),
                 cmocka_unit_test(test_logging), cmocka_unit_test(test_bombs),
                 cmocka_unit_test(test_long_statements), cmocka_unit_test(test_as_ordinary_user))
