/* discovery-client RUNTIME provide MULTIHASH | withdraw MULTIHASH | find MULTIHASH | gossip
 * What has no verb of `quorate`: one call to a node's dht, or the counters of its gossip. A
 * multihash is in hex. Prints `key value` lines, or "error CODE TEXT". */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/peerid.h"
#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "tests/support/peers.h"

#define TIMEOUT (60 * NSEC_PER_SEC)

static int failed(const struct peers_client *c) {
        (void) printf("error %u %s\n", c->code, c->text);
        return 1;
}

static int say(struct peers_client *c, struct bytes name, bool on) {
        Dht__ProvideRequest in = DHT__PROVIDE_REQUEST__INIT;
        const Dht__PutReply *r;

        in.name = (ProtobufCBinaryData){ name.len, (uint8_t *) name.data };
        in.on = on;
        r = peers_call(c, "Provide", &in, TIMEOUT);
        if (!r)
                return failed(c);
        (void) printf("stored %u\nasked %u\n", r->stored, r->asked);
        return 0;
}

static int provide(struct peers_client *c, struct bytes name) {
        return say(c, name, true);
}

static int withdraw(struct peers_client *c, struct bytes name) {
        return say(c, name, false);
}

static int find(struct peers_client *c, struct bytes name) {
        Dht__ProviderRequest in = DHT__PROVIDER_REQUEST__INIT;
        const Dht__FindProvidersReply *r;
        char text[PEER_ID_TEXT_SIZE];
        struct peer_id id;

        in.name = (ProtobufCBinaryData){ name.len, (uint8_t *) name.data };
        in.max = 20;
        in.timeout_ms = 20000;
        r = peers_call(c, "FindProviders", &in, TIMEOUT);
        if (!r)
                return failed(c);
        for (size_t i = 0; i < r->n_providers; i++)
                if (peer_id_parse(BYTES(r->providers[i]->peer.data, r->providers[i]->peer.len),
                                  &id))
                        (void) printf("provider %s\n", peer_id_text(&id, text));
        return 0;
}

static int gossip(struct peers_client *c, struct bytes name) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Gossip__StatusReply *r = peers_call(c, "Status", &in, TIMEOUT);

        if (!r)
                return failed(c);
        for (size_t i = 0; i < r->n_metrics; i++)
                (void) printf("%s %.0f\n", r->metrics[i]->name, r->metrics[i]->value);
        return 0;
}

static const struct {
        const char *name, *socket;
        const ProtobufCServiceDescriptor *service;
        int (*run)(struct peers_client *c, struct bytes name);
} commands[] = {
        { "provide", "dht/records", &dht__records__descriptor, provide },
        { "withdraw", "dht/records", &dht__records__descriptor, withdraw },
        { "find", "dht/lookup", &dht__lookup__descriptor, find },
        { "gossip", "gossip/candidates", &gossip__candidates__descriptor, gossip },
};

static int run(size_t i, const char *runtime, struct bytes name) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", runtime, commands[i].socket);
        struct peers_client c;
        struct loop *loop;
        int r;

        check(loop_new(&loop) == 0);
        peers_client_init_other(&c, loop, path, commands[i].service);
        r = commands[i].run(&c, name);
        peers_client_done(&c);
        loop_free(loop);
        return r;
}

int main(int argc, char **argv) {
        const char *hex = argc == 4 ? argv[3] : "";
        size_t n = strlen(hex) / 2;
        uint8_t name[128];

        if (argc < 3 || argc > 4 || n > sizeof(name) || strlen(hex) != 2 * n ||
            !hex_decode(hex, name, n))
                return 2;
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(argv[2], commands[i].name) == 0)
                        return run(i, argv[1], BYTES(name, n));
        return 2;
}
