#pragma once

/* The files of a node that root runs, given to the services' own uids (see
 * common/daemon/account.h). Done at every start, so a state directory of an earlier
 * version, one that was moved, or a change that was cut short heals by itself. */

#include <sys/types.h>

struct ownership {
        uid_t uid; /* of every file; the group of the same number is its own */
        /* A folder directly below that another group may read, with that group; NULL: none. */
        const char *shared;
        gid_t shared_gid;
};

enum ownership_result {
        OWNERSHIP_OK = 0,
        OWNERSHIP_E_REFUSED, /* one line with the remedy in the error text */
};

/* The folder and all below it; nobody else gets in (but into `shared`). Follows no link
 * and refuses a file with a second name, which may be somebody else's. */
int ownership_give(const char *path, const struct ownership *o, char error[256]);

/* Lets others pass through this folder of ours without listing it (adds x for all). */
int ownership_open_way(const char *path, char error[256]);

/* A socket: its group may connect, besides root. */
int ownership_give_socket(const char *path, gid_t group, char error[256]);
