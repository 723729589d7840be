/* Peers that speak QUIC and TLS, and mean harm. */

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <time.h>

#include "services/transport/quic/internal.h"
#include "tests/support/test.h"
#include "tests/unit/transport/net.h"

static bool both_connected(struct net *net) {
        return net->nodes[0].n_connected > 0 && net->nodes[1].n_connected > 0;
}

static void two_nodes(struct net *net, uint64_t seed) {
        net_init(net, seed);
        net_add(net, NULL);
        net_add(net, NULL);
}

static struct net *connected(struct net *net, uint64_t seed) {
        two_nodes(net, seed);
        net_dial(&net->nodes[0], &net->nodes[1], NULL);
        assert_true(net_run(net, 10 * NSEC_PER_SEC, both_connected));
        net_run(net, NSEC_PER_SEC, NULL);
        return net;
}

static struct connection *dialled;

/* ---- TLS messages after the handshake ---- */

/* From one node to the other over CRYPTO frames of 1-RTT packets. */
static void send_tls(struct net *net, size_t from, struct bytes message) {
        struct connection *c = net->nodes[from].connection;

        assert_int_equal(ngtcp2_conn_submit_crypto_data(c->ngtcp2, NGTCP2_CRYPTO_LEVEL_APPLICATION,
                                                        message.data, message.len),
                         0);
        connection_wake(c);
        net_run(net, 2 * NSEC_PER_SEC, NULL);
}

static const struct {
        const char *name;
        struct bytes message;
        bool server_may; /* a server may send it to its client, who does not mind */
} messages[] = {
        { "KeyUpdate, not requested", BYTES_LIT("\x18\x00\x00\x01\x00"), false },
        { "KeyUpdate, requested", BYTES_LIT("\x18\x00\x00\x01\x01"), false },
        { "NewSessionTicket",
          BYTES_LIT("\x04\x00\x00\x16\x00\x00\x0e\x10\x00\x00\x00\x01\x01\x61\x00\x08"
                    "abcdefgh"
                    "\x00\x00"),
          true },
        { "CertificateRequest", BYTES_LIT("\x0d\x00\x00\x03\x00\x00\x00"), false },
        { "Finished",
          BYTES_LIT("\x14\x00\x00\x20"
                    "01234567890123456789012345678901"),
          false },
        { "ClientHello", BYTES_LIT("\x01\x00\x00\x02\x03\x03"), false },
        { "a ticket that never ends", BYTES_LIT("\x04\xff\xff\xff\x00"), false },
        { "unknown type", BYTES_LIT("\x63\x00\x00\x00"), false },
};

static void test_tls_messages_after_the_handshake(void **state) {
        FOREACH_CASE (m, messages) {
                for (size_t from = 0; from < 2; from++) {
                        struct net net;

                        print_message("# %s from the %s\n", m->name, from ? "server" : "client");
                        connected(&net, 40 + from);
                        send_tls(&net, from, m->message);
                        assert_int_equal(net.nodes[1 - from].n_closed, !(m->server_may && from));
                        net_done(&net);
                }
        }
}

static bool dialler_completed(struct net *net) {
        return connection_state(dialled) == CONNECTION_COMPLETED;
}

/* Behind the client's Finished, while the server still reads packets of that level. */
static void test_key_update_in_handshake_packets(void **state) {
        struct net net;

        two_nodes(&net, 45);
        dialled = net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_completed));
        assert_int_equal(
                ngtcp2_conn_submit_crypto_data(dialled->ngtcp2, NGTCP2_CRYPTO_LEVEL_HANDSHAKE,
                                               (const uint8_t *) "\x18\x00\x00\x01\x00", 5),
                0);
        connection_wake(dialled);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        net_done(&net);
}

/* ---- forged source addresses ---- */

static bool third_connected(struct net *net) {
        return net->nodes[2].n_connected > 0;
}

/* Somebody writes first packets in the name of an address: who really lives there must
 * still get in. */
