/* Two transports as their operator sees them: a keyring that sleeps, a configuration that
 * changes, names and events. */

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "proto/bus.pb-c.h"
#include "tests/support/node.h"
#include "tests/support/peers.h"
#include "tests/support/streams.h"
#include "tests/support/test.h"

#define SEC    NSEC_PER_SEC
#define MS     NSEC_PER_MSEC
#define CONFIG "idle-timeout = 5s\ndial-timeout = 1s\n"

struct side {
        struct test_node *node;
        struct peers_client peers;
        struct peer_id id;
        char address[256];
};

struct pair {
        struct loop *loop;
        struct side a, b;
};

static void learn(struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r = NULL;

        for (int i = 0; i < 10 && !r; i++)
                r = peers_call(&s->peers, "Status", &in, 10 * SEC);
        assert_non_null(r);
        assert_true(peer_id_parse(BYTES(r->peer.data, r->peer.len), &s->id));
        assert_true(r->n_listen >= 1);
        (void) snprintf(s->address, sizeof(s->address), "%s", r->listen[0]);
}

static void side_init(struct pair *p, struct side *s) {
        s->node = test_node_new(CONFIG);
        peers_client_init(&s->peers, p->loop, test_node_path(s->node, "transport/peers"));
        learn(s);
}

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        side_init(p, &p->a);
        side_init(p, &p->b);
        *state = p;
        return 0;
}

static void side_done(struct side *s) {
        peers_client_done(&s->peers);
        test_node_free(s->node);
}

static int teardown(void **state) {
        struct pair *p = *state;

        side_done(&p->a);
        side_done(&p->b);
        loop_free(p->loop);
        free(p);
        return 0;
}

static bool connects(struct side *from, const char *target, uint32_t timeout_ms) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;

        in.target = (char *) target;
        in.timeout_ms = timeout_ms;
        return peers_call(&from->peers, "Connect", &in, 20 * SEC) != NULL;
}

/* Refusals come at once. */
static bool connects_within(struct side *from, const char *target, nsec_t timeout) {
        nsec_t until = loop_now(from->peers.loop) + timeout;

        while (!connects(from, target, 500)) {
                if (loop_now(from->peers.loop) >= until)
                        return false;
                (void) usleep(200000);
        }
        return true;
}

static void disconnect(struct side *from, const struct side *to) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;

        in.peer = (ProtobufCBinaryData){ to->id.len, (uint8_t *) to->id.bytes };
        (void) peers_call(&from->peers, "Disconnect", &in, 10 * SEC);
}

static nsec_t answer_time(struct pair *p, struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        nsec_t began = loop_now(p->loop);

        assert_non_null(peers_call(&s->peers, "Status", &in, 10 * SEC));
        return loop_now(p->loop) - began;
}

/* Handshakes fail while nobody signs; everything else goes on. */
static void test_keyring_asleep(void **state) {
        struct pair *p = *state;
        nsec_t worst = 0, sum = 0;

        assert_int_equal(kill(p->a.node->keyring, SIGSTOP), 0);
        for (int i = 0; i < 6; i++) {
                nsec_t took;

                assert_false(connects(&p->b, p->a.address, 100));
                took = answer_time(p, &p->a);
                worst = took > worst ? took : worst;
                sum += took;
        }
        print_message("# worst answer %.0f ms, six %.0f ms\n", (double) worst / 1e6,
                      (double) sum / 1e6);
        assert_int_equal(kill(p->a.node->keyring, SIGCONT), 0);
        assert_true(worst < 600 * MS);
        assert_true(sum < 1500 * MS);
        assert_true(connects_within(&p->b, p->a.address, 20 * SEC));
        disconnect(&p->b, &p->a);
}

/* A new process has another TLS key; nobody waits while there is none. */
static void test_keyring_restarts(void **state) {
        struct pair *p = *state;

        test_node_restart_keyring(p->a.node);
        assert_true(connects_within(&p->b, p->a.address, 20 * SEC));
        disconnect(&p->b, &p->a);
}

