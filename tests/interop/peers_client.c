/* peers-client RUNTIME status | list | connect TARGET | ping PEER COUNT |
 *              perf PEER UPLOAD DOWNLOAD | why PEER | disconnect PEER
 * One call to a node's transport/peers; prints `key value` lines, or "error TEXT". */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/peerid.h"
#include "tests/support/peers.h"

#define TIMEOUT (150 * NSEC_PER_SEC)

static ProtobufCBinaryData peer_argument(const char *text, struct peer_id *memory) {
        if (!peer_id_from_text(BYTES_STR(text), memory)) {
                (void) printf("error \"%s\" is no peer id\n", text);
                exit(2);
        }
        return (ProtobufCBinaryData){ memory->len, memory->bytes };
}

static void print_peer_id(const ProtobufCBinaryData *v) {
        char text[PEER_ID_TEXT_SIZE];
        struct peer_id id;

        if (peer_id_parse(BYTES(v->data, v->len), &id))
                (void) printf("peer %s\n", peer_id_text(&id, text));
}

static void print_peer(const Transport__Peer *p) {
        print_peer_id(&p->peer);
        (void) printf("state %s\naddress %s\nagent %s\n", p->state, p->address, p->agent);
        for (size_t i = 0; i < p->n_protocols; i++)
                (void) printf("protocol %s\n", p->protocols[i]);
}

static int failed(const struct peers_client *c) {
        (void) printf("error %u %s\n", c->code, c->text);
        return 1;
}

static int status(struct peers_client *c, char **args) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r = peers_call(c, "Status", &in, TIMEOUT);

        if (!r)
                return failed(c);
        print_peer_id(&r->peer);
        for (size_t i = 0; i < r->n_listen; i++)
                (void) printf("listen %s\n", r->listen[i]);
        for (size_t i = 0; i < r->n_metrics; i++)
                (void) printf("metric %s %.0f\n", r->metrics[i]->name, r->metrics[i]->value);
        return 0;
}

static int list(struct peers_client *c, char **args) {
        const Transport__ListRequest in = { .base = PROTOBUF_C_MESSAGE_INIT(
                                                    &transport__list_request__descriptor) };
        const Transport__ListReply *r = peers_call(c, "List", &in, TIMEOUT);

        if (!r)
                return failed(c);
        for (size_t i = 0; i < r->n_peers; i++)
                print_peer(r->peers[i]);
        return 0;
}

static int connect_to(struct peers_client *c, char **args) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;
        const Transport__ConnectReply *r;

        in.target = args[0];
        r = peers_call(c, "Connect", &in, TIMEOUT);
        if (!r)
                return failed(c);
        print_peer_id(&r->peer);
        (void) printf("address %s\ntook_us %llu\n", r->address, (unsigned long long) r->took_us);
        return 0;
}

static int ping(struct peers_client *c, char **args) {
        Transport__PingRequest in = TRANSPORT__PING_REQUEST__INIT;
        const Transport__PingReply *r;
        struct peer_id id;
        uint64_t total = 0;

        in.peer = peer_argument(args[0], &id);
        in.count = (uint32_t) atoi(args[1]);
        r = peers_call(c, "Ping", &in, TIMEOUT);
        if (!r)
                return failed(c);
        for (size_t i = 0; i < r->n_rtt_us; i++)
                total += r->rtt_us[i];
        (void) printf("pings %zu\nmean_us %llu\n", r->n_rtt_us,
                      (unsigned long long) (r->n_rtt_us ? total / r->n_rtt_us : 0));
        return 0;
}

static int perf(struct peers_client *c, char **args) {
        Transport__PerfRequest in = TRANSPORT__PERF_REQUEST__INIT;
        const Transport__PerfReply *r;
        struct peer_id id;

        in.peer = peer_argument(args[0], &id);
        in.upload = strtoull(args[1], NULL, 10);
        in.download = strtoull(args[2], NULL, 10);
        r = peers_call(c, "Perf", &in, TIMEOUT);
        if (!r)
                return failed(c);
        (void) printf("upload_us %llu\ndownload_us %llu\n", (unsigned long long) r->upload_us,
                      (unsigned long long) r->download_us);
        return 0;
}

static int why(struct peers_client *c, char **args) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;
        const Transport__WhyReply *r;
        struct peer_id id;

        in.peer = peer_argument(args[0], &id);
        r = peers_call(c, "Why", &in, TIMEOUT);
        if (!r)
                return failed(c);
        print_peer(r->peer);
        for (size_t i = 0; i < r->n_addresses; i++)
                (void) printf("known %s\n", r->addresses[i]);
        for (size_t i = 0; i < r->n_attempts; i++)
                (void) printf("attempt %s %s after %llu us: %s\n", r->attempts[i]->direction,
                              r->attempts[i]->address, (unsigned long long) r->attempts[i]->took_us,
                              r->attempts[i]->outcome);
        return 0;
}

static int disconnect(struct peers_client *c, char **args) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;
        struct peer_id id;

        in.peer = peer_argument(args[0], &id);
        return peers_call(c, "Disconnect", &in, TIMEOUT) ? 0 : failed(c);
}

static const struct {
        const char *name;
        int n_args;
        int (*run)(struct peers_client *c, char **args);
} commands[] = {
        { "status", 0, status },
        { "list", 0, list },
        { "connect", 1, connect_to },
        { "ping", 2, ping },
        { "perf", 3, perf },
        { "why", 1, why },
        { "disconnect", 1, disconnect },
};

int main(int argc, char **argv) {
        struct peers_client c;
        struct loop *loop;
        int r = 2;

        if (argc < 3)
                return 2;
        check(loop_new(&loop) == 0);
        peers_client_init(&c, loop, xasprintf("%s/transport/peers", argv[1]));
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (strcmp(argv[2], commands[i].name) == 0 && argc - 3 == commands[i].n_args)
                        r = commands[i].run(&c, argv + 3);
        peers_client_done(&c);
        loop_free(loop);
        return r;
}
