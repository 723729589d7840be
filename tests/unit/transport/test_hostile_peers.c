/* Authenticated peers that mean harm: whole transports on virtual time. */

#include "common/wire/frame.h"
#include "services/transport/core/manager.h"
#include "tests/support/test.h"
#include "tests/unit/transport/mesh.h"

#define PUSH "/ipfs/id/push/1.0.0"

static struct {
        struct mesh mesh;
        struct mesh_node *a, *b;
        size_t n_answers;
        enum transport_code code;
        char text[TRANSPORT_TEXT_SIZE];
        struct multiaddr said;
} net;

static void on_opened(void *userdata, const struct transport_opened *o) {
        net.n_answers++;
        net.code = o->code;
        (void) snprintf(net.text, sizeof(net.text), "%s", o->text);
        if (o->stream)
                stream_abandon(o->stream, 0);
}

static void open_to_b(const char *protocol, transport_opened_fn fn, bool with_address) {
        struct multiaddr at = mesh_address(net.b);
        struct transport_open o = { .peer = *mesh_peer(net.b),
                                    .protocols = &protocol,
                                    .n_protocols = protocol ? 1 : 0,
                                    .addrs = &at,
                                    .n_addrs = with_address,
                                    .fn = fn };

        (void) transport_open(net.a->transport, &o, net.mesh.now);
}

static bool both_identified(struct mesh *m) {
        return net.a->n_identified > 0 && net.b->n_identified > 0;
}

static void start(void) {
        memset(&net, 0, sizeof(net));
        mesh_init(&net.mesh);
        net.a = mesh_add(&net.mesh, NULL);
        net.b = mesh_add(&net.mesh, NULL);
        open_to_b(NULL, on_opened, true);
        assert_true(mesh_run(&net.mesh, 5 * NSEC_PER_SEC, both_identified));
        assert_int_equal(net.code, TRANSPORT_OK);
}

static void put_push(struct buffer *b) {
        struct identify_self self = { .key = net.a->config.key,
                                      .listen = &net.said,
                                      .n_listen = net.said.len > 0,
                                      .agent = "loud" };

        identify_put(b, &self, NULL);
}

static const struct stream_handler silent = { .on_data = NULL };

static void on_push_opened(void *userdata, const struct transport_opened *o) {
        CLEANUP(buffer_donep) struct buffer b = {};

        net.n_answers++;
        if (o->code != TRANSPORT_OK)
                return;
        stream_attach(o->stream, &silent, NULL);
        buffer_init(&b, 100000);
        for (int i = 0; i < 10; i++)
                put_push(&b);
        (void) stream_write(o->stream, buffer_bytes(&b));
        stream_finish(o->stream);
}

/* Each message may cost us the check of a signature. */
static void test_pushes_are_rationed(void **state) {
        const struct transport_stats *stats;

        start();
        for (int i = 0; i < 50; i++) {
                open_to_b(PUSH, on_push_opened, false);
                (void) mesh_run(&net.mesh, 40 * NSEC_PER_MSEC, NULL);
        }
        stats = transport_stats(net.b->transport);
        assert_in_range(stats->identified, 10, HEARINGS_BURST + 3 * HEARINGS_RATE + 1);
        assert_in_range(stats->hearings_refused, 20, 60);
        assert_non_null(transport_connection(net.b->transport, mesh_peer(net.a)));
        mesh_done(&net.mesh);
}

static void test_connections_of_one_peer_are_bounded(void **state) {
        struct transport_peer_info info;

        start();
        for (int i = 0; i < 14; i++) {
                struct path path = { .local = net.a->address, .remote = net.b->address };
                struct connection *c;

                assert_int_equal(quic_dial(net.a->transport->quic, &path, mesh_peer(net.b),
                                           net.mesh.now, &c),
                                 QUIC_OK);
                (void) mesh_run(&net.mesh, 100 * NSEC_PER_MSEC, NULL);
        }
        transport_peer_info(net.b->transport,
                            peers_find(transport_peers(net.b->transport), mesh_peer(net.a)), &info);
        assert_int_equal(info.n_connections, CONTACTS_PER_PEER);
        net.n_answers = 0;
        open_to_b("/ipfs/ping/1.0.0", on_opened, false);
        (void) mesh_run(&net.mesh, NSEC_PER_SEC, NULL);
        assert_int_equal(net.n_answers, 1);
        assert_int_equal(net.code, TRANSPORT_OK);
        mesh_done(&net.mesh);
}

static void push_address(const char *text) {
        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &net.said), MULTIADDR_OK);
        open_to_b(PUSH, on_push_opened, false);
        (void) mesh_run(&net.mesh, NSEC_PER_SEC, NULL);
}

/* What b would dial for a, who is gone. */
static void dial_back(void) {
        struct transport_open o = { .peer = *mesh_peer(net.a), .force = true, .fn = on_opened };

        transport_disconnect(net.b->transport, mesh_peer(net.a));
        (void) mesh_run(&net.mesh, NSEC_PER_SEC, NULL);
        net.a->is_down = true;
        net.n_answers = 0;
        (void) transport_open(net.b->transport, &o, net.mesh.now);
        (void) mesh_run(&net.mesh, 20 * NSEC_PER_SEC, NULL);
        assert_int_equal(net.n_answers, 1);
}

