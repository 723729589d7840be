#pragma once

/* What a worker says of itself when it enlists. */

#include "services/coordinator/shell.h"

/* A worker enlisted over this link; the old entry of the link goes. */
struct worker_facts {
        const char *name;
        char *const *engines;
        size_t n_engines;
        uint32_t slots;
        uint64_t memory;
        char *const *missing;
        size_t n_missing;
};
void shell_worker_enlist(struct shell *s, struct link *link, const struct worker_facts *facts);
