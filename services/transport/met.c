#include "services/transport/met.h"

#include <string.h>

bool met_is_kept(const struct multiaddr *addr) {
        struct peer_id peer;

        return !multiaddr_has(addr, MULTIADDR_DNSADDR) && !multiaddr_peer(addr, &peer);
}

struct met_entry *met_find(struct met *m, const struct multiaddr *addr) {
        for (size_t i = 0; i < m->n; i++)
                if (multiaddr_equal(&m->entries[i].addr, addr))
                        return &m->entries[i];
        return NULL;
}

bool met_learn(struct met *m, const struct multiaddr *addr, const struct peer_id *peer) {
        if (!met_is_kept(addr) || peer_id_is_none(peer) || met_find(m, addr))
                return false;
        if (m->n == MET_MAX)
                memmove(&m->entries[0], &m->entries[1], --m->n * sizeof(m->entries[0]));
        m->entries[m->n++] = (struct met_entry){ .addr = *addr, .peer = *peer };
        return true;
}
