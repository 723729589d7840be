#include "services/gossip/config.h"

#define INT(...)      CONFIG_INT(gossip_options, __VA_ARGS__)
#define SIZE(...)     CONFIG_SIZE(gossip_options, __VA_ARGS__)
#define DURATION(...) CONFIG_DURATION(gossip_options, __VA_ARGS__)
#define STRING(...)   CONFIG_STRING(gossip_options, __VA_ARGS__)

#define KIB           (UINT64_C(1) << 10)

const struct config_key gossip_config_keys[] = {
        STRING(name, "name", "", "how people see this node; at most 64 bytes"),
        INT(pow_bits, "work", "16", 0, 64, "proof of work of peers in meshes and lists"),
        INT(peers_max, "peers", "1024", 1, 65536, "peers in the router"),
        INT(offers_max, "records", "8192", 16, 1000000, "records of others kept"),
        SIZE(queue_size, "queue-size", "1M", 64 * KIB, 64 * 1024 * KIB, "waiting for one peer"),
        DURATION(keyring_wait, "keyring-wait", "30s", 0, 3600 * NSEC_PER_SEC,
                 "how long to wait for keyring at start"),
        NETWORK_ROWS(gossip_options, network),
        {},
};

void gossip_options_apply(const struct gossip_options *o, const struct network *n,
                          struct gossip_config *ret) {
        gossip_config_default(ret);
        ret->network = network_on_wire(n);
        ret->is_private = n->mode == NETWORK_PRIVATE;
        ret->pow_bits = ret->is_private ? 0 : (unsigned) o->pow_bits;
        ret->offers_max = o->offers_max;
        ret->pubsub.peers_max = (unsigned) o->peers_max;
        ret->pubsub.queue_bytes_max = o->queue_size;
}
