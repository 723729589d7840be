/* transport/peers: what is known of peers, and what a person may try with them. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/crypto/random.h"
#include "common/daemon/bus.h"
#include "common/daemon/log.h"
#include "proto/transport.pb-c.h"
#include "services/transport/perf.h"
#include "services/transport/ping.h"
#include "services/transport/shell/places.h"
#include "services/transport/shell/shell.h"

#define PEERS_E_PEER    1 /* not a peer id, or nobody known */
#define PEERS_E_TARGET  2 /* neither a peer id nor an address */
#define PEERS_E_FAILED  3 /* tried; the text says what */
#define LIST_MAX        512
#define PROTOCOLS_SHOWN 64
#define PINGS_MAX       10000
#define PERF_BYTES_MAX  (UINT64_C(64) << 30)
#define TIMEOUT         (10 * NSEC_PER_SEC)
#define PERF_TIMEOUT    (120 * NSEC_PER_SEC)

struct peers_service {
        Transport__Peers_Service base; /* first: handlers are given this */
        struct shell *shell;
        struct rpc_server *rpc;
        struct bus_server *bus;
};

/* A Connect, Ping or Perf under way. */
struct task {
        struct shell *shell;
        struct call *call;
        uint64_t count, upload, download;
        struct ping *ping;
        struct perf *perf;
        struct loop_source *timer;
        uint64_t opening;
};

static struct peers_service *of(Transport__Peers_Service *base) {
        return (struct peers_service *) base;
}

static bool peer_of(const ProtobufCBinaryData *v, struct peer_id *ret) {
        return peer_id_parse(BYTES(v->data, v->len), ret);
}

/* ---- descriptions; everything lives in the call's memory ---- */

static char *copy_text(struct call *call, const char *text) {
        size_t size = strlen(text) + 1;

        return memcpy(call_alloc(call, size), text, size);
}

/* A peer's own words may be anything. */
static char *copy_foreign(struct call *call, const char *text) {
        char escaped[256];

        return copy_text(call, text_escape(BYTES_STR(text), escaped, sizeof(escaped)));
}

static char *copy_address(struct call *call, const struct multiaddr *a) {
        char text[MULTIADDR_TEXT_SIZE];

        return copy_text(call, multiaddr_text(a, text));
}

static ProtobufCBinaryData copy_id(struct call *call, const struct peer_id *id) {
        return (ProtobufCBinaryData){ id->len, memcpy(call_alloc(call, sizeof(id->bytes)),
                                                      id->bytes, sizeof(id->bytes)) };
}

static const char *state_of(const struct shell *s, const struct transport_peer_info *info,
                            char text[64]) {
        nsec_t left = nsec_sub(info->resting_until, shell_now(s));
        char duration[32];

        if (info->connection)
                return "connected";
        if (info->is_dialling)
                return "dialling";
        if (left == 0)
                return "known";
        left += NSEC_PER_MSEC - left % NSEC_PER_MSEC;
        (void) snprintf(text, 64, "backing off %s", text_format_duration(left, duration));
        return text;
}

static void describe_connection(struct call *call, const struct shell *s,
                                const struct transport_peer_info *info, Transport__Peer *p) {
        struct path path = connection_path(info->connection);
        struct multiaddr at = multiaddr_from_endpoint(&path.remote);
        struct connection_stats stats;

        connection_stats(info->connection, &stats);
        p->connected = true;
        p->inbound = connection_is_inbound(info->connection);
        p->address = copy_address(call, &at);
        p->rtt_us = stats.rtt / NSEC_PER_USEC;
        p->connected_ms = nsec_sub(shell_now(s), info->since) / NSEC_PER_MSEC;
        p->bytes_in = stats.bytes_in;
        p->bytes_out = stats.bytes_out;
        p->streams = stats.n_streams;
}

