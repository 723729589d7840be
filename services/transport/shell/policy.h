#pragma once

/* What the configuration says, made ready for the core: everything that may change
 * while the service runs. Owns its memory, since the configuration is replaced. */

#include "common/base/cleanup.h"
#include "common/daemon/network.h"
#include "services/transport/config.h"
#include "services/transport/shell/addresses.h"
#include "services/transport/transport.h"

#define POLICY_PEERS_MAX CONFIG_LIST_MAX

struct policy_peers {
        size_t n;
        struct peer_id list[POLICY_PEERS_MAX];
};

struct policy {
        struct addresses announce, bootstrap;
        struct policy_peers allow, perf;
        bool perf_for_all, has_resolver;
        struct endpoint resolver;
        char *agent;
        struct network network; /* its secret is wiped: transport needs none */
};

/* NULL: said in the log which row is wrong; answer with service_refuse(). */
struct policy *policy_new(const struct transport_settings *v);
struct policy *policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free);

/* Whether this peer may connect: it is on both lists `allow`, of those that are not empty. */
bool policy_allows(const struct policy *p, const struct peer_id *peer);
/* Sets what transport_reconfigure() takes; views into p. */
void policy_configure(const struct policy *p, const struct transport_settings *v,
                      struct transport_config *c);
