/* transport/streams: protobuf and channels on one side, struct transport on the other. */

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/daemon/bus.h"
#include "common/daemon/log.h"
#include "common/wire/unpack.h"
#include "proto/transport.pb-c.h"
#include "services/transport/select.h"
#include "services/transport/shell/shell.h"
#include "services/transport/shell/splice.h"

#define SERVE_E_TAKEN       1
#define SERVE_E_NAME        2
#define E_PEER              1 /* of Keep, Deny and Found */
#define E_OWNER             2 /* of Deny */
#define ADDRESSES_GIVEN_MAX 16
#define CHANNEL_NAME        "stream"

_Static_assert((int) TRANSPORT_E_BACKING_OFF == (int) TRANSPORT__STREAM_ERROR__BACKING_OFF,
               "codes are those of proto/transport.proto");
_Static_assert((int) TRANSPORT_E_LOST == (int) TRANSPORT__STREAM_ERROR__CONNECTION_LOST,
               "codes are those of proto/transport.proto");

/* A protocol that one connected service serves. */
struct registration {
        struct list link;
        struct subscriber *subscriber;
        char name[SELECT_NAME_SIZE];
};

struct keep {
        struct list link;
        struct peer_id peer;
};

/* One connection of a service. */
struct subscriber {
        struct list link;
        struct streams_service *service;
        struct link *bus;
        struct list registrations, keeps;
        struct denial denial;
        bool wants_self;
};

/* An outbound stream being opened. */
struct request {
        struct list link;
        struct streams_service *service;
        struct channel *channel;
        uint64_t opening;
};

struct streams_service {
        Transport__Streams_Service base; /* first: handlers are given this */
        struct shell *shell;
        struct rpc_server *rpc;
        struct bus_server *bus;
        struct channel_acceptor acceptor;
        struct splices splices;
        struct list subscribers, requests;
};

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static bool peer_of(const ProtobufCBinaryData *v, struct peer_id *ret) {
        return peer_id_parse(BYTES(v->data, v->len), ret);
}

/* Addresses that are none are passed over: others may be good. */
static size_t addresses_of_list(const ProtobufCBinaryData *list, size_t n_list,
                                struct multiaddr ret[ADDRESSES_GIVEN_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < n_list && n < ADDRESSES_GIVEN_MAX; i++)
                if (multiaddr_parse(BYTES(list[i].data, list[i].len), &ret[n]) == MULTIADDR_OK)
                        n++;
        return n;
}

/* ---- subscribers ---- */

static struct subscriber *find_subscriber(struct streams_service *v, const struct link *bus) {
        LIST_FOREACH (link, &v->subscribers) {
                struct subscriber *s = LIST_ENTRY(link, struct subscriber, link);

                if (s->bus == bus)
                        return s;
        }
        return NULL;
}

static void on_came(void *userdata, struct link *bus) {
        struct streams_service *v = userdata;
        struct subscriber *s = xnew(struct subscriber);

        s->service = v;
        s->bus = bus;
        list_init(&s->link);
        list_init(&s->registrations);
        list_init(&s->keeps);
        list_push_back(&v->subscribers, &s->link);
}

static void drop_registrations(struct subscriber *s) {
        struct shell *shell = s->service->shell;
        struct list *link;

        while ((link = list_pop_front(&s->registrations))) {
                struct registration *r = LIST_ENTRY(link, struct registration, link);

                if (shell->transport)
                        transport_unserve(shell->transport, r->name, shell_now(shell));
                free(r);
        }
}

static void subscriber_free(struct subscriber *s) {
        struct list *link;

        drop_registrations(s);
        while ((link = list_pop_front(&s->keeps))) {
                struct keep *k = LIST_ENTRY(link, struct keep, link);

                if (s->service->shell->transport)
                        transport_unkeep(s->service->shell->transport, &k->peer);
                free(k);
        }
        denial_done(s->service->shell->denials, &s->denial);
        list_remove(&s->link);
        free(s);
}

