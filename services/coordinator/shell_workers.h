#pragma once

/* What a worker says of itself when it enlists. */

#include "proto/worker.pb-c.h"
#include "services/coordinator/shell.h"

/* A worker enlisted over this link; the old entry of the link goes. */
struct worker_facts {
        const char *name;
        char *const *engines;
        size_t n_engines;
        uint32_t slots;
        uint64_t memory;
        char *const *missing, *const *problems;
        size_t n_missing, n_problems;
};
/* The link of the idlest worker that has an engine whose class begins so ("": any), if possible
 * with that memory, and that class, valid until it enlists anew. NULL: none. */
struct link *shell_worker_for(struct shell *s, const char *engine, uint64_t memory,
                              const char **ret_class);
/* Hands a job, packed as `packed`, to the idlest worker that has its engine and its memory, as a
 * run of the core, which hears what comes of it, at once if there is none. Takes over the pins. */
void shell_run_open(struct shell *s, uint64_t id, struct bytes packed, const Worker__Job *job,
                    const struct hash_value *pins, size_t n);
void shell_worker_enlist(struct shell *s, struct link *link, const struct worker_facts *facts);