static void describe_protocols(struct call *call, const struct peer *peer, Transport__Peer *p) {
        const char *name;
        size_t cursor = 0;

        p->protocols = call_alloc(call, PROTOCOLS_SHOWN * sizeof(char *));
        while (p->n_protocols < PROTOCOLS_SHOWN && (name = peer_next_protocol(peer, &cursor)))
                p->protocols[p->n_protocols++] = copy_foreign(call, name);
}

static Transport__Peer *describe(struct call *call, const struct shell *s,
                                 const struct peer *peer) {
        Transport__Peer *p = call_alloc(call, sizeof(*p));
        struct transport_peer_info info;
        char text[64];

        transport__peer__init(p);
        transport_peer_info(s->transport, peer, &info);
        p->peer = copy_id(call, &peer->id);
        p->agent = copy_foreign(call, peer->agent ? peer->agent : "");
        p->rtt_us = peer->rtt / NSEC_PER_USEC;
        p->pinned = peer->pinned;
        p->state = copy_text(call, state_of(s, &info, text));
        p->address = copy_text(call, "");
        describe_protocols(call, peer, p);
        p->elsewhere = network_is_elsewhere(&s->policy->network, p->protocols, p->n_protocols);
        if (info.connection)
                describe_connection(call, s, &info, p);
        else if (peer->n_addrs > 0)
                p->address = copy_address(call, &peer->addrs[0].addr);
        return p;
}

/* ---- List, Why, Disconnect, Status ---- */

static void peers_list(Transport__Peers_Service *base, const Transport__ListRequest *in,
                       Transport__ListReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Transport__ListReply reply = TRANSPORT__LIST_REPLY__INIT;
        struct shell *s = of(base)->shell;
        struct peer *peer;
        size_t cursor = 0;

        reply.peers = call_alloc(call, LIST_MAX * sizeof(*reply.peers));
        while ((peer = peers_next(transport_peers(s->transport), &cursor))) {
                if (!in->known && !transport_connection(s->transport, &peer->id))
                        continue;
                if (reply.n_peers == LIST_MAX) {
                        reply.truncated = true;
                        break;
                }
                reply.peers[reply.n_peers++] = describe(call, s, peer);
        }
        call_reply(call, &reply);
}

static Transport__Attempt *describe_attempt(struct call *call, const struct shell *s,
                                            const struct peer_attempt *a) {
        Transport__Attempt *m = call_alloc(call, sizeof(*m));

        transport__attempt__init(m);
        m->age_ms = nsec_sub(shell_now(s), a->began) / NSEC_PER_MSEC;
        m->took_us = a->took / NSEC_PER_USEC;
        m->address = copy_address(call, &a->addr);
        m->direction = copy_text(call, a->inbound ? "in" : "out");
        m->outcome = copy_text(call, a->outcome);
        return m;
}

static void peers_why(Transport__Peers_Service *base, const Transport__WhyRequest *in,
                      Transport__WhyReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Transport__WhyReply reply = TRANSPORT__WHY_REPLY__INIT;
        struct shell *s = of(base)->shell;
        const struct peer_attempt *a;
        struct peer *peer;
        struct peer_id id;

        peer = peer_of(&in->peer, &id) ? peers_find(transport_peers(s->transport), &id) : NULL;
        if (!peer) {
                call_fail(
                        call, PEERS_E_PEER,
                        "this node has never heard of that peer; `quorate find PEER` asks others");
                return;
        }
        reply.peer = describe(call, s, peer);
        reply.addresses = call_alloc(call, (peer->n_addrs + 1) * sizeof(char *));
        for (size_t i = 0; i < peer->n_addrs; i++)
                reply.addresses[reply.n_addresses++] = copy_address(call, &peer->addrs[i].addr);
        reply.attempts = call_alloc(call, PEER_ATTEMPTS_MAX * sizeof(*reply.attempts));
        while ((a = peer_attempt(peer, reply.n_attempts)))
                reply.attempts[reply.n_attempts++] = describe_attempt(call, s, a);
        call_reply(call, &reply);
}

