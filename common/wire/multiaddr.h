#pragma once

/* Multiaddr (multiformats): self-describing addresses, binary and text.
 *
 * Bounded: at most 256 bytes and 16 components. An address with a component we
 * do not know is unusable (its length is unknown) but not an error of whoever
 * sent it: skip it. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/endpoint.h"
#include "common/wire/peerid.h"

#define MULTIADDR_MAX       256
#define MULTIADDR_PARTS_MAX 16
#define MULTIADDR_TEXT_SIZE 1024

enum multiaddr_code {
        MULTIADDR_IP4 = 4,
        MULTIADDR_TCP = 6,
        MULTIADDR_IP6 = 41,
        MULTIADDR_IP6ZONE = 42,
        MULTIADDR_DNS = 53,
        MULTIADDR_DNS4 = 54,
        MULTIADDR_DNS6 = 55,
        MULTIADDR_DNSADDR = 56,
        MULTIADDR_UDP = 273,
        MULTIADDR_CIRCUIT = 290,
        MULTIADDR_P2P = 421,
        MULTIADDR_QUIC_V1 = 461,
        MULTIADDR_WEBTRANSPORT = 465,
        MULTIADDR_CERTHASH = 466,
};

enum multiaddr_result {
        MULTIADDR_OK = 0,
        MULTIADDR_E_INVALID, /* malformed, too long, empty */
        MULTIADDR_E_UNKNOWN, /* a protocol we do not know: skip this address */
};

/* Always valid once filled by a function here; zero after len. All zero is no address. */
struct multiaddr {
        uint16_t len;
        uint8_t bytes[MULTIADDR_MAX];
};

struct multiaddr_part {
        uint32_t code;      /* enum multiaddr_code */
        struct bytes value; /* view into the address, without its length prefix */
};

/* Return enum multiaddr_result. */
int multiaddr_parse(struct bytes binary, struct multiaddr *ret);
int multiaddr_from_text(struct bytes text, struct multiaddr *ret);
/* What people write in a configuration: a multiaddr, "host:port" or
 * "peerid@host:port" (host: a name, 1.2.3.4 or [v6]); the latter two mean
 * udp + quic-v1. */
int multiaddr_from_config(struct bytes text, struct multiaddr *ret);
/* Returns ret. */
char *multiaddr_text(const struct multiaddr *a, char ret[MULTIADDR_TEXT_SIZE]);

/* Walks the components: i from 0; false past the end. */
bool multiaddr_part(const struct multiaddr *a, size_t i, struct multiaddr_part *ret);
bool multiaddr_has(const struct multiaddr *a, enum multiaddr_code code);

/* /ip4|ip6/.../udp/PORT/quic-v1. A zone is left out. */
struct multiaddr multiaddr_from_endpoint(const struct endpoint *e);
/* Exactly /ip4|ip6/.../udp/PORT/quic-v1[/p2p/ID] with a port and a usable address. */
bool multiaddr_is_dialable_quic(const struct multiaddr *a);
/* Of a dialable address, and of the relay's part of a relayed one. */
bool multiaddr_endpoint(const struct multiaddr *a, struct endpoint *ret);
/* /dns|dns4|dns6/NAME/udp/PORT/quic-v1[/p2p/ID]: a view of the name, the port, the
 * family wanted (ENDPOINT_NONE: either). */
bool multiaddr_name(const struct multiaddr *a, struct bytes *ret_name, uint16_t *ret_port,
                    enum endpoint_family *ret_family);
/* /dnsaddr/HOST[/p2p/ID]: TXT records of _dnsaddr.HOST say where. */
bool multiaddr_dnsaddr(const struct multiaddr *a, struct bytes *ret_host);
bool multiaddr_is_relayed(const struct multiaddr *a); /* has p2p-circuit */
/* Scope of the first ip component; names count as public. */
enum endpoint_scope multiaddr_scope(const struct multiaddr *a);

/* The last component, if it is p2p: whom the address leads to. */
bool multiaddr_peer(const struct multiaddr *a, struct peer_id *ret);
void multiaddr_strip_peer(struct multiaddr *a);
/* False when it does not fit; a is unchanged then. */
bool multiaddr_append_peer(struct multiaddr *a, const struct peer_id *id);
bool multiaddr_append_circuit(struct multiaddr *a);

static inline struct bytes multiaddr_bytes(const struct multiaddr *a) {
        return (struct bytes){ a->bytes, a->len };
}
static inline bool multiaddr_equal(const struct multiaddr *a, const struct multiaddr *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
