#pragma once

/* Peers' streams of /quorate/data/1, served from the store. One answer is under
 * way per stream; the next request is read when it has left. Private to
 * shell_data.c. */

#include "services/coordinator/shell_data.h"

struct serving;

struct serving_config {
        unsigned max_streams;
        enum pays_mode zstd;
        int fault; /* enum fault_mode */
};

struct servings {
        struct list streams;
        struct loop *loop;
        struct store *store;
        struct serving_config config;
        unsigned n_streams;
        uint64_t bytes, requests, refused;
        uint64_t packed; /* bytes of chunks that went as frames, before */
};

/* loop and store must outlive it. */
void servings_init(struct servings *s, struct loop *loop, struct store *store,
                   const struct serving_config *config);
void servings_done(struct servings *s);
/* Accepts, or resets with RPC_E_QUOTA when there are too many. is_far: stream_is_far(). */
void servings_accept(struct servings *s, struct channel *c, bool is_far);
