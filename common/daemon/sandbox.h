#pragma once

/* Confinement of this process, from inside, each layer by itself and never
 * undone: no_new_privs, capabilities, rlimits, Landlock, seccomp. May be applied
 * again with less. Layers a kernel lacks are reported, not silently skipped. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

enum sandbox_flag {
        SANDBOX_NO_NET = 1 << 0,    /* sockets: AF_UNIX only */
        SANDBOX_NO_SOCKET = 1 << 1, /* no new socket at all */
        SANDBOX_NO_EXEC = 1 << 2,
        SANDBOX_NO_FORK = 1 << 3, /* no new process; threads too with SANDBOX_NO_THREAD */
        SANDBOX_NO_THREAD = 1 << 4,
        SANDBOX_NO_FILES = 1 << 5, /* Landlock: nothing but `paths` (and the state directory) */
        /* Keeps unshare, mount and capabilities for building executors; then Landlock,
         * which forbids every mount, is out. */
        SANDBOX_NAMESPACES = 1 << 6,
        SANDBOX_OFF = 1 << 7, /* for ctl */
};

struct sandbox_path {
        const char *path;
        bool writable;
};

struct sandbox {
        unsigned flags;
        const struct sandbox_path *paths; /* ends with path NULL; missing ones are skipped */
};

/* What is in force afterwards. */
enum sandbox_layer {
        SANDBOX_LAYER_NO_NEW_PRIVS = 1 << 0,
        SANDBOX_LAYER_CAPABILITIES = 1 << 1,
        SANDBOX_LAYER_LANDLOCK_FS = 1 << 2,
        SANDBOX_LAYER_LANDLOCK_NET = 1 << 3,
        SANDBOX_LAYER_LANDLOCK_SCOPE = 1 << 4,
        SANDBOX_LAYER_SECCOMP = 1 << 5,
};

extern const char *const sandbox_layer_names[6]; /* by bit number */

/* For a service: a deny-list of dangerous system calls plus what the flags say.
 * Returns 0 or a fault; *ret_layers says what holds. */
int sandbox_apply(const struct sandbox *s, const char *state_dir, unsigned *ret_layers);

/* The pieces, for the executor. */
int sandbox_no_new_privs(void); /* and PR_SET_DUMPABLE 0 */
int sandbox_drop_capabilities(void);
/* Landlock ABI of the kernel, 0: none. */
int sandbox_landlock_abi(void);
/* Handles every right the ABI knows; only `paths` stay open. With `net` and `scope`
 * TCP, abstract sockets and signals too. Adds SANDBOX_LAYER_LANDLOCK_* to *ret_layers. */
int sandbox_landlock(const struct sandbox_path *paths, bool net, bool scope, unsigned *ret_layers);

struct sandbox_limit {
        int resource; /* RLIMIT_* */
        rlim_t value; /* soft and hard */
};
int sandbox_limits(const struct sandbox_limit *limits, size_t n);

/* One row per system call; unknown names on this architecture are skipped. `arg`
 * (0..5, -1: none) is compared: (arg & mask) == value, or with `differs` arg != value. */
struct sandbox_call {
        const char *name;
        int arg;
        uint64_t mask, value;
        bool differs;
};
enum sandbox_verdict {
        SANDBOX_KILL, /* the process, by SIGSYS */
        SANDBOX_EPERM,
        SANDBOX_ENOSYS,
        SANDBOX_ALLOW,
};
/* Loads a filter: calls in the table get `listed`, all others `otherwise`. */
int sandbox_seccomp(const struct sandbox_call *calls, size_t n, enum sandbox_verdict listed,
                    enum sandbox_verdict otherwise);

/* The same in two steps: compiled once, loaded in many processes. One owner. */
struct sandbox_filter {
        uint8_t *code; /* BPF instructions of 8 bytes; NULL: none */
        size_t len;
};
int sandbox_filter_compile(const struct sandbox_call *calls, size_t n, enum sandbox_verdict listed,
                           enum sandbox_verdict otherwise, struct sandbox_filter *ret);
int sandbox_filter_load(const struct sandbox_filter *f);

/* Closes every descriptor but those in `keep` (sorted ascending). */
int sandbox_close_others(const int *keep, size_t n);
