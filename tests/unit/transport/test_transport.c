#include "common/base/memory.h"
#include "services/transport/perf.h"
#include "services/transport/ping.h"
#include "tests/support/test.h"
#include "tests/unit/transport/mesh.h"

#define ECHO "/test/echo/1"

/* What the requests of a test came to. */
static struct {
        size_t n_calls, n_ok;
        enum transport_code code;
        char text[TRANSPORT_TEXT_SIZE];
        struct stream *stream;
        struct peer_id peer;
        size_t n_echoed, n_closed;
        size_t n_pings;
        struct perf_result perf;
} seen;

static void echo_on_data(struct stream *s, struct bytes data) {
        assert_int_equal(stream_write(s, data), STREAM_OK);
        stream_consumed(s, data.len);
}

static void echo_on_fin(struct stream *s) {
        stream_finish(s);
}

static const struct stream_handler echoing = { .on_data = echo_on_data, .on_fin = echo_on_fin };

static void open_echo(void *userdata, struct stream *s, const char *name) {
        assert_string_equal(name, ECHO);
        stream_attach(s, &echoing, NULL);
}

static void caller_on_data(struct stream *s, struct bytes data) {
        seen.n_echoed += data.len;
        stream_consumed(s, data.len);
}

static void caller_on_close(struct stream *s, enum stream_end end) {
        seen.n_closed++;
}

static const struct stream_handler calling = { .on_data = caller_on_data,
                                               .on_close = caller_on_close };

static void on_opened(void *userdata, const struct transport_opened *o) {
        seen.n_calls++;
        seen.n_ok += o->code == TRANSPORT_OK;
        seen.code = o->code;
        seen.stream = o->stream;
        seen.peer = o->peer;
        (void) snprintf(seen.text, sizeof(seen.text), "%s", o->text);
        if (o->stream)
                stream_attach(o->stream, &calling, NULL);
}

struct pair {
        struct mesh mesh;
        struct mesh_node *a, *b;
};

static void pair_init(struct pair *p, void (*edit)(struct transport_config *c)) {
        const struct transport_protocol echo = {
                .name = ECHO, .max_per_peer = 3, .is_needed = true, .open = open_echo
        };

        memset(&seen, 0, sizeof(seen));
        mesh_init(&p->mesh);
        p->a = mesh_add(&p->mesh, edit);
        p->b = mesh_add(&p->mesh, edit);
        assert_int_equal(transport_serve(p->b->transport, &echo, p->mesh.now), TRANSPORT_DONE);
}

static bool answered(struct mesh *m) {
        return seen.n_calls > 0;
}

static bool both_identified(struct mesh *m) {
        return m->nodes[0].n_identified > 0 && m->nodes[1].n_identified > 0;
}

/* From a to whoever is `peer`, at b's address. */
static uint64_t open_to(struct pair *p, const struct peer_id *peer, const char *protocol) {
        struct multiaddr at = mesh_address(p->b);
        struct transport_open o = {
                .peer = peer ? *peer : (struct peer_id){},
                .protocols = &protocol,
                .n_protocols = protocol ? 1 : 0,
                .addrs = &at,
                .n_addrs = 1,
                .force = true,
                .fn = on_opened,
        };

        return transport_open(p->a->transport, &o, p->mesh.now);
}

static struct peer *known(struct mesh_node *n, struct mesh_node *other) {
        return peers_find(transport_peers(n->transport), mesh_peer(other));
}

static void test_open_dials_identifies_and_agrees(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_int_equal(seen.n_calls, 0);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_OK);
        assert_int_equal(stream_write(seen.stream, BYTES_LIT("hello")), STREAM_OK);
        stream_finish(seen.stream);
        assert_true(mesh_run(&p.mesh, NSEC_PER_SEC, both_identified));
        (void) mesh_run(&p.mesh, NSEC_PER_SEC, NULL);
        assert_int_equal(seen.n_echoed, 5);
        assert_int_equal(seen.n_closed, 1);

        assert_true(peer_speaks(known(p.a, p.b), ECHO));
        assert_true(peer_speaks(known(p.a, p.b), PING_PROTOCOL));
        assert_false(peer_speaks(known(p.b, p.a), ECHO));
        assert_string_equal(known(p.b, p.a)->agent, "quorate");
        assert_string_equal(peer_attempt(known(p.a, p.b), 0)->outcome, "connected");
        assert_true(peer_attempt(known(p.b, p.a), 0)->inbound);
        mesh_done(&p.mesh);
}

