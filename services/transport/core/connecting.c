/* Dialling and connections: from an address to a peer that new streams can be
 * opened to, and back when the connection is gone. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "services/transport/core/manager.h"

#define REDIAL_TIMEOUT (10 * NSEC_PER_SEC)

/* ---- requests ---- */

static bool has_link(const struct transport *t, uint8_t family) {
        for (size_t i = 0; i < t->n_links; i++)
                if (t->links[i].local.family == family)
                        return true;
        return false;
}

static bool only_loopback(const struct transport *t) {
        for (size_t i = 0; i < t->n_addrs; i++)
                if (multiaddr_scope(&t->addrs[i]) != SCOPE_LOOPBACK)
                        return false;
        return true;
}

static bool only_public(const struct transport *t) {
        for (size_t i = 0; i < t->n_addrs; i++)
                if (multiaddr_scope(&t->addrs[i]) != SCOPE_PUBLIC)
                        return false;
        return t->n_addrs > 0;
}

static bool is_trusted(unsigned sources) {
        return sources == 0 ||
               (sources & (ADDRESS_CALLER | ADDRESS_CACHED | ADDRESS_WORKED | ADDRESS_PINNED));
}

/* What a peer says of itself must not make us knock at our own doors, or at those of our
 * network. sources 0: nobody the peer could have told. */
static bool is_scope_welcome(const struct transport *t, enum endpoint_scope scope,
                             unsigned sources) {
        if (scope == SCOPE_UNUSABLE || scope == SCOPE_PUBLIC)
                return scope == SCOPE_PUBLIC;
        if (scope != SCOPE_LOOPBACK)
                return is_trusted(sources) || !only_public(t);
        if (t->config.loopback != LOOPBACK_AUTO)
                return t->config.loopback == LOOPBACK_ALWAYS;
        return is_trusted(sources) || only_loopback(t);
}

bool transport_may_dial(const struct transport *t, const struct peer_address *a) {
        enum endpoint_family family;
        struct endpoint to;
        struct bytes name;
        uint16_t port;

        if (multiaddr_name(&a->addr, &name, &port, &family))
                return true;
        if (multiaddr_dnsaddr(&a->addr, &name)) /* many look-ups: not for whom we do not know */
                return is_trusted(a->sources);
        if (!multiaddr_is_dialable_quic(&a->addr) || !multiaddr_endpoint(&a->addr, &to) ||
            !has_link(t, to.family))
                return false;
        return is_scope_welcome(t, multiaddr_scope(&a->addr), a->sources);
}

static unsigned sources_of(const struct transport *t, const struct peer_id *id,
                           const struct multiaddr *name) {
        const struct peer *peer = peers_find(t->peers, id);

        for (size_t i = 0; peer && i < peer->n_addrs; i++)
                if (multiaddr_equal(&peer->addrs[i].addr, name))
                        return peer->addrs[i].sources;
        return 0;
}

/* A name may lead anywhere: its addresses are judged like those that were told outright. */
void transport_resolved(struct transport *t, uint64_t attempt, const struct endpoint *found,
                        size_t n, nsec_t now) {
        struct endpoint welcome[DIAL_NAME_RESULTS];
        struct multiaddr name;
        size_t n_welcome = 0;
        struct peer_id peer;
        unsigned sources;

        t->now = now;
        if (!dialer_asked(t->dialer, attempt, &peer, &name))
                return;
        sources = sources_of(t, &peer, &name);
        for (size_t i = 0; i < n && n_welcome < DIAL_NAME_RESULTS; i++)
                if (is_scope_welcome(t, endpoint_scope(&found[i]), sources))
                        welcome[n_welcome++] = found[i];
        dialer_resolved(t->dialer, attempt, welcome, n_welcome, now);
}

/* Best sources first; the order of equals stays. */
static size_t collect(const struct transport *t, const struct peer *peer,
                      struct multiaddr ret[PEER_ADDRS_MAX]) {
        const struct peer_address *sorted[PEER_ADDRS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < peer->n_addrs; i++) {
                size_t at = n;

                if (!transport_may_dial(t, &peer->addrs[i]))
                        continue;
                for (; at > 0 && sorted[at - 1]->sources < peer->addrs[i].sources; at--)
                        sorted[at] = sorted[at - 1];
                sorted[at] = &peer->addrs[i];
                n++;
        }
        for (size_t i = 0; i < n; i++)
                ret[i] = sorted[i]->addr;
        return n;
}