static void peers_disconnect(Transport__Peers_Service *base, const Transport__WhyRequest *in,
                             Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        const Types__Empty reply = TYPES__EMPTY__INIT;
        struct peer_id id;

        if (!peer_of(&in->peer, &id) || !transport_disconnect(of(base)->shell->transport, &id))
                call_fail(call, PEERS_E_PEER, "no connection to that peer");
        else
                call_reply(call, &reply);
}

struct metric_list {
        struct call *call;
        Transport__StatusReply *reply;
};

static void add_metric(void *userdata, const char *name, const struct metric *metric,
                       uint64_t value) {
        struct metric_list *l = userdata;
        Types__Metric *m = call_alloc(l->call, sizeof(*m));

        types__metric__init(m);
        m->name = copy_text(l->call, metric->name);
        m->value = (double) value;
        if (l->reply->n_metrics < PROTOCOLS_SHOWN)
                l->reply->metrics[l->reply->n_metrics++] = m;
}

static void describe_observed(struct call *call, const struct shell *s,
                              Transport__StatusReply *reply) {
        const struct observed *seen = transport_observed(s->transport);
        struct observed_address o;

        reply->observed = call_alloc(call, OBSERVED_ADDRS_MAX * sizeof(*reply->observed));
        while (observed_address(seen, reply->n_observed, &o)) {
                Transport__Observed *m = call_alloc(call, sizeof(*m));
                struct multiaddr at = multiaddr_from_endpoint(&o.at);

                transport__observed__init(m);
                m->address = copy_address(call, &at);
                m->networks = (uint32_t) o.n_networks;
                m->believed = o.is_believed;
                m->age_ms = nsec_sub(shell_now(s), o.latest) / NSEC_PER_MSEC;
                reply->observed[reply->n_observed++] = m;
        }
}

static void describe_met(struct call *call, const struct shell *s, Transport__StatusReply *reply) {
        const struct met *met = transport_met(s->transport);

        reply->met = call_alloc(call, (met->n + 1) * sizeof(*reply->met));
        for (size_t i = 0; i < met->n; i++) {
                Transport__Met *m = call_alloc(call, sizeof(*m));

                transport__met__init(m);
                m->address = copy_address(call, &met->entries[i].addr);
                m->peer = copy_id(call, &met->entries[i].peer);
                m->other = met->entries[i].is_other;
                reply->met[reply->n_met++] = m;
        }
}

static void describe_network(struct call *call, const struct shell *s,
                             Transport__StatusReply *reply) {
        const struct network *n = &s->policy->network;
        char text[MDNS_RELAY_STATUS_SIZE];

        reply->mdns = copy_text(call, mdns_relay_status(&s->mdns, text));
        reply->network = copy_text(call, n->name);
        reply->mode = copy_text(call, network_modes[n->mode]);
}

static void peers_status(Transport__Peers_Service *base, const Types__Empty *in,
                         Transport__StatusReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Transport__StatusReply reply = TRANSPORT__STATUS_REPLY__INIT;
        struct metric_list list = { .call = call, .reply = &reply };
        struct shell *s = of(base)->shell;

        shell_refresh_metrics(s);
        reply.peer = copy_id(call, keys_peer(s->keys));
        reply.listen = call_alloc(call, ADDRESSES_MAX * sizeof(char *));
        for (size_t i = 0; i < s->addresses.n; i++)
                reply.listen[reply.n_listen++] = copy_address(call, &s->addresses.list[i]);
        describe_observed(call, s, &reply);
        describe_met(call, s, &reply);
        describe_network(call, s, &reply);
        places_describe(s, call, &reply);
        reply.connections = (uint32_t) s->metrics.n_connections;
        reply.inbound = (uint32_t) s->metrics.n_inbound;
        reply.metrics = call_alloc(call, PROTOCOLS_SHOWN * sizeof(*reply.metrics));
        metrics_each(s->ctx->metrics, add_metric, &list);
        call_reply(call, &reply);
}

