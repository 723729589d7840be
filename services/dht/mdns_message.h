#pragma once

/* The DNS messages of libp2p's mDNS discovery (libp2p/specs, discovery/mdns.md;
 * RFC 1035 section 4, RFC 6762): a PTR question for the service name, and an
 * answer PTR -> <name>.<service> with TXT strings "dnsaddr=<multiaddr>".
 *
 * Pure. A parser of foreign bytes: compression pointers lead backwards only, at
 * most 32 labels a name and 64 records a message, nothing is allocated. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/wire/multiaddr.h"

#define MDNS_PACKET_MAX    9000 /* RFC 6762, section 17 */
#define MDNS_OWN_MAX       1400 /* ours stay below the MTU */
#define MDNS_NAME_MAX      255
#define MDNS_PEER_NAME_MAX 63
#define MDNS_ADDRESSES_MAX 16 /* of one message */
#define MDNS_TTL_S         120

/* "_p2p._udp.local", or "_p2p-<fingerprint>._udp.local" of a private network. */
struct mdns_service {
        char text[MDNS_PEER_NAME_MAX + 1]; /* the first label */
};

enum mdns_kind { MDNS_OTHER = 0, MDNS_QUERY, MDNS_ANSWER };

/* What one message says about the service. About 4 KiB. */
struct mdns_message {
        enum mdns_kind kind;
        bool names_peer;                        /* an answer's PTR record was there */
        char peer_name[MDNS_PEER_NAME_MAX + 1]; /* of the last one, lower case */
        size_t n_addresses, n_skipped;
        struct multiaddr addresses[MDNS_ADDRESSES_MAX]; /* of all TXT records, as sent */
};

/* False: malformed, from whatever sender; nothing of it is to be used. A message
 * about other services is MDNS_OTHER. */
bool mdns_read(struct bytes packet, const struct mdns_service *service, struct mdns_message *ret);

void mdns_put_query(struct buffer *b, const struct mdns_service *service);
/* b is empty before (pointers count from its beginning). addresses as they are to be announced,
 * with their /p2p part; those longer than a TXT string or beyond MDNS_OWN_MAX are left out. Returns
 * how many went in. */
size_t mdns_put_answer(struct buffer *b, const struct mdns_service *service, const char *peer_name,
                       const struct multiaddr *addresses, size_t n);