/* ---- SIGHUP ---- */

static void reload(struct side *s, const char *more) {
        CLEANUP(freep) char *config = xasprintf(CONFIG "%s", more);

        test_node_set_config(s->node, config);
        assert_int_equal(kill(s->node->transport, SIGHUP), 0);
}

/* What `of` knows of `about`; NULL: no connection. */
static const Transport__Peer *seen(struct side *of, const struct side *about) {
        const Transport__ListRequest in = TRANSPORT__LIST_REQUEST__INIT;
        const Transport__ListReply *r = peers_call(&of->peers, "List", &in, 10 * SEC);

        assert_non_null(r);
        for (size_t i = 0; i < r->n_peers; i++)
                if (r->peers[i]->peer.len == about->id.len &&
                    memcmp(r->peers[i]->peer.data, about->id.bytes, about->id.len) == 0)
                        return r->peers[i];
        return NULL;
}

static bool waits_for(struct side *of, const struct side *about, bool connected) {
        for (int i = 0; i < 100; i++) {
                if ((seen(of, about) != NULL) == connected)
                        return true;
                (void) usleep(100000);
        }
        return false;
}

static void test_permission_is_taken_and_given(void **state) {
        CLEANUP(freep) char *nobody = NULL;
        struct pair *p = *state;
        char id[PEER_ID_TEXT_SIZE];

        nobody = xasprintf("allow = %s\n", peer_id_text(&p->a.id, id));
        assert_true(connects(&p->b, p->a.address, 2000));
        reload(&p->a, nobody);
        assert_true(waits_for(&p->a, &p->b, false));
        assert_false(connects(&p->b, p->a.address, 1000));
        assert_non_null(strstr(p->b.peers.text, "refused"));
        reload(&p->a, "allow = not-a-peer\n"); /* refused: nothing changes */
        assert_false(connects(&p->b, p->a.address, 1000));
        reload(&p->a, "");
        assert_true(connects_within(&p->b, p->a.address, 5 * SEC));
}

static void test_agent_changes(void **state) {
        struct pair *p = *state;
        const Transport__Peer *peer = NULL;

        assert_true(connects(&p->b, p->a.address, 2000));
        reload(&p->a, "agent = renamed\n");
        for (int i = 0; i < 50; i++) {
                peer = seen(&p->b, &p->a);
                if (peer && strcmp(peer->agent, "renamed") == 0)
                        break;
                (void) usleep(100000);
        }
        assert_non_null(peer);
        assert_string_equal(peer->agent, "renamed");
        disconnect(&p->b, &p->a);
        assert_true(waits_for(&p->a, &p->b, false));
}

/* Without an id in the row, too. */
static void test_pins_come_and_go(void **state) {
        struct pair *p = *state;

        for (int with_id = 0; with_id < 2; with_id++) {
                CLEANUP(freep) char *row = NULL;
                char id[PEER_ID_TEXT_SIZE];

                row = xasprintf("bootstrap = %s%s%s\n", p->b.address, with_id ? "/p2p/" : "",
                                with_id ? peer_id_text(&p->b.id, id) : "");
                reload(&p->a, row);
                assert_true(waits_for(&p->a, &p->b, true));
                assert_true(seen(&p->a, &p->b)->pinned);
                disconnect(&p->a, &p->b);
                (void) usleep(300000);
                assert_true(waits_for(&p->a, &p->b, true));
                reload(&p->a, "");
                (void) usleep(300000);
                assert_false(seen(&p->a, &p->b)->pinned);
                disconnect(&p->a, &p->b);
                assert_true(waits_for(&p->a, &p->b, false));
                (void) usleep(2500000);
                assert_null(seen(&p->a, &p->b));
        }
}

/* ---- transport/events ---- */

static struct {
        struct rpc_client *rpc;
        bool is_followed, came, went, limited;
        char outcome[128];
} follower;

static void on_followed(void *userdata, const struct rpc_result *r) {
        assert_int_equal(r->code, RPC_OK);
        follower.is_followed = true;
}

