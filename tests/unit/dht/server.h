#pragma once

/* A whole DHT server with its records, which anybody may ask: person 1, alone. */

#include "services/dht/keeper.h"
#include "tests/unit/dht/records.h"

/* On what is stored already. Freed with dht_free(), then keeper_free(). */
static inline struct dht *server_start(const struct store *store, nsec_t now,
                                       struct keeper **ret_keeper) {
        struct person self = person_no(1);
        struct keeper_config keeper;
        struct dht_config config;
        struct dht *d;

        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        keeper_config_default(&keeper);
        d = dht_new(&config, &self.peer, store, 7);
        *ret_keeper = keeper_new(&keeper, d, &self.peer, 8);
        keeper_region(*ret_keeper, 1);
        dht_clock(d, now, NOW);
        dht_start(d, now);
        dht_expire(d, now);
        return d;
}
