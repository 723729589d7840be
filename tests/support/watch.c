#include "tests/support/watch.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/wire/unpack.h"

#define CHANGE_MAX (32 * 1024)

static struct watched_peer *entry_of(struct watch_client *w, const struct peer_id *peer) {
        struct watched_peer *p = (struct watched_peer *) watch_find(w, peer);

        if (p)
                return p;
        check(w->n_peers < WATCHED_MAX);
        p = &w->peers[w->n_peers++];
        *p = (struct watched_peer){ .peer = *peer };
        return p;
}

static void read_address(const ProtobufCBinaryData *v, struct multiaddr *ret) {
        *ret = (struct multiaddr){};
        if (v->len > 0)
                check(multiaddr_parse(BYTES(v->data, v->len), ret) == MULTIADDR_OK);
}

static void take(struct watch_client *w, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Transport__PeerChange *m;
        struct watched_peer *p;
        struct peer_id peer;

        check(wire_unpack(&transport__peer_change__descriptor, frame, NULL, &u) == UNPACK_OK);
        m = u.message;
        check(peer_id_parse(BYTES(m->peer.data, m->peer.len), &peer));
        check(m->record.len <= sizeof(p->record));
        p = entry_of(w, &peer);
        p->connected = m->connected;
        p->inbound = m->inbound;
        p->identified = m->identified;
        p->mdns = m->mdns;
        p->work = m->work;
        p->n_addresses = m->n_addresses;
        p->n_protocols = m->n_protocols;
        p->record_len = m->record.len;
        if (m->record.len > 0)
                memcpy(p->record, m->record.data, m->record.len);
        read_address(&m->address, &p->address);
        if (m->n_addresses > 0)
                read_address(&m->addresses[0], &p->first_address);
        (void) snprintf(p->agent, sizeof(p->agent), "%s", m->agent);
        (void) snprintf(p->last_protocol, sizeof(p->last_protocol), "%s",
                        m->n_protocols > 0 ? m->protocols[m->n_protocols - 1] : "");
        p->n_changes++;
        w->n_changes++;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct watch_client *w = userdata;
        struct bytes frame;
        int r;

        while ((r = frame_reader_next(&w->in, &data, &frame)) == FRAME_OK)
                take(w, frame);
        check(r == FRAME_E_MORE);
        if (w->holds)
                w->n_held++;
        else
                channel_consumed(c, 1);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct watch_client *w = userdata;

        w->channel = NULL;
        w->has_ended = true;
        w->code = code;
}

static const struct channel_handler watch_side = { .on_data = on_data, .on_end = on_end };

void watch_client_init(struct watch_client *w, struct streams_client *c) {
        memset(w, 0, sizeof(*w));
        frame_reader_init(&w->in, CHANGE_MAX);
        w->channel = channel_open(bus_client_link(c->bus), "watch", BYTES_NONE, &watch_side, w);
        check(w->channel);
}

void watch_client_release(struct watch_client *w) {
        unsigned n = w->n_held;

        w->holds = false;
        w->n_held = 0;
        channel_consumed(w->channel, n);
}

void watch_client_done(struct watch_client *w) {
        if (w->channel)
                channel_reset(w->channel, RPC_E_CANCELLED, "enough");
        w->channel = NULL;
        frame_reader_done(&w->in);
}

const struct watched_peer *watch_find(const struct watch_client *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_peers; i++)
                if (peer_id_equal(&w->peers[i].peer, peer))
                        return &w->peers[i];
        return NULL;
}

bool watch_wait(struct watch_client *w, struct loop *loop, const struct peer_id *peer,
                bool (*wanted)(const struct watched_peer *p), nsec_t timeout) {
        nsec_t end = nsec_add(loop_now(loop), timeout);

        for (;;) {
                const struct watched_peer *p = watch_find(w, peer);

                if (p && wanted(p))
                        return true;
                if (loop_now(loop) >= end)
                        return false;
                check(loop_turn(loop, 10 * NSEC_PER_MSEC) >= 0);
        }
}

bool watched_connected(const struct watched_peer *p) {
        return p->connected;
}

bool watched_gone(const struct watched_peer *p) {
        return !p->connected;
}

bool watched_identified(const struct watched_peer *p) {
        return p->connected && p->identified;
}
