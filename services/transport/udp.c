#include "services/transport/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/memory.h"

#define BATCH          8
#define RECEIVE_SIZE   65536 /* what UDP_GRO may join; less would cut packets off */
#define CONTROL_SIZE   256
#define BUFFER_DEFAULT (4 * 1024 * 1024)
#define ECN_MASK       3

union address {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
};

struct slot {
        union address from;
        struct iovec iov;
        _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct udp {
        int fd;
        uint32_t link;
        bool is_ip6, has_gso;
        struct endpoint bound;
        struct slot slots[BATCH];
        struct mmsghdr messages[BATCH];
        uint8_t *memory;
};

static socklen_t to_sockaddr(const struct endpoint *e, union address *ret) {
        memset(ret, 0, sizeof(*ret));
        if (e->family == ENDPOINT_IP4) {
                ret->in.sin_family = AF_INET;
                ret->in.sin_port = htons(e->port);
                memcpy(&ret->in.sin_addr, e->addr, 4);
                return sizeof(ret->in);
        }
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons(e->port);
        ret->in6.sin6_scope_id = e->zone;
        memcpy(&ret->in6.sin6_addr, e->addr, 16);
        return sizeof(ret->in6);
}

/* A zone is kept for link-local addresses alone: the kernel reports one for others too. */
static struct endpoint from_ip6(const struct in6_addr *a, uint32_t zone, uint16_t port) {
        return endpoint_ip6(a->s6_addr, IN6_IS_ADDR_LINKLOCAL(a) ? zone : 0, port);
}

static struct endpoint from_sockaddr(const union address *a) {
        if (a->sa.sa_family == AF_INET)
                return endpoint_ip4((const uint8_t *) &a->in.sin_addr, ntohs(a->in.sin_port));
        return from_ip6(&a->in6.sin6_addr, a->in6.sin6_scope_id, ntohs(a->in6.sin6_port));
}

static int set(int fd, int level, int option, int value) {
        return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The local address of each datagram is needed (many-homed hosts, what others observe of
 * us), and no router or kernel may cut packets: QUIC finds the path's MTU itself. */
static int set_family(const struct udp *u) {
        int r;

        if (u->is_ip6) {
                r = set(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
                if (r == 0)
                        r = set(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
                if (r == 0)
                        r = set(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
                return r;
        }
        r = set(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
        if (r == 0)
                r = set(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
        return r;
}

/* Speed and ECN: done without where the kernel does not know them. */
static void set_extras(struct udp *u, const struct udp_options *o) {
        int size = o->buffer_bytes ? (int) o->buffer_bytes : BUFFER_DEFAULT;

        (void) set(u->fd, SOL_SOCKET, SO_RCVBUF, size);
        (void) set(u->fd, SOL_SOCKET, SO_SNDBUF, size);
        if (!o->no_gro)
                (void) set(u->fd, SOL_UDP, UDP_GRO, 1);
        if (!o->no_ecn)
                (void) (u->is_ip6 ? set(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1)
                                  : set(u->fd, IPPROTO_IP, IP_RECVTOS, 1));
        u->has_gso = !o->no_gso && set(u->fd, SOL_UDP, UDP_SEGMENT, 0) == 0;
}

static int bind_to(struct udp *u, const struct endpoint *e) {
        union address a;
        socklen_t n = to_sockaddr(e, &a);

        if (bind(u->fd, &a.sa, n) < 0)
                return -errno;
        n = sizeof(a);
        if (getsockname(u->fd, &a.sa, &n) < 0)
                return -errno;
        u->bound = from_sockaddr(&a);
        return 0;
}

static void prepare_slots(struct udp *u) {
        u->memory = xmalloc((size_t) BATCH * RECEIVE_SIZE);
        for (size_t i = 0; i < BATCH; i++) {
                struct slot *s = &u->slots[i];
                struct msghdr *m = &u->messages[i].msg_hdr;

                s->iov = (struct iovec){ u->memory + i * RECEIVE_SIZE, RECEIVE_SIZE };
                m->msg_name = &s->from;
                m->msg_iov = &s->iov;
                m->msg_iovlen = 1;
                m->msg_control = s->control;
        }
}

int udp_new(const struct endpoint *bind, uint32_t link, const struct udp_options *options,
            struct udp **ret) {
        CLEANUP(udp_freep) struct udp *u = xnew(struct udp);
        int r;

        u->link = link;
        u->is_ip6 = bind->family == ENDPOINT_IP6;
        u->fd = socket(u->is_ip6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                       0);
        if (u->fd < 0)
                return error_origin(-errno);
        r = set_family(u);
        if (r == 0)
                r = bind_to(u, bind);
        if (r < 0)
                return error_origin(r);
        set_extras(u, options);
        prepare_slots(u);
        *ret = TAKE(u);
        return 0;
}

struct udp *udp_free(struct udp *u) {
        if (!u)
                return NULL;
        u->fd = fd_close(u->fd);
        free(u->memory);
        free(u);
        return NULL;
}

int udp_fd(const struct udp *u) {
        return u->fd;
}

const struct endpoint *udp_bound(const struct udp *u) {
        return &u->bound;
}

/* The value of a control message; alignment is not promised. */
static int cmsg_int(const struct cmsghdr *c) {
        uint8_t byte;
        int v;

        if (c->cmsg_len < CMSG_LEN(sizeof(v))) {
                memcpy(&byte, CMSG_DATA(c), 1); /* IP_TOS comes as one byte */
                return byte;
        }
        memcpy(&v, CMSG_DATA(c), sizeof(v));
        return v;
}

static bool is_kind(const struct cmsghdr *c, int level, int type) {
        return c->cmsg_level == level && c->cmsg_type == type;
}

static void read_control(const struct udp *u, struct msghdr *m, struct datagrams *in) {
        in->path.local = u->bound;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                if (is_kind(c, IPPROTO_IP, IP_PKTINFO)) {
                        struct in_pktinfo i;

                        memcpy(&i, CMSG_DATA(c), sizeof(i));
                        in->path.local = endpoint_ip4((const uint8_t *) &i.ipi_addr, u->bound.port);
                } else if (is_kind(c, IPPROTO_IPV6, IPV6_PKTINFO)) {
                        struct in6_pktinfo i;

                        memcpy(&i, CMSG_DATA(c), sizeof(i));
                        in->path.local = from_ip6(&i.ipi6_addr, i.ipi6_ifindex, u->bound.port);
                } else if (is_kind(c, IPPROTO_IP, IP_TOS) ||
                           is_kind(c, IPPROTO_IPV6, IPV6_TCLASS)) {
                        in->ecn = (uint8_t) (cmsg_int(c) & ECN_MASK);
                } else if (is_kind(c, SOL_UDP, UDP_GRO)) {
                        in->segment = (size_t) cmsg_int(c);
                }
        }
}

static void hand_over(const struct udp *u, struct mmsghdr *mm, udp_datagrams_fn fn,
                      void *userdata) {
        struct slot *s = container_of(mm->msg_hdr.msg_name, struct slot, from);
        struct datagrams in = { .path.link = u->link, .data = s->iov.iov_base, .len = mm->msg_len };

        if (mm->msg_hdr.msg_flags & MSG_TRUNC || mm->msg_len == 0)
                return;
        in.path.remote = from_sockaddr(&s->from);
        read_control(u, &mm->msg_hdr, &in);
        if (in.segment >= in.len)
                in.segment = 0;
        fn(userdata, &in);
}

int udp_receive(struct udp *u, udp_datagrams_fn fn, void *userdata) {
        int n;

        for (size_t i = 0; i < BATCH; i++) {
                u->messages[i].msg_hdr.msg_namelen = sizeof(u->slots[i].from);
                u->messages[i].msg_hdr.msg_controllen = CONTROL_SIZE;
        }
        n = recvmmsg(u->fd, u->messages, BATCH, 0, NULL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return UDP_E_BLOCKED;
        if (n < 0 && (errno == EINTR || errno == ECONNREFUSED))
                return UDP_OK; /* an ICMP error of some datagram sent before */
        if (n < 0)
                return error_origin(-errno);
        for (int i = 0; i < n; i++)
                hand_over(u, &u->messages[i], fn, userdata);
        return n < BATCH ? UDP_E_BLOCKED : UDP_OK;
}

static struct cmsghdr *put(struct msghdr *m, struct cmsghdr *at, int level, int type,
                           struct bytes value) {
        at->cmsg_level = level;
        at->cmsg_type = type;
        at->cmsg_len = CMSG_LEN(value.len);
        memcpy(CMSG_DATA(at), value.data, value.len);
        m->msg_controllen += CMSG_SPACE(value.len);
        return (struct cmsghdr *) ((uint8_t *) at + CMSG_SPACE(value.len));
}

static bool is_unspecified(const struct endpoint *e) {
        static const uint8_t zero[16];

        return memcmp(e->addr, zero, sizeof(zero)) == 0;
}

static void write_control(const struct udp *u, const struct datagrams *out, size_t segment,
                          struct msghdr *m) {
        struct cmsghdr *at = m->msg_control;
        uint16_t size = (uint16_t) segment;
        int ecn = out->ecn;

        m->msg_controllen = 0;
        if (segment > 0)
                at = put(m, at, SOL_UDP, UDP_SEGMENT, BYTES(&size, sizeof(size)));
        if (ecn != 0)
                at = put(m, at, u->is_ip6 ? IPPROTO_IPV6 : IPPROTO_IP,
                         u->is_ip6 ? IPV6_TCLASS : IP_TOS, BYTES(&ecn, sizeof(ecn)));
        if (is_unspecified(&out->path.local))
                return;
        if (u->is_ip6) {
                struct in6_pktinfo i = { .ipi6_ifindex = out->path.local.zone };

                memcpy(&i.ipi6_addr, out->path.local.addr, 16);
                put(m, at, IPPROTO_IPV6, IPV6_PKTINFO, BYTES(&i, sizeof(i)));
        } else {
                struct in_pktinfo i = {};

                memcpy(&i.ipi_spec_dst, out->path.local.addr, 4);
                put(m, at, IPPROTO_IP, IP_PKTINFO, BYTES(&i, sizeof(i)));
        }
}

/* Returns 0 or a negative errno. */
static int transmit(const struct udp *u, const struct datagrams *out, struct bytes data,
                    size_t segment) {
        _Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE] = {};
        struct iovec iov = { (void *) data.data, data.len };
        union address to;
        struct msghdr m = {
                .msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control
        };

        m.msg_namelen = to_sockaddr(&out->path.remote, &to);
        write_control(u, out, segment, &m);
        if (m.msg_controllen == 0)
                m.msg_control = NULL;
        for (;;) {
                if (sendmsg(u->fd, &m, 0) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static int one_by_one(struct udp *u, const struct datagrams *out, size_t *sent) {
        size_t segment = out->segment > 0 ? out->segment : out->len;

        while (*sent < out->len) {
                size_t left = out->len - *sent, n = left < segment ? left : segment;
                int r = transmit(u, out, BYTES(out->data + *sent, n), 0);

                if (r == -EAGAIN)
                        return UDP_E_BLOCKED;
                if (r < 0)
                        return UDP_E_GONE; /* lost, as any datagram may be: QUIC repeats it */
                *sent += n;
        }
        return UDP_OK;
}

int udp_send(struct udp *u, const struct datagrams *out, size_t *sent) {
        int r;

        if (!u->has_gso || out->segment == 0 || out->len - *sent <= out->segment)
                return one_by_one(u, out, sent);
        r = transmit(u, out, BYTES(out->data + *sent, out->len - *sent), out->segment);
        if (r == -EAGAIN)
                return UDP_E_BLOCKED;
        if (r == -EIO || r == -EOPNOTSUPP) /* a device that cannot cut: not worth asking again */
                u->has_gso = false;
        if (r < 0)
                return one_by_one(u, out, sent);
        *sent = out->len;
        return UDP_OK;
}