static void on_up(void *userdata) {
        const Bus__FollowRequest in = BUS__FOLLOW_REQUEST__INIT;

        (void) rpc_call(follower.rpc, "Follow", &in, 5 * SEC, on_followed, NULL);
}

static void on_peer(void *userdata, const void *message) {
        const Transport__PeerEvent *e = message;

        follower.came |= e->connected && e->inbound;
        follower.went |= !e->connected;
        (void) snprintf(follower.outcome, sizeof(follower.outcome), "%s", e->outcome);
}

static void on_limit(void *userdata, const void *message) {
        const Transport__LimitEvent *e = message;

        follower.limited |= strcmp(e->metric, "retries") == 0 && e->refused > 0;
}

static void test_events_are_told(void **state) {
        struct pair *p = *state;
        struct bus_client_options o = { .path = test_node_path(p->a.node, "transport/events"),
                                        .service = "test" };
        struct bus_client *bus;

        memset(&follower, 0, sizeof(follower));
        assert_int_equal(bus_client_new(p->loop, &o, &bus), 0);
        follower.rpc = rpc_client_new(bus_client_link(bus), &bus__monitor__descriptor);
        rpc_client_on_event(follower.rpc, "Peer", &transport__peer_event__descriptor, on_peer,
                            NULL);
        rpc_client_on_event(follower.rpc, "Limit", &transport__limit_event__descriptor, on_limit,
                            NULL);
        rpc_client_watch(follower.rpc, on_up, NULL, NULL);
        assert_true(streams_wait(p->loop, &follower.is_followed, 5 * SEC));
        assert_true(connects_within(&p->b, p->a.address, 5 * SEC));
        assert_true(streams_wait(p->loop, &follower.came, 5 * SEC));
        assert_string_equal(follower.outcome, "connected");
        disconnect(&p->b, &p->a);
        assert_true(streams_wait(p->loop, &follower.went, 5 * SEC));
        reload(&p->a, "retry-above = 0\n");
        (void) usleep(200000);
        assert_true(connects_within(&p->b, p->a.address, 5 * SEC));
        assert_true(streams_wait(p->loop, &follower.limited, 5 * SEC));
        disconnect(&p->b, &p->a);
        reload(&p->a, "");
        rpc_client_free(follower.rpc);
        bus_client_free(bus);
}

/* Where b was seen is where it listens: nothing is announced twice. */
static void test_own_address_is_shown(void **state) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r;
        struct pair *p = *state;

        assert_true(connects_within(&p->b, p->a.address, 20 * SEC));
        (void) usleep(500000);
        r = peers_call(&p->b.peers, "Status", &in, 10 * SEC);
        assert_non_null(r);
        assert_int_equal(r->n_listen, 1);
        assert_int_equal(r->n_observed, 1);
        assert_true(r->observed[0]->believed);
        assert_string_equal(r->observed[0]->address, r->listen[0]);
        disconnect(&p->b, &p->a);
}

/* ---- names ---- */

#define RECORDS_MAX 24

static pid_t start_dns(char *records[], unsigned *ret_port) {
        const char *script = getenv("QUORATE_DNS_SERVER");
        char *argv[RECORDS_MAX + 3] = { (char *) "python3", (char *) script }, line[16] = "";
        int fds[2];
        pid_t pid;

        assert_non_null(script);
        for (size_t i = 0; records[i]; i++)
                argv[i + 2] = records[i];
        assert_int_equal(pipe(fds), 0);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails leaves it behind */
                (void) dup2(fds[1], STDOUT_FILENO);
                (void) execvp(argv[0], argv);
                _exit(127);
        }
        (void) close(fds[1]);
        assert_true(read(fds[0], line, sizeof(line) - 1) > 0);
        (void) close(fds[0]);
        *ret_port = (unsigned) strtoul(line, NULL, 10);
        return pid;
}

