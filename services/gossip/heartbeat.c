#include "services/gossip/router_parts.h"

/* Once a second: scores fade, meshes are mended, what is new is told to those
 * outside them (gossipsub-v1.1, "Heartbeat"). */

static void decay(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        peer->behaviour =
                score_decay(peer->behaviour, p->score.behaviour_decay, p->score.decay_to_zero);
        LIST_FOREACH_SAFE (it, &peer->memberships) {
                struct membership *m = PEER_MEMBERSHIP(it);

                topic_score_decay(&m->score, &m->topic->params, p->score.decay_to_zero, now);
                router_membership_release(p, m, now);
        }
        router_score_changed(p, peer);
}

/* Nothing of it will be another in a second unless something happens to it. Most peers are: those
 * outside our meshes that say nothing. */
static bool is_at_rest(const struct router_peer *peer) {
        if (!(peer->is_up || peer->is_denied) || peer->is_stuck || peer->n_unwanted > 0 ||
            peer->behaviour > 0)
                return false;
        LIST_FOREACH (it, &peer->memberships) {
                const struct membership *m = PEER_MEMBERSHIP(it);

                if (!m->is_subscribed || !topic_score_is_at_rest(&m->score))
                        return false;
        }
        return true;
}

/* Who left with a good name is forgotten; a bad one and back-offs stay for a while, or
 * leaving and coming back would wash them. */
static bool is_forgotten(struct pubsub *p, struct router_peer *peer, nsec_t now) {
        if (peer->is_up || peer->is_denied)
                return false;
        /* What it promised is still to be judged should it be back by then. */
        return (peer->n_promises == 0 && peer->n_memberships == 0 &&
                router_score(p, peer, now) >= 0) ||
               now >= nsec_add(peer->down_since, p->score.retain);
}

static void decay_all(struct pubsub *p, nsec_t now) {
        LIST_FOREACH_SAFE (it, &p->restless) {
                struct router_peer *peer = LIST_ENTRY(it, struct router_peer, restless);

                decay(p, peer, now);
                if (is_forgotten(p, peer, now))
                        router_peer_free(p, peer, now);
                else if (is_at_rest(peer))
                        list_remove(&peer->restless);
        }
}

static void drop_stuck(struct pubsub *p, nsec_t now) {
        LIST_FOREACH (it, &p->restless) {
                struct router_peer *peer = LIST_ENTRY(it, struct router_peer, restless);

                if (!peer->is_up || !peer->is_stuck)
                        continue;
                count(p, COUNT_STUCK);
                router_drop(p, peer, now);
                return; /* one a second: the list may have changed */
        }
}

void heartbeat(struct pubsub *p, nsec_t now) {
        p->beat++;
        p->now = now;
        p->px_left = PX_PER_HEARTBEAT;
        drop_stuck(p, now);
        lazy_beat(p, now);
        decay_all(p, now);
        LIST_FOREACH_SAFE (it, &p->topic_order) {
                struct topic *t = LIST_ENTRY(it, struct topic, link);

                if (t->is_joined)
                        mesh_beat(p, t, now);
                else if (t->fanout_until > 0)
                        fanout_beat(p, t, now);
                if (t->is_joined || t->fanout_until > 0)
                        lazy_gossip(p, t, now);
                router_topic_release(p, t);
        }
        cache_shift(p->cache, now);
        p->next_heartbeat = nsec_add(now, p->config.heartbeat);
}
