#include "services/gossip/router_parts.h"

#include "common/base/memory.h"

/* The mesh: for each topic we joined, the few peers that send us everything and
 * get everything (gossipsub-v1.0, "Topic membership"; v1.1 adds back-off, peer
 * exchange, outbound quota and scores). */

static bool may_graft(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->is_subscribed && !m->in_mesh && m->backoff_until <= now &&
               m->peer->info.may_mesh && !m->peer->info.is_direct && router_may(p, m->peer, 0, now);
}

static bool may_graft_outbound(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->peer->info.is_outbound && may_graft(p, m, now);
}

static bool is_in_mesh(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->in_mesh;
}

/* ---- In and out ---- */

static void enter(struct pubsub *p, struct membership *m, nsec_t now) {
        m->in_mesh = true;
        m->in_fanout = false;
        m->topic->n_mesh++;
        topic_score_grafted(&m->score, now);
        router_score_changed(p, m->peer);
        count(p, COUNT_GRAFTS);
}

void mesh_add(struct pubsub *p, struct membership *m, nsec_t now) {
        if (!router_writes(p, m->peer, WRITE_CONTROL, PUBSUB_TOPIC_MAX))
                return;
        enter(p, m, now);
        rpc_put_graft(&m->peer->out, m->topic->name);
}

void mesh_remove(struct pubsub *p, struct membership *m) {
        if (!m->in_mesh)
                return;
        m->in_mesh = false;
        m->topic->n_mesh--;
        topic_score_pruned(&m->score, &m->topic->params);
        router_score_changed(p, m->peer);
        count(p, COUNT_PRUNES);
}

static bool may_exchange(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->is_subscribed && m->peer->info.may_mesh && router_may(p, m->peer, 0, now);
}

static size_t exchange_peers(struct pubsub *p, const struct membership *leaving, nsec_t now,
                             struct rpc_peer ret[PX_PEERS]) {
        CLEANUP(freep)
        struct membership **list = xnew_n(struct membership *, leaving->topic->n_members);
        size_t n = router_choose(p, leaving->topic, may_exchange, now, list), done = 0;

        for (size_t i = 0; i < n && done < PX_PEERS; i++) {
                const struct router_peer *peer = list[i]->peer;

                if (peer == leaving->peer)
                        continue;
                ret[done++] = (struct rpc_peer){
                        peer_id_bytes(&peer->info.peer),
                        peer->record && peer->record->len <= PX_RECORD_MAX
                                ? refbuf_bytes(peer->record)
                                : BYTES_NONE,
                };
        }
        return done;
}

/* Says PRUNE, whether it was in the mesh or only asked to be. */
static void say_prune(struct pubsub *p, struct membership *m, nsec_t backoff, bool exchange,
                      nsec_t now) {
        struct rpc_peer peers[PX_PEERS];
        size_t n = 0;

        if (exchange && p->config.peer_exchange && router_may(p, m->peer, 0, now))
                n = exchange_peers(p, m, now, peers);
        if (router_writes(p, m->peer, WRITE_CONTROL, PUBSUB_TOPIC_MAX + n * PX_RECORD_MAX))
                rpc_put_prune(&m->peer->out, m->topic->name, peers, n, backoff / NSEC_PER_SEC);
        m->backoff_until = nsec_max(m->backoff_until, nsec_add(now, backoff));
}

void mesh_prune(struct pubsub *p, struct membership *m, nsec_t backoff, bool exchange, nsec_t now) {
        mesh_remove(p, m);
        say_prune(p, m, backoff, exchange, now);
}

/* ---- Joining and leaving ---- */

static void add_some(struct pubsub *p, struct topic *t, membership_filter fits, size_t want,
                     nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        size_t n = router_choose(p, t, fits, now, list);

        for (size_t i = 0; i < n && i < want; i++)
                mesh_add(p, list[i], now);
}

static bool was_in_fanout(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->in_fanout && may_graft(p, m, now);
}

void mesh_join(struct pubsub *p, struct topic *t, nsec_t now) {
        t->is_joined = true;
        add_some(p, t, was_in_fanout, p->config.d, now);
        if (t->n_mesh < p->config.d)
                add_some(p, t, may_graft, p->config.d - t->n_mesh, now);
        t->fanout_until = 0;
        LIST_FOREACH (it, &t->members)
                MEMBERSHIP(it)->in_fanout = false;
}

