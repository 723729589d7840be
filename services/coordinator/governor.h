#pragma once

/* What this machine may be asked to do at once: the slots and the memory of its
 * workers, shared by jobs of our own users and jobs served for others. Own jobs
 * may take everything; served ones at most their share. Promises (open bids, and
 * what was dispatched on them and waits for data or a slot) are over-committed,
 * because most bids are never taken up. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"

enum governor_use { GOVERNOR_OWN = 0, GOVERNOR_SERVED, _GOVERNOR_USES };

enum governor_result {
        GOVERNOR_OK = 0,
        GOVERNOR_E_PAUSED,  /* served work only */
        GOVERNOR_E_SLOTS,   /* none free now, or too many promised */
        GOVERNOR_E_MEMORY,  /* none free now */
        GOVERNOR_E_TOO_BIG, /* never: more memory than any worker has */
};

struct governor_worker {
        uint32_t slots, busy;
        uint64_t memory, taken; /* bytes, for all of its slots; by those that are busy */
};

struct governor {
        /* Configuration; set once. */
        uint32_t served_max; /* slots for served jobs, 0: all there are */
        uint32_t overcommit; /* promises and served jobs per served slot */

        /* State; read it, change it through the functions. */
        uint32_t slots;
        uint64_t memory; /* of all workers */
        uint64_t most;   /* that one job may ask for: a run is one worker's */
        uint64_t share;  /* of a run for which nothing else is said: a slot's, on any worker */
        uint32_t promised, busy[_GOVERNOR_USES];
        uint64_t taken[_GOVERNOR_USES];
        bool is_paused;
        nsec_t drain_until; /* when served jobs still running are ended; NSEC_NEVER: never */
};

void governor_init(struct governor *g, uint32_t served_max, uint32_t overcommit);

/* All workers together, whenever one comes or goes. What runs keeps what it has. */
void governor_capacity(struct governor *g, const struct governor_worker *workers, size_t n);
/* For a run with that memory: one that has it left, else one that could have it, the idlest. */
bool governor_is_better(const struct governor_worker *w, const struct governor_worker *than,
                        uint64_t memory);
uint32_t governor_served_slots(const struct governor *g); /* 0 while paused */
/* For served jobs, now; also while paused: what was accepted before may still run. */
uint32_t governor_free_slots(const struct governor *g);
uint32_t governor_places(const struct governor *g); /* promises and served runs at most */

/* A bid. Returns enum governor_result; GOVERNOR_OK is given back by one unpromise:
 * when the bid expires, or what came of it has its slot, or has ended. */
int governor_promise(struct governor *g, uint64_t memory);
void governor_unpromise(struct governor *g);

/* A run. Returns enum governor_result; GOVERNOR_OK is given back with the same figures. */
int governor_take(struct governor *g, enum governor_use use, uint64_t memory);
void governor_give(struct governor *g, enum governor_use use, uint64_t memory);

/* No new promises; after `drain` the served jobs still running are to be ended. */
void governor_pause(struct governor *g, nsec_t now, nsec_t drain);
void governor_resume(struct governor *g);
