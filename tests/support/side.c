#include "tests/support/side.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"

#define SEC NSEC_PER_SEC

const Transport__StatusReply *side_status(struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;

        return peers_call(&s->peers, "Status", &in, 10 * SEC);
}

/* A transport that has just been started answers once keyring has; the link may still be that
 * to the one before. */
static void learn(struct side *s) {
        const Transport__StatusReply *r = NULL;

        for (int i = 0; i < 10 && !r; i++)
                r = side_status(s);
        check(r && r->n_listen >= 1);
        check(peer_id_parse(BYTES(r->peer.data, r->peer.len), &s->id));
        (void) snprintf(s->address, sizeof(s->address), "%s", r->listen[0]);
        check(streams_client_serve(&s->streams, NULL) == 0);
}

static void connect_clients(struct side *s) {
        peers_client_init(&s->peers, s->loop, test_node_path(s->node, "transport/peers"));
        streams_client_init(&s->streams, s->loop, test_node_path(s->node, "transport/streams"));
        learn(s);
}

void side_init(struct side *s, struct loop *loop, const char *config) {
        s->loop = loop;
        s->node = test_node_new(config);
        connect_clients(s);
}

static void drop_clients(struct side *s) {
        streams_client_done(&s->streams);
        peers_client_done(&s->peers);
}

void side_done(struct side *s) {
        drop_clients(s);
        test_node_free(s->node);
}

void side_kill(struct side *s) {
        drop_clients(s);
        test_node_kill_transport(s->node);
        test_node_start_transport(s->node);
        connect_clients(s);
}

void side_restart(struct side *s, const char *config) {
        drop_clients(s);
        test_node_stop_transport(s->node);
        test_node_set_config(s->node, config);
        test_node_start_transport(s->node);
        connect_clients(s);
}

bool side_connect(struct side *from, const char *target) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;

        in.target = (char *) target;
        in.timeout_ms = 5000;
        return peers_call(&from->peers, "Connect", &in, 20 * SEC) != NULL;
}

void side_disconnect(struct side *from, const struct side *to) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;

        in.peer = (ProtobufCBinaryData){ to->id.len, (uint8_t *) to->id.bytes };
        (void) peers_call(&from->peers, "Disconnect", &in, 10 * SEC);
}

double side_metric(struct side *s, const char *name) {
        const Transport__StatusReply *r = side_status(s);

        for (size_t i = 0; r && i < r->n_metrics; i++)
                if (strcmp(r->metrics[i]->name, name) == 0)
                        return r->metrics[i]->value;
        return -1;
}
