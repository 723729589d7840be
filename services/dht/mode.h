#pragma once

/* Server or client (network.md, Discovery): a server when configured, or when two
 * authenticated peers of different subnets dialled the listening socket within the
 * last hour. Where all known peers are loopback or private, one is enough: that we reach them does
 * not show that they reach us. Only where all are on this very machine, no firewall stands between,
 * and to know one is enough. Newcomers of a local network are dialled by those who hear their
 * offers (gossip) or their mDNS; who dialled everybody else itself waits for the next to come.
 * Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/nsec.h"
#include "services/dht/contact.h"
#include "services/dht/settings.h"

#define MODE_DIALLERS 8
#define MODE_WITHIN   (3600 * NSEC_PER_SEC)

enum mode_place { MODE_HERE, MODE_LOCAL, MODE_PUBLIC, _MODE_PLACE_N }; /* here: this machine */

struct mode {
        enum dht_mode configured;
        struct {
                struct subnet subnet;
                nsec_t when;
        } diallers[MODE_DIALLERS]; /* different subnets, the latest of each */
        size_t n_diallers;
        nsec_t heard[_MODE_PLACE_N]; /* of one, last; 0: never */
        const struct endpoint *own;
        size_t n_own;
};

void mode_init(struct mode *m, enum dht_mode configured);
/* Where we are reached, a view: of a peer at a local one of these addresses, this machine is known.
 */
void mode_own(struct mode *m, const struct endpoint *own, size_t n);
/* An authenticated peer; is_inbound: it dialled our listening socket. */
void mode_peer(struct mode *m, const struct endpoint *e, bool is_inbound, nsec_t now);
/* Whether to serve; the reason is a static text. */
bool mode_is_server(const struct mode *m, nsec_t now, const char **ret_reason);
