#pragma once

/* The answers of the last 1,024 calls of each caller, so that a retried id gets
 * its answer again instead of being run again. Bounded: 4 MiB per caller, 64
 * callers, 16 MiB of all (the one least recently heard of goes first). Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/refbuf.h"
#include "common/daemon/link.h"

struct answer {
        uint32_t code;
        char *text;          /* NULL: none */
        struct refbuf *body; /* code 0 */
};

struct answers;

struct answers *answers_new(uint64_t seed);
struct answers *answers_free(struct answers *a);

/* Ids of one caller only grow; one not above the highest begun is old. */
void answers_begin(struct answers *a, const struct link_peer *who, uint64_t id);
bool answers_is_old(const struct answers *a, const struct link_peer *who, uint64_t id);
/* Copies the text, shares the body. */
void answers_store(struct answers *a, const struct link_peer *who, uint64_t id,
                   const struct answer *answer);
/* NULL: none kept (still running, or forgotten). */
const struct answer *answers_find(const struct answers *a, const struct link_peer *who,
                                  uint64_t id);