static int explain_refusal(int r, nsec_t pause, char text[TRANSPORT_TEXT_SIZE]) {
        char duration[32];

        if (r == DIAL_E_NO_ADDRESS) {
                (void) snprintf(text, TRANSPORT_TEXT_SIZE,
                                "no address known that could be dialled");
                return TRANSPORT_E_NO_ADDRESS;
        }
        if (r == DIAL_E_BUSY) {
                (void) snprintf(text, TRANSPORT_TEXT_SIZE, "too many dials under way here");
                return TRANSPORT_E_REFUSED;
        }
        pause -= pause % NSEC_PER_MSEC;
        (void) snprintf(text, TRANSPORT_TEXT_SIZE, "failed lately, not tried again for another %s",
                        text_format_duration(pause, duration));
        return TRANSPORT_E_BACKING_OFF;
}

int connecting_request(struct transport *t, const struct transport_open *o, uint64_t *ret_dial,
                       char text[TRANSPORT_TEXT_SIZE]) {
        CLEANUP(freep) struct multiaddr *addrs = xnew_n(struct multiaddr, PEER_ADDRS_MAX);
        const struct peer *peer = peers_find(t->peers, &o->peer);
        struct dial_request request = {
                .peer = o->peer,
                .addrs = peer ? addrs : o->addrs,
                .n_addrs = peer ? collect(t, peer, addrs) : o->n_addrs,
                .deadline = nsec_add(t->now, o->timeout),
                .force = o->force,
        };
        nsec_t retry = 0;
        int r;

        if (!peer_id_is_none(&o->peer) && !transport_allows(t, &o->peer)) {
                (void) snprintf(text, TRANSPORT_TEXT_SIZE,
                                "this node was told to have nothing to do with that peer");
                return TRANSPORT_E_REFUSED;
        }
        t->stats.dials++;
        r = dialer_request(t->dialer, &request, t->now, ret_dial, &retry);
        return r ? explain_refusal(r, nsec_sub(retry, t->now), text) : TRANSPORT_OK;
}

/* ---- kept peers ---- */

static nsec_t jittered(struct transport *t, unsigned n_failures) {
        nsec_t pause = PIN_PAUSE_MIN;

        for (unsigned i = 1; i < n_failures && pause < PIN_PAUSE_MAX; i++)
                pause *= 2;
        pause = nsec_min(pause, PIN_PAUSE_MAX);
        return pause / 2 + rng_below(&t->rng, pause / 2 + 1);
}

void connecting_schedule(struct transport *t, struct timer *timer, unsigned n_failures) {
        timer_set(t, timer, nsec_add(t->now, n_failures ? jittered(t, n_failures) : 0));
}

void connecting_redial(struct transport *t, struct acquaintance *a) {
        struct transport_open o = { .peer = a->peer->id, .timeout = REDIAL_TIMEOUT };
        char text[TRANSPORT_TEXT_SIZE];
        uint64_t dial;

        if (!acquaintance_is_kept(a) || !list_is_empty(&a->contacts) ||
            dialer_is_dialling(t->dialer, &a->peer->id))
                return;
        if (connecting_request(t, &o, &dial, text))
                connecting_schedule(t, &a->redial, ++a->n_failures);
}

/* ---- attempts ---- */

static void note_attempt(struct transport *t, const struct contact *c, struct peer *peer,
                         bool succeeded, const char *outcome) {
        struct peer_attempt attempt = {
                .began = c->began,
                .took = nsec_sub(t->now, c->began),
                .inbound = c->attempt == 0,
                .succeeded = succeeded,
                .addr = multiaddr_from_endpoint(&c->remote),
        };

        (void) snprintf(attempt.outcome, sizeof(attempt.outcome), "%.*s",
                        (int) sizeof(attempt.outcome) - 1, outcome);
        peer_attempted(peer, &attempt);
}

static const enum dial_outcome outcomes[] = {
        [CONNECTION_END_LOCAL] = DIAL_CANCELLED,      [CONNECTION_END_PEER] = DIAL_REFUSED,
        [CONNECTION_END_PEER_REFUSED] = DIAL_REFUSED, [CONNECTION_END_IDLE] = DIAL_NO_ANSWER,
        [CONNECTION_END_TIMEOUT] = DIAL_NO_ANSWER,    [CONNECTION_END_TLS] = DIAL_REFUSED,
        [CONNECTION_END_VERSION] = DIAL_REFUSED,      [CONNECTION_END_RESET] = DIAL_REFUSED,
        [CONNECTION_END_LIMIT] = DIAL_REFUSED,        [CONNECTION_END_PROTOCOL] = DIAL_REFUSED,
};

