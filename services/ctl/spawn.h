#pragma once

/* Starts one service as `quorate run` does: with its listeners, in namespaces of
 * its own where the kernel lets us, seeing only its sockets, its state and the
 * programs. */

#include <sys/types.h>

#include "common/daemon/account.h"
#include "common/daemon/namespace.h"

#define SPAWN_FDS_MAX    32
#define SPAWN_MOUNTS_MAX 64

struct spawn {
        const char *service;  /* "worker" */
        const char *instance; /* "worker@1": names its state directory */
        const char *binary;
        const char *runtime, *state, *config; /* state: of this instance */
        const char *notify;                   /* datagram socket */
        int fds[SPAWN_FDS_MAX];               /* listeners, kept by the caller */
        const char *names[SPAWN_FDS_MAX];
        unsigned n_fds;
        struct namespace_mount mounts[SPAWN_MOUNTS_MAX];
        size_t n_mounts;
        bool isolate;                     /* false: --no-isolation */
        bool network;                     /* needs the machine's network */
        uid_t uid;                        /* who it becomes; 0: it stays who we are */
        gid_t groups[ACCOUNT_GROUPS_MAX]; /* all it has besides its own */
        size_t n_groups;
        const char *cgroup; /* a control group which it may divide; NULL: ours as it is */
};

/* Fills mounts from the table of common/daemon/capability.h and the paths above.
 * Strings are kept in the arena the caller frees with it. */
struct spawn_strings {
        char *items[SPAWN_MOUNTS_MAX];
        size_t n_items;
};
void spawn_strings_done(struct spawn_strings *s);
void spawn_mounts(struct spawn *s, struct spawn_strings *strings);

/* Whether that uid may still make the namespaces of executors. Tried in a child. */
bool spawn_uid_may_confine(uid_t uid);

/* Returns the child, or a fault. The child reports the namespaces it got (enum
 * namespace_layer) as one unsigned on *ret_report, which then ends. */
pid_t spawn_start(const struct spawn *s, int *ret_report);