static void test_connect_without_an_id(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, NULL, NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_OK);
        assert_true(peer_id_equal(&seen.peer, mesh_peer(p.b)));
        mesh_done(&p.mesh);
}

static bool b_is_met(struct mesh *m) {
        return m->nodes[0].n_peers == 1;
}

/* An address without an id stands for whom it was met as: another key there is refused, until the
 * configuration names it. */
static void test_first_met_stays(void **state) {
        struct mesh_node *other;
        struct met *met;
        struct pair p;

        pair_init(&p, NULL);
        met = transport_met(p.a->transport);
        (void) open_to(&p, NULL, NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(met->n, 1);
        assert_true(peer_id_equal(&met->entries[0].peer, mesh_peer(p.b)));
        assert_int_equal(p.a->n_met, 1);

        other = mesh_add(&p.mesh, NULL);
        p.b->is_down = true;
        other->address = p.b->address;
        (void) transport_disconnect(p.a->transport, mesh_peer(p.b));
        (void) mesh_run(&p.mesh, 10 * NSEC_PER_SEC, NULL);
        for (int i = 0; i < 2; i++) { /* said once, refused each time */
                seen.n_calls = 0;
                (void) open_to(&p, NULL, NULL);
                assert_true(mesh_run(&p.mesh, 15 * NSEC_PER_SEC, answered));
                assert_int_equal(seen.code, TRANSPORT_E_WRONG_PEER);
                assert_non_null(
                        strstr(seen.text, "/ip4/10.0.1.1/udp/4001/quic-v1: this node first met"));
                assert_non_null(strstr(seen.text, "write PEERID@host:port"));
                assert_int_equal(p.a->n_met, 2);
                assert_true(met->entries[0].is_other);
        }
        assert_int_equal(p.a->n_peers, 0);

        (void) open_to(&p, mesh_peer(other), NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, b_is_met));
        assert_true(peer_id_equal(&met->entries[0].peer, mesh_peer(p.b)));
        mesh_done(&p.mesh);
}

/* Lists are bounded, and names of lists stand for nobody. */
static void test_met_is_bounded(void **state) {
        CLEANUP(freep) struct met *m = xnew(struct met);
        struct multiaddr first, at;
        struct peer_id peer = { .len = 1 };
        char text[64];

        assert_int_equal(multiaddr_from_text(BYTES_LIT("/dnsaddr/example.org"), &at), MULTIADDR_OK);
        assert_false(met_learn(m, &at, &peer));
        for (int i = 0; i <= MET_MAX; i++) {
                (void) snprintf(text, sizeof(text), "/dns4/example.org/udp/%d/quic-v1", 4000 + i);
                assert_int_equal(multiaddr_from_text(BYTES_STR(text), &at), MULTIADDR_OK);
                if (i == 0)
                        first = at;
                assert_true(met_learn(m, &at, &peer));
                assert_false(met_learn(m, &at, &peer));
        }
        assert_int_equal(m->n, MET_MAX);
        assert_null(met_find(m, &first));
        assert_non_null(met_find(m, &at));
}

/* Defect D4: an address without an identity is no way round the deny list, in either direction: the
 * handshake tells who is there. */
static void test_denied_without_an_id(void **state) {
        for (int who = 0; who < 2; who++) {
                struct pair p;

                pair_init(&p, NULL);
                if (who == 0)
                        p.a->denied = mesh_peer(p.b);
                else
                        p.b->denied = mesh_peer(p.a);
                (void) open_to(&p, NULL, NULL);
                assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
                assert_int_not_equal(seen.code, TRANSPORT_OK);
                (void) mesh_run(&p.mesh, 5 * NSEC_PER_SEC, NULL);
                assert_int_equal(p.a->n_peers + p.b->n_peers, 0);
                mesh_done(&p.mesh);
        }
}

static void test_own_address_is_learnt(void **state) {
        struct observed_address seen_at;
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, NULL, NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, both_identified));
        assert_true(observed_address(transport_observed(p.a->transport), 0, &seen_at));
        assert_true(endpoint_equal(&seen_at.at, &p.a->address));
        assert_true(seen_at.is_believed);
        (void) mesh_run(&p.mesh, 3601 * NSEC_PER_SEC, NULL);
        assert_false(observed_address(transport_observed(p.a->transport), 0, &seen_at));
        mesh_done(&p.mesh);
}

