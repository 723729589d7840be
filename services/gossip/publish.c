#include <string.h>

#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "services/gossip/neighbours.h"

/* What this node says about itself: a record, signed by keyring, published in the
 * shard its peer id falls into, and in that of one bit less near a border. */

/* ---- Shards ---- */

static void join(struct gossip *g, struct membership_topic *t, unsigned bits, nsec_t now) {
        *t = (struct membership_topic){ .shard = shard_of(&g->self, bits) };
        (void) shard_topic(&t->shard, g->network, t->topic);
        t->is_joined = pubsub_subscribe(g->router, t->topic, NULL, now) == PUBSUB_OK;
}

static bool is_joined(const struct gossip *g, unsigned bits) {
        for (unsigned i = 0; i < SHARDS_MAX; i++)
                if (g->shards[i].is_joined && g->shards[i].shard.bits == bits)
                        return true;
        return false;
}

/* The larger shard of before may be the only one now, and the other way round: a topic is left when
 * it is neither any more, and its mesh stays otherwise. */
void publish_shards(struct gossip *g, nsec_t now) {
        struct membership_topic before[SHARDS_MAX];

        memcpy(before, g->shards, sizeof(before));
        g->bits = shard_choose(g->bits, g->nodes, &g->in_both);
        if (!is_joined(g, g->bits))
                g->listening = now;
        join(g, &g->shards[0], g->bits, now);
        if (g->in_both)
                join(g, &g->shards[1], g->bits - 1, now);
        else
                g->shards[1].is_joined = false;
        for (unsigned i = 0; i < SHARDS_MAX; i++)
                if (before[i].is_joined && !is_joined(g, before[i].shard.bits))
                        pubsub_unsubscribe(g->router, before[i].topic, now);
}

void gossip_size(struct gossip *g, double nodes, nsec_t now) {
        unsigned bits = g->bits;
        bool both = g->in_both;

        g->now = now;
        g->nodes = nodes;
        if (!g->is_started)
                return;
        publish_shards(g, now);
        if (bits == g->bits && both == g->in_both)
                return;
        publish_soon(g, now);
        neighbours_soon(g, now);
}

void publish_soon(struct gossip *g, nsec_t now) {
        nsec_t at = nsec_max(now, nsec_add(g->last_publication, OWN_SPACING));

        if (g->is_started)
                g->next_publication = nsec_min(g->next_publication, at);
}

void publish_reached(struct gossip *g, uint64_t n) {
        g->is_unheard = n == 0;
}

/* Without the spacing: what nobody heard cost nobody anything, and a newcomer would be unknown for
 * a whole interval. At most once per publication, however often a peer comes and goes. */
void publish_heard_from(struct gossip *g, nsec_t now) {
        if (!g->is_unheard || !pubsub_has_subscriber(g->router, g->shards[0].topic))
                return;
        g->is_unheard = false;
        g->next_publication = nsec_min(g->next_publication, now);
}

/* ---- The record ---- */

static const Peers__Capability no_offer = PEERS__CAPABILITY__INIT;

/* Field by field what the coordinator said, and what only this core knows. */
static void put_body(struct gossip *g, const Peers__Capability *offered, nsec_t now,
                     struct buffer *b) {
        Peers__Capability c = *offered;
        ProtobufCBinaryData addresses[GOSSIP_ADDRESSES_MAX];
        uint64_t wall = gossip_wall(g, now);

        /* Of a time when the clock was wrong: others refuse it, and have forgotten it. */
        if (nsec_sub(g->sequence, wall) > SEQUENCE_SKEW)
                g->sequence = g->stored_sequence = wall;
        g->sequence = wall > g->sequence ? wall : g->sequence + 1;
        deny_store_sequence(g, now);
        c.peer = (ProtobufCBinaryData){ g->self.len, g->self.bytes };
        c.sequence = g->sequence;
        c.network = g->network;
        c.version = (char *) g->config.version;
        for (size_t i = 0; i < g->n_own; i++)
                addresses[i] = (ProtobufCBinaryData){ g->own[i].len, g->own[i].bytes };
        c.addresses = addresses;
        c.n_addresses = g->n_own;
        wire_pack(b, &c.base);
        /* What people wrote gives way before what jobs need. */
        if (b->len + SIGNATURE_SIZE + 8 > CAPABILITY_SIZE_MAX) {
                buffer_clear(b);
                c.name = (char *) "";
                c.n_addresses = c.n_addresses > 2 ? 2 : c.n_addresses;
                c.n_groups = c.n_groups > 1 ? 1 : c.n_groups;
                wire_pack(b, &c.base);
        }
}

