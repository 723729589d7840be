#include "services/transport/shell/addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "common/daemon/log.h"
#include "services/transport/config.h"

#define PORT_DEFAULT 4001

bool addresses_parse(const struct config_list *rows, const char *key, struct addresses *ret) {
        ret->n = 0;
        for (size_t i = 0; i < rows->n_items; i++) {
                if (ret->n == ADDRESSES_MAX) {
                        log_error("[transport] %s: more than %d addresses; leave some out", key,
                                  ADDRESSES_MAX);
                        return false;
                }
                if (multiaddr_from_config(BYTES_STR(rows->items[i]), &ret->list[ret->n]))
                        return false; /* config.c refuses such rows */
                ret->n++;
        }
        return true;
}

bool addresses_to_listen(const struct config_list *rows, struct endpoint ret[2], size_t *ret_n) {
        static const uint8_t any[16];

        *ret_n = 0;
        if (rows->n_items == 0) {
                ret[(*ret_n)++] = endpoint_ip4(any, PORT_DEFAULT);
                ret[(*ret_n)++] = endpoint_ip6(any, 0, PORT_DEFAULT);
                return true;
        }
        for (size_t i = 0; i < rows->n_items; i++) {
                struct endpoint e;

                if (!transport_listens_on(rows->items[i], &e))
                        return false; /* config.c refuses such rows */
                if (*ret_n == 2 || (*ret_n == 1 && ret[0].family == e.family)) {
                        log_error("[transport] listen: \"%s\": one address for each of IPv4 and "
                                  "IPv6 at most; leave one out",
                                  rows->items[i]);
                        return false;
                }
                ret[(*ret_n)++] = e;
        }
        return true;
}

static void add(struct addresses *to, const struct endpoint *e) {
        if (to->n < ADDRESSES_MAX)
                to->list[to->n++] = multiaddr_from_endpoint(e);
}

static bool interface_endpoint(const struct ifaddrs *i, const struct endpoint *bound,
                               struct endpoint *ret) {
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
                return false;
        if (bound->family == ENDPOINT_IP4 && i->ifa_addr->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const void *) i->ifa_addr;

                *ret = endpoint_ip4((const uint8_t *) &in->sin_addr, bound->port);
                return true;
        }
        if (bound->family == ENDPOINT_IP6 && i->ifa_addr->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in = (const void *) i->ifa_addr;

                *ret = endpoint_ip6(in->sin6_addr.s6_addr, 0, bound->port);
                return true;
        }
        return false;
}

/* A link-local address means nothing to anybody without its zone. */
static void add_interfaces(struct addresses *to, const struct ifaddrs *list,
                           const struct endpoint *bound, bool loopback) {
        for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
                struct endpoint e;
                enum endpoint_scope scope;

                if (!interface_endpoint(i, bound, &e))
                        continue;
                scope = endpoint_scope(&e);
                if (loopback ? scope == SCOPE_LOOPBACK : scope >= SCOPE_PRIVATE)
                        add(to, &e);
        }
}

static bool is_unspecified(const struct endpoint *e) {
        static const uint8_t any[16];

        return memcmp(e->addr, any, sizeof(any)) == 0;
}

void addresses_of(const struct endpoint *bound, struct addresses *add_to) {
        struct ifaddrs *list = NULL;
        size_t n = add_to->n;

        if (!is_unspecified(bound)) {
                add(add_to, bound);
                return;
        }
        if (getifaddrs(&list) < 0)
                return;
        add_interfaces(add_to, list, bound, false);
        if (add_to->n == n)
                add_interfaces(add_to, list, bound, true);
        freeifaddrs(list);
}
