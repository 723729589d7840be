#include "common/streams/streams.h"

#include <stdio.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "common/daemon/service.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"

#define CALL_TIMEOUT     (5 * NSEC_PER_SEC)
#define PROTOCOL_ID_SIZE 160
#define CHANGE_MAX       (32 * 1024)
#define WATCH_AGAIN      NSEC_PER_SEC /* after the channel was reset */
#define BACK_WITHIN      (3 * NSEC_PER_SEC)
#define STREAMS_MAX      512 /* inbound, of one protocol */

struct streams {
        struct service_context *ctx;
        const struct streams_events *events;
        void *userdata;
        struct channel_acceptor acceptor;
        struct bus_client *bus;
        struct rpc_client *rpc;
        bool is_up;
        nsec_t down_since;
        struct streams_protocol protocols[STREAMS_PROTOCOLS_MAX];
        char ids[STREAMS_PROTOCOLS_MAX][PROTOCOL_ID_SIZE];
        size_t n_protocols;
        struct channel *watch;
        struct frame_reader changes;
        struct map *told; /* set of peer: as connected */
        struct loop_source *watch_again, *places_timer;
        struct places places;
        struct framed_home home;
        struct map *denied;     /* set of peer */
        bool is_denying;        /* it is complete, and transport is told of it */
        unsigned n_unconfirmed; /* of what transport was told of it */
};

/* ---- Serving ---- */

static void on_served(void *userdata, const struct rpc_result *result) {
        if (result->code != RPC_OK && result->code != RPC_E_CANCELLED && result->code != RPC_E_GONE)
                log_warning("transport does not route our protocols: %s", result->text);
}

static void serve_now(struct streams *s) {
        Transport__Protocol protocols[STREAMS_PROTOCOLS_MAX], *list[STREAMS_PROTOCOLS_MAX];
        Transport__ServeRequest request = TRANSPORT__SERVE_REQUEST__INIT;

        for (size_t i = 0; i < s->n_protocols; i++) {
                transport__protocol__init(&protocols[i]);
                protocols[i].id = s->ids[i];
                protocols[i].max_streams_per_peer = s->protocols[i].max_per_peer;
                protocols[i].idle = s->protocols[i].is_idle;
                list[i] = &protocols[i];
        }
        request.protocols = list;
        request.n_protocols = s->n_protocols;
        rpc_call(s->rpc, "Serve", &request, RPC_WHILE_UP, on_served, s);
}

void streams_serve(struct streams *s, const struct streams_protocol *protocols, size_t n) {
        s->n_protocols = n < STREAMS_PROTOCOLS_MAX ? n : STREAMS_PROTOCOLS_MAX;
        for (size_t i = 0; i < s->n_protocols; i++) {
                s->protocols[i] = protocols[i];
                (void) snprintf(s->ids[i], PROTOCOL_ID_SIZE, "%s", protocols[i].id);
        }
        if (s->is_up)
                serve_now(s);
}

static size_t protocol_of(const struct streams *s, const char *id) {
        size_t i = 0;

        while (i < s->n_protocols && strcmp(s->ids[i], id) != 0)
                i++;
        return i;
}

/* Accepted into a place; whoever has to go for it ends later. */
static struct framed *accept_at(struct streams *s, size_t at, struct channel *c,
                                const struct framed_remote *remote, void *stream) {
        const struct streams_protocol *p = &s->protocols[at];
        struct endpoint from = {};
        const struct place_stream as = { .peer = &remote->peer,
                                         .from = &from,
                                         .protocol = (unsigned) at,
                                         .max = p->max ? p->max : STREAMS_MAX,
                                         .is_asked = p->is_asked };

        (void) multiaddr_endpoint(&remote->address, &from);
        return framed_accept(&s->home, c, &as, p->frame_max, p->handler, stream);
}

