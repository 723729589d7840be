#include "services/transport/shell/watch.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/crypto/random.h"
#include "common/daemon/rpc.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/transport.pb-c.h"
#include "services/transport/shell/shell.h"

/* Of one message with its prefix. */
#define CHANGE_MAX (32 * 1024)
_Static_assert(PEER_ADDRS_MAX *(MULTIADDR_MAX + 4) + IDENTIFY_NAMES_SIZE +
                               IDENTIFY_PROTOCOLS_MAX * 4 + IDENTIFY_RECORD_MAX +
                               IDENTIFY_AGENT_MAX + MULTIADDR_MAX + 512 <=
                       CHANGE_MAX,
               "whatever a peer says of itself fits");
_Static_assert(CHANGE_MAX <= CHANNEL_UNIT, "a unit holds at least one");

/* A peer as one watcher knows it. */
struct watched {
        struct list link; /* in watcher->dirty, or in no list */
        struct peer_id peer;
        bool is_told; /* as connected: that it is gone is to be told as well */
};

struct watcher {
        struct list link;
        struct watch *watch;
        struct channel *channel;
        struct map *peers;  /* id -> struct watched */
        struct list dirty;  /* in the order in which they changed first */
        struct buffer unit; /* packed and not taken yet */
};

/* ---- life ---- */

void watch_init(struct watch *w, struct shell *s) {
        *w = (struct watch){ .shell = s };
        list_init(&w->all);
}

static void forget(struct watcher *v, struct watched *p) {
        map_remove(v->peers, peer_id_bytes(&p->peer));
        list_remove(&p->link);
        free(p);
}

static void watcher_free(struct watcher *v) {
        size_t cursor = 0;
        struct bytes key;
        void *p;

        while (map_next(v->peers, &cursor, &key, &p))
                forget(v, p);
        map_free(v->peers);
        buffer_done(&v->unit);
        list_remove(&v->link);
        v->watch->n_watchers--;
        free(v);
}

void watch_done(struct watch *w) {
        struct list *link;

        while ((link = list_first(&w->all))) {
                struct watcher *v = LIST_ENTRY(link, struct watcher, link);

                channel_reset(v->channel, RPC_E_GONE, "the transport is stopping");
                watcher_free(v);
        }
}

/* ---- one change ---- */

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

/* What the message points to. */
struct change {
        Transport__PeerChange message;
        struct multiaddr at;
        ProtobufCBinaryData addresses[PEER_ADDRS_MAX];
        char *protocols[IDENTIFY_PROTOCOLS_MAX];
};

static void put_connection(const struct transport_peer_info *info, struct change *ret) {
        Transport__PeerChange *m = &ret->message;
        struct connection_stats stats;
        struct path path;

        if (!info->connection)
                return;
        path = connection_path(info->connection);
        ret->at = multiaddr_from_endpoint(&path.remote);
        connection_stats(info->connection, &stats);
        m->connected = true;
        m->inbound = info->has_inbound;
        m->address = binary(multiaddr_bytes(&ret->at));
        m->rtt_us = stats.rtt / NSEC_PER_USEC;
}

/* Those it announces, as far as we would dial them. */
static void put_addresses(const struct transport *t, const struct peer *peer, struct change *ret) {
        ret->message.addresses = ret->addresses;
        for (size_t i = 0; i < peer->n_addrs; i++) {
                const struct peer_address *a = &peer->addrs[i];

                if ((a->sources & (ADDRESS_IDENTIFY | ADDRESS_SIGNED)) && transport_may_dial(t, a))
                        ret->addresses[ret->message.n_addresses++] =
                                binary(multiaddr_bytes(&a->addr));
        }
}

static void put_protocols(const struct peer *peer, struct change *ret) {
        const char *name;
        size_t cursor = 0;

        ret->message.protocols = ret->protocols;
        while (ret->message.n_protocols < IDENTIFY_PROTOCOLS_MAX &&
               (name = peer_next_protocol(peer, &cursor)))
                ret->protocols[ret->message.n_protocols++] = (char *) name;
}

static void describe(const struct shell *s, const struct peer *peer, struct change *ret) {
        Transport__PeerChange *m = &ret->message;
        struct transport_peer_info info;

        transport_peer_info(s->transport, peer, &info);
        m->rtt_us = peer->rtt / NSEC_PER_USEC;
        put_connection(&info, ret);
        put_addresses(s->transport, peer, ret);
        put_protocols(peer, ret);
        if (peer->agent)
                m->agent = peer->agent;
        m->mdns = peer->is_local;
        m->work = peer->work;
        m->record = binary(BYTES(peer->record, peer->record_len));
        m->identified = peer->identified;
}

/* Whether anybody needs to hear of it: a stranger that came and went meanwhile is history. */
static bool is_worth_telling(const struct watched *p, const struct peer *peer,
                             const struct change *c) {
        return p->is_told || c->message.connected || (peer && peer->is_local);
}

