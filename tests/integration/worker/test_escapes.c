/* Every known way out of an executor, tried through SQL, through files, and by
 * code that has taken the executor over. Run as root and again as uid 65534. */

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/worker/confine.h"
#include "tests/support/executor_fixture.h"

#define NOBODY 65534

static const char *executor_path;

static const char data[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) STRICT;"
                           "INSERT INTO t VALUES (1,'one'),(2,'two'),(3,'three');";

/* ---- by SQL ---- */

static const struct {
        const char *sql;
        uint32_t outcome;   /* of the analysis or the run */
        const char *detail; /* part of it */
} statements[] = {
        /* Files and other databases. */
        { "ATTACH '/tmp/x.db' AS x", OUTCOME_REFUSED, "ATTACH" },
        { "ATTACH ':memory:' AS x", OUTCOME_REFUSED, "ATTACH" },
        { "DETACH main", OUTCOME_REFUSED, "DETACH" },
        { "VACUUM INTO '/tmp/x.db'", OUTCOME_REFUSED, "" },
        { "VACUUM", OUTCOME_REFUSED, "" },
        /* Settings, writes, transactions, statements that look like reading. */
        { "PRAGMA writable_schema=1", OUTCOME_REFUSED, "PRAGMA" },
        { "PRAGMA database_list", OUTCOME_REFUSED, "PRAGMA" },
        { "PRAGMA temp_store_directory='/tmp'", OUTCOME_REFUSED, "PRAGMA" },
        { "SELECT * FROM pragma_database_list", OUTCOME_REFUSED, "" },
        { "SELECT * FROM pragma_function_list", OUTCOME_REFUSED, "" },
        { "INSERT INTO t VALUES (4,'four')", OUTCOME_REFUSED, "INSERT" },
        { "INSERT INTO t VALUES (4,'four') RETURNING id", OUTCOME_REFUSED, "INSERT" },
        { "UPDATE t SET name=''", OUTCOME_REFUSED, "UPDATE" },
        { "DELETE FROM t", OUTCOME_REFUSED, "DELETE" },
        { "CREATE TABLE u(x)", OUTCOME_REFUSED, "INSERT" },
        { "CREATE TEMP TABLE u(x)", OUTCOME_REFUSED, "" },
        { "CREATE VIRTUAL TABLE u USING fts5(x)", OUTCOME_REFUSED, "" },
        { "CREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END", OUTCOME_REFUSED, "" },
        { "DROP TABLE t", OUTCOME_REFUSED, "" },
        { "ALTER TABLE t RENAME TO u", OUTCOME_REFUSED, "" },
        { "BEGIN", OUTCOME_REFUSED, "BEGIN" },
        { "SAVEPOINT a", OUTCOME_REFUSED, "SAVEPOINT" },
        { "REINDEX", OUTCOME_REFUSED, "" },
        { "ANALYZE", OUTCOME_REFUSED, "" },
        { "EXPLAIN SELECT 1", OUTCOME_REFUSED, "read only" },
        { "EXPLAIN QUERY PLAN SELECT 1", OUTCOME_REFUSED, "read only" },
        { "SELECT 1; SELECT 2", OUTCOME_REFUSED, "one statement" },
        { "SELECT 1; DROP TABLE t", OUTCOME_REFUSED, "one statement" },
        { "", OUTCOME_REFUSED, "" },
        { "-- nothing", OUTCOME_REFUSED, "one statement" },
        /* Functions and modules. */
        { "SELECT load_extension('x')", OUTCOME_REFUSED, "function" },
        { "SELECT fts3_tokenizer('simple')", OUTCOME_REFUSED, "function" },
        { "SELECT sqlite_log(1, 'x')", OUTCOME_REFUSED, "function" },
        { "SELECT * FROM dbstat", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT * FROM sqlite_stmt", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT * FROM fts5vocab", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT readfile('/etc/passwd')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT writefile('/tmp/x', 'y')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT edit('x')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT rtreecheck('t')", OUTCOME_REFUSED, "function" },
        { "SELECT fts5_source_id()", OUTCOME_REFUSED, "function" },
};

static void check_statement(struct executor_zygote *z, const struct asked *a, uint32_t outcome,
                            const char *detail) {
        struct executed e = run_query(z, a);

        print_message("# %.60s: %s %s (%d)\n", a->sql, e.detail, e.text, e.ended.signal);
        assert_int_equal(e.result, EXECUTOR_OK);
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, outcome);
        assert_non_null(strstr(e.detail, detail));
        assert_int_equal(e.ended.signal, 0);
        assert_int_equal(e.ended.status, 0);
        executed_done(&e);
}