static void test_unknown_protocol(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), "/no/such/1");
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_E_NO_PROTOCOL);
        assert_string_equal(seen.text,
                            "the peer speaks none of the 1 protocols asked for: /no/such/1");
        mesh_done(&p.mesh);
}

static void test_somebody_else_is_there(void **state) {
        struct mesh_node *c;
        struct pair p;

        pair_init(&p, NULL);
        c = mesh_add(&p.mesh, NULL);
        (void) open_to(&p, mesh_peer(c), ECHO);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_E_WRONG_PEER);
        assert_non_null(strstr(seen.text, "10.0.1.1:4001"));
        assert_int_equal(known(p.a, c)->n_addrs, 0);
        mesh_done(&p.mesh);
}

static void test_nobody_answers(void **state) {
        struct pair p;
        nsec_t began;

        pair_init(&p, NULL);
        p.b->is_down = true;
        began = p.mesh.now;
        (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_true(mesh_run(&p.mesh, 20 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_E_UNREACHABLE);
        assert_string_equal(seen.text, "tried 10.0.1.1:4001 no answer in 2s");
        assert_in_range(p.mesh.now - began, 2 * NSEC_PER_SEC, 2 * NSEC_PER_SEC + NSEC_PER_MSEC);
        mesh_done(&p.mesh);
}

static void test_back_off(void **state) {
        struct pair p;
        struct transport_open o = { .protocols = (const char *const[]){ ECHO },
                                    .n_protocols = 1,
                                    .fn = on_opened };

        pair_init(&p, NULL);
        p.b->is_down = true;
        (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_true(mesh_run(&p.mesh, 20 * NSEC_PER_SEC, answered));
        seen.n_calls = 0;
        o.peer = *mesh_peer(p.b);
        (void) transport_open(p.a->transport, &o, p.mesh.now);
        assert_true(mesh_run(&p.mesh, NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_E_BACKING_OFF);
        assert_non_null(strstr(seen.text, "not tried again for another"));
        mesh_done(&p.mesh);
}

static void test_no_address(void **state) {
        struct pair p;
        struct transport_open o = { .fn = on_opened };

        pair_init(&p, NULL);
        o.peer = *mesh_peer(p.b);
        (void) transport_open(p.a->transport, &o, p.mesh.now);
        assert_true(mesh_run(&p.mesh, NSEC_PER_SEC, answered));
        assert_int_equal(seen.code, TRANSPORT_E_NO_ADDRESS);
        mesh_done(&p.mesh);
}

static bool six_answered(struct mesh *m) {
        return seen.n_calls == 6;
}

/* Three of six are let in; when they are gone, the next one is. */
static void test_streams_per_protocol_are_limited(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        for (int i = 0; i < 6; i++)
                (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, six_answered));
        assert_int_equal(seen.n_ok, 3);
        assert_int_equal(seen.n_closed, 0);
        assert_int_equal(transport_stats(p.b->transport)->streams_refused, 3);
        assert_true(transport_disconnect(p.a->transport, mesh_peer(p.b)));
        (void) mesh_run(&p.mesh, NSEC_PER_SEC, NULL);
        assert_int_equal(seen.n_closed, 3);
        assert_int_equal(p.a->n_peers, 0);
        assert_int_equal(p.b->n_peers, 0);

        seen.n_calls = seen.n_ok = 0;
        (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        (void) mesh_run(&p.mesh, NSEC_PER_SEC, NULL);
        assert_int_equal(seen.n_ok, 1);
        assert_int_equal(seen.n_closed, 3);
        mesh_done(&p.mesh);
}

static void test_cancel(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        transport_cancel(p.a->transport, open_to(&p, mesh_peer(p.b), ECHO));
        (void) mesh_run(&p.mesh, 15 * NSEC_PER_SEC, NULL);
        assert_int_equal(seen.n_calls, 0);
        mesh_done(&p.mesh);
}

static bool a_has_a_peer(struct mesh *m) {
        return m->nodes[0].n_peers == 1;
}

/* The connection goes while a protocol is being agreed on, and with it all we knew. */
static void test_lost_while_opening(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), ECHO);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, a_has_a_peer));
        assert_true(transport_disconnect(p.a->transport, mesh_peer(p.b)));
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, answered));
        assert_int_equal(seen.n_calls, 1);
        assert_int_equal(seen.code, TRANSPORT_E_LOST);
        (void) mesh_run(&p.mesh, 20 * NSEC_PER_SEC, NULL);
        assert_int_equal(p.a->n_peers, 0);
        mesh_done(&p.mesh);
}

