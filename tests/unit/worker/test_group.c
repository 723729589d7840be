/* What becomes of an executor that gets no control group: it is counted and said. Control groups,
 * timers and the log are played here. */

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "services/worker/job.h"
#include "tests/support/test.h"

static struct {
        int add_timer, set_timer, make, move; /* what they answer */
        bool are_none;
        loop_fn on_timer;
        char names[2][64];
        unsigned n_names, n_free, n_logged;
} played;

enum cgroup_mode cgroup_mode(void) {
        return played.are_none ? CGROUP_NONE : CGROUP_V2;
}

int cgroup_new(const char *name, const struct cgroup_limits *limits, struct cgroup **ret) {
        if (played.make)
                return played.make;
        (void) snprintf(played.names[played.n_names++ % 2], 64, "%s", name);
        *ret = (struct cgroup *) &played;
        return 0;
}

int cgroup_add(struct cgroup *c, pid_t pid) {
        return played.move;
}

int cgroup_read(const struct cgroup *c, struct cgroup_usage *ret) {
        return -ENOENT;
}

unsigned cgroup_remove_stale(const char *prefix) {
        return 0;
}

struct cgroup *cgroup_free(struct cgroup *c) {
        played.n_free += c != NULL;
        return NULL;
}

int loop_add_timer(struct loop *l, loop_fn fn, void *userdata, struct loop_source **ret) {
        if (played.add_timer)
                return played.add_timer;
        played.on_timer = fn;
        *ret = (struct loop_source *) &played;
        return 0;
}

int loop_timer_set(struct loop_source *s, nsec_t when) {
        return played.set_timer;
}

nsec_t loop_now(const struct loop *l) {
        return NSEC_PER_SEC;
}

struct loop_source *loop_source_free(struct loop_source *s) {
        return NULL;
}

bool log_is_on(int level) {
        return true;
}

void log_write(struct log_site *site, int level, const struct log_fields *fields,
               const char *format, ...) {
        played.n_logged++;
}

/* ---- one job, whose executor is this process ---- */

struct bench {
        struct service_context ctx;
        struct worker worker;
        struct job job;
};

static void begin(struct bench *b) {
        memset(&played, 0, sizeof(played));
        *b = (struct bench){ .job = { .id = 7, .is_running = true } };
        b->worker.ctx = &b->ctx;
        b->job.worker = &b->worker;
        b->job.pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
        assert_true(b->job.pidfd >= 0);
}

static void end(struct bench *b, unsigned n_ungrouped) {
        assert_int_equal(b->worker.stats.ungrouped, n_ungrouped);
        assert_int_equal(played.n_logged, n_ungrouped);
        (void) close(b->job.pidfd);
}

static void run(struct bench *b) {
        group_soon(&b->job, (uint64_t) getpid());
        if (played.on_timer)
                assert_int_equal(played.on_timer(&b->job), 0);
}

static void test_grouped(void **state) {
        struct bench b;

        begin(&b);
        run(&b);
        run(&b); /* another job of this worker */
        assert_non_null(b.job.group);
        assert_string_equal(played.names[0], played.names[1]);
        assert_non_null(strstr(played.names[0], "quorate-job-"));
        end(&b, 0);
}

static void test_no_timer(void **state) {
        struct bench b;

        begin(&b);
        played.add_timer = -ENOMEM;
        run(&b);
        end(&b, 1);
        begin(&b);
        played.set_timer = -ENOMEM;
        group_soon(&b.job, (uint64_t) getpid());
        end(&b, 1);
}

static void test_no_group(void **state) {
        struct bench b;

        begin(&b);
        played.make = CGROUP_E_NONE;
        run(&b);
        assert_null(b.job.group);
        end(&b, 1);
        begin(&b);
        played.move = -EPERM;
        run(&b);
        assert_null(b.job.group);
        assert_int_equal(played.n_free, 1);
        end(&b, 1);
}

/* Where none can be made the worker says so when it enlists; who is gone needs none. */
static void test_none_wanted(void **state) {
        struct bench b;

        begin(&b);
        played.are_none = true;
        run(&b);
        end(&b, 0);
        begin(&b);
        b.job.is_running = false;
        run(&b);
        assert_int_equal(played.n_names, 0);
        end(&b, 0);
}

TEST_MAIN(cmocka_unit_test(test_grouped), cmocka_unit_test(test_no_timer),
          cmocka_unit_test(test_no_group), cmocka_unit_test(test_none_wanted))
