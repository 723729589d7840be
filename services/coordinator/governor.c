#include "services/coordinator/governor.h"

#include "common/base/error.h"

void governor_init(struct governor *g, uint32_t served_max, uint32_t overcommit) {
        *g = (struct governor){ .served_max = served_max,
                                .overcommit = overcommit ? overcommit : 1,
                                .drain_until = NSEC_NEVER };
}

void governor_capacity(struct governor *g, const struct governor_worker *workers, size_t n) {
        g->slots = 0;
        g->memory = g->most = g->share = 0;
        for (size_t i = 0; i < n; i++) {
                const struct governor_worker *w = &workers[i];

                if (w->slots == 0)
                        continue;
                if (g->slots == 0 || w->memory / w->slots < g->share)
                        g->share = w->memory / w->slots;
                if (w->memory > g->most)
                        g->most = w->memory;
                g->slots += w->slots;
                g->memory += w->memory;
        }
}

/* 2: has it left, 1: could have it. */
static unsigned room(const struct governor_worker *w, uint64_t memory) {
        if (memory > w->memory)
                return 0;
        return w->taken <= w->memory - memory ? 2 : 1;
}

bool governor_is_better(const struct governor_worker *w, const struct governor_worker *than,
                        uint64_t memory) {
        unsigned a = room(w, memory), b = room(than, memory);

        if (a != b)
                return a > b;
        return (uint64_t) w->busy * than->slots < (uint64_t) than->busy * w->slots;
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
        if (g->slots > 0 && memory > g->most)
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

        if (memory > g->most && g->slots > 0)
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
