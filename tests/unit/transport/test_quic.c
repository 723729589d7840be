#include "services/transport/quic.h"
#include "services/transport/quic/internal.h"
#include "tests/support/test.h"
#include "tests/unit/transport/flow.h"
#include "tests/unit/transport/net.h"

static bool both_connected(struct net *net) {
        return net->nodes[0].n_connected > 0 && net->nodes[1].n_connected > 0;
}

static bool dialler_closed(struct net *net) {
        return net->nodes[0].n_closed > 0;
}

static void two_nodes(struct net *net, uint64_t seed, const struct quic_config *config) {
        net_init(net, seed);
        net_add(net, config);
        net_add(net, config);
}

static void connected(struct net *net, uint64_t seed, const struct quic_config *config) {
        two_nodes(net, seed, config);
        net_dial(&net->nodes[0], &net->nodes[1], NULL);
        assert_true(net_run(net, 10 * NSEC_PER_SEC, both_connected));
}

static void test_handshake(void **state) {
        struct net_node *a, *b;
        struct net net;

        connected(&net, 1, NULL);
        a = &net.nodes[0];
        b = &net.nodes[1];
        assert_true(peer_id_equal(connection_peer(a->connection), net_peer(b)));
        assert_true(peer_id_equal(connection_peer(b->connection), net_peer(a)));
        /* two round trips of 20 ms until the client knows that it was accepted */
        assert_in_range(net.now - NSEC_PER_SEC, 40 * NSEC_PER_MSEC, 45 * NSEC_PER_MSEC);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_true(a->connection->n_cids >= 4 && b->connection->n_cids >= 4);
        connection_close(a->connection, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a->last_end.kind, CONNECTION_END_LOCAL);
        assert_int_equal(b->last_end.kind, CONNECTION_END_PEER);
        assert_true(b->last_end.was_confirmed);
        net_run(&net, 60 * NSEC_PER_SEC, NULL);
        assert_int_equal(map_count(a->quic->cids) + map_count(b->quic->cids), 0);
        assert_int_equal(a->quic->n_closed + b->quic->n_closed, 0);
        net_done(&net);
}

/* The same seed gives the same run. TLS draws its own randomness, so contents differ,
 * but not a size or an instant. */
static void test_same_seed_same_trace(void **state) {
        nsec_t ends[2];
        uint64_t bytes[2];

        for (int i = 0; i < 2; i++) {
                struct flow a = { .to_send = 300000 }, b = {};
                struct quic_stats stats;
                struct net net;

                two_nodes(&net, 77, NULL);
                net.loss = 0.05;
                net.jitter = 5 * NSEC_PER_MSEC;
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                assert_true(net_run(&net, 20 * NSEC_PER_SEC, both_connected));
                net.nodes[1].acceptor = &flow_handler;
                net.nodes[1].acceptor_userdata = &b;
                connection_open_stream(net.nodes[0].connection, &flow_handler, &a, NULL);
                net_run(&net, 20 * NSEC_PER_SEC, NULL);
                quic_stats(net.nodes[0].quic, &stats);
                bytes[i] = stats.bytes_out;
                ends[i] = net.sequence;
                net_done(&net);
        }
        assert_int_equal(bytes[0], bytes[1]);
        assert_int_equal(ends[0], ends[1]);
}

/* Lost first packets are repeated after 1, 2, 4 ... seconds: given time, all get through. */
static void test_handshakes_survive_loss(void **state) {
        struct quic_config config;

        quic_config_default(&config);
        config.handshake_timeout = 60 * NSEC_PER_SEC;
        config.idle_timeout = 60 * NSEC_PER_SEC;
        for (uint64_t seed = 100; seed < 130; seed++) {
                struct net net;

                two_nodes(&net, seed, &config);
                net.loss = 0.15;
                net.jitter = 10 * NSEC_PER_MSEC;
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                assert_true(net_run(&net, 60 * NSEC_PER_SEC, both_connected));
                net_done(&net);
        }
}

static void test_wrong_peer_is_refused(void **state) {
        struct net_node *a;
        struct net net;

        two_nodes(&net, 2, NULL);
        a = &net.nodes[0];
        net_dial(a, &net.nodes[1], net_peer(a));
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(a->n_connected, 0);
        assert_int_equal(a->last_end.kind, CONNECTION_END_TLS);
        assert_int_equal(a->last_end.verdict, TLS_E_WRONG_PEER);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].n_connected, 0);
        assert_int_equal(net.nodes[1].n_closed, 0); /* it never heard of it */
        net_done(&net);
}

