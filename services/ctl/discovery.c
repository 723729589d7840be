#include "services/ctl/discovery.h"

#include "common/base/memory.h"

#define GRACE     NSEC_PER_SEC /* between the end of the work and its answer */

#define DHT_HELP  "see `quorate record --help`, which lists names and kinds"
#define DHT_USAGE (UINT32_C(1) << 6 | UINT32_C(1) << 8) /* BAD_KEY, INVALID */

/* By enum dht_code, proto/dht.proto. */
static const char *const dht_remedies[] = {
        [1] = "look again when more peers are known (`quorate peers`)",
        [4] = "give more with --timeout",
        [6] = DHT_HELP,
        [7] = "look with `quorate doctor`",
        [8] = DHT_HELP,
};
static const char *const withdraw_remedies[] = {
        [1] = "`quorate record list` lists what it publishes",
        [6] = DHT_HELP,
};
static const char *const gossip_remedies[] = {
        [1] = "`quorate peers -v` lists them",
};

#define DHT(name_, service_)                                                            \
        {                                                                               \
                .capability = (name_), .service = (service_), .remedies = dht_remedies, \
                .n_remedies = ELEMENTSOF(dht_remedies), .usage = DHT_USAGE              \
        }
#define GOSSIP(name_, service_)                                                            \
        {                                                                                  \
                .capability = (name_), .service = (service_), .remedies = gossip_remedies, \
                .n_remedies = ELEMENTSOF(gossip_remedies)                                  \
        }

const struct call_target discovery_links = { .capability = "transport/peers",
                                             .service = &transport__peers__descriptor };
const struct call_target discovery_lookup = DHT("dht/lookup", &dht__lookup__descriptor);
const struct call_target discovery_records = DHT("dht/records", &dht__records__descriptor);
const struct call_target discovery_withdraw = { .capability = "dht/records",
                                                .service = &dht__records__descriptor,
                                                .remedies = withdraw_remedies,
                                                .n_remedies = ELEMENTSOF(withdraw_remedies),
                                                .usage = DHT_USAGE };
const struct call_target discovery_candidates =
        GOSSIP("gossip/candidates", &gossip__candidates__descriptor);
const struct call_target discovery_reputation =
        GOSSIP("gossip/reputation", &gossip__reputation__descriptor);

struct call_target discovery_within(const struct call_target *target, nsec_t timeout) {
        struct call_target t = *target;

        t.timeout = nsec_add(timeout, GRACE);
        return t;
}

uint32_t discovery_ms(nsec_t timeout) {
        uint64_t ms = timeout / NSEC_PER_MSEC;

        return ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX;
}
