#include "services/gossip/router_parts.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"

/* ---- Looking up ---- */

struct router_peer *router_peer(const struct pubsub *p, const struct peer_id *id) {
        return map_get(p->peers, peer_id_bytes(id));
}

struct topic *router_topic(const struct pubsub *p, struct bytes name) {
        return map_get(p->topics, name);
}

static bool is_topic_name(struct bytes name) {
        return name.len > 0 && name.len <= PUBSUB_TOPIC_MAX && !memchr(name.data, '\0', name.len) &&
               utf8_is_valid(name);
}

struct topic *router_topic_make(struct pubsub *p, struct bytes name, bool ours) {
        struct topic *t = router_topic(p, name);

        if (t)
                return t;
        if (!is_topic_name(name) || map_count(p->topics) >= TOPICS_MAX + (ours ? TOPICS_OURS : 0)) {
                count(p, COUNT_TOPICS_REFUSED);
                return NULL;
        }
        t = xnew(struct topic);
        memcpy(t->name, name.data, name.len);
        t->params = p->score.topic;
        list_init(&t->members);
        list_push_back(&p->topic_order, &t->link);
        (void) map_set(p->topics, name, t);
        return t;
}

void router_topic_release(struct pubsub *p, struct topic *t) {
        if (t->is_joined || t->fanout_until > 0 || t->n_members > 0 || t->n_pending > 0)
                return;
        if (t->is_cached) /* walks the whole cache: not for every topic a peer makes up */
                cache_forget_topic(p->cache, t->name);
        (void) map_remove(p->topics, BYTES_STR(t->name));
        list_remove(&t->link);
        free(t);
}

/* ---- Memberships ---- */

/* A peer is in few topics, a topic may have hundreds of peers. */
struct membership *router_membership(const struct topic *t, const struct router_peer *peer) {
        LIST_FOREACH (it, &peer->memberships)
                if (PEER_MEMBERSHIP(it)->topic == t)
                        return PEER_MEMBERSHIP(it);
        return NULL;
}

struct membership *router_membership_make(struct pubsub *p, struct topic *t,
                                          struct router_peer *peer) {
        struct membership *m = router_membership(t, peer);

        if (m)
                return m;
        if (peer->n_memberships >= p->config.topics_per_peer_max) {
                count(p, COUNT_TOPICS_REFUSED);
                return NULL;
        }
        m = xnew(struct membership);
        m->topic = t;
        m->peer = peer;
        list_push_back(&t->members, &m->in_topic);
        list_push_back(&peer->memberships, &m->in_peer);
        t->n_members++;
        peer->n_memberships++;
        return m;
}

static bool is_remembered(const struct pubsub *p, const struct membership *m, nsec_t now) {
        return m->backoff_until > now ||
               topic_score_value(&m->score, &m->topic->params, now) < -p->score.decay_to_zero;
}

void router_membership_release(struct pubsub *p, struct membership *m, nsec_t now) {
        struct topic *t = m->topic;

        if (m->is_subscribed || m->in_mesh || m->in_fanout || is_remembered(p, m, now))
                return;
        list_remove(&m->in_topic);
        list_remove(&m->in_peer);
        m->peer->n_memberships--;
        t->n_members--;
        router_score_changed(p, m->peer);
        free(m);
        router_topic_release(p, t);
}

void router_shuffle(struct pubsub *p, struct membership **list, size_t n) {
        for (size_t i = n; i > 1; i--) {
                size_t k = rng_below(&p->rng, i);
                struct membership *m = list[i - 1];

                list[i - 1] = list[k];
                list[k] = m;
        }
}

size_t router_choose(struct pubsub *p, struct topic *t, membership_filter fits, nsec_t now,
                     struct membership **ret) {
        size_t n = 0;

        LIST_FOREACH (it, &t->members)
                if (fits(p, MEMBERSHIP(it), now))
                        ret[n++] = MEMBERSHIP(it);
        router_shuffle(p, ret, n);
        return n;
}

/* ---- Scores ---- */