static bool nobody(void *userdata, const struct peer_id *peer, bool inbound) {
        return false;
}

/* The dialler's own handshake completes before the other side refuses its certificate:
 * it must not call that a connection. */
static void test_peers_not_allowed_are_never_connected(void **state) {
        struct net net;

        two_nodes(&net, 3, NULL);
        net.nodes[1].allow = nobody;
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].n_connected + net.nodes[1].n_connected, 0);
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_PEER_REFUSED);
        assert_false(net.nodes[0].last_end.was_confirmed);
        net_done(&net);
}

/* Spoils what a dialler is about to show before its first packet is made. */
static void refused_with(uint64_t seed, void (*spoil)(struct connection *c), uint64_t code) {
        struct connection *c;
        struct net net;

        two_nodes(&net, seed, NULL);
        c = net_dial(&net.nodes[0], &net.nodes[1], NULL);
        spoil(c);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].n_connected + net.nodes[1].n_connected, 0);
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_PEER_REFUSED);
        assert_int_equal(net.nodes[0].last_end.code, code);
        net_run(&net, 60 * NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].quic->stats.n_half_open, 0);
        net_done(&net);
}

static gnutls_certificate_credentials_t empty;

static void show_no_certificate(struct connection *c) {
        gnutls_certificate_allocate_credentials(&empty);
        gnutls_credentials_set(c->tls.gnutls, GNUTLS_CRD_CERTIFICATE, empty);
}

static void speak_h3(struct connection *c) {
        static const gnutls_datum_t h3 = { (unsigned char *) "h3", 2 };

        show_no_certificate(c);
        tls_session_done(&c->tls);
        gnutls_init(&c->tls.gnutls, GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA);
        gnutls_priority_set_direct(
                c->tls.gnutls, "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE", NULL);
        gnutls_credentials_set(c->tls.gnutls, GNUTLS_CRD_CERTIFICATE, empty);
        gnutls_alpn_set_protocols(c->tls.gnutls, &h3, 1, 0);
        gnutls_session_set_ptr(c->tls.gnutls, &c->tls.ref);
        qc_configure_client_session(c->tls.gnutls);
        ngtcp2_conn_set_tls_native_handle(c->ngtcp2, c->tls.gnutls);
}

static void test_no_certificate_is_refused(void **state) {
        refused_with(4, show_no_certificate, NGTCP2_CRYPTO_ERROR | 116); /* certificate_required */
        gnutls_certificate_free_credentials(empty);
}

static void test_wrong_alpn_is_refused(void **state) {
        refused_with(5, speak_h3, NGTCP2_CRYPTO_ERROR | 120); /* no_application_protocol */
        gnutls_certificate_free_credentials(empty);
}

static void test_nobody_answers(void **state) {
        struct net net;

        two_nodes(&net, 6, NULL);
        net.loss = 1;
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, 6 * NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_TIMEOUT);
        assert_in_range(net.now, 6 * NSEC_PER_SEC, 6 * NSEC_PER_SEC + NSEC_PER_MSEC);
        net_done(&net);
}

static void test_idle_connections_end_and_needed_ones_stay(void **state) {
        struct net net;

        connected(&net, 7, NULL);
        net_run(&net, 25 * NSEC_PER_SEC, NULL); /* nothing moves when it becomes needed */
        connection_need(net.nodes[0].connection);
        net_run(&net, 120 * NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_closed + net.nodes[1].n_closed, 0);
        connection_unneed(net.nodes[0].connection);
        net_run(&net, 40 * NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_closed + net.nodes[1].n_closed, 2);
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_IDLE);
        net_done(&net);
}

/* A peer that restarted and forgot us says so: we know long before the idle timeout. */
static void test_stateless_reset_after_restart(void **state) {
        struct flow a = { .to_send = 100 };
        struct net net;

        connected(&net, 8, NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        net.loss = 1; /* a crash says no goodbye */
        net_restart(&net.nodes[1]);
        net_flush(&net);
        net.loss = 0;
        connection_open_stream(net.nodes[0].connection, &flow_handler, &a, NULL);
        net.nodes[0].n_closed = 0;
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_RESET);
        assert_int_equal(a.end, STREAM_END_LOST);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net.nodes[1].n_connected = 0;
        assert_true(net_run(&net, NSEC_PER_SEC, both_connected));
        net_done(&net);
}

