/* Streams between nodes: ordered, with latency, units that are resent and so come
 * late, bandwidth, and breaks. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "tests/sim/sim_parts.h"

#define RESEND_AFTER  (200 * NSEC_PER_MSEC)
#define LOSS_NOTICED  (1 * NSEC_PER_SEC) /* a crashed node's peers learn of it */
#define WINDOW        16
#define E_UNREACHABLE 1
#define E_PEER_RESET  6
#define E_LOST        7

struct sim_stream {
        struct list link;
        struct sim_node *node[2]; /* 0 opened it */
        unsigned epoch[2];
        uint64_t id[2];
        nsec_t last[2]; /* arrival of the last unit at that side: order is kept */
        bool is_gone[2];
        bool is_broken; /* a unit was lost: nothing comes behind a hole */
};

static nsec_t latency(struct sim *s) {
        const struct sim_settings *c = &s->settings;

        return c->latency_min + rng_below(&s->rng, c->latency_max - c->latency_min + 1);
}

static unsigned side_of(const struct sim_stream *st, const struct sim_node *n, uint64_t id) {
        return st->node[0] == n && st->id[0] == id ? 0 : 1;
}

static struct sim_stream *find(struct sim_node *n, uint64_t id) {
        return map_get_u64(n->streams, id);
}

static void forget(struct sim_stream *st, unsigned side) {
        if (!st->is_gone[side] && st->node[side]->epoch == st->epoch[side] && st->node[side]->is_up)
                map_remove_u64(st->node[side]->streams, st->id[side]);
        st->is_gone[side] = true;
}

/* When something leaves a node now: after its journal is synced, and behind what
 * its link is still busy with. */
static nsec_t leaves(struct sim_node *n, size_t len) {
        struct sim *s = n->sim;
        nsec_t at = nsec_max(s->now, n->synced);

        n->bytes_out += len;
        s->n_bytes += len;
        if (!s->settings.bandwidth)
                return at;
        at = nsec_max(at, n->sent);
        n->sent = at + len * NSEC_PER_SEC / s->settings.bandwidth;
        return n->sent;
}

/* An event at the other side, in order; NULL: that side is no longer there. */
static struct sim_event *to_other(struct sim_stream *st, unsigned from, size_t len,
                                  sim_fire_fn fire) {
        struct sim_node *n = st->node[from], *to = st->node[!from];
        struct sim *s = n->sim;
        nsec_t left = leaves(n, len), at = left + latency(s);
        struct sim_event *e;

        if (st->is_gone[!from] || to->epoch != st->epoch[!from])
                return NULL;
        if (rng_chance(&s->rng, s->settings.resent))
                at += RESEND_AFTER;
        at = nsec_max(at, st->last[!from] + 1);
        st->last[!from] = at;
        e = sim_after(s, to->index, nsec_sub(at, s->now), fire);
        sim_send(s, e, n->index, left);
        e->id = st->id[!from];
        e->ref = st;
        return e;
}

/* ---- What arrives ---- */

static void fire_data(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        if (!find(n, e->id))
                return;
        coordinator_stream_data(n->core, e->id, refbuf_bytes(e->data), s->now);
        sim_drain(n);
}

static void fire_window(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        if (!find(n, e->id))
                return;
        coordinator_stream_window(n->core, e->id, (uint32_t) e->n, s->now);
        sim_drain(n);
}

static void fire_finished(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];

        if (!find(n, e->id))
                return;
        coordinator_stream_finished(n->core, e->id, s->now);
        sim_drain(n);
}

static void fire_closed(struct sim *s, struct sim_event *e) {
        struct sim_node *n = &s->nodes[e->node];
        struct sim_stream *st = find(n, e->id);

        if (!st)
                return;
        forget(st, side_of(st, n, e->id));
        coordinator_stream_closed(n->core, e->id, (uint32_t) e->n, s->now);
        sim_drain(n);
}

static void lose(struct sim_stream *st) {
        for (unsigned side = 0; side < 2; side++) {
                struct sim_node *n = st->node[side];
                struct sim_event *e;

                if (st->is_gone[side] || !n || n->epoch != st->epoch[side] || !st->id[side])
                        continue;
                e = sim_after(n->sim, n->index, latency(n->sim), fire_closed);
                e->id = st->id[side];
                e->n = E_LOST;
        }
}

/* ---- Opening ---- */

static void remote_of(const struct sim_node *n, struct stream_remote *ret) {
        struct endpoint e = endpoint_ip4(n->ip, 4001);

        *ret = (struct stream_remote){ .peer = n->peer,
                                       .address = multiaddr_from_endpoint(&e),
                                       .rtt = 20 * NSEC_PER_MSEC };
}

