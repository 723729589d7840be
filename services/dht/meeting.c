#include "services/dht/meeting.h"

#include <string.h>

#define LOOK_ALONE (10 * NSEC_PER_SEC)
#define LOOK_MET   (300 * NSEC_PER_SEC)

void meeting_init(struct meeting *m, const uint8_t secret[MEETING_SECRET_SIZE]) {
        *m = (struct meeting){ .hour = -1 };
        memcpy(m->secret, secret, sizeof(m->secret));
}

static void announce(struct meeting *m, int64_t hour, struct meeting_work *ret) {
        ret->announces = true;
        (void) meeting_name(m->secret, BYTES_NONE, hour, ret->announced);
        ret->withdraws = m->hour >= 0;
        if (ret->withdraws)
                (void) meeting_name(m->secret, BYTES_NONE, m->hour, ret->withdrawn);
        m->hour = hour;
}

void meeting_work(struct meeting *m, nsec_t now, int64_t wall_us, struct meeting_work *ret) {
        int64_t hour = meeting_hour(wall_us);

        *ret = (struct meeting_work){};
        if (hour < 1)
                return; /* this clock was never set */
        if (hour != m->hour)
                announce(m, hour, ret);
        if (now < m->next_look)
                return;
        ret->looks = true;
        m->next_look = nsec_add(now, m->has_met ? LOOK_MET : LOOK_ALONE);
        for (int i = 0; i < MEETING_HOURS; i++)
                (void) meeting_name(m->secret, BYTES_NONE, hour + i - 1, ret->asked[i]);
}

void meeting_failed(struct meeting *m) {
        m->hour = -1;
}

void meeting_met(struct meeting *m) {
        m->has_met = true;
}