static void on_gone(void *userdata, struct link *bus) {
        struct subscriber *s = find_subscriber(userdata, bus);

        if (s)
                subscriber_free(s);
}

/* ---- inbound ---- */

static void put_remote(const struct stream *s, Transport__Remote *ret, struct multiaddr *memory) {
        struct connection_stats stats;
        struct path path = connection_path(s->connection);

        *memory = multiaddr_from_endpoint(&path.remote);
        connection_stats(s->connection, &stats);
        ret->address = binary(multiaddr_bytes(memory));
        ret->limited = s->is_limited;
        ret->rtt_us = stats.rtt / NSEC_PER_USEC;
}

static void open_inbound(void *userdata, struct stream *s, const char *name) {
        Transport__StreamInbound m = TRANSPORT__STREAM_INBOUND__INIT;
        Transport__Remote remote = TRANSPORT__REMOTE__INIT;
        struct registration *r = userdata;
        struct splice *p = splice_new(&r->subscriber->service->splices);
        struct multiaddr memory;

        put_remote(s, &remote, &memory);
        m.peer = binary(peer_id_bytes(&s->peer));
        m.protocol = (char *) name;
        m.remote = &remote;
        (void) splice_opening(p,
                              channel_open_message(r->subscriber->bus, CHANNEL_NAME, &m,
                                                   &splice_channel_handler, p),
                              s);
}

static int serve_one(struct subscriber *s, const Transport__Protocol *wanted) {
        struct shell *shell = s->service->shell;
        struct registration *r;
        struct transport_protocol p = {
                .max_per_peer = wanted->max_streams_per_peer,
                .is_needed = !wanted->idle,
                .open = open_inbound,
        };

        if (strlen(wanted->id) >= sizeof(r->name) || wanted->id[0] != '/')
                return SERVE_E_NAME;
        r = xnew(struct registration);
        r->subscriber = s;
        (void) snprintf(r->name, sizeof(r->name), "%s", wanted->id);
        list_init(&r->link);
        p.name = r->name;
        p.userdata = r;
        if (transport_serve(shell->transport, &p, shell_now(shell))) {
                free(r);
                return SERVE_E_TAKEN;
        }
        list_push_back(&s->registrations, &r->link);
        return 0;
}

static void streams_serve(Transport__Streams_Service *base, const Transport__ServeRequest *in,
                          Types__Empty_Closure closure, void *closure_data) {
        struct streams_service *v = (struct streams_service *) base;
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct subscriber *s = find_subscriber(v, call_link(call));
        const Types__Empty reply = TYPES__EMPTY__INIT;
        char name[SELECT_NAME_SIZE];

        if (!s) {
                call_fail(call, RPC_E_GONE, "the connection is gone");
                return;
        }
        drop_registrations(s);
        for (size_t i = 0; i < in->n_protocols; i++) {
                int r = serve_one(s, in->protocols[i]);

                if (r == 0)
                        continue;
                drop_registrations(s);
                text_escape(BYTES_STR(in->protocols[i]->id), name, sizeof(name));
                call_fail(call, r,
                          r == SERVE_E_TAKEN ? "protocol \"%s\" is served by somebody else already"
                                             : "\"%s\" is no protocol id: begin with / and use at "
                                               "most 140 bytes",
                          name);
                return;
        }
        call_reply(call, &reply);
}

/* ---- keeping ---- */

static struct keep *find_keep(struct subscriber *s, const struct peer_id *peer) {
        LIST_FOREACH (link, &s->keeps) {
                struct keep *k = LIST_ENTRY(link, struct keep, link);

                if (peer_id_equal(&k->peer, peer))
                        return k;
        }
        return NULL;
}

