/* A quorate-worker process between a coordinator's socket and real executors. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/canonical/outcome.h"
#include "common/daemon/cgroup.h"
#include "tests/support/duckdb_library.h"
#include "tests/support/worker_fixture.h"

static struct coordinator *shared;

static void test_rows(void **state) {
        struct wanted want = { .sql = "SELECT t FROM n ORDER BY i, 1",
                               .path = "people.db",
                               .length = dataset_length(shared, "datasets/people.db"),
                               .form = ANSWER_SEQUENCE };
        CLEANUP(schema_freep) struct schema *schema = NULL;
        struct answer_checker fresh;
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_committed));
        assert_true(s.is_started);
        assert_int_equal(s.answer.rows, 20000);
        assert_int_equal(s.answer.batches, 5);
        assert_true(s.cpu_us > 0 && s.peak_memory > 0);

        assert_int_equal(schema_decode(BYTES_OF(worker_schema_any), &schema), SCHEMA_OK);
        answer_check_begin(&s.checker, &s.answer, schema, true, NULL);
        s.checks = true;
        fetch(&s, 0, 2, true);
        assert_true(wait_for(shared, &s.has_end));
        assert_int_equal(s.next_batch, 2);
        assert_int_equal(s.n_batches, 2);
        assert_int_equal(s.n_digests, 5 * HASH_SIZE); /* of all batches */
        answer_check_begin(&fresh, &s.answer, schema, true, NULL);
        assert_int_equal(answer_check_digests(&fresh, BYTES(s.digests, s.n_digests)), CHECK_OK);
        answer_check_done(&fresh);
        assert_int_equal(s.n_compressed, 0); /* nothing is packed for our own node */
        s.link = 1000000;
        fetch(&s, 2, 0, false);
        assert_true(wait_for(shared, &s.has_end));
        assert_int_equal(s.next_batch, 5);
        assert_int_equal(s.n_batches, 5);
        assert_true(s.n_compressed > 0);
        assert_int_equal(s.check_result, CHECK_OK);
        assert_int_equal(answer_check_end(&s.checker), CHECK_OK);
        answer_check_done(&s.checker);
        finish(shared, &s);
        assert_int_equal(s.end_code, 0);
}

/* Rows before the commit: `fast`. */
static void test_stream(void **state) {
        struct wanted want = { .sql = "SELECT t FROM n ORDER BY i, 1",
                               .path = "people.db",
                               .length = dataset_length(shared, "datasets/people.db"),
                               .form = ANSWER_SEQUENCE,
                               .stream = true };
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_accepted));
        fetch(&s, 0, 0, false);
        assert_true(wait_for(shared, &s.has_end));
        assert_true(s.is_committed);
        assert_int_equal(s.n_batches, 5);
        finish(shared, &s);
}

static void test_failures(void **state) {
        const uint64_t length = dataset_length(shared, "datasets/people.db");
        const struct {
                struct wanted want;
                uint32_t outcome;
                const char *detail;
        } cases[] = {
                { { .sql = "SELECT 1", .path = "nothere.db", .length = 4096 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "people.db", .length = length + 1 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "../outside/secret", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "/etc/passwd", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "link", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "text", .length = 5 }, OUTCOME_REFUSED, "input" },
                { { .sql = "ATTACH 'x' AS y" }, OUTCOME_REFUSED, "ATTACH" },
                /* One instruction that never asks whether it is time: killed from outside. */
                { { .sql = "SELECT instr(hex(zeroblob(500000)), hex(zeroblob(250000)) || 'x')",
                    .wall_ms = 300 },
                  OUTCOME_TIMEOUT,
                  "stage=run" },
                { { .sql = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT "
                           "count(*) FROM c",
                    .wall_ms = 300 },
                  OUTCOME_TIMEOUT,
                  "stage=run" },
        };
        char path[160];
        int fd;

        in_folder(shared, "outside/secret", path);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "secret", 6), 6);
        (void) close(fd);
        in_folder(shared, "datasets/link", path);
        assert_int_equal(symlink("../outside/secret", path), 0);
        in_folder(shared, "datasets/text", path);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "text\n", 5), 5);
        (void) close(fd);
        FOREACH_CASE (t, cases) {
                struct seen s;

                submit(shared, &s, &t->want);
                assert_true(wait_for(shared, &s.is_failed));
                assert_int_equal(s.outcome, t->outcome);
                assert_non_null(strstr(s.detail, t->detail));
                assert_true(wait_for(shared, &s.is_finished));
                finish(shared, &s);
        }
}

