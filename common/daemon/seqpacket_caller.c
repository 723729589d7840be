/* The blocking client of seqpacket.h. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/packet.h"
#include "common/daemon/rpc_body.h"
#include "common/daemon/seqpacket.h"
#include "proto/bus.pb-c.h"

struct seqpacket_caller {
        char *path;
        const ProtobufCServiceDescriptor *service;
        int fd;
        uint64_t last_id;
        struct unpacked reply;
        uint8_t buffer[SEQPACKET_MAX];
};

struct seqpacket_caller *seqpacket_caller_new(const char *path,
                                              const ProtobufCServiceDescriptor *service) {
        struct seqpacket_caller *c = xnew(struct seqpacket_caller);

        c->path = xstrdup(path);
        c->service = service;
        c->fd = -1;
        return c;
}

struct seqpacket_caller *seqpacket_caller_free(struct seqpacket_caller *c) {
        if (!c)
                return NULL;
        fd_close(c->fd);
        unpacked_done(&c->reply);
        free(c->path);
        free(c);
        return NULL;
}

static nsec_t now(void) {
        struct timespec ts;

        check(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

static int send_packet(struct seqpacket_caller *c, const Bus__Header *header, struct bytes body) {
        size_t n = packet_begin(header, c->buffer);

        if (n == 0 || n + body.len > SEQPACKET_MAX)
                return RPC_E_QUOTA;
        if (body.len > 0)
                memcpy(c->buffer + n, body.data, body.len);
        return seqpacket_send_raw(c->fd, BYTES(c->buffer, n + body.len), NULL, 0);
}

static int dial(struct seqpacket_caller *c) {
        Bus__Header header = BUS__HEADER__INIT;
        uint8_t hello[256];
        size_t n;

        if (c->fd >= 0)
                return 0;
        c->fd = seqpacket_dial(c->path);
        if (c->fd < 0)
                return c->fd;
        n = link_hello_pack(program_invocation_short_name, 0, false, hello, sizeof(hello));
        header.kind = BUS__KIND__HELLO;
        return send_packet(c, &header, BYTES(hello, n));
}

static int wait_readable(int fd, nsec_t deadline) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        for (;;) {
                nsec_t left = nsec_sub(deadline, now());
                struct timespec ts = { .tv_sec = (time_t) (left / NSEC_PER_SEC),
                                       .tv_nsec = (long) (left % NSEC_PER_SEC) };
                int n = ppoll(&p, 1, &ts, NULL);

                if (n > 0)
                        return 0;
                if (n == 0)
                        return RPC_E_TIMEOUT;
                if (errno != EINTR)
                        return error_origin(-errno);
        }
}

static int take_reply(struct seqpacket_caller *c, const ProtobufCMethodDescriptor *method,
                      const struct frame *f) {
        int r;

        if (f->header->status && f->header->status->code != RPC_OK)
                return (int) f->header->status->code;
        unpacked_done(&c->reply);
        r = wire_unpack(method->output, f->body, NULL, &c->reply);
        return r > 0 ? RPC_E_MALFORMED : r;
}

/* Skips the hello, events and answers of earlier calls. */
static int await(struct seqpacket_caller *c, const ProtobufCMethodDescriptor *method,
                 nsec_t deadline) {
        struct link_header_space space;

        for (;;) {
                struct frame f = {};
                size_t n_fds = 0;
                ssize_t n;
                int r = wait_readable(c->fd, deadline);

                if (r)
                        return r;
                n = seqpacket_receive_raw(c->fd, c->buffer, sizeof(c->buffer), NULL, &n_fds);
                if (n <= 0)
                        return n == 0 ? RPC_E_GONE : error_origin((int) n);
                if (!packet_parse(BYTES(c->buffer, (size_t) n), &space, &f))
                        return RPC_E_MALFORMED;
                if (f.header->kind == BUS__KIND__REPLY && f.header->id == c->last_id)
                        return take_reply(c, method, &f);
        }
}

static int call(struct seqpacket_caller *c, const ProtobufCMethodDescriptor *method,
                const void *message, nsec_t deadline) {
        CLEANUP(refbuf_unrefp) struct refbuf *body = rpc_pack(message);
        Bus__Header header = BUS__HEADER__INIT;
        int r;

        r = dial(c);
        if (r)
                return r;
        header.kind = BUS__KIND__CALL;
        header.id = ++c->last_id;
        header.name = (char *) method->name;
        header.deadline = deadline;
        r = send_packet(c, &header, refbuf_bytes(body));
        return r ? r : await(c, method, deadline);
}

int seqpacket_call(struct seqpacket_caller *c, const char *method, const void *message,
                   nsec_t timeout, const void **ret_reply) {
        const ProtobufCMethodDescriptor *m =
                protobuf_c_service_descriptor_get_method_by_name(c->service, method);
        nsec_t deadline = nsec_add(now(), timeout);
        int r;

        check(m && ((const ProtobufCMessage *) message)->descriptor == m->input);
        r = call(c, m, message, deadline);
        if (r < 0 || r >= RPC_E_TIMEOUT)
                c->fd = fd_close(c->fd);
        if (r == -EAGAIN) /* the listener's queue is full: nobody takes connections */
                return RPC_E_TIMEOUT;
        if (r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE)
                return RPC_E_GONE;
        if (r)
                return r < 0 ? error_fold(r) : r;
        *ret_reply = c->reply.message;
        return 0;
}
