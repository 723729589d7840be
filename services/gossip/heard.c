#include "services/gossip/core.h"

/* Records of others, by whatever way they came. */

bool gossip_may_dial(const struct gossip *g, const struct multiaddr *a) {
        enum endpoint_scope scope = multiaddr_scope(a), nearest = SCOPE_PUBLIC;

        if (scope == SCOPE_PUBLIC || scope == SCOPE_UNUSABLE)
                return scope == SCOPE_PUBLIC;
        if (g->config.is_private)
                return true;
        /* A node without a public address is on such a network itself. */
        for (size_t i = 0; i < g->n_own; i++) {
                if (multiaddr_scope(&g->own[i]) == SCOPE_PUBLIC)
                        return false;
                nearest = multiaddr_scope(&g->own[i]) < nearest ? multiaddr_scope(&g->own[i])
                                                                : nearest;
        }
        return scope >= nearest && nearest >= SCOPE_LOOPBACK;
}

size_t gossip_dialable(const struct gossip *g, const struct multiaddr *list, size_t n,
                       struct multiaddr *ret, size_t max) {
        size_t n_ret = 0;

        for (size_t i = 0; i < n && n_ret < max; i++)
                if (gossip_may_dial(g, &list[i]))
                        ret[n_ret++] = list[i];
        return n_ret;
}

size_t gossip_addresses_of(const struct gossip *g, const struct capability *c,
                           struct multiaddr *ret, size_t max) {
        struct multiaddr list[CAPABILITY_ADDRESSES_MAX];
        size_t n = 0;

        for (size_t i = 0; i < c->n_addresses; i++)
                n += multiaddr_parse(c->addresses[i], &list[n]) == MULTIADDR_OK;
        return gossip_dialable(g, list, n, ret, max);
}

static bool has_work(const struct gossip *g, const struct capability *c) {
        struct sign_public key;

        return g->config.pow_bits == 0 ||
               (peer_id_ed25519(&c->peer, &key) && identity_work(&key) >= g->config.pow_bits);
}

/* What costs nothing is looked at first: age, network, proof of work. */
bool gossip_take_record(struct gossip *g, struct bytes record, nsec_t now, struct capability *ret) {
        CLEANUP(capability_donep) struct capability c = {};
        uint64_t wall = gossip_wall(g, now);
        int r;

        if (capability_read(record, &c) || !has_work(g, &c)) {
                g_count(g, GOSSIP_BAD_RECORDS);
                return false;
        }
        r = offers_would(g->offers, &c, now, wall);
        if (r == OFFERS_E_CLOCK || r == OFFERS_E_NETWORK || r == OFFERS_E_DENIED) {
                g_count(g, GOSSIP_OFFERS_REFUSED);
                return false;
        }
        if ((r == OFFERS_E_OLD || r == OFFERS_E_RATE) && !ret)
                return true;
        if (!capability_verify(&c, g->verify, g->verify_userdata)) {
                g_count(g, GOSSIP_BAD_RECORDS);
                return false;
        }
        g_count(g, GOSSIP_OFFERS_HEARD);
        if (ret) {
                *ret = c; /* views into the same bytes: another reference of them */
                refbuf_ref(ret->raw);
        }
        if (!peer_id_equal(&c.peer, &g->self))
                (void) offers_add(g->offers, &c, now, wall);
        return true;
}
