#include "common/daemon/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/packet.h"
#include "proto/bus.pb-c.h"

#define DRAIN_MAX     64 /* packets per turn: timers must get theirs */
#define CUT_MAX       64
#define HELLO_TIME    (3 * NSEC_PER_SEC)
#define QUEUE_MAX     1024 /* packets waiting for a peer that does not read */
#define QUEUE_BYTES   (16u << 20)
#define SOCKET_BUFFER (2 * SEQPACKET_MAX)
#define RETRY_MIN     (20 * NSEC_PER_MSEC)
#define RETRY_MAX     (2 * NSEC_PER_SEC)

struct waiting {
        struct list in_queue;
        struct refbuf *packet;
        int fds[LINK_FDS_MAX];
        size_t n_fds;
};

struct seqpacket {
        struct link link;
        struct loop *loop;
        int fd;                               /* -1: not connected */
        struct loop_source *io, *end, *retry; /* retry: of a server's end, the hello is due */
        struct rpc_server *rpc;               /* serving side */
        struct seqpacket_server *server;      /* whose listener it came from, or NULL */
        struct list in_server;
        char *path; /* client that reconnects */
        nsec_t delay;
        struct list queue;
        size_t n_queued, queued_bytes;
        struct link_peer credentials;
        uint64_t refused; /* instance we dropped */
        bool in_callback, is_dead;
        bool is_over;    /* on_end() is to come: nothing more is taken or sent until then */
        uint8_t *buffer; /* SEQPACKET_MAX */
};

struct seqpacket_server {
        struct loop *loop;
        int fd;
        struct loop_source *io;
        struct link_policy policy;
        struct rpc_server *rpc;
        unsigned max_peers, n_peers;
        struct list peers;
        uint64_t cut[CUT_MAX]; /* instances we cut, the latest ones */
        unsigned n_cut;
};

/* ---- closing ---- */

static void waiting_free(struct waiting *w) {
        for (size_t i = 0; i < w->n_fds; i++)
                fd_close(w->fds[i]);
        refbuf_unref(w->packet);
        free(w);
}

static void queue_drop(struct seqpacket *s, struct waiting *w) {
        list_remove(&w->in_queue);
        s->n_queued--;
        s->queued_bytes -= w->packet->len;
        waiting_free(w);
}

static void disconnect(struct seqpacket *s) {
        struct list *it;

        s->io = loop_source_free(s->io);
        s->fd = fd_close(s->fd);
        while ((it = list_first(&s->queue)))
                queue_drop(s, LIST_ENTRY(it, struct waiting, in_queue));
}

static void destroy(struct seqpacket *s) {
        loop_source_free(s->end);
        loop_source_free(s->retry);
        if (s->server) {
                list_remove(&s->in_server);
                s->server->n_peers--;
        }
        free(s->buffer);
        free(s->path);
        free(s);
}

struct seqpacket *seqpacket_free(struct seqpacket *s) {
        if (!s)
                return NULL;
        disconnect(s);
        link_went_down(&s->link);
        if (s->in_callback)
                s->is_dead = true; /* whoever called us frees it */
        else
                destroy(s);
        return NULL;
}

/* Ends the connection from the loop, never inside a call of a user. */
static int on_end(void *userdata) {
        struct seqpacket *s = userdata;

        s->in_callback = true;
        disconnect(s);
        link_went_down(&s->link);
        s->in_callback = false;
        if (s->is_dead || s->server) {
                destroy(s);
                return 0;
        }
        if (!s->path)
                return 0;
        s->delay = s->delay ? nsec_min(2 * s->delay, RETRY_MAX) : RETRY_MIN;
        return loop_timer_set(s->retry, nsec_add(loop_now(s->loop), s->delay));
}

static void end_later(struct seqpacket *s) {
        s->is_over = true;
        check(loop_defer(s->end) == 0);
        if (s->io)
                check(loop_io_set(s->io, 0) == 0);
}

static void link_op_end(struct link *l, const char *why) {
        struct seqpacket *s = container_of(l, struct seqpacket, link);

        if (s->is_over)
                return;
        log_warning("connection to \"%s\" (pid %d) cut: it %s", l->peer.service, (int) l->peer.pid,
                    why);
        end_later(s);
}

