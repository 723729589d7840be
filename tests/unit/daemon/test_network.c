#include "common/daemon/network.h"

#include "common/base/text.h"
#include "tests/support/test.h"

#define A    "12D3KooWKRyzVWW6ChFjQjK4miCty85Niy49tpPV95XdKu1BcvMA"
#define B    "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
#define GOOD "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct sample {
        const char *name;
        int mode;
        const char *secret, *allow, *bootstrap;
        const char *want; /* NULL: accepted */
};

static const struct sample cases[] = {
        { "public", NETWORK_PUBLIC, NULL, NULL, "1.2.3.4:4001", NULL },
        { "lab", NETWORK_PUBLIC, NULL, NULL, "1.2.3.4:4001", NULL },
        { "lab", NETWORK_PUBLIC, GOOD, A, "1.2.3.4:4001", NULL },
        { "lab", NETWORK_PRIVATE, GOOD "\n", A, NULL, NULL },
        { "lab", NETWORK_PRIVATE, GOOD, A, A "@1.2.3.4:4001", NULL },
        { "lab", NETWORK_PRIVATE, GOOD, NULL, NULL, "nobody is allowed in" },
        { "public", NETWORK_PRIVATE, GOOD, A, NULL, "is that of the public network" },
        { "default", NETWORK_PRIVATE, GOOD, A, NULL, "\"default\" is no name" },
        { "default", NETWORK_PUBLIC, NULL, NULL, NULL, "\"default\" is no name" },
        { "", NETWORK_PUBLIC, NULL, NULL, NULL, "1 to 32 characters" },
        { "0123456789012345678901234567890123", NETWORK_PUBLIC, NULL, NULL, NULL,
          "1 to 32 characters" },
        { "Lab", NETWORK_PUBLIC, NULL, NULL, NULL, "is no name" },
        { "a/b", NETWORK_PUBLIC, NULL, NULL, NULL, "is no name" },
        { "lab", NETWORK_PRIVATE, NULL, A, NULL, "no secret-file" },
        { "lab", NETWORK_PRIVATE, "", A, NULL, "0 bits, and 128 are the least" },
        { "lab", NETWORK_PRIVATE, "000102030405060708090a0b0c0d0e", A, NULL, "120 bits" },
        { "lab", NETWORK_PRIVATE, "00010203040506070001020304050607", A, NULL, NULL },
        { "lab", NETWORK_PRIVATE, "00010203040506060001020304050606", A, NULL, "can be guessed" },
        { "lab", NETWORK_PRIVATE, "a good pass phrase, is it not so?", A, NULL,
          "32 to 128 hex digits" },
        { "lab", NETWORK_PRIVATE, GOOD GOOD "00", A, NULL, "32 to 128 hex digits" },
        { "lab", NETWORK_PUBLIC, "00", NULL, NULL, "8 bits" },
        { "lab", NETWORK_PRIVATE, GOOD, "nobody", NULL, "\"nobody\" is no peer id" },
        { "lab", NETWORK_PRIVATE, GOOD, A, "1.2.3.4:4001", "no peer of this private network" },
        { "lab", NETWORK_PRIVATE, GOOD, A, B "@10.0.0.1:4001", "no peer of this private network" },
        { "lab", NETWORK_PRIVATE, GOOD, A, "/dnsaddr/bootstrap.example.org",
          "no peer of this private network" },
};

static int take(const struct sample *c, struct network *n, char error[NETWORK_ERROR_SIZE]) {
        char *allow[] = { (char *) c->allow }, *bootstrap[] = { (char *) c->bootstrap };
        const struct config_list rows = { bootstrap, c->bootstrap != NULL };
        const struct network_settings v = {
                .name = (char *) c->name,
                .secret_file = (char *) (c->secret ? "/etc/quorate/secret" : ""),
                .mode = c->mode,
                .allow = { allow, c->allow != NULL },
        };
        int r = network_of(&v, BYTES_STR(c->secret ? c->secret : ""), n, error);

        return r ? r : network_check_bootstrap(n, &rows, error);
}

static void test_rules(void **state) {
        FOREACH_CASE (c, cases) {
                char error[NETWORK_ERROR_SIZE] = "";
                struct network n;
                int r = take(c, &n, error);

                assert_int_equal(r, c->want ? NETWORK_E_REFUSED : NETWORK_OK);
                if (c->want && !strstr(error, c->want))
                        fail_msg("\"%s\" does not say \"%s\"", error, c->want);
                assert_null(strchr(error, '\n'));
        }
}

/* BLAKE2b-256 with person "quorate/network" over secret and name: Python's hashlib. */
static const struct {
        const char *name, *secret, *prefix, *mdns, *wire;
} names[] = {
        { "public", NULL, "/quorate", "_p2p", "public" },
        { "lab", NULL, "/quorate-126b6b9342477312", "_p2p-126b6b9342477312", "126b6b9342477312" },
        { "lab", GOOD, "/quorate-897da5dfdcc0f466", "_p2p-897da5dfdcc0f466", "897da5dfdcc0f466" },
        { "public", GOOD, "/quorate-3d507239686aad2c", "_p2p-3d507239686aad2c",
          "3d507239686aad2c" },
};

