/* A query on the node's own machine: client, coordinator, worker, executor. */

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include "common/client/quorate.h"
#include "tests/integration/coordinator/node.h"

static int setup(void **state) {
        struct node *n = xnew(struct node);

        node_init(n, NULL);
        node_start_all(n);
        *state = n;
        return 0;
}

static int teardown(void **state) {
        node_done(*state);
        free(*state);
        return 0;
}

struct answer {
        size_t n_rows;
        int64_t first, last;
        struct quorate_end end; /* strings valid until quorate_result_free() */
};

static void read_all(struct quorate_result *r, struct answer *a) {
        int code;

        *a = (struct answer){};
        while ((code = quorate_next(r, 20000)) == QUORATE_ROW || code == QUORATE_PROGRESS) {
                if (code == QUORATE_PROGRESS)
                        continue;
                a->last = quorate_value(r, 0)->integer;
                if (a->n_rows++ == 0)
                        a->first = a->last;
        }
        if (code != QUORATE_END)
                print_message("# %s\n", quorate_code_text(code));
        assert_int_equal(code, QUORATE_END);
        a->end = *quorate_end(r);
        if (a->end.error[0])
                print_message("# %s: %s\n", a->end.error, a->end.message);
}

static struct quorate *connect_to(struct node *n) {
        struct quorate *q = NULL;

        assert_int_equal(quorate_open(n->runtime, &q), QUORATE_OK);
        return q;
}

static struct quorate_result *ask(struct quorate *q, const struct quorate_question *question) {
        struct quorate_result *r = NULL;
        int code = quorate_query(q, question, &r);

        if (code != QUORATE_OK)
                print_message("# %s\n", quorate_error(q));
        assert_int_equal(code, QUORATE_OK);
        return r;
}

static void test_42(void **state) {
        struct quorate *q = connect_to(*state);
        struct quorate_result *r = ask(q, &(struct quorate_question){ .sql = "SELECT 42" });
        struct answer a;

        read_all(r, &a);
        assert_int_equal(a.n_rows, 1);
        assert_int_equal(a.first, 42);
        assert_string_equal(a.end.state, "LOCAL");
        assert_true(a.end.executed_locally);
        assert_string_equal(a.end.route, "local");
        assert_int_equal(a.end.exit_code, 0);
        quorate_result_free(r);
        quorate_close(q);
}

static void test_many_rows(void **state) {
        struct quorate *q = connect_to(*state);
        struct quorate_result *r = ask(
                q, &(struct quorate_question){
                           .sql = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
                                  "t WHERE x < 300000) SELECT x, 'some text that takes room' "
                                  "FROM t ORDER BY x" });
        struct answer a;

        read_all(r, &a);
        assert_string_equal(a.end.state, "LOCAL");
        assert_int_equal(a.n_rows, 300000);
        assert_int_equal(a.first, 1);
        assert_int_equal(a.last, 300000);
        assert_int_equal(a.end.rows, 300000);
        quorate_result_free(r);
        quorate_close(q);
}

static const struct {
        const char *sql, *error;
} error_cases[] = {
        { "SELEC 42", "SQL_ERROR" },
        { "SELECT * FROM nowhere", "SQL_ERROR" },
};

static void test_errors(void **state) {
        struct quorate *q = connect_to(*state);

        FOREACH_CASE (c, error_cases) {
                struct quorate_result *r = ask(q, &(struct quorate_question){ .sql = c->sql });
                struct answer a;

                read_all(r, &a);
                assert_int_equal(a.n_rows, 0);
                assert_string_equal(a.end.error, c->error);
                assert_int_equal(a.end.exit_code, 5);
                quorate_result_free(r);
        }
        quorate_close(q);
}

static void make_database(const char *path) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "CREATE TABLE t(a INTEGER, b TEXT) STRICT;"
                                      "INSERT INTO t VALUES (7, 'seven'), (8, 'eight');",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
}

static void test_data(void **state) {
        struct node *n = *state;
        struct quorate *q = connect_to(n);
        struct quorate_input input = { .name = "main" };
        struct quorate_question question = { .sql = "SELECT sum(a) FROM t",
                                             .inputs = &input,
                                             .n_inputs = 1 };
        struct quorate_result *r;
        struct answer a;
        char path[160];

        snprintf(path, sizeof(path), "%s/t.db", n->folder);
        make_database(path);
        input.path = path;
        r = ask(q, &question);
        read_all(r, &a);
        assert_string_equal(a.end.state, "LOCAL");
        assert_int_equal(a.first, 15);
        quorate_result_free(r);
        quorate_close(q);
}

/* The worker is killed; its successor answers. */
static void test_worker_restart(void **state) {
        struct node *n = *state;
        struct quorate *q = connect_to(n);
        struct quorate_result *r;
        struct answer a;

        node_kill(n, NODE_WORKER, SIGKILL);
        node_start(n, NODE_WORKER);
        for (int i = 0; i < 200 && node_status(n, "workers") != 1; i++)
                usleep(50000);
        r = ask(q, &(struct quorate_question){ .sql = "SELECT 43" });
        read_all(r, &a);
        assert_int_equal(a.first, 43);
        quorate_result_free(r);
        quorate_close(q);
}

/* The coordinator is killed while it runs: the job runs again, and its client has the answer. */
static void test_coordinator_restart(void **state) {
        struct node *n = *state;
        struct quorate *q = connect_to(n);
        struct quorate_result *r = ask(
                q, &(struct quorate_question){
                           .sql = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
                                  "t WHERE x < 30000000) SELECT count(*) FROM t" });
        struct answer a;

        usleep(100000);
        node_kill(n, NODE_COORDINATOR, SIGKILL);
        node_start(n, NODE_COORDINATOR);
        read_all(r, &a);
        print_message("# after the restart: %s%s\n", a.end.state, a.end.error);
        assert_string_equal(a.end.state, "LOCAL");
        assert_int_equal(a.first, 30000000);
        quorate_result_free(r);
        quorate_close(q);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_42, setup, teardown),
          cmocka_unit_test_setup_teardown(test_many_rows, setup, teardown),
          cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
          cmocka_unit_test_setup_teardown(test_data, setup, teardown),
          cmocka_unit_test_setup_teardown(test_worker_restart, setup, teardown),
          cmocka_unit_test_setup_teardown(test_coordinator_restart, setup, teardown))
