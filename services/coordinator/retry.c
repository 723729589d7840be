#include "services/coordinator/retry.h"

void retry_init(struct retry *r, const struct query_settings *settings) {
        *r = (struct retry){ .settings = settings, .tokens = settings->retry_budget };
}

static void refill(struct retry *r, nsec_t now) {
        double limit = r->settings->retry_budget;

        r->tokens += (double) nsec_sub(now, r->since) / 1e9 * r->settings->retry_refill;
        r->since = nsec_max(now, r->since);
        if (r->tokens > limit)
                r->tokens = limit;
}

bool retry_take(struct retry *r, nsec_t now) {
        refill(r, now);
        if (r->tokens < 1)
                return false;
        r->tokens -= 1;
        return true;
}

nsec_t retry_next(struct retry *r, nsec_t now) {
        refill(r, now);
        if (r->tokens >= 1)
                return now;
        if (r->settings->retry_refill == 0)
                return NSEC_NEVER;
        return nsec_add(now, (nsec_t) ((1 - r->tokens) / r->settings->retry_refill * 1e9) + 1);
}

nsec_t retry_pause(const struct query_settings *settings, unsigned attempt, struct rng *rng) {
        nsec_t pause = settings->retry_backoff_min;

        while (attempt-- > 0 && pause < settings->retry_backoff_max)
                pause *= 2;
        pause = nsec_min(pause, settings->retry_backoff_max);
        return pause / 2 + rng_below(rng, pause / 2 + 1);
}
