/* The listening side of bus.h. A peer's link joins two connections, control and
 * data, by the number both name in their hello. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/zsock.h"
#include "proto/bus.pb-c.h"

#define CUT_MAX    64
#define TELL_AGAIN NSEC_PER_SEC /* whom we cut, when its pipe was full */

enum { CONTROL, DATA, N_PATHS };

/* One ZeroMQ connection. */
struct conn {
        struct side *side;
        uint8_t identity[16];
        size_t identity_len;
        int fd;
        struct bus_peer *peer;
};

struct side {
        struct bus_server *server;
        struct zsock *sock;
        struct map *by_identity, *by_fd;
        bool is_data;
};

struct bus_peer {
        struct link link;
        struct bus_server *server;
        struct list in_server;
        uint64_t connection;
        struct link_peer who;
        struct conn *conns[N_PATHS];
        struct channels *channels;
        bool is_cut;  /* refused: what it says is ignored */
        bool is_told; /* so that it begins again */
};

struct bus_server {
        struct loop *loop;
        struct side sides[N_PATHS];
        char *service;
        struct link_policy policy;
        struct rpc_server *rpc;
        struct channel_acceptor *acceptor;
        struct list peers;
        unsigned n_peers;
        struct loop_source *cutter, *teller;
        uint64_t n_refused;
        uint64_t cut[CUT_MAX]; /* instances we cut, the latest ones */
        unsigned n_cut;
};

/* ---- sending ---- */

static int conn_send(struct conn *c, const struct frame *f) {
        static const int results[] = { LINK_OK, LINK_E_FULL, LINK_E_DOWN };
        uint8_t header[LINK_HEADER_MAX];
        size_t n = link_header_pack(f->header, header);
        int r;

        if (n == 0)
                return LINK_E_SIZE;
        r = zsock_send(c->side->sock, BYTES(c->identity, c->identity_len), BYTES(header, n),
                       f->body, f->refbuf);
        return r < 0 ? r : results[r];
}

static int link_op_send(struct link *l, const struct frame *f, bool data) {
        struct bus_peer *p = container_of(l, struct bus_peer, link);
        struct conn *c = p->conns[data ? DATA : CONTROL];

        if (f->body.len > (data ? LINK_DATA_MAX : BUS_MESSAGE_MAX))
                return LINK_E_SIZE;
        return c && !p->is_cut ? conn_send(c, f) : LINK_E_DOWN;
}

/* A courtesy. Returns enum link_result or a fault. */
static int send_refusal(struct conn *c, const char *why) {
        Bus__Header header = BUS__HEADER__INIT;
        Bus__Status status = BUS__STATUS__INIT;
        struct frame f = { .header = &header };

        header.kind = BUS__KIND__HELLO;
        header.status = &status;
        status.code = RPC_E_GONE;
        status.text = (char *) why;
        return conn_send(c, &f);
}

/* A pipe that is full now may be read later, by one that only waits for what we say. */
static void tell(struct bus_peer *p, const char *why) {
        struct bus_server *s = p->server;

        p->is_told = !p->conns[CONTROL] || send_refusal(p->conns[CONTROL], why) != LINK_E_FULL;
        if (!p->is_told)
                check(loop_timer_set(s->teller, nsec_add(loop_now(s->loop), TELL_AGAIN)) == 0);
}

static int on_tell(void *userdata) {
        struct bus_server *s = userdata;

        LIST_FOREACH (it, &s->peers) {
                struct bus_peer *p = LIST_ENTRY(it, struct bus_peer, in_server);

                if (p->is_cut && !p->is_told)
                        tell(p, "was cut");
        }
        return 0;
}

static void link_op_end(struct link *l, const char *why) {
        struct bus_peer *p = container_of(l, struct bus_peer, link);

        if (p->is_cut)
                return;
        log_warning("peer \"%s\" (pid %d) cut: it %s", p->who.service, (int) p->who.pid, why);
        tell(p, why);
        p->is_cut = true;
        check(loop_defer(p->server->cutter) == 0);
}

static void link_op_drop(struct link *l, const char *why) {
        struct bus_peer *p = container_of(l, struct bus_peer, link);

        if (!p->is_cut)
                p->server->cut[p->server->n_cut++ % CUT_MAX] = p->who.instance;
        link_op_end(l, why);
}

static const struct link_ops ops = { .send = link_op_send,
                                     .drop = link_op_drop,
                                     .end = link_op_end };

static int send_hello(struct conn *c) {
        Bus__Header header = BUS__HEADER__INIT;
        uint8_t hello[256];
        struct frame f = { .header = &header };
        int r;

        header.kind = BUS__KIND__HELLO;
        f.body.data = hello;
        f.body.len = link_hello_pack(c->side->server->service, c->peer->connection,
                                     c->side->is_data, hello, sizeof(hello));
        r = conn_send(c, &f);
        return r < 0 ? error_fold(r) : r;
}

/* ---- peers come and go ---- */

