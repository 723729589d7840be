#include "services/coordinator/shell_actions.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/wire/unpack.h"
#include "proto/transport.pb-c.h"
#include "services/coordinator/shell_discovery.h"
#include "services/coordinator/shell_outbox.h"

#define STREAMS_PEER 64 /* inbound job streams of one peer: its open jobs */

struct job_stream {
        struct shell *shell;
        uint64_t id;
        struct channel *channel; /* NULL: waits until transport is there */
        struct peer_id peer;     /* of one we opened: transport proved that it is this one */
        struct multiaddr *addresses;
        size_t n_addresses;
        nsec_t open_until;
        struct outbox out;
};

/* ---- One stream ---- */

static struct job_stream *stream_new(struct shell *s, uint64_t id) {
        struct job_stream *x = xnew(struct job_stream);

        x->shell = s;
        x->id = id;
        map_set_u64(s->streams, id, x);
        return x;
}

static void stream_free(struct job_stream *x) {
        map_remove_u64(x->shell->streams, x->id);
        outbox_done(&x->out);
        free(x->addresses);
        free(x);
}

static void flush(struct job_stream *x) {
        size_t n = outbox_flush(&x->out, x->channel);

        if (n > 0) {
                coordinator_stream_window(x->shell->core, x->id, (uint32_t) n, shell_now(x->shell));
                shell_turn(x->shell);
        }
}

/* What this node's own handshake validated. */
static void remote_of(const Transport__Remote *in, const ProtobufCBinaryData *peer,
                      struct stream_remote *ret) {
        *ret = (struct stream_remote){};
        (void) peer_id_parse(BYTES(peer->data, peer->len), &ret->peer);
        if (!in)
                return;
        (void) multiaddr_parse(BYTES(in->address.data, in->address.len), &ret->address);
        ret->is_relayed = in->limited;
        ret->rtt = in->rtt_us * NSEC_PER_USEC;
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct job_stream *x = userdata;
        struct shell *s = x->shell;
        const Transport__StreamAccepted *in;
        struct stream_remote remote;
        ProtobufCBinaryData peer = { x->peer.len, x->peer.bytes };

        if (wire_unpack(&transport__stream_accepted__descriptor, metadata, NULL, &u)) {
                channel_reset(c, 0, "not a StreamAccepted");
                coordinator_stream_closed(s->core, x->id, TRANSPORT__STREAM_ERROR__PEER_RESET,
                                          shell_now(s));
                stream_free(x);
                shell_turn(s);
                return;
        }
        in = u.message;
        remote_of(in->remote, &peer, &remote);
        s->counters.streams_opened++;
        coordinator_stream_opened(s->core, x->id, &remote, OUTBOX_WINDOW, shell_now(s));
        shell_turn(s);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct job_stream *x = userdata;
        struct shell *s = x->shell;

        coordinator_stream_data(s->core, x->id, data, shell_now(s));
        shell_turn(s);
}

