/* The binary form: validation, walking, and what an address is good for.
 * Text is in multiaddr_text.c. */

#include "common/wire/multiaddr.h"

#include "common/base/error.h"
#include "common/wire/protocols.h"
#include "common/wire/varint.h"

/* Reads one component. Returns enum multiaddr_result. */
static int read_part(struct reader *r, struct multiaddr_part *ret) {
        const struct multiaddr_protocol *p;
        uint64_t code = reader_varint(r);

        if (r->failed)
                return MULTIADDR_E_INVALID;
        p = multiaddr_protocol_by_code(code);
        if (!p)
                return MULTIADDR_E_UNKNOWN;
        ret->code = p->code;
        ret->value = p->size == MULTIADDR_PREFIXED ? reader_prefixed(r)
                                                   : reader_take(r, (size_t) p->size);
        if (r->failed || (p->is_valid && !p->is_valid(ret->value)))
                return MULTIADDR_E_INVALID;
        return MULTIADDR_OK;
}

int multiaddr_parse(struct bytes binary, struct multiaddr *ret) {
        struct reader r = reader_of(binary);
        struct multiaddr_part part;
        size_t n_parts = 0;
        int result;

        if (binary.len == 0 || binary.len > MULTIADDR_MAX)
                return MULTIADDR_E_INVALID;
        while (reader_left(&r) > 0) {
                result = read_part(&r, &part);
                if (result)
                        return result;
                if (++n_parts > MULTIADDR_PARTS_MAX)
                        return MULTIADDR_E_INVALID;
        }
        *ret = (struct multiaddr){ .len = (uint16_t) binary.len };
        memcpy(ret->bytes, binary.data, binary.len);
        return MULTIADDR_OK;
}

bool multiaddr_part(const struct multiaddr *a, size_t i, struct multiaddr_part *ret) {
        struct reader r = reader_of(multiaddr_bytes(a));

        do {
                if (reader_left(&r) == 0)
                        return false;
                check(read_part(&r, ret) == MULTIADDR_OK);
        } while (i-- > 0);
        return true;
}

bool multiaddr_has(const struct multiaddr *a, enum multiaddr_code code) {
        struct multiaddr_part part;

        for (size_t i = 0; multiaddr_part(a, i, &part); i++)
                if (part.code == code)
                        return true;
        return false;
}

static uint16_t port_of(struct bytes value) {
        return (uint16_t) (value.data[0] << 8 | value.data[1]);
}

struct multiaddr multiaddr_from_endpoint(const struct endpoint *e) {
        static const uint8_t udp[] = { 0x91, 0x02 }, quic_v1[] = { 0xcd, 0x03 };
        struct multiaddr a = {};
        bool is_ip4 = e->family == ENDPOINT_IP4;
        size_t n = is_ip4 ? 4 : 16;

        check(e->family != ENDPOINT_NONE);
        a.bytes[a.len++] = is_ip4 ? MULTIADDR_IP4 : MULTIADDR_IP6;
        memcpy(a.bytes + a.len, e->addr, n);
        a.len = (uint16_t) (a.len + n);
        memcpy(a.bytes + a.len, udp, 2);
        a.bytes[a.len + 2] = (uint8_t) (e->port >> 8);
        a.bytes[a.len + 3] = (uint8_t) e->port;
        memcpy(a.bytes + a.len + 4, quic_v1, 2);
        a.len = (uint16_t) (a.len + 6);
        return a;
}

/* The leading ip component as an endpoint without a port; false if there is none. */
static bool leading_ip(const struct multiaddr *a, struct endpoint *ret) {
        struct multiaddr_part ip;

        if (!multiaddr_part(a, 0, &ip))
                return false;
        if (ip.code == MULTIADDR_IP4)
                *ret = endpoint_ip4(ip.value.data, 0);
        else if (ip.code == MULTIADDR_IP6)
                *ret = endpoint_ip6(ip.value.data, 0, 0);
        else
                return false;
        return true;
}

/* Components 1 and 2 are udp and quic-v1. */
static bool is_quic(const struct multiaddr *a, uint16_t *ret_port) {
        struct multiaddr_part udp, quic;

        if (!multiaddr_part(a, 1, &udp) || udp.code != MULTIADDR_UDP ||
            !multiaddr_part(a, 2, &quic) || quic.code != MULTIADDR_QUIC_V1)
                return false;
        *ret_port = port_of(udp.value);
        return *ret_port != 0;
}

