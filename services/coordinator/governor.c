#include "services/coordinator/governor.h"

#include "common/base/error.h"

void governor_init(struct governor *g, uint32_t served_max, uint32_t overcommit) {
        *g = (struct governor){ .served_max = served_max,
                                .overcommit = overcommit ? overcommit : 1,
                                .drain_until = NSEC_NEVER };
}

void governor_capacity(struct governor *g, uint32_t slots, uint64_t memory) {
        g->slots = slots;
        g->memory = memory;
}

static uint32_t served_share(const struct governor *g) {
        return g->served_max && g->served_max < g->slots ? g->served_max : g->slots;
}

uint32_t governor_served_slots(const struct governor *g) {
        return g->is_paused ? 0 : served_share(g);
}

static uint32_t all_busy(const struct governor *g) {
        return g->busy[GOVERNOR_OWN] + g->busy[GOVERNOR_SERVED];
}

static uint32_t at_least_0(uint32_t a, uint32_t b) {
        return a > b ? a - b : 0;
}

uint32_t governor_free_slots(const struct governor *g) {
        uint32_t share = at_least_0(served_share(g), g->busy[GOVERNOR_SERVED]);
        uint32_t idle = at_least_0(g->slots, all_busy(g));

        return share < idle ? share : idle;
}

uint32_t governor_places(const struct governor *g) {
        uint64_t most = (uint64_t) served_share(g) * g->overcommit;

        return most < UINT32_MAX ? (uint32_t) most : UINT32_MAX;
}

/* Without any worker there is no room now; whether there ever will be is not known. */
int governor_promise(struct governor *g, uint64_t memory) {
        if (g->is_paused)
                return GOVERNOR_E_PAUSED;
        if (g->slots > 0 && memory > g->memory)
                return GOVERNOR_E_TOO_BIG;
        if ((uint64_t) g->promised + g->busy[GOVERNOR_SERVED] >= governor_places(g))
                return GOVERNOR_E_SLOTS;
        g->promised++;
        return GOVERNOR_OK;
}

void governor_unpromise(struct governor *g) {
        check(g->promised > 0);
        g->promised--;
}

int governor_take(struct governor *g, enum governor_use use, uint64_t memory) {
        uint64_t taken = g->taken[GOVERNOR_OWN] + g->taken[GOVERNOR_SERVED];

        if (memory > g->memory && g->slots > 0)
                return GOVERNOR_E_TOO_BIG;
        if (all_busy(g) >= g->slots)
                return GOVERNOR_E_SLOTS;
        if (use == GOVERNOR_SERVED && g->busy[use] >= served_share(g))
                return GOVERNOR_E_SLOTS;
        if (taken > g->memory || memory > g->memory - taken)
                return GOVERNOR_E_MEMORY;
        g->busy[use]++;
        g->taken[use] += memory;
        return GOVERNOR_OK;
}

void governor_give(struct governor *g, enum governor_use use, uint64_t memory) {
        check(g->busy[use] > 0 && g->taken[use] >= memory);
        g->busy[use]--;
        g->taken[use] -= memory;
}

void governor_pause(struct governor *g, nsec_t now, nsec_t drain) {
        g->is_paused = true;
        g->drain_until = nsec_add(now, drain);
}

void governor_resume(struct governor *g) {
        g->is_paused = false;
        g->drain_until = NSEC_NEVER;
}