static void link_op_drop(struct link *l, const char *why) {
        struct seqpacket *s = container_of(l, struct seqpacket, link);

        if (s->is_over)
                return;
        s->refused = l->peer.instance;
        if (s->server && l->peer.instance)
                s->server->cut[s->server->n_cut++ % CUT_MAX] = l->peer.instance;
        link_op_end(l, why);
}

/* ---- sending ---- */

/* NULL: this process has no descriptor left. */
static struct waiting *waiting_new(struct refbuf *packet, const int *fds, size_t n_fds) {
        struct waiting *w = xnew(struct waiting);

        w->packet = refbuf_ref(packet);
        for (; w->n_fds < n_fds; w->n_fds++) {
                w->fds[w->n_fds] = fcntl(fds[w->n_fds], F_DUPFD_CLOEXEC, 3);
                if (w->fds[w->n_fds] < 0) {
                        waiting_free(w);
                        return NULL;
                }
        }
        return w;
}

static int enqueue(struct seqpacket *s, struct refbuf *packet, const int *fds, size_t n_fds) {
        struct waiting *w;

        if (s->n_queued >= QUEUE_MAX || s->queued_bytes + packet->len > QUEUE_BYTES)
                return LINK_E_FULL;
        w = waiting_new(packet, fds, n_fds);
        if (!w)
                return LINK_E_FULL;
        s->n_queued++;
        s->queued_bytes += packet->len;
        list_push_back(&s->queue, &w->in_queue);
        return loop_io_set(s->io, EPOLLIN | EPOLLOUT);
}

static int transmit(struct seqpacket *s, struct refbuf *packet, const int *fds, size_t n_fds) {
        int r;

        if (s->fd < 0 || s->is_over)
                return LINK_E_DOWN;
        if (!list_is_empty(&s->queue))
                return enqueue(s, packet, fds, n_fds);
        r = seqpacket_send_raw(s->fd, refbuf_bytes(packet), fds, n_fds);
        if (r == -EAGAIN)
                return enqueue(s, packet, fds, n_fds);
        if (r == -EMSGSIZE)
                return LINK_E_SIZE;
        if (r < 0) { /* whatever one peer's socket has must not end us */
                end_later(s);
                return LINK_E_DOWN;
        }
        return 0;
}

static int send_frame(struct seqpacket *s, const struct frame *f) {
        CLEANUP(refbuf_unrefp) struct refbuf *packet = NULL;
        uint8_t head[2 + LINK_HEADER_MAX];
        size_t n = packet_begin(f->header, head);

        if (n == 0 || n + f->body.len > SEQPACKET_MAX)
                return LINK_E_SIZE;
        packet = refbuf_alloc(n + f->body.len);
        memcpy(packet->data, head, n);
        if (f->body.len > 0)
                memcpy(packet->data + n, f->body.data, f->body.len);
        return transmit(s, packet, f->fds, f->n_fds);
}

static int link_op_send(struct link *l, const struct frame *f, bool data) {
        return send_frame(container_of(l, struct seqpacket, link), f);
}

static const struct link_ops ops = { .send = link_op_send,
                                     .drop = link_op_drop,
                                     .end = link_op_end };

static int send_hello(struct seqpacket *s) {
        Bus__Header header = BUS__HEADER__INIT;
        uint8_t hello[256];
        struct frame f = { .header = &header };

        header.kind = BUS__KIND__HELLO;
        f.body.data = hello;
        f.body.len = link_hello_pack(program_invocation_short_name, 0, false, hello, sizeof(hello));
        return send_frame(s, &f);
}

static int flush(struct seqpacket *s) {
        struct list *it;
        int r;

        while ((it = list_first(&s->queue))) {
                struct waiting *w = LIST_ENTRY(it, struct waiting, in_queue);

                r = seqpacket_send_raw(s->fd, refbuf_bytes(w->packet), w->fds, w->n_fds);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0) {
                        end_later(s);
                        return 0;
                }
                queue_drop(s, w);
        }
        return loop_io_set(s->io, EPOLLIN);
}

/* ---- receiving ---- */

