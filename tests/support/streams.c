#include "tests/support/streams.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/rng.h"
#include "common/wire/unpack.h"

#define PERIOD  65521 /* prime, so that no unit begins like another */
#define TIMEOUT (10 * NSEC_PER_SEC)

static uint8_t pattern[PERIOD + CHANNEL_UNIT];

static struct bytes pattern_at(uint64_t offset, size_t n) {
        return BYTES(pattern + offset % PERIOD, n);
}

static void make_pattern(void) {
        struct rng r;

        rng_init(&r, 1);
        rng_bytes(&r, pattern, PERIOD);
        for (size_t i = 0; i < CHANNEL_UNIT; i++)
                pattern[PERIOD + i] = pattern[i];
}

static void push(struct test_stream *s) {
        while (s->channel && s->is_accepted && s->sent < s->to_send) {
                uint64_t left = s->to_send - s->sent;
                size_t n = left < CHANNEL_UNIT ? left : CHANNEL_UNIT;

                if (channel_send(s->channel, pattern_at(s->sent, n)) != CHANNEL_OK)
                        return;
                s->sent += n;
        }
        if (s->channel && s->is_accepted && s->wants_finish && !s->has_finished)
                s->has_finished = channel_finish(s->channel) == CHANNEL_OK;
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct test_stream *s = userdata;

        check(wire_unpack(&transport__stream_accepted__descriptor, metadata, NULL, &u) == 0);
        (void) snprintf(s->protocol, sizeof(s->protocol), "%s",
                        ((Transport__StreamAccepted *) u.message)->protocol);
        s->is_accepted = true;
        push(s);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct test_stream *s = userdata;

        if (!bytes_equal(data, pattern_at(s->received, data.len)))
                s->is_wrong = true;
        s->received += data.len;
        if (s->holds)
                s->n_held++;
        else
                channel_consumed(c, 1);
}

