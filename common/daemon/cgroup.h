#pragma once

/* Control groups of jobs and services: v2, v1 (hybrid too), or none, found once
 * from /proc/self/{mountinfo,cgroup}. Names are made below our own group. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"

enum cgroup_mode {
        CGROUP_NONE = 0,
        CGROUP_V1,
        CGROUP_V2,
};
enum cgroup_mode cgroup_mode(void); /* the best in which we may create groups */
const char *cgroup_mode_text(enum cgroup_mode m);

struct cgroup_limits {        /* 0: no limit */
        uint64_t memory;      /* bytes; swap is forbidden where it can be */
        unsigned cpu_percent; /* of one core */
        unsigned pids;
};
struct cgroup_usage {
        nsec_t cpu;
        uint64_t memory, memory_peak; /* bytes; peak 0: the kernel does not say */
        uint64_t oom_kills;
        bool has_cpu, has_memory;
};

struct cgroup;

enum cgroup_result {
        CGROUP_OK = 0,
        CGROUP_E_NONE, /* no group could be made: the caller meters by rlimit and wait4 */
};

/* `name`: [a-z0-9-]+. A limit whose controller is missing is not enforced: ask
 * cgroup_has_*(). Returns enum cgroup_result. */
int cgroup_new(const char *name, const struct cgroup_limits *limits, struct cgroup **ret);
/* For a supervisor that is root: a group `name` below our own one, with this process in it,
 * which `uid` may divide further; what has no controllers is skipped in silence, as
 * cgroup_new() would. And its removal, with groups left in it, once it is empty. */
void cgroup_delegate(const char *name, uid_t uid);
void cgroup_undelegate(const char *name);
bool cgroup_has_memory(const struct cgroup *c); /* its limit is enforced */
bool cgroup_has_cpu(const struct cgroup *c);
bool cgroup_has_pids(const struct cgroup *c);
int cgroup_add(struct cgroup *c, pid_t pid);
int cgroup_read(const struct cgroup *c, struct cgroup_usage *ret);
int cgroup_kill(struct cgroup *c); /* every process in it; safe against forks */
/* Removes empty groups beside those we make whose name begins like that and which nobody holds: who
 * made one holds it by a lock that ends with the process, seen from every pid namespace. How many
 * folders that were. */
unsigned cgroup_remove_stale(const char *prefix);
/* Removes the groups (retrying briefly while they empty); always NULL. */
struct cgroup *cgroup_free(struct cgroup *c);
DEFINE_CLEANUP(struct cgroup *, cgroup_free);