/* Packs what there is to say of it now. False: the unit is full. */
static bool pack(struct watcher *v, struct watched *p) {
        const struct shell *s = v->watch->shell;
        const struct peer *peer = peers_find(transport_peers(s->transport), &p->peer);
        CLEANUP(freep) struct change *c = xnew(struct change);
        CLEANUP(buffer_donep) struct buffer packed = {};

        transport__peer_change__init(&c->message);
        c->message.peer = binary(peer_id_bytes(&p->peer));
        if (peer)
                describe(s, peer, c);
        if (is_worth_telling(p, peer, c)) {
                buffer_init(&packed, CHANGE_MAX);
                wire_pack(&packed, &c->message.base);
                check(!packed.failed);
                if (v->unit.len + packed.len + VARINT_SIZE_MAX > CHANNEL_UNIT)
                        return false;
                frame_put(&v->unit, buffer_bytes(&packed));
                v->watch->n_sent++;
        }
        p->is_told = c->message.connected;
        return true;
}

/* ---- sending ---- */

static void fill(struct watcher *v) {
        struct list *link;

        while ((link = list_first(&v->dirty))) {
                struct watched *p = LIST_ENTRY(link, struct watched, link);

                if (!pack(v, p))
                        return;
                list_remove(link);
                if (!p->is_told)
                        forget(v, p);
        }
}

/* Until everything is said, or the channel takes no more: then on_writable follows. */
static void flush(struct watcher *v) {
        for (;;) {
                if (v->unit.len == 0)
                        fill(v);
                if (v->unit.len == 0 ||
                    channel_send(v->channel, buffer_bytes(&v->unit)) != CHANNEL_OK)
                        return;
                buffer_clear(&v->unit);
        }
}

void watch_flush(struct watch *w) {
        LIST_FOREACH (link, &w->all)
                flush(LIST_ENTRY(link, struct watcher, link));
}

/* ---- what changes ---- */

static void touch(struct watcher *v, const struct peer_id *peer) {
        struct watched *p = map_get(v->peers, peer_id_bytes(peer));

        if (!p) {
                p = xnew(struct watched);
                p->peer = *peer;
                list_init(&p->link);
                map_set(v->peers, peer_id_bytes(peer), p);
        }
        if (list_is_empty(&p->link))
                list_push_back(&v->dirty, &p->link);
        else
                v->watch->n_merged++;
}

/* A peer that was not told and is gone again needs no place, however many there are. */
static void untouch(struct watcher *v, const struct peer_id *peer) {
        struct watched *p = map_get(v->peers, peer_id_bytes(peer));

        if (!p || p->is_told)
                return;
        v->watch->n_merged++;
        forget(v, p);
}

/* Where somebody may be is a hint: what is connected, and what was told, goes before. */
static bool has_room_for_hints(const struct watcher *v) {
        return map_count(v->peers) < 2 * v->watch->shell->fixed.max_peers;
}

void watch_changed(struct watch *w, const struct peer *peer) {
        bool is_connected = transport_connection(w->shell->transport, &peer->id) != NULL;

        LIST_FOREACH (link, &w->all) {
                struct watcher *v = LIST_ENTRY(link, struct watcher, link);

                if (is_connected || map_get(v->peers, peer_id_bytes(&peer->id)) ||
                    (peer->is_local && has_room_for_hints(v)))
                        touch(v, &peer->id);
                if (!is_connected && !peer->is_local)
                        untouch(v, &peer->id);
        }
}

/* ---- channels ---- */

/* Nothing is expected: it is taken and passed over. */
static void on_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void on_writable(struct channel *c, void *userdata) {
        flush(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        (void) channel_finish(c);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        watcher_free(userdata);
}

static const struct channel_handler watch_side = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

static void touch_connected(struct watcher *v) {
        struct transport *t = v->watch->shell->transport;
        const struct peer *peer;
        size_t cursor = 0;

        while ((peer = peers_next(transport_peers(t), &cursor)))
                if (peer->is_local || transport_connection(t, &peer->id))
                        touch(v, &peer->id);
}

void watch_open(struct watch *w, struct channel *c) {
        struct watcher *v;

        if (w->n_watchers >= WATCHERS_MAX) {
                w->n_refused++;
                channel_reset(c, RPC_E_QUOTA, "too many channels \"watch\" are open");
                return;
        }
        v = xnew(struct watcher);
        if (channel_accept(c, BYTES_NONE, &watch_side, v) != CHANNEL_OK) {
                free(v);
                return;
        }
        v->watch = w;
        v->channel = c;
        v->peers = map_new(random_u64());
        list_init(&v->link);
        list_init(&v->dirty);
        buffer_init(&v->unit, CHANNEL_UNIT);
        list_push_back(&w->all, &v->link);
        w->n_watchers++;
        touch_connected(v);
}
