/* Peers that stay connected: tagged by services, or pinned by configuration. */

#include "common/base/error.h"
#include "services/transport/core/manager.h"

bool transport_keep(struct transport *t, const struct peer_id *peer) {
        struct acquaintance *a = acquaintance_get(t, peer);

        if (!a)
                return false;
        a->n_keeps++;
        acquaintance_tend(t, a);
        if (list_is_empty(&a->contacts))
                connecting_schedule(t, &a->redial, 0);
        return true;
}

void transport_unkeep(struct transport *t, const struct peer_id *peer) {
        struct acquaintance *a = acquaintance_of(t, peer);

        if (!a || a->n_keeps == 0)
                return;
        a->n_keeps--;
        acquaintance_tend(t, a);
        acquaintance_drop(t, a);
}

static void pin_peer(struct transport *t, const struct peer_id *id, const struct multiaddr *addr) {
        struct acquaintance *a = acquaintance_get(t, id);

        if (!a)
                return;
        a->is_pinned = true;
        a->peer->pinned = true;
        peer_add_address(a->peer, addr, ADDRESS_PINNED);
        acquaintance_tend(t, a);
        if (list_is_empty(&a->contacts))
                connecting_schedule(t, &a->redial, a->n_failures);
}

/* From now on that peer is what is pinned, with this address. */
static void on_opened(void *userdata, const struct transport_opened *o) {
        struct pin *pin = userdata;

        pin->opening = 0;
        if (o->code == TRANSPORT_OK) {
                pin->peer = o->peer;
                pin_peer(pin->transport, &o->peer, &pin->addr);
        } else {
                connecting_schedule(pin->transport, &pin->timer, ++pin->n_failures);
        }
}

static void on_due(struct transport *t, struct timer *timer) {
        struct pin *pin = container_of(timer, struct pin, timer);
        struct transport_open request = {
                .addrs = &pin->addr,
                .n_addrs = 1,
                .fn = on_opened,
                .userdata = pin,
        };

        pin->opening = transport_open(t, &request, t->now);
}

void transport_pin(struct transport *t, const struct multiaddr *addr, nsec_t now) {
        struct peer_id id;
        struct pin *pin;

        t->now = now;
        if (multiaddr_peer(addr, &id)) {
                pin_peer(t, &id, addr);
                return;
        }
        if (t->n_pins == PINS_MAX)
                return;
        pin = &t->pins[t->n_pins++];
        *pin = (struct pin){ .addr = *addr, .transport = t };
        timer_init(&pin->timer, on_due);
        timer_set(t, &pin->timer, now);
}