static void test_statements(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {};

        a.image = image_of(data, &a.length);
        FOREACH_CASE (c, statements) {
                a.sql = c->sql;
                check_statement(z, &a, c->outcome, c->detail);
        }
        (void) close(a.image);
}

/* Committed as an error that every build gives alike, or a typed failure. */
static const struct {
        const char *sql;
        struct asked limits;
        uint32_t outcome; /* FAILED, or 0: committed */
        const char *detail;
        uint32_t error;
} bombs[] = {
        { "SELECT zeroblob(1000000000)", {}, 0, "", SQL_RESULT_LIMIT },
        { "SELECT hex(zeroblob(900000))", {}, 0, "", SQL_RESULT_LIMIT },
        { "SELECT length(randomblob(900000000))", {}, 0, "", SQL_RESULT_LIMIT },
        { "SELECT abs(-9223372036854775807 - 1)", {}, 0, "", SQL_OVERFLOW },
        { "SELECT sum(id) FROM (SELECT 9223372036854775807 AS id UNION ALL SELECT 1)",
          {},
          0,
          "",
          SQL_OVERFLOW },
        { "SELECT json_extract('{', '$.a')", {}, 0, "", SQL_CAST },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT i FROM c",
          { .rows = 1000 },
          0,
          "",
          SQL_RESULT_LIMIT },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c",
          { .wall_ms = 500 },
          OUTCOME_TIMEOUT,
          "stage=run",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c",
          { .cpu_ms = 500 },
          OUTCOME_LIMIT,
          "which=cpu",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT hex(zeroblob("
          "100000)) || i FROM c ORDER BY 1",
          { .memory = 32 << 20 },
          OUTCOME_LIMIT,
          "which=memory",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT hex(zeroblob("
          "100000)) || i FROM c",
          { .spool = 8 << 20 },
          OUTCOME_LIMIT,
          "which=spool",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 1100000) SELECT "
          "i "
          "FROM c",
          {},
          OUTCOME_NOT_VERIFIABLE,
          "ORDER BY",
          0 },
};

static void test_bombs(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, bombs) {
                struct asked a = c->limits;
                struct executed e;

                a.sql = c->sql;
                e = run_query(z, &a);
                print_message("# %.60s: %u %s %s error %u signal %d rows %lu form %u\n", c->sql,
                              e.outcome, e.detail, e.text, e.error, e.ended.signal,
                              (unsigned long) e.rows, e.form);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.ended.signal, 0);
                if (c->outcome) {
                        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
                        assert_int_equal(e.outcome, c->outcome);
                        assert_non_null(strstr(e.detail, c->detail));
                } else {
                        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
                        assert_int_equal(e.form, ANSWER_ERROR);
                        assert_int_equal(e.error, c->error);
                        assert_int_equal(e.rows, 0);
                }
                executed_done(&e);
        }
}

/* One instruction that never comes back to the progress handler: killed from outside. */
static void test_single_instruction(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {
                .sql = "SELECT instr(hex(zeroblob(500000)), hex(zeroblob(250000)) || 'x')",
                .wall_ms = 500,
                .timeout = 1 * NSEC_PER_SEC
        };
        struct asked small = { .sql = "SELECT 42" };
        struct executed e = run_query(z, &a);

        print_message("# %d %s %s signal %d\n", e.result, e.detail, e.text, e.ended.signal);
        assert_int_equal(e.result, EXECUTOR_E_TIMEOUT);
        executed_done(&e);
        e = run_query(z, &small);
        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
        executed_done(&e);
}

/* ---- by files ---- */

static int file_of(const void *bytes, size_t n) {
        int fd = memfd_create("file", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        return fd;
}

static void check_refused_file(struct executor_zygote *z, int fd, uint64_t length,
                               const char *what) {
        struct asked a = { .sql = "SELECT count(*) FROM t", .image = fd, .length = length };
        struct executed e = execute(z, WORKER__JOB__MODE__DESCRIBE, &a);

        print_message("# %s: %u %s %s\n", what, e.outcome, e.detail, e.text);
        assert_int_equal(e.result, EXECUTOR_OK);
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, OUTCOME_REFUSED);
        assert_int_equal(e.ended.signal, 0);
        executed_done(&e);
}

