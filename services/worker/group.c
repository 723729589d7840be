/* A control group around each executor, where we may make one: what rlimits cannot
 * see (pages touched, kernel memory) is bounded and measured too. Without one, the
 * kernel's account of the process is what is reported. */

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/crypto/random.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "quorate-config.h"
#include "services/worker/job.h"

/* Rows and digests on their way, the program; a sanitizer keeps what was freed, and shadows all. */
#define SPARE_MEMORY (QUORATE_SANITIZED ? 2048ull << 20 : 256ull << 20)

/* To make a group and to remove it costs as much as a small job, which needs none: what can
 * be touched in this time is less than SPARE_MEMORY. */
#define GROUP_AFTER (5 * NSEC_PER_MSEC)

bool group_is_possible(void) {
        return cgroup_mode() != CGROUP_NONE;
}

#define PREFIX "quorate-job-"

/* Left by a worker that was killed; a group with processes stays. */
void groups_clean(void) {
        unsigned n = cgroup_remove_stale(PREFIX);

        if (n > 0)
                log_info("removed %u control groups of a worker that is gone", n);
}

/* It has not ended, so its pid is still its own. */
static bool is_alive(const struct job *j) {
        struct pollfd p = { .fd = j->pidfd, .events = POLLIN };

        return j->is_running && j->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* The pid is for people: workers in several pid namespaces may have the same, and one folder. */
static const char *name_of(const struct job *j, char ret[64]) {
        static uint32_t instance;

        if (instance == 0)
                instance = (uint32_t) random_u64() | 1;
        (void) snprintf(ret, 64, PREFIX "%d-%08x-%llu", (int) getpid(), instance,
                        (unsigned long long) j->id);
        return ret;
}

/* It runs on, bounded by its rlimits and seen by wait4() alone. */
static void go_without(struct job *j, const char *why) {
        j->worker->stats.ungrouped++;
        log_warning("no control group for an executor: %s", why);
}

static int on_grouping(void *userdata) {
        struct job *j = userdata;
        const struct cgroup_limits limits = { .memory = j->limits.memory + SPARE_MEMORY };
        char name[64];

        if (!is_alive(j))
                return 0;
        if (cgroup_new(name_of(j, name), &limits, &j->group) != CGROUP_OK) {
                go_without(j, "none could be made");
                return 0;
        }
        if (cgroup_add(j->group, (pid_t) j->pid) == 0)
                return 0;
        j->group = cgroup_free(j->group);
        if (is_alive(j)) /* else gone before we came to it: nothing to hold */
                go_without(j, "it could not be moved into its own");
        return 0;
}

void group_soon(struct job *j, uint64_t pid) {
        struct loop *l = j->worker->ctx->loop;

        j->pid = pid;
        if (pid == 0 || !group_is_possible())
                return;
        if (loop_add_timer(l, on_grouping, j, &j->grouping) ||
            loop_timer_set(j->grouping, nsec_add(loop_now(l), GROUP_AFTER)))
                go_without(j, "no timer for it");
}

void group_meter(const struct job *j, struct executor_event *e) {
        struct cgroup_usage usage = {};

        /* What the executor had touched before it was moved is charged elsewhere. */
        if (j->group && cgroup_read(j->group, &usage) == 0 && usage.memory_peak > e->peak_memory)
                e->peak_memory = usage.memory_peak;
}

/* The executor is reaped, or (job ended early) will be: its group waits for that. */
void group_leave(struct job *j) {
        j->grouping = loop_source_free(j->grouping);
        if (j->group && j->is_running)
                (void) map_set_u64(j->worker->groups, j->id, j->group);
        else
                cgroup_free(j->group);
        j->group = NULL;
}

void group_reaped(struct worker *w, uint64_t id) {
        cgroup_free(map_remove_u64(w->groups, id));
}

void groups_done(struct worker *w) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(w->groups, &cursor, &key, &value))
                cgroup_free(value);
        map_free(w->groups);
}
