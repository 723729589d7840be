#include "services/gossip/shell.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/identity.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "services/gossip/core.h"

/* Transport: who is connected, one GossipSub stream to each and from each, and
 * /quorate/peers/1. */

#define MESH_1_1     "/meshsub/1.1.0"
#define MESH_1_2     "/meshsub/1.2.0"
#define OPEN_TIMEOUT (5 * NSEC_PER_SEC)
#define ASK_TIMEOUT  (2 * NSEC_PER_SEC)
#define CALL_TIMEOUT (10 * NSEC_PER_SEC)
#define QUEUE_GOSSIP (256 * 1024) /* above it, what may be dropped is */
#define QUEUE_MAX    (4 * 1024 * 1024)

/* An RPC under way from each peer, and something besides. Streams of a mesh may be silent for as
 * long as they like, but between two frames only. */
static const struct places_limits limits = { .bytes = 16 * 1024 * 1024,
                                             .bytes_per_group = 4 * 1024 * 1024,
                                             .bytes_per_peer = PUBSUB_RPC_MAX + 256 * 1024,
                                             .first = 5 * NSEC_PER_SEC,
                                             .idle = 60 * NSEC_PER_SEC,
                                             .frame = 15 * NSEC_PER_SEC };

enum served { SERVED_MESH_1_2 = 0, SERVED_MESH_1_1, SERVED_PEERS };

/* Our stream to a peer. */
struct mesh_stream {
        struct shell *shell;
        struct framed *stream;
        struct peer_id peer;
};

/* Theirs to us. */
struct mesh_inbound {
        struct list link; /* of struct shell.inbound, once it is accepted */
        struct shell *shell;
        struct framed *stream;
        struct peer_id peer;
};

/* ---- Outbound ---- */

static void outbound_free(struct mesh_stream *m) {
        (void) map_remove(m->shell->outbound, peer_id_bytes(&m->peer));
        free(m);
}

static void out_open(struct framed *f, void *userdata, const char *protocol,
                     const struct framed_remote *remote) {
        struct mesh_stream *m = userdata;

        gossip_stream_opened(m->shell->core, &m->peer,
                             strcmp(protocol, MESH_1_2) == 0 ? PUBSUB_V1_2 : PUBSUB_V1_1,
                             shell_now(m->shell));
        shell_turn(m->shell);
}

static void out_sent(struct framed *f, void *userdata) {
        struct mesh_stream *m = userdata;

        gossip_queued(m->shell->core, &m->peer, framed_queued(f), shell_now(m->shell));
}

static void out_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        struct mesh_stream *m = userdata;
        struct shell *s = m->shell;
        struct peer_id peer = m->peer;

        outbound_free(m);
        gossip_stream_closed(s->core, &peer, shell_now(s));
        shell_turn(s);
}

static const struct framed_handler outbound = { .on_open = out_open,
                                                .on_sent = out_sent,
                                                .on_end = out_end };

void shell_do_stream_open(struct shell *s, struct gossip_action *a) {
        static const char *const protocols[] = { MESH_1_2, MESH_1_1 };
        struct framed_open open = { .peer = a->peer,
                                    .protocols = protocols,
                                    .n_protocols = ELEMENTSOF(protocols),
                                    .frame_max = 0,
                                    .timeout = OPEN_TIMEOUT,
                                    .is_idle = true };
        struct mesh_stream *m = map_get(s->outbound, peer_id_bytes(&a->peer));

        if (m)
                return;
        m = xnew(struct mesh_stream);
        m->shell = s;
        m->peer = a->peer;
        m->stream = streams_open(s->streams, &open, &outbound, m);
        if (m->stream) {
                (void) map_set(s->outbound, peer_id_bytes(&a->peer), m);
                return;
        }
        free(m);
        gossip_stream_closed(s->core, &a->peer, shell_now(s));
}

static void close_inbound(struct shell *s, const struct peer_id *peer);

void shell_do_stream_close(struct shell *s, struct gossip_action *a) {
        struct mesh_stream *m = map_get(s->outbound, peer_id_bytes(&a->peer));

        if (a->n)
                close_inbound(s, &a->peer);
        if (!m)
                return;
        framed_reset(m->stream, 0, "not wanted");
        outbound_free(m);
        gossip_stream_closed(s->core, &a->peer, shell_now(s));
}

void shell_do_send(struct shell *s, struct gossip_action *a) {
        struct mesh_stream *m = map_get(s->outbound, peer_id_bytes(&a->peer));
        size_t queued = m ? framed_queued(m->stream) : 0;

        if (!m || queued > (a->n ? QUEUE_GOSSIP : QUEUE_MAX))
                return;
        framed_send(m->stream, refbuf_bytes(a->data));
        gossip_queued(s->core, &a->peer, framed_queued(m->stream), shell_now(s));
}

/* ---- Inbound ---- */

static void in_frame(struct framed *f, void *userdata, struct bytes frame) {
        struct mesh_inbound *m = userdata;

        gossip_rpc(m->shell->core, &m->peer, frame, shell_now(m->shell));
        shell_turn(m->shell);
}