/* Zygotes: the one in use, and those that are about to go. */
static void stop_children_of(pid_t pid) {
        char path[64], text[4096] = "", *save = NULL;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) pid, (int) pid);
        f = fopen(path, "r");
        assert_true(f && fgets(text, sizeof(text), f));
        (void) fclose(f);
        for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save))
                (void) kill(atoi(t), SIGSTOP);
}

static const struct wanted endless = {
        .sql = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) "
               "FROM c",
        .wall_ms = 60000,
};

/* What the names of our worker's groups begin with, once one was seen: its pid alone is that of
 * workers in other pid namespaces as well, whose groups may outlive them. */
static char groups_prefix[96];

/* Whether a process is in a group of its own, made by our worker. */
static bool is_in_group(pid_t pid) {
        char path[64], text[4096] = "", name[64], instance[16];
        const char *at;
        size_t n;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        (void) snprintf(name, sizeof(name), "/quorate-job-%d-", (int) shared->pid);
        f = fopen(path, "r");
        assert_non_null(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        (void) fclose(f);
        text[n] = 0;
        at = strstr(text, name);
        if (at && sscanf(at + strlen(name), "%15[0-9a-f]-", instance) == 1)
                (void) snprintf(groups_prefix, sizeof(groups_prefix), "%s%s-", name + 1, instance);
        return at != NULL;
}

static bool has_groups(void) {
        char command[160];

        (void) snprintf(command, sizeof(command),
                        "find /sys/fs/cgroup -maxdepth 5 -name '%s*' | grep -q .", groups_prefix);
        return system(command) == 0;
}

/* A reset cancels: the executor is gone at once. */
static void test_reset(void **state) {
        struct seen s;
        pid_t executor = 0, last;
        bool is_gone = false, is_grouped = false;

        submit(shared, &s, &endless);
        assert_true(wait_for(shared, &s.is_started));
        assert_int_equal(children_of(shared->pid, &executor), 2); /* zygote and executor */
        /* It says that it started before the worker may have heard of its process. */
        for (int i = 0; i < 100 && cgroup_mode() != CGROUP_NONE && !is_grouped; i++) {
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
                is_grouped = is_in_group(executor);
        }
        assert_int_equal(is_grouped, cgroup_mode() != CGROUP_NONE);
        assert_true(!is_grouped || has_groups());
        channel_reset(s.channel, 1, "enough");
        for (int i = 0; i < 100 && !is_gone; i++) {
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
                is_gone = kill(executor, 0) < 0;
                if (is_gone) /* the next one waits for its job */
                        assert_true(children_of(shared->pid, &last) <= 2);
        }
        assert_true(is_gone);
        frame_reader_done(&s.frames);
}

static void test_slots(void **state) {
        struct wanted small = { .sql = "SELECT 42" };
        struct seen a, b, c;
        pid_t last;

        submit(shared, &a, &endless);
        submit(shared, &b, &endless);
        assert_true(wait_for(shared, &a.is_started));
        assert_true(wait_for(shared, &b.is_started));
        submit(shared, &c, &small);
        assert_true(wait_for(shared, &c.is_ended));
        assert_int_equal(c.end_code, RPC_E_BUSY);
        frame_reader_done(&c.frames);
        channel_reset(a.channel, 1, "");
        channel_reset(b.channel, 1, "");
        frame_reader_done(&a.frames);
        frame_reader_done(&b.frames);
        for (int i = 0; i < 100 && children_of(shared->pid, &last) > 2; i++)
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
        submit(shared, &c, &small);
        assert_true(wait_for(shared, &c.is_committed));
        finish(shared, &c);
}

/* No control group is left behind, wherever they are made, once the last job's executor is
 * reaped. */
static void test_no_groups(void **state) {
        bool has_any = true;

        if (cgroup_mode() == CGROUP_NONE)
                skip();
        assert_true(groups_prefix[0]); /* test_reset saw one */
        for (int i = 0; i < 100 && has_any; i++) {
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
                has_any = has_groups();
        }
        assert_false(has_any);
}

/* Nothing the worker wrote has a name. */
static void test_no_files(void **state) {
        char path[160];
        struct dirent *e;
        DIR *d;

        in_folder(shared, "state", path);
        d = opendir(path);
        assert_non_null(d);
        while ((e = readdir(d)))
                assert_null(strstr(e->d_name, "spool"));
        (void) closedir(d);
}

/* The zygote dies under the job: a typed answer, and the next job has a new one. */
static void test_zygote_killed(void **state) {
        struct wanted small = { .sql = "SELECT 42" };
        char command[96];
        pid_t executor = 0;
        int zygote = 0;
        struct seen s;
        FILE *f;

        submit(shared, &s, &endless);
        assert_true(wait_for(shared, &s.is_started));
        assert_true(children_of(shared->pid, &executor) >= 2);
        (void) snprintf(command, sizeof(command), "sed -n 's/^PPid:.//p' /proc/%d/status",
                        (int) executor);
        f = popen(command, "r");
        assert_int_equal(fscanf(f, "%d", &zygote), 1);
        (void) pclose(f);
        assert_int_equal(kill(zygote, SIGKILL), 0);
        assert_true(wait_for(shared, &s.is_failed));
        assert_int_equal(s.outcome, OUTCOME_INTERNAL);
        finish(shared, &s);
        submit(shared, &s, &small);
        assert_true(wait_for(shared, &s.is_committed));
        finish(shared, &s);
}

/* An executor whose zygote takes two seconds to start while `folder`/slow is there. */
static void make_slow_executor(const char *folder, char ret[64]) {
        FILE *f;

        (void) snprintf(ret, 64, "%s/executor", folder);
        f = fopen(ret, "w");
        assert_non_null(f);
        (void) fprintf(f, "#!/bin/sh\n[ -e %s/slow ] && sleep 2\nexec %s \"$@\"\n", folder,
                       getenv("QUORATE_EXECUTOR"));
        (void) fclose(f);
        assert_int_equal(chmod(ret, 0755), 0);
}

static struct coordinator *coordinator_with_executor(const char *path) {
        struct coordinator *c;

        (void) setenv("QUORATE_WORKER_EXECUTOR", path, 1);
        c = coordinator_new();
        (void) unsetenv("QUORATE_WORKER_EXECUTOR");
        return c;
}

/* A job killed by a signal takes its zygote with it. What needs the next one waits for it; the
 * worker itself does not. */
static void test_next_zygote_is_slow(void **state) {
        struct wanted small = { .sql = "SELECT 42" }, other = { .sql = "", .engine = "fortran" };
        char folder[] = "/tmp/quorate-test-XXXXXX", executor_path[64], command[96];
        struct seen killed, waits, asked;
        struct coordinator *c;
        pid_t executor = 0;
        nsec_t before;

        assert_non_null(mkdtemp(folder));
        make_slow_executor(folder, executor_path);
        c = coordinator_with_executor(executor_path);
        submit(c, &killed, &endless);
        assert_true(wait_for(c, &killed.is_started));
        assert_true(children_of(c->pid, &executor) >= 2);
        (void) snprintf(command, sizeof(command), "touch %s/slow", folder);
        assert_int_equal(system(command), 0);
        assert_int_equal(kill(executor, SIGKILL), 0);
        assert_true(wait_for(c, &killed.is_failed));
        finish(c, &killed);

        before = loop_now(c->loop);
        submit(c, &waits, &small);
        submit(c, &asked, &other);
        assert_true(wait_for(c, &asked.is_failed));
        assert_true(loop_now(c->loop) - before < NSEC_PER_SEC);
        assert_false(waits.is_committed || waits.is_failed);
        finish(c, &asked);
        assert_true(wait_for(c, &waits.is_committed));
        finish(c, &waits);

        coordinator_free(c);
        (void) snprintf(command, sizeof(command), "rm -r %s", folder);
        assert_int_equal(system(command), 0);
}

/* ---- inputs that stay on disk ---- */

#define LARGE_LENGTH (70u << 20)

/* A database of more than 64 MiB, as the coordinator's cache has them: 0444. */
static uint64_t make_large(void) {
        char path[160];
        sqlite3 *db = NULL;
        uint64_t length;

        in_folder(shared, "datasets/large.db", path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(
                sqlite3_exec(
                        db,
                        "PRAGMA synchronous=off; CREATE TABLE b(i INTEGER PRIMARY KEY, v BLOB) "
                        "STRICT; WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM "
                        "c WHERE i < 71) INSERT INTO b SELECT i, zeroblob(1048000) FROM c",
                        NULL, NULL, NULL),
                SQLITE_OK);
        (void) sqlite3_close(db);
        assert_int_equal(chmod(path, 0444), 0);
        length = dataset_length(shared, "datasets/large.db");
        assert_true(length > LARGE_LENGTH);
        return length;
}

/* Somebody with more rights than the worker has. */
static void change_large(off_t at, uint8_t value) {
        char path[160];
        int fd;

        in_folder(shared, "datasets/large.db", path);
        assert_int_equal(chmod(path, 0644), 0);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, &value, 1, at), 1);
        (void) close(fd);
        assert_int_equal(chmod(path, 0444), 0);
}

