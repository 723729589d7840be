#include "services/transport/shell/policy.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "quorate-config.h"

/* Peer ids, or "all" where config.c takes that. */
static void take_peers(const struct config_list *rows, bool *ret_all, struct policy_peers *ret) {
        for (size_t i = 0; i < rows->n_items; i++)
                if (peer_id_from_text(BYTES_STR(rows->items[i]), &ret->list[ret->n]))
                        ret->n++;
                else
                        *ret_all = true;
}

static bool parse_resolver(const char *text, struct policy *p) {
        p->has_resolver = text[0] != '\0';
        if (!p->has_resolver || (endpoint_from_text(text, &p->resolver) &&
                                 p->resolver.family == ENDPOINT_IP4 && p->resolver.port > 0))
                return true;
        log_error("[transport] resolver: \"%s\" is no IPv4 address with a port; write 127.0.0.1:53",
                  text);
        return false;
}

struct policy *policy_new(const struct transport_settings *v) {
        CLEANUP(policy_freep) struct policy *p = xnew(struct policy);
        bool no_all = false;

        if (network_load(&v->network, &v->bootstrap, &p->network))
                return NULL;
        network_wipe(&p->network);
        if (!addresses_parse(&v->announce, "announce", &p->announce) ||
            !addresses_parse(&v->bootstrap, "bootstrap", &p->bootstrap) ||
            !parse_resolver(v->resolver, p))
                return NULL;
        take_peers(&v->allow, &no_all, &p->allow);
        take_peers(&v->perf_allow, &p->perf_for_all, &p->perf);
        p->agent = xstrdup(v->agent[0] ? v->agent : "quorate/" QUORATE_VERSION);
        return TAKE(p);
}

struct policy *policy_free(struct policy *p) {
        if (!p)
                return NULL;
        free(p->agent);
        free(p);
        return NULL;
}

bool policy_allows(const struct policy *p, const struct peer_id *peer) {
        if (!network_allows(&p->network, peer))
                return false;
        for (size_t i = 0; i < p->allow.n; i++)
                if (peer_id_equal(&p->allow.list[i], peer))
                        return true;
        return p->allow.n == 0;
}

static void set_limits(const struct transport_settings *v, struct quic_limits *l) {
        l->connections = (uint32_t) v->max_connections;
        l->connections_per_ip = (uint32_t) v->max_per_ip;
        l->connections_per_net = (uint32_t) v->max_per_net;
        l->half_open = (uint32_t) v->max_half_open;
        l->retry_above = (uint32_t) v->retry_above;
        l->streams = (uint32_t) v->max_streams;
        l->stream_send_bytes = v->stream_buffer;
        l->connection_send_bytes = v->connection_buffer;
        l->total_send_bytes = v->total_buffer;
        l->stream_window = v->stream_window;
        l->connection_window = v->connection_window;
        l->total_receive_bytes = v->receive_buffer;
        l->exempt_loopback = true;
}

void policy_configure(const struct policy *p, const struct transport_settings *v,
                      struct transport_config *c) {
        set_limits(v, &c->quic.limits);
        c->quic.congestion = v->congestion;
        c->quic.idle_timeout = v->idle_timeout;
        c->quic.keep_alive = v->keep_alive;
        c->quic.handshake_timeout = v->handshake_timeout;
        c->dialer.attempt_timeout = v->dial_timeout;
        c->loopback = v->loopback;
        c->agent = p->agent;
        c->perf_for_all = p->perf_for_all;
        c->perf_allowed = p->perf.list;
        c->n_perf_allowed = p->perf.n;
}
