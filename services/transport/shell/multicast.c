#include "services/transport/shell/multicast.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"

#define PORT      5353
#define HOP_LIMIT 255

#ifndef IPV6_MULTICAST_ALL /* Linux 4.20; glibc has no name for it */
#define IPV6_MULTICAST_ALL 29
#endif

static const uint8_t group_ip4[4] = { 224, 0, 0, 251 };
static const uint8_t group_ip6[16] = { 0xff, 0x02, [15] = 0xfb };

union address {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
};

struct option {
        int level, name, value;
};

/* Others, such as avahi, may have the port as well; of groups only those that this socket joins. */
static const struct option options_ip4[] = {
        { SOL_SOCKET, SO_REUSEADDR, 1 },
        { SOL_SOCKET, SO_REUSEPORT, 1 },
        { IPPROTO_IP, IP_MULTICAST_TTL, HOP_LIMIT },
        { IPPROTO_IP, IP_MULTICAST_LOOP, 1 },
        { IPPROTO_IP, IP_MULTICAST_ALL, 0 },
        { IPPROTO_IP, IP_PKTINFO, 1 },
};
static const struct option options_ip6[] = {
        { SOL_SOCKET, SO_REUSEADDR, 1 },          { SOL_SOCKET, SO_REUSEPORT, 1 },
        { IPPROTO_IPV6, IPV6_V6ONLY, 1 },         { IPPROTO_IPV6, IPV6_MULTICAST_HOPS, HOP_LIMIT },
        { IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1 }, { IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0 },
        { IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
};

static int set_all(int fd, const struct option *o, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (setsockopt(fd, o[i].level, o[i].name, &o[i].value, sizeof(o[i].value)) < 0)
                        return -errno;
        return 0;
}

static int bind_any(int fd, bool is_ip6) {
        union address a = {};

        if (is_ip6) {
                a.in6.sin6_family = AF_INET6;
                a.in6.sin6_port = htons(PORT);
        } else {
                a.in.sin_family = AF_INET;
                a.in.sin_port = htons(PORT);
        }
        return bind(fd, &a.sa, is_ip6 ? sizeof(a.in6) : sizeof(a.in)) < 0 ? -errno : 0;
}

int multicast_open(enum endpoint_family family) {
        bool is_ip6 = family == ENDPOINT_IP6;
        CLEANUP(fd_closep)
        int fd = socket(is_ip6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return error_origin(-errno);
        r = is_ip6 ? set_all(fd, options_ip6, ELEMENTSOF(options_ip6))
                   : set_all(fd, options_ip4, ELEMENTSOF(options_ip4));
        if (r == 0)
                r = bind_any(fd, is_ip6);
        return r < 0 ? error_origin(r) : TAKE_FD(fd);
}

int multicast_join(int fd, enum endpoint_family family, unsigned interface) {
        struct ipv6_mreq in6 = { .ipv6mr_interface = interface };
        struct ip_mreqn in = { .imr_ifindex = (int) interface };
        int r;

        memcpy(&in6.ipv6mr_multiaddr, group_ip6, sizeof(group_ip6));
        memcpy(&in.imr_multiaddr, group_ip4, sizeof(group_ip4));
        if (family == ENDPOINT_IP6)
                r = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &in6, sizeof(in6));
        else
                r = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &in, sizeof(in));
        return r < 0 && errno != EADDRINUSE ? error_origin(-errno) : 0;
}

/* ---- sending ---- */

static socklen_t group_address(bool is_ip6, unsigned interface, union address *ret) {
        *ret = (union address){};
        if (is_ip6) {
                ret->in6.sin6_family = AF_INET6;
                ret->in6.sin6_port = htons(PORT);
                ret->in6.sin6_scope_id = interface;
                memcpy(&ret->in6.sin6_addr, group_ip6, sizeof(group_ip6));
                return sizeof(ret->in6);
        }
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = htons(PORT);
        memcpy(&ret->in.sin_addr, group_ip4, sizeof(group_ip4));
        return sizeof(ret->in);
}

static void put_control(struct msghdr *m, int level, int type, const void *content, size_t size) {
        struct cmsghdr *c = CMSG_FIRSTHDR(m);

        c->cmsg_level = level;
        c->cmsg_type = type;
        c->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(c), content, size);
        m->msg_controllen = CMSG_SPACE(size);
}

int multicast_send(int fd, enum endpoint_family family, unsigned interface, struct bytes packet) {
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {};
        const struct in6_pktinfo from6 = { .ipi6_ifindex = interface };
        const struct in_pktinfo from = { .ipi_ifindex = (int) interface };
        struct iovec iov = { (void *) packet.data, packet.len };
        bool is_ip6 = family == ENDPOINT_IP6;
        union address to;
        struct msghdr m = {
                .msg_name = &to,
                .msg_namelen = group_address(is_ip6, interface, &to),
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };

        if (is_ip6)
                put_control(&m, IPPROTO_IPV6, IPV6_PKTINFO, &from6, sizeof(from6));
        else
                put_control(&m, IPPROTO_IP, IP_PKTINFO, &from, sizeof(from));
        return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? error_origin(-errno) : 0;
}

/* ---- receiving ---- */

/* 0: the kernel did not say. */
static unsigned interface_of(struct msghdr *m) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
                struct in6_pktinfo at6;
                struct in_pktinfo at;

                if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
                        memcpy(&at, CMSG_DATA(c), sizeof(at));
                        return (unsigned) at.ipi_ifindex;
                }
                if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
                        memcpy(&at6, CMSG_DATA(c), sizeof(at6));
                        return at6.ipi6_ifindex;
                }
        }
        return 0;
}

static struct endpoint source_of(const union address *a) {
        if (a->sa.sa_family == AF_INET)
                return endpoint_ip4((const uint8_t *) &a->in.sin_addr, ntohs(a->in.sin_port));
        return endpoint_ip6(a->in6.sin6_addr.s6_addr, 0, ntohs(a->in6.sin6_port));
}

int multicast_receive(int fd, struct multicast_packet *ret) {
        _Alignas(struct cmsghdr) uint8_t control[256];
        struct iovec iov = { ret->data, sizeof(ret->data) };
        union address from = {};
        struct msghdr m = {
                .msg_name = &from,
                .msg_namelen = sizeof(from),
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(fd, &m, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return MULTICAST_E_NONE;
        if (n < 0)
                return error_origin(-errno);
        ret->from = source_of(&from);
        ret->interface = interface_of(&m);
        ret->len = (size_t) n;
        return m.msg_flags & MSG_TRUNC ? MULTICAST_E_TOO_BIG : MULTICAST_OK;
}
