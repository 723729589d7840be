#pragma once

/* Keys of dht: sections [dht] and [network]. */

#include "common/base/nsec.h"
#include "common/daemon/config.h"
#include "common/daemon/network.h"
#include "services/dht/dht.h"
#include "services/dht/store_memory.h"

struct dht_options {
        struct config_list bootstrap, meet;
        int mode; /* enum dht_mode */
        bool passive, mdns;
        uint64_t work, records, store_size;
        nsec_t keyring_wait;
        struct network_settings network;
};
extern const struct config_key dht_config_keys[];

void dht_options_apply(const struct dht_options *o, const struct network *n, struct dht_config *ret,
                       struct store_limits *ret_limits);
/* Row i of bootstrap or meet as a contact, whose peer may be none. False: past the end. */
bool dht_options_contact(const struct config_list *rows, size_t i, struct contact *ret);