static void test_names_of_a_network(void **state) {
        FOREACH_CASE (c, names) {
                const struct sample s = { c->name, NETWORK_PUBLIC, c->secret, NULL, NULL, NULL };
                char error[NETWORK_ERROR_SIZE], protocol[NETWORK_PROTOCOL_SIZE], want[64];
                struct network n;

                assert_int_equal(take(&s, &n, error), NETWORK_OK);
                assert_string_equal(n.prefix, c->prefix);
                assert_string_equal(n.mdns_service, c->mdns);
                assert_string_equal(network_on_wire(&n), c->wire);
                (void) snprintf(want, sizeof(want), "%s/job/1", c->prefix);
                assert_string_equal(network_protocol(&n, "/job/1", protocol), want);
        }
}

/* By what a peer serves. */
static const struct {
        const char *protocols[3];
        bool of_public, of_lab; /* is elsewhere for a node of that network */
} served[] = {
        { { "/ipfs/id/1.0.0", "/meshsub/1.2.0" }, false, false },
        { { "/ipfs/id/1.0.0", "/quorate/kad/1.0.0" }, false, true },
        { { "/quorate-126b6b9342477312/peers/1", "/meshsub/1.2.0" }, true, false },
        { { "/quorate-897da5dfdcc0f466/peers/1" }, true, true },
        { { "/quorate/kad/1.0.0", "/quorate-126b6b9342477312/peers/1" }, false, false },
        { { "/quorates/kad/1.0.0", "/quorate-126b6b9342477312" }, false, false },
};

static bool is_elsewhere(const char *network, const char *const protocols[3]) {
        const struct sample s = { network, NETWORK_PUBLIC, NULL, NULL, NULL, NULL };
        char error[NETWORK_ERROR_SIZE], *list[3];
        struct network n;
        size_t n_list = 0;

        assert_int_equal(take(&s, &n, error), NETWORK_OK);
        for (; n_list < 3 && protocols[n_list]; n_list++)
                list[n_list] = (char *) protocols[n_list];
        return network_is_elsewhere(&n, list, n_list);
}

static void test_peers_of_other_networks(void **state) {
        FOREACH_CASE (c, served) {
                assert_int_equal(is_elsewhere("public", c->protocols), c->of_public);
                assert_int_equal(is_elsewhere("lab", c->protocols), c->of_lab);
        }
}

/* HKDF-SHA256 twice, by Python's hmac. */
static const struct {
        int64_t at;
        const char *want;
} hours[] = {
        { 0, "322e53b35f774fcf468b590e3a155dde55082e1b2265a2753bcfbdea55a2e6e1" },
        { 3599, "322e53b35f774fcf468b590e3a155dde55082e1b2265a2753bcfbdea55a2e6e1" },
        { 3600, "d7eb7f526514edd441f6f7a790de36e79417b28733e7ca765edb8fee8ef4921f" },
        { 1780000000, "b3a81e2fe71136a9401876c6644774dc26e1e4f1da9781b1ee79b1301bdb43a9" },
};

static void test_topic_secret_turns_with_the_hour(void **state) {
        const struct sample s = { "lab", NETWORK_PRIVATE, GOOD, A, NULL, NULL };
        char error[NETWORK_ERROR_SIZE], got[2 * NETWORK_SECRET_SIZE + 1];
        uint8_t secret[NETWORK_SECRET_SIZE];
        struct network n;

        assert_int_equal(take(&s, &n, error), NETWORK_OK);
        FOREACH_CASE (c, hours) {
                network_topic_secret(&n, c->at, secret);
                hex_encode(BYTES_OF(secret), got);
                assert_string_equal(got, c->want);
        }
        network_wipe(&n);
        memset(secret, 0, sizeof(secret));
        assert_memory_equal(n.secret, secret, sizeof(secret));
        assert_false(n.has_secret);
}

static void test_who_is_allowed(void **state) {
        const struct sample open = { "lab", NETWORK_PUBLIC, NULL, NULL, NULL, NULL };
        const struct sample closed = { "lab", NETWORK_PRIVATE, GOOD, A, NULL, NULL };
        char error[NETWORK_ERROR_SIZE];
        struct peer_id a, b;
        struct network n;

        assert_true(peer_id_from_text(BYTES_LIT(A), &a) && peer_id_from_text(BYTES_LIT(B), &b));
        assert_int_equal(take(&open, &n, error), NETWORK_OK);
        assert_true(network_allows(&n, &a) && network_allows(&n, &b));
        assert_int_equal(take(&closed, &n, error), NETWORK_OK);
        assert_true(network_allows(&n, &a));
        assert_false(network_allows(&n, &b));
}

TEST_MAIN(cmocka_unit_test(test_rules), cmocka_unit_test(test_names_of_a_network),
          cmocka_unit_test(test_peers_of_other_networks),
          cmocka_unit_test(test_topic_secret_turns_with_the_hour),
          cmocka_unit_test(test_who_is_allowed))
