/* The connecting side of bus.h. Whatever goes wrong ends both sockets; after a
 * back-off new ones are made, so nothing of an old connection is ever left over. */

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/zsock.h"
#include "proto/bus.pb-c.h"

#define RETRY_MIN (50 * NSEC_PER_MSEC)
#define RETRY_MAX (2 * NSEC_PER_SEC)
/* For the link to come up. ZeroMQ's thread tells nobody when it gets no descriptor to connect. */
#define UP_WAIT (10 * NSEC_PER_SEC)

enum { CONTROL, DATA, N_PATHS };

struct path {
        struct bus_client *client;
        struct zsock *sock;
        char *address;
        bool is_data, is_greeted; /* the server's hello came */
        bool is_closed;           /* its connection ended: on_end() is due */
};

struct bus_client {
        struct link link;
        struct loop *loop;
        char *service;
        struct path paths[N_PATHS];
        struct channel_acceptor *acceptor;
        struct channels *channels;
        struct link_peer who;
        uint64_t connection, refused; /* refused: instance we cut */
        struct loop_source *end, *retry;
        nsec_t delay;
        bool is_half; /* at least one path was greeted */
};

static bool is_used(const struct bus_client *c, size_t i) {
        return i == CONTROL || c->link.has_data;
}

/* ---- sending ---- */

static int path_send(struct path *p, const struct frame *f) {
        static const int results[] = { LINK_OK, LINK_E_FULL, LINK_E_DOWN };
        uint8_t header[LINK_HEADER_MAX];
        size_t n = link_header_pack(f->header, header);
        int r;

        if (n == 0)
                return LINK_E_SIZE;
        if (!p->sock || p->is_closed)
                return LINK_E_DOWN;
        r = zsock_send(p->sock, BYTES_NONE, BYTES(header, n), f->body, f->refbuf);
        /* A dealer with nobody at the other end says the same as one whose peer does not read
         * (zmq_socket(3)), and after a rest of ours that news may be unread still. */
        if (r == ZSOCK_E_FULL && (r = zsock_drain_monitor(p->sock)) == 0)
                return p->is_closed ? LINK_E_DOWN : LINK_E_FULL;
        return r < 0 ? error_fold(r) : results[r];
}

static int link_op_send(struct link *l, const struct frame *f, bool data) {
        struct bus_client *c = container_of(l, struct bus_client, link);

        if (f->body.len > (data ? LINK_DATA_MAX : BUS_MESSAGE_MAX))
                return LINK_E_SIZE;
        return path_send(&c->paths[data ? DATA : CONTROL], f);
}

static void link_op_drop(struct link *l, const char *why) {
        struct bus_client *c = container_of(l, struct bus_client, link);

        log_warning("service \"%s\" cut: it %s", c->who.service, why);
        c->refused = c->who.instance;
        check(loop_defer(c->end) == 0);
}

static void link_op_end(struct link *l, const char *why) {
        struct bus_client *c = container_of(l, struct bus_client, link);

        log_warning("service \"%s\": connecting anew, it %s", c->who.service, why);
        check(loop_defer(c->end) == 0);
}

static const struct link_ops ops = { .send = link_op_send,
                                     .drop = link_op_drop,
                                     .end = link_op_end };

static int send_hello(struct path *p) {
        Bus__Header header = BUS__HEADER__INIT;
        uint8_t hello[256];
        struct frame f = { .header = &header };
        int r;

        header.kind = BUS__KIND__HELLO;
        f.body.data = hello;
        f.body.len = link_hello_pack(p->client->service, p->client->connection, p->is_data, hello,
                                     sizeof(hello));
        r = path_send(p, &f);
        return r < 0 ? error_fold(r) : 0;
}

/* ---- up and down ---- */

static int on_end(void *userdata) {
        struct bus_client *c = userdata;

        for (size_t i = 0; i < N_PATHS; i++) {
                c->paths[i].sock = zsock_free(c->paths[i].sock);
                c->paths[i].is_greeted = c->paths[i].is_closed = false;
        }
        c->is_half = false;
        link_went_down(&c->link);
        c->channels = channels_free(c->channels);
        c->delay = c->delay ? nsec_min(2 * c->delay, RETRY_MAX) : RETRY_MIN;
        return loop_timer_set(c->retry, nsec_add(loop_now(c->loop), c->delay));
}