/* Nothing behind quic-v1 but perhaps one p2p. */
static bool ends_after_quic(const struct multiaddr *a) {
        struct multiaddr_part part;

        if (!multiaddr_part(a, 3, &part))
                return true;
        return part.code == MULTIADDR_P2P && !multiaddr_part(a, 4, &part);
}

bool multiaddr_is_dialable_quic(const struct multiaddr *a) {
        struct endpoint e;

        return multiaddr_endpoint(a, &e) && endpoint_scope(&e) != SCOPE_UNUSABLE &&
               ends_after_quic(a);
}

bool multiaddr_endpoint(const struct multiaddr *a, struct endpoint *ret) {
        struct endpoint e;
        uint16_t port;

        if (!leading_ip(a, &e) || !is_quic(a, &port))
                return false;
        if (!ends_after_quic(a) && !multiaddr_is_relayed(a))
                return false;
        e.port = port;
        *ret = e;
        return true;
}

bool multiaddr_name(const struct multiaddr *a, struct bytes *ret_name, uint16_t *ret_port,
                    enum endpoint_family *ret_family) {
        struct multiaddr_part name;
        uint16_t port;

        if (!multiaddr_part(a, 0, &name) || !is_quic(a, &port) || !ends_after_quic(a))
                return false;
        if (name.code == MULTIADDR_DNS4)
                *ret_family = ENDPOINT_IP4;
        else if (name.code == MULTIADDR_DNS6)
                *ret_family = ENDPOINT_IP6;
        else if (name.code == MULTIADDR_DNS)
                *ret_family = ENDPOINT_NONE;
        else
                return false;
        *ret_name = name.value;
        *ret_port = port;
        return true;
}

bool multiaddr_dnsaddr(const struct multiaddr *a, struct bytes *ret_host) {
        struct multiaddr_part name, part;

        if (!multiaddr_part(a, 0, &name) || name.code != MULTIADDR_DNSADDR)
                return false;
        if (multiaddr_part(a, 1, &part) &&
            (part.code != MULTIADDR_P2P || multiaddr_part(a, 2, &part)))
                return false;
        *ret_host = name.value;
        return true;
}

bool multiaddr_is_relayed(const struct multiaddr *a) {
        return multiaddr_has(a, MULTIADDR_CIRCUIT);
}

enum endpoint_scope multiaddr_scope(const struct multiaddr *a) {
        struct endpoint e;

        if (a->len == 0)
                return SCOPE_UNUSABLE;
        return leading_ip(a, &e) ? endpoint_scope(&e) : SCOPE_PUBLIC;
}

/* The last component and where it begins. */
static bool last_part(const struct multiaddr *a, struct multiaddr_part *ret, size_t *ret_start) {
        struct reader r = reader_of(multiaddr_bytes(a));
        bool any = false;

        while (reader_left(&r) > 0) {
                *ret_start = r.pos;
                check(read_part(&r, ret) == MULTIADDR_OK);
                any = true;
        }
        return any;
}

bool multiaddr_peer(const struct multiaddr *a, struct peer_id *ret) {
        struct multiaddr_part part;
        size_t start;

        return last_part(a, &part, &start) && part.code == MULTIADDR_P2P &&
               peer_id_parse(part.value, ret);
}

void multiaddr_strip_peer(struct multiaddr *a) {
        struct multiaddr_part part;
        size_t start;

        if (!last_part(a, &part, &start) || part.code != MULTIADDR_P2P)
                return;
        memset(a->bytes + start, 0, a->len - start);
        a->len = (uint16_t) start;
}

static bool append(struct multiaddr *a, uint32_t code, struct bytes value, bool prefixed) {
        uint8_t joined[MULTIADDR_MAX + 2 * VARINT_SIZE_MAX];
        size_t n = a->len;
        struct multiaddr whole;

        if (value.len > MULTIADDR_MAX - n)
                return false;
        memcpy(joined, a->bytes, n);
        n += varint_write(code, joined + n);
        if (prefixed)
                n += varint_write(value.len, joined + n);
        if (n + value.len > MULTIADDR_MAX)
                return false;
        if (value.len > 0)
                memcpy(joined + n, value.data, value.len);
        if (multiaddr_parse(BYTES(joined, n + value.len), &whole) != MULTIADDR_OK)
                return false; /* one component too many */
        *a = whole;
        return true;
}

bool multiaddr_append_peer(struct multiaddr *a, const struct peer_id *id) {
        return append(a, MULTIADDR_P2P, peer_id_bytes(id), true);
}

bool multiaddr_append_circuit(struct multiaddr *a) {
        return append(a, MULTIADDR_CIRCUIT, BYTES_NONE, false);
}
