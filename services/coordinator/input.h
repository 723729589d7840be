#pragma once

/* What one ACTION_INPUT may take, and what became of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/crypto/hash.h"

/* Datasets of one job: what an executor takes. A descriptor has room for more. */
#define JOB_INPUTS_MAX 8

/* What the inputs of a peer's job are in all, as he said when he offered it. A longer one is not
 * fetched: LIMIT. */
struct input_claim {
        uint64_t job; /* the same for all of them; 0: our own user's, bounded by the quota alone */
        uint64_t bytes;
};

/* A dataset that is here, checked against its root and pinned until ACTION_INPUT_CANCEL. */
struct input_facts {
        const char *format, *path; /* path below the worker's dataset directory */
        struct bytes options, schema;
        uint64_t length, fetched;
        bool is_public;
};

/* Or it could not be had. */
struct input_failure {
        unsigned code;       /* OUTCOME_DATA_UNAVAILABLE or OUTCOME_LIMIT */
        unsigned asked;      /* peers, none of which had all of it */
        bool searched;       /* the DHT was asked who has it … */
        unsigned n_searched; /* … and so many of its nodes answered */
        /* They, as people know them, and what each did: "…Xb7dQ2Wz silent, …"; may be "". */
        char who[320];
};
/* "root=… asked=2 searched=19 who=…": the facts of DATA_UNAVAILABLE, cut to `size`. */
void input_failure_detail(const struct input_failure *f, const struct hash_value *root, char *ret,
                          size_t size);