/* A line with b's address for @, b's id for #, and the id of somebody else for !. */
static char *record(const struct pair *p, const char *form) {
        char b[PEER_ID_TEXT_SIZE], other[PEER_ID_TEXT_SIZE], out[512] = "", *end = out;

        peer_id_text(&p->b.id, b);
        peer_id_text(&p->a.id, other);
        for (const char *c = form; *c; c++) {
                const char *put = *c == '@'   ? p->b.address
                                  : *c == '#' ? b
                                  : *c == '!' ? other
                                              : NULL;

                if (put)
                        end += snprintf(end, (size_t) (out + sizeof(out) - end), "%s", put);
                else
                        *end++ = *c;
        }
        return xstrdup(out);
}

static const struct {
        const char *name, *target; /* $: b's port */
        bool works;
} name_cases[] = {
        { "dns4", "/dns4/b.test/udp/$/quic-v1", true },
        { "dns", "/dns/b.test/udp/$/quic-v1", true },
        { "dns6 of a name without", "/dns6/b.test/udp/$/quic-v1", false },
        { "host:port", "b.test:$", true },
        { "no such name", "/dns4/none.test/udp/$/quic-v1", false },
        { "a server that says nothing", "/dns4/silent.test/udp/$/quic-v1", false },
        { "dnsaddr", "/dnsaddr/one.test", true },
        { "dnsaddr with an id", "/dnsaddr/one.test/p2p/#", true },
        { "dnsaddr of others only", "/dnsaddr/others.test/p2p/#", false },
        { "dnsaddr through dnsaddr", "/dnsaddr/deep1.test/p2p/#", true },
        { "dnsaddr too deep", "/dnsaddr/deep0.test/p2p/#", false },
        { "dnsaddr to itself", "/dnsaddr/loop.test/p2p/#", false },
        { "dnsaddr to a name", "/dnsaddr/named.test/p2p/#", true },
        { "dnsaddr of garbage", "/dnsaddr/garbage.test", false },
};

static const char *const zone[] = {
        "b.test A 127.0.0.1",
        "silent.test SILENT -",
        "_dnsaddr.one.test TXT dnsaddr=@/p2p/#",
        "_dnsaddr.others.test TXT dnsaddr=@/p2p/!",
        "_dnsaddr.others.test TXT dnsaddr=@",
        "_dnsaddr.deep0.test TXT dnsaddr=/dnsaddr/deep1.test/p2p/#",
        "_dnsaddr.deep1.test TXT dnsaddr=/dnsaddr/deep2.test/p2p/#",
        "_dnsaddr.deep2.test TXT dnsaddr=/dnsaddr/one.test/p2p/#",
        "_dnsaddr.loop.test TXT dnsaddr=/dnsaddr/loop.test/p2p/#",
        "_dnsaddr.loop.test TXT dnsaddr=/dnsaddr/loop.test/p2p/#",
        "_dnsaddr.named.test TXT dnsaddr=/dns4/b.test/udp/$/quic-v1/p2p/#",
        "_dnsaddr.garbage.test TXT dnsaddr=/ip4/1.2.3",
        "_dnsaddr.garbage.test TXT something else",
};

/* The form with b's port, then as record() has it. */
static char *with_port(const struct pair *p, const char *form) {
        const char *udp = strstr(p->b.address, "/udp/") + 5;
        char text[512], *end = text;

        for (const char *c = form; *c; c++)
                if (*c == '$')
                        end += snprintf(end, 8, "%.*s", (int) strcspn(udp, "/"), udp);
                else
                        *end++ = *c;
        *end = '\0';
        return record(p, text);
}

/* Else the address that worked before is dialled as well. */
static void forget_peers(const struct test_node *n) {
        static const char *const ends[] = { "", "-wal", "-shm" };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                CLEANUP(freep)
                char *path = xasprintf("%s/state/transport/peers.sqlite%s", n->folder, ends[i]);

                (void) unlink(path);
        }
}