static bool keep(struct subscriber *s, const struct peer_id *peer) {
        struct keep *k;

        if (find_keep(s, peer)) /* a service needs a peer or does not; it is not counted */
                return true;
        if (!transport_keep(s->service->shell->transport, peer))
                return false;
        k = xnew(struct keep);
        k->peer = *peer;
        list_init(&k->link);
        list_push_back(&s->keeps, &k->link);
        return true;
}

static void unkeep(struct subscriber *s, const struct peer_id *peer) {
        struct keep *k = find_keep(s, peer);

        if (!k)
                return;
        transport_unkeep(s->service->shell->transport, peer);
        list_remove(&k->link);
        free(k);
}

static void streams_keep(Transport__Streams_Service *base, const Transport__KeepRequest *in,
                         Types__Empty_Closure closure, void *closure_data) {
        struct streams_service *v = (struct streams_service *) base;
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct subscriber *s = find_subscriber(v, call_link(call));
        const Types__Empty reply = TYPES__EMPTY__INIT;
        struct peer_id peer;

        if (!s || !peer_of(&in->peer, &peer)) {
                call_fail(call, E_PEER, "not a peer id");
                return;
        }
        if (!in->needed) {
                unkeep(s, &peer);
        } else if (!keep(s, &peer)) {
                call_fail(call, RPC_E_QUOTA, "max-peers are known and in use already");
                return;
        }
        call_reply(call, &reply);
}

/* ---- denying ---- */

/* NULL: one of them is no peer id. */
static struct peer_id *peers_of(const Transport__DenyRequest *in) {
        CLEANUP(freep) struct peer_id *peers = xnew_n(struct peer_id, in->n_peers + 1);

        for (size_t i = 0; i < in->n_peers; i++)
                if (!peer_of(&in->peers[i], &peers[i]))
                        return NULL;
        return TAKE(peers);
}

/* In force at once, and answered when the next transport will know it from its first packet on. */
static void deny_for_good(struct shell *shell, const char *owner, const struct peer_id *peers,
                          size_t n, struct call *call) {
        const Types__Empty reply = TYPES__EMPTY__INIT;
        int r;

        if (!denials_keep(shell->denials, owner, peers, n)) {
                call_fail(call, E_OWNER, "DenyRequest.owner: a name of 1 to %d bytes, at most %d",
                          DENY_OWNER_SIZE - 1, DENY_OWNERS_MAX);
                return;
        }
        (void) transport_enforce_allow(shell->transport);
        r = store_deny(shell->store, owner, peers, n);
        if (r < 0)
                call_fail(call, r, "in force until transport is started again, but not on disk");
        else
                call_reply(call, &reply);
}

static void streams_deny(Transport__Streams_Service *base, const Transport__DenyRequest *in,
                         Types__Empty_Closure closure, void *closure_data) {
        struct streams_service *v = (struct streams_service *) base;
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct subscriber *s = find_subscriber(v, call_link(call));
        CLEANUP(freep) struct peer_id *peers = in->n_peers <= DENY_MAX ? peers_of(in) : NULL;
        const Types__Empty reply = TYPES__EMPTY__INIT;

        if (!s || !peers) {
                call_fail(call, E_PEER, "DenyRequest.peers: at most %d, all of them peer ids",
                          DENY_MAX);
                return;
        }
        if (in->owner[0] != '\0') {
                deny_for_good(v->shell, in->owner, peers, in->n_peers, call);
                return;
        }
        denial_replace(v->shell->denials, &s->denial, peers, in->n_peers);
        (void) transport_enforce_allow(v->shell->transport);
        call_reply(call, &reply);
}

/* ---- what the local network said ---- */

