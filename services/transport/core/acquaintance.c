#include "common/base/error.h"
#include "services/transport/core/manager.h"

void timer_init(struct timer *timer, void (*fire)(struct transport *t, struct timer *timer)) {
        *timer = (struct timer){ .fire = fire };
}

void timer_set(struct transport *t, struct timer *timer, nsec_t when) {
        heap_set(&t->timers, &timer->entry, when);
}

void timer_stop(struct transport *t, struct timer *timer) {
        heap_remove(&t->timers, &timer->entry);
}

struct acquaintance *acquaintance_of(const struct transport *t, const struct peer_id *id) {
        const struct peer *peer = peers_find(t->peers, id);

        return peer ? peer->manager : NULL;
}

static void on_redial(struct transport *t, struct timer *timer) {
        connecting_redial(t, container_of(timer, struct acquaintance, redial));
}

struct acquaintance *acquaintance_get(struct transport *t, const struct peer_id *id) {
        struct peer *peer = peers_get(t->peers, id);
        struct acquaintance *a;

        if (!peer || peer->manager)
                return peer ? peer->manager : NULL;
        a = xnew(struct acquaintance);
        a->peer = peer;
        list_init(&a->contacts);
        list_init(&a->openings);
        timer_init(&a->redial, on_redial);
        rate_init(&a->hearings, HEARINGS_BURST, HEARINGS_RATE);
        peer->manager = a;
        peer_hold(peer);
        return a;
}

void acquaintance_drop(struct transport *t, struct acquaintance *a) {
        if (!list_is_empty(&a->contacts) || a->n_openings > 0 || acquaintance_is_kept(a))
                return;
        timer_stop(t, &a->redial);
        a->peer->manager = NULL;
        peer_release(a->peer);
        free(a);
}

bool acquaintance_is_kept(const struct acquaintance *a) {
        return a->n_keeps > 0 || a->is_pinned;
}

/* Both sides prefer the same one of two simultaneous dials: that of the smaller id. */
static bool dialled_by_smaller(const struct transport *t, const struct contact *c) {
        struct peer_id self = peer_id_from_ed25519(&t->config.key);
        bool self_is_smaller = peer_id_compare(&self, &c->acquaintance->peer->id) < 0;

        return connection_is_inbound(c->connection) != self_is_smaller;
}

static bool is_usable(const struct contact *c) {
        return !c->is_unwanted && connection_state(c->connection) == CONNECTION_CONFIRMED;
}

/* Of two that the same side dialled the newer one counts: nobody dials a peer he has, so that
 * the peer forgot the older one. After a crash only this tells: a client's first connection id
 * has no reset token (RFC 9000 18.2), and what it dialled looks alive until the idle timeout. */
static bool is_better(const struct transport *t, const struct contact *newer,
                      const struct contact *older) {
        return dialled_by_smaller(t, newer) || !dialled_by_smaller(t, older);
}

struct contact *acquaintance_best(const struct transport *t, const struct acquaintance *a) {
        struct contact *best = NULL;

        LIST_FOREACH (link, &a->contacts) {
                struct contact *c = LIST_ENTRY(link, struct contact, in_acquaintance);

                if (!is_usable(c))
                        continue;
                if (!best || is_better(t, c, best))
                        best = c;
        }
        return best;
}

/* The newest stays: after a crash only its peer knows it. */
void acquaintance_trim(struct acquaintance *a) {
        struct contact *oldest = NULL;
        size_t n = 0;

        LIST_FOREACH (link, &a->contacts) {
                struct contact *c = LIST_ENTRY(link, struct contact, in_acquaintance);

                if (!is_usable(c))
                        continue;
                n++;
                if (!oldest && connection_is_inbound(c->connection))
                        oldest = c;
        }
        if (n <= CONTACTS_PER_PEER || !oldest)
                return;
        oldest->is_unwanted = true;
        oldest->transport->stats.contacts_trimmed++;
        connection_close(oldest->connection, 0);
}

void acquaintance_tend(struct transport *t, struct acquaintance *a) {
        struct contact *best = acquaintance_is_kept(a) ? acquaintance_best(t, a) : NULL;
        struct connection *wanted = best ? best->connection : NULL;

        if (a->needed == wanted)
                return;
        if (a->needed)
                connection_unneed(a->needed);
        if (wanted)
                connection_need(wanted);
        a->needed = wanted;
}

uint32_t *acquaintance_inbound(struct acquaintance *a, uint64_t protocol) {
        struct inbound_count *empty = NULL;

        for (size_t i = 0; i < INBOUND_KINDS_MAX; i++) {
                struct inbound_count *c = &a->inbound[i];

                if (c->protocol == protocol)
                        return &c->n;
                if (!empty && c->n == 0)
                        empty = c;
        }
        if (!empty)
                return NULL;
        empty->protocol = protocol;
        return &empty->n;
}