static void restart(struct side *s, const char *more) {
        CLEANUP(freep) char *config = xasprintf(CONFIG "%s", more);

        test_node_stop_transport(s->node);
        forget_peers(s->node);
        test_node_set_config(s->node, config);
        test_node_start_transport(s->node);
        learn(s);
}

static void test_names_are_dialled(void **state) {
        char *records[RECORDS_MAX] = {}, row[64];
        struct pair *p = *state;
        unsigned port;
        pid_t dns;

        for (size_t i = 0; i < ELEMENTSOF(zone); i++)
                records[i] = with_port(p, zone[i]);
        dns = start_dns(records, &port);
        (void) snprintf(row, sizeof(row), "resolver = 127.0.0.1:%u\n", port);
        FOREACH_CASE (c, name_cases) {
                CLEANUP(freep) char *target = with_port(p, c->target);
                bool works;

                restart(&p->a, row);
                works = connects(&p->a, target, 9000);
                print_message("# %s: %s\n", c->name, works ? "connected" : p->a.peers.text);
                assert_int_equal(works, c->works);
        }
        for (size_t i = 0; i < ELEMENTSOF(zone); i++)
                free(records[i]);
        (void) kill(dns, SIGTERM);
        (void) waitpid(dns, NULL, 0);
        restart(&p->a, "");
}

/* ---- an address without an id ---- */

static const Transport__Met *met(struct side *s, const char *address) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r = NULL;

        for (int i = 0; i < 10 && !r; i++) /* it may be starting */
                r = peers_call(&s->peers, "Status", &in, 10 * SEC);
        assert_non_null(r);
        for (size_t i = 0; i < r->n_met; i++)
                if (strcmp(r->met[i]->address, address) == 0)
                        return r->met[i];
        return NULL;
}

static bool is_refused(struct side *s, const char *address) {
        return !connects(s, address, 5000) && strstr(s->peers.text, "this node first met") &&
               strstr(s->peers.text, "write PEERID@host:port") && met(s, address)->other;
}

/* The first key that was met at host:port stands, over restarts; another one is refused until
 * it is named. */
static void test_first_met_stays(void **state) {
        CLEANUP(freep) char *listens = NULL;
        CLEANUP(freep) char *named = NULL;
        struct pair *p = *state;
        char id[PEER_ID_TEXT_SIZE];

        assert_true(connects(&p->a, p->b.address, 5000));
        assert_non_null(met(&p->a, p->b.address));
        assert_false(met(&p->a, p->b.address)->other);
        assert_memory_equal(met(&p->a, p->b.address)->peer.data, p->b.id.bytes, p->b.id.len);

        listens = xasprintf("listen = %s\n" CONFIG, p->b.address);
        test_node_set_config(p->b.node, listens);
        test_node_stop_transport(p->b.node);
        test_node_change_key(p->b.node);
        test_node_start_transport(p->b.node);
        learn(&p->b);
        assert_true(is_refused(&p->a, p->b.address));
        test_node_kill_transport(p->a.node); /* what was met is on disk at once */
        test_node_start_transport(p->a.node);
        learn(&p->a);
        assert_non_null(met(&p->a, p->b.address));
        assert_true(is_refused(&p->a, p->b.address));
        assert_null(seen(&p->a, &p->b));

        named = xasprintf("%s/p2p/%s", p->b.address, peer_id_text(&p->b.id, id));
        assert_true(connects_within(&p->a, named, 10 * SEC));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keyring_asleep),
                cmocka_unit_test(test_keyring_restarts),
                cmocka_unit_test(test_permission_is_taken_and_given),
                cmocka_unit_test(test_agent_changes),
                cmocka_unit_test(test_pins_come_and_go),
                cmocka_unit_test(test_events_are_told),
                cmocka_unit_test(test_own_address_is_shown),
                cmocka_unit_test(test_names_are_dialled),
                cmocka_unit_test(test_first_met_stays), /* last: b is somebody else then */
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        cmocka_set_test_filter(getenv("QUORATE_TEST_FILTER"));
        return cmocka_run_group_tests(tests, setup, teardown);
}
