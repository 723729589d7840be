#pragma once

/* Peers' streams of /quorate/data/1, served from the store. One answer is under
 * way per stream; the next request is read when it has left. Private to
 * shell_data.c. */

#include "services/coordinator/shell_data.h"

struct serving;

struct servings {
        struct list streams;
        struct store *store;
        unsigned n_streams, max_streams;
        uint64_t bytes, requests, refused;
};

void servings_init(struct servings *s, struct store *store, unsigned max_streams);
void servings_done(struct servings *s);
/* Accepts, or resets with RPC_E_QUOTA when there are too many. */
void servings_accept(struct servings *s, struct channel *c);
