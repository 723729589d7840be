/* Multiaddrs as people read and write them. */

#include <arpa/inet.h> /* inet_pton: text only, no socket */
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/wire/multiaddr.h"
#include "common/wire/protocols.h"
#include "common/wire/varint.h"

/* Up to the next '/' or the end; takes the '/' too. */
static struct bytes next_word(struct bytes *text) {
        const uint8_t *slash = text->len > 0 ? memchr(text->data, '/', text->len) : NULL;
        struct bytes word = *text;

        if (!slash) {
                *text = BYTES_NONE;
                return word;
        }
        word.len = (size_t) (slash - text->data);
        *text = BYTES(slash + 1, text->len - word.len - 1);
        return word;
}

static bool put_part(struct buffer *b, const struct multiaddr_protocol *p, struct bytes text) {
        uint8_t storage[MULTIADDR_MAX];
        struct buffer value = buffer_over(storage, sizeof(storage));

        buffer_put_varint(b, p->code);
        if (!p->get_text)
                return true;
        if (text.len == 0 || text.len > MULTIADDR_TEXT_SIZE || !p->get_text(&value, text) ||
            value.failed)
                return false;
        if (p->size == MULTIADDR_PREFIXED)
                buffer_put_varint(b, value.len);
        buffer_put_bytes(b, buffer_bytes(&value));
        return true;
}

int multiaddr_from_text(struct bytes text, struct multiaddr *ret) {
        uint8_t storage[MULTIADDR_MAX];
        struct buffer b = buffer_over(storage, sizeof(storage));

        if (text.len < 2 || text.data[0] != '/')
                return MULTIADDR_E_INVALID;
        text = BYTES(text.data + 1, text.len - 1);
        while (text.len > 0) {
                const struct multiaddr_protocol *p = multiaddr_protocol_by_name(next_word(&text));

                if (!p)
                        return MULTIADDR_E_UNKNOWN;
                if (!put_part(&b, p, p->get_text ? next_word(&text) : BYTES_NONE))
                        return MULTIADDR_E_INVALID;
        }
        return b.failed ? MULTIADDR_E_INVALID : multiaddr_parse(buffer_bytes(&b), ret);
}

char *multiaddr_text(const struct multiaddr *a, char ret[MULTIADDR_TEXT_SIZE]) {
        struct buffer b = buffer_over(ret, MULTIADDR_TEXT_SIZE);
        struct multiaddr_part part;

        for (size_t i = 0; multiaddr_part(a, i, &part); i++) {
                const struct multiaddr_protocol *p = multiaddr_protocol_by_code(part.code);

                buffer_put_u8(&b, '/');
                buffer_put(&b, p->name, strlen(p->name));
                if (!p->put_text)
                        continue;
                buffer_put_u8(&b, '/');
                p->put_text(&b, part.value);
        }
        buffer_put_u8(&b, 0);
        check(!b.failed); /* 256 bytes in 16 components never need more */
        return ret;
}

/* The protocol a host is written with: an address or a name. */
static const char *host_protocol(const char *host) {
        uint8_t raw[16];

        if (inet_pton(AF_INET, host, raw) == 1)
                return "ip4";
        return inet_pton(AF_INET6, host, raw) == 1 ? "ip6" : "dns";
}

/* Splits "host:port" or "[v6]:port" in place. */
static bool split_host(char *text, char **ret_host, const char **ret_port) {
        char *colon = strrchr(text, ':');
        bool bracketed = text[0] == '[';
        uint64_t port;

        if (!colon || colon == text || !text_parse_u64(colon + 1, 1, UINT16_MAX, &port))
                return false;
        *colon = 0;
        *ret_port = colon + 1;
        if (bracketed) {
                if (colon[-1] != ']')
                        return false;
                colon[-1] = 0;
                text++;
        }
        *ret_host = text;
        /* A colon left over is an IPv6 address; those need brackets, or 1::2:3 is ambiguous. */
        return *text && bracketed == (strchr(text, ':') != NULL);
}

int multiaddr_from_config(struct bytes text, struct multiaddr *ret) {
        char copy[MULTIADDR_TEXT_SIZE], whole[MULTIADDR_TEXT_SIZE + 64];
        char *at, *host;
        const char *port;
        int n;

        if (text.len > 0 && text.data[0] == '/')
                return multiaddr_from_text(text, ret);
        if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, 0, text.len) ||
            memchr(text.data, '/', text.len))
                return MULTIADDR_E_INVALID;
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;

        at = strchr(copy, '@');
        if (at)
                *at = 0;
        if (!split_host(at ? at + 1 : copy, &host, &port))
                return MULTIADDR_E_INVALID;
        n = snprintf(whole, sizeof(whole), "/%s/%s/udp/%s/quic-v1%s%s", host_protocol(host), host,
                     port, at ? "/p2p/" : "", at ? copy : "");
        check(n > 0 && (size_t) n < sizeof(whole));
        return multiaddr_from_text(BYTES(whole, n), ret);
}
