#pragma once

/* Names under which the members of a network, or who else shares a secret, meet in a DHT of others:
 *
 *   name = hex of HKDF-SHA256(secret, no salt, "quorate/v1/topic" || u64 hour || topic, 32 bytes)
 *
 * hour: since 1970, rounded down. Without the secret a name says nothing, and nobody sees that
 * those of two hours belong together. Whoever looks asks for the hour before and the hour after as
 * well: clocks that differ by less than an hour always meet. Pure. */

#include <stdint.h>

#include "common/base/bytes.h"

#define MEETING_SECRET_SIZE 32
#define MEETING_NAME_SIZE   65 /* 64 hex digits and the final 0 */
#define MEETING_HOURS       3  /* to ask for: before, now, after */

/* topic: at most 128 bytes, empty for the network itself (network_topic_secret() is the same).
 * Returns ret. */
char *meeting_name(const uint8_t secret[MEETING_SECRET_SIZE], struct bytes topic, int64_t hour,
                   char ret[MEETING_NAME_SIZE]);
static inline int64_t meeting_hour(int64_t wall_us) {
        return wall_us / INT64_C(3600000000);
}
