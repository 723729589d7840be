#include "services/transport/shell/shell.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/crypto/random.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"
#include "common/streams/identity.h"
#include "proto/keyring.pb-c.h"
#include "services/transport/shell/places.h"

#define HOUSEKEEPING_PERIOD (60 * NSEC_PER_SEC)

nsec_t shell_now(const struct shell *s) {
        return loop_now(s->ctx->loop);
}

int64_t shell_wall_us(void) {
        struct timespec t;

        check(clock_gettime(CLOCK_REALTIME, &t) == 0);
        return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- what the core asks for ---- */

static void on_random(void *userdata, void *ret, size_t n) {
        random_bytes(ret, n);
}

static void on_resolve(void *userdata, uint64_t attempt, const struct multiaddr *name) {
        struct shell *s = userdata;

        names_find(s->names, attempt, name);
}

static void on_found(void *userdata, uint64_t attempt, const struct endpoint *found, size_t n) {
        struct shell *s = userdata;

        transport_resolved(s->transport, attempt, found, n, shell_now(s));
}

static void on_peer(void *userdata, const struct peer *peer, bool connected) {
        struct shell *s = userdata;
        const struct peer_attempt *last = peer_attempt(peer, 0);
        char id[PEER_ID_TEXT_SIZE];

        log_with(LOG_INFO, &(struct log_fields){ .peer = peer_id_text(&peer->id, id) },
                 "peer %s: %s", id,
                 connected ? "connected"
                 : last    ? last->outcome
                           : "gone");
        events_peer(s, peer, connected);
        watch_changed(&s->watch, peer);
}

static void on_changed(void *userdata, const struct peer *peer) {
        struct shell *s = userdata;

        watch_changed(&s->watch, peer);
}

static bool on_allow(void *userdata, const struct peer_id *peer, bool inbound) {
        char id[PEER_ID_TEXT_SIZE];
        struct shell *s = userdata;

        if (policy_allows(s->policy, peer))
                return !denials_name(s->denials, peer);
        if (inbound) {
                s->metrics.n_not_allowed++;
                log_notice("%s wanted to connect and was refused: it is not on the lists `allow` "
                           "of [network] and [transport]",
                           peer_id_text(peer, id));
        }
        return false;
}

static void on_observed(void *userdata) {
        struct shell *s = userdata;

        s->is_observed_new = true; /* not now: it asks keyring, and we are inside the core */
}

/* Before whoever asked is told that it is connected. What cannot be written was logged, and holds
 * until the next start. */
static void on_met(void *userdata, const struct met_entry *met, bool is_new) {
        char at[MULTIADDR_TEXT_SIZE], peer[PEER_ID_TEXT_SIZE];
        struct shell *s = userdata;

        (void) multiaddr_text(&met->addr, at);
        (void) peer_id_text(&met->peer, peer);
        if (is_new && store_met(s->store, met, shell_wall_us()) == 0)
                log_notice("%s is %s: met for the first time, and pinned; somebody else there will "
                           "be refused",
                           at, peer);
        if (met->is_other)
                log_warning("%s was %s when it was first met; somebody else answers there now, and "
                            "is refused: if its key was changed, ask its operator for the new peer "
                            "id (`quorate key show`) and write PEERID@host:port",
                            at, peer);
        if (!is_new && !met->is_other)
                log_notice("%s is %s again", at, peer);
}

static const struct transport_events events = {
        .random = on_random,
        .allow = on_allow,
        .resolve = on_resolve,
        .on_peer = on_peer,
        .on_identified = on_changed,
        .on_moved = on_changed,
        .on_observed = on_observed,
        .on_met = on_met,
};

/* ---- a turn ---- */

static int64_t certificate_time(void) {
        return shell_wall_us() / 1000000;
}

/* keyring has a new TLS key: from now on connections use a certificate of that. */
static void renew_certificate(struct shell *s) {
        struct tls_context *fresh;

        if (keys_certificate(s->keys, certificate_time(), &fresh))
                return;
        log_notice("keyring was restarted: using a certificate of its new TLS key");
        transport_set_tls(s->transport, fresh);
        tls_context_free(s->certificate);
        s->certificate = fresh;
}

/* Before the loop waits: everything that this turn has caused leaves. */
static int on_prepare(void *userdata) {
        struct shell *s = userdata;
        nsec_t now = shell_now(s);
        bool more;

        streams_service_flush(s->streams_service);
        transport_work(s->transport, now);
        watch_flush(&s->watch);
        mdns_relay_flush(&s->mdns);
        if (s->is_observed_new) {
                shell_find_addresses(s);
                events_observed(s);
        }
        events_limits(s);
        more = sockets_send(s, now);
        if (keys_renewal(s->keys) <= now)
                renew_certificate(s);
        /* Only now, since sending moves deadlines. */
        (void) loop_timer_set(
                s->timer,
                more ? now : nsec_min(transport_deadline(s->transport), keys_renewal(s->keys)));
        if (s->is_draining)
                service_drained(s->ctx);
        return 0;
}

static int on_timer(void *userdata) {
        struct shell *s = userdata;

        transport_expire(s->transport, shell_now(s));
        return 0;
}

static int on_housekeeping(void *userdata) {
        struct shell *s = userdata;

        tls_context_set_wall(s->certificate, certificate_time());
        shell_find_addresses(s);
        (void) store_save(s->store, transport_peers(s->transport), shell_wall_us());
        shell_refresh_metrics(s);
        places_tick(s);
        return loop_timer_set(s->housekeeping, nsec_add(shell_now(s), HOUSEKEEPING_PERIOD));
}

/* ---- metrics ---- */

#define ROW(n, m, k, h) \
        { .name = n, .kind = k, .offset = offsetof(struct metrics_copy, m), .help = h }
#define C METRIC_COUNTER
#define G METRIC_GAUGE

static const struct metric metric_table[] = {
        ROW("quic_bytes_in", quic.bytes_in, C, "UDP payload received"),
        ROW("quic_bytes_out", quic.bytes_out, C, "UDP payload sent"),
        ROW("datagrams_in", quic.datagrams_in, C, "datagrams received"),
        ROW("datagrams_out", quic.datagrams_out, C, "datagrams sent"),
        ROW("dropped_garbage", quic.dropped_garbage, C, "datagrams that were not QUIC"),
        ROW("dropped_unknown", quic.dropped_unknown, C, "datagrams of no connection"),
        ROW("dropped_small", quic.dropped_small_initial, C, "first datagrams too short"),
        ROW("dropped_unroutable", n_unroutable, C, "datagrams that could not leave"),
        ROW("handshakes_in", quic.accepted, C, "inbound handshakes begun"),
        ROW("refused_limit", quic.refused_limit, C, "connections refused by a limit"),
        ROW("retries", quic.retries, C, "addresses asked to prove themselves"),
        ROW("resets", quic.resets, C, "stateless resets sent"),
        ROW("connections", n_connections, G, "connections"),
        ROW("connections_inbound", n_inbound, G, "inbound connections"),
        ROW("handshakes_open", n_half_open, G, "inbound handshakes under way"),
        ROW("dials", transport.dials, C, "dials begun"),
        ROW("dial_failures", transport.dial_failures, C, "addresses that failed"),
        ROW("streams_in", transport.streams_in, C, "streams opened by peers"),
        ROW("streams_out", transport.streams_out, C, "streams opened by this node"),
        ROW("streams_refused", transport.streams_refused, C, "streams over a limit"),
        ROW("negotiations_failed", transport.negotiations_failed, C, "without a protocol"),
        ROW("identified", transport.identified, C, "identify messages heard"),
        ROW("identify_failures", transport.identify_failures, C, "identify exchanges failed"),
        ROW("identify_refused", transport.hearings_refused, C, "identify messages over the rate"),
        ROW("connections_trimmed", transport.contacts_trimmed, C, "of peers with too many"),
        ROW("pings_answered", transport.pings_answered, C, "pings answered"),
        ROW("peers_not_allowed", n_not_allowed, C, "refused, for a list `allow` lacks them"),
        ROW("peers_denied", n_denied, G, "peers that services deny"),
        ROW("record_bytes", record_bytes, G, "signed records of peers that are kept"),
        ROW("records_refused", records_refused, C, "signed records over the budget"),
        {},
};

#undef ROW
#define ROW(n, m, k, h) \
        { .name = n, .kind = k, .offset = offsetof(struct shell, m), .help = h }

static const struct metric relay_table[] = {
        ROW("watchers", watch.n_watchers, G, "services that follow peers"),
        ROW("watch_changes", watch.n_sent, C, "changes of peers told to services"),
        ROW("watch_merged", watch.n_merged, C, "changes told with an earlier one"),
        ROW("watch_refused", watch.n_refused, C, "channels of watchers over the limit"),
        ROW("mdns_in", mdns.n_in, C, "multicast datagrams given to services"),
        ROW("mdns_out", mdns.n_out, C, "multicast datagrams sent"),
        ROW("mdns_off_link", mdns.n_off_link, C, "multicast datagrams from elsewhere"),
        ROW("mdns_too_fast", mdns.n_too_fast, C, "multicast datagrams over the rate"),
        ROW("mdns_too_big", mdns.n_too_big, C, "multicast datagrams over 9,000 bytes"),
        ROW("mdns_not_taken", mdns.n_not_taken, C, "multicast datagrams no service took"),
        ROW("mdns_not_sent", mdns.n_not_sent, C, "multicast datagrams that did not leave"),
        {},
};

void shell_refresh_metrics(struct shell *s) {
        quic_stats(transport_quic(s->transport), &s->metrics.quic);
        s->metrics.transport = *transport_stats(s->transport);
        s->metrics.n_connections = s->metrics.quic.n_connections;
        s->metrics.n_inbound = s->metrics.quic.n_inbound;
        s->metrics.n_half_open = s->metrics.quic.n_half_open;
        s->metrics.n_denied = denials_count(s->denials);
        s->metrics.record_bytes = peers_records(transport_peers(s->transport))->used;
        s->metrics.records_refused = peers_records(transport_peers(s->transport))->refused;
}

/* ---- start ---- */

static int make_core(struct shell *s) {
        const struct transport_settings *v = s->settings;
        uint8_t fresh[STORE_RESET_KEY_SIZE];
        struct transport_config c;
        int r;

        s->policy = policy_new(v);
        if (!s->policy)
                return service_refuse();
        shell_remember_fixed(s, v);
        transport_config_default(&c);
        policy_configure(s->policy, v, &c);
        c.quic.tls = s->certificate;
        c.peers_max = v->max_peers;
        c.key = *keys_public(s->keys);
        c.seed = random_u64();
        random_bytes(fresh, sizeof(fresh));
        r = store_reset_key(s->ctx->state, fresh, c.quic.reset_key);
        if (r == 0)
                s->transport = transport_new(&c, &events, s);
        return r;
}

static void pin_bootstrap(struct shell *s) {
        const struct addresses *pins = &s->policy->bootstrap;

        for (size_t i = 0; i < pins->n; i++)
                transport_pin(s->transport, &pins->list[i], shell_now(s));
}

static int open_keys(struct shell *s) {
        enum tls_key_type type = s->settings->certificate ? TLS_KEY_P256 : TLS_KEY_ED25519;
        int r = keys_new(s->ctx->runtime, type, &s->keys);

        if (r == 0)
                r = keys_certificate(s->keys, certificate_time(), &s->certificate);
        return r ? r
                 : identity_watch_new(s->ctx, "keyring/transport", &keyring__transport__descriptor,
                                      keys_peer(s->keys), &s->identity);
}

static int add_sources(struct shell *s) {
        struct loop *l = s->ctx->loop;
        int r = loop_add_timer(l, on_timer, s, &s->timer);

        if (r == 0)
                r = loop_add_timer(l, on_housekeeping, s, &s->housekeeping);
        if (r == 0)
                r = names_new(l, s->policy->has_resolver ? &s->policy->resolver : NULL, on_found, s,
                              &s->names);
        return r;
}

static int begin(struct shell *s) {
        int r = open_keys(s);

        if (r == 0)
                r = store_new(s->ctx->state, &s->store);
        if (r == 0)
                r = make_core(s);
        if (r == 0)
                r = store_load(s->store, transport_peers(s->transport));
        if (r == 0)
                r = store_load_denied(s->store, s->denials);
        if (r == 0)
                r = store_load_met(s->store, transport_met(s->transport));
        if (r == 0)
                r = add_sources(s);
        if (r == 0)
                r = sockets_open(s);
        if (r == 0)
                shell_find_addresses(s);
        if (r == 0)
                r = peers_service_new(s, &s->peers_service);
        if (r == 0)
                r = events_open(s);
        if (r == 0)
                r = streams_service_new(s, &s->streams_service);
        if (r == 0)
                r = loop_add_prepare(s->ctx->loop, on_prepare, s, &s->prepare);
        if (r == 0)
                pin_bootstrap(s);
        return r;
}

static void say_where(const struct shell *s) {
        char id[PEER_ID_TEXT_SIZE], text[MULTIADDR_TEXT_SIZE];

        for (size_t i = 0; i < s->addresses.n; i++)
                log_notice("listening as %s/p2p/%s", multiaddr_text(&s->addresses.list[i], text),
                           peer_id_text(keys_peer(s->keys), id));
}

int shell_check(const struct service_context *ctx) {
        const struct transport_settings *v = ctx->config;
        int r = network_check(&v->network, &v->bootstrap, ctx->config_path);
        CLEANUP(policy_freep) struct policy *p = NULL;
        struct endpoint endpoints[2];
        size_t n;

        if (r == 0 && !addresses_to_listen(&v->listen, endpoints, &n))
                r = service_refuse();
        if (r || (v->network.secret_file[0] && access(v->network.secret_file, R_OK) < 0))
                return r;
        p = policy_new(v);
        return p ? 0 : service_refuse();
}

int shell_start(struct service_context *ctx, void **ret) {
        struct shell *s = xnew(struct shell);
        int r;

        *ret = s;
        s->ctx = ctx;
        s->is_record_due = true;
        s->settings = ctx->config;
        s->denials = denials_new(random_u64());
        watch_init(&s->watch, s);
        metrics_register(ctx->metrics, NULL, metric_table, &s->metrics);
        metrics_register(ctx->metrics, NULL, relay_table, s);
        r = mdns_relay_init(&s->mdns, s);
        if (r == 0)
                r = begin(s);
        if (r)
                return error_fold(r);
        transport_listen(s->transport, true);
        say_where(s);
        return loop_timer_set(s->housekeeping, nsec_add(shell_now(s), HOUSEKEEPING_PERIOD));
}

/* Says goodbye to every peer, so that they need not wait for silence. */
void shell_drain(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        transport_listen(s->transport, false);
        transport_close_all(s->transport, shell_now(s));
        s->is_draining = true;
}

void *shell_stop(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        if (!s)
                return NULL;
        loop_source_free(s->prepare);
        if (s->store && s->transport)
                (void) store_save(s->store, transport_peers(s->transport), shell_wall_us());
        watch_done(&s->watch);
        mdns_relay_done(&s->mdns);
        s->transport = transport_free(s->transport);
        streams_service_free(s->streams_service);
        denials_free(s->denials);
        peers_service_free(s->peers_service);
        events_close(s);
        sockets_close(s);
        names_free(s->names);
        loop_source_free(s->housekeeping);
        loop_source_free(s->timer);
        store_free(s->store);
        tls_context_free(s->certificate);
        policy_free(s->policy);
        identity_watch_free(s->identity);
        keys_free(s->keys);
        free(s);
        return NULL;
}