static bool pinned_up(struct mesh *m) {
        return m->nodes[0].n_peers == 1 && m->nodes[1].n_peers == 1;
}

static bool pinned_down(struct mesh *m) {
        return m->nodes[0].n_peers == 0;
}

/* Found although it starts late, kept past the idle timeout, found again after a cut. */
static void test_pinned(void **state) {
        struct multiaddr at;
        struct pair p;

        pair_init(&p, NULL);
        at = mesh_address(p.b);
        p.b->is_down = true;
        transport_pin(p.a->transport, &at, p.mesh.now);
        assert_false(mesh_run(&p.mesh, 20 * NSEC_PER_SEC, pinned_up));
        p.b->is_down = false;
        assert_true(mesh_run(&p.mesh, 70 * NSEC_PER_SEC, pinned_up));
        assert_false(mesh_run(&p.mesh, 300 * NSEC_PER_SEC, pinned_down));
        p.b->is_down = true;
        assert_true(mesh_run(&p.mesh, 120 * NSEC_PER_SEC, pinned_down));
        p.b->is_down = false;
        assert_true(mesh_run(&p.mesh, 200 * NSEC_PER_SEC, pinned_up));
        mesh_done(&p.mesh);
}

static void test_unneeded_connections_idle_out(void **state) {
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, pinned_up));
        assert_true(mesh_run(&p.mesh, 120 * NSEC_PER_SEC, pinned_down));
        assert_string_equal(peer_attempt(known(p.a, p.b), 0)->outcome,
                            "ended: nothing heard from the peer for too long");
        mesh_done(&p.mesh);
}

static bool dialled_both_ways(struct mesh *m) {
        return seen.n_calls == 2 && both_identified(m);
}

/* Both dial at once: both connections stay, both sides choose the same one. */
static void test_simultaneous_dials(void **state) {
        struct multiaddr at;
        struct transport_open o = { .addrs = &at, .n_addrs = 1, .fn = on_opened };
        struct transport_peer_info a, b;
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), NULL);
        at = mesh_address(p.a);
        o.peer = *mesh_peer(p.a);
        (void) transport_open(p.b->transport, &o, p.mesh.now);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, dialled_both_ways));
        (void) mesh_run(&p.mesh, NSEC_PER_SEC, NULL);
        assert_int_equal(seen.n_ok, 2);
        transport_peer_info(p.a->transport, known(p.a, p.b), &a);
        transport_peer_info(p.b->transport, known(p.b, p.a), &b);
        assert_int_equal(a.n_connections, 2);
        assert_int_equal(b.n_connections, 2);
        assert_int_not_equal(connection_is_inbound(a.connection),
                             connection_is_inbound(b.connection));
        assert_true(a.has_inbound && b.has_inbound);
        assert_int_equal(p.a->n_peers, 1); /* told once of the peer, and once of the other one */
        assert_int_equal(p.a->n_moved, 1);
        mesh_done(&p.mesh);
}

static void test_protocols_are_pushed(void **state) {
        const struct transport_protocol late = { .name = "/late/1", .open = open_echo };
        struct pair p;

        pair_init(&p, NULL);
        (void) open_to(&p, mesh_peer(p.b), NULL);
        assert_true(mesh_run(&p.mesh, 5 * NSEC_PER_SEC, both_identified));
        assert_int_equal(transport_serve(p.b->transport, &late, p.mesh.now), TRANSPORT_DONE);
        assert_int_equal(transport_serve(p.b->transport, &late, p.mesh.now), TRANSPORT_E_TAKEN);
        (void) mesh_run(&p.mesh, 900 * NSEC_PER_MSEC, NULL);
        assert_false(peer_speaks(known(p.a, p.b), "/late/1"));
        (void) mesh_run(&p.mesh, 200 * NSEC_PER_MSEC, NULL);
        assert_true(peer_speaks(known(p.a, p.b), "/late/1"));
        transport_unserve(p.b->transport, "/late/1", p.mesh.now);
        (void) mesh_run(&p.mesh, 1100 * NSEC_PER_MSEC, NULL);
        assert_false(peer_speaks(known(p.a, p.b), "/late/1"));
        mesh_done(&p.mesh);
}

