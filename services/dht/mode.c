#include "services/dht/mode.h"

void mode_init(struct mode *m, enum dht_mode configured) {
        *m = (struct mode){ .configured = configured };
}

static size_t place_of(const struct mode *m, const struct subnet *subnet) {
        size_t oldest = 0;

        for (size_t i = 0; i < m->n_diallers; i++) {
                if (subnet_equal(&m->diallers[i].subnet, subnet))
                        return i;
                if (m->diallers[i].when < m->diallers[oldest].when)
                        oldest = i;
        }
        return m->n_diallers < MODE_DIALLERS ? m->n_diallers : oldest;
}

void mode_peer(struct mode *m, const struct endpoint *e, bool is_inbound, nsec_t now) {
        struct subnet subnet = subnet_exact(e);
        size_t at = place_of(m, &subnet);

        if (e->family == ENDPOINT_NONE)
                return;
        if (!subnet_is_local(e))
                m->public_peer = nsec_max(now, 1);
        else
                m->local_peer = nsec_max(now, 1);
        if (!is_inbound)
                return;
        m->diallers[at].subnet = subnet;
        m->diallers[at].when = now;
        if (at == m->n_diallers)
                m->n_diallers++;
}

static bool is_recent(nsec_t when, nsec_t now) {
        return nsec_sub(now, when) < MODE_WITHIN;
}

static unsigned recent_diallers(const struct mode *m, nsec_t now) {
        unsigned n = 0;

        for (size_t i = 0; i < m->n_diallers; i++)
                n += is_recent(m->diallers[i].when, now);
        return n;
}

bool mode_is_server(const struct mode *m, nsec_t now, const char **ret_reason) {
        bool is_local = m->local_peer && is_recent(m->local_peer, now) &&
                        (m->public_peer == 0 || !is_recent(m->public_peer, now));
        unsigned n = recent_diallers(m, now);

        if (m->configured != DHT_MODE_AUTO) {
                *ret_reason = "configured";
                return m->configured == DHT_MODE_SERVER;
        }
        if (n >= 2) {
                *ret_reason = "peers of two subnets dialled us within the last hour";
                return true;
        }
        if (is_local) {
                *ret_reason = "all known peers are local";
                return true;
        }
        *ret_reason = n ? "only peers of one subnet dialled us within the last hour"
                        : "nobody dialled us within the last hour";
        return false;
}
