#pragma once

/* A UDP address without <sys/socket.h>, so that cores can hold one. Pure.
 * Only daemon and shell code turns it into a sockaddr. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ENDPOINT_TEXT_SIZE 72

enum endpoint_family {
        ENDPOINT_NONE = 0,
        ENDPOINT_IP4 = 4,
        ENDPOINT_IP6 = 6,
};

/* No padding; bytes not used are zero, so that memcmp() compares. */
struct endpoint {
        uint8_t addr[16]; /* network order; IPv4 in the first four */
        uint32_t zone;    /* interface index of a link-local IPv6 address, else 0; never sent */
        uint16_t port;    /* host order */
        uint8_t family;   /* enum endpoint_family */
        uint8_t reserved;
};

enum endpoint_scope {
        SCOPE_UNUSABLE = 0, /* unspecified, multicast, broadcast, documentation, reserved */
        SCOPE_LOOPBACK,
        SCOPE_LINK,    /* 169.254/16, fe80::/10 */
        SCOPE_PRIVATE, /* RFC 1918, 100.64/10, fc00::/7 */
        SCOPE_PUBLIC,
};

struct endpoint endpoint_ip4(const uint8_t addr[4], uint16_t port);
/* An IPv4-mapped address (::ffff:a.b.c.d) becomes an IPv4 endpoint. */
struct endpoint endpoint_ip6(const uint8_t addr[16], uint32_t zone, uint16_t port);

enum endpoint_scope endpoint_scope(const struct endpoint *e);

/* "1.2.3.4:5", "[2001:db8::1]:5"; returns ret. */
char *endpoint_text(const struct endpoint *e, char ret[ENDPOINT_TEXT_SIZE]);
/* Numbers only, no names, port mandatory. */
bool endpoint_from_text(const char *text, struct endpoint *ret);

/* Same /bits prefix of the same family. */
bool endpoint_same_net(const struct endpoint *a, const struct endpoint *b, unsigned bits);

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