void mesh_leave(struct pubsub *p, struct topic *t, nsec_t now) {
        t->is_joined = false;
        LIST_FOREACH (it, &t->members)
                if (MEMBERSHIP(it)->in_mesh)
                        mesh_prune(p, MEMBERSHIP(it), p->config.unsubscribe_backoff, false, now);
}

/* ---- What others ask ---- */

/* Asking in back-off is what an attacker does who wants to stay: P7, and once more
 * when it comes right after the PRUNE (gossipsub-v1.1, "Prune Backoff"). */
static void refuse_early(struct pubsub *p, struct membership *m, nsec_t now) {
        nsec_t pruned = nsec_sub(m->backoff_until, p->config.prune_backoff);

        count(p, COUNT_GRAFT_BACKOFF);
        router_misbehaved(p, m->peer, now < nsec_add(pruned, 10 * NSEC_PER_SEC) ? 2 : 1);
        say_prune(p, m, p->config.prune_backoff, false, now);
}

void mesh_on_graft(struct pubsub *p, struct router_peer *peer, struct bytes topic, nsec_t now) {
        struct topic *t = router_topic(p, topic);
        struct membership *m;

        if (!t || !t->is_joined)
                return; /* v1.1: unknown topics are ignored, so that nobody can probe for them */
        m = router_membership_make(p, t, peer);
        if (!m || m->in_mesh)
                return;
        m->is_subscribed = true;
        if (m->backoff_until > now)
                refuse_early(p, m, now);
        else if (peer->info.is_direct || !peer->info.may_mesh || !router_may(p, peer, 0, now))
                say_prune(p, m, p->config.prune_backoff, false, now);
        else if (t->n_mesh >= p->config.d_high && !peer->info.is_outbound)
                say_prune(p, m, p->config.prune_backoff, true, now);
        else
                enter(p, m, now);
}

static void exchange(struct pubsub *p, const Gossipsub__PeerInfo *in) {
        struct pubsub_output *o;
        struct peer_id id;

        if (p->px_left == 0 || !in->has_peer_id ||
            !peer_id_parse(BYTES(in->peer_id.data, in->peer_id.len), &id) ||
            peer_id_equal(&id, &p->self) || router_peer(p, &id))
                return;
        p->px_left--;
        count(p, COUNT_PX_CONNECTS);
        o = router_output(p, PUBSUB_CONNECT, NULL);
        o->peer = id;
        if (in->has_signed_peer_record && in->signed_peer_record.len <= 16 * 1024)
                o->data =
                        refbuf_new(BYTES(in->signed_peer_record.data, in->signed_peer_record.len));
}

void mesh_on_prune(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlPrune *prune,
                   nsec_t now) {
        struct topic *t = prune->topic_id ? router_topic(p, BYTES_STR(prune->topic_id)) : NULL;
        struct membership *m = t ? router_membership(t, peer) : NULL;
        nsec_t backoff = p->config.prune_backoff;

        if (!m || !t->is_joined)
                return;
        if (prune->has_backoff && prune->backoff > 0 && prune->backoff < BACKOFF_MAX / NSEC_PER_SEC)
                backoff = prune->backoff * NSEC_PER_SEC;
        mesh_remove(p, m);
        /* A second more than told: our clock must not make us the early one. */
        m->backoff_until =
                nsec_max(m->backoff_until, nsec_add(now, nsec_add(backoff, p->config.heartbeat)));
        if (!router_may(p, peer, p->score.accept_px, now))
                return;
        for (size_t i = 0; i < prune->n_peers && i < PX_PEERS; i++)
                exchange(p, prune->peers[i]);
}

/* ---- Each second ---- */

static void drop_unworthy(struct pubsub *p, struct topic *t, nsec_t now) {
        LIST_FOREACH (it, &t->members) {
                struct membership *m = MEMBERSHIP(it);

                if (m->in_mesh && !router_may(p, m->peer, 0, now))
                        mesh_prune(p, m, p->config.prune_backoff, false, now);
        }
}

static size_t count_outbound(const struct topic *t) {
        size_t n = 0;

        LIST_FOREACH (it, &t->members)
                if (MEMBERSHIP(it)->in_mesh && MEMBERSHIP(it)->peer->info.is_outbound)
                        n++;
        return n;
}