static void on_pinged(void *userdata, const nsec_t *rtts, size_t n_done, size_t count) {
        seen.n_pings = n_done;
        for (size_t i = 0; i < n_done; i++)
                assert_int_equal(rtts[i], 10 * NSEC_PER_MSEC);
}

static void start_ping(void *userdata, const struct transport_opened *o) {
        struct mesh_node *a = userdata;

        assert_int_equal(o->code, TRANSPORT_OK);
        assert_non_null(
                ping_start(o->stream, 100, transport_clock(a->transport), 1, on_pinged, NULL));
}

static bool pinged(struct mesh *m) {
        return seen.n_pings == 100;
}

static void test_ping(void **state) {
        const char *const protocols[] = { PING_PROTOCOL };
        struct multiaddr at;
        struct pair p;
        struct transport_open o = { .protocols = protocols,
                                    .n_protocols = 1,
                                    .addrs = &at,
                                    .n_addrs = 1,
                                    .fn = start_ping };

        pair_init(&p, NULL);
        at = mesh_address(p.b);
        o.peer = *mesh_peer(p.b);
        o.userdata = p.a;
        (void) transport_open(p.a->transport, &o, p.mesh.now);
        assert_true(mesh_run(&p.mesh, 10 * NSEC_PER_SEC, pinged));
        assert_int_equal(transport_stats(p.b->transport)->pings_answered, 100);
        mesh_done(&p.mesh);
}

static void on_measured(void *userdata, const struct perf_result *result) {
        seen.perf = *result;
        seen.n_calls++;
}

static void start_perf(void *userdata, const struct transport_opened *o) {
        struct mesh_node *a = userdata;

        assert_int_equal(o->code, TRANSPORT_OK);
        assert_non_null(perf_start(o->stream, 3000001, 2000003, transport_clock(a->transport),
                                   on_measured, NULL));
}

static void allow_perf(struct transport_config *c) {
        c->perf_for_all = true;
}

static void test_perf(void **state) {
        const char *const protocols[] = { PERF_PROTOCOL };
        struct multiaddr at;
        struct pair p;
        struct transport_open o = { .protocols = protocols,
                                    .n_protocols = 1,
                                    .addrs = &at,
                                    .n_addrs = 1,
                                    .fn = start_perf };

        pair_init(&p, allow_perf);
        at = mesh_address(p.b);
        o.peer = *mesh_peer(p.b);
        o.userdata = p.a;
        (void) transport_open(p.a->transport, &o, p.mesh.now);
        assert_true(mesh_run(&p.mesh, 60 * NSEC_PER_SEC, answered));
        assert_true(seen.perf.is_complete);
        assert_int_equal(seen.perf.up, 3000001);
        assert_int_equal(seen.perf.down, 2000003);
        assert_true(seen.perf.up_took > 0 && seen.perf.down_took > 0);
        mesh_done(&p.mesh);
}

TEST_MAIN(cmocka_unit_test(test_open_dials_identifies_and_agrees),
          cmocka_unit_test(test_connect_without_an_id), cmocka_unit_test(test_first_met_stays),
          cmocka_unit_test(test_met_is_bounded), cmocka_unit_test(test_denied_without_an_id),
          cmocka_unit_test(test_own_address_is_learnt), cmocka_unit_test(test_unknown_protocol),
          cmocka_unit_test(test_somebody_else_is_there), cmocka_unit_test(test_nobody_answers),
          cmocka_unit_test(test_back_off), cmocka_unit_test(test_no_address),
          cmocka_unit_test(test_streams_per_protocol_are_limited), cmocka_unit_test(test_cancel),
          cmocka_unit_test(test_lost_while_opening), cmocka_unit_test(test_pinned),
          cmocka_unit_test(test_unneeded_connections_idle_out),
          cmocka_unit_test(test_simultaneous_dials), cmocka_unit_test(test_protocols_are_pushed),
          cmocka_unit_test(test_ping), cmocka_unit_test(test_perf))