static void on_writable(struct channel *c, void *userdata) {
        push(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        struct test_stream *s = userdata;

        s->peer_finished = true;
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct test_stream *s = userdata;

        s->channel = NULL;
        s->has_ended = true;
        s->code = code;
        (void) snprintf(s->text, sizeof(s->text), "%s", text);
}

static const struct channel_handler handler = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

static struct test_stream *next_stream(struct streams_client *c) {
        struct test_stream *s = &c->streams[c->n_streams];

        check(c->n_streams < TEST_STREAMS_MAX);
        c->n_streams++;
        *s = c->defaults;
        s->client = c;
        return s;
}

static void on_inbound(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct test_stream *s = next_stream(userdata);

        check(wire_unpack(&transport__stream_inbound__descriptor, metadata, NULL, &u) == 0);
        (void) snprintf(s->protocol, sizeof(s->protocol), "%s",
                        ((Transport__StreamInbound *) u.message)->protocol);
        s->channel = c;
        s->is_accepted = channel_accept(c, BYTES_NONE, &handler, s) == CHANNEL_OK;
        if (!s->is_accepted)
                s->channel = NULL;
        push(s);
}

void streams_client_init(struct streams_client *c, struct loop *loop, const char *path) {
        const struct bus_client_options options = {
                .path = path, .service = "test", .data = true, .acceptor = &c->acceptor
        };

        make_pattern();
        memset(c, 0, sizeof(*c));
        c->loop = loop;
        c->acceptor = (struct channel_acceptor){ .on_open = on_inbound, .userdata = c };
        check(bus_client_new(loop, &options, &c->bus) == 0);
        c->rpc = rpc_client_new(bus_client_link(c->bus), &transport__streams__descriptor);
}

void streams_client_done(struct streams_client *c) {
        rpc_client_free(c->rpc);
        bus_client_free(c->bus);
}

static void on_done(void *userdata, const struct rpc_result *result) {
        struct streams_client *c = userdata;

        c->code = result->code;
        c->is_done = true;
}

uint32_t streams_call(struct streams_client *c, const char *method, const void *message) {
        c->is_done = false;
        (void) rpc_call(c->rpc, method, message, TIMEOUT, on_done, c);
        check(streams_wait(c->loop, &c->is_done, 2 * TIMEOUT));
        return c->code;
}

uint32_t streams_client_serve(struct streams_client *c, const char *protocol) {
        Transport__ServeRequest request = TRANSPORT__SERVE_REQUEST__INIT;
        Transport__Protocol p = TRANSPORT__PROTOCOL__INIT;
        Transport__Protocol *list[] = { &p };

        p.id = (char *) protocol;
        request.protocols = list;
        request.n_protocols = protocol ? 1 : 0;
        return streams_call(c, "Serve", &request);
}

uint32_t streams_client_keep(struct streams_client *c, const struct peer_id *peer, bool needed) {
        Transport__KeepRequest request = TRANSPORT__KEEP_REQUEST__INIT;

        request.peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
        request.needed = needed;
        return streams_call(c, "Keep", &request);
}

uint32_t streams_client_deny(struct streams_client *c, const struct peer_id *peers, size_t n) {
        return streams_client_deny_as(c, "", peers, n);
}

uint32_t streams_client_deny_as(struct streams_client *c, const char *owner,
                                const struct peer_id *peers, size_t n) {
        Transport__DenyRequest request = TRANSPORT__DENY_REQUEST__INIT;
        ProtobufCBinaryData list[STREAMS_DENY_MAX];

        check(n <= STREAMS_DENY_MAX);
        for (size_t i = 0; i < n; i++)
                list[i] = (ProtobufCBinaryData){ peers[i].len, (uint8_t *) peers[i].bytes };
        request.peers = list;
        request.n_peers = n;
        request.owner = (char *) owner;
        return streams_call(c, "Deny", &request);
}

uint32_t streams_found(struct streams_client *c, const struct peer_id *peer,
                       const struct multiaddr *address) {
        Transport__FoundRequest request = TRANSPORT__FOUND_REQUEST__INIT;
        ProtobufCBinaryData binary = { address->len, (uint8_t *) address->bytes };

        request.peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
        request.addresses = &binary;
        request.n_addresses = 1;
        return streams_call(c, "Found", &request);
}

struct test_stream *streams_client_open(struct streams_client *c, const struct peer_id *peer,
                                        const char *protocol, const char *address) {
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        struct test_stream *s = next_stream(c);
        char *protocols[] = { (char *) protocol };
        ProtobufCBinaryData binary;
        struct multiaddr at = {};

        s->to_send = 0;
        s->wants_finish = false;
        open.peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
        open.protocols = protocols;
        open.n_protocols = 1;
        if (address)
                check(multiaddr_from_text(BYTES_STR(address), &at) == MULTIADDR_OK);
        binary = (ProtobufCBinaryData){ at.len, at.bytes };
        open.addresses = &binary;
        open.n_addresses = address ? 1 : 0;
        s->channel = channel_open_message(bus_client_link(c->bus), "stream", &open, &handler, s);
        check(s->channel);
        return s;
}

void test_stream_send(struct test_stream *s, uint64_t n, bool finish) {
        s->to_send += n;
        s->wants_finish |= finish;
        push(s);
}

void test_stream_release(struct test_stream *s) {
        unsigned n = s->n_held;

        s->holds = false;
        s->n_held = 0;
        if (s->channel)
                channel_consumed(s->channel, n);
}

void test_stream_reset(struct test_stream *s) {
        channel_reset(s->channel, RPC_E_CANCELLED, "enough");
        s->channel = NULL;
        s->has_ended = true;
}

bool streams_wait(struct loop *loop, const bool *flag, nsec_t timeout) {
        nsec_t end = nsec_add(loop_now(loop), timeout);

        while (!*flag && loop_now(loop) < end)
                check(loop_turn(loop, 10 * NSEC_PER_MSEC) >= 0);
        return *flag;
}

bool streams_wait_count(struct loop *loop, const uint64_t *count, uint64_t least, nsec_t timeout) {
        nsec_t end = nsec_add(loop_now(loop), timeout);

        while (*count < least && loop_now(loop) < end)
                check(loop_turn(loop, 10 * NSEC_PER_MSEC) >= 0);
        return *count >= least;
}