static void test_retry_under_load(void **state) {
        struct quic_config config;
        struct quic_stats stats;
        struct net net;

        quic_config_default(&config);
        config.limits.retry_above = 0;
        connected(&net, 9, &config);
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.retries, 1);
        assert_int_equal(stats.accepted, 1);
        assert_in_range(net.now - NSEC_PER_SEC, 60 * NSEC_PER_MSEC, 65 * NSEC_PER_MSEC);
        net_done(&net);
}

/* A flood of first packets from forged addresses costs bounded memory. */
static void test_half_open_handshakes_are_bounded(void **state) {
        struct quic_config config;
        struct quic_stats stats;
        struct net net;

        quic_config_default(&config);
        config.limits.retry_above = 8;
        config.limits.connections_per_net = 1000;
        two_nodes(&net, 10, &config);
        for (int i = 0; i < 200; i++) {
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                net_flush(&net);
        }
        for (size_t i = 0; i < net.n_packets; i++) {
                net.packets[i].source.addr[2] = (uint8_t) (100 + i);
                net.packets[i].source.addr[3] = (uint8_t) i;
        }
        net_run(&net, 100 * NSEC_PER_MSEC, NULL);
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.accepted, 8);
        assert_int_equal(stats.n_half_open, 8);
        assert_in_range(stats.retries, 64, 192); /* those beyond the queue went unanswered */
        net_run(&net, 60 * NSEC_PER_SEC, NULL);
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.n_half_open, 0);
        assert_int_equal(map_count(net.nodes[1].quic->per_ip), 0);
        assert_int_equal(map_count(net.nodes[1].quic->cids), 0);
        net_done(&net);
}

static uint16_t nat_port;

static void rewrite(struct net *net, struct endpoint *source) {
        if (source->addr[2] == 0) /* the dialler sits behind it */
                source->port = nat_port;
}

static void test_nat_rebinding(void **state) {
        struct flow a = { .key = 3, .to_send = 3 << 20 }, b = { .key = 3 };
        struct net net;

        two_nodes(&net, 11, NULL);
        nat_port = 30001;
        net.nat = rewrite;
        net.nodes[1].acceptor = &flow_handler;
        net.nodes[1].acceptor_userdata = &b;
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, both_connected));
        assert_int_equal(connection_path(net.nodes[1].connection).remote.port, 30001);
        connection_open_stream(net.nodes[0].connection, &flow_handler, &a, NULL);
        net_run(&net, 100 * NSEC_PER_MSEC, NULL);
        nat_port = 30002;
        net_run(&net, 30 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.to_send);
        assert_false(b.is_corrupt);
        assert_int_equal(net.nodes[1].n_paths, 1);
        assert_int_equal(net.nodes[0].n_closed + net.nodes[1].n_closed, 0);
        assert_int_equal(connection_path(net.nodes[1].connection).remote.port, 30002);
        net_done(&net);
}

/* A NAT that changes its mind: the answer to the challenge comes from the old address.
 * ngtcp2 0.12 alone would abort. */
static void test_nat_there_and_back(void **state) {
        for (nsec_t pause = 1; pause < 60; pause += 2) {
                struct flow a = { .key = 3, .to_send = 10, .no_finish = true }, b = { .key = 3 };
                struct net net;

                two_nodes(&net, 23, NULL);
                nat_port = 30001;
                net.nat = rewrite;
                net.nodes[1].acceptor = &flow_handler;
                net.nodes[1].acceptor_userdata = &b;
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                assert_true(net_run(&net, NSEC_PER_SEC, both_connected));
                net_run(&net, NSEC_PER_SEC, NULL);
                nat_port = 30002;
                connection_open_stream(net.nodes[0].connection, &flow_handler, &a, NULL);
                net_run(&net, pause * NSEC_PER_MSEC, NULL);
                nat_port = 30001;
                a.to_send += 100000;
                flow_send(&a);
                net_run(&net, 20 * NSEC_PER_SEC, NULL);
                assert_int_equal(b.received, a.to_send);
                assert_int_equal(net.nodes[0].n_closed + net.nodes[1].n_closed, 0);
                net_done(&net);
        }
}

