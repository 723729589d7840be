#include "common/wire/protocols.h"

#include <arpa/inet.h> /* inet_pton, inet_ntop: text only, no socket */
#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/multiaddr.h"

#define NAME_MAX_LEN 253 /* RFC 1035, 2.3.4, in text */
#define ZONE_MAX     16  /* IFNAMSIZ */

static void put_string(struct buffer *b, const char *s) {
        buffer_put(b, s, strlen(s));
}

/* Zero-terminated copy of a short text; false when it does not fit. */
static bool terminated(struct bytes text, char *ret, size_t size) {
        if (text.len >= size || memchr(text.data, 0, text.len))
                return false;
        memcpy(ret, text.data, text.len);
        ret[text.len] = 0;
        return true;
}

static void put_ip(struct buffer *b, struct bytes value) {
        char text[INET6_ADDRSTRLEN];

        inet_ntop(value.len == 4 ? AF_INET : AF_INET6, value.data, text, sizeof(text));
        put_string(b, text);
}

static bool get_ip(struct buffer *b, struct bytes text, int family, size_t size) {
        char copy[INET6_ADDRSTRLEN];
        uint8_t raw[16];

        if (!terminated(text, copy, sizeof(copy)) || inet_pton(family, copy, raw) != 1)
                return false;
        buffer_put(b, raw, size);
        return true;
}

static bool get_ip4(struct buffer *b, struct bytes text) {
        return get_ip(b, text, AF_INET, 4);
}

static bool get_ip6(struct buffer *b, struct bytes text) {
        return get_ip(b, text, AF_INET6, 16);
}

static void put_port(struct buffer *b, struct bytes value) {
        char text[8];

        snprintf(text, sizeof(text), "%u", (unsigned) (value.data[0] << 8 | value.data[1]));
        put_string(b, text);
}

static bool get_port(struct buffer *b, struct bytes text) {
        char copy[8];
        uint64_t port;

        if (!terminated(text, copy, sizeof(copy)) || !text_parse_u64(copy, 0, UINT16_MAX, &port))
                return false;
        buffer_put_u16(b, (uint16_t) port);
        return true;
}

/* Letters, digits, "-", "_" and ".": nothing that could mean something in text. */
static bool is_name(struct bytes value, size_t max) {
        static const char extra[] = "-_.";

        if (value.len == 0 || value.len > max)
                return false;
        for (size_t i = 0; i < value.len; i++) {
                uint8_t c = value.data[i], lower = c | 0x20;

                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
                    !memchr(extra, c, sizeof(extra) - 1))
                        return false;
        }
        return true;
}

static bool is_dns_name(struct bytes value) {
        return is_name(value, NAME_MAX_LEN);
}

static bool is_zone(struct bytes value) {
        return is_name(value, ZONE_MAX);
}

static void put_raw(struct buffer *b, struct bytes value) {
        buffer_put_bytes(b, value);
}

static bool get_raw(struct buffer *b, struct bytes text) {
        buffer_put_bytes(b, text);
        return true;
}

static bool is_peer(struct bytes value) {
        struct peer_id id;

        return peer_id_parse(value, &id);
}

static void put_peer(struct buffer *b, struct bytes value) {
        char text[PEER_ID_TEXT_SIZE];
        struct peer_id id;

        if (peer_id_parse(value, &id))
                put_string(b, peer_id_text(&id, text));
}

static bool get_peer(struct buffer *b, struct bytes text) {
        struct peer_id id;

        if (!peer_id_from_text(text, &id))
                return false;
        buffer_put_bytes(b, peer_id_bytes(&id));
        return true;
}

static bool is_certhash(struct bytes value) {
        return value.len >= 2 && value.len <= 66 && value.data[1] == value.len - 2;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Multibase "u": base64url without padding. */
static void put_certhash(struct buffer *b, struct bytes value) {
        unsigned bits = 0, held = 0;

        buffer_put_u8(b, 'u');
        for (size_t i = 0; i < value.len; i++) {
                held = (held << 8 | value.data[i]) & 0xffff;
                for (bits += 8; bits >= 6; bits -= 6)
                        buffer_put_u8(b, (uint8_t) base64url[held >> (bits - 6) & 63]);
        }
        if (bits > 0)
                buffer_put_u8(b, (uint8_t) base64url[held << (6 - bits) & 63]);
}

static bool get_certhash(struct buffer *b, struct bytes text) {
        unsigned bits = 0, held = 0;

        if (text.len < 2 || text.data[0] != 'u')
                return false;
        for (size_t i = 1; i < text.len; i++) {
                const char *digit = text.data[i] ? strchr(base64url, text.data[i]) : NULL;

                if (!digit)
                        return false;
                held = (held << 6 | (unsigned) (digit - base64url)) & 0xffff;
                bits += 6;
                if (bits >= 8) {
                        bits -= 8;
                        buffer_put_u8(b, (uint8_t) (held >> bits));
                }
        }
        return bits < 6 && (held & ((1u << bits) - 1)) == 0;
}

#define VALUE(name, code, size, valid, put, get) \
        { name, code, size, valid, put, get }
#define BARE(name, code) \
        { name, code, 0, NULL, NULL, NULL }
#define VAR MULTIADDR_PREFIXED

static const struct multiaddr_protocol protocols[] = {
        VALUE("ip4", MULTIADDR_IP4, 4, NULL, put_ip, get_ip4),
        VALUE("tcp", MULTIADDR_TCP, 2, NULL, put_port, get_port),
        VALUE("ip6", MULTIADDR_IP6, 16, NULL, put_ip, get_ip6),
        VALUE("ip6zone", MULTIADDR_IP6ZONE, VAR, is_zone, put_raw, get_raw),
        VALUE("dns", MULTIADDR_DNS, VAR, is_dns_name, put_raw, get_raw),
        VALUE("dns4", MULTIADDR_DNS4, VAR, is_dns_name, put_raw, get_raw),
        VALUE("dns6", MULTIADDR_DNS6, VAR, is_dns_name, put_raw, get_raw),
        VALUE("dnsaddr", MULTIADDR_DNSADDR, VAR, is_dns_name, put_raw, get_raw),
        VALUE("udp", MULTIADDR_UDP, 2, NULL, put_port, get_port),
        BARE("p2p-circuit", MULTIADDR_CIRCUIT),
        VALUE("p2p", MULTIADDR_P2P, VAR, is_peer, put_peer, get_peer),
        VALUE("ipfs", MULTIADDR_P2P, VAR, is_peer, put_peer, get_peer), /* old name, read only */
        BARE("quic-v1", MULTIADDR_QUIC_V1),
        BARE("webtransport", MULTIADDR_WEBTRANSPORT),
        VALUE("certhash", MULTIADDR_CERTHASH, VAR, is_certhash, put_certhash, get_certhash),
};

const struct multiaddr_protocol *multiaddr_protocol_by_code(uint64_t code) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (protocols[i].code == code)
                        return &protocols[i];
        return NULL;
}

const struct multiaddr_protocol *multiaddr_protocol_by_name(struct bytes name) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (bytes_equal(name, BYTES_STR(protocols[i].name)))
                        return &protocols[i];
        return NULL;
}
