#pragma once

/* Own records that an earlier key of this node published. Its rotation to the key of now lies among
 * them: then names and topics are signed anew and go on; without one this is another node on the
 * same disk, and nothing does. Endpoint and profile of the old key end in both cases. */

#include "services/dht/keeper.h"

struct inherited {
        size_t n_carried;    /* being signed and published under the key of now */
        size_t n_dropped;    /* of no use any more; copies elsewhere expire by themselves */
        struct peer_id from; /* whose; none: nothing was found */
        bool is_predecessor; /* its rotation says so */
};
/* A few at a time: call it again while n_carried + n_dropped is not 0. */
void keeper_inherit(struct keeper *k, struct inherited *ret, nsec_t now);