/* The dialler takes another way, as from a relay to a direct path, without a new handshake. */
static void test_migration(void **state) {
        struct flow a = { .key = 3, .to_send = 1 << 20 }, b = { .key = 3 };
        struct net_node *from;
        struct path path;
        struct net net;

        connected(&net, 21, NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        from = &net.nodes[0];
        net.nodes[1].acceptor = &flow_handler;
        net.nodes[1].acceptor_userdata = &b;
        connection_open_stream(from->connection, &flow_handler, &a, NULL);
        net_run(&net, 50 * NSEC_PER_MSEC, NULL);
        path = connection_path(from->connection);
        path.link = 3;
        path.local.port = from->address.port = 5001;
        assert_int_equal(quic_migrate(net.nodes[1].quic, net.nodes[1].connection, &path, net.now),
                         CONNECTION_E_CLOSED);
        assert_int_equal(quic_migrate(from->quic, from->connection, &path, net.now), CONNECTION_OK);
        net_run(&net, 20 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.to_send);
        assert_false(b.is_corrupt);
        assert_int_equal(from->n_paths, 1);
        path = connection_path(from->connection);
        assert_int_equal(path.link, 3);
        assert_int_equal(path.local.port, 5001);
        assert_int_equal(connection_path(net.nodes[1].connection).remote.port, 5001);
        net_done(&net);
}

/* The third that dials finds no room, in whatever way room is short; later it does. */
static void refused_until_room(const struct quic_config *config) {
        struct net net;

        connected(&net, 20, config);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        net_add(&net, NULL);
        net_dial(&net.nodes[2], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[2].last_end.code, NGTCP2_CONNECTION_REFUSED);
        connection_close(net.nodes[0].connection, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        net_dial(&net.nodes[2], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[2].n_connected, 1);
        net_done(&net);
}

static void test_room_is_bounded_and_comes_back(void **state) {
        struct quic_config config;

        quic_config_default(&config);
        config.limits.total_receive_bytes = 2 * 512 * 1024 + 1000;
        refused_until_room(&config);
        quic_config_default(&config);
        config.limits.connections = 3; /* one is kept for dialling */
        config.limits.inbound = 2;
        refused_until_room(&config);
}

/* Handshakes cost signatures: a network that keeps asking is put off for the second. */
static void test_handshakes_per_second(void **state) {
        struct quic_config config;
        struct quic_stats stats;
        struct net net;

        quic_config_default(&config);
        config.limits.handshakes_per_net = 5;
        two_nodes(&net, 22, &config);
        for (int i = 0; i < 8; i++) {
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                net_run(&net, 50 * NSEC_PER_MSEC, NULL);
                if (net.nodes[0].connection)
                        connection_close(net.nodes[0].connection, 0);
                net_run(&net, 50 * NSEC_PER_MSEC, NULL);
        }
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.accepted, 5);
        assert_int_equal(stats.refused_limit, 3);
        net_run(&net, NSEC_PER_SEC, NULL);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_connected, 6);
        net_done(&net);
}

static void test_total_limit_covers_dialling(void **state) {
        struct quic_config config;
        struct connection *c;
        struct path path;
        struct net net;

        quic_config_default(&config);
        config.limits.connections = 1;
        connected(&net, 13, &config);
        path = connection_path(net.nodes[0].connection);
        assert_int_equal(quic_dial(net.nodes[0].quic, &path, NULL, net.now, &c), QUIC_E_LIMIT);
        net_done(&net);
}

static void test_short_initials_are_dropped(void **state) {
        struct quic_stats stats;
        struct net net;

        two_nodes(&net, 14, NULL);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_flush(&net);
        assert_int_equal(net.n_packets, 1);
        assert_true(net.packets[0].len >= 1200);
        net_inject(&net.nodes[1], &net.nodes[0].address, BYTES(net.packets[0].data, 1199));
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.dropped_small_initial, 1);
        assert_int_equal(stats.n_connections, 0);
        net_done(&net);
}

static void test_unknown_versions_are_negotiated(void **state) {
        uint8_t packet[1200] = {
                0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 3, 9, 9, 9
        };
        static const uint8_t answer[] = { 0, 0, 0, 0, 3, 9, 9, 9, 8, 1, 2,
                                          3, 4, 5, 6, 7, 8, 0, 0, 0, 1 };
        struct net net;

        two_nodes(&net, 15, NULL);
        net_inject(&net.nodes[1], &net.nodes[0].address, BYTES_OF(packet));
        net_flush(&net);
        assert_int_equal(net.n_packets, 1);
        assert_bytes_equal(BYTES(net.packets[0].data + 1, net.packets[0].len - 1),
                           BYTES_OF(answer));
        net_inject(&net.nodes[1], &net.nodes[0].address, BYTES(packet, 1199));
        memset(packet + 1, 0, 4); /* a version negotiation packet is never answered by one */
        net_inject(&net.nodes[1], &net.nodes[0].address, BYTES_OF(packet));
        net_flush(&net);
        assert_int_equal(net.n_packets, 1);
        net_done(&net);
}

