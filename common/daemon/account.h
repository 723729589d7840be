#pragma once

/* Who is who when root runs a node: a uid for each service, a group for each socket.
 *
 * The numbers come from a range nobody hands out: systemd's list ("Users, Groups, UIDs
 * and GIDs on systemd Systems") calls 0x70000000 to 0x7ffdffff unused, and shadow's
 * subordinate ids end at 600100000 (login.defs, SUB_UID_MAX). Nothing is stored: the
 * number of a node comes from the path of its state directory, and `quorate run` gives
 * the files to these uids at every start. Two nodes of one machine would get the same
 * number once in a million.
 *
 *   first + 64 node + 0..7     a service, in the order of capability_services
 *                   + 8..15    worker@1 to worker@8
 *                   + 16..62   group of a socket, in the order of capabilities
 *                   + 63       group that may read the coordinator's datasets */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNT_FIRST      0x70000000u
#define ACCOUNT_NODES      (1u << 20)
#define ACCOUNT_STEP       64u
#define ACCOUNT_GROUPS_MAX 48

/* The number of the node whose state is here; below ACCOUNT_NODES. */
uint32_t account_node(const char *state);

/* `number`: of a worker from 1 to 8, else 0. The group of the same number is its own. */
uid_t account_uid(uint32_t node, const char *service, unsigned number);
gid_t account_socket(uint32_t node, const char *capability);
gid_t account_datasets(uint32_t node);

/* The groups a service needs besides its own: those of the sockets of its row, and for a
 * worker the datasets. Returns how many. */
size_t account_groups(uint32_t node, const char *service, gid_t ret[ACCOUNT_GROUPS_MAX]);

/* Whether this uid is a service of some node; which one. */
bool account_of(uid_t uid, uint32_t *ret_node, const char **ret_service);

/* This process becomes that uid: those groups, no others, and no capability. Forgets
 * PR_SET_PDEATHSIG (the kernel does). Returns 0 or a fault. */
int account_become(uid_t uid, const gid_t *groups, size_t n_groups);

/* Whether account_become() would work here: we are root, with the capabilities for it,
 * in a user namespace that maps the range. Tried in a child. */
bool account_is_granted(void);