/* Takes its time, then reads every byte. */
static const char slow_sum[] =
        "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 4000000) "
        "SELECT (SELECT count(*) FROM c) + (SELECT sum(length(v) + instr(v, x'01')) FROM b)";

/* Read where it lies: the job's memory does not grow with it. */
static void test_large(void **state) {
        struct wanted want = { .sql = "SELECT count(*) + sum(instr(v, x'01')) FROM b",
                               .path = "large.db",
                               .length = make_large(),
                               .memory = 16 << 20 };
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_committed));
        assert_int_equal(s.error, 0);
        assert_int_equal(s.answer.rows, 1);
        print_message("# peak %lu MiB, the input's pages included\n",
                      (unsigned long) (s.peak_memory >> 20));
        assert_true(s.peak_memory > 2 << 20); /* more than what came after it was grouped */
        assert_true(s.peak_memory < want.length + (32 << 20));
        finish(shared, &s);
}

/* A byte that changes under a job, or between two, is never part of an answer. */
static void test_large_changed(void **state) {
        struct wanted want = { .sql = slow_sum,
                               .path = "large.db",
                               .length = dataset_length(shared, "datasets/large.db") };
        struct wanted next = want;
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_started));
        change_large(LARGE_LENGTH / 2 + 100, 1); /* inside a value */
        assert_true(wait_for(shared, &s.is_failed));
        assert_false(s.is_committed);
        assert_int_equal(s.outcome, OUTCOME_DATA_UNAVAILABLE);
        finish(shared, &s);

        next.sql = "SELECT count(*) FROM b";
        submit(shared, &s, &next);
        assert_true(wait_for(shared, &s.is_failed));
        assert_int_equal(s.outcome, OUTCOME_DATA_UNAVAILABLE);
        finish(shared, &s);
}

