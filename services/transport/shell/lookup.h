#pragma once

/* From a name to endpoints, in the thread of names.h: /dns, /dns4 and /dns6 through the machine's
 * resolver or the server configured, /dnsaddr through TXT records that may name further names. */

#include "services/transport/dial.h"
#include "services/transport/shell/dns.h"

#define LOOKUP_DEPTH_MAX   3  /* /dnsaddr that names /dnsaddr */
#define LOOKUP_ENTRIES_MAX 16 /* addresses of one question, names among them */
#define LOOKUP_PATIENCE    (5 * NSEC_PER_SEC)

/* `server` NULL: the machine's resolver, its hosts file included. An address that ends in /p2p/ID
 * takes only those dnsaddr entries that end in the same. Blocks, about LOOKUP_PATIENCE at most
 * with a server. How many endpoints. */
size_t lookup(const struct endpoint *server, const struct multiaddr *address,
              struct endpoint ret[DIAL_NAME_RESULTS]);
