#include <netinet/in.h>
#include <string.h>

#include "services/transport/quic/internal.h"

static ngtcp2_socklen to_sockaddr(const struct endpoint *e, ngtcp2_sockaddr_union *ret) {
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

static struct endpoint from_sockaddr(const ngtcp2_addr *a) {
        const ngtcp2_sockaddr_union *u = (const ngtcp2_sockaddr_union *) a->addr;

        if (u->sa.sa_family == AF_INET)
                return endpoint_ip4((const uint8_t *) &u->in.sin_addr, ntohs(u->in.sin_port));
        return endpoint_ip6((const uint8_t *) &u->in6.sin6_addr, u->in6.sin6_scope_id,
                            ntohs(u->in6.sin6_port));
}

void path_to_ngtcp2(const struct path *p, ngtcp2_path_storage *ret) {
        ngtcp2_path_storage_zero(ret);
        ret->path.local.addrlen = to_sockaddr(&p->local, &ret->local_addrbuf);
        ret->path.remote.addrlen = to_sockaddr(&p->remote, &ret->remote_addrbuf);
        ret->path.user_data = (void *) (uintptr_t) p->link;
}

void path_from_ngtcp2(const ngtcp2_path *p, struct path *ret) {
        memset(ret, 0, sizeof(*ret));
        ret->link = (uint32_t) (uintptr_t) p->user_data;
        ret->local = from_sockaddr(&p->local);
        ret->remote = from_sockaddr(&p->remote);
}
