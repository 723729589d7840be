#include "services/transport/quic/internal.h"

/* A dialled connection learns its own address from the first packet that comes back. */
static void learn_local(struct connection *c, const ngtcp2_path *path) {
        if (!c->local_unknown)
                return;
        c->local_unknown = false;
        ngtcp2_conn_set_local_addr(c->ngtcp2, &path->local);
        path_from_ngtcp2(ngtcp2_conn_get_path(c->ngtcp2), &c->path);
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
        r = ngtcp2_conn_read_pkt(c->ngtcp2, path, info, packet.data, packet.len, c->quic->now);
        if (r != 0) {
                connection_fail(c, r);
                return;
        }
        follow_path(c);
        LIST_FOREACH_SAFE (l, &c->blocked)
                quic_stream_unblock(LIST_ENTRY(l, struct quic_stream, queued));
        connection_wake(c);
}