static uint8_t *bytes_of_image(const char *sql, size_t *ret_n) {
        uint64_t n;
        int fd = image_of(sql, &n);
        uint8_t *p = xmalloc(n);

        assert_int_equal(pread(fd, p, n, 0), n);
        (void) close(fd);
        *ret_n = n;
        return p;
}

static void test_files(void **state) {
        static const struct {
                const char *what, *sql;
                size_t at;
                uint8_t value;
                size_t cut;
        } cases[] = {
                { "text", NULL, 0, 0, 0 },
                { "a trigger",
                  "CREATE TABLE t(x); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE "
                  "FROM t; END;",
                  0, 0, 0 },
                { "a virtual table", "CREATE VIRTUAL TABLE v USING fts5(x)", 0, 0, 0 },
                { "an r-tree", "CREATE VIRTUAL TABLE v USING rtree(i,a,b)", 0, 0, 0 },
                { "WAL", data, 18, 2, 0 },
                { "a foreign magic", data, 0, 'X', 0 },
                { "an odd page size", data, 16, 0x11, 0 },
                { "a cut page", data, 0, 'S', 100 },
                { "a damaged catalogue page", data, 100, 0x42, 0 },
                { "a damaged table page", data, 4096, 0x42, 0 },
                { "a damaged cell pointer", data, 4096 + 9, 0xff, 0 },
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, cases) {
                size_t n = 5;
                uint8_t *p = c->sql ? bytes_of_image(c->sql, &n) : xmemdup("text\n", 5);
                int fd;

                if (c->sql && (c->at || c->value))
                        p[c->at] = c->value;
                fd = file_of(p, n - c->cut);
                check_refused_file(z, fd, n - c->cut, c->what);
                (void) close(fd);
                free(p);
        }
}

/* Bytes turned over at every place: refused, or answered; never a crash. */
static void test_flipped_files(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        size_t n, step = 61;
        uint8_t *p = bytes_of_image(data, &n);
        unsigned refused = 0, answered = 0;

        for (size_t at = 0; at < n; at += at < 200 ? 7 : step) {
                struct asked a = { .sql = "SELECT * FROM t ORDER BY name", .length = n };
                struct executed e;

                p[at] ^= 0xff;
                a.image = file_of(p, n);
                p[at] ^= 0xff;
                e = run_query(z, &a);
                if (e.result)
                        print_message("# at %zu: %d signal %d status %d\n", at, e.result,
                                      e.ended.signal, e.ended.status);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.ended.signal, 0);
                refused += e.last == WORKER__REPORT__BODY_FAILED;
                answered += e.last == WORKER__REPORT__BODY_COMMITTED;
                executed_done(&e);
                (void) close(a.image);
        }
        print_message("# %u refused, %u answered\n", refused, answered);
        assert_true(refused > 0 && answered > 0);
        free(p);
}

/* Crafted schemas: what they would run is refused when they are opened or used. */
static void test_crafted_schemas(void **state) {
        static const char *const schemas[] = {
                "CREATE VIEW t AS SELECT fts3_tokenizer('simple') AS x;",
                "CREATE VIEW t AS SELECT load_extension('x') AS x;",
                "CREATE VIEW t AS SELECT * FROM pragma_database_list;",
                "CREATE VIEW t AS SELECT * FROM dbstat;",
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, schemas) {
                struct asked a = { .sql = "SELECT * FROM t" };
                struct executed e;

                a.image = image_of(*c, &a.length);
                e = run_query(z, &a);
                print_message("# %s: %u %s %s\n", *c, e.outcome, e.detail, e.text);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
                assert_int_equal(e.ended.signal, 0);
                executed_done(&e);
                (void) close(a.image);
        }
}

/* ---- by code inside ---- */

#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif

static int unix_listener;
static struct sockaddr_un unix_address;

