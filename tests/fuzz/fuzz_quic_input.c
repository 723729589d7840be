/* A QUIC endpoint with a live connection, under a script of bytes: datagrams made up,
 * datagrams in flight spoiled, doubled or lost, time passing, streams opened. Whatever
 * comes, the books of the endpoint balance. */

#include "common/base/error.h"
#include "services/transport/quic/internal.h"
#include "tests/unit/transport/flow.h"
#include "tests/unit/transport/net.h"

#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
        struct net net;
        struct reader in;
        struct flow flows[STEPS_MAX], accepted;
        size_t n_flows;
};

static struct net_packet *some_packet(struct script *s) {
        uint8_t which = reader_u8(&s->in);

        return s->net.n_packets > 0 ? &s->net.packets[which % s->net.n_packets] : NULL;
}

static void step_inject(struct script *s) {
        struct bytes packet = reader_take(&s->in, reader_u16(&s->in) % 1500);

        if (packet.len > 0)
                net_inject(&s->net.nodes[1], &s->net.nodes[0].address, packet);
}

/* Addressed to the connection, so that it gets past the demultiplexer. */
static void step_inject_addressed(struct script *s) {
        struct connection *c = s->net.nodes[1].connection;
        struct bytes packet = reader_take(&s->in, reader_u16(&s->in) % 1400);
        uint8_t whole[1500];

        if (!c || c->n_cids == 0 || packet.len == 0)
                return;
        whole[0] = 0x40 | (packet.data[0] & 0x3f);
        memcpy(whole + 1, c->cids[0].data, c->cids[0].datalen);
        memcpy(whole + 1 + c->cids[0].datalen, packet.data, packet.len);
        net_inject(&s->net.nodes[1], &s->net.nodes[0].address,
                   BYTES(whole, 1 + c->cids[0].datalen + packet.len));
}

static void step_spoil(struct script *s) {
        struct net_packet *p = some_packet(s);
        uint16_t at = reader_u16(&s->in);

        if (p)
                p->data[at % p->len] ^= reader_u8(&s->in);
}

static void step_truncate(struct script *s) {
        struct net_packet *p = some_packet(s);

        if (p && p->len > 1)
                p->len = 1 + reader_u16(&s->in) % (p->len - 1);
}

static void step_repeat(struct script *s) {
        struct net_packet *p = some_packet(s), copy;

        if (!p)
                return;
        copy = *p;
        net_inject(&s->net.nodes[1], &copy.source, BYTES(copy.data, copy.len));
}

static void step_move(struct script *s) {
        struct net_packet *p = some_packet(s);

        if (p)
                p->source.port = reader_u16(&s->in);
}

static void step_wait(struct script *s) {
        net_run(&s->net, (nsec_t) reader_u16(&s->in) * NSEC_PER_MSEC, NULL);
}

static void step_dial(struct script *s) {
        struct connection *c;
        struct path path = { .local = s->net.nodes[0].address, .remote = s->net.nodes[1].address };

        (void) quic_dial(s->net.nodes[0].quic, &path, NULL, s->net.now, &c);
        net_flush(&s->net);
}

static void step_stream(struct script *s) {
        struct flow *f = &s->flows[s->n_flows];
        struct connection *c = s->net.nodes[0].connection;

        f->to_send = reader_u16(&s->in);
        f->no_finish = f->to_send & 1;
        if (c && connection_open_stream(c, &flow_handler, f, NULL) == CONNECTION_OK)
                s->n_flows++;
        net_flush(&s->net);
}

static void step_reset(struct script *s) {
        uint8_t which = reader_u8(&s->in);

        if (s->n_flows > 0 && s->flows[which % s->n_flows].stream)
                stream_reset(s->flows[which % s->n_flows].stream, which);
}

static void step_migrate(struct script *s) {
        struct connection *c = s->net.nodes[0].connection;
        struct path path;

        if (!c)
                return;
        path = connection_path(c);
        path.link = reader_u8(&s->in);
        path.local.port = s->net.nodes[0].address.port = 4001 + reader_u8(&s->in);
        (void) quic_migrate(s->net.nodes[0].quic, c, &path, s->net.now);
}

static void (*const steps[])(struct script *s) = {
        step_inject,  step_inject_addressed,
        step_spoil,   step_truncate,
        step_repeat,  step_move,
        step_wait,    step_dial,
        step_stream,  step_reset,
        step_migrate,
};

static void check_books(const struct quic *q) {
        size_t cursor = 0, n_cids = 0, n_inbound = 0;
        struct connection *c;

        while ((c = quic_next_connection(q, &cursor))) {
                n_cids += c->n_cids;
                n_inbound += c->is_inbound;
                check(c->budget.used <= q->budget.used);
        }
        LIST_FOREACH (l, &q->closed)
                n_cids += LIST_ENTRY(l, struct connection, closed)->n_cids;
        check(n_cids == map_count(q->cids));
        check(n_inbound == q->stats.n_inbound);
        check(q->stats.n_half_open <= q->stats.n_inbound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct script s = { .in = reader_of(BYTES(data, size)) };

        net_init(&s.net, 1);
        net_add(&s.net, NULL);
        net_add(&s.net, NULL);
        s.accepted.no_finish = true;
        s.net.nodes[1].acceptor = &flow_handler;
        s.net.nodes[1].acceptor_userdata = &s.accepted;
        step_dial(&s);
        for (size_t i = 0; i < STEPS_MAX && reader_left(&s.in) > 0; i++) {
                steps[reader_u8(&s.in) % ELEMENTSOF(steps)](&s);
                check_books(s.net.nodes[0].quic);
                check_books(s.net.nodes[1].quic);
        }
        net_run(&s.net, 200 * NSEC_PER_SEC, NULL);
        for (size_t i = 0; i < 2; i++) {
                check_books(s.net.nodes[i].quic);
                check(map_count(s.net.nodes[i].quic->connections) == 0); /* idled out */
                check(s.net.nodes[i].quic->budget.used == 0);
                check(s.net.nodes[i].quic->receive_budget.used == 0);
        }
        net_done(&s.net);
        return 0;
}
