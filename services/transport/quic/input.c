#include "services/transport/quic/internal.h"

/* A dialled connection learns its own address from the first packet that comes back. */
static void learn_local(struct connection *c, const ngtcp2_path *path) {
        if (!c->local_unknown)
                return;
        c->local_unknown = false;
        ngtcp2_conn_set_local_addr(c->ngtcp2, &path->local);
        path_from_ngtcp2(ngtcp2_conn_get_path(c->ngtcp2), &c->path);
}

/* ngtcp2 0.12 meets an assertion of its own, and ends the process, when a peer goes back
 * to its old address in the packet that answers the challenge to its new one. So until the
 * validation is over for sure (each of the two takes three PTOs), packets from that address
 * are read as if they came over the current path: no move is seen, nothing is lost, and
 * afterwards the move is made in peace. False: it moves about too much. */
static bool shun(struct connection *c, const struct endpoint *remote) {
        nsec_t now = c->quic->now;
        nsec_t until = now + NSEC_PER_SEC + 8 * ngtcp2_conn_get_pto(c->ngtcp2);
        size_t n = 0;

        for (size_t i = 0; i < c->n_shunned; i++)
                if (c->shunned[i].until > now)
                        c->shunned[n++] = (struct shunned){ c->shunned[i].remote, until };
        c->n_shunned = n;
        if (n == SHUNNED_MAX)
                return false;
        c->shunned[c->n_shunned++] = (struct shunned){ *remote, until };
        return true;
}

static bool is_shunned(const struct connection *c, const ngtcp2_path *path) {
        struct path p;

        if (c->n_shunned == 0)
                return false;
        path_from_ngtcp2(path, &p);
        for (size_t i = 0; i < c->n_shunned; i++)
                if (c->shunned[i].until > c->quic->now &&
                    endpoint_equal(&c->shunned[i].remote, &p.remote))
                        return true;
        return false;
}

/* A packet over another path than the current one; it may make its path the current one. */
static int read_moved(struct connection *c, const ngtcp2_path *path, const ngtcp2_pkt_info *info,
                      struct bytes packet) {
        struct path before, after;
        ngtcp2_path_storage current;
        bool shunned = is_shunned(c, path);
        int r;

        path_from_ngtcp2(ngtcp2_conn_get_path(c->ngtcp2), &before);
        path_to_ngtcp2(&before, &current);
        r = ngtcp2_conn_read_pkt(c->ngtcp2, shunned ? &current.path : path, info, packet.data,
                                 packet.len, c->quic->now);
        if (r != 0 || shunned)
                return r;
        path_from_ngtcp2(ngtcp2_conn_get_path(c->ngtcp2), &after);
        if (!path_equal(&before, &after) && !shun(c, &before.remote))
                connection_close(c, 0);
        return 0;
}

static int read_packet(struct connection *c, const ngtcp2_path *path, const ngtcp2_pkt_info *info,
                       struct bytes packet) {
        if (QC_PATH_BACK_ABORTS && c->is_inbound &&
            !ngtcp2_path_eq(path, ngtcp2_conn_get_path(c->ngtcp2)))
                return read_moved(c, path, info, packet);
        return ngtcp2_conn_read_pkt(c->ngtcp2, path, info, packet.data, packet.len, c->quic->now);
}

static void follow_path(struct connection *c) {
        struct quic *q = c->quic;
        struct path path;

        if (!c->path_changed)
                return;
        c->path_changed = false;
        path_from_ngtcp2(ngtcp2_conn_get_path(c->ngtcp2), &path);
        if (path_equal(&path, &c->path))
                return;
        if (c->is_counted) {
                limits_count(q, &c->path.remote, -1);
                limits_count(q, &path.remote, +1);
        }
        c->path = path;
        if (q->events.on_path && c->state == CONNECTION_CONFIRMED)
                q->events.on_path(q->userdata, c, &path);
}

void connection_input(struct connection *c, const ngtcp2_path *path, const ngtcp2_pkt_info *info,
                      struct bytes packet) {
        int r;

        if (c->state == CONNECTION_CLOSED) {
                connection_late(c);
                return;
        }
        c->bytes_in += packet.len;
        learn_local(c, path);
        r = read_packet(c, path, info, packet);
        if (r != 0) {
                connection_fail(c, r);
                return;
        }
        follow_path(c);
        LIST_FOREACH_SAFE (l, &c->blocked)
                quic_stream_unblock(LIST_ENTRY(l, struct quic_stream, queued));
        connection_wake(c);
}