/* The server's hello on one path; the link is up when all paths lead to one instance. */
static int on_hello(struct path *p, const struct frame *f, const struct zsock_message *m) {
        struct bus_client *c = p->client;
        struct link_peer who = {};
        struct zsock_peer from;

        zsock_read_peer(m, &from);
        who.uid = from.uid;
        who.gid = from.gid;
        who.pid = from.pid;
        if (f->header->status)
                log_warning("service below %s refuses us: %s", c->paths[CONTROL].address,
                            f->header->status->text);
        if (f->header->status || !link_hello_unpack(f->body, &who, NULL, NULL) || p->is_greeted ||
            who.instance == c->refused)
                return loop_defer(c->end);
        if (c->is_half && c->who.instance != who.instance)
                return loop_defer(c->end); /* restarted between the two */
        p->is_greeted = c->is_half = true;
        c->who = who;
        for (size_t i = 0; i < N_PATHS; i++)
                if (is_used(c, i) && !c->paths[i].is_greeted)
                        return 0;
        c->delay = 0;
        check(loop_timer_set(c->retry, NSEC_NEVER) == 0);
        /* First: whoever hears that the link is up may open a channel at once. */
        if (c->link.has_data && !c->channels)
                c->channels = channels_new(&c->link, c->acceptor);
        link_came_up(&c->link, &c->who);
        return 0;
}

static int on_message(void *userdata, const struct zsock_message *m) {
        struct path *p = userdata;
        struct link_header_space space;
        struct frame f = { .body = m->body };

        f.header = link_header_unpack(m->header, &space);
        if (f.header && f.header->kind == BUS__KIND__HELLO)
                return on_hello(p, &f, m);
        if (!p->client->link.is_up) /* as yet nobody knows which instance that would be */
                link_end(&p->client->link, "speaks before it has greeted us everywhere");
        else if (!f.header)
                link_drop(&p->client->link, "sends malformed headers");
        else
                return link_received(&p->client->link, &f);
        return 0;
}

static int on_closed(void *userdata, int fd) {
        struct path *p = userdata;

        p->is_closed = true;
        return loop_defer(p->client->end);
}

static const struct zsock_handler handler = { .message = on_message, .closed = on_closed };

static int path_open(struct path *p) {
        struct zsock_options o = { .type = ZMQ_DEALER,
                                   .message_max = p->is_data ? LINK_DATA_MAX : BUS_MESSAGE_MAX,
                                   .receive_mark = p->is_data ? BUS_DATA_MARK : BUS_CONTROL_MARK,
                                   .priority = p->is_data ? LOOP_PRIORITY_NORMAL
                                                          : LOOP_PRIORITY_NORMAL - 1,
                                   .path = p->address,
                                   .listen_fd = -1 };
        int r;

        r = zsock_new(p->client->loop, &o, &handler, p, &p->sock);
        return r < 0 ? error_fold(r) : send_hello(p);
}

static int connect_paths(struct bus_client *c) {
        int r;

        r = loop_timer_set(c->retry, nsec_add(loop_now(c->loop), UP_WAIT));
        check(getrandom(&c->connection, sizeof(c->connection), 0) == sizeof(c->connection));
        for (size_t i = 0; i < N_PATHS && r == 0; i++)
                if (is_used(c, i))
                        r = path_open(&c->paths[i]);
        return r;
}

/* It is time to connect, or a connection has not come up in time. */
static int on_retry(void *userdata) {
        struct bus_client *c = userdata;

        return c->paths[CONTROL].sock ? on_end(c) : connect_paths(c);
}

/* ---- life ---- */

int bus_client_new(struct loop *loop, const struct bus_client_options *o, struct bus_client **ret) {
        CLEANUP(bus_client_freep) struct bus_client *c = xnew(struct bus_client);
        int r;

        link_init(&c->link, &ops, loop);
        c->link.has_data = o->data;
        c->loop = loop;
        c->service = xstrdup(o->service);
        c->acceptor = o->acceptor;
        c->paths[CONTROL] = (struct path){ .client = c, .address = xstrdup(o->path) };
        c->paths[DATA] = (struct path){ .client = c,
                                        .address = xasprintf("%s.data", o->path),
                                        .is_data = true };
        r = loop_add_defer(loop, on_end, c, &c->end);
        if (r == 0)
                r = loop_add_timer(loop, on_retry, c, &c->retry);
        if (r == 0)
                r = connect_paths(c);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(c);
        return 0;
}

struct bus_client *bus_client_free(struct bus_client *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < N_PATHS; i++)
                c->paths[i].sock = zsock_free(c->paths[i].sock);
        link_went_down(&c->link);
        c->channels = channels_free(c->channels);
        loop_source_free(c->retry);
        loop_source_free(c->end);
        for (size_t i = 0; i < N_PATHS; i++)
                free(c->paths[i].address);
        free(c->service);
        free(c);
        return NULL;
}

struct link *bus_client_link(struct bus_client *c) {
        return &c->link;
}
