#pragma once

/* What `status` says of dht and gossip. */

#include "services/ctl/discovery.h"

struct discovery_status {
        struct unpacked dht, gossip; /* dht.StatusReply, gossip.StatusReply; empty: no answer */
        char dht_why[256], gossip_why[256];
};

void discovery_status_ask(const struct command_context *ctx, struct discovery_status *ret);
void discovery_status_done(struct discovery_status *s);
/* transport: what that says of itself; NULL: it does not answer. */
void discovery_status_text(const struct discovery_status *s,
                           const Transport__StatusReply *transport);
/* Members "dht" and "gossip" of an object, null where nobody answers; "places". */
void discovery_status_json(const struct discovery_status *s,
                           const Transport__StatusReply *transport, bool *first);
/* "about 120 servers (90 %: 80 to 190)", into ret. */
const char *discovery_status_size(const Dht__StatusReply *s, char ret[100]);