static void conn_free(struct conn *c) {
        if (c->peer)
                c->peer->conns[c->side->is_data ? DATA : CONTROL] = NULL;
        (void) map_remove(c->side->by_identity, BYTES(c->identity, c->identity_len));
        if (map_get_u64(c->side->by_fd, (uint64_t) c->fd) == c)
                (void) map_remove_u64(c->side->by_fd, (uint64_t) c->fd);
        free(c);
}

static void peer_down(struct bus_peer *p) {
        link_went_down(&p->link);
        p->channels = channels_free(p->channels);
}

static void peer_free(struct bus_peer *p) {
        peer_down(p);
        for (size_t i = 0; i < N_PATHS; i++)
                if (p->conns[i])
                        conn_free(p->conns[i]);
        list_remove(&p->in_server);
        p->server->n_peers--;
        free(p);
}

static int on_cut(void *userdata) {
        struct bus_server *s = userdata;

        LIST_FOREACH_SAFE (it, &s->peers) {
                struct bus_peer *p = LIST_ENTRY(it, struct bus_peer, in_server);

                if (p->is_cut)
                        peer_down(p); /* its connections stay: their messages are ignored */
        }
        return 0;
}

static int on_closed(void *userdata, int fd) {
        struct side *side = userdata;
        struct conn *c = fd < 0 ? NULL : map_get_u64(side->by_fd, (uint64_t) fd);

        if (!c)
                return 0;
        if (c->peer)
                peer_free(c->peer);
        else
                conn_free(c);
        return 0;
}

static struct bus_peer *find_peer(struct bus_server *s, uint64_t connection) {
        LIST_FOREACH (it, &s->peers) {
                struct bus_peer *p = LIST_ENTRY(it, struct bus_peer, in_server);

                if (p->connection == connection)
                        return p;
        }
        return NULL;
}

static struct bus_peer *peer_new(struct bus_server *s, uint64_t connection,
                                 const struct link_peer *who) {
        struct bus_peer *p = xnew(struct bus_peer);

        link_init(&p->link, &ops, s->loop);
        p->link.is_server = true;
        p->link.has_data = s->sides[DATA].sock != NULL;
        p->server = s;
        p->connection = connection;
        p->who = *who;
        list_push_back(&s->peers, &p->in_server);
        s->n_peers++;
        return p;
}

/* Up when all its connections are there. */
static void join(struct bus_peer *p) {
        struct bus_server *s = p->server;

        if (!p->conns[CONTROL] || (s->sides[DATA].sock && !p->conns[DATA]))
                return;
        link_came_up(&p->link, &p->who);
        if (s->sides[DATA].sock)
                p->channels = channels_new(&p->link, s->acceptor);
        if (s->rpc)
                rpc_server_attach(s->rpc, &p->link);
}

static bool was_cut(const struct bus_server *s, uint64_t instance) {
        for (size_t i = 0; i < CUT_MAX; i++)
                if (s->cut[i] == instance)
                        return true;
        return false;
}

static bool may_join(const struct bus_server *s, const struct bus_peer *p, const struct conn *c,
                     const struct link_peer *who) {
        if (!link_policy_allows(&s->policy, who->uid) || was_cut(s, who->instance))
                return false;
        if (!p)
                return s->n_peers < BUS_PEERS_MAX;
        return p->who.instance == who->instance && p->who.uid == who->uid && !p->is_cut &&
               !p->conns[c->side->is_data ? DATA : CONTROL];
}

static int on_hello(struct conn *c, const struct zsock_message *m) {
        struct bus_server *s = c->side->server;
        struct link_peer who = {};
        struct zsock_peer from;
        uint64_t connection;
        struct bus_peer *p;
        bool is_data;
        int r;

        zsock_read_peer(m, &from);
        who.uid = from.uid;
        who.gid = from.gid;
        who.pid = from.pid;
        if (c->peer || !link_hello_unpack(m->body, &who, &connection, &is_data) ||
            is_data != c->side->is_data) {
                s->n_refused++;
                return 0;
        }
        p = find_peer(s, connection);
        if (!may_join(s, p, c, &who)) {
                log_warning("peer \"%s\" (uid %d, pid %d) refused", who.service, (int) who.uid,
                            (int) who.pid);
                (void) send_refusal(c, "may not use this socket");
                return 0;
        }
        if (!p)
                p = peer_new(s, connection, &who);
        c->peer = p;
        p->conns[is_data ? DATA : CONTROL] = c;
        r = send_hello(c);
        if (r == LINK_OK)
                join(p);
        else if (r == LINK_E_DOWN) /* the monitor may have said so before we heard its hello */
                peer_free(p);
        return r < 0 ? r : 0;
}

/* ---- receiving ---- */

/* ZeroMQ numbers its connections: a zero and 32 bits that count up (routing_id, zmq_socket(3)). */
static bool is_newer(struct bytes identity, const struct conn *than) {
        return identity.len == 5 && than->identity_len == 5 &&
               (int32_t) (load_be32(identity.data + 1) - load_be32(than->identity + 1)) > 0;
}

/* What a closed connection left unread may be heard after its successor on the same descriptor:
 * that one stays. NULL: such a message, or no hello. */
static struct conn *conn_new(struct side *side, const struct zsock_message *m) {
        struct conn *c, *before;
        struct zsock_peer from;

