#include "common/daemon/capability.h"

#include <stdio.h>
#include <string.h>

const char *const capability_services[] = {
        "keyring", "transport", "dht", "gossip", "ledger", "coordinator", "worker", "gateway", NULL,
};

const struct capability capabilities[] = {
        { "keyring/transport", CAPABILITY_SEQPACKET },
        { "keyring/dht", CAPABILITY_SEQPACKET },
        { "keyring/gossip", CAPABILITY_SEQPACKET },
        { "keyring/requester", CAPABILITY_SEQPACKET },
        { "keyring/host", CAPABILITY_SEQPACKET },
        { "keyring/ledger", CAPABILITY_SEQPACKET },
        { "keyring/admin", CAPABILITY_SEQPACKET },
        { "transport/streams", CAPABILITY_STREAMS },
        { "transport/peers", CAPABILITY_BUS },
        { "transport/events", CAPABILITY_BUS },
        { "dht/lookup", CAPABILITY_BUS },
        { "dht/records", CAPABILITY_BUS },
        { "dht/events", CAPABILITY_BUS },
        { "gossip/candidates", CAPABILITY_BUS },
        { "gossip/reputation", CAPABILITY_BUS },
        { "gossip/events", CAPABILITY_BUS },
        { "coordinator/query", CAPABILITY_STREAMS },
        { "coordinator/admin", CAPABILITY_BUS },
        { "coordinator/jobs", CAPABILITY_STREAMS },
        { "coordinator/events", CAPABILITY_BUS },
        { "worker/events", CAPABILITY_BUS },
        { "ledger/escrow", CAPABILITY_BUS },
        { "ledger/events", CAPABILITY_BUS },
        {},
};

const struct capability_right capability_rights[] = {
        { "transport", "keyring/transport" },
        { "dht", "keyring/dht" },
        { "dht", "transport/streams" },
        { "dht", "transport/peers" },
        { "gossip", "keyring/gossip" },
        { "gossip", "transport/streams" },
        { "gossip", "transport/peers" },
        { "gossip", "dht/lookup" },
        { "coordinator", "keyring/requester" },
        { "coordinator", "keyring/host" },
        { "coordinator", "transport/streams" },
        { "coordinator", "transport/peers" },
        { "coordinator", "dht/lookup" },
        { "coordinator", "dht/records" },
        { "coordinator", "gossip/candidates" },
        { "coordinator", "gossip/reputation" },
        { "coordinator", "ledger/escrow" },
        { "worker", "coordinator/jobs" },
        { "ledger", "keyring/ledger" },
        { "ledger", "transport/streams" },
        { "gateway", "coordinator/query" },
        { "gateway", "transport/peers" },
        { "gateway", "transport/events" },
        { "gateway", "dht/events" },
        { "gateway", "gossip/events" },
        { "gateway", "coordinator/events" },
        { "gateway", "worker/events" },
        { "gateway", "ledger/events" },
        { "ctl", "coordinator/query" },
        { "ctl", "coordinator/admin" },
        { "ctl", "transport/peers" },
        { "ctl", "dht/lookup" },
        { "ctl", "dht/records" },
        { "ctl", "gossip/candidates" },
        { "ctl", "gossip/reputation" },
        { "ctl", "keyring/admin" },
        {},
};

bool capability_is_service(const char *name) {
        if (strcmp(name, "ctl") == 0 || strcmp(name, "executor") == 0)
                return true;
        for (const char *const *s = capability_services; *s; s++)
                if (strcmp(*s, name) == 0)
                        return true;
        return false;
}

const struct capability *capability_find(const char *name) {
        for (const struct capability *c = capabilities; c->name; c++)
                if (strcmp(c->name, name) == 0)
                        return c;
        return NULL;
}

bool capability_may_use(const char *service, const char *name) {
        for (const struct capability_right *r = capability_rights; r->service; r++)
                if (strcmp(r->service, service) == 0 && strcmp(r->capability, name) == 0)
                        return true;
        return false;
}

bool capability_is_of(const struct capability *c, const char *service) {
        size_t n = strlen(service);

        return strncmp(c->name, service, n) == 0 && c->name[n] == '/';
}

int capability_path(const char *runtime, const char *name, bool data,
                    char ret[CAPABILITY_PATH_SIZE]) {
        int n = snprintf(ret, CAPABILITY_PATH_SIZE, "%s/%s%s", runtime, name, data ? ".data" : "");

        return n > 0 && n < CAPABILITY_PATH_SIZE ? 0 : CAPABILITY_E_TOO_LONG;
}