/* Each returns 0 when it got out. */
static int try_open(void) {
        return open("/etc/passwd", O_RDONLY) < 0;
}
static int try_create(void) {
        return open("/tmp/quorate-escape", O_CREAT | O_WRONLY, 0600) < 0;
}
static int try_proc(void) {
        return open("/proc/self/maps", O_RDONLY) < 0;
}
static int try_proc_parent(void) {
        return open("/proc/1/environ", O_RDONLY) < 0;
}
static int try_unix(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &unix_address, sizeof(unix_address)) < 0;
}
static int try_abstract(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0quorate-escape" };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &a, 2 + 15) < 0;
}
static int try_inet(int type) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_port = htons(9),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, type, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &a, sizeof(a)) < 0 ||
               send(fd, "x", 1, 0) < 0;
}
static int try_tcp(void) {
        return try_inet(SOCK_STREAM);
}
static int try_udp(void) {
        return try_inet(SOCK_DGRAM);
}
static int try_netlink(void) {
        return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0;
}
static int try_exec(void) {
        char *const argv[] = { (char *) "true", NULL };

        (void) execv("/bin/true", argv);
        return 1;
}
static int try_fork(void) {
        pid_t pid = (pid_t) syscall(SYS_fork);

        if (pid == 0)
                _exit(0);
        return pid < 0;
}
static int try_thread(void) {
        return syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0;
}
static int try_ptrace(void) {
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}
static int try_kill(void) {
        return kill(getppid() > 1 ? getppid() : 2, SIGTERM) < 0;
}
static int try_io_uring(void) {
        char parameters[256] = {};

        return syscall(__NR_io_uring_setup, 4, parameters) < 0;
}
static int try_namespace(void) {
        return unshare(CLONE_NEWUSER) < 0;
}
static int try_new_code(void) {
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED;
}
static int try_more_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0;
}
static int try_read_spool(void) {
        char c;

        return pread(CONFINE_SPOOL_FD, &c, 1, 0) != 1;
}
static int try_descriptor(void) {
        return dup(CONFINE_JOB_FD) < 0 || dup(CONFINE_JOB_FD) < 0; /* one was left free */
}
static int try_memory(void) {
        return mmap(NULL, 2ull << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
               MAP_FAILED;
}
static int try_spool(void) {
        static const char block[1 << 16];

        for (int i = 0; i < 64; i++) {
                if (write(CONFINE_SPOOL_FD, block, sizeof(block)) != sizeof(block))
                        return 1;
        }
        return 0;
}
static int try_limits(void) {
        struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

        return setrlimit(RLIMIT_AS, &r) < 0;
}
static int try_privileges(void) {
        return setresuid(0, 0, 0) < 0;
}
static int try_mount(void) {
        return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) < 0;
}
static int try_bpf(void) {
        return syscall(SYS_bpf, 0, NULL, 0) < 0;
}
static int try_keys(void) {
        return syscall(SYS_keyctl, 0, 0) < 0;
}

/* `alone`: held also where no seccomp filter is. */
static const struct {
        const char *name;
        int (*attempt)(void);
        bool by_seccomp, alone;
} attempts[] = {
        { "open a file", try_open, true, true },
        { "create a file", try_create, true, true },
        { "read /proc/self", try_proc, true, true },
        { "read /proc/1", try_proc_parent, true, true },
        /* Neither Landlock nor a namespace stops a socket that has a path. */
        { "connect a unix socket", try_unix, true, false },
        { "connect an abstract socket", try_abstract, true, true },
        { "connect TCP", try_tcp, true, true },
        { "send UDP", try_udp, true, true },
        { "netlink", try_netlink, true, false }, /* of an empty namespace */
        { "exec", try_exec, true, true },
        { "fork", try_fork, true, true },
        { "thread", try_thread, true, true },
        { "ptrace", try_ptrace, true, false },
        { "kill the parent", try_kill, true, true },
        { "io_uring", try_io_uring, true, true },
        { "a new namespace", try_namespace, true, false },
        { "map new code", try_new_code, true, false },
        { "make code of data", try_more_code, true, false },
        { "read the spool", try_read_spool, true, true },
        { "one more descriptor", try_descriptor, true, true },
        { "too much memory", try_memory, false, true },
        { "too much spool", try_spool, false, true },
        { "lift a limit", try_limits, true, true },
        { "become root", try_privileges, true, true },
        { "mount", try_mount, true, true },
        { "bpf", try_bpf, true, true },
        { "keys", try_keys, true, false },
};

/* In a process of its own: what a zygote and its child do, then the attempt instead
 * of a job. Returns the wait status of the confined child. */
