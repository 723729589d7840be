/* Multicast DNS between two machines, played by two network namespaces with a cable between
 * them: what services/dht says and hears, as real packets through two transports. Root alone may
 * lay such a cable; without it the tests are skipped. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "services/dht/mdns.h"
#include "tests/support/side.h"
#include "tests/support/test.h"
#include "tests/support/watch.h"

#define SEC          NSEC_PER_SEC
#define MS           NSEC_PER_MSEC
#define CONFIG_OF(n) "listen = /ip4/10.77.0." n "/udp/0/quic-v1\ndial-timeout = 1s\n"
#define PROTOCOL     "/test/mdns/1"
#define OTHER_NET    "192.0.2.77" /* not on the cable's link */

static const struct mdns_service service = { "_p2p" };

/* A channel "mdns", and what it brought. */
struct listener {
        struct channel *channel;
        struct frame_reader in;
        bool is_accepted, has_ended, has_query, is_wrong;
        uint32_t code, family, interface;
        uint64_t n_packets;
        struct mdns *core; /* NULL: packets are only looked at */
        nsec_t now;
        char text[128];
};

struct machine {
        int netns;
        struct side side;
        struct listener mdns;
};

struct pair {
        struct loop *loop;
        int home; /* the namespace of before */
        struct machine a, b;
};

/* ---- namespaces ---- */

static bool run(const char *line) {
        int status = system(line);

        return status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int this_netns(void) {
        return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void enter(int netns) {
        assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

static bool set_up(const char *name, const char *address) {
        char line[256];

        (void) snprintf(line, sizeof(line),
                        "ip link set lo up && ip addr add %s/24 dev %s && ip link set %s up "
                        "multicast on",
                        address, name, name);
        return run(line);
}

/* Leaves us in b's namespace. */
static bool lay_cable(struct pair *p) {
        char line[128];

        p->home = this_netns();
        if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
                return false;
        p->a.netns = this_netns();
        if (unshare(CLONE_NEWNET) < 0)
                return false;
        p->b.netns = this_netns();
        enter(p->a.netns);
        if (!run("ip link add cable-a type veth peer name cable-b 2>/dev/null") ||
            !set_up("cable-a", "10.77.0.1"))
                return false;
        (void) snprintf(line, sizeof(line), "ip link set cable-b netns /proc/%d/fd/%d",
                        (int) getpid(), p->b.netns);
        if (!run(line))
                return false;
        enter(p->b.netns);
        return set_up("cable-b", "10.77.0.2");
}

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        *state = p;
        p->a.netns = p->b.netns = -1;
        if (!lay_cable(p)) {
                print_message("# not root, or no ip(8), or no veth here\n");
                return 0;
        }
        enter(p->a.netns);
        side_init(&p->a.side, p->loop, CONFIG_OF("1"));
        enter(p->b.netns);
        side_init(&p->b.side, p->loop, CONFIG_OF("2"));
        return 0;
}

static int teardown(void **state) {
        struct pair *p = *state;

        if (p->a.side.node) {
                side_done(&p->a.side);
                side_done(&p->b.side);
        }
        if (p->home >= 0)
                (void) setns(p->home, CLONE_NEWNET);
        (void) close(p->a.netns);
        (void) close(p->b.netns);
        (void) close(p->home);
        loop_free(p->loop);
        free(p);
        return 0;
}

static struct pair *ready(void **state) {
        struct pair *p = *state;

        if (!p->a.side.node)
                skip();
        return p;
}

/* ---- a channel ---- */

static void take(struct listener *l, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct mdns_message m;
        const Transport__MdnsPacket *p;

        check(wire_unpack(&transport__mdns_packet__descriptor, frame, NULL, &u) == UNPACK_OK);
        p = u.message;
        l->n_packets++;
        l->family = p->family;
        l->interface = p->interface;
        if (l->core)
                mdns_input(l->core, BYTES(p->data.data, p->data.len), l->now);
        if (!mdns_read(BYTES(p->data.data, p->data.len), &service, &m))
                l->is_wrong = true;
        else if (m.kind == MDNS_QUERY)
                l->has_query = true;
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct listener *l = userdata;

        l->is_accepted = true;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct listener *l = userdata;
        struct bytes frame;

        while (frame_reader_next(&l->in, &data, &frame) == FRAME_OK)
                take(l, frame);
        channel_consumed(c, 1);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct listener *l = userdata;

        l->channel = NULL;
        l->has_ended = true;
        l->code = code;
        (void) snprintf(l->text, sizeof(l->text), "%s", text);
}

static const struct channel_handler listening = { .on_accepted = on_accepted,
                                                  .on_data = on_data,
                                                  .on_end = on_end };

static void listen_on(struct machine *m) {
        memset(&m->mdns, 0, sizeof(m->mdns));
        frame_reader_init(&m->mdns.in, MDNS_PACKET_MAX + 64);
        m->mdns.channel = channel_open(bus_client_link(m->side.streams.bus), "mdns", BYTES_NONE,
                                       &listening, &m->mdns);
        assert_non_null(m->mdns.channel);
}

static void stop_listening(struct machine *m) {
        if (m->mdns.channel)
                channel_reset(m->mdns.channel, RPC_E_CANCELLED, "enough");
        m->mdns.channel = NULL;
        frame_reader_done(&m->mdns.in);
}

/* To every interface, in the families named (0: both). */
static void say(struct machine *m, uint32_t family, struct bytes packet) {
        Transport__MdnsPacket message = TRANSPORT__MDNS_PACKET__INIT;
        CLEANUP(buffer_donep) struct buffer packed = {};
        CLEANUP(buffer_donep) struct buffer frame = {};

        message.family = family;
        message.data = (ProtobufCBinaryData){ packet.len, (uint8_t *) packet.data };
        buffer_init(&packed, CHANNEL_UNIT);
        buffer_init(&frame, CHANNEL_UNIT);
        wire_pack(&packed, &message.base);
        frame_put(&frame, buffer_bytes(&packed));
        assert_int_equal(channel_send(m->mdns.channel, buffer_bytes(&frame)), CHANNEL_OK);
}

static void ask(struct machine *m, uint32_t family) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, MDNS_OWN_MAX);
        mdns_put_query(&b, &service);
        say(m, family, buffer_bytes(&b));
}