static void in_finish(struct framed *f, void *userdata) {
        framed_finish(f);
}

static void inbound_free(struct mesh_inbound *m) {
        list_remove(&m->link);
        free(m);
}

static void in_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        inbound_free(userdata);
}

static const struct framed_handler inbound = { .on_frame = in_frame,
                                               .on_finish = in_finish,
                                               .on_end = in_end };

/* A peer that is let go would otherwise go on speaking where nobody listens. A few for each peer,
 * and it happens seldom: all are looked through. */
static void close_inbound(struct shell *s, const struct peer_id *peer) {
        LIST_FOREACH_SAFE (it, &s->inbound) {
                struct mesh_inbound *m = LIST_ENTRY(it, struct mesh_inbound, link);

                if (!peer_id_equal(&m->peer, peer))
                        continue;
                framed_reset(m->stream, 0, "not wanted");
                inbound_free(m);
        }
}

static void *on_inbound(void *userdata, size_t protocol, const struct framed_remote *remote) {
        struct shell *s = userdata;
        struct mesh_inbound *m;

        if (protocol == SERVED_PEERS)
                return exchange_inbound(s->exchange, protocol, remote);
        m = xnew(struct mesh_inbound);
        list_init(&m->link);
        m->shell = s;
        m->peer = remote->peer;
        return m;
}

static void on_accepted(void *userdata, void *stream, struct framed *f) {
        struct shell *s = userdata;
        struct mesh_inbound *m = stream;

        if (framed_handler_of(f) == &exchange_serving) {
                exchange_accepted(s->exchange, stream, f);
                return;
        }
        m->stream = f;
        list_push_back(&s->inbound, &m->link);
}

static void on_withdrawn(void *userdata, size_t protocol, void *stream) {
        struct shell *s = userdata;

        if (protocol == SERVED_PEERS)
                exchange_withdrawn(s->exchange, stream);
        else
                inbound_free(stream);
}

/* ---- Peers ---- */

static bool speaks(const Transport__PeerChange *in, const char *protocol) {
        for (size_t i = 0; i < in->n_protocols; i++)
                if (strcmp(in->protocols[i], protocol) == 0)
                        return true;
        return false;
}

/* Loopback and private addresses are shared by honest peers of one machine or house. */
static struct endpoint counted_endpoint(const Transport__PeerChange *in) {
        struct endpoint e = {};
        struct multiaddr a;

        if (multiaddr_parse(BYTES(in->address.data, in->address.len), &a) ||
            !multiaddr_endpoint(&a, &e) || endpoint_scope(&e) != SCOPE_PUBLIC)
                return (struct endpoint){};
        return e;
}

static void on_peer(void *userdata, const Transport__PeerChange *in) {
        struct multiaddr addresses[GOSSIP_ADDRESSES_MAX];
        struct gossip_peer p = { .addresses = addresses };
        struct shell *s = userdata;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &p.peer))
                return;
        if (!in->connected) {
                gossip_peer_down(s->core, &p.peer, shell_now(s));
                shell_turn(s);
                return;
        }
        if (!in->identified)
                return;
        p.endpoint = counted_endpoint(in);
        p.is_outbound = !in->inbound;
        p.pow_bits = in->work;
        p.version = speaks(in, MESH_1_2) ? PUBSUB_V1_2 : speaks(in, MESH_1_1) ? PUBSUB_V1_1 : 0;
        p.is_elsewhere = network_is_elsewhere(s->network, in->protocols, in->n_protocols);
        p.speaks_peers = speaks(in, s->peers_protocol);
        p.record = BYTES(in->record.data, in->record.len);
        for (size_t i = 0; i < in->n_addresses && p.n_addresses < GOSSIP_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len),
                                    &addresses[p.n_addresses]) == MULTIADDR_OK)
                        p.n_addresses++;
        gossip_peer_up(s->core, &p, shell_now(s));
        shell_turn(s);
}

static void on_self(void *userdata, const Transport__SelfReply *in) {
        struct multiaddr addresses[GOSSIP_ADDRESSES_MAX];
        struct shell *s = userdata;
        size_t n = 0;

        for (size_t i = 0; i < in->n_listen && n < GOSSIP_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->listen[i].data, in->listen[i].len), &addresses[n]) ==
                    MULTIADDR_OK)
                        n++;
        gossip_addresses(s->core, addresses, n, shell_now(s));
        shell_turn(s);
}

/* Another transport knows nothing of our streams and peers. */
static void on_up(void *userdata) {
        exchange_up(((struct shell *) userdata)->exchange);
}

static void on_down(void *userdata) {
        struct shell *s = userdata;

        gossip_peers_gone(s->core, shell_now(s));
        shell_turn(s);
}

static void on_denied(void *userdata) {
        shell_denied(userdata);
}

void shell_do_keep(struct shell *s, struct gossip_action *a) {
        streams_keep(s->streams, &a->peer, a->n);
}

static void on_connected(void *userdata, const struct rpc_result *result) {
        if (result->code != RPC_OK)
                log_debug("not connected: %s", result->text);
}

