#include "common/daemon/zsock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/loop.h"

#define DRAIN_MAX      64   /* messages per turn: timers and UDP must get theirs */
#define HIGH_WATER     1024 /* to send; out of reach of 256 units and 512 calls */
#define HEARTBEAT_MS   1000
#define HEARTBEAT_LOST 3000
#define ZERO_COPY_MIN  8192 /* below, copying is cheaper than the free callback */
#define FRAMES_MAX     3
#define MONITORED                                                                           \
        (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | \
         ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |            \
         ZMQ_EVENT_CONNECT_RETRIED)

/* A raw socket and its three loop sources. */
struct watched {
        void *socket;
        struct loop_source *io, *prepare, *again;
        bool is_touched; /* used by us since it was last asked */
        loop_fn drain;
        void *userdata;
};

struct zsock {
        struct loop *loop;
        struct watched main, monitor;
        const struct zsock_handler *handler;
        void *userdata;
        bool is_router, in_callback;
};

/* Threads of ZeroMQ must not take our signals; they start with the first socket. */
static void *socket_new(int type) {
        static void *context;
        static pid_t owner;
        sigset_t all, old;
        void *socket;

        sigfillset(&all);
        check(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
        if (!context || owner != getpid()) /* its threads do not survive a fork */
                context = zmq_ctx_new();
        owner = getpid();
        check(context);
        socket = zmq_socket(context, type);
        check(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
        return socket;
}

/* ---- waking up ---- */

/* Reads all news there is. An interruption would leave the rest unread, and unheard of. */
static bool is_readable(struct watched *w) {
        int events = 0, r;
        size_t n = sizeof(events);

        do
                r = zmq_getsockopt(w->socket, ZMQ_EVENTS, &events, &n);
        while (r < 0 && errno == EINTR);
        return r == 0 && events & ZMQ_POLLIN;
}

static int on_prepare(void *userdata) {
        struct watched *w = userdata;

        if (!w->is_touched)
                return 0;
        if (is_readable(w))
                return loop_defer(w->again);
        w->is_touched = false;
        return 0;
}

static int on_again(void *userdata) {
        struct watched *w = userdata;

        w->is_touched = true;
        return w->drain(w->userdata);
}

static int on_fd(void *userdata, uint32_t events) {
        return on_again(userdata);
}

static int watch(struct loop *loop, struct watched *w, int priority) {
        size_t n = sizeof(int);
        int fd, r;

        if (zmq_getsockopt(w->socket, ZMQ_FD, &fd, &n) < 0)
                return error_origin(-errno);
        w->is_touched = true;
        r = loop_add_io(loop, fd, EPOLLIN, on_fd, w, &w->io);
        if (r == 0)
                r = loop_add_defer(loop, on_again, w, &w->again);
        if (r == 0)
                r = loop_add_prepare(loop, on_prepare, w, &w->prepare);
        if (r == 0)
                r = loop_source_priority(w->io, priority);
        if (r == 0)
                r = loop_source_priority(w->again, priority);
        /* Behind every other preparation, since those may send; only in its first turn a new
         * source is asked before older ones, and that turn must not wait. */
        if (r == 0)
                r = loop_source_priority(w->prepare, LOOP_PRIORITY_IDLE);
        return r < 0 ? r : loop_defer(w->again);
}

static void unwatch(struct watched *w) {
        w->prepare = loop_source_free(w->prepare);
        w->again = loop_source_free(w->again);
        w->io = loop_source_free(w->io);
        if (w->socket)
                check(zmq_close(w->socket) == 0);
        w->socket = NULL;
}

/* ---- receiving ---- */

/* Takes the frames of one message; those over FRAMES_MAX are dropped. Returns how many
 * there were, or a fault; 0: none is waiting. */
static int receive_frames(void *socket, zmq_msg_t frames[FRAMES_MAX]) {
        zmq_msg_t extra;
        int n = 0, more = 1;

        while (more) {
                zmq_msg_t *frame = n < FRAMES_MAX ? &frames[n] : &extra;

                check(zmq_msg_init(frame) == 0);
                while (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
                        if (errno == EINTR)
                                continue;
                        (void) zmq_msg_close(frame);
                        return errno == EAGAIN ? 0 : error_origin(-errno);
                }
                more = zmq_msg_more(frame);
                if (n >= FRAMES_MAX)
                        (void) zmq_msg_close(frame);
                n++;
        }
        return n;
}

static void close_frames(zmq_msg_t frames[FRAMES_MAX], int n) {
        for (int i = 0; i < n && i < FRAMES_MAX; i++)
                (void) zmq_msg_close(&frames[i]);
}

static struct bytes frame_bytes(zmq_msg_t *frame) {
        return BYTES(zmq_msg_data(frame), zmq_msg_size(frame));
}

/* "localhost:UID:GID:PID", from SO_PEERCRED. */
void zsock_read_peer(const struct zsock_message *m, struct zsock_peer *ret) {
        const char *address = zmq_msg_gets(m->frame, "Peer-Address");
        const char *fd = zmq_msg_gets(m->frame, "__fd");
        unsigned uid, gid;
        int pid;

        *ret = (struct zsock_peer){ .fd = fd ? atoi(fd) : -1,
                                    .uid = (uid_t) -1,
                                    .gid = (gid_t) -1 };
        address = address ? strchr(address, ':') : NULL;
        if (address && sscanf(address, ":%u:%u:%d", &uid, &gid, &pid) == 3) {
                ret->uid = uid;
                ret->gid = gid;
                ret->pid = pid;
        }
}

static int drain(void *userdata) {
        struct zsock *z = userdata;
        int wanted = z->is_router ? 3 : 2, r = 0, n;
        zmq_msg_t frames[FRAMES_MAX];

        for (unsigned i = 0; i < DRAIN_MAX && r == 0; i++) {
                struct zsock_message m = {};

                n = receive_frames(z->main.socket, frames);
                if (n <= 0) {
                        /* Found empty after it had read all news: nothing can be missed. */
                        z->main.is_touched = false;
                        return n;
                }
                if (n == wanted) {
                        if (z->is_router)
                                m.identity = frame_bytes(&frames[0]);
                        m.header = frame_bytes(&frames[wanted - 2]);
                        m.body = frame_bytes(&frames[wanted - 1]);
                        m.frame = &frames[wanted - 2];
                        z->in_callback = true;
                        r = z->handler->message(z->userdata, &m);
                        z->in_callback = false;
                }
                close_frames(frames, n);
        }
        return r;
}

/* First frame of an event: number (16 bits) and value (32 bits), host order. */
static int take_event(struct zsock *z, struct bytes event) {
        bool was_in_callback = z->in_callback; /* whoever sends or receives may drain */
        uint16_t number;
        int32_t value;
        int r;

        check(event.len == 6);
        memcpy(&number, event.data, sizeof(number));
        memcpy(&value, event.data + 2, sizeof(value));
        z->in_callback = true;
        /* A retry or a failed handshake carries no descriptor in its value. */
        r = z->handler->closed(z->userdata, number == ZMQ_EVENT_DISCONNECTED ? value : -1);
        z->in_callback = was_in_callback;
        return r;
}

int zsock_drain_monitor(struct zsock *z) {
        zmq_msg_t frames[FRAMES_MAX];
        int n, r = 0;

        while (r == 0) {
                n = receive_frames(z->monitor.socket, frames);
                if (n <= 0)
                        return n;
                r = take_event(z, frame_bytes(&frames[0]));
                close_frames(frames, n);
        }
        return r;
}

static int drain_monitor(void *userdata) {
        return zsock_drain_monitor(userdata);
}

/* ---- sending ---- */

static void release(void *data, void *hint) {
        refbuf_unref(hint);
}

static int init_body(zmq_msg_t *msg, struct bytes body, struct refbuf *refbuf) {
        if (refbuf && body.len >= ZERO_COPY_MIN)
                return zmq_msg_init_data(msg, (void *) body.data, body.len, release,
                                         refbuf_ref(refbuf));
        if (zmq_msg_init_size(msg, body.len) < 0)
                return -1;
        if (body.len > 0)
                memcpy(zmq_msg_data(msg), body.data, body.len);
        return 0;
}

/* One of more to come. Returns 0 or a negative errno. */
static int send_frame(struct zsock *z, struct bytes frame) {
        while (zmq_send(z->main.socket, frame.data, frame.len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static int send_last(struct zsock *z, zmq_msg_t *msg) {
        while (zmq_msg_send(msg, z->main.socket, ZMQ_DONTWAIT) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

/* A full or not yet joined pipe may be so only because news of it waits unread. */
static int send_first(struct zsock *z, struct bytes frame) {
        int r = send_frame(z, frame);

        if (r != -EAGAIN && r != -EHOSTUNREACH)
                return r;
        (void) is_readable(&z->main);
        return send_frame(z, frame);
}

int zsock_send(struct zsock *z, struct bytes identity, struct bytes header, struct bytes body,
               struct refbuf *refbuf) {
        zmq_msg_t msg;
        int r;

        z->main.is_touched = true;
        r = send_first(z, z->is_router ? identity : header);
        if (r == -EAGAIN)
                return ZSOCK_E_FULL;
        if (r == -EHOSTUNREACH)
                return ZSOCK_E_GONE;
        if (r < 0)
                return error_origin(r);
        /* The first frame was accepted: ZeroMQ takes the rest of a message whatever the mark. */
        r = z->is_router ? send_frame(z, header) : 0;
        if (r < 0)
                return error_origin(r);
        if (init_body(&msg, body, refbuf) < 0)
                return error_origin(-errno);
        r = send_last(z, &msg);
        if (r == 0)
                return 0;
        (void) zmq_msg_close(&msg);
        if (r == -EAGAIN && !z->is_router) /* the pipe ended between the two: nothing was sent */
                return ZSOCK_E_FULL;
        return error_origin(r);
}

/* ---- life ---- */

static int set_int(void *socket, int option, int value) {
        return zmq_setsockopt(socket, option, &value, sizeof(value)) < 0 ? error_origin(-errno) : 0;
}

static int configure(void *socket, const struct zsock_options *o) {
        const struct {
                int option, value;
        } common[] = {
                { ZMQ_LINGER, 0 },
                { ZMQ_SNDHWM, HIGH_WATER },
                { ZMQ_RCVHWM, o->receive_mark },
                { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
                { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_LOST },
                { ZMQ_HEARTBEAT_TTL, HEARTBEAT_LOST },
                { ZMQ_HANDSHAKE_IVL, HEARTBEAT_LOST },
                { ZMQ_RECONNECT_IVL, -1 }, /* bus_client.c makes a new socket instead */
        };
        int64_t max = (int64_t) o->message_max;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(common) && r == 0; i++)
                r = set_int(socket, common[i].option, common[i].value);
        if (r == 0 && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0)
                r = error_origin(-errno);
        if (r == 0 && o->type == ZMQ_ROUTER)
                r = set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
        if (r == 0 && o->type == ZMQ_ROUTER)
                r = set_int(socket, ZMQ_USE_FD, o->listen_fd);
        return r;
}

static int attach_monitor(struct zsock *z) {
        static unsigned n_monitors;
        char address[48];

        (void) snprintf(address, sizeof(address), "inproc://monitor-%u", n_monitors++);
        if (zmq_socket_monitor(z->main.socket, address, MONITORED) < 0)
                return error_origin(-errno);
        z->monitor.socket = socket_new(ZMQ_PAIR);
        if (!z->monitor.socket || set_int(z->monitor.socket, ZMQ_LINGER, 0) < 0 ||
            zmq_connect(z->monitor.socket, address) < 0)
                return error_origin(-errno);
        return 0;
}

static int attach_path(struct zsock *z, const struct zsock_options *o) {
        char address[160];

        (void) snprintf(address, sizeof(address), "ipc://%s", o->path);
        if (z->is_router && zmq_bind(z->main.socket, address) < 0)
                return error_origin(-errno);
        if (!z->is_router && zmq_connect(z->main.socket, address) < 0)
                return error_origin(-errno);
        return 0;
}

DEFINE_CLEANUP(struct zsock *, zsock_free);

int zsock_new(struct loop *loop, const struct zsock_options *o, const struct zsock_handler *handler,
              void *userdata, struct zsock **ret) {
        CLEANUP(zsock_freep) struct zsock *z = xnew(struct zsock);
        int r;

        z->loop = loop;
        z->handler = handler;
        z->userdata = userdata;
        z->is_router = o->type == ZMQ_ROUTER;
        z->main.drain = drain;
        z->monitor.drain = drain_monitor;
        z->main.userdata = z->monitor.userdata = z;
        z->main.socket = socket_new(o->type);
        if (!z->main.socket)
                return error_origin(-errno);
        r = configure(z->main.socket, o);
        if (r == 0)
                r = attach_monitor(z);
        if (r == 0)
                r = attach_path(z, o);
        if (r == 0)
                r = watch(loop, &z->main, o->priority);
        if (r == 0)
                r = watch(loop, &z->monitor, o->priority);
        if (r < 0)
                return r;
        *ret = TAKE(z);
        return 0;
}

struct zsock *zsock_free(struct zsock *z) {
        if (!z)
                return NULL;
        check(!z->in_callback);
        if (z->main.socket)
                (void) zmq_socket_monitor(z->main.socket, NULL, 0);
        unwatch(&z->monitor);
        unwatch(&z->main);
        free(z);
        return NULL;
}