static void streams_found(Transport__Streams_Service *base, const Transport__FoundRequest *in,
                          Types__Empty_Closure closure, void *closure_data) {
        struct streams_service *v = (struct streams_service *) base;
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(freep) struct multiaddr *addrs = xnew_n(struct multiaddr, ADDRESSES_GIVEN_MAX);
        const Types__Empty reply = TYPES__EMPTY__INIT;
        struct peer *peer;
        struct peer_id id;
        size_t n;

        if (!peer_of(&in->peer, &id)) {
                call_fail(call, E_PEER, "FoundRequest.peer is no peer id");
                return;
        }
        peer = peers_get(transport_peers(v->shell->transport), &id);
        if (!peer) {
                call_fail(call, RPC_E_QUOTA, "max-peers are known and in use already");
                return;
        }
        n = addresses_of_list(in->addresses, in->n_addresses, addrs);
        for (size_t i = 0; i < n; i++)
                peer_add_address(peer, &addrs[i], ADDRESS_CALLER);
        peer->is_local = true;
        watch_changed(&v->shell->watch, peer);
        call_reply(call, &reply);
}

/* ---- ourselves ---- */

static void put_self(const struct shell *s, Transport__SelfReply *ret,
                     ProtobufCBinaryData listen[ADDRESSES_MAX]) {
        for (size_t i = 0; i < s->addresses.n; i++)
                listen[i] = binary(multiaddr_bytes(&s->addresses.list[i]));
        ret->peer = binary(peer_id_bytes(keys_peer(s->keys)));
        ret->n_listen = s->addresses.n;
        ret->listen = listen;
        ret->agent = (char *) transport_agent(s->transport);
}

static void streams_self(Transport__Streams_Service *base, const Types__Empty *in,
                         Transport__SelfReply_Closure closure, void *closure_data) {
        struct streams_service *v = (struct streams_service *) base;
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct subscriber *s = find_subscriber(v, call_link(call));
        Transport__SelfReply reply = TRANSPORT__SELF_REPLY__INIT;
        ProtobufCBinaryData listen[ADDRESSES_MAX];

        if (s)
                s->wants_self = true;
        put_self(v->shell, &reply, listen);
        call_reply(call, &reply);
}

void streams_service_tell(struct streams_service *v) {
        Transport__SelfReply event = TRANSPORT__SELF_REPLY__INIT;
        ProtobufCBinaryData listen[ADDRESSES_MAX];

        put_self(v->shell, &event, listen);
        LIST_FOREACH (link, &v->subscribers) {
                struct subscriber *s = LIST_ENTRY(link, struct subscriber, link);

                if (s->wants_self)
                        (void) rpc_event(s->bus, "Self", &event, RPC_EVENT_STATUS);
        }
}

/* ---- outbound ---- */

static void accept_channel(struct request *q, const struct transport_opened *o) {
        Transport__StreamAccepted m = TRANSPORT__STREAM_ACCEPTED__INIT;
        Transport__Remote remote = TRANSPORT__REMOTE__INIT;
        CLEANUP(buffer_donep) struct buffer metadata = {};
        struct multiaddr memory;

        put_remote(o->stream, &remote, &memory);
        m.protocol = (char *) o->protocol;
        m.remote = &remote;
        buffer_init(&metadata, 4096);
        wire_pack(&metadata, &m.base);
        check(!metadata.failed);
        (void) splice_accepting(&q->service->splices, q->channel, o->stream,
                                buffer_bytes(&metadata));
}

static void on_opened(void *userdata, const struct transport_opened *o) {
        struct request *q = userdata;

        if (o->code == TRANSPORT_OK)
                accept_channel(q, o);
        else
                channel_reset(q->channel, o->code, o->text);
        list_remove(&q->link);
        free(q);
}

static bool are_protocols(const Transport__StreamOpen *m) {
        if (m->n_protocols == 0 || m->n_protocols > TRANSPORT_PROPOSALS_MAX)
                return false;
        for (size_t i = 0; i < m->n_protocols; i++)
                if (m->protocols[i][0] == '\0' || strlen(m->protocols[i]) > SELECT_NAME_MAX)
                        return false;
        return true;
}