static void test_names_lead_to_no_door_of_ours(void **state) {
        const uint8_t loopback[4] = { 127, 0, 0, 1 };

        start();
        net.mesh.named = endpoint_ip4(loopback, 53);
        push_address("/dns4/evil.example/udp/53/quic-v1");
        dial_back();
        assert_non_null(strstr(net.text, "has no address"));
        assert_null(strstr(net.text, "127.0.0.1"));
        mesh_done(&net.mesh);
}

/* Each may be sixteen look-ups. */
static void test_dnsaddr_of_strangers_is_not_followed(void **state) {
        start();
        push_address("/dnsaddr/evil.example");
        dial_back();
        assert_null(strstr(net.text, "evil.example"));
        mesh_done(&net.mesh);
}

/* b was told by others where a is. */
static void told_about_a(const char *text, bool is_told) {
        struct transport_open o = { .peer = *mesh_peer(net.a),
                                    .addrs = &net.said,
                                    .n_addrs = 1,
                                    .is_told = is_told,
                                    .force = true,
                                    .fn = on_opened };

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &net.said), MULTIADDR_OK);
        net.n_answers = 0;
        net.text[0] = '\0';
        (void) transport_open(net.b->transport, &o, net.mesh.now);
        (void) mesh_run(&net.mesh, 20 * NSEC_PER_SEC, NULL);
        assert_int_equal(net.n_answers, 1);
}

static const struct {
        const char *name, *said;
        uint8_t named[4]; /* where names lead */
        bool by_stranger, is_dialled;
        const char *at;
} told_cases[] = {
        { "loopback", "/ip4/127.0.0.1/udp/53/quic-v1", {}, true, false, "127.0.0.1" },
        { "private", "/ip4/192.168.7.7/udp/53/quic-v1", {}, true, false, "192.168.7.7" },
        { "public", "/ip4/8.8.8.8/udp/53/quic-v1", {}, true, true, "8.8.8.8" },
        { "a name", "/dns4/x.example/udp/53/quic-v1", { 8, 8, 8, 8 }, true, true, "8.8.8.8" },
        { "a name of ours",
          "/dns4/x.example/udp/53/quic-v1",
          { 127, 0, 0, 1 },
          true,
          false,
          "127.0.0.1" },
        { "more look-ups", "/dnsaddr/x.example", { 8, 8, 8, 8 }, true, false, "x.example" },
        { "the operator's loopback",
          "/ip4/127.0.0.1/udp/53/quic-v1",
          {},
          false,
          true,
          "127.0.0.1" },
        { "the operator's name",
          "/dns4/x.example/udp/53/quic-v1",
          { 10, 9, 9, 9 },
          false,
          true,
          "10.9.9.9" },
};

/* What services heard of a peer leads to no door that it could not have told us of itself; names
 * are no way round, but they are dialled (defect D3), and so is what the operator wrote. */
static void test_told_addresses(void **state) {
        FOREACH_CASE (c, told_cases) {
                struct multiaddr public;

                print_message("# %s\n", c->name);
                start();
                net.mesh.named = endpoint_ip4(c->named, 53);
                assert_int_equal(
                        multiaddr_from_text(BYTES_LIT("/ip4/8.8.4.4/udp/4001/quic-v1"), &public),
                        MULTIADDR_OK);
                transport_set_addresses(net.b->transport, &public, 1, net.mesh.now);
                transport_disconnect(net.b->transport, mesh_peer(net.a));
                (void) mesh_run(&net.mesh, NSEC_PER_SEC, NULL);
                net.a->is_down = true;
                told_about_a(c->said, c->by_stranger);
                assert_int_equal(strstr(net.text, c->at) != NULL, c->is_dialled);
                mesh_done(&net.mesh);
        }
}

static void test_private_addresses_only_among_private_ones(void **state) {
        struct multiaddr public;

        start();
        push_address("/ip4/192.168.7.7/udp/53/quic-v1");
        assert_int_equal(multiaddr_from_text(BYTES_LIT("/ip4/8.8.4.4/udp/4001/quic-v1"), &public),
                         MULTIADDR_OK);
        transport_set_addresses(net.b->transport, &public, 1, net.mesh.now);
        dial_back();
        assert_null(strstr(net.text, "192.168.7.7"));
        mesh_done(&net.mesh);
}

TEST_MAIN(cmocka_unit_test(test_pushes_are_rationed),
          cmocka_unit_test(test_connections_of_one_peer_are_bounded),
          cmocka_unit_test(test_names_lead_to_no_door_of_ours),
          cmocka_unit_test(test_dnsaddr_of_strangers_is_not_followed),
          cmocka_unit_test(test_told_addresses),
          cmocka_unit_test(test_private_addresses_only_among_private_ones))