static bool asks_until_heard(struct pair *p, struct machine *from, uint32_t family,
                             const struct listener *by) {
        for (int i = 0; i < 20 && !by->has_query; i++) {
                ask(from, family);
                (void) streams_wait(p->loop, &by->has_query, 250 * MS);
        }
        return by->has_query;
}

static void both_listen(struct pair *p) {
        listen_on(&p->a);
        listen_on(&p->b);
        assert_true(streams_wait(p->loop, &p->a.mdns.is_accepted, 5 * SEC));
        assert_true(streams_wait(p->loop, &p->b.mdns.is_accepted, 5 * SEC));
}

static void both_stop(struct pair *p) {
        stop_listening(&p->a);
        stop_listening(&p->b);
}

/* ---- tests ---- */

static bool found_here(const struct watched_peer *w) {
        return w->mdns && w->connected;
}

static void start_core(struct pair *p, struct machine *m, uint64_t seed) {
        struct mdns_config config;
        struct multiaddr own;

        assert_int_equal(multiaddr_from_text(BYTES_STR(m->side.address), &own), MULTIADDR_OK);
        mdns_config_default(&config);
        m->mdns.core = mdns_new(&config, &m->side.id, seed);
        mdns_addresses(m->mdns.core, &own, 1, loop_now(p->loop));
}

static void turn_core(struct pair *p, struct machine *m) {
        CLEANUP(buffer_donep) struct buffer b = {};

        m->mdns.now = loop_now(p->loop);
        buffer_init(&b, MDNS_OWN_MAX);
        while (mdns_output(m->mdns.core, &b, m->mdns.now)) {
                say(m, 0, buffer_bytes(&b));
                buffer_clear(&b);
        }
}