/* ---- Connect ---- */

static void task_free(struct task *t) {
        loop_source_free(t->timer);
        free(t);
}

static void task_fail(struct task *t, int code, const char *text) {
        call_fail(t->call, code, "%s", text);
        task_free(t);
}

static void on_connected(void *userdata, const struct transport_opened *o) {
        Transport__ConnectReply reply = TRANSPORT__CONNECT_REPLY__INIT;
        struct task *t = userdata;
        struct connection *c;

        if (o->code != TRANSPORT_OK) {
                task_fail(t, PEERS_E_FAILED, o->text);
                return;
        }
        reply.peer = copy_id(t->call, &o->peer);
        reply.took_us = o->took / NSEC_PER_USEC;
        c = transport_connection(t->shell->transport, &o->peer);
        if (c) {
                struct path path = connection_path(c);
                struct multiaddr at = multiaddr_from_endpoint(&path.remote);

                reply.address = copy_address(t->call, &at);
        }
        call_reply(t->call, &reply);
        task_free(t);
}

static struct task *task_new(struct peers_service *p, struct call *call) {
        struct task *t = xnew(struct task);

        t->shell = p->shell;
        t->call = call;
        return t;
}

static void peers_connect(Transport__Peers_Service *base, const Transport__ConnectRequest *in,
                          Transport__ConnectReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct transport_open open = { .is_told = in->told,
                                       .force = !in->told, /* addresses that rest as well */
                                       .fn = on_connected };
        struct bytes target = BYTES_STR(in->target);
        struct task *t;
        struct multiaddr at;

        if (multiaddr_from_config(target, &at) == MULTIADDR_OK) {
                open.addrs = &at;
                open.n_addrs = 1;
                (void) multiaddr_peer(&at, &open.peer);
        } else if (!peer_id_from_text(target, &open.peer)) {
                call_fail(call, PEERS_E_TARGET,
                          "write a peer id, peerid@host:port, host:port or a multiaddr");
                return;
        }
        t = task_new(of(base), call);
        open.timeout = in->timeout_ms ? in->timeout_ms * NSEC_PER_MSEC : TIMEOUT;
        open.userdata = t;
        (void) transport_open(t->shell->transport, &open, shell_now(t->shell));
}

/* ---- Ping ---- */

static void on_pinged(void *userdata, const nsec_t *rtts, size_t n_done, size_t count) {
        Transport__PingReply reply = TRANSPORT__PING_REPLY__INIT;
        struct task *t = userdata;
        char text[96];

        if (n_done < count) {
                (void) snprintf(text, sizeof(text),
                                "the peer answered %zu of %zu pings, then stopped", n_done, count);
                task_fail(t, PEERS_E_FAILED, text);
                return;
        }
        reply.n_rtt_us = n_done;
        reply.rtt_us = call_alloc(t->call, (n_done + 1) * sizeof(uint64_t));
        for (size_t i = 0; i < n_done; i++)
                reply.rtt_us[i] = (rtts[i] + NSEC_PER_USEC / 2) / NSEC_PER_USEC;
        call_reply(t->call, &reply);
        task_free(t);
}

static int on_task_late(void *userdata) {
        struct task *t = userdata;

        if (t->ping)
                ping_stop(t->ping);
        else
                perf_stop(t->perf);
        return 0;
}

/* The stages before have a timeout of their own. */
static void watch(struct task *t, nsec_t timeout) {
        if (loop_add_timer(t->shell->ctx->loop, on_task_late, t, &t->timer) == 0)
                (void) loop_timer_set(t->timer, nsec_add(shell_now(t->shell), timeout));
}

