#pragma once

/* The way a datagram takes: which link (a socket, later a relay tunnel) and the
 * addresses at both ends. QUIC never sees the sockets; the shell maps links to
 * them. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/endpoint.h"

struct path {
        uint32_t link; /* numbered by the shell; PATH_LINK_*  or its own */
        struct endpoint local, remote;
};

/* One socket for each family serves both listening and dialling. */
enum path_link {
        PATH_LINK_IP4 = 0,
        PATH_LINK_IP6 = 1,
        PATH_LINK_FIRST_TUNNEL = 16,
};

static inline bool path_equal(const struct path *a, const struct path *b) {
        return a->link == b->link && endpoint_equal(&a->local, &b->local) &&
               endpoint_equal(&a->remote, &b->remote);
}

/* One datagram, or a train of them standing one behind the other: each of
 * `segment` bytes except the last, which may be shorter. */
struct datagrams {
        struct path path;
        const uint8_t *data;
        size_t len;
        size_t segment; /* 0: a single datagram */
        uint8_t ecn;    /* the two ECN bits of the IP header, RFC 3168 */
};