/* Whom a heard of; false: of nobody within ten seconds. */
static bool cores_find(struct pair *p, struct contact *ret) {
        nsec_t end = loop_now(p->loop) + 10 * SEC;

        while (loop_now(p->loop) < end) {
                turn_core(p, &p->a);
                turn_core(p, &p->b);
                if (mdns_found(p->a.mdns.core, ret))
                        return true;
                assert_true(loop_turn(p->loop, 10 * MS) >= 0);
        }
        return false;
}

/* Question, answer, and a stream to whom nobody knew before. */
static void test_two_nodes_find_each_other(void **state) {
        struct pair *p = ready(state);
        struct watch_client watch;
        struct contact found = {};
        struct test_stream *s;
        struct multiaddr at;

        assert_int_equal(streams_client_serve(&p->b.side.streams, PROTOCOL), 0);
        both_listen(p);
        assert_non_null(strstr(side_status(&p->a.side)->mdns, "on cable-a"));
        start_core(p, &p->a, 1);
        start_core(p, &p->b, 2);
        assert_true(cores_find(p, &found));
        assert_true(peer_id_equal(&found.peer, &p->b.side.id));
        assert_int_equal(contact_addresses(&found, &at, 1), 1);

        watch_client_init(&watch, &p->a.side.streams);
        assert_int_equal(streams_found(&p->a.side.streams, &found.peer, &at), 0);
        s = streams_client_open(&p->a.side.streams, &found.peer, PROTOCOL, NULL);
        assert_true(streams_wait(p->loop, &s->is_accepted, 5 * SEC));
        assert_true(watch_wait(&watch, p->loop, &found.peer, found_here, 5 * SEC));
        test_stream_reset(s);
        watch_client_done(&watch);
        contact_done(&found);
        mdns_free(p->a.mdns.core);
        mdns_free(p->b.mdns.core);
        both_stop(p);
}

static const struct { uint32_t family; } families[] = { { 4 }, { 6 } };

/* Each family by itself; IPv6 needs no address but the one the kernel makes. */
static void test_each_family(void **state) {
        struct pair *p = ready(state);

        FOREACH_CASE (c, families) {
                both_listen(p);
                if (c->family == 6 && access("/proc/net/if_inet6", F_OK) != 0) {
                        print_message("# no IPv6 here\n");
                        both_stop(p);
                        continue;
                }
                assert_true(asks_until_heard(p, &p->a, c->family, &p->b.mdns));
                assert_int_equal(p->b.mdns.family, c->family);
                both_stop(p);
        }
}

/* An interface that comes later is joined without anybody asking. */
static void test_interfaces_come(void **state) {
        struct pair *p = ready(state);

        enter(p->b.netns);
        assert_true(run("ip link set cable-b down"));
        both_listen(p);
        (void) asks_until_heard(p, &p->a, 4, &p->a.mdns); /* a hears itself; b nothing */
        assert_false(p->b.mdns.has_query);
        assert_non_null(strstr(side_status(&p->b.side)->mdns, "not possible: no interface"));
        assert_true(run("ip link set cable-b up"));
        for (int i = 0; i < 4 && !p->b.mdns.has_query; i++)
                (void) asks_until_heard(p, &p->a, 4, &p->b.mdns);
        assert_true(p->b.mdns.has_query);
        assert_non_null(strstr(side_status(&p->b.side)->mdns, "on cable-b"));
        both_stop(p);
}

/* ---- hostile ---- */

/* A plain socket of machine a, as any program there may open one. */
static int plain_socket(struct pair *p) {
        int fd;

        enter(p->a.netns);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        return fd;
}

static void shout(int fd, const void *data, size_t n) {
        const struct ip_mreqn out = { .imr_address.s_addr = htonl(0x0a4d0001) };
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(5353) };

        to.sin_addr.s_addr = htonl(0xe00000fb);
        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)), 0);
        assert_int_equal(sendto(fd, data, n, 0, (const struct sockaddr *) &to, sizeof(to)),
                         (ssize_t) n);
}

/* Again and again: a cable that was just laid loses some. */
static bool shout_until_counted(struct pair *p, int fd, struct bytes packet, const char *metric) {
        const bool never = false;

        for (int i = 0; i < 50 && side_metric(&p->b.side, metric) < 1; i++) {
                shout(fd, packet.data, packet.len);
                (void) streams_wait(p->loop, &never, 50 * MS);
        }
        return side_metric(&p->b.side, metric) >= 1;
}