static enum dial_outcome outcome_of(const struct connection_end *end) {
        if (end->kind == CONNECTION_END_TLS && end->verdict == TLS_E_WRONG_PEER)
                return DIAL_WRONG_PEER;
        return outcomes[end->kind];
}

/* Our words, then the peer's, escaped. */
static void describe_end(const struct connection_end *end, char ret[PEER_OUTCOME_SIZE]) {
        char words[64];

        if (end->reason_len == 0) {
                (void) snprintf(ret, PEER_OUTCOME_SIZE, "%s", connection_end_text(end));
                return;
        }
        text_escape(BYTES(end->reason, end->reason_len), words, sizeof(words));
        (void) snprintf(ret, PEER_OUTCOME_SIZE, "%s (%s)", connection_end_text(end), words);
}

static struct contact *contact_new(struct transport *t, struct connection *connection) {
        struct contact *c = xnew(struct contact);

        c->transport = t;
        c->connection = connection;
        c->began = t->now;
        list_init(&c->in_acquaintance);
        list_init(&c->waiting);
        connection_set_userdata(connection, c);
        return c;
}

static const struct path *link_for(const struct transport *t, uint8_t family) {
        for (size_t i = 0; i < t->n_links; i++)
                if (t->links[i].local.family == family)
                        return &t->links[i];
        return NULL;
}

static void order_connect(struct transport *t, const struct dial_order *o) {
        const struct path *link = link_for(t, o->to.family);
        struct connection *connection;
        struct contact *c;
        struct path path;

        if (!link) {
                dialer_ended(t->dialer, o->attempt, DIAL_NO_ROUTE, "no socket of that family here",
                             t->now);
                return;
        }
        path = *link;
        path.remote = o->to;
        if (quic_dial(t->quic, &path, peer_id_is_none(&o->peer) ? NULL : &o->peer, t->now,
                      &connection)) {
                dialer_ended(t->dialer, o->attempt, DIAL_CANCELLED,
                             "not dialled: as many connections as configured", t->now);
                return;
        }
        c = contact_new(t, connection);
        c->attempt = o->attempt;
        c->dial = o->dial;
        c->remote = o->to;
}

static void order_resolve(struct transport *t, const struct dial_order *o) {
        t->events.resolve(t->userdata, o->attempt, &o->name);
}

/* The contact lives on until its connection is closed, but answers to nobody. */
static void order_cancel(struct transport *t, const struct dial_order *o) {
        struct connection *connection;
        size_t cursor = 0;

        while ((connection = quic_next_connection(t->quic, &cursor))) {
                struct contact *c = connection_userdata(connection);

                if (!c || c->attempt != o->attempt || c->is_confirmed)
                        continue;
                c->is_unwanted = true;
                connection_close(connection, 0);
                return;
        }
}

void connecting_run(struct transport *t) {
        static void (*const orders[])(struct transport * t, const struct dial_order *o) = {
                [DIAL_ORDER_CONNECT] = order_connect,
                [DIAL_ORDER_RESOLVE] = order_resolve,
                [DIAL_ORDER_CANCEL] = order_cancel,
        };
        struct dial_ending ending;
        struct dial_order order;

        while (dialer_order(t->dialer, t->now, &order))
                orders[order.kind](t, &order);
        while (dialer_finished(t->dialer, &ending))
                opening_on_ending(t, &ending);
}

/* ---- connections ---- */

static void announce(struct transport *t, struct acquaintance *a, bool connected) {
        if (a->is_announced == connected)
                return;
        a->is_announced = connected;
        if (t->events.on_peer)
                t->events.on_peer(t->userdata, a->peer, connected);
}

/* Another connection of a peer that has one, or one of several is gone, or moved. */
static void tell_moved(struct transport *t, const struct acquaintance *a) {
        if (a->is_announced && t->events.on_moved)
                t->events.on_moved(t->userdata, a->peer);
}

