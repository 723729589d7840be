#include "services/gossip/pubsub.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/router_parts.h"

#define SEEN_MAX        65536
#define CACHE_BYTES_MAX (8 * 1024 * 1024)
#define SIGNATURES_RATE 256 /* checks a second one peer may cause; 48 µs each */
#define SIGNATURES_PEAK 1024
#define KIB_RATE        1024 /* of RPCs of one peer, per second */
#define KIB_PEAK        4096

static const char *const counter_names[_COUNT_N] = {
        [COUNT_RPCS] = "rpcs",
        [COUNT_RPC_INVALID] = "rpc_invalid",
        [COUNT_RPC_OVER_BUDGET] = "rpc_over_budget",
        [COUNT_RECEIVED] = "received",
        [COUNT_DUPLICATES] = "duplicates",
        [COUNT_DELIVERED] = "delivered",
        [COUNT_ACCEPTED] = "accepted",
        [COUNT_REJECTED] = "rejected",
        [COUNT_IGNORED] = "ignored",
        [COUNT_BAD_SIGNATURE] = "bad_signature",
        [COUNT_SIGNATURES] = "signatures_checked",
        [COUNT_SIGNATURE_BUDGET] = "signature_over_budget",
        [COUNT_UNKNOWN_TOPIC] = "unknown_topic",
        [COUNT_FORWARDED] = "forwarded",
        [COUNT_PUBLISHED] = "published",
        [COUNT_IHAVE_SENT] = "ihave_sent",
        [COUNT_IHAVE_RECEIVED] = "ihave_received",
        [COUNT_IHAVE_FLOOD] = "ihave_flood",
        [COUNT_IWANT_SENT] = "iwant_sent",
        [COUNT_IWANT_SERVED] = "iwant_served",
        [COUNT_IWANT_DELIVERED] = "iwant_delivered",
        [COUNT_BROKEN_PROMISES] = "broken_promises",
        [COUNT_IDONTWANT_SENT] = "idontwant_sent",
        [COUNT_IDONTWANT_HONOURED] = "idontwant_honoured",
        [COUNT_GRAFTS] = "grafts",
        [COUNT_PRUNES] = "prunes",
        [COUNT_GRAFT_BACKOFF] = "graft_in_backoff",
        [COUNT_PX_CONNECTS] = "px_connects",
        [COUNT_GRAYLISTED] = "graylisted",
        [COUNT_QUEUE_DROPS] = "queue_drops",
        [COUNT_STUCK] = "stuck",
        [COUNT_PENDING_DROPS] = "pending_drops",
        [COUNT_TOPICS_REFUSED] = "topics_refused",
};

void pubsub_config_default(struct pubsub_config *ret) {
        *ret = (struct pubsub_config){
                .d = 6,
                .d_low = 4,
                .d_high = 12,
                .d_lazy = 3,
                .d_score = 4,
                .d_out = 2,
                .heartbeat = NSEC_PER_SEC,
                .fanout_ttl = 60 * NSEC_PER_SEC,
                .seen_ttl = 120 * NSEC_PER_SEC,
                .prune_backoff = 60 * NSEC_PER_SEC,
                .unsubscribe_backoff = 10 * NSEC_PER_SEC,
                .history = 5,
                .history_gossip = 3,
                .gossip_factor = 0.25,
                .flood_publish = true,
                .d_eager = 3,
                .forward_delay = 100 * NSEC_PER_MSEC,
                .direct_delay = 300 * NSEC_PER_MSEC,
                .peer_exchange = true,
                .idontwant_size = 128,
                .peers_max = 1024,
                .topics_per_peer_max = 64,
                .ihave_max = 10,
                .ihave_ids_max = 5000,
                .iwant_repeat = 3,
                .queue_bytes_max = 1024 * 1024,
        };
}

static bool verify_ed25519(void *userdata, const struct sign_public *key, struct bytes message,
                           struct bytes signature) {
        return sign_verify(key, message, signature);
}

