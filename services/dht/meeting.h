#pragma once

/* When a node of a network with a secret says in a foreign DHT that it is there, under which name,
 * and when it looks for others (common/canonical/meeting.h). Pure. */

#include <stdbool.h>

#include "common/base/nsec.h"
#include "common/canonical/meeting.h"

#define MEETING_TTL_S (2 * 3600) /* of an announcement: who is an hour behind still finds it */

struct meeting {
        uint8_t secret[MEETING_SECRET_SIZE];
        int64_t hour; /* announced; -1: none yet */
        bool has_met;
        nsec_t next_look;
};
void meeting_init(struct meeting *m, const uint8_t secret[MEETING_SECRET_SIZE]);

/* What is to be done now. */
struct meeting_work {
        bool announces, withdraws, looks;
        char announced[MEETING_NAME_SIZE], withdrawn[MEETING_NAME_SIZE];
        char asked[MEETING_HOURS][MEETING_NAME_SIZE];
};
/* Call it about every 10 s while the foreign DHT has peers; `ret` is then under way. */
void meeting_work(struct meeting *m, nsec_t now, int64_t wall_us, struct meeting_work *ret);
/* The announcement failed: it is tried again at the next call. */
void meeting_failed(struct meeting *m);
/* A member was found: from now on it is enough to look now and then. */
void meeting_met(struct meeting *m);