static void test_forged_packets_use_up_nobodys_quota(void **state) {
        struct net net;

        two_nodes(&net, 46);
        net_add(&net, NULL);
        for (int i = 0; i < 60; i++) {
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                net_flush(&net);
        }
        for (size_t i = 0; i < net.n_packets; i++) {
                net.packets[i].source = net.nodes[2].address;
                net.packets[i].source.port = (uint16_t) (10000 + i);
        }
        net_run(&net, 100 * NSEC_PER_MSEC, NULL);
        net_dial(&net.nodes[2], &net.nodes[1], NULL);
        assert_true(net_run(&net, 2 * NSEC_PER_SEC, third_connected));
        net_done(&net);
}

/* ---- certificates that are expensive to check ---- */

#define ANY_TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE"

static uint8_t modulus[4096];

static int sign_garbage(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
                        unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *ret) {
        ret->data = gnutls_malloc(sizeof(modulus));
        memset(ret->data, 0x55, sizeof(modulus));
        ret->size = sizeof(modulus);
        return 0;
}

static int rsa_info(gnutls_privkey_t key, unsigned what, void *userdata) {
        if (what & GNUTLS_PRIVKEY_INFO_PK_ALGO)
                return GNUTLS_PK_RSA;
        if (what & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
                return (int) sizeof(modulus) * 8;
        return what & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO ? 1 : -1;
}

static gnutls_certificate_credentials_t heavy;

static void show_heavy_certificate(struct connection *c) {
        gnutls_datum_t m = { modulus, sizeof(modulus) };
        gnutls_privkey_t key;
        gnutls_pubkey_t public;
        gnutls_x509_crt_t crt;
        gnutls_pcert_st pcert;

        memset(modulus, 0xd7, sizeof(modulus));
        assert_int_equal(gnutls_pubkey_init(&public), 0);
        assert_int_equal(gnutls_pubkey_import_rsa_raw(public, &m, &m), 0);
        assert_int_equal(gnutls_privkey_init(&key), 0);
        assert_int_equal(gnutls_privkey_import_ext4(key, NULL, sign_garbage, sign_garbage, NULL,
                                                    NULL, rsa_info, 0),
                         0);
        gnutls_x509_crt_init(&crt);
        gnutls_x509_crt_set_version(crt, 3);
        gnutls_x509_crt_set_serial(crt, "\x01", 1);
        gnutls_x509_crt_set_activation_time(crt, 0);
        gnutls_x509_crt_set_expiration_time(crt, 2000000000);
        assert_int_equal(gnutls_x509_crt_set_pubkey(crt, public), 0);
        assert_int_equal(gnutls_x509_crt_privkey_sign(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
        assert_int_equal(gnutls_pcert_import_x509(&pcert, crt, 0), 0);
        gnutls_certificate_allocate_credentials(&heavy);
        gnutls_certificate_set_flags(heavy, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
        assert_int_equal(gnutls_certificate_set_key(heavy, NULL, 0, &pcert, 1, key), 0);
        gnutls_priority_set_direct(c->tls.gnutls, ANY_TLS13, NULL);
        gnutls_credentials_set(c->tls.gnutls, GNUTLS_CRD_CERTIFICATE, heavy);
        gnutls_x509_crt_deinit(crt);
        gnutls_pubkey_deinit(public);
}

static nsec_t cpu(void) {
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

static void test_heavy_rsa_certificates_cost_little(void **state) {
        struct net net;
        nsec_t before;

        two_nodes(&net, 50);
        show_heavy_certificate(net_dial(&net.nodes[0], &net.nodes[1], NULL));
        before = cpu();
        net_run(&net, 6 * NSEC_PER_SEC, NULL);
        print_message("# took %.1f ms\n", (double) (cpu() - before) / 1e6);
        assert_int_equal(net.nodes[0].n_connected + net.nodes[1].n_connected, 0);
        assert_true(cpu() - before < 200 * NSEC_PER_MSEC);
        net_done(&net);
        gnutls_certificate_free_credentials(heavy);
}

TEST_MAIN(cmocka_unit_test(test_tls_messages_after_the_handshake),
          cmocka_unit_test(test_key_update_in_handshake_packets),
          cmocka_unit_test(test_forged_packets_use_up_nobodys_quota),
          cmocka_unit_test(test_heavy_rsa_certificates_cost_little))
