#include "services/ctl/discovery.h"

#include "common/base/memory.h"

#define GRACE (5 * NSEC_PER_SEC)

/* By enum dht_code, proto/dht.proto. */
static const char *const dht_answers[] = {
        [1] = "not found; look again when more peers are known (`quorate peers`)",
        [2] = "no peers to ask; add one with `bootstrap =` in the configuration",
        [3] = "refused",
        [4] = "timed out; give more with --timeout",
        [5] = "too many lookups at once; run it again",
        [6] = "not a name of a record; see `quorate record --help`",
        [7] = "keyring did not sign; look with `quorate doctor`",
};
/* Of proto/gossip.proto: its texts say what to do. */
static const char *const gossip_answers[] = {
        [1] = "refused",
        [2] = "no room",
        [3] = "refused",
        [4] = "refused",
};

#define DHT(name, service)                                                      \
        {                                                                       \
                .capability = (name), .service = (service),                     \
                .answers = dht_answers, .n_answers = ELEMENTSOF(dht_answers)    \
        }
#define GOSSIP(name, service)                                                      \
        {                                                                          \
                .capability = (name), .service = (service),                        \
                .answers = gossip_answers, .n_answers = ELEMENTSOF(gossip_answers) \
        }

const struct call_target discovery_lookup = DHT("dht/lookup", &dht__lookup__descriptor);
const struct call_target discovery_records = DHT("dht/records", &dht__records__descriptor);
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
