#pragma once

/* Server or client (network.md, Discovery): a server when configured, or when two
 * authenticated peers of different subnets dialled the listening socket within the
 * last hour. Where all known peers are loopback or private, knowing one is enough: who reaches
 * them is on their network, and the last to join would wait for a dial that never comes.
 * Behind another router it would be a server in vain, and tables drop it unheard. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/nsec.h"
#include "services/dht/contact.h"
#include "services/dht/settings.h"

#define MODE_DIALLERS 8
#define MODE_WITHIN   (3600 * NSEC_PER_SEC)

struct mode {
        enum dht_mode configured;
        struct {
                struct subnet subnet;
                nsec_t when;
        } diallers[MODE_DIALLERS]; /* different subnets, the latest of each */
        size_t n_diallers;
        nsec_t public_peer, local_peer; /* when one was last heard of; 0: never */
};

void mode_init(struct mode *m, enum dht_mode configured);
/* An authenticated peer; is_inbound: it dialled our listening socket. */
void mode_peer(struct mode *m, const struct endpoint *e, bool is_inbound, nsec_t now);
/* Whether to serve; the reason is a static text. */
bool mode_is_server(const struct mode *m, nsec_t now, const char **ret_reason);