static void on_writable(struct channel *c, void *userdata) {
        flush(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        struct job_stream *x = userdata;
        struct shell *s = x->shell;

        coordinator_stream_finished(s->core, x->id, shell_now(s));
        shell_turn(s);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct job_stream *x = userdata;
        struct shell *s = x->shell;
        uint64_t id = x->id;

        stream_free(x);
        coordinator_stream_closed(s->core, id, code, shell_now(s));
        shell_turn(s);
}

static const struct channel_handler stream_handler = { .on_accepted = on_accepted,
                                                       .on_data = on_data,
                                                       .on_writable = on_writable,
                                                       .on_finish = on_finish,
                                                       .on_end = on_end };

static void on_inbound(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct shell *s = userdata;
        const Transport__StreamInbound *in;
        struct stream_remote remote;
        struct job_stream *x;

        if (wire_unpack(&transport__stream_inbound__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a StreamInbound");
                return;
        }
        in = u.message;
        remote_of(in->remote, &in->peer, &remote);
        if (strcmp(in->protocol, s->data_protocol) == 0) {
                if (coordinator_is_denied(s->core, &remote.peer))
                        channel_reset(c, 0, "denied");
                else
                        shell_data_inbound(s->data, c, stream_is_far(&remote));
                return;
        }
        if (strcmp(in->protocol, s->job_protocol) != 0 || peer_id_is_none(&remote.peer)) {
                channel_reset(c, RPC_E_MALFORMED, "not a protocol of ours");
                return;
        }
        x = stream_new(s, s->next_stream);
        s->next_stream += 2;
        x->channel = c;
        if (channel_accept(c, BYTES_NONE, &stream_handler, x) != CHANNEL_OK) {
                stream_free(x);
                return;
        }
        s->counters.streams_inbound++;
        coordinator_stream_inbound(s->core, x->id, &remote, OUTBOX_WINDOW, shell_now(s));
        shell_turn(s);
}

/* ---- Actions ---- */

/* Its addresses were configured here; those of others were told by strangers. */
static bool is_pinned(struct shell *s, const struct peer_id *peer) {
        struct candidate c;

        return shell_candidate_of(s, peer, &c) && c.origin == ORIGIN_PINNED;
}

/* False: transport is not there now. */
static bool open_now(struct job_stream *x) {
        char *protocols[] = { x->shell->job_protocol };
        ProtobufCBinaryData addresses[CANDIDATE_ADDRESSES_MAX];
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        struct link *link = bus_client_link(x->shell->streams_bus);

        for (size_t i = 0; i < x->n_addresses && i < CANDIDATE_ADDRESSES_MAX; i++)
                addresses[open.n_addresses++] =
                        (ProtobufCBinaryData){ x->addresses[i].len, x->addresses[i].bytes };
        open.addresses = addresses;
        open.told = !is_pinned(x->shell, &x->peer);
        open.peer = (ProtobufCBinaryData){ x->peer.len, x->peer.bytes };
        open.protocols = protocols;
        open.n_protocols = 1;
        open.timeout_ms = (uint32_t) (x->shell->config->dial_timeout / NSEC_PER_MSEC);
        x->channel = channel_open_message(link, "stream", &open, &stream_handler, x);
        return x->channel != NULL;
}

/* While transport restarts, what is to be opened waits: for as long as a dial may take. */
void shell_do_open(struct shell *s, struct action *a) {
        struct job_stream *x = stream_new(s, a->id);

        x->open_until = nsec_add(shell_now(s), s->config->dial_timeout);
        x->peer = a->peer;
        x->addresses = TAKE(a->addresses);
        x->n_addresses = a->n_addresses;
        a->n_addresses = 0;
        (void) open_now(x);
}

static void open_waiting(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (map_next(s->streams, &cursor, &key, &value)) {
                struct job_stream *x = value;

                if (!x->channel)
                        (void) open_now(x);
        }
}

void shell_streams_expire(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (map_next(s->streams, &cursor, &key, &value)) {
                struct job_stream *x = value;
                uint64_t id = x->id;

                if (x->channel || x->open_until > shell_now(s))
                        continue;
                stream_free(x);
                coordinator_stream_closed(s->core, id, TRANSPORT__STREAM_ERROR__UNREACHABLE,
                                          shell_now(s));
                shell_turn(s);
                cursor = 0; /* the turn may have added streams */
        }
}

void shell_do_send(struct shell *s, struct action *a) {
        struct job_stream *x = map_get_u64(s->streams, a->id);

        if (!x)
                return;
        check(outbox_put(&x->out, TAKE(a->data)));
        flush(x);
}

void shell_do_consumed(struct shell *s, struct action *a) {
        struct job_stream *x = map_get_u64(s->streams, a->id);

        if (x && x->channel)
                channel_consumed(x->channel, (unsigned) a->n);
}

void shell_do_finish(struct shell *s, struct action *a) {
        struct job_stream *x = map_get_u64(s->streams, a->id);

        if (!x)
                return;
        x->out.finish_wanted = true;
        flush(x);
}

void shell_do_reset(struct shell *s, struct action *a) {
        struct job_stream *x = map_get_u64(s->streams, a->id);

        if (!x)
                return;
        if (x->channel)
                channel_reset(x->channel, 0, "no longer needed");
        stream_free(x);
}

/* ---- Life ---- */

static void on_served(void *userdata, const struct rpc_result *result) {
        if (result->code != RPC_OK && result->code != RPC_E_CANCELLED)
                log_warning("transport does not route our protocols: %s", result->text);
}

static void on_up(void *userdata) {
        struct shell *s = userdata;
        Transport__Protocol job = TRANSPORT__PROTOCOL__INIT, data = TRANSPORT__PROTOCOL__INIT;
        Transport__Protocol *protocols[] = { &job, &data };
        Transport__ServeRequest request = TRANSPORT__SERVE_REQUEST__INIT;

        job.id = s->job_protocol;
        job.max_streams_per_peer = STREAMS_PEER;
        data.id = s->data_protocol;
        request.protocols = protocols;
        request.n_protocols = ELEMENTSOF(protocols);
        shell_data_link(s->data, bus_client_link(s->streams_bus));
        if (s->core)
                coordinator_transport(s->core, true, shell_now(s));
        rpc_call(s->streams_rpc, "Serve", &request, RPC_WHILE_UP, on_served, s);
        open_waiting(s);
        shell_candidates(s);
}

static void on_down(void *userdata) {
        struct shell *s = userdata;

        shell_data_link(s->data, NULL);
        if (s->core)
                coordinator_transport(s->core, false, shell_now(s));
}

int shell_streams_start(struct shell *s) {
        int r;

        s->streams_acceptor = (struct channel_acceptor){ .on_open = on_inbound, .userdata = s };
        r = bus_connect(s->ctx, "transport/streams", &s->streams_acceptor, &s->streams_bus);
        if (!r)
                r = bus_connect(s->ctx, "transport/peers", NULL, &s->peers_bus);
        if (r)
                return log_fault(r, "cannot connect to transport below %s", s->ctx->runtime);
        s->streams_rpc =
                rpc_client_new(bus_client_link(s->streams_bus), &transport__streams__descriptor);
        s->peers_rpc = rpc_client_new(bus_client_link(s->peers_bus), &transport__peers__descriptor);
        rpc_client_watch(s->streams_rpc, on_up, on_down, s);
        return 0;
}

void shell_streams_stop(struct shell *s) {
        struct bytes k;
        void *value;
        size_t cursor = 0;

        while (s->streams && map_next(s->streams, &cursor, &k, &value)) {
                struct job_stream *x = value;

                if (x->channel)
                        channel_reset(x->channel, 0, "coordinator is stopping");
                stream_free(x);
        }
        s->streams_rpc = rpc_client_free(s->streams_rpc);
        s->peers_rpc = rpc_client_free(s->peers_rpc);
        if (s->data)
                shell_data_link(s->data, NULL);
        s->streams_bus = bus_client_free(s->streams_bus);
        s->peers_bus = bus_client_free(s->peers_bus);
}