static int run_confined(int (*attempt)(void), unsigned wanted, bool *ret_all_layers) {
        int spool = memfd_create("spool", MFD_CLOEXEC), pipes[2], status = 0, layers_status = 0;
        pid_t outer;

        assert_int_equal(pipe(pipes), 0);
        outer = fork();
        if (outer == 0) {
                const struct confine_limits limits = { .memory = 64 << 20,
                                                       .cpu_ms = 2000,
                                                       .spool = 1 << 20 };
                unsigned namespaces = 0, layers = 0;
                int pidfd = -1, writer;
                char path[64];
                pid_t pid;

                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", spool);
                writer = open(path, O_WRONLY | O_CLOEXEC);
                if (confine_prepare() < 0)
                        _exit(100);
                pid = confine_fork(&pidfd, &namespaces);
                if (pid == 0) {
                        int high = fcntl(pipes[1], F_DUPFD, 20),
                            high_spool = fcntl(writer, F_DUPFD, 20);

                        if (dup2(high, CONFINE_JOB_FD) < 0 ||
                            dup2(high_spool, CONFINE_SPOOL_FD) < 0 ||
                            close_range(CONFINE_SPOOL_FD + 1, ~0u, 0) < 0 ||
                            confine_enter(&limits, wanted, &layers) < 0)
                                _exit(101);
                        if (!(wanted & CONFINE_SECCOMP))
                                (void) close(0); /* room for one descriptor */
                        _exit(attempt());
                }
                (void) waitpid(pid, &layers_status, 0);
                if (write(pipes[1], &layers_status, sizeof(layers_status)) < 0)
                        _exit(102);
                _exit((namespaces & CONFINE_NAMESPACES) == CONFINE_NAMESPACES ? 0 : 1);
        }
        (void) close(pipes[1]);
        assert_int_equal(read(pipes[0], &status, sizeof(status)), sizeof(status));
        (void) close(pipes[0]);
        (void) close(spool);
        assert_int_equal(waitpid(outer, &layers_status, 0), outer);
        assert_true(WIFEXITED(layers_status) && WEXITSTATUS(layers_status) < 100);
        *ret_all_layers = WEXITSTATUS(layers_status) == 0;
        return status;
}

static void test_inside(void **state) {
        FOREACH_CASE (c, attempts) {
                bool namespaces = false;
                int status = run_confined(c->attempt, CONFINE_ALL, &namespaces);

                print_message("# %s: %s %d\n", c->name, WIFSIGNALED(status) ? "signal" : "status",
                              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                if (c->by_seccomp)
                        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
                else
                        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        }
}

/* The other layers hold without seccomp. */
static void test_inside_without_seccomp(void **state) {
        FOREACH_CASE (c, attempts) {
                bool namespaces = false;
                int status;

                if (!c->alone)
                        continue;
                status = run_confined(c->attempt, CONFINE_ALL & ~(unsigned) CONFINE_SECCOMP,
                                      &namespaces);
                print_message("# %s: %s %d\n", c->name, WIFSIGNALED(status) ? "signal" : "status",
                              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        }
}

/* ---- as an ordinary user ---- */

static void test_as_ordinary_user(void **state) {
        extern char **environ;
        char *const argv[] = { (char *) "test_escapes", (char *) "--ordinary", NULL };
        int status = 0;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) dup2(2, 1);
                if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                    setresuid(NOBODY, NOBODY, NOBODY) < 0)
                        _exit(111);
                (void) execve("/proc/self/exe", argv, environ);
                _exit(errno == EACCES ? 112 : 113);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 112) {
                print_message("# the build folder is closed to uid 65534\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

static int listen_somewhere(void **state) {
        struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0quorate-escape" };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        unix_address.sun_family = AF_UNIX;
        (void) snprintf(unix_address.sun_path, sizeof(unix_address.sun_path),
                        "/tmp/quorate-escape.%d", (int) getpid());
        unix_listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(
                bind(unix_listener, (struct sockaddr *) &unix_address, sizeof(unix_address)), 0);
        assert_int_equal(listen(unix_listener, 64), 0);
        (void) chmod(unix_address.sun_path, 0777);
        /* Another run may have the name: then that one is there to be connected. */
        if (bind(fd, (struct sockaddr *) &a, 2 + 15) == 0)
                (void) listen(fd, 64);
        return 0;
}

static int unlisten(void **state) {
        return unlink(unix_address.sun_path);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_statements),
                cmocka_unit_test(test_bombs),
                cmocka_unit_test(test_single_instruction),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_flipped_files),
                cmocka_unit_test(test_crafted_schemas),
                cmocka_unit_test(test_inside),
                cmocka_unit_test(test_inside_without_seccomp),
                cmocka_unit_test(test_as_ordinary_user),
        };

        executor_path = getenv("QUORATE_EXECUTOR");
        assert_non_null(executor_path);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, listen_somewhere, unlisten);
}
