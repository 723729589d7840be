#pragma once

/* Where the nodes of `quorate run --nodes N` live and how they find each other:
 * state/node-1 … state/node-N, each with a key, a port on 127.0.0.1 and a
 * quorate.conf that names the first. Written once, whole; what is there stays. */

#include "services/ctl/node.h"

#define GRID_NODES_MAX 64

struct grid {
        struct node nodes[GRID_NODES_MAX];
        size_t n_nodes;
        bool is_new; /* of several nodes: the folder of them all was not there before */
};

enum grid_result {
        GRID_OK = 0,
        GRID_E_REFUSED, /* one line with the remedy in the error text */
};

/* With one node: the node's own directories, and nothing is written. */
int grid_plan(const struct common_options *options, size_t n_nodes, struct grid *ret,
              char error[256]);
/* Refused before it served: what is new goes again, unless another run has it by now. */
void grid_forget(const struct grid *grid);