static void fire_opened(struct sim *s, struct sim_event *e) {
        struct sim_stream *st = e->ref;
        struct sim_node *n = &s->nodes[e->node];
        struct stream_remote remote;

        if (!find(n, e->id))
                return;
        remote_of(st->node[1], &remote);
        coordinator_stream_opened(n->core, e->id, &remote, WINDOW, s->now);
        sim_drain(n);
}

static void fire_inbound(struct sim *s, struct sim_event *e) {
        struct sim_stream *st = e->ref;
        struct sim_node *n = &s->nodes[e->node];
        struct stream_remote remote;

        st->id[1] = n->next_inbound += 2;
        st->epoch[1] = n->epoch;
        map_set_u64(n->streams, st->id[1], st);
        remote_of(st->node[0], &remote);
        (void) to_other(st, 1, 0, fire_opened);
        coordinator_stream_inbound(n->core, st->id[1], &remote, WINDOW, s->now);
        sim_drain(n);
}

static struct sim_node *node_of(struct sim *s, const struct peer_id *peer) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                if (peer_id_equal(&s->nodes[i].peer, peer))
                        return &s->nodes[i];
        return NULL;
}

/* A node that is down does not answer; the dial times out at its caller. */
void sim_link_open(struct sim_node *n, const struct action *a) {
        struct sim_node *to = node_of(n->sim, &a->peer);
        struct sim_stream *st = xnew(struct sim_stream);
        struct sim_event *e;

        list_push_back(&n->sim->streams, &st->link);
        st->node[0] = n;
        st->node[1] = to;
        st->id[0] = a->id;
        st->epoch[0] = n->epoch;
        map_set_u64(n->streams, a->id, st);
        if (!to || !to->is_up)
                return;
        e = sim_after(n->sim, to->index, nsec_sub(leaves(n, 0), n->sim->now) + 3 * latency(n->sim),
                      fire_inbound);
        sim_send(n->sim, e, n->index, n->sim->now);
        e->ref = st;
        st->epoch[1] = to->epoch;
}

/* ---- Sending ---- */

void sim_link_send(struct sim_node *n, const struct action *a) {
        struct sim_stream *st = find(n, a->id);
        struct sim_event *e;

        check(a->data->len <= STREAM_UNIT_MAX);
        if (!st || st->is_broken)
                return;
        if (rng_chance(&n->sim->rng, n->sim->settings.breaks)) {
                st->is_broken = true;
                lose(st);
                return;
        }
        e = to_other(st, side_of(st, n, a->id), a->data->len, fire_data);
        if (e)
                e->data = refbuf_ref(a->data);
}

void sim_link_consumed(struct sim_node *n, const struct action *a) {
        struct sim_stream *st = find(n, a->id);
        struct sim_event *e = st ? to_other(st, side_of(st, n, a->id), 0, fire_window) : NULL;

        if (e)
                e->n = a->n;
}

void sim_link_finish(struct sim_node *n, const struct action *a) {
        struct sim_stream *st = find(n, a->id);

        if (st)
                (void) to_other(st, side_of(st, n, a->id), 0, fire_finished);
}

void sim_link_reset(struct sim_node *n, const struct action *a) {
        struct sim_stream *st = find(n, a->id);
        struct sim_event *e;
        unsigned side;

        if (!st)
                return;
        side = side_of(st, n, a->id);
        e = st->id[!side] ? to_other(st, side, 0, fire_closed) : NULL;
        if (e)
                e->n = E_PEER_RESET;
        forget(st, side);
}

/* The node is gone: its peers learn it a little later. */
void sim_link_lose_all(struct sim_node *n) {
        LIST_FOREACH (it, &n->sim->streams) {
                struct sim_stream *st = LIST_ENTRY(it, struct sim_stream, link);

                for (unsigned side = 0; side < 2; side++) {
                        struct sim_node *other = st->node[!side];
                        struct sim_event *e;

                        if (st->node[side] != n || st->is_gone[side] || st->epoch[side] != n->epoch)
                                continue;
                        st->is_gone[side] = true;
                        if (!other || st->is_gone[!side] || !st->id[!side])
                                continue;
                        e = sim_after(n->sim, other->index, LOSS_NOTICED, fire_closed);
                        e->epoch = st->epoch[!side];
                        e->id = st->id[!side];
                        e->n = E_LOST;
                }
        }
}

void sim_link_done(struct sim *s) {
        LIST_FOREACH_SAFE (it, &s->streams)
                free(LIST_ENTRY(it, struct sim_stream, link));
        list_init(&s->streams);
}