/* What comes too fast is dropped and counted; the other machine goes on hearing the rest. */
static void test_flood(void **state) {
        struct pair *p = ready(state);
        int fd = plain_socket(p);
        CLEANUP(buffer_donep) struct buffer b = {};
        double too_fast;

        buffer_init(&b, MDNS_OWN_MAX);
        mdns_put_query(&b, &service);
        both_listen(p);
        assert_true(asks_until_heard(p, &p->a, 4, &p->b.mdns));
        for (int i = 0; i < 300; i++) {
                shout(fd, b.data, b.len);
                if (i % 50 == 49) /* what the kernel drops is not counted here */
                        assert_non_null(side_status(&p->b.side));
        }
        too_fast = side_metric(&p->b.side, "mdns_too_fast");
        print_message("# %.0f of 300 were too fast\n", too_fast);
        assert_true(too_fast >= 200);
        assert_true(p->b.mdns.n_packets <= 100);
        (void) close(fd);
        both_stop(p);
}

/* Rubbish is carried like anything else: who reads it is the service. An oversized one is not. */
static void test_odd_packets(void **state) {
        static uint8_t big[MDNS_PACKET_MAX + 1];
        struct pair *p = ready(state);
        int fd = plain_socket(p);

        both_listen(p);
        assert_true(shout_until_counted(p, fd, BYTES_OF(big), "mdns_too_big"));
        assert_int_equal(p->b.mdns.n_packets, 0);
        shout(fd, "x", 1);
        assert_true(streams_wait(p->loop, &p->b.mdns.is_wrong, 5 * SEC));
        (void) close(fd);
        both_stop(p);
}

/* A source that is not of the link was routed here, or lies. */
static void test_off_link(void **state) {
        struct pair *p = ready(state);
        struct sockaddr_in from = { .sin_family = AF_INET };
        int fd;

        enter(p->a.netns);
        assert_true(run("ip addr add " OTHER_NET "/32 dev cable-a"));
        enter(p->b.netns);
        (void) run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.cable-b.rp_filter=0");
        fd = plain_socket(p);
        from.sin_addr.s_addr = htonl(0xc000024d);
        assert_int_equal(bind(fd, (const struct sockaddr *) &from, sizeof(from)), 0);
        both_listen(p);
        assert_true(shout_until_counted(p, fd, BYTES_LIT("x"), "mdns_off_link"));
        assert_int_equal(p->b.mdns.n_packets, 0);
        (void) close(fd);
        both_stop(p);
}

/* ---- off ---- */

static void test_off_by_configuration(void **state) {
        struct pair *p = ready(state);

        assert_string_equal(side_status(&p->b.side)->mdns, "nobody asks");
        enter(p->b.netns);
        side_restart(&p->b.side, CONFIG_OF("2") "mdns = no\n");
        assert_string_equal(side_status(&p->b.side)->mdns, "off");
        listen_on(&p->b);
        assert_true(streams_wait(p->loop, &p->b.mdns.has_ended, 5 * SEC));
        assert_int_equal(p->b.mdns.code, RPC_E_QUOTA);
        assert_non_null(strstr(p->b.mdns.text, "mdns = no"));
        stop_listening(&p->b);
}

/* A service that sends what is no MdnsPacket loses its channel and nothing else. */
static void test_malformed_from_a_service(void **state) {
        struct pair *p = ready(state);

        both_listen(p);
        assert_int_equal(channel_send(p->b.mdns.channel, BYTES_LIT("\x02\xff\xff")), CHANNEL_OK);
        assert_true(streams_wait(p->loop, &p->b.mdns.has_ended, 5 * SEC));
        assert_int_equal(p->b.mdns.code, RPC_E_MALFORMED);
        assert_non_null(side_status(&p->b.side));
        both_stop(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(TEST(test_two_nodes_find_each_other), TEST(test_each_family), TEST(test_interfaces_come),
          TEST(test_flood), TEST(test_odd_packets), TEST(test_off_link),
          TEST(test_off_by_configuration), TEST(test_malformed_from_a_service))