struct pubsub *pubsub_new(const struct pubsub_config *config, const struct peer_id *self,
                          uint64_t seed) {
        struct pubsub *p = xnew(struct pubsub);
        struct map **const maps[] = { &p->peers,   &p->topics,   &p->pending,  &p->pending_numbers,
                                      &p->signing, &p->promised, &p->colocated };
        struct list *const lists[] = {
                &p->peer_order, &p->topic_order, &p->restless, &p->dirty,
                &p->outputs,    &p->promises,    &p->deferred, &p->remembered
        };

        p->config = *config;
        p->self = *self;
        score_params_default(&p->score);
        rng_init(&p->rng, seed);
        p->verify = verify_ed25519;
        p->next_number = 1;
        p->next_heartbeat = NSEC_NEVER;
        p->px_left = PX_PER_HEARTBEAT;
        for (size_t i = 0; i < ELEMENTSOF(maps); i++)
                *maps[i] = map_new(rng_u64(&p->rng));
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                list_init(lists[i]);
        for (unsigned i = 0; i < _COUNT_N; i++)
                p->counters[i].name = counter_names[i];
        p->cache = cache_new(config->history, config->seen_ttl, SEEN_MAX, CACHE_BYTES_MAX,
                             rng_u64(&p->rng));
        return p;
}

void pubsub_output_done(struct pubsub_output *o) {
        refbuf_unref(o->data);
        *o = (struct pubsub_output){};
}

static void free_topics(struct pubsub *p) {
        LIST_FOREACH_SAFE (it, &p->topic_order) {
                struct topic *t = LIST_ENTRY(it, struct topic, link);

                t->is_joined = false;
                t->fanout_until = 0;
                router_topic_release(p, t);
        }
}

static void free_values(struct map *m, void (*release)(struct pubsub *p, void *value),
                        struct pubsub *p) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(m, &cursor, &key, &value))
                release(p, value);
        map_free(m);
}

static void release_pending(struct pubsub *p, void *value) {
        pending_free(p, value);
}
static void release_signing(struct pubsub *p, void *value) {
        signing_free(p, value);
}
static void release_promise(struct pubsub *p, void *value) {
        promise_free(p, value);
}
static void release_count(struct pubsub *p, void *value) {
        free(value);
}

struct pubsub *pubsub_free(struct pubsub *p) {
        struct pubsub_output o;

        if (!p)
                return NULL;
        list_init(&p->dirty);
        while (pubsub_output(p, &o))
                pubsub_output_done(&o);
        free_values(p->pending, release_pending, p);
        free_values(p->signing, release_signing, p);
        free_values(p->promised, release_promise, p);
        LIST_FOREACH_SAFE (it, &p->peer_order)
                router_peer_free(p, LIST_ENTRY(it, struct router_peer, link), 0);
        free_topics(p);
        free_values(p->colocated, release_count, p);
        map_free(p->pending_numbers);
        map_free(p->peers);
        map_free(p->topics);
        cache_free(p->cache);
        free(p);
        return NULL;
}

void pubsub_verifier(struct pubsub *p, pubsub_verify_fn fn, void *userdata) {
        p->verify = fn ? fn : verify_ed25519;
        p->verify_userdata = userdata;
}

/* Sequence numbers start at the clock: kubo drops those that do not increase. */
void pubsub_clock(struct pubsub *p, nsec_t now, uint64_t wall_ns) {
        if (wall_ns > p->next_sequence)
                p->next_sequence = wall_ns;
        if (p->next_heartbeat ==
            NSEC_NEVER) /* nodes that started together need not beat together */
                p->next_heartbeat = nsec_add(now, rng_below(&p->rng, p->config.heartbeat) + 1);
}

/* ---- Peers ---- */

static struct bytes colocation_key(const struct pubsub_peer_info *info) {
        return (struct bytes){ info->endpoint.addr,
                               info->endpoint.family == ENDPOINT_IP4 ? 4u : 8u };
}

/* Each peer of that address is worth something else now. */
static void colocate(struct pubsub *p, const struct pubsub_peer_info *info, int change) {
        struct bytes key = colocation_key(info);
        size_t *n = map_get(p->colocated, key);

        if (info->endpoint.family == ENDPOINT_NONE)
                return;
        if (!n) {
                n = xnew(size_t);
                (void) map_set(p->colocated, key, n);
        }
        if (*n + 1 > p->score.colocation_threshold) /* it matters, or did */
                LIST_FOREACH (it, &p->peer_order)
                        LIST_ENTRY(it, struct router_peer, link)->is_score_fresh = false;
        *n += (size_t) change;
        if (*n > 0)
                return;
        (void) map_remove(p->colocated, key);
        free(n);
}

static struct router_peer *peer_make(struct pubsub *p, const struct peer_id *id) {
        struct router_peer *peer = router_peer(p, id);

