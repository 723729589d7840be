/* Peers that stay connected: tagged by services, or pinned by configuration. */

#include <stdio.h>

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
                if (o->code != TRANSPORT_E_BACKING_OFF || !pin->why[0]) /* that is no cause */
                        (void) snprintf(pin->why, sizeof(pin->why), "%s", o->text);
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

static const struct pin *look_at_pin(const struct transport *t, const struct multiaddr *addr) {
        for (size_t i = 0; i < t->n_pins; i++)
                if (multiaddr_equal(&t->pins[i].addr, addr))
                        return &t->pins[i];
        return NULL;
}

static struct pin *find_pin(struct transport *t, const struct multiaddr *addr) {
        return (struct pin *) look_at_pin(t, addr);
}

const char *transport_pin_why(const struct transport *t, const struct multiaddr *addr,
                              struct peer_id *ret) {
        const struct pin *pin = look_at_pin(t, addr);

        *ret = pin ? pin->peer : (struct peer_id){};
        return pin ? pin->why : "";
}

/* Pins stay at their place: openings and timers point to them. */
static struct pin *new_pin(struct transport *t) {
        static const struct multiaddr none;
        struct pin *pin = find_pin(t, &none);

        if (pin)
                return pin;
        return t->n_pins < PINS_MAX ? &t->pins[t->n_pins++] : NULL;
}

void transport_pin(struct transport *t, const struct multiaddr *addr, nsec_t now) {
        struct peer_id id;
        struct pin *pin;

        t->now = now;
        if (multiaddr_peer(addr, &id)) {
                pin_peer(t, &id, addr);
                return;
        }
        pin = find_pin(t, addr);
        if (pin && !peer_id_is_none(&pin->peer))
                pin_peer(t, &pin->peer, addr);
        if (pin)
                return;
        pin = new_pin(t);
        if (!pin)
                return;
        *pin = (struct pin){ .addr = *addr, .transport = t };
        timer_init(&pin->timer, on_due);
        timer_set(t, &pin->timer, now);
}

static void unpin_peer(struct transport *t, const struct peer_id *id,
                       const struct multiaddr *addr) {
        struct acquaintance *a = acquaintance_of(t, id);
        struct peer *peer = peers_find(t->peers, id);

        if (!peer)
                return;
        peer->pinned = false;
        peer_unpin_address(peer, addr);
        if (!a)
                return;
        a->is_pinned = false;
        acquaintance_tend(t, a);
        acquaintance_drop(t, a);
}

void transport_unpin(struct transport *t, const struct multiaddr *addr, nsec_t now) {
        struct pin *pin = find_pin(t, addr);
        struct peer_id id;

        t->now = now;
        if (multiaddr_peer(addr, &id))
                unpin_peer(t, &id, addr);
        if (!pin)
                return;
        timer_stop(t, &pin->timer);
        if (pin->opening)
                transport_cancel(t, pin->opening);
        if (!peer_id_is_none(&pin->peer))
                unpin_peer(t, &pin->peer, addr);
        *pin = (struct pin){};
}