static void open_outbound(struct streams_service *v, struct channel *c,
                          const Transport__StreamOpen *m, const struct peer_id *peer) {
        CLEANUP(freep) struct multiaddr *addrs = xnew_n(struct multiaddr, ADDRESSES_GIVEN_MAX);
        struct request *q = xnew(struct request);
        struct transport_open open = {
                .peer = *peer,
                .protocols = (const char *const *) m->protocols,
                .n_protocols = m->n_protocols,
                .addrs = addrs,
                .n_addrs = addresses_of_list(m->addresses, m->n_addresses, addrs),
                .is_told = m->told,
                .timeout = m->timeout_ms * NSEC_PER_MSEC,
                .is_needed = !m->idle,
                .fn = on_opened,
                .userdata = q,
        };

        q->service = v;
        q->channel = c;
        list_init(&q->link);
        list_push_back(&v->requests, &q->link);
        q->opening = transport_open(v->shell->transport, &open, shell_now(v->shell));
}

static void on_stream_channel(struct streams_service *v, struct channel *c, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Transport__StreamOpen *m;
        struct peer_id peer;

        if (wire_unpack(&transport__stream_open__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a StreamOpen");
                return;
        }
        m = u.message;
        if (!peer_of(&m->peer, &peer))
                channel_reset(c, RPC_E_MALFORMED, "StreamOpen.peer is no peer id");
        else if (!are_protocols(m))
                channel_reset(c, RPC_E_MALFORMED,
                              "StreamOpen.protocols: 1 to 8 ids of at most 140 bytes");
        else
                open_outbound(v, c, m, &peer);
}

static void on_watch_channel(struct streams_service *v, struct channel *c, struct bytes metadata) {
        watch_open(&v->shell->watch, c);
}

static void on_mdns_channel(struct streams_service *v, struct channel *c, struct bytes metadata) {
        mdns_relay_open(&v->shell->mdns, c);
}

static const struct {
        const char *name;
        void (*open)(struct streams_service *v, struct channel *c, struct bytes metadata);
} channel_kinds[] = {
        { CHANNEL_NAME, on_stream_channel },
        { "watch", on_watch_channel },
        { "mdns", on_mdns_channel },
};

static void on_channel(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        for (size_t i = 0; i < ELEMENTSOF(channel_kinds); i++)
                if (strcmp(channel_kinds[i].name, name) == 0) {
                        channel_kinds[i].open(userdata, c, metadata);
                        return;
                }
        channel_reset(c, RPC_E_UNKNOWN_METHOD, "no such channel; there are stream, watch and mdns");
}

/* ---- life ---- */

int streams_service_new(struct shell *s, struct streams_service **ret) {
        struct streams_service *v = xnew(struct streams_service);
        int r;

        *ret = v;
        v->base = (Transport__Streams_Service) TRANSPORT__STREAMS__INIT(streams_);
        v->shell = s;
        list_init(&v->subscribers);
        list_init(&v->requests);
        /* QUIC keeps the bytes within receive-buffer; parcels that are not full cost more. */
        splices_init(&v->splices, 2 * s->settings->receive_buffer);
        v->acceptor = (struct channel_acceptor){ .on_open = on_channel, .userdata = v };
        v->rpc = rpc_server_new(s->ctx->loop, &v->base.base, 0);
        rpc_server_watch(v->rpc, on_came, on_gone, v);
        r = bus_serve(s->ctx, "transport/streams", v->rpc, &v->acceptor, &v->bus);
        return r < 0 ? log_fault(r, "cannot serve transport/streams") : r;
}

/* After the transport, which has ended every request. */
struct streams_service *streams_service_free(struct streams_service *v) {
        struct list *link;

        if (!v)
                return NULL;
        splices_done(&v->splices);
        bus_server_free(v->bus);
        while ((link = list_first(&v->subscribers)))
                subscriber_free(LIST_ENTRY(link, struct subscriber, link));
        rpc_server_free(v->rpc);
        free(v);
        return NULL;
}

void streams_service_flush(struct streams_service *v) {
        if (v)
                splices_flush(&v->splices);
}
