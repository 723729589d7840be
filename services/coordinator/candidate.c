#include "services/coordinator/candidate.h"

#include "common/base/memory.h"
#include "common/crypto/hash.h"

const char *candidate_origin_name(enum candidate_origin o) {
        static const char *const names[_ORIGIN_N] = {
                [ORIGIN_PINNED] = "pinned",
                [ORIGIN_GOSSIP] = "gossip",
                [ORIGIN_DHT] = "dht",
                [ORIGIN_HISTORY] = "history",
                [ORIGIN_CONNECTED] = "connected",
        };

        return o < _ORIGIN_N ? names[o] : "";
}

uint64_t candidate_claim(struct bytes text) {
        struct hash_value h = hash_of("quorate.claim.1", text);

        return load_be64(h.bytes) | 1;
}

bool candidate_admits(const struct candidate *c, uint32_t data_class) {
        return !c->claims.is_known || (c->claims.data_classes >> data_class & 1);
}

bool candidate_may_run(const struct candidate *c, const char *const *engines, size_t n_engines,
                       uint32_t data_class) {
        const struct candidate_claims *claims = &c->claims;

        if (!claims->is_known)
                return true;
        if (!candidate_admits(c, data_class))
                return false;
        for (size_t i = 0; i < n_engines; i++)
                for (size_t k = 0; k < claims->n_engines; k++)
                        if (strcmp(claims->engines[k], engines[i]) == 0)
                                return true;
        return false;
}

struct candidate *candidate_find(struct candidate *list, size_t n, const struct peer_id *peer) {
        for (size_t i = 0; i < n; i++)
                if (peer_id_equal(&list[i].peer, peer))
                        return &list[i];
        return NULL;
}
