#pragma once

/* Linux namespaces as far as the kernel lets us, root or not. What was not
 * granted is reported as a missing bit; the caller says so to people. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum namespace_layer {
        NAMESPACE_USER = 1 << 0,
        NAMESPACE_PID = 1 << 1, /* for children */
        NAMESPACE_NET = 1 << 2,
        NAMESPACE_MOUNT = 1 << 3,
        NAMESPACE_IPC = 1 << 4,
        NAMESPACE_UTS = 1 << 5,
        NAMESPACE_CGROUP = 1 << 6,
        NAMESPACE_ALL = (1 << 7) - 1,
};
extern const char *const namespace_names[7]; /* by bit number */

/* Moves this (single-threaded) process into new ones of the `wanted` kinds. Tries
 * all together, then with a user namespace, then one by one. Inside a new user
 * namespace we are our old uid and gid. Returns 0 or a fault; *ret_got what holds. */
int namespace_enter(unsigned wanted, unsigned *ret_got);

struct namespace_mount {
        const char *source; /* file, socket or directory; missing ones are skipped */
        const char *target; /* absolute, in the new root; NULL: the same as source */
        bool writable;
};
/* After NAMESPACE_MOUNT: a new root (tmpfs, read-only, nosuid, nodev) that holds only
 * these, bind-mounted, and with `proc` a fresh /proc where the kernel grants one (it
 * must be done by the first process of a new pid namespace); pivot_root into it. */
int namespace_root(const struct namespace_mount *mounts, size_t n, bool proc);

/* "user,pid,net"; returns ret. */
char *namespace_text(unsigned layers, char *ret, size_t ret_size);
