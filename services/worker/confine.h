#pragma once

/* The executor's prison: everything between fork and the first foreign byte.
 * Layers and what each stops: README.md. Entered once, never left. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFINE_JOB_FD   3 /* SEQPACKET: receive and send */
#define CONFINE_SPOOL_FD 4 /* write only */

enum confine_layer { /* bits of Started.missing_layers and Forked.missing_layers */
                     CONFINE_USER = 1 << 0,
                     CONFINE_PID = 1 << 1,
                     CONFINE_NET = 1 << 2,
                     CONFINE_MOUNT = 1 << 3,
                     CONFINE_IPC = 1 << 4,
                     CONFINE_UTS = 1 << 5,
                     CONFINE_LANDLOCK = 1 << 6,
                     CONFINE_SCOPE = 1 << 7, /* Landlock: TCP, abstract sockets, signals */
                     CONFINE_SECCOMP = 1 << 8,
                     CONFINE_LIMITS = 1 << 9,
                     CONFINE_ALL = (1 << 10) - 1,
                     CONFINE_NAMESPACES = (1 << 6) - 1,
};
/* By bit number. */
extern const char *const confine_names[10];

struct confine_limits {
        uint64_t memory; /* address space beyond what the inputs take, without the spare 512 MiB */
        uint64_t inputs; /* bytes mapped for inputs */
        uint64_t cpu_ms;
        uint64_t spool; /* bytes that may be written */
};

/* Forks into as many namespaces as we may; 0 in the child. In the parent *ret_pidfd
 * is the child's, *ret_layers what was entered, *ret_net its network namespace or -1:
 * goes to confine_net_give() when the child is reaped. A negative errno: not forked. */
pid_t confine_fork(int *ret_pidfd, unsigned *ret_layers, int *ret_net);
/* Making a network namespace is most of what a fork costs, and it cannot be changed by who
 * is in it without rights over it; so one whose executor ended by itself serves the next.
 * No two executors are in one at a time. Always -1. */
int confine_net_give(int net, bool ended_well);

/* In the child, with the descriptors in their places. `wanted`: all of CONFINE_LANDLOCK
 * and above; tests leave some out to show that the others hold alone. Returns 0 or a
 * fault; with a fault the caller ends the process. */
int confine_enter(const struct confine_limits *limits, unsigned wanted, unsigned *ret_layers);

/* The same in two steps: what does not depend on the job, while there is none yet
 * (descriptors may still be received and opened ones used), then the rest. */
int confine_early(unsigned wanted, unsigned *layers);
int confine_late(const struct confine_limits *limits, unsigned wanted, unsigned *layers);

/* Once, before the first fork: another user when we are root, nothing inheritable, a user
 * namespace of our own where there may be one (confine_net_give() needs it). `engine` is
 * the name of the one that runs here: some need system calls of their own. */
int confine_prepare(const char *engine);

/* Enters everything in a child that ends at once: the layers there are here. */
unsigned confine_probe(void);