/* Evicted while a job reads it: that job has it to the end. Fetched again: another file,
 * checked anew. One that may be written is not taken. */
static void test_large_replaced(void **state) {
        char path[160];
        struct wanted want = { .sql = slow_sum, .path = "large.db" };
        struct seen s;

        in_folder(shared, "datasets/large.db", path);
        assert_int_equal(unlink(path), 0);
        want.length = make_large();
        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_started));
        assert_int_equal(unlink(path), 0);
        assert_true(wait_for(shared, &s.is_committed));
        finish(shared, &s);

        want.sql = "SELECT count(*) FROM b";
        want.length = make_large();
        assert_int_equal(chmod(path, 0644), 0);
        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_failed));
        assert_int_equal(s.outcome, OUTCOME_DATA_UNAVAILABLE);
        finish(shared, &s);
}

/* A zygote that hangs answers for nobody: the job ends all the same, and the next has
 * another one. */
static void test_zygote_hangs(void **state) {
        struct wanted want = { .sql = "SELECT 42", .wall_ms = 300 };
        struct seen s;

        stop_children_of(shared->pid);
        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_failed));
        assert_int_equal(s.outcome, OUTCOME_TIMEOUT);
        finish(shared, &s);
        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_committed));
        finish(shared, &s);
}

/* Where DuckDB's library is looked for, or nowhere at all. */
static struct coordinator *coordinator_with(const char *duckdb) {
        struct coordinator *c;