static void on_inbound(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct framed_remote remote = {};
        const Transport__StreamInbound *in;
        struct streams *s = userdata;
        struct framed *f;
        void *stream;
        size_t at;

        if (wire_unpack(&transport__stream_inbound__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a StreamInbound");
                return;
        }
        in = u.message;
        at = protocol_of(s, in->protocol);
        if (at == s->n_protocols || !in->remote ||
            !peer_id_parse(BYTES(in->peer.data, in->peer.len), &remote.peer)) {
                channel_reset(c, RPC_E_MALFORMED, "not a protocol of ours");
                return;
        }
        (void) multiaddr_parse(BYTES(in->remote->address.data, in->remote->address.len),
                               &remote.address);
        remote.is_relayed = in->remote->limited;
        remote.rtt = in->remote->rtt_us * NSEC_PER_USEC;
        stream = s->events->on_inbound(s->userdata, at, &remote);
        if (!stream) {
                channel_reset(c, RPC_E_QUOTA, "too many streams");
                return;
        }
        f = accept_at(s, at, c, &remote, stream);
        if (f)
                s->events->on_accepted(s->userdata, stream, f);
        else
                s->events->on_withdrawn(s->userdata, at, stream);
}

/* ---- Places ---- */

static void on_lost(void *userdata, struct place *p) {
        framed_lost(p);
}

static void on_deadline(void *userdata, nsec_t when) {
        (void) loop_timer_set(((struct streams *) userdata)->places_timer, when);
}

static int on_places_due(void *userdata) {
        struct streams *s = userdata;
        struct place *p;

        while ((p = places_pop_due(&s->places, loop_now(s->ctx->loop))))
                framed_end_lost(p);
        return 0;
}

static const struct places_events places_events = { .on_lost = on_lost,
                                                    .on_deadline = on_deadline };

void streams_counters(const struct streams *s, struct streams_counter ret[STREAMS_COUNTERS]) {
        static const char *const names[_PLACES_COUNTS] = {
                [PLACES_CROWDED_OUT] = "streams_crowded_out",
                [PLACES_SILENT] = "streams_silent",
                [PLACES_UNFINISHED] = "streams_unfinished",
                [PLACES_OVER_QUOTA] = "streams_over_quota",
        };
        uint64_t inbound = 0;

        for (size_t i = 0; i < PLACES_PROTOCOLS; i++)
                inbound += s->places.n_streams[i];
        for (size_t i = 0; i < _PLACES_COUNTS; i++)
                ret[i] = (struct streams_counter){ names[i], s->places.counts[i] };
        ret[_PLACES_COUNTS] = (struct streams_counter){ "streams_inbound", inbound };
        ret[_PLACES_COUNTS + 1] =
                (struct streams_counter){ "streams_bytes_held", s->places.bytes.used };
}

/* ---- Watching ---- */

static void take_change(struct streams *s, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        const Transport__PeerChange *in;

        if (wire_unpack(&transport__peer_change__descriptor, frame, NULL, &u)) {
                log_error("transport told something about a peer that cannot be read");
                return;
        }
        in = u.message;
        if (in->connected)
                (void) map_set(s->told, BYTES(in->peer.data, in->peer.len), s);
        else
                (void) map_remove(s->told, BYTES(in->peer.data, in->peer.len));
        s->events->on_peer(s->userdata, in);
}

/* Whoever leaves while nobody tells of it would stay for ever: all are gone, and those that are
 * still there are told of again. */
static void forget_peers(struct streams *s) {
        struct map *told = s->told;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        s->told = map_new(1);
        while (map_next(told, &cursor, &key, &value)) {
                Transport__PeerChange gone = TRANSPORT__PEER_CHANGE__INIT;

                gone.peer = (ProtobufCBinaryData){ key.len, (uint8_t *) key.data };
                s->events->on_peer(s->userdata, &gone);
        }
        map_free(told);
}

static void watch_later(struct streams *s) {
        (void) loop_timer_set(s->watch_again, nsec_add(loop_now(s->ctx->loop), WATCH_AGAIN));
}

static void on_changes(struct channel *c, void *userdata, struct bytes data) {
        struct streams *s = userdata;
        struct bytes frame;

        int r;

        while ((r = frame_reader_next(&s->changes, &data, &frame)) == FRAME_OK)
                take_change(s, frame);
        if (r == FRAME_E_MORE) {
                channel_consumed(c, 1);
                return;
        }
        log_error("transport told of its peers in frames that cannot be read");
        s->watch = NULL;
        channel_reset(c, RPC_E_MALFORMED, "not frames");
        watch_later(s);
}

static void on_watch_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct streams *s = userdata;

        s->watch = NULL;
        if (code == RPC_E_GONE)
                return; /* with its link, which comes again */
        log_warning("transport no longer tells of its peers, asking again: %s", text);
        watch_later(s);
}

static const struct channel_handler watch_side = { .on_data = on_changes, .on_end = on_watch_end };

static void watch_now(struct streams *s) {
        if (!s->events->on_peer)
                return;
        frame_reader_done(&s->changes);
        frame_reader_init(&s->changes, CHANGE_MAX);
        s->watch = channel_open(bus_client_link(s->bus), "watch", BYTES_NONE, &watch_side, s);
}

static int on_watch_again(void *userdata) {
        struct streams *s = userdata;

        if (!s->is_up || s->watch)
                return 0;
        forget_peers(s);
        watch_now(s);
        return 0;
}

/* ---- Ourselves ---- */

static void on_self(void *userdata, const struct rpc_result *result) {
        struct streams *s = userdata;

        if (result->code == RPC_OK)
                s->events->on_self(s->userdata, result->message);
}

static void on_self_event(void *userdata, const void *message) {
        struct streams *s = userdata;

        s->events->on_self(s->userdata, message);
}

static void on_kept(void *userdata, const struct rpc_result *result) {
        if (result->code != RPC_OK && result->code != RPC_E_CANCELLED && result->code != RPC_E_GONE)
                log_debug("transport does not keep a peer: %s", result->text);
}

void streams_keep(struct streams *s, const struct peer_id *peer, bool needed) {
        Transport__KeepRequest request = TRANSPORT__KEEP_REQUEST__INIT;

        if (!s->is_up)
                return;
        request.peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
        request.needed = needed;
        rpc_call(s->rpc, "Keep", &request, CALL_TIMEOUT, on_kept, s);
}

/* ---- Denying ---- */