static void confirmed_outbound(struct transport *t, struct contact *c, struct peer *peer) {
        struct multiaddr addr = multiaddr_from_endpoint(&c->remote);

        peer_address_worked(peer, &addr, t->now);
        dialer_ended(t->dialer, c->attempt, DIAL_CONNECTED, "", t->now);
}

static void serve_waiting(struct transport *t, struct contact *c) {
        struct list *link;

        while ((link = list_pop_front(&c->acquaintance->openings)))
                opening_proceed(t, LIST_ENTRY(link, struct opening, link), c);
        if (c->dial)
                opening_claim(t, c);
}

static void admit(struct transport *t, struct contact *c, struct acquaintance *a) {
        struct connection_stats stats;

        c->acquaintance = a;
        c->is_confirmed = true;
        c->since = t->now;
        list_push_back(&a->contacts, &c->in_acquaintance);
        dialer_set_alive(t->dialer, ++t->n_contacts);
        a->n_failures = 0;
        timer_stop(t, &a->redial);
        connection_stats(c->connection, &stats);
        a->peer->rtt = stats.rtt;

        if (c->attempt)
                confirmed_outbound(t, c, a->peer);
        else
                dialer_satisfied(t->dialer, &a->peer->id);
        note_attempt(t, c, a->peer, true, "connected");
        acquaintance_trim(a);
        acquaintance_tend(t, a);
        tell_moved(t, a);
        announce(t, a, true);
        exchange_ask(t, c);
        serve_waiting(t, c);
}

void connecting_on_connected(void *userdata, struct connection *connection) {
        struct contact *c = connection_userdata(connection);
        struct transport *t = userdata;
        struct acquaintance *a;

        if (!c)
                c = contact_new(t, connection);
        c->remote = connection_path(connection).remote;
        a = acquaintance_get(t, connection_peer(connection));
        if (a) {
                admit(t, c, a);
                return;
        }
        c->is_unwanted = true;
        dialer_ended(t->dialer, c->attempt, DIAL_CANCELLED, "too many peers known here", t->now);
        connection_close(connection, 0);
}

static void attempt_failed(struct transport *t, struct contact *c,
                           const struct connection_end *end) {
        struct multiaddr addr = multiaddr_from_endpoint(&c->remote);
        const struct peer_id *id = connection_peer(c->connection);
        struct peer *peer = id ? peers_find(t->peers, id) : NULL;
        enum dial_outcome outcome = outcome_of(end);
        char text[PEER_OUTCOME_SIZE];

        if (!c->attempt)
                return;
        describe_end(end, text);
        if (peer)
                note_attempt(t, c, peer, false, c->is_unwanted ? "not needed any more" : text);
        if (peer && outcome == DIAL_WRONG_PEER)
                peer_drop_address(peer, &addr);
        t->stats.dial_failures += !c->is_unwanted;
        dialer_ended(t->dialer, c->attempt, outcome, text, t->now);
}

static void contact_lost(struct transport *t, struct contact *c, const struct connection_end *end) {
        struct acquaintance *a = c->acquaintance;
        char text[PEER_OUTCOME_SIZE], line[PEER_OUTCOME_SIZE + 16];

        describe_end(end, text);
        (void) snprintf(line, sizeof(line), "ended: %s", text);
        c->began = c->since;
        note_attempt(t, c, a->peer, false, line);

        list_remove(&c->in_acquaintance);
        dialer_set_alive(t->dialer, --t->n_contacts);
        if (a->needed == c->connection)
                a->needed = NULL;
        acquaintance_tend(t, a);
        opening_contact_gone(t, c, text);
        if (list_is_empty(&a->contacts)) {
                announce(t, a, false);
                if (acquaintance_is_kept(a))
                        connecting_schedule(t, &a->redial, 1);
        } else {
                tell_moved(t, a);
        }
        acquaintance_drop(t, a);
}

void connecting_on_closed(void *userdata, struct connection *connection,
                          const struct connection_end *end) {
        struct contact *c = connection_userdata(connection);
        struct transport *t = userdata;

        if (!c)
                return;
        if (c->is_confirmed)
                contact_lost(t, c, end);
        else
                attempt_failed(t, c, end);
        free(c);
}

void connecting_on_path(void *userdata, struct connection *connection, const struct path *path) {
        struct contact *c = connection_userdata(connection);

        if (!c)
                return;
        c->remote = path->remote;
        if (c->acquaintance)
                tell_moved(c->transport, c->acquaintance);
}