static bool is_refused(const struct seqpacket *s, uint64_t instance) {
        for (size_t i = 0; s->server && i < CUT_MAX; i++)
                if (s->server->cut[i] == instance)
                        return true;
        return instance == s->refused;
}

static void on_hello(struct seqpacket *s, const struct frame *f) {
        struct link_peer peer = s->credentials;
        bool was_up = s->link.is_up;

        if (!link_hello_unpack(f->body, &peer, NULL, NULL) || was_up ||
            is_refused(s, peer.instance)) {
                end_later(s);
                return;
        }
        s->delay = 0;
        link_came_up(&s->link, &peer);
        if (s->rpc)
                rpc_server_attach(s->rpc, &s->link);
}

static int take_packet(struct seqpacket *s, struct bytes packet, int *fds, size_t n_fds) {
        struct link_header_space space;
        struct frame f = { .fds = fds, .n_fds = n_fds };

        if (!packet_parse(packet, &space, &f)) {
                link_drop(&s->link, "sends malformed packets");
                return 0;
        }
        if (f.header->kind == BUS__KIND__HELLO) {
                on_hello(s, &f);
                return 0;
        }
        if (!s->link.is_up) {
                link_drop(&s->link, "talks before its hello");
                return 0;
        }
        return link_received(&s->link, &f);
}

/* 1: there may be more. */
static int receive_one(struct seqpacket *s) {
        int fds[LINK_FDS_MAX];
        size_t n_fds = LINK_FDS_MAX;
        ssize_t n = seqpacket_receive_raw(s->fd, s->buffer, SEQPACKET_MAX, fds, &n_fds);
        int r;

        if (n == -EAGAIN)
                return 0;
        if (n <= 0) { /* ended, or a packet over the limit */
                end_later(s);
                return 0;
        }
        r = take_packet(s, BYTES(s->buffer, (size_t) n), fds, n_fds);
        for (size_t i = 0; i < n_fds; i++)
                fd_close(fds[i]);
        return r < 0 ? error_fold(r) : 1;
}

static bool is_ending(const struct seqpacket *s) {
        return s->is_dead || s->is_over || s->fd < 0;
}

static int on_io(void *userdata, uint32_t events) {
        struct seqpacket *s = userdata;
        int r = 0;

        s->in_callback = true;
        if (events & EPOLLOUT)
                r = flush(s);
        for (int i = 0; r >= 0 && i < DRAIN_MAX && events & EPOLLIN && !is_ending(s); i++) {
                r = receive_one(s);
                if (r == 0)
                        break;
        }
        if (!is_ending(s) && !(events & (EPOLLIN | EPOLLOUT)))
                end_later(s); /* only EPOLLHUP or EPOLLERR */
        s->in_callback = false;
        if (s->is_dead)
                destroy(s);
        return r < 0 ? r : 0;
}

/* ---- life ---- */

static struct seqpacket *seqpacket_make(struct loop *loop, struct rpc_server *rpc) {
        struct seqpacket *s = xnew(struct seqpacket);

        link_init(&s->link, &ops, loop);
        s->link.is_server = rpc != NULL;
        s->loop = loop;
        s->fd = -1;
        s->rpc = rpc;
        list_init(&s->queue);
        list_init(&s->in_server);
        s->buffer = xmalloc(SEQPACKET_MAX);
        check(loop_add_defer(loop, on_end, s, &s->end) == 0);
        return s;
}

static int read_credentials(int fd, struct link_peer *ret) {
        struct ucred cred;
        socklen_t n = sizeof(cred);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
                return error_origin(-errno);
        ret->uid = cred.uid;
        ret->gid = cred.gid;
        ret->pid = cred.pid;
        return 0;
}

/* `fd` belongs to s from now on. */
static int adopt(struct seqpacket *s, int fd) {
        int size = SOCKET_BUFFER, flags = fcntl(fd, F_GETFL), r;

        s->fd = fd;
        s->is_over = false;
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return error_origin(-errno);
        /* A packet must fit; where the limit of the system is lower, sends answer E_SIZE. */
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        r = read_credentials(fd, &s->credentials);
        if (r == 0)
                r = loop_add_io(s->loop, fd, EPOLLIN, on_io, s, &s->io);
        if (r == 0)
                r = send_hello(s);
        return r < 0 ? error_fold(r) : 0; /* a peer gone already shows on the socket */
}

