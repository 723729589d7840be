#pragma once

/* Keys of gossip: sections [gossip] and [network]. */

#include "common/base/nsec.h"
#include "common/daemon/config.h"
#include "common/daemon/network.h"
#include "services/gossip/gossip.h"

struct gossip_options {
        char *name;
        uint64_t pow_bits, peers_max, offers_max, queue_size;
        nsec_t keyring_wait;
        struct network_settings network;
};
extern const struct config_key gossip_config_keys[];
void gossip_options_apply(const struct gossip_options *o, const struct network *n,
                          struct gossip_config *ret);
