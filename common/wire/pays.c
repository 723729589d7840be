#include "common/wire/pays.h"

#define LEAST_TIME (100 * NSEC_PER_MSEC) /* of one measurement of a link */
#define REMEMBERED (UINT64_C(16) << 20)  /* plain bytes of tries */

const char *const pays_mode_names[] = {
        [PAYS_AUTO] = "auto",
        [PAYS_NEVER] = "never",
        [PAYS_ALWAYS] = "always",
        [_PAYS_N] = NULL,
};

void link_rate_wait(struct link_rate *l, nsec_t now) {
        if (l->since)
                return;
        l->since = now;
        l->moved = 0;
}

void link_rate_moved(struct link_rate *l, uint64_t bytes, nsec_t now) {
        nsec_t took = nsec_sub(now, l->since);
        uint64_t rate;

        if (!l->since)
                return;
        l->moved += bytes;
        if (took < LEAST_TIME || l->moved == 0)
                return;
        rate = (uint64_t) ((double) l->moved * (double) NSEC_PER_SEC / (double) took);
        l->rate = l->rate ? (l->rate * 3 + rate) / 4 : rate;
        l->rate += l->rate == 0; /* slower than anything is not unknown */
        l->since = now;
        l->moved = 0;
}

void link_rate_rest(struct link_rate *l) {
        l->since = 0;
}

uint64_t pays_link(enum pays_mode mode, uint64_t measured, bool is_far) {
        if (mode == PAYS_NEVER)
                return 0;
        if (mode == PAYS_ALWAYS)
                return 1; /* so slow that only the ratio counts */
        return measured ? measured : is_far ? PAYS_FAR : 0;
}

static bool is_worth(const struct pays *p, uint64_t link) {
        double spared = (double) (p->plain - p->packed) / (double) link * (double) NSEC_PER_SEC;

        return p->plain * 5 >= p->packed * 6 && spared > (double) (p->spent * PAYS_WORTH);
}

bool pays(struct pays *p, uint64_t link) {
        if (link == 0)
                return false;
        if (p->plain > 0 && is_worth(p, link))
                return true;
        if (link >= PAYS_TRY_BELOW)
                return false;
        if (p->plain > 0 && ++p->skipped < PAYS_RETRY)
                return false;
        p->skipped = 0;
        return true;
}

void pays_tried(struct pays *p, size_t plain, size_t packed, nsec_t spent) {
        p->plain += plain;
        p->packed += packed < plain ? packed : plain;
        p->spent += spent;
        if (p->plain < REMEMBERED)
                return;
        p->plain /= 2;
        p->packed /= 2;
        p->spent /= 2;
}
