#include "services/dht/shell.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/dht/message.h"

/* Transport: one stream for each question, ours and theirs; who is connected. */

#define ASK_TIMEOUT  (4 * NSEC_PER_SEC) /* the core's own is shorter; dials take part of it */
#define CALL_TIMEOUT (10 * NSEC_PER_SEC)
#define MESSAGE_MAX  (64 * 1024)

/* go-libp2p asks again on a stream for as long as it is answered, and its own servers give it a
 * minute. Some messages of each peer at a time, whole or not. */
static const struct places_limits limits = { .bytes = 8 * 1024 * 1024,
                                             .bytes_per_group = 2 * 1024 * 1024,
                                             .bytes_per_peer = 8 * MESSAGE_MAX,
                                             .first = 5 * NSEC_PER_SEC,
                                             .idle = 60 * NSEC_PER_SEC,
                                             .frame = 15 * NSEC_PER_SEC };

/* What transport last said of a connected peer. */
struct known_remote {
        struct dht_remote remote;
        bool is_quorate; /* speaks what no other library does */
};

static void remote_free(struct shell *s, struct known_remote *k) {
        (void) map_remove(s->remotes, peer_id_bytes(&k->remote.contact.peer));
        contact_done(&k->remote.contact);
        free(k);
}

/* ---- Who is connected ---- */

static bool speaks(const Transport__PeerChange *in, const char *protocol) {
        for (size_t i = 0; i < in->n_protocols; i++)
                if (strcmp(in->protocols[i], protocol) == 0)
                        return true;
        return false;
}

static size_t addresses_of(const Transport__PeerChange *in,
                           struct multiaddr ret[CONTACT_ADDRESSES_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < in->n_addresses && n < CONTACT_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len), &ret[n]) ==
                    MULTIADDR_OK)
                        n++;
        return n;
}

static struct known_remote *remember(struct shell *s, const struct peer_id *peer,
                                     const Transport__PeerChange *in) {
        struct known_remote *k = map_get(s->remotes, peer_id_bytes(peer));
        struct multiaddr addresses[CONTACT_ADDRESSES_MAX], at;

        if (!k) {
                k = xnew(struct known_remote);
                (void) map_set(s->remotes, peer_id_bytes(peer), k);
        }
        contact_done(&k->remote.contact);
        k->remote = (struct dht_remote){ .is_inbound = in->inbound,
                                         .is_server = speaks(in, s->protocols[DHT_PROTOCOL_KAD]),
                                         .is_mdns = in->mdns,
                                         .pow_bits = in->work,
                                         .rtt = in->rtt_us * NSEC_PER_USEC };
        k->is_quorate = speaks(in, s->protocols[DHT_PROTOCOL_RECORD]);
        contact_init(&k->remote.contact, peer, addresses, addresses_of(in, addresses));
        if (!multiaddr_parse(BYTES(in->address.data, in->address.len), &at))
                (void) multiaddr_endpoint(&at, &k->remote.endpoint);
        return k;
}

static void on_peer(void *userdata, const Transport__PeerChange *in) {
        struct shell *s = userdata;
        struct known_remote *k;
        struct peer_id peer;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer))
                return;
        k = map_get(s->remotes, peer_id_bytes(&peer));
        if (!in->connected) {
                if (k)
                        remote_free(s, k);
                dht_peer_gone(s->core, &peer, shell_now(s));
        } else if (in->identified) {
                k = remember(s, &peer, in);
                dht_peer_identified(s->core, &k->remote, shell_now(s));
        }
        shell_turn(s);
}

/* Before identify was heard only the handshake's own facts are known. */
static struct dht_remote remote_of(struct shell *s, const struct framed_remote *in) {
        struct known_remote *k = map_get(s->remotes, peer_id_bytes(&in->peer));
        struct dht_remote r = {};

        if (k)
                return k->remote;
        contact_init(&r.contact, &in->peer, NULL, 0);
        (void) multiaddr_endpoint(&in->address, &r.endpoint);
        r.rtt = in->rtt;
        return r;
}

static void remote_release(struct shell *s, struct dht_remote *r) {
        if (!map_get(s->remotes, peer_id_bytes(&r->contact.peer)))
                contact_done(&r->contact);
}

