#pragma once

/* Finding peers on the local network without any configuration (libp2p/specs,
 * discovery/mdns.md): asks, answers, and says whom it heard of. What it hears is
 * a hint of where to dial; who is there, the handshake tells. Pure: packets and
 * `now` in, packets and a deadline out; sockets are transport's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "services/dht/contact.h"
#include "services/dht/mdns_message.h"

struct mdns;

struct mdns_config {
        struct mdns_service service; /* lower case */
        nsec_t interval;             /* between two of our questions: 10 s */
        unsigned peers_max;          /* remembered: 256 */
        unsigned new_per_minute;     /* peers never heard of before: 64 */
};
void mdns_config_default(struct mdns_config *ret); /* service "_p2p" */

struct mdns *mdns_new(const struct mdns_config *config, const struct peer_id *self, uint64_t seed);
struct mdns *mdns_free(struct mdns *m); /* always NULL */
DEFINE_CLEANUP(struct mdns *, mdns_free);

/* Own addresses; only those of loopback, link and private scope are announced. */
void mdns_addresses(struct mdns *m, const struct multiaddr *addrs, size_t n, nsec_t now);
/* One packet from the local network. */
void mdns_input(struct mdns *m, struct bytes packet, nsec_t now);
/* Asks now, as at the start: the network changed. */
void mdns_wake(struct mdns *m, nsec_t now);

/* A packet to the multicast groups of every interface; false: none now. Writes into
 * b, which is empty before and may grow to MDNS_OWN_MAX. */
bool mdns_output(struct mdns *m, struct buffer *b, nsec_t now);
/* Somebody heard of; ret is the caller's to release. False: nobody more. */
bool mdns_found(struct mdns *m, struct contact *ret);
nsec_t mdns_deadline(const struct mdns *m); /* call mdns_output() then */

struct mdns_stats {
        uint64_t queries_sent, answers_sent, received, malformed, found, refused;
};
const struct mdns_stats *mdns_stats(const struct mdns *m);
