#include "services/sim/node.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/sim/measure.h"

#define SLOT_PAUSE  (60 * NSEC_PER_SEC) /* until nobody has a connection to who was there */
#define DOOM_WITHIN NSEC_PER_SEC
#define SUBNETS     (80u << 16) /* 20.0.0.0 to 99.255.255.0 */
#define FIRST_OCTET 20
#define PORT        4001
#define ACCESS_MIN  (1 * NSEC_PER_MSEC)
#define ACCESS_MAX  (15 * NSEC_PER_MSEC)

/* ---- Identities ---- */

static uint32_t take_slot(struct network *net) {
        if (net->n_free > 0)
                return net->free_slots[--net->n_free];
        if (net->n_slots % 256 == 0) {
                size_t n = net->n_slots + 256;

                net->slots = xrealloc(net->slots, n * sizeof(*net->slots));
                net->free_slots = xrealloc(net->free_slots, n * sizeof(*net->free_slots));
        }
        net->slots[net->n_slots] = NULL;
        return net->n_slots++;
}

static void on_slot_free(struct network *net, struct node *nobody, struct event *e) {
        net->free_slots[net->n_free++] = e->a;
}

/* Every honest identity has a /24 of its own; those of attackers are counted from the top. */
static struct endpoint address_of(struct network *net, uint64_t identity, uint32_t subnet) {
        uint32_t number = subnet == UINT32_MAX ? (uint32_t) (identity % (SUBNETS - 65536))
                                               : SUBNETS - 1 - subnet,
                 host = subnet == UINT32_MAX ? 1 : (uint32_t) (identity % 253 + 1);

        return endpoint_ip4((uint8_t[4]){ (uint8_t) (FIRST_OCTET + (number >> 16)),
                                          (uint8_t) (number >> 8), (uint8_t) number,
                                          (uint8_t) host },
                            PORT);
}

static void place_node(struct network *net, struct node *n) {
        const struct sim_settings *s = &net->settings;

        n->region = (uint8_t) rng_below(&net->rng, REGIONS);
        n->half = (uint8_t) rng_below(&net->rng, 2);
        n->access = ACCESS_MIN + rng_below(&net->rng, ACCESS_MAX - ACCESS_MIN);
        if (s->skew > 0)
                n->skew_us = (int64_t) (rng_below(&net->rng, 2 * s->skew) / NSEC_PER_USEC) -
                             (int64_t) (s->skew / NSEC_PER_USEC);
        n->is_hidden = rng_chance(&net->rng, s->hidden);
        n->is_rare = rng_chance(&net->rng, 0.05);
}

static struct node *node_make(struct network *net, const struct behaviour *b, uint32_t subnet,
                              const struct sign_public *key) {
        struct node *n = xnew(struct node);
        struct multiaddr address;

        n->net = net;
        n->behaviour = b;
        n->slot = take_slot(net);
        n->endpoint = address_of(net, net->last_identity, subnet);
        n->identity = net->last_identity++;
        n->peer = peer_id_from_ed25519(key);
        address = multiaddr_from_endpoint(&n->endpoint);
        contact_init(&n->contact, &n->peer, &address, 1);
        list_init(&n->links);
        list_init(&n->gatherings);
        place_node(net, n);
        disk_init(&n->disk, &net->pool, net->settings.seed + n->identity);
        net->slots[n->slot] = n;
        network_add(net, n);
        return n;
}

struct node *node_new(struct network *net, const struct behaviour *b, uint32_t subnet) {
        struct sign_public key;
        struct sign_secret secret;
        struct node *n;

        keys_make(net->settings.seed, net->last_identity, &secret);
        memcpy(key.bytes, secret.bytes + SIGN_SEED_SIZE, SIGN_PUBLIC_SIZE);
        n = node_make(net, b, subnet, &key);
        n->secret = secret;
        return n;
}

struct node *node_new_with(struct network *net, const struct behaviour *b, uint32_t subnet,
                           const struct sign_public *key) {
        struct node *n = node_make(net, b, subnet, key);

        memcpy(n->secret.bytes + SIGN_SEED_SIZE, key->bytes, SIGN_PUBLIC_SIZE);
        return n;
}

