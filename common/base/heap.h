#pragma once

/* Intrusive binary heap of deadlines: the earliest first, equal ones in the
 * order they were put in, so that the same calls give the same trace. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"

struct heap_entry {
        nsec_t when;
        uint64_t sequence;
        size_t position; /* index + 1; 0: in no heap */
};

struct heap {
        struct heap_entry **entries;
        size_t n_entries, capacity;
        uint64_t next_sequence;
};

void heap_init(struct heap *h);
void heap_done(struct heap *h); /* entries are the callers' own */

/* Puts the entry in, or moves it when it is in already. */
void heap_set(struct heap *h, struct heap_entry *e, nsec_t when);
void heap_remove(struct heap *h, struct heap_entry *e); /* harmless when not in */

struct heap_entry *heap_first(const struct heap *h); /* NULL when empty */
nsec_t heap_when(const struct heap *h);              /* NSEC_NEVER when empty */

/* Removes and returns the first entry due at `now`, or NULL. */
struct heap_entry *heap_pop_due(struct heap *h, nsec_t now);
