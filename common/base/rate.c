#include "common/base/rate.h"

#include "common/base/error.h"

void rate_init(struct rate *r, uint32_t burst, uint32_t per_second) {
        check(burst >= 1 && per_second >= 1 && per_second <= NSEC_PER_SEC);
        *r = (struct rate){ .interval = NSEC_PER_SEC / per_second };
        r->tolerance = r->interval * burst;
}

bool rate_take(struct rate *r, nsec_t now) {
        return rate_take_n(r, 1, now);
}

bool rate_take_n(struct rate *r, uint32_t n, nsec_t now) {
        nsec_t full = nsec_add(nsec_max(r->full, now), n * r->interval);

        if (r->interval == 0 || full > nsec_add(now, r->tolerance)) {
                r->refused++;
                return false;
        }
        r->full = full;
        return true;
}

nsec_t rate_next(const struct rate *r) {
        return nsec_sub(nsec_add(r->full, r->interval), r->tolerance);
}