/* Names too: transport judges where they lead. */
static bool is_dialable(const struct multiaddr *a) {
        enum endpoint_family family;
        struct bytes name;
        uint16_t port;

        return multiaddr_is_dialable_quic(a) || multiaddr_name(a, &name, &port, &family);
}

/* By address when one was told, else transport may know one. */
void shell_do_connect(struct shell *s, struct gossip_action *a) {
        Transport__ConnectRequest request = TRANSPORT__CONNECT_REQUEST__INIT;
        char peer[PEER_ID_TEXT_SIZE], text[MULTIADDR_TEXT_SIZE];

        (void) peer_id_text(&a->peer, peer);
        request.target = peer;
        request.told = true;
        for (size_t i = 0; i < a->n_addresses; i++) {
                struct multiaddr full = a->addresses[i];

                if (!is_dialable(&full) || multiaddr_has(&full, MULTIADDR_P2P) ||
                    !multiaddr_append_peer(&full, &a->peer))
                        continue;
                request.target = multiaddr_text(&full, text);
                break;
        }
        rpc_call(s->peers_rpc, "Connect", &request, CALL_TIMEOUT, on_connected, s);
}

void shell_do_block(struct shell *s, struct gossip_action *a) {
        streams_deny(s->streams, &a->peer, a->n);
        shell_tell_blocked(s, &a->peer, a->n);
}

/* ---- /quorate/peers/1 ---- */

static void on_done(void *userdata, uint64_t id, enum exchange_result result,
                    const struct framed_remote *remote, struct bytes answer) {
        struct shell *s = userdata;

        if (result == EXCHANGE_OK)
                gossip_answered(s->core, id, answer, shell_now(s));
        else
                gossip_ask_failed(s->core, id, shell_now(s));
        shell_turn(s);
}

static void on_question(void *userdata, uint64_t question, size_t protocol,
                        const struct framed_remote *remote, struct bytes frame) {
        struct shell *s = userdata;

        gossip_asked(s->core, question, &remote->peer, frame, shell_now(s));
        shell_turn(s);
}

static void on_gone(void *userdata, uint64_t question) {
        /* the core answers at once: there is nothing to forget */
}

static const struct exchange_events exchange_events = { .on_done = on_done,
                                                        .on_question = on_question,
                                                        .on_gone = on_gone };

void shell_do_ask(struct shell *s, struct gossip_action *a) {
        exchange_begin(s->exchange, &(struct exchange_ask){ .id = a->id,
                                                            .peer = a->peer,
                                                            .addresses = a->addresses,
                                                            .n_addresses = a->n_addresses,
                                                            .is_told = a->n,
                                                            .protocol = s->peers_protocol,
                                                            .frame = refbuf_bytes(a->data),
                                                            .answer_max = REPLY_MAX,
                                                            .timeout = ASK_TIMEOUT,
                                                            .wants_answer = true });
}

void shell_do_answer(struct shell *s, struct gossip_action *a) {
        exchange_answer(s->exchange, a->id, refbuf_bytes(a->data));
}

void shell_do_refuse(struct shell *s, struct gossip_action *a) {
        exchange_refuse(s->exchange, a->id);
}

/* ---- Life ---- */

static const struct streams_events streams_events = { .on_inbound = on_inbound,
                                                      .on_accepted = on_accepted,
                                                      .on_withdrawn = on_withdrawn,
                                                      .on_peer = on_peer,
                                                      .on_self = on_self,
                                                      .on_up = on_up,
                                                      .on_down = on_down,
                                                      .on_denied = on_denied };

int shell_peers_start(struct shell *s) {
        const struct streams_protocol protocols[] = {
                [SERVED_MESH_1_2] = { MESH_1_2, 2, PUBSUB_RPC_MAX, &inbound, .is_idle = true },
                [SERVED_MESH_1_1] = { MESH_1_1, 2, PUBSUB_RPC_MAX, &inbound, .is_idle = true },
                [SERVED_PEERS] = { s->peers_protocol, 8, REQUEST_MAX, &exchange_serving,
                                   .is_asked = true, .max = 256 },
        };
        int r = streams_new(s->ctx, &limits, &streams_events, s, &s->streams);

        if (r)
                return r;
        s->exchange = exchange_new(s->loop, s->streams, &exchange_events, s);
        streams_serve(s->streams, protocols, ELEMENTSOF(protocols));
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

        while (map_next(s->outbound, &cursor, &key, &value)) {
                struct mesh_stream *m = value;

                framed_reset(m->stream, 0, "gossip is stopping");
                outbound_free(m);
        }
        LIST_FOREACH_SAFE (it, &s->inbound) {
                struct mesh_inbound *m = LIST_ENTRY(it, struct mesh_inbound, link);

                framed_reset(m->stream, 0, "gossip is stopping");
                inbound_free(m);
        }
        s->exchange = exchange_free(s->exchange);
        s->streams = streams_free(s->streams);
        s->peers_rpc = rpc_client_free(s->peers_rpc);
        s->peers_bus = bus_client_free(s->peers_bus);
}