/* P6: whoever runs many peers behind one address is worth less with each. */
static double colocation(const struct pubsub *p, const struct router_peer *peer) {
        struct bytes address = { peer->info.endpoint.addr,
                                 peer->info.endpoint.family == ENDPOINT_IP4 ? 4u : 8u };
        const size_t *n;
        double surplus;

        if (peer->info.endpoint.family == ENDPOINT_NONE || !peer->is_up)
                return 0;
        n = map_get(p->colocated, address);
        surplus = n ? (double) *n - (double) p->score.colocation_threshold : 0;
        return surplus > 0 ? p->score.colocation_weight * surplus * surplus : 0;
}

static double behaviour(const struct pubsub *p, const struct router_peer *peer) {
        double excess = peer->behaviour - p->score.behaviour_threshold;

        return excess > 0 ? p->score.behaviour_weight * excess * excess : 0;
}

double router_score_now(const struct pubsub *p, const struct router_peer *peer, nsec_t now) {
        double sum = 0;

        if (p->config.without_scores)
                return 0;
        LIST_FOREACH (it, &peer->memberships) {
                const struct membership *m = PEER_MEMBERSHIP(it);

                sum += topic_score_value(&m->score, &m->topic->params, now);
        }
        if (sum > p->score.topic_cap)
                sum = p->score.topic_cap;
        return sum + p->score.app_weight * peer->app + colocation(p, peer) + behaviour(p, peer);
}

double router_score(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        if (!peer->is_score_fresh)
                peer->score = router_score_now(p, peer, now);
        peer->is_score_fresh = true;
        return peer->score;
}

void router_stir(struct pubsub *p, struct router_peer *peer) {
        if (list_is_empty(&peer->restless))
                list_push_back(&p->restless, &peer->restless);
}

void router_score_changed(struct pubsub *p, struct router_peer *peer) {
        peer->is_score_fresh = false;
        router_stir(p, peer);
}

bool router_may(struct pubsub *p, struct router_peer *peer, double threshold, nsec_t now) {
        return peer->is_up && !peer->is_denied &&
               (peer->info.is_direct || router_score(p, peer, now) >= threshold);
}

void router_misbehaved(struct pubsub *p, struct router_peer *peer, double n) {
        peer->behaviour += n;
        router_score_changed(p, peer);
}

void router_invalid(struct pubsub *p, struct topic *t, const struct peer_id *from) {
        struct router_peer *peer = router_peer(p, from);
        struct membership *m = peer ? router_membership_make(p, t, peer) : NULL;

        if (peer && !m)
                router_misbehaved(p, peer, 1);
        if (!m)
                return;
        m->score.invalid++;
        router_score_changed(p, peer);
}

/* ---- What goes out ---- */

static size_t waiting(const struct router_peer *peer) {
        return peer->queued + rpc_writer_size(&peer->out) + rpc_writer_size(&peer->gossip);
}

bool router_writes(struct pubsub *p, struct router_peer *peer, enum write_kind kind, size_t n) {
        const size_t limits[] = {
                [WRITE_GOSSIP] = p->config.queue_bytes_max / 2,
                [WRITE_MESSAGE] = p->config.queue_bytes_max,
                [WRITE_CONTROL] = p->config.queue_bytes_max + CONTROL_RESERVE,
        };

        if (!peer->is_up || peer->is_denied)
                return false;
        if (waiting(peer) + n > limits[kind] && kind != WRITE_GOSSIP) {
                rpc_writer_done(&peer->gossip);
                rpc_writer_init(&peer->gossip);
        }
        if (waiting(peer) + n > limits[kind]) {
                count(p, COUNT_QUEUE_DROPS);
                peer->is_stuck |= kind == WRITE_CONTROL;
                router_stir(p, peer);
                return false;
        }
        list_remove(&peer->dirty);
        list_push_back(&p->dirty, &peer->dirty);
        return true;
}

struct pubsub_output *router_output(struct pubsub *p, enum pubsub_output_type type,
                                    const char *topic) {
        struct queued_output *q = xnew(struct queued_output);

        q->output.type = type;
        if (topic) {
                strcpy(q->topic, topic);
                q->output.topic = q->topic;
        }
        list_push_back(&p->outputs, &q->link);
        return &q->output;
}
