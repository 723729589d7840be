#include "services/dht/config.h"

#include "common/daemon/config_rows.h"

#define INT(...)      CONFIG_INT(dht_options, __VA_ARGS__)
#define SIZE(...)     CONFIG_SIZE(dht_options, __VA_ARGS__)
#define DURATION(...) CONFIG_DURATION(dht_options, __VA_ARGS__)
#define BOOL(...)     CONFIG_BOOL(dht_options, __VA_ARGS__)
#define ENUM(...)     CONFIG_ENUM(dht_options, __VA_ARGS__)
#define PLACES(...)   CONFIG_LIST_OF(dht_options, __VA_ARGS__)

#define MIB           (UINT64_C(1) << 20)

static const char *const modes[] = { "auto", "server", "client", NULL };

const struct config_key dht_config_keys[] = {
        PLACES(bootstrap, "bootstrap", config_is_place,
               "where to begin: a multiaddr, peerid@host:port, or host:port, which stands for "
               "whoever is there the first time"),
        PLACES(meet, "meet", config_is_place,
               "nodes of the public DHT at which the members of a network with a secret find each "
               "other; as bootstrap"),
        ENUM(mode, "mode", "auto", modes, "whether this node answers others"),
        BOOL(passive, "passive", "no", "learn and ask only when asked to"),
        BOOL(mdns, "mdns", "yes", "find and be found on the local network"),
        INT(work, "work", "16", 0, 64, "proof of work of peers in the table"),
        INT(records, "records", "100000", 0, 100000000, "kept for others"),
        SIZE(store_size, "store-size", "128M", MIB, 1024 * 1024 * MIB, "of records for others"),
        DURATION(keyring_wait, "keyring-wait", "30s", 0, 3600 * NSEC_PER_SEC,
                 "how long to wait for keyring at start"),
        NETWORK_ROWS(dht_options, network),
        {},
};

void dht_options_apply(const struct dht_options *o, const struct network *n, struct dht_config *ret,
                       struct store_limits *ret_limits) {
        dht_config_default(ret);
        ret->mode = (enum dht_mode) o->mode;
        ret->is_passive = o->passive;
        ret->is_private = n->mode == NETWORK_PRIVATE;
        ret->pow_bits = ret->is_private ? 0 : (unsigned) o->work;
        ret->records_max = o->records;
        ret->bytes_max = o->store_size;
        *ret_limits = (struct store_limits){ o->records, o->store_size, o->records };
}

/* A name without a peer id is a peer to be met: whoever answers there. */
bool dht_options_contact(const struct config_list *rows, size_t i, struct contact *ret) {
        struct peer_id peer = {};
        struct multiaddr a;

        if (i >= rows->n_items || multiaddr_from_config(BYTES_STR(rows->items[i]), &a))
                return false;
        if (multiaddr_peer(&a, &peer))
                multiaddr_strip_peer(&a);
        contact_init(ret, &peer, &a, 1);
        return true;
}