static nsec_t interval(const struct gossip *g) {
        return g->offer ? g->config.offer_interval : g->config.presence_interval;
}

/* One record for each shard, since the same bytes twice are one message. */
static void sign_record(struct gossip *g, size_t shard, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        const Peers__Capability *offered = &no_offer;

        g->signing_shard = shard;
        if (g->offer && wire_unpack(&peers__capability__descriptor, refbuf_bytes(g->offer), NULL,
                                    &u) == UNPACK_OK)
                offered = u.message;
        buffer_init(&b, 4096);
        put_body(g, offered, now, &b);
        g->published_free = offered->free_slots;
        g->signing = gossip_next_id(g);
        refbuf_unref(g->signing_body);
        g->signing_body = refbuf_new(buffer_bytes(&b));
        gossip_add(g, GOSSIP_SIGN_CAPABILITY, g->signing)->data = refbuf_ref(g->signing_body);
}

/* What others would refuse they would blame on those who pass it on: our neighbours. */
static bool is_publishable(struct gossip *g, struct bytes record) {
        CLEANUP(capability_donep) struct capability c = {};
        struct gossip_action *a;

        if (capability_read(record, &c) == CAPABILITY_OK)
                return true;
        g_count(g, GOSSIP_OWN_INVALID);
        a = gossip_add(g, GOSSIP_EVENT, 0);
        a->event = (struct gossip_event){
                .name = "offer_invalid",
                .text = "this node's record breaks a limit and is not published: shorten its name, "
                        "groups, region or list of engines",
                .value = record.len,
                .is_warning = true,
        };
        return false;
}

static void publish_record(struct gossip *g, const struct membership_topic *t, nsec_t now) {
        if (t->is_joined && pubsub_publish(g->router, gossip_next_id(g), t->topic,
                                           refbuf_bytes(g->own_record), now) == PUBSUB_OK)
                g_count(g, GOSSIP_PUBLISHED);
}

void publish_signed(struct gossip *g, struct bytes signature, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer b = {};
        size_t shard = g->signing_shard;

        buffer_init(&b, 4096);
        capability_put(&b, refbuf_bytes(g->signing_body), signature);
        g->signing = 0;
        g->signing_body = refbuf_unref(g->signing_body);
        if (!is_publishable(g, buffer_bytes(&b)))
                return;
        refbuf_unref(g->own_record);
        g->own_record = refbuf_new(buffer_bytes(&b));
        publish_record(g, &g->shards[shard], now);
        if (shard > 0)
                sign_record(g, shard - 1, now);
}

/* Crossed zero, doubled or halved: others decide by it. */
static bool matters(uint32_t before, uint32_t now) {
        if ((before == 0) != (now == 0))
                return true;
        return now >= 2 * before ? now > before : 2 * now <= before && before > 0;
}

void gossip_offer(struct gossip *g, struct bytes capability, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Peers__Capability *c;
        bool is_first = !g->offer;

        g->now = now;
        if (wire_unpack(&peers__capability__descriptor, capability, NULL, &u) != UNPACK_OK)
                return;
        c = u.message;
        refbuf_unref(g->offer);
        g->offer = refbuf_new(capability);
        g->offered_free = c->free_slots;
        if (is_first || matters(g->published_free, c->free_slots))
                publish_soon(g, now);
}

/* ---- Time ---- */

nsec_t publish_deadline(const struct gossip *g) {
        return g->next_publication;
}

void publish_expire(struct gossip *g, nsec_t now) {
        bool is_news = now < nsec_add(g->last_publication, interval(g));

        if (now < g->next_publication)
                return;
        g->last_publication = now;
        g->next_publication = nsec_add(now, interval(g));
        /* The larger shard is for those whose estimate lags behind: what is not news goes there
         * half as often, or nodes near a border would have thrice the traffic. */
        g->n_publications++;
        sign_record(g, g->in_both && (is_news || g->n_publications % 2) ? 1 : 0, now);
}
