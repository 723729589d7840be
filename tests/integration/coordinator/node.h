#pragma once

/* One node without its network: real keyring, coordinator and workers in a folder
 * of their own, over real sockets. */

#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/test.h"

#define NODE_FDS_MAX 12

enum node_service { NODE_KEYRING, NODE_COORDINATOR, NODE_WORKER, _NODE_SERVICES };

struct node {
        char folder[64], runtime[96];
        char names[NODE_FDS_MAX][32];
        int fds[NODE_FDS_MAX];
        unsigned owner[NODE_FDS_MAX];
        size_t n_fds;
        pid_t pids[_NODE_SERVICES];
};

/* config: text of quorate.conf, or NULL. Nothing is started yet. */
void node_init(struct node *n, const char *config);
void node_start(struct node *n, enum node_service service);
void node_start_all(struct node *n); /* and waits until a worker has enlisted */
void node_kill(struct node *n, enum node_service service, int signal);
/* Stops what runs; every service ended by itself with code 0. Removes the folder. */
void node_done(struct node *n);
/* "workers", "slots" … of coordinator/admin Status; -1: it does not answer. */
long node_status(struct node *n, const char *what);
/* Files below state/<service> whose name contains `part`. */
unsigned node_count_files(const struct node *n, const char *service, const char *part);
