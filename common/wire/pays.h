#pragma once

/* Does it pay to pack what goes out? The one rule for rows and chunks, from what was
 * measured, never from what was promised:
 *
 *   the time that the link is spared > PAYS_WORTH times the time that packing takes,
 *   and the frames are at most 5/6 of the plain bytes (ratio 1.2).
 *
 * At 400 MB/s of packing and a ratio of 2 that is below 100 MB/s of link; a loopback or a
 * fast LAN is never slowed, for there a byte is sent for less than it is packed for. Twice,
 * because the reader unpacks as well, and who packs could do something else.
 * Nothing tried yet: the first one below PAYS_TRY_BELOW is the sample; while it does not
 * pay, each PAYS_RETRY-th is another. A link that nobody has measured counts as fast when the
 * peer is near, and as PAYS_FAR when it is in the public internet: results that end before
 * anything could be measured are most of all. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"

#define PAYS_WORTH     2u
#define PAYS_RETRY     16u
#define PAYS_TRY_BELOW UINT64_C(250000000) /* bytes a second */
#define PAYS_FAR       UINT64_C(20000000)

/* [host] zstd */
enum pays_mode { PAYS_AUTO = 0, PAYS_NEVER, PAYS_ALWAYS, _PAYS_N };
extern const char *const pays_mode_names[]; /* NULL-terminated */

/* How fast a link takes what it is given, in bytes a second of what really travels.
 * Embedded; all zero: nothing known. */
struct link_rate {
        uint64_t rate;  /* 0: not known */
        nsec_t since;   /* it has been waited for since then; 0: it is not */
        uint64_t moved; /* bytes since then */
};
/* Somebody waits for the link from now on (or goes on waiting). */
void link_rate_wait(struct link_rate *l, nsec_t now);
void link_rate_moved(struct link_rate *l, uint64_t bytes, nsec_t now);
void link_rate_rest(struct link_rate *l); /* nobody waits: what comes later says nothing */

/* What to reckon with: 0: do not pack. is_far: the peer is in the public internet. */
uint64_t pays_link(enum pays_mode mode, uint64_t measured, bool is_far);

/* Who packs: what the latest tries gave. Embedded; all zero at first. */
struct pays {
        uint64_t plain, packed; /* bytes; halved as they grow, so that the latest count most */
        nsec_t spent;
        unsigned skipped; /* since the last try */
};
/* To be asked once for each piece. */
bool pays(struct pays *p, uint64_t link);
/* packed: plain when it could not be made shorter. */
void pays_tried(struct pays *p, size_t plain, size_t packed, nsec_t spent);
