/* What keeps transport from starting is said in one clear line, with the right exit code. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon/service.h"
#include "services/transport/udp.h"
#include "tests/support/node.h"
#include "tests/support/test.h"

static void write_state(const struct test_node *n, const char *name, const char *content) {
        char path[160];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/state/transport/%s", n->folder, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content, strlen(content)), (ssize_t) strlen(content));
        (void) close(fd);
}

#define SOMEBODY "12D3KooWKRyzVWW6ChFjQjK4miCty85Niy49tpPV95XdKu1BcvMA"
#define PRIVATE  "[network]\nmode = private\nallow = " SOMEBODY "\n"
#define SECRET   "000102030405060708090a0b0c0d0e0f"

/* STATE in a configuration is the state directory of the node. */
static const struct {
        const char *name, *config, *file, *content, *want;
        int code;
} cases[] = {
        { "unknown key", "lisen = /ip4/127.0.0.1/udp/0/quic-v1", NULL, NULL, "lisen",
          SERVICE_EXIT_CONFIG },
        { "out of range", "max-streams = 0", NULL, NULL, "max-streams", SERVICE_EXIT_CONFIG },
        { "no room for a write", "stream-buffer = 511K", NULL, NULL, "stream-buffer",
          SERVICE_EXIT_CONFIG },
        { "nor for any stream's", "connection-buffer = 511K", NULL, NULL, "connection-buffer",
          SERVICE_EXIT_CONFIG },
        { "not a UDP address", "listen = /ip4/127.0.0.1/tcp/4001", NULL, NULL,
          "is not of the form /ip4/0.0.0.0/udp/4001/quic-v1", SERVICE_EXIT_CONFIG },
        { "two of one family",
          "listen = /ip4/127.0.0.1/udp/0/quic-v1\nlisten = /ip4/127.0.0.2/udp/0/quic-v1", NULL,
          NULL, "one address for each of IPv4 and IPv6", SERVICE_EXIT_CONFIG },
        { "not our address", "listen = /ip4/192.0.2.1/udp/4001/quic-v1", NULL, NULL,
          "cannot open udp 192.0.2.1:4001", SERVICE_EXIT_FAULT },
        { "not a peer", "bootstrap = nobody@", NULL, NULL,
          "bootstrap: \"nobody@\" has no peer id before its @", SERVICE_EXIT_CONFIG },
        { "not a peer id", "perf-allow = everybody", NULL, NULL,
          "perf-allow: \"everybody\" is no peer id; write one whole (12D3KooW…), or all",
          SERVICE_EXIT_CONFIG },
        { "not a DNS server", "resolver = dns.example", NULL, NULL,
          "resolver: \"dns.example\" is no IPv4 address with a port", SERVICE_EXIT_CONFIG },
        { "not a peer to allow", "allow = everybody", NULL, NULL,
          "allow: \"everybody\" is no peer id", SERVICE_EXIT_CONFIG },
        { "unknown network key", "[network]\nmod = private", NULL, NULL, "mod: unknown key",
          SERVICE_EXIT_CONFIG },
        { "private for nobody", "[network]\nmode = private\nname = lab", NULL, NULL,
          "nobody is allowed in", SERVICE_EXIT_CONFIG },
        { "private by the public name", PRIVATE "secret-file = STATE/secret", "secret", SECRET,
          "the name is that of the public network", SERVICE_EXIT_CONFIG },
        { "private without a secret", PRIVATE "name = lab", NULL, NULL, "there is no secret-file",
          SERVICE_EXIT_CONFIG },
        { "secret that is not there", PRIVATE "name = lab\nsecret-file = STATE/secret", NULL, NULL,
          "secret: No such file or directory; keep it in the folder that --config names (a folder, "
          "not one file",
          SERVICE_EXIT_CONFIG },
        { "secret too short", PRIVATE "name = lab\nsecret-file = STATE/secret", "secret",
          "00112233445566778899aabbccddee", "holds 120 bits, and 128 are the least",
          SERVICE_EXIT_CONFIG },
        { "secret in words", PRIVATE "name = lab\nsecret-file = STATE/secret", "secret",
          "correct horse battery staple", "holds no 32 to 128 hex digits", SERVICE_EXIT_CONFIG },
        { "public bootstrap of a private network",
          "bootstrap = 10.0.0.1:4001\n" PRIVATE "name = lab\nsecret-file = STATE/secret", "secret",
          SECRET, "bootstrap: \"10.0.0.1:4001\" is no peer of this private network",
          SERVICE_EXIT_CONFIG },
        { "damaged addresses", "", "peers.sqlite", "this is not a database, whatever it is called",
          "move it away and start again", SERVICE_EXIT_CONFIG },
        { "damaged reset key", "", "reset.key", "short", "not 32 bytes; remove it",
          SERVICE_EXIT_CONFIG },
};