void node_free(struct node *n) {
        struct network *net = n->net;

        if (n->is_up)
                n->behaviour->end(n);
        links_forget(net, n);
        heap_remove(&net->timers, &n->timer);
        disk_done(&n->disk);
        contact_done(&n->contact);
        network_remove(net, n);
        net->slots[n->slot] = NULL;
        network_event(net, net->now + SLOT_PAUSE, on_slot_free, NULL)->a = n->slot;
        free(n);
}

/* ---- Life ---- */

static void on_tick(struct network *net, struct node *n, struct event *e) {
        n->behaviour->tick(n);
        (void) network_event(net, net->now + NODE_TICK, on_tick, n);
}

void node_start(struct node *n, struct node *const *at, size_t n_at) {
        struct network *net = n->net;

        network_count(net);
        net->n_up++;
        n->life = ++net->last_life;
        n->is_up = true;
        n->is_doomed = n->is_serving = false;
        n->born = net->now;
        n->behaviour->begin(n, at, n_at);
        (void) network_event(net, net->now + rng_below(&net->rng, NODE_TICK), on_tick, n);
        node_settle(n);
}

static void gone(struct node *n, bool says_so) {
        struct network *net = n->net;

        links_leave(net, n, says_so);
        n->behaviour->end(n);
        heap_remove(&net->timers, &n->timer);
        network_count(net);
        net->n_up--;
        n->is_up = n->is_serving = n->is_doomed = false;
        n->life = 0;
}

void node_stop(struct node *n) {
        if (n->dht)
                dht_stop(n->dht, n->net->now);
        disk_sync(&n->disk);
        gone(n, true);
}

static void die(struct node *n) {
        disk_crash(&n->disk);
        n->net->n_undone += n->disk.n_undone;
        n->disk.n_undone = 0;
        gone(n, false);
}

static void on_doom(struct network *net, struct node *n, struct event *e) {
        die(n);
}

void node_kill(struct node *n) {
        n->is_doomed = true;
        (void) network_event(n->net, n->net->now + DOOM_WITHIN, on_doom, n);
}

/* A shell commits before an answer leaves: what a node that is to die wrote in this turn is
 * lost in one half of the cases, and told to nobody then; in the other half it is synced and told
 * to nobody. */
void node_settle(struct node *n) {
        if (!n->is_up)
                return;
        if (n->is_doomed && disk_is_dirty(&n->disk)) {
                if (rng_chance(&n->net->rng, 0.5))
                        disk_sync(&n->disk);
                die(n);
                return;
        }
        n->behaviour->output(n);
        if (n->is_up)
                heap_set(&n->net->timers, &n->timer, n->behaviour->deadline(n));
}

void node_expire(struct node *n) {
        n->net->n_events++;
        n->behaviour->expire(n);
        node_settle(n);
}

int64_t node_wall_us(const struct node *n) {
        return SIM_WALL_US + (int64_t) (n->net->now / NSEC_PER_USEC) + n->skew_us;
}

void node_charge(struct node *n, enum part part, uint64_t bytes) {
        n->net->traffic.bytes[part] += bytes;
        if (part != PART_USER)
                n->bytes += bytes;
}

/* ---- The honest one: its cores ---- */

static void begin(struct node *n, struct node *const *at, size_t n_at) {
        node_dht_begin(n, at, n_at);
        if (n->net->settings.has_gossip)
                node_gossip_begin(n);
}

static void end(struct node *n) {
        node_dht_end(n);
        n->gossip = gossip_free(n->gossip);
}

static nsec_t deadline(const struct node *n) {
        nsec_t when = dht_deadline(n->dht);

        return n->gossip ? nsec_min(when, gossip_deadline(n->gossip)) : when;
}

static void expire(struct node *n) {
        nsec_t now = n->net->now;

        if (dht_deadline(n->dht) <= now)
                dht_expire(n->dht, now);
        if (n->gossip && gossip_deadline(n->gossip) <= now)
                gossip_expire(n->gossip, now);
}