        (void) setenv("QUORATE_WORKER_DUCKDB", duckdb, 1);
        c = coordinator_new();
        (void) unsetenv("QUORATE_WORKER_DUCKDB");
        return c;
}

/* Jobs go to the zygote of their class; of other classes there is none. */
static void test_engines(void **state) {
        struct wanted want = { .sql = "SELECT 42", .engine = "sqlite" };
        static const char *const ours[] = { "sqlite", "duckdb" };
        static const char *const others[] = { "fortran", "sqlite/0/0", "sqlit" };
        struct coordinator *c = coordinator_with("");
        struct seen s;

        print_message("# engines here: %u\n", c->n_engines);
        for (size_t i = 0; i < c->n_engines && i < ELEMENTSOF(ours); i++) {
                want.engine = ours[i];
                submit(c, &s, &want);
                assert_true(wait_for(c, &s.is_committed));
                assert_int_equal(strncmp(s.engine, ours[i], strlen(ours[i])), 0);
                finish(c, &s);
        }
        FOREACH_CASE (other, others) {
                want.engine = *other;
                submit(c, &s, &want);
                assert_true(wait_for(c, &s.is_failed));
                assert_int_equal(s.outcome, OUTCOME_REFUSED);
                assert_string_equal(s.detail, "rule=engine");
                finish(c, &s);
        }
        coordinator_free(c);
}

/* An engine that does not start is reported, and jobs of the others run. */
static void test_engine_fails(void **state) {
        struct wanted want = { .sql = "SELECT 42" };
        struct coordinator *c = coordinator_with("/nowhere/libduckdb.so");
        struct seen s;

        assert_int_equal(c->n_engines, 1);
        assert_int_equal(c->n_problems, 1);
        submit(c, &s, &want);
        assert_true(wait_for(c, &s.is_committed));
        finish(c, &s);
        coordinator_free(c);
}

/* Both engines, each with a zygote of its own, and a job for either. */
static void test_two_engines(void **state) {
        const char *engine = duckdb_engine_name();
        struct wanted want = { .sql = "SELECT 42", .engine = "duckdb" };
        struct coordinator *c;
        struct seen s;
        pid_t last;

        if (!engine)
                skip();
        (void) setenv("QUORATE_WORKER_DUCKDB", strchr(engine, ':') + 1, 1);
        c = coordinator_new();
        (void) setenv("QUORATE_WORKER_DUCKDB", "none", 1);
        assert_int_equal(c->n_engines, 2);
        assert_int_equal(c->n_problems, 0);
        /* Two zygotes, and two that wait for their jobs, once they are forked. */
        for (int i = 0; i < 100 && children_of(c->pid, &last) < 4; i++)
                (void) loop_turn(c->loop, 20 * NSEC_PER_MSEC);
        assert_int_equal(children_of(c->pid, &last), 4);
        submit(c, &s, &want);
        assert_true(wait_for(c, &s.is_committed));
        finish(c, &s);
        want.engine = "sqlite";
        submit(c, &s, &want);
        assert_true(wait_for(c, &s.is_committed));
        finish(c, &s);
        coordinator_free(c);
}

static int start(void **state) {
        return !(shared = coordinator_new());
}

static int stop(void **state) {
        coordinator_free(shared);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),          cmocka_unit_test(test_stream),
                cmocka_unit_test(test_failures),      cmocka_unit_test(test_reset),
                cmocka_unit_test(test_slots),         cmocka_unit_test(test_zygote_killed),
                cmocka_unit_test(test_zygote_hangs),  cmocka_unit_test(test_large),
                cmocka_unit_test(test_large_changed), cmocka_unit_test(test_large_replaced),
                cmocka_unit_test(test_no_files),      cmocka_unit_test(test_no_groups),
                cmocka_unit_test(test_engines),       cmocka_unit_test(test_engine_fails),
                cmocka_unit_test(test_two_engines),   cmocka_unit_test(test_next_zygote_is_slow)
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, start, stop);
}