static void expect(struct test_node *n, const char *want, int code) {
        char said[4096];

        assert_int_equal(test_node_try_transport(n, said, sizeof(said)), code);
        if (!strstr(said, want))
                fail_msg("\"%s\" does not say \"%s\"", said, want);
}

static void set_config(struct test_node *n, const char *text) {
        const char *at = strstr(text, "STATE");
        CLEANUP(freep) char *whole = NULL;

        whole = at ? xasprintf("%.*s%s/state/transport%s", (int) (at - text), text, n->folder,
                               at + strlen("STATE"))
                   : xstrdup(text);
        test_node_set_config(n, whole);
}

static void test_table(void **state) {
        FOREACH_CASE (c, cases) {
                struct test_node *n = test_node_prepare("");

                print_message("# %s\n", c->name);
                if (c->file)
                        write_state(n, c->file, c->content);
                set_config(n, c->config);
                expect(n, c->want, c->code);
                test_node_free(n);
        }
}

static void test_port_in_use(void **state) {
        const uint8_t loopback[4] = { 127, 0, 0, 1 };
        const struct endpoint any_port = endpoint_ip4(loopback, 0);
        const struct udp_options options = {};
        struct test_node *n = test_node_prepare("");
        char config[96];
        struct udp *other;

        assert_int_equal(udp_new(&any_port, 0, &options, &other), 0);
        (void) snprintf(config, sizeof(config), "listen = /ip4/127.0.0.1/udp/%u/quic-v1",
                        udp_bound(other)->port);
        test_node_set_config(n, config);
        expect(n, "is in use by another program", SERVICE_EXIT_CONFIG);
        expect(n, "in [transport] listen of ", SERVICE_EXIT_CONFIG);
        udp_free(other);
        test_node_free(n);
}

static void wait_for_file(const struct test_node *n, const char *name) {
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/state/transport/%s", n->folder, name);
        for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
                (void) usleep(10000);
        assert_int_equal(access(path, F_OK), 0);
}

/* Where it served before it asks to be started again: who has the port now may go. */
static void test_port_taken_meanwhile(void **state) {
        const uint8_t loopback[4] = { 127, 0, 0, 1 };
        const struct endpoint any_port = endpoint_ip4(loopback, 0);
        const struct udp_options options = {};
        struct test_node *n = test_node_prepare("");
        struct endpoint at;
        struct udp *other;
        char config[96];

        assert_int_equal(udp_new(&any_port, 0, &options, &other), 0);
        at = *udp_bound(other);
        udp_free(other);
        (void) snprintf(config, sizeof(config), "listen = /ip4/127.0.0.1/udp/%u/quic-v1", at.port);
        test_node_set_config(n, config);
        test_node_start_transport(n);
        wait_for_file(n, "listened");
        test_node_kill_transport(n);
        assert_int_equal(udp_new(&at, 0, &options, &other), 0);
        expect(n, "is in use by another program", SERVICE_EXIT_LATER);
        expect(n, "in [transport] listen of ", SERVICE_EXIT_LATER);
        write_state(n, "listened", "127.0.0.1:1\n"); /* elsewhere */
        expect(n, "is in use by another program", SERVICE_EXIT_CONFIG);
        udp_free(other);
        test_node_free(n);
}

/* A secret that everybody on the machine can read is none. */
static void test_open_secret(void **state) {
        struct test_node *n = test_node_prepare("");
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/state/transport/secret", n->folder);
        write_state(n, "secret", SECRET);
        assert_int_equal(chmod(path, 0644), 0);
        set_config(n, PRIVATE "name = lab\nsecret-file = STATE/secret");
        expect(n, "is open to every user", SERVICE_EXIT_CONFIG);
        test_node_free(n);
}

TEST_MAIN(cmocka_unit_test(test_open_secret), cmocka_unit_test(test_table),
          cmocka_unit_test(test_port_in_use), cmocka_unit_test(test_port_taken_meanwhile))