static void on_ping_opened(void *userdata, const struct transport_opened *o) {
        struct task *t = userdata;

        if (o->code != TRANSPORT_OK) {
                task_fail(t, PEERS_E_FAILED, o->text);
                return;
        }
        watch(t, TIMEOUT + t->count * 20 * NSEC_PER_MSEC);
        t->ping = ping_start(o->stream, t->count, transport_clock(t->shell->transport),
                             random_u64(), on_pinged, t);
}

static void open_for(struct task *t, const struct peer_id *peer, const char *protocol,
                     transport_opened_fn fn) {
        struct transport_open open = {
                .peer = *peer,
                .protocols = &protocol,
                .n_protocols = 1,
                .force = true,
                .is_needed = true,
                .fn = fn,
                .userdata = t,
        };

        (void) transport_open(t->shell->transport, &open, shell_now(t->shell));
}

static void peers_ping(Transport__Peers_Service *base, const Transport__PingRequest *in,
                       Transport__PingReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct peer_id id;
        struct task *t;

        if (!peer_of(&in->peer, &id)) {
                call_fail(call, PEERS_E_PEER, "not a peer id");
                return;
        }
        t = task_new(of(base), call);
        t->count = in->count == 0 ? 1 : in->count > PINGS_MAX ? PINGS_MAX : in->count;
        open_for(t, &id, PING_PROTOCOL, on_ping_opened);
}

/* ---- Perf ---- */

static void on_measured(void *userdata, const struct perf_result *result) {
        Transport__PerfReply reply = TRANSPORT__PERF_REPLY__INIT;
        struct task *t = userdata;
        char text[128];

        if (!result->is_complete) {
                (void) snprintf(text, sizeof(text),
                                "stopped after %llu bytes sent and %llu received; does the peer "
                                "allow /perf to us?",
                                (unsigned long long) result->up, (unsigned long long) result->down);
                task_fail(t, PEERS_E_FAILED, text);
                return;
        }
        reply.upload_us = result->up_took / NSEC_PER_USEC;
        reply.download_us = result->down_took / NSEC_PER_USEC;
        call_reply(t->call, &reply);
        task_free(t);
}

static void on_perf_opened(void *userdata, const struct transport_opened *o) {
        struct task *t = userdata;

        if (o->code != TRANSPORT_OK) {
                task_fail(t, PEERS_E_FAILED, o->text);
                return;
        }
        watch(t, PERF_TIMEOUT);
        t->perf = perf_start(o->stream, t->upload, t->download,
                             transport_clock(t->shell->transport), on_measured, t);
}

static void peers_perf(Transport__Peers_Service *base, const Transport__PerfRequest *in,
                       Transport__PerfReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct peer_id id;
        struct task *t;

        if (!peer_of(&in->peer, &id) || in->upload > PERF_BYTES_MAX ||
            in->download > PERF_BYTES_MAX) {
                call_fail(call, PEERS_E_PEER, "not a peer id, or more than 64 GiB");
                return;
        }
        t = task_new(of(base), call);
        t->upload = in->upload;
        t->download = in->download;
        open_for(t, &id, PERF_PROTOCOL, on_perf_opened);
}

/* ---- life ---- */

int peers_service_new(struct shell *s, struct peers_service **ret) {
        struct peers_service *p = xnew(struct peers_service);
        int r;

        *ret = p;
        p->shell = s;
        p->base = (Transport__Peers_Service) TRANSPORT__PEERS__INIT(peers_);
        p->rpc = rpc_server_new(s->ctx->loop, &p->base.base, 0);
        r = bus_serve(s->ctx, "transport/peers", p->rpc, NULL, &p->bus);
        return r < 0 ? log_fault(r, "cannot serve transport/peers") : r;
}

/* After the transport, which has ended every task. */
struct peers_service *peers_service_free(struct peers_service *p) {
        if (!p)
                return NULL;
        bus_server_free(p->bus);
        rpc_server_free(p->rpc);
        free(p);
        return NULL;
}
