#include "services/transport/transport.h"

#include "common/base/error.h"
#include "services/transport/core/manager.h"
#include "services/transport/perf.h"
#include "services/transport/ping.h"

#define PINGS_PER_PEER 2
#define PERFS_PER_PEER 4

void transport_config_default(struct transport_config *ret) {
        *ret = (struct transport_config){
                .dialer = dialer_config_default,
                .agent = "quorate",
                .peers_max = 1024,
                .openings_max = 4096,
                .negotiate_timeout = 10 * NSEC_PER_SEC,
                .identify_timeout = 10 * NSEC_PER_SEC,
        };
        quic_config_default(&ret->quic);
}

/* ---- built-in protocols ---- */

static void open_ping(void *userdata, struct stream *s, const char *name) {
        struct transport *t = userdata;

        ping_serve(s, &t->stats.pings_answered);
}

static bool may_measure(const struct transport *t, const struct peer_id *peer) {
        for (size_t i = 0; i < t->config.n_perf_allowed; i++)
                if (peer_id_equal(&t->config.perf_allowed[i], peer))
                        return true;
        return t->config.perf_for_all;
}

static void open_perf(void *userdata, struct stream *s, const char *name) {
        struct transport *t = userdata;

        if (may_measure(t, &s->peer))
                perf_serve(s);
        else
                t->stats.perf_refused++;
}

/* Named to peers only when somebody may use it. */
static void serve_perf(struct transport *t, nsec_t now) {
        const struct transport_protocol perf = {
                .name = PERF_PROTOCOL,
                .max_per_peer = PERFS_PER_PEER,
                .is_needed = true,
                .open = open_perf,
                .userdata = t,
        };

        if (t->config.perf_for_all || t->config.n_perf_allowed > 0)
                (void) transport_serve(t, &perf, now);
        else
                transport_unserve(t, PERF_PROTOCOL, now);
}

static void serve_builtin(struct transport *t) {
        const struct transport_protocol ping = {
                .name = PING_PROTOCOL,
                .max_per_peer = PINGS_PER_PEER,
                .open = open_ping,
                .userdata = t,
        };

        exchange_start(t);
        (void) transport_serve(t, &ping, 0);
        serve_perf(t, 0);
}

/* ---- life ---- */

static void on_random(void *userdata, void *ret, size_t n) {
        struct transport *t = userdata;

        t->events.random(t->userdata, ret, n);
}

static bool on_allow(void *userdata, const struct peer_id *peer, bool inbound) {
        struct transport *t = userdata;

        return !t->events.allow || t->events.allow(t->userdata, peer, inbound);
}

bool transport_allows(struct transport *t, const struct peer_id *peer) {
        return on_allow(t, peer, false);
}

struct transport *transport_new(const struct transport_config *config,
                                const struct transport_events *events, void *userdata) {
        static const struct quic_events quic_events = {
                .random = on_random,
                .allow = on_allow,
                .on_connected = connecting_on_connected,
                .on_closed = connecting_on_closed,
                .on_stream = inbound_on_stream,
                .on_streams = opening_retry_busy,
                .on_path = connecting_on_path,
        };
        struct transport *t = xnew(struct transport);

        t->config = *config;
        t->events = *events;
        t->userdata = userdata;
        rng_init(&t->rng, config->seed);
        heap_init(&t->timers);
        t->peers = peers_new(config->peers_max, rng_u64(&t->rng));
        t->dialer = dialer_new(&config->dialer, rng_u64(&t->rng));
        t->observed = observed_new();
        t->openings = map_new(rng_u64(&t->rng));
        list_init(&t->unclaimed);
        list_init(&t->ended);
        list_init(&t->negotiations);
        buffer_init(&t->record, IDENTIFY_MESSAGE_MAX);
        t->quic = quic_new(&config->quic, &quic_events, t);
        serve_builtin(t);
        return t;
}

static void drop_acquaintances(struct transport *t) {
        size_t cursor = 0;
        struct peer *peer;

        while ((peer = peers_next(t->peers, &cursor))) {
                struct acquaintance *a = peer->manager;

                if (!a)
                        continue;
                a->n_keeps = 0;
                a->is_pinned = false;
                acquaintance_drop(t, a);
        }
}

struct transport *transport_free(struct transport *t) {
        if (!t)
                return NULL;
        opening_free_all(t);
        quic_free(t->quic);
        opening_free_all(t);
        drop_acquaintances(t);
        dialer_free(t->dialer);
        peers_free(t->peers);
        map_free(t->openings);
        observed_free(t->observed);
        heap_done(&t->timers);
        buffer_done(&t->record);
        free(t->addrs);
        free(t);
        return NULL;
}

void transport_reconfigure(struct transport *t, const struct transport_config *c, nsec_t now) {
        t->now = now;
        quic_configure(t->quic, &c->quic);
        dialer_configure(t->dialer, &c->dialer);
        t->config.loopback = c->loopback;
        t->config.agent = c->agent;
        t->config.perf_for_all = c->perf_for_all;
        t->config.perf_allowed = c->perf_allowed;
        t->config.n_perf_allowed = c->n_perf_allowed;
        serve_perf(t, now);
        exchange_changed(t);
}