        if (peer)
                return peer;
        peer = xnew(struct router_peer);
        peer->info.peer = *id;
        list_init(&peer->dirty);
        list_init(&peer->restless);
        list_init(&peer->remembered);
        list_init(&peer->memberships);
        list_init(&peer->promises);
        rpc_writer_init(&peer->out);
        rpc_writer_init(&peer->gossip);
        rate_init(&peer->messages, SIGNATURES_PEAK, SIGNATURES_RATE);
        rate_init(&peer->bytes, KIB_PEAK, KIB_RATE);
        list_push_back(&p->peer_order, &peer->link);
        (void) map_set(p->peers, peer_id_bytes(id), peer);
        return peer;
}

static void say_subscriptions(struct pubsub *p, struct router_peer *peer) {
        LIST_FOREACH (it, &p->topic_order) {
                const struct topic *t = LIST_ENTRY(it, struct topic, link);

                if (t->is_joined && router_writes(p, peer, WRITE_CONTROL, PUBSUB_TOPIC_MAX))
                        rpc_put_subscription(&peer->out, t->name, true);
        }
}

/* Those who left are kept for their bad names and back-offs: no more than may be up at once, or
 * strangers who come, misbehave and go would fill our memory. */
static void remember(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        if (!peer->is_denied && list_is_empty(&peer->remembered)) {
                list_push_back(&p->remembered, &peer->remembered);
                p->n_remembered++;
        }
        if (p->n_remembered > p->config.peers_max)
                router_peer_free(
                        p, LIST_ENTRY(list_first(&p->remembered), struct router_peer, remembered),
                        now);
}

static void forget_remembered(struct pubsub *p, struct router_peer *peer) {
        if (list_is_empty(&peer->remembered))
                return;
        list_remove(&peer->remembered);
        p->n_remembered--;
}

void pubsub_peer_up(struct pubsub *p, const struct pubsub_peer_info *info, nsec_t now) {
        struct router_peer *peer = router_peer(p, &info->peer);

        if (peer_id_equal(&info->peer, &p->self) || (peer && (peer->is_up || peer->is_denied)) ||
            p->n_up >= p->config.peers_max)
                return;
        peer = peer_make(p, &info->peer);
        forget_remembered(p, peer);
        peer->info = *info;
        peer->record = info->record ? refbuf_ref(info->record) : NULL;
        peer->info.record = NULL;
        peer->is_up = true;
        peer->is_stuck = false;
        peer->queued = 0;
        p->n_up++;
        colocate(p, info, 1);
        router_score_changed(p, peer);
        say_subscriptions(p, peer);
}

static void peer_down(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        if (!peer->is_up)
                return;
        LIST_FOREACH_SAFE (it, &peer->memberships) {
                struct membership *m = PEER_MEMBERSHIP(it);

                mesh_remove(p, m);
                m->is_subscribed = m->in_fanout = false;
                router_membership_release(p, m, now);
        }
        colocate(p, &peer->info, -1);
        peer->is_up = false;
        peer->down_since = now;
        p->n_up--;
        list_remove(&peer->dirty);
        rpc_writer_done(&peer->out);
        rpc_writer_done(&peer->gossip);
        rpc_writer_init(&peer->out);
        rpc_writer_init(&peer->gossip);
        peer->record = refbuf_unref(peer->record);
        router_score_changed(p, peer);
}

void pubsub_peer_down(struct pubsub *p, const struct peer_id *id, nsec_t now) {
        struct router_peer *peer = router_peer(p, id);

        if (!peer || !peer->is_up)
                return;
        peer_down(p, peer, now);
        remember(p, peer, now);
}

void router_drop(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        router_output(p, PUBSUB_DROP, NULL)->peer = peer->info.peer;
        pubsub_peer_down(p, &peer->info.peer, now);
}

void router_peer_free(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        peer_down(p, peer, now);
        forget_remembered(p, peer);
        LIST_FOREACH_SAFE (it, &peer->memberships) {
                struct membership *m = PEER_MEMBERSHIP(it);

                m->backoff_until = 0;
                m->score = (struct topic_score){};
                router_membership_release(p, m, now);
        }
        promises_forget(p, peer);
        list_remove(&peer->link);
        list_remove(&peer->restless);
        (void) map_remove(p->peers, peer_id_bytes(&peer->info.peer));
        rpc_writer_done(&peer->out);
        rpc_writer_done(&peer->gossip);
        free(peer->unwanted);
        free(peer);
}