        zsock_read_peer(m, &from);
        before = map_get_u64(side->by_fd, (uint64_t) from.fd);
        if (m->identity.len > sizeof(c->identity) || (before && !is_newer(m->identity, before)))
                return NULL;
        c = xnew(struct conn);
        c->side = side;
        c->identity_len = m->identity.len;
        memcpy(c->identity, m->identity.data, m->identity.len);
        c->fd = from.fd;
        (void) map_set(side->by_identity, m->identity, c);
        (void) map_set_u64(side->by_fd, (uint64_t) c->fd, c);
        if (before && before->peer)
                peer_free(before->peer);
        else if (before)
                conn_free(before);
        return c;
}

/* The first of a connection, or the last of one that is closed. */
static int on_stranger(struct side *side, const struct zsock_message *m, bool is_hello) {
        struct conn nobody = { .side = side, .identity_len = m->identity.len }, *c;
        int r = zsock_drain_monitor(side->sock);

        if (r < 0)
                return error_fold(r);
        c = is_hello ? conn_new(side, m) : NULL;
        if (c)
                return on_hello(c, m);
        side->server->n_refused++;
        if (m->identity.len > sizeof(nobody.identity))
                return 0;
        /* If it is there after all, it has to begin again. */
        memcpy(nobody.identity, m->identity.data, m->identity.len);
        (void) send_refusal(&nobody, "is not known here");
        return 0;
}

static int on_message(void *userdata, const struct zsock_message *m) {
        struct side *side = userdata;
        struct conn *c = map_get(side->by_identity, m->identity);
        struct link_header_space space;
        struct frame f = { .header = link_header_unpack(m->header, &space), .body = m->body };
        bool is_hello = f.header && f.header->kind == BUS__KIND__HELLO;

        if (!c)
                return on_stranger(side, m, is_hello);
        if (c->peer && c->peer->is_cut) {
                if (!c->peer->is_told)
                        tell(c->peer, "was cut");
                return 0;
        }
        if (is_hello)
                return on_hello(c, m);
        if (!c->peer || !c->peer->link.is_up) /* talks before its hello */
                side->server->n_refused++;
        else if (!f.header)
                link_drop(&c->peer->link, "sends malformed headers");
        else
                return link_received(&c->peer->link, &f);
        return 0;
}

static const struct zsock_handler handler = { .message = on_message, .closed = on_closed };

/* ---- life ---- */

static int side_open(struct side *side, const char *path, int fd, bool is_data) {
        CLEANUP(freep) char *data_path = xasprintf("%s.data", path);
        struct zsock_options o = { .type = ZMQ_ROUTER,
                                   .message_max = is_data ? LINK_DATA_MAX : BUS_MESSAGE_MAX,
                                   .receive_mark = is_data ? BUS_DATA_MARK : BUS_CONTROL_MARK,
                                   .priority = is_data ? LOOP_PRIORITY_NORMAL
                                                       : LOOP_PRIORITY_NORMAL - 1,
                                   .path = is_data ? data_path : path,
                                   .listen_fd = fd };

        side->is_data = is_data;
        return zsock_new(side->server->loop, &o, &handler, side, &side->sock);
}

int bus_server_new(struct loop *loop, const struct bus_server_options *o, struct bus_server **ret) {
        CLEANUP(bus_server_freep) struct bus_server *s = xnew(struct bus_server);
        int r;

        s->loop = loop;
        s->service = xstrdup(o->service);
        if (o->policy)
                s->policy = *o->policy;
        s->rpc = o->rpc;
        s->acceptor = o->acceptor;
        list_init(&s->peers);
        for (size_t i = 0; i < N_PATHS; i++) {
                s->sides[i].server = s;
                s->sides[i].by_identity = map_new(link_instance());
                s->sides[i].by_fd = map_new(link_instance());
        }
        r = loop_add_defer(loop, on_cut, s, &s->cutter);
        if (r == 0)
                r = loop_add_timer(loop, on_tell, s, &s->teller);
        if (r == 0)
                r = side_open(&s->sides[CONTROL], o->path, o->fd, false);
        if (r == 0 && o->data_fd >= 0)
                r = side_open(&s->sides[DATA], o->path, o->data_fd, true);
        if (r < 0)
                return r;
        *ret = TAKE(s);
        return 0;
}

static void side_close(struct side *side) {
        struct bytes key;
        size_t cursor = 0;
        void *c;

        while (map_next(side->by_identity, &cursor, &key, &c))
                conn_free(c);
        side->sock = zsock_free(side->sock);
        map_free(side->by_identity);
        map_free(side->by_fd);
}

struct bus_server *bus_server_free(struct bus_server *s) {
        if (!s)
                return NULL;
        while (!list_is_empty(&s->peers))
                peer_free(LIST_ENTRY(list_first(&s->peers), struct bus_peer, in_server));
        for (size_t i = 0; i < N_PATHS; i++)
                side_close(&s->sides[i]);
        loop_source_free(s->cutter);
        loop_source_free(s->teller);
        free(s->service);
        free(s);
        return NULL;
}
