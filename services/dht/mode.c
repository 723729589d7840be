#include "services/dht/mode.h"

#include <string.h>

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

void mode_own(struct mode *m, const struct endpoint *own, size_t n) {
        m->own = own;
        m->n_own = n;
}

static enum mode_place where(const struct mode *m, const struct endpoint *e) {
        if (!subnet_is_local(e))
                return MODE_PUBLIC;
        for (size_t i = 0; i < m->n_own; i++)
                if (m->own[i].family == e->family && memcmp(m->own[i].addr, e->addr, 16) == 0)
                        return MODE_HERE;
        return endpoint_scope(e) == SCOPE_LOOPBACK ? MODE_HERE : MODE_LOCAL;
}

void mode_peer(struct mode *m, const struct endpoint *e, bool is_inbound, nsec_t now) {
        struct subnet subnet = subnet_exact(e);
        size_t at = place_of(m, &subnet);
        enum mode_place place = where(m, e);

        if (e->family == ENDPOINT_NONE)
                return;
        m->heard[place] = nsec_max(now, 1);
        if (!is_inbound || place == MODE_HERE)
                return; /* our own machine reaches us whatever stands around it */
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

static bool is_known(const struct mode *m, enum mode_place place, nsec_t now) {
        return m->heard[place] && is_recent(m->heard[place], now);
}

bool mode_is_server(const struct mode *m, nsec_t now, const char **ret_reason) {
        bool is_local = !is_known(m, MODE_PUBLIC, now);
        unsigned n = recent_diallers(m, now);

        if (m->configured != DHT_MODE_AUTO) {
                *ret_reason = "configured";
                return m->configured == DHT_MODE_SERVER;
        }
        if (n >= 2) {
                *ret_reason = "peers of two subnets dialled us within the last hour";
                return true;
        }
        if (is_local && n > 0) {
                *ret_reason = "a peer dialled us within the last hour, and all known are local";
                return true;
        }
        if (is_local && !is_known(m, MODE_LOCAL, now) && is_known(m, MODE_HERE, now)) {
                *ret_reason = "all known peers are on this machine";
                return true;
        }
        *ret_reason = n ? "only peers of one subnet dialled us within the last hour"
                        : "nobody dialled us within the last hour";
        return false;
}