int seqpacket_new(struct loop *loop, int fd, struct rpc_server *rpc, struct seqpacket **ret) {
        CLEANUP(seqpacket_freep) struct seqpacket *s = seqpacket_make(loop, rpc);
        int r;

        r = adopt(s, fd);
        if (r < 0)
                return r;
        *ret = TAKE(s);
        return 0;
}

struct link *seqpacket_link(struct seqpacket *s) {
        return &s->link;
}

int seqpacket_dial(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEANUP(fd_closep) int fd = -1;

        if (strlen(path) >= sizeof(address.sun_path))
                return error_origin(-ENAMETOOLONG);
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_origin(-errno);
        /* Else it would wait as long as the queue of a listener that sleeps is full. */
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        if (fcntl(fd, F_SETFL, 0) < 0)
                return error_origin(-errno);
        return TAKE_FD(fd);
}

static int on_retry(void *userdata) {
        struct seqpacket *s = userdata;
        int fd = seqpacket_dial(s->path);

        if (fd >= 0)
                return adopt(s, fd);
        s->delay = s->delay ? nsec_min(2 * s->delay, RETRY_MAX) : RETRY_MIN;
        return loop_timer_set(s->retry, nsec_add(loop_now(s->loop), s->delay));
}

int seqpacket_connect(struct loop *loop, const char *path, struct seqpacket **ret) {
        CLEANUP(seqpacket_freep) struct seqpacket *s = seqpacket_make(loop, NULL);
        int r;

        s->path = xstrdup(path);
        r = loop_add_timer(loop, on_retry, s, &s->retry);
        if (r == 0)
                r = on_retry(s);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(s);
        return 0;
}

/* ---- listener ---- */

/* Who says nothing must not keep a place. */
static int on_hello_late(void *userdata) {
        struct seqpacket *s = userdata;

        if (!s->link.is_up)
                end_later(s);
        return 0;
}

static int serve(struct seqpacket_server *server, int fd) {
        struct seqpacket *s = seqpacket_make(server->loop, server->rpc);
        int r;

        s->server = server;
        list_push_back(&server->peers, &s->in_server);
        server->n_peers++;
        r = adopt(s, fd);
        if (r == 0)
                r = loop_add_timer(server->loop, on_hello_late, s, &s->retry);
        if (r == 0)
                r = loop_timer_set(s->retry, nsec_add(loop_now(server->loop), HELLO_TIME));
        if (r == 0 && !link_policy_allows(&server->policy, s->credentials.uid)) {
                log_warning("connection of uid %d (pid %d) refused", (int) s->credentials.uid,
                            (int) s->credentials.pid);
                s = seqpacket_free(s);
        }
        return r;
}

static int on_listener(void *userdata, uint32_t events) {
        struct seqpacket_server *server = userdata;
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) /* gone again, or no descriptor left: the next one may fit */
                return 0;
        if (server->n_peers >= server->max_peers) {
                log_warning("connection refused: %u are open", server->n_peers);
                fd_close(fd);
                return 0;
        }
        return serve(server, fd);
}

int seqpacket_server_new(struct loop *loop, int listen_fd, const struct link_policy *policy,
                         struct rpc_server *rpc, unsigned max_peers,
                         struct seqpacket_server **ret) {
        CLEANUP(seqpacket_server_freep) struct seqpacket_server *s = xnew(struct seqpacket_server);
        int r;

        s->loop = loop;
        s->fd = listen_fd;
        if (policy)
                s->policy = *policy;
        s->rpc = rpc;
        s->max_peers = max_peers;
        list_init(&s->peers);
        r = loop_add_io(loop, listen_fd, EPOLLIN, on_listener, s, &s->io);
        if (r < 0)
                return r;
        *ret = TAKE(s);
        return 0;
}

struct seqpacket_server *seqpacket_server_free(struct seqpacket_server *s) {
        struct list *it;

        if (!s)
                return NULL;
        while ((it = list_first(&s->peers)))
                seqpacket_free(LIST_ENTRY(it, struct seqpacket, in_server));
        loop_source_free(s->io);
        fd_close(s->fd);
        free(s);
        return NULL;
}
