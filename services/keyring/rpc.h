#pragma once

/* The services of keyring.proto: protobuf on one side, struct keyring on the
 * other. Answers at once; keeps nothing of a request. */

#include "proto/keyring.pb-c.h"
#include "services/keyring/keyring.h"

struct loop;

struct keyring_rpc {
        struct keyring *keyring;
        const struct loop *loop; /* for the time */
};

/* One per socket: the generated service first, so that handlers find the rest. */
struct transport_service {
        Keyring__Transport_Service service;
        const struct keyring_rpc *rpc;
};
struct requester_service {
        Keyring__Requester_Service service;
        const struct keyring_rpc *rpc;
};
struct host_service {
        Keyring__Host_Service service;
        const struct keyring_rpc *rpc;
};
struct admin_service {
        Keyring__Admin_Service service;
        const struct keyring_rpc *rpc;
};
struct dht_service {
        Keyring__Dht_Service service;
        const struct keyring_rpc *rpc;
};
struct gossip_service {
        Keyring__Gossip_Service service;
        const struct keyring_rpc *rpc;
};

/* Handlers only; set `rpc` in a copy. */
extern const Keyring__Transport_Service keyring_transport_service;
extern const Keyring__Requester_Service keyring_requester_service;
extern const Keyring__Host_Service keyring_host_service;
extern const Keyring__Admin_Service keyring_admin_service;
extern const Keyring__Dht_Service keyring_dht_service;
extern const Keyring__Gossip_Service keyring_gossip_service;