static void trace(struct node *n, uint64_t kind, uint64_t id, const struct refbuf *data) {
        network_mix(n->net, n->net->now);
        network_mix(n->net, (uint64_t) n->slot << 32 | kind);
        network_mix(n->net, id << 16 | (data ? data->len : 0xffff));
}

/* One half may set the other off: until both are quiet. */
static void output(struct node *n) {
        bool is_busy = true;

        while (is_busy && n->is_up) {
                struct dht_action d;
                struct gossip_action g;

                disk_sync(&n->disk);
                is_busy = dht_output(n->dht, &d);
                if (is_busy) {
                        trace(n, d.type, d.id, d.data);
                        node_dht_act(n, &d);
                        dht_action_done(&d);
                } else if (n->gossip && (is_busy = gossip_output(n->gossip, &g))) {
                        trace(n, 64 + (uint64_t) g.type, g.id, g.data);
                        node_gossip_act(n, &g);
                        gossip_action_done(&g);
                }
        }
}

static void peer_up(struct node *n, struct node *peer, bool is_inbound) {
        struct dht_remote remote = node_remote(n, peer);

        dht_peer_identified(n->dht, &remote, n->net->now);
        if (n->gossip)
                node_gossip_peer(n, peer, is_inbound);
}

static void peer_down(struct node *n, const struct node *peer) {
        dht_peer_gone(n->dht, &peer->peer, n->net->now);
        if (n->gossip)
                gossip_peer_down(n->gossip, &peer->peer, n->net->now);
}

static void asked(struct node *n, struct node *from, struct bytes message) {
        uint64_t id = ++n->last_question;

        if (n->question.protocol == SIM_PEERS) {
                if (n->gossip)
                        gossip_asked(n->gossip, id, &from->peer, message, n->net->now);
        } else {
                struct dht_remote remote = node_remote(n, from);

                dht_request(n->dht, id, &remote, (enum dht_protocol) n->question.protocol, message,
                            n->net->now);
        }
}

static void answered(struct node *n, struct node *from, enum sim_protocol protocol, uint64_t id,
                     struct bytes message) {
        if (protocol == SIM_PEERS) {
                if (n->gossip)
                        gossip_answered(n->gossip, id, message, n->net->now);
        } else {
                struct dht_remote remote = node_remote(n, from);

                dht_answered(n->dht, id, &remote, message, n->net->now);
        }
}

static void failed(struct node *n, enum sim_protocol protocol, uint64_t id, enum sim_failure why) {
        static const enum dht_failure failures[] = { [SIM_UNREACHABLE] = DHT_UNREACHABLE,
                                                     [SIM_NO_PROTOCOL] = DHT_NO_PROTOCOL,
                                                     [SIM_RESET] = DHT_RESET };

        if (protocol != SIM_PEERS)
                dht_failed(n->dht, id, failures[why], n->net->now);
        else if (n->gossip)
                gossip_ask_failed(n->gossip, id, n->net->now);
}

static void connected(struct node *n, const struct node *to, uint64_t id) {
        dht_connected(n->dht, id, to ? &to->peer : &(struct peer_id){}, NULL, n->net->now);
}

static void stream_opened(struct node *n, struct node *to) {
        if (n->gossip)
                gossip_stream_opened(n->gossip, &to->peer, PUBSUB_V1_2, n->net->now);
}

static void stream_closed(struct node *n, struct node *to) {
        if (n->gossip)
                gossip_stream_closed(n->gossip, &to->peer, n->net->now);
}

static void rpc(struct node *n, struct node *from, struct bytes message) {
        if (n->gossip)
                gossip_rpc(n->gossip, &from->peer, message, n->net->now);
}

static void tick(struct node *n) {
        n->n_ticks++;
        node_dht_tick(n);
        if (n->gossip)
                node_gossip_tick(n);
}

const struct behaviour node_honest = {
        .name = "honest",
        .begin = begin,
        .end = end,
        .deadline = deadline,
        .expire = expire,
        .output = output,
        .peer_up = peer_up,
        .peer_down = peer_down,
        .asked = asked,
        .answered = answered,
        .failed = failed,
        .connected = connected,
        .stream_opened = stream_opened,
        .stream_closed = stream_closed,
        .rpc = rpc,
        .tick = tick,
};