static void on_self(void *userdata, const Transport__SelfReply *in) {
        struct multiaddr addresses[CONTACT_ADDRESSES_MAX];
        struct shell *s = userdata;
        size_t n = 0;

        for (size_t i = 0; i < in->n_listen && n < CONTACT_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->listen[i].data, in->listen[i].len), &addresses[n]) ==
                    MULTIADDR_OK)
                        n++;
        dht_addresses(s->core, addresses, n, shell_now(s));
        shell_mdns_addresses(s, addresses, n);
        shell_moved(s, addresses, n);
        shell_turn(s);
}

static void on_up(void *userdata) {
        struct shell *s = userdata;

        exchange_up(s->exchange);
        shell_mdns_up(s);
        dht_network_changed(s->core, shell_now(s));
        shell_turn(s);
}

static void on_down(void *userdata) {
        struct shell *s = userdata;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(s->remotes, &cursor, &key, &value)) {
                struct known_remote *k = value;

                dht_peer_gone(s->core, &k->remote.contact.peer, shell_now(s));
                remote_free(s, k);
        }
        shell_turn(s);
}

/* ---- Questions ---- */

void shell_do_ask(struct shell *s, struct dht_action *a) {
        struct multiaddr addresses[CONTACT_ADDRESSES_MAX];
        size_t n = contact_addresses(&a->contact, addresses, CONTACT_ADDRESSES_MAX);
        const struct known_remote *k = map_get(s->remotes, peer_id_bytes(&a->contact.peer));

        exchange_begin(s->exchange, &(struct exchange_ask){ .id = a->id,
                                                            .peer = a->contact.peer,
                                                            .addresses = addresses,
                                                            .n_addresses = n,
                                                            .is_told = true,
                                                            .protocol = s->protocols[a->protocol],
                                                            .frame = refbuf_bytes(a->data),
                                                            .answer_max = MESSAGE_MAX,
                                                            .timeout = ASK_TIMEOUT,
                                                            .wants_answer = a->n,
                                                            .ends_late = !k || !k->is_quorate });
}

void shell_do_forget(struct shell *s, struct dht_action *a) {
        exchange_cancel(s->exchange, a->id);
}

static void on_done(void *userdata, uint64_t id, enum exchange_result result,
                    const struct framed_remote *remote, struct bytes answer) {
        static const enum dht_failure failures[] = {
                [EXCHANGE_E_UNREACHABLE] = DHT_UNREACHABLE,
                [EXCHANGE_E_PROTOCOL] = DHT_NO_PROTOCOL,
                [EXCHANGE_E_RESET] = DHT_RESET,
                [EXCHANGE_E_TIMEOUT] = DHT_SILENT,
        };
        struct shell *s = userdata;

        if (result == EXCHANGE_OK) {
                struct dht_remote r = remote_of(s, remote);

                dht_answered(s->core, id, &r, answer, shell_now(s));
                remote_release(s, &r);
        } else {
                dht_failed(s->core, id, failures[result], shell_now(s));
        }
        shell_turn(s);
}

static void on_question(void *userdata, uint64_t question, size_t protocol,
                        const struct framed_remote *remote, struct bytes frame) {
        struct shell *s = userdata;
        struct dht_remote r = remote_of(s, remote);

        dht_request(s->core, question, &r, (enum dht_protocol) protocol, frame, shell_now(s));
        remote_release(s, &r);
        shell_turn(s);
}

static void on_gone(void *userdata, uint64_t question) {
        struct shell *s = userdata;

        dht_request_gone(s->core, question, shell_now(s));
        shell_turn(s);
}

void shell_do_answer(struct shell *s, struct dht_action *a) {
        if (a->data)
                exchange_answer(s->exchange, a->id, refbuf_bytes(a->data));
        else
                exchange_done(s->exchange, a->id);
}

void shell_do_refuse(struct shell *s, struct dht_action *a) {
        exchange_refuse(s->exchange, a->id);
}

/* ---- Dials ---- */

struct dial {
        struct shell *shell;
        uint64_t id;
};

