#include "common/wire/endpoint.h"

#include <arpa/inet.h> /* inet_pton, inet_ntop: text only, no socket */
#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/memory.h"
#include "common/base/text.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

struct endpoint endpoint_ip4(const uint8_t addr[4], uint16_t port) {
        struct endpoint e = { .family = ENDPOINT_IP4, .port = port };

        memcpy(e.addr, addr, 4);
        return e;
}

struct endpoint endpoint_ip6(const uint8_t addr[16], uint32_t zone, uint16_t port) {
        struct endpoint e = { .family = ENDPOINT_IP6, .port = port, .zone = zone };

        if (memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0)
                return endpoint_ip4(addr + sizeof(mapped_prefix), port);
        memcpy(e.addr, addr, 16);
        return e;
}

/* First match counts; public is what is left. Sources: the IANA special-purpose
 * address registries (RFC 6890 and its updates). */
struct scope_range {
        uint8_t addr[16];
        uint8_t bits;
        enum endpoint_scope scope;
};

static const struct scope_range ranges4[] = {
        { { 127 }, 8, SCOPE_LOOPBACK },
        { { 169, 254 }, 16, SCOPE_LINK },
        { { 10 }, 8, SCOPE_PRIVATE },
        { { 172, 16 }, 12, SCOPE_PRIVATE },
        { { 192, 168 }, 16, SCOPE_PRIVATE },
        { { 100, 64 }, 10, SCOPE_PRIVATE },
        { { 0 }, 8, SCOPE_UNUSABLE },
        { { 192, 0, 2 }, 24, SCOPE_UNUSABLE },
        { { 198, 51, 100 }, 24, SCOPE_UNUSABLE },
        { { 203, 0, 113 }, 24, SCOPE_UNUSABLE },
        { { 198, 18 }, 15, SCOPE_PRIVATE }, /* benchmarking: test beds use it */
        { { 224 }, 3, SCOPE_UNUSABLE },     /* multicast, reserved, broadcast */
};

static const struct scope_range ranges6[] = {
        { { [15] = 1 }, 128, SCOPE_LOOPBACK },  { { [15] = 0 }, 128, SCOPE_UNUSABLE },
        { { 0xfe, 0x80 }, 10, SCOPE_LINK },     { { 0xfc }, 7, SCOPE_PRIVATE },
        { { 0xff }, 8, SCOPE_UNUSABLE },        { { 0x20, 0x01, 0x0d, 0xb8 }, 32, SCOPE_UNUSABLE },
        { { 0x01, 0x00 }, 64, SCOPE_UNUSABLE }, /* discard-only 100::/64 */
};

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits) {
        unsigned whole = bits / 8, rest = bits % 8;

        if (memcmp(a, b, whole) != 0)
                return false;
        return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

enum endpoint_scope endpoint_scope(const struct endpoint *e) {
        const struct scope_range *ranges = e->family == ENDPOINT_IP4 ? ranges4 : ranges6;
        size_t n = e->family == ENDPOINT_IP4 ? ELEMENTSOF(ranges4) : ELEMENTSOF(ranges6);

        if (e->family == ENDPOINT_NONE)
                return SCOPE_UNUSABLE;
        for (size_t i = 0; i < n; i++)
                if (same_prefix(e->addr, ranges[i].addr, ranges[i].bits))
                        return ranges[i].scope;
        return SCOPE_PUBLIC;
}

bool endpoint_same_net(const struct endpoint *a, const struct endpoint *b, unsigned bits) {
        unsigned most = a->family == ENDPOINT_IP4 ? 32 : 128;

        return a->family == b->family && same_prefix(a->addr, b->addr, bits < most ? bits : most);
}

char *endpoint_text(const struct endpoint *e, char ret[ENDPOINT_TEXT_SIZE]) {
        char addr[INET6_ADDRSTRLEN] = "?";

        if (e->family == ENDPOINT_IP4) {
                inet_ntop(AF_INET, e->addr, addr, sizeof(addr));
                snprintf(ret, ENDPOINT_TEXT_SIZE, "%s:%u", addr, e->port);
                return ret;
        }
        if (e->family == ENDPOINT_IP6)
                inet_ntop(AF_INET6, e->addr, addr, sizeof(addr));
        if (e->zone != 0)
                snprintf(ret, ENDPOINT_TEXT_SIZE, "[%s%%%u]:%u", addr, e->zone, e->port);
        else
                snprintf(ret, ENDPOINT_TEXT_SIZE, "[%s]:%u", addr, e->port);
        return ret;
}

static bool copy_between(const char *from, const char *to, char *ret, size_t size) {
        size_t n = (size_t) (to - from);

        if (n >= size)
                return false;
        memcpy(ret, from, n);
        ret[n] = 0;
        return true;
}

static bool parse_ip6(const char *text, const char *close, uint16_t port, struct endpoint *ret) {
        char addr[INET6_ADDRSTRLEN + 12], *percent;
        uint64_t zone = 0;
        uint8_t raw[16];

        if (!copy_between(text + 1, close, addr, sizeof(addr)))
                return false;
        percent = strchr(addr, '%');
        if (percent) {
                *percent = 0;
                if (!text_parse_u64(percent + 1, 1, UINT32_MAX, &zone))
                        return false;
        }
        if (inet_pton(AF_INET6, addr, raw) != 1)
                return false;
        *ret = endpoint_ip6(raw, (uint32_t) zone, port);
        return true;
}

bool endpoint_from_text(const char *text, struct endpoint *ret) {
        const char *colon = strrchr(text, ':');
        char addr[INET_ADDRSTRLEN];
        uint64_t port;
        uint8_t raw[4];

        if (!colon || !text_parse_u64(colon + 1, 0, UINT16_MAX, &port))
                return false;
        if (text[0] == '[')
                return colon > text && colon[-1] == ']' &&
                       parse_ip6(text, colon - 1, (uint16_t) port, ret);
        if (!copy_between(text, colon, addr, sizeof(addr)) || inet_pton(AF_INET, addr, raw) != 1)
                return false;
        *ret = endpoint_ip4(raw, (uint16_t) port);
        return true;
}