static void on_denied(void *userdata, const struct rpc_result *result) {
        struct streams *s = userdata;

        s->n_unconfirmed--;
        if (result->code != RPC_OK && result->code != RPC_E_CANCELLED && result->code != RPC_E_GONE)
                log_warning("transport does not refuse who is blocked, or only until it is started "
                            "again: %s",
                            result->text);
        if (s->n_unconfirmed == 0 && s->events->on_denied)
                s->events->on_denied(s->userdata);
}

static void deny_now(struct streams *s) {
        size_t n = map_count(s->denied), cursor = 0;
        CLEANUP(freep) ProtobufCBinaryData *list = xnew_n(ProtobufCBinaryData, n + 1);
        Transport__DenyRequest request = TRANSPORT__DENY_REQUEST__INIT;
        struct bytes key;
        void *value;

        request.peers = list;
        request.owner = (char *) s->ctx->name;
        while (map_next(s->denied, &cursor, &key, &value))
                list[request.n_peers++] = (ProtobufCBinaryData){ key.len, (uint8_t *) key.data };
        s->n_unconfirmed++;
        rpc_call(s->rpc, "Deny", &request, RPC_WHILE_UP, on_denied, s);
}

void streams_deny(struct streams *s, const struct peer_id *peer, bool denied) {
        if (denied)
                (void) map_set(s->denied, peer_id_bytes(peer), s);
        else
                (void) map_remove(s->denied, peer_id_bytes(peer));
        if (s->is_up && s->is_denying)
                deny_now(s);
}

void streams_denying(struct streams *s) {
        s->is_denying = true;
        if (s->is_up)
                deny_now(s);
}

bool streams_is_denying(const struct streams *s) {
        return s->n_unconfirmed == 0;
}

/* ---- Life ---- */

static void on_up(void *userdata) {
        const Types__Empty nothing = TYPES__EMPTY__INIT;
        struct streams *s = userdata;

        s->is_up = true;
        if (s->is_denying)
                deny_now(s);
        serve_now(s);
        watch_now(s);
        rpc_call(s->rpc, "Self", &nothing, RPC_WHILE_UP, on_self, s);
        if (s->events->on_up)
                s->events->on_up(s->userdata);
}

static void on_down(void *userdata) {
        struct streams *s = userdata;

        s->is_up = false;
        s->down_since = loop_now(s->ctx->loop);
        map_free(s->told); /* on_down() says it of all at once */
        s->told = map_new(1);
        if (s->events->on_down)
                s->events->on_down(s->userdata);
}

int streams_new(struct service_context *ctx, const struct places_limits *limits,
                const struct streams_events *events, void *userdata, struct streams **ret) {
        CLEANUP(streams_freep) struct streams *s = xnew(struct streams);
        int r;

        s->ctx = ctx;
        s->events = events;
        s->userdata = userdata;
        s->down_since = loop_now(ctx->loop);
        s->acceptor = (struct channel_acceptor){ .on_open = on_inbound, .userdata = s };
        frame_reader_init(&s->changes, CHANGE_MAX);
        s->denied = map_new(1);
        s->told = map_new(1);
        places_init(&s->places, limits, &places_events, s);
        s->home = (struct framed_home){ ctx->loop, &s->places };
        r = loop_add_timer(ctx->loop, on_watch_again, s, &s->watch_again);
        if (!r)
                r = loop_add_timer(ctx->loop, on_places_due, s, &s->places_timer);
        if (r)
                return r;
        r = bus_connect(ctx, "transport/streams", &s->acceptor, &s->bus);
        if (r)
                return log_fault(r, "cannot connect to transport below %s", ctx->runtime);
        s->rpc = rpc_client_new(bus_client_link(s->bus), &transport__streams__descriptor);
        rpc_client_on_event(s->rpc, "Self", &transport__self_reply__descriptor, on_self_event, s);
        rpc_client_watch(s->rpc, on_up, on_down, s);
        *ret = TAKE(s);
        return 0;
}

struct streams *streams_free(struct streams *s) {
        if (!s)
                return NULL;
        if (s->watch)
                channel_reset(s->watch, 0, "stopping");
        s->rpc = rpc_client_free(s->rpc);
        s->bus = bus_client_free(s->bus);
        s->watch_again = loop_source_free(s->watch_again);
        s->places_timer = loop_source_free(s->places_timer);
        places_done(&s->places);
        frame_reader_done(&s->changes);
        map_free(s->told);
        map_free(s->denied);
        free(s);
        return NULL;
}

bool streams_is_up(const struct streams *s) {
        return s->is_up;
}

nsec_t streams_back_by(const struct streams *s) {
        /* Up, but its link does not take a stream: it is just going. */
        return nsec_add(s->is_up ? loop_now(s->ctx->loop) : s->down_since, BACK_WITHIN);
}

struct link *streams_link(const struct streams *s) {
        return s->is_up ? bus_client_link(s->bus) : NULL;
}

struct framed *streams_open(struct streams *s, const struct framed_open *o,
                            const struct framed_handler *handler, void *userdata) {
        return s->is_up ? framed_open(&s->home, bus_client_link(s->bus), o, handler, userdata)
                        : NULL;
}
