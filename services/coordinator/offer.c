#include "services/coordinator/offer.h"

nsec_t offer_when(const struct offer_pace *p, uint64_t digest, nsec_t now) {
        if (!p->is_sent)
                return now;
        return nsec_max(now, nsec_add(p->sent, digest == p->digest ? OFFER_EVERY : OFFER_PAUSE));
}

void offer_sent(struct offer_pace *p, uint64_t digest, nsec_t now) {
        *p = (struct offer_pace){ true, now, digest };
}