static void on_connected(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct dial *d = userdata;
        const Transport__ConnectReply *in = result->message;
        const char *why = *result->text ? result->text : "transport does not answer";
        struct peer_id peer = {};

        if (!d->shell->core)
                return;
        if (result->code == RPC_OK)
                (void) peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer);
        dht_connected(d->shell->core, d->id, peer_id_is_none(&peer) ? NULL : &peer, why,
                      shell_now(d->shell));
        shell_turn(d->shell);
}

void shell_do_connect(struct shell *s, struct dht_action *a) {
        Transport__ConnectRequest request = TRANSPORT__CONNECT_REQUEST__INIT;
        char peer[PEER_ID_TEXT_SIZE], text[MULTIADDR_TEXT_SIZE];
        struct multiaddr addresses[CONTACT_ADDRESSES_MAX];
        size_t n = contact_addresses(&a->contact, addresses, CONTACT_ADDRESSES_MAX);
        struct dial *d = xnew(struct dial);

        d->shell = s;
        d->id = a->id;
        request.target = peer_id_text(&a->contact.peer, peer);
        request.timeout_ms = CALL_TIMEOUT / NSEC_PER_MSEC;
        if (n > 0) {
                if (!peer_id_is_none(&a->contact.peer) &&
                    !multiaddr_has(&addresses[0], MULTIADDR_DNSADDR))
                        (void) multiaddr_append_peer(&addresses[0], &a->contact.peer);
                request.target = multiaddr_text(&addresses[0], text);
        }
        rpc_call(s->peers_rpc, "Connect", &request, CALL_TIMEOUT + NSEC_PER_SEC, on_connected, d);
}

/* ---- Serving ---- */

static void *on_inbound(void *userdata, size_t protocol, const struct framed_remote *remote) {
        return exchange_inbound(((struct shell *) userdata)->exchange, protocol, remote);
}

static void on_accepted(void *userdata, void *stream, struct framed *f) {
        exchange_accepted(((struct shell *) userdata)->exchange, stream, f);
}

static void on_withdrawn(void *userdata, size_t protocol, void *stream) {
        exchange_withdrawn(((struct shell *) userdata)->exchange, stream);
}

/* A client offers no protocol, so that nobody puts it into a table. */
void shell_do_serve(struct shell *s, struct dht_action *a) {
        const struct streams_protocol protocols[] = {
                [DHT_PROTOCOL_KAD] = { s->protocols[DHT_PROTOCOL_KAD], 32, MESSAGE_MAX,
                                       &exchange_serving, .is_asked = true },
                [DHT_PROTOCOL_RECORD] = { s->protocols[DHT_PROTOCOL_RECORD], 16, MESSAGE_MAX,
                                          &exchange_serving, .is_asked = true },
        };

        streams_serve(s->streams, protocols, a->n ? ELEMENTSOF(protocols) : 0);
}

static const struct streams_events streams_events = { .on_inbound = on_inbound,
                                                      .on_accepted = on_accepted,
                                                      .on_withdrawn = on_withdrawn,
                                                      .on_peer = on_peer,
                                                      .on_self = on_self,
                                                      .on_up = on_up,
                                                      .on_down = on_down };
static const struct exchange_events exchange_events = { .on_done = on_done,
                                                        .on_question = on_question,
                                                        .on_gone = on_gone };

/* ---- Life ---- */

int shell_peers_start(struct shell *s) {
        int r = streams_new(s->ctx, &limits, &streams_events, s, &s->streams);

        if (r)
                return r;
        s->exchange = exchange_new(s->loop, s->streams, &exchange_events, s);
        r = bus_connect(s->ctx, "transport/peers", NULL, &s->peers_bus);
        if (r)
                return log_fault(r, "cannot connect to transport below %s", s->ctx->runtime);
        s->peers_rpc = rpc_client_new(bus_client_link(s->peers_bus), &transport__peers__descriptor);
        return 0;
}

void shell_peers_stop(struct shell *s) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        s->peers_rpc = rpc_client_free(s->peers_rpc);
        s->peers_bus = bus_client_free(s->peers_bus);
        s->exchange = exchange_free(s->exchange);
        s->streams = streams_free(s->streams);
        while (map_next(s->remotes, &cursor, &key, &value))
                remote_free(s, value);
}