void pubsub_queued(struct pubsub *p, const struct peer_id *id, size_t bytes, nsec_t now) {
        struct router_peer *peer = router_peer(p, id);

        if (peer)
                peer->queued = bytes;
}

void pubsub_deny(struct pubsub *p, const struct peer_id *id, bool denied, nsec_t now) {
        struct router_peer *peer = denied ? peer_make(p, id) : router_peer(p, id);

        if (!peer || peer->is_denied == denied)
                return;
        if (denied && peer->is_up)
                router_output(p, PUBSUB_DROP, NULL)->peer = *id;
        if (denied) {
                peer_down(p, peer, now);
                forget_remembered(p, peer);
        }
        peer->is_denied = denied;
        peer->down_since = now;
        router_stir(p, peer);
        if (!denied)
                remember(p, peer, now);
}

void pubsub_appraise(struct pubsub *p, const struct peer_id *id, double score, nsec_t now) {
        struct router_peer *peer = router_peer(p, id);

        if (!peer)
                return;
        peer->app = score;
        router_score_changed(p, peer);
}

/* ---- RPCs ---- */

static void on_subscription(struct pubsub *p, struct router_peer *peer,
                            const Gossipsub__RPC__SubOpts *in, nsec_t now) {
        struct bytes name = BYTES_STR(in->topicid ? in->topicid : "");
        struct topic *t = in->subscribe ? router_topic_make(p, name, false) : router_topic(p, name);
        struct membership *m;

        if (!t)
                return;
        m = in->subscribe ? router_membership_make(p, t, peer) : router_membership(t, peer);
        if (!m) {
                router_topic_release(p, t);
                return;
        }
        m->is_subscribed = in->subscribe;
        if (in->subscribe)
                return;
        mesh_remove(p, m);
        m->in_fanout = false;
        router_membership_release(p, m, now);
}

static void on_control(struct pubsub *p, struct router_peer *peer,
                       const Gossipsub__ControlMessage *c, nsec_t now) {
        for (size_t i = 0; i < c->n_ihave; i++)
                lazy_on_ihave(p, peer, c->ihave[i], now);
        for (size_t i = 0; i < c->n_iwant; i++)
                lazy_on_iwant(p, peer, c->iwant[i], now);
        for (size_t i = 0; i < c->n_graft; i++)
                if (c->graft[i]->topic_id)
                        mesh_on_graft(p, peer, BYTES_STR(c->graft[i]->topic_id), now);
        for (size_t i = 0; i < c->n_prune; i++)
                mesh_on_prune(p, peer, c->prune[i], now);
        if (peer->info.version < PUBSUB_V1_2)
                return;
        for (size_t i = 0; i < c->n_idontwant; i++)
                lazy_on_idontwant(p, peer, c->idontwant[i]);
}

static bool admits(struct pubsub *p, struct router_peer *peer, struct bytes rpc, nsec_t now) {
        count(p, COUNT_RPCS);
        if (!router_may(p, peer, p->score.graylist, now)) {
                count(p, COUNT_GRAYLISTED);
                return false;
        }
        if (rate_take_n(&peer->bytes, (uint32_t) (rpc.len / 1024 + 1), now))
                return true;
        count(p, COUNT_RPC_OVER_BUDGET);
        router_misbehaved(p, peer, 0.25);
        return false;
}

void pubsub_receive(struct pubsub *p, const struct peer_id *from, struct bytes rpc, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct router_peer *peer = router_peer(p, from);
        const Gossipsub__RPC *in;

        p->now = now;
        if (!peer || !peer->is_up)
                return;
        router_stir(p, peer);
        if (!admits(p, peer, rpc, now))
                return;
        if (!rpc_read(rpc, &u)) {
                count(p, COUNT_RPC_INVALID);
                router_misbehaved(p, peer, 1);
                return;
        }
        in = u.message;
        for (size_t i = 0; i < in->n_subscriptions; i++)
                on_subscription(p, peer, in->subscriptions[i], now);
        for (size_t i = 0; i < in->n_publish; i++)
                deliver_message(p, peer, BYTES(in->publish[i].data, in->publish[i].len), now);
        if (in->control)
                on_control(p, peer, in->control, now);
}

/* ---- Topics ---- */

static void announce(struct pubsub *p, const char *topic, bool subscribe) {
        LIST_FOREACH (it, &p->peer_order) {
                struct router_peer *peer = LIST_ENTRY(it, struct router_peer, link);

                if (peer->is_up && router_writes(p, peer, WRITE_CONTROL, PUBSUB_TOPIC_MAX))
                        rpc_put_subscription(&peer->out, topic, subscribe);
        }
}