static void test_garbage_changes_nothing(void **state) {
        uint8_t packet[1500];
        struct quic_stats stats;
        struct net net;

        connected(&net, 16, NULL);
        for (int i = 0; i < 5000; i++) {
                size_t n = rng_below(&net.rng, sizeof(packet)) + 1;

                rng_bytes(&net.rng, packet, n);
                if (i % 3 == 0 && n > 9) /* to a live connection */
                        memcpy(packet + 1, net.nodes[1].connection->cids[0].data, 8);
                net_inject(&net.nodes[1], &net.nodes[0].address, BYTES(packet, n));
        }
        net_run(&net, NSEC_PER_SEC, NULL);
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.n_connections, 1);
        assert_int_equal(net.nodes[0].n_closed + net.nodes[1].n_closed, 0);
        net_done(&net);
}

static void test_datagrams(void **state) {
        struct connection_stats stats;
        struct connection *c;
        uint8_t data[1400] = {};
        struct net net;

        connected(&net, 17, NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        c = net.nodes[0].connection;
        connection_stats(c, &stats);
        assert_int_equal(connection_send_datagram(c, BYTES(data, stats.max_payload)),
                         CONNECTION_E_SIZE);
        for (int i = 0; i < DATAGRAMS_MAX; i++)
                assert_int_equal(connection_send_datagram(c, BYTES(data, 1000)), CONNECTION_OK);
        assert_int_equal(connection_send_datagram(c, BYTES(data, 1000)), CONNECTION_E_BUSY);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].n_datagrams, DATAGRAMS_MAX);
        assert_int_equal(c->budget.used, 0);
        net_done(&net);
}

/* A packet after which nothing waits asks for no turn at the end of the pacer's pause (some
 * 100 us here); one that comes within it does. */
static void test_pacer_wakes_for_what_waits(void **state) {
        uint8_t data[100] = {};
        struct net_node *n;
        struct net net;

        connected(&net, 18, NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        n = &net.nodes[0];
        assert_int_equal(connection_send_datagram(n->connection, BYTES_OF(data)), CONNECTION_OK);
        net_flush(&net);
        assert_true(quic_deadline(n->quic) >= net.now + 2 * NSEC_PER_MSEC);
        assert_int_equal(connection_send_datagram(n->connection, BYTES_OF(data)), CONNECTION_OK);
        net_flush(&net);
        assert_true(quic_deadline(n->quic) < net.now + NSEC_PER_MSEC);
        net_run(&net, 12 * NSEC_PER_MSEC, NULL);
        assert_int_equal(net.nodes[1].n_datagrams, 2);
        net_done(&net);
}

static void test_not_listening(void **state) {
        struct net net;

        two_nodes(&net, 18, NULL);
        quic_listen(net.nodes[1].quic, false);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, 6 * NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_TIMEOUT);
        net_done(&net);
}

/* Both dial at once: two connections, both good. */
static void test_simultaneous_dials(void **state) {
        struct net net;

        two_nodes(&net, 19, NULL);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_dial(&net.nodes[1], &net.nodes[0], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_connected, 2);
        assert_int_equal(net.nodes[1].n_connected, 2);
        net_done(&net);
}

TEST_MAIN(cmocka_unit_test(test_handshake), cmocka_unit_test(test_same_seed_same_trace),
          cmocka_unit_test(test_handshakes_survive_loss),
          cmocka_unit_test(test_wrong_peer_is_refused),
          cmocka_unit_test(test_peers_not_allowed_are_never_connected),
          cmocka_unit_test(test_no_certificate_is_refused),
          cmocka_unit_test(test_wrong_alpn_is_refused), cmocka_unit_test(test_nobody_answers),
          cmocka_unit_test(test_idle_connections_end_and_needed_ones_stay),
          cmocka_unit_test(test_stateless_reset_after_restart),
          cmocka_unit_test(test_retry_under_load),
          cmocka_unit_test(test_half_open_handshakes_are_bounded),
          cmocka_unit_test(test_nat_rebinding), cmocka_unit_test(test_nat_there_and_back),
          cmocka_unit_test(test_migration), cmocka_unit_test(test_room_is_bounded_and_comes_back),
          cmocka_unit_test(test_handshakes_per_second),
          cmocka_unit_test(test_total_limit_covers_dialling),
          cmocka_unit_test(test_short_initials_are_dropped),
          cmocka_unit_test(test_unknown_versions_are_negotiated),
          cmocka_unit_test(test_garbage_changes_nothing), cmocka_unit_test(test_datagrams),
          cmocka_unit_test(test_pacer_wakes_for_what_waits), cmocka_unit_test(test_not_listening),
          cmocka_unit_test(test_simultaneous_dials))
