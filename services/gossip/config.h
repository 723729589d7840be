#pragma once

/* Keys of gossip: section [gossip] and what all services share. */

#include "common/base/nsec.h"
#include "common/daemon/config.h"
#include "services/gossip/gossip.h"

struct gossip_options {
        char *network, *name;
        uint64_t pow_bits, peers_max, offers_max, queue_size;
        nsec_t keyring_wait;
};
extern const struct config_key gossip_config_keys[];
void gossip_options_apply(const struct gossip_options *o, struct gossip_config *ret);