int pubsub_subscribe(struct pubsub *p, const char *topic, const struct pubsub_topic_params *params,
                     nsec_t now) {
        struct topic *t = router_topic_make(p, BYTES_STR(topic), true);

        if (!t)
                return PUBSUB_E_TOPIC;
        if (params)
                t->params = *params;
        if (t->is_joined)
                return PUBSUB_OK;
        announce(p, topic, true);
        mesh_join(p, t, now);
        return PUBSUB_OK;
}

void pubsub_unsubscribe(struct pubsub *p, const char *topic, nsec_t now) {
        struct topic *t = router_topic(p, BYTES_STR(topic));

        if (!t || !t->is_joined)
                return;
        announce(p, topic, false);
        mesh_leave(p, t, now);
        router_topic_release(p, t);
}

/* ---- Out ---- */

static bool take_rpc(struct pubsub *p, struct router_peer *peer, struct pubsub_output *ret) {
        bool is_gossip = rpc_writer_size(&peer->out) == 0;
        struct refbuf *rpc = rpc_take(is_gossip ? &peer->gossip : &peer->out);

        if (!rpc)
                return false;
        *ret = (struct pubsub_output){
                .type = PUBSUB_SEND, .peer = peer->info.peer, .is_gossip = is_gossip, .data = rpc
        };
        return true;
}

/* Topic names of topics that may go with the next call are copied. */
static void keep_topic(struct pubsub *p, struct pubsub_output *o) {
        if (!o->topic)
                return;
        snprintf(p->current_topic, sizeof(p->current_topic), "%s", o->topic);
        o->topic = p->current_topic;
}

bool pubsub_output(struct pubsub *p, struct pubsub_output *ret) {
        struct list *link = list_pop_front(&p->outputs);

        if (link) {
                struct queued_output *q = LIST_ENTRY(link, struct queued_output, link);

                *ret = q->output;
                keep_topic(p, ret);
                free(q);
                return true;
        }
        while (!list_is_empty(&p->dirty)) {
                struct router_peer *peer =
                        LIST_ENTRY(list_first(&p->dirty), struct router_peer, dirty);

                if (take_rpc(p, peer, ret))
                        return true;
                list_remove(&peer->dirty);
        }
        return false;
}

nsec_t pubsub_deadline(const struct pubsub *p) {
        const struct list *first = list_first(&p->deferred);

        return first ? nsec_min(p->next_heartbeat, LIST_ENTRY(first, struct pending, link)->later)
                     : p->next_heartbeat;
}

void pubsub_expire(struct pubsub *p, nsec_t now) {
        deliver_later(p, now);
        if (now >= p->next_heartbeat)
                heartbeat(p, now);
}

/* ---- Looking ---- */

bool pubsub_in_mesh(const struct pubsub *p, const char *topic, const struct peer_id *id) {
        const struct topic *t = router_topic(p, BYTES_STR(topic));
        const struct router_peer *peer = router_peer(p, id);
        const struct membership *m = t && peer ? router_membership(t, peer) : NULL;

        return m && m->in_mesh;
}

bool pubsub_needs(const struct pubsub *p, const struct peer_id *id) {
        const struct router_peer *peer = router_peer(p, id);

        if (!peer)
                return false;
        LIST_FOREACH (it, &peer->memberships)
                if (PEER_MEMBERSHIP(it)->in_mesh || PEER_MEMBERSHIP(it)->in_fanout)
                        return true;
        return false;
}

size_t pubsub_mesh_size(const struct pubsub *p, const char *topic) {
        const struct topic *t = router_topic(p, BYTES_STR(topic));

        return t ? t->n_mesh : 0;
}

bool pubsub_has_subscriber(const struct pubsub *p, const char *topic) {
        const struct topic *t = router_topic(p, BYTES_STR(topic));

        if (!t)
                return false;
        LIST_FOREACH (it, &t->members)
                if (MEMBERSHIP(it)->is_subscribed)
                        return true;
        return false;
}

double pubsub_score(const struct pubsub *p, const struct peer_id *id) {
        const struct router_peer *peer = router_peer(p, id);

        return peer ? router_score_now(p, peer, p->now) : 0;
}

size_t pubsub_counters(const struct pubsub *p, const struct pubsub_counter **ret) {
        *ret = p->counters;
        return _COUNT_N;
}
