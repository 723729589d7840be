#include "services/transport/shell/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"

static struct interface *named(struct interfaces *all, const char *name) {
        for (size_t i = 0; i < all->n; i++)
                if (strcmp(all->list[i].name, name) == 0)
                        return &all->list[i];
        return NULL;
}

/* The kernel names every link once, before the addresses. */
static void add_link(struct interfaces *all, const struct ifaddrs *a) {
        const struct sockaddr_ll *link = (const void *) a->ifa_addr;
        struct interface *i;

        if (all->n == INTERFACES_MAX || named(all, a->ifa_name))
                return;
        i = &all->list[all->n++];
        *i = (struct interface){ .index = (unsigned) link->sll_ifindex };
        (void) snprintf(i->name, sizeof(i->name), "%s", a->ifa_name);
}

static unsigned prefix_bits(const uint8_t *mask, size_t size) {
        unsigned bits = 0;

        while (bits < size * 8 && (mask[bits / 8] & (0x80 >> bits % 8)))
                bits++;
        return bits;
}

static void add_net(struct interface *i, const struct ifaddrs *a) {
        struct interface_net net;

        if (a->ifa_addr->sa_family == AF_INET) {
                const struct sockaddr_in *at = (const void *) a->ifa_addr;
                const struct sockaddr_in *mask = (const void *) a->ifa_netmask;

                net.at = endpoint_ip4((const uint8_t *) &at->sin_addr, 0);
                net.bits = prefix_bits((const uint8_t *) &mask->sin_addr, 4);
                i->has_ip4 = true;
        } else {
                const struct sockaddr_in6 *at = (const void *) a->ifa_addr;
                const struct sockaddr_in6 *mask = (const void *) a->ifa_netmask;

                net.at = endpoint_ip6(at->sin6_addr.s6_addr, 0, 0);
                net.bits = prefix_bits(mask->sin6_addr.s6_addr, 16);
                i->has_ip6 = true;
        }
        if (i->n_nets < INTERFACE_NETS_MAX)
                i->nets[i->n_nets++] = net;
}

static void add(struct interfaces *all, const struct ifaddrs *a) {
        const unsigned needed = IFF_UP | IFF_MULTICAST;
        struct interface *i;

        if (!a->ifa_addr || (a->ifa_flags & needed) != needed)
                return;
        if (a->ifa_addr->sa_family == AF_PACKET) {
                add_link(all, a);
                return;
        }
        i = named(all, a->ifa_name);
        if (i && a->ifa_netmask &&
            (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
                add_net(i, a);
}

int interfaces_find(struct interfaces *ret) {
        struct ifaddrs *list = NULL;

        memset(ret, 0, sizeof(*ret));
        if (getifaddrs(&list) < 0)
                return error_origin(-errno);
        for (const struct ifaddrs *a = list; a; a = a->ifa_next)
                add(ret, a);
        freeifaddrs(list);
        return 0;
}

const struct interface *interfaces_of(const struct interfaces *all, unsigned index) {
        for (size_t i = 0; i < all->n; i++)
                if (all->list[i].index == index)
                        return &all->list[i];
        return NULL;
}

bool interface_is_on_link(const struct interface *i, const struct endpoint *from) {
        for (size_t k = 0; k < i->n_nets; k++)
                if (endpoint_same_net(&i->nets[k].at, from, i->nets[k].bits))
                        return true;
        return false;
}