/* Best score first; equal ones keep the random order they came in. */
static void sort_by_score(struct membership **list, size_t n) {
        for (size_t i = 1; i < n; i++)
                for (size_t k = i; k > 0 && list[k - 1]->peer->score < list[k]->peer->score; k--) {
                        struct membership *m = list[k];

                        list[k] = list[k - 1];
                        list[k - 1] = m;
                }
}

/* Moves outbound peers to the front of what is kept until there are d_out of them. */
static void keep_outbound(const struct pubsub *p, struct membership **list, size_t n) {
        size_t have = 0, keep = p->config.d, at = p->config.d;

        for (size_t i = 0; i < keep; i++)
                have += list[i]->peer->info.is_outbound;
        for (size_t i = keep; i-- > p->config.d_score && have < p->config.d_out;) {
                struct membership *m;

                if (list[i]->peer->info.is_outbound)
                        continue;
                while (at < n && !list[at]->peer->info.is_outbound)
                        at++;
                if (at == n)
                        return;
                m = list[i];
                list[i] = list[at];
                list[at++] = m;
                have++;
        }
}

static void shrink(struct pubsub *p, struct topic *t, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        size_t n = router_choose(p, t, is_in_mesh, now, list);

        for (size_t i = 0; i < n; i++)
                (void) router_score(p, list[i]->peer, now);
        sort_by_score(list, n);
        if (n > p->config.d_score)
                router_shuffle(p, list + p->config.d_score, n - p->config.d_score);
        keep_outbound(p, list, n);
        for (size_t i = p->config.d; i < n; i++)
                mesh_prune(p, list[i], p->config.prune_backoff, true, now);
}

static double median_score(struct pubsub *p, struct topic *t, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        size_t n = router_choose(p, t, is_in_mesh, now, list);

        for (size_t i = 0; i < n; i++)
                (void) router_score(p, list[i]->peer, now);
        sort_by_score(list, n);
        return n > 0 ? list[n / 2]->peer->score : 0;
}

/* A mesh of mediocre peers is improved from outside (gossipsub-v1.1,
 * "Opportunistic Grafting"): two better ones than the median, once a minute. */
static void graft_better(struct pubsub *p, struct topic *t, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        double median = median_score(p, t, now);
        size_t n, added = 0;

        if (t->n_mesh < 2 || median >= p->score.opportunistic)
                return;
        n = router_choose(p, t, may_graft, now, list);
        for (size_t i = 0; i < n && added < 2; i++)
                if (router_score(p, list[i]->peer, now) > median) {
                        mesh_add(p, list[i], now);
                        added++;
                }
}

void mesh_beat(struct pubsub *p, struct topic *t, nsec_t now) {
        size_t outbound;

        drop_unworthy(p, t, now);
        if (t->n_mesh < p->config.d_low)
                add_some(p, t, may_graft, p->config.d - t->n_mesh, now);
        if (t->n_mesh > p->config.d_high)
                shrink(p, t, now);
        outbound = count_outbound(t);
        if (t->n_mesh >= p->config.d_low && outbound < p->config.d_out)
                add_some(p, t, may_graft_outbound, p->config.d_out - outbound, now);
        if (p->beat % 60 == 0)
                graft_better(p, t, now);
}

/* ---- Fan-out: topics we publish to without having joined ---- */

static bool may_fan_out(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->is_subscribed && !m->in_fanout && router_may(p, m->peer, p->score.publish, now);
}

void fanout_fill(struct pubsub *p, struct topic *t, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        size_t have = 0, n;

        LIST_FOREACH (it, &t->members)
                have += MEMBERSHIP(it)->in_fanout;
        n = router_choose(p, t, may_fan_out, now, list);
        for (size_t i = 0; i < n && have < p->config.d; i++, have++)
                list[i]->in_fanout = true;
}

void fanout_beat(struct pubsub *p, struct topic *t, nsec_t now) {
        bool over = now >= t->fanout_until;

        LIST_FOREACH (it, &t->members) {
                struct membership *m = MEMBERSHIP(it);

                if (m->in_fanout &&
                    (over || !m->is_subscribed || !router_may(p, m->peer, p->score.publish, now)))
                        m->in_fanout = false;
        }
        if (over)
                t->fanout_until = 0;
        else
                fanout_fill(p, t, now);
}