size_t transport_enforce_allow(struct transport *t) {
        size_t cursor = 0, n = 0;
        struct peer *peer;

        while ((peer = peers_next(t->peers, &cursor)))
                if (peer->manager && !on_allow(t, &peer->id, true))
                        n += transport_disconnect(t, &peer->id);
        return n;
}

/* ---- five verbs ---- */

void transport_work(struct transport *t, nsec_t now) {
        t->now = now;
        connecting_run(t);
        opening_report_all(t);
        connecting_run(t); /* what those who were told have asked for */
}

void transport_input(struct transport *t, const struct datagrams *in, nsec_t now) {
        t->now = now;
        quic_input(t->quic, in, now);
}

bool transport_output(struct transport *t, struct datagrams *ret, nsec_t now) {
        t->now = now;
        return quic_output(t->quic, ret, now);
}

nsec_t transport_deadline(const struct transport *t) {
        nsec_t when = nsec_min(quic_deadline(t->quic), dialer_deadline(t->dialer));

        return list_is_empty(&t->ended) ? nsec_min(when, heap_when(&t->timers)) : 0;
}

void transport_expire(struct transport *t, nsec_t now) {
        struct heap_entry *entry;

        t->now = now;
        quic_expire(t->quic, now);
        dialer_expire(t->dialer, now);
        while ((entry = heap_pop_due(&t->timers, now))) {
                struct timer *timer = container_of(entry, struct timer, entry);

                timer->fire(t, timer);
        }
        transport_work(t, now);
}

/* ---- the world around ---- */

void transport_add_link(struct transport *t, const struct path *from) {
        check(t->n_links < ELEMENTSOF(t->links));
        t->links[t->n_links++] = *from;
}

void transport_listen(struct transport *t, bool on) {
        quic_listen(t->quic, on);
}

void transport_set_tls(struct transport *t, struct tls_context *tls) {
        quic_set_tls(t->quic, tls);
}

void transport_close_all(struct transport *t, nsec_t now) {
        t->now = now;
        quic_close_all(t->quic, 0, now);
}

void transport_unroutable(struct transport *t, const struct endpoint *to, nsec_t now) {
        struct connection *connection;
        size_t cursor = 0;

        t->now = now;
        while ((connection = quic_next_connection(t->quic, &cursor))) {
                struct contact *c = connection_userdata(connection);

                if (!c || c->is_confirmed || c->is_unwanted || !c->attempt ||
                    !endpoint_equal(&c->remote, to))
                        continue;
                c->is_unwanted = true;
                dialer_ended(t->dialer, c->attempt, DIAL_NO_ROUTE, "no route to it from here", now);
                connection_close(connection, 0);
        }
}

void transport_network_changed(struct transport *t, nsec_t now) {
        t->now = now;
        dialer_forget_rests(t->dialer);
}

bool transport_disconnect(struct transport *t, const struct peer_id *peer) {
        struct acquaintance *a = acquaintance_of(t, peer);
        bool had = false;

        if (!a)
                return false;
        LIST_FOREACH (link, &a->contacts) {
                struct contact *c = LIST_ENTRY(link, struct contact, in_acquaintance);

                had = true;
                c->is_unwanted = true;
                connection_close(c->connection, 0);
        }
        return had;
}

/* ---- looking ---- */

struct peers *transport_peers(struct transport *t) {
        return t->peers;
}

struct connection *transport_connection(const struct transport *t, const struct peer_id *peer) {
        struct acquaintance *a = acquaintance_of(t, peer);
        struct contact *best = a ? acquaintance_best(t, a) : NULL;

        return best ? best->connection : NULL;
}

static nsec_t soonest_rest(const struct transport *t, const struct peer *peer) {
        nsec_t soonest = 0;

        for (size_t i = 0; i < peer->n_addrs; i++) {
                struct endpoint e;
                nsec_t until;

                if (!multiaddr_endpoint(&peer->addrs[i].addr, &e))
                        continue;
                until = dialer_resting(t->dialer, &e);
                if (until > t->now && (soonest == 0 || until < soonest))
                        soonest = until;
        }
        return soonest;
}

void transport_peer_info(const struct transport *t, const struct peer *peer,
                         struct transport_peer_info *ret) {
        const struct acquaintance *a = peer->manager;
        struct contact *best = a ? acquaintance_best(t, a) : NULL;

        *ret = (struct transport_peer_info){
                .is_dialling = dialer_is_dialling(t->dialer, &peer->id),
                .resting_until = soonest_rest(t, peer),
        };
        if (!a)
                return;
        LIST_FOREACH (link, &a->contacts) {
                const struct contact *c = LIST_ENTRY(link, struct contact, in_acquaintance);

                ret->n_connections++;
                ret->has_inbound |= connection_is_inbound(c->connection);
        }
        if (best) {
                ret->connection = best->connection;
                ret->since = best->since;
        }
}

const struct quic *transport_quic(const struct transport *t) {
        return t->quic;
}

const struct transport_stats *transport_stats(const struct transport *t) {
        return &t->stats;
}

const nsec_t *transport_clock(const struct transport *t) {
        return &t->now;
}
