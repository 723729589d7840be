#include "services/transport/shell/mdns_relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/rpc.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/transport.pb-c.h"
#include "services/transport/shell/multicast.h"
#include "services/transport/shell/shell.h"

#define OFF           "off by configuration: [transport] mdns = no"
#define RESCAN_PERIOD (5 * NSEC_PER_SEC)
#define TURN_MAX      32 /* datagrams received in one turn */
#define FRAME_MAX     (MULTICAST_PACKET_MAX + 64)
#define SOURCE_BURST  40
#define SOURCE_RATE   20
#define TOTAL_BURST   400
#define TOTAL_RATE    200
#define SEND_BURST    100
#define SEND_RATE     50

/* One channel. */
struct mdns_user {
        struct list link;
        struct mdns_relay *relay;
        struct channel *channel;
        struct frame_reader in;
        struct buffer unit; /* received, and not taken yet */
};

/* ---- interfaces ---- */

static bool is_joined(const struct mdns_side *side, unsigned interface) {
        for (size_t i = 0; i < side->n_joined; i++)
                if (side->joined[i] == interface)
                        return true;
        return false;
}

/* With an interface its membership went. */
static void forget_gone(struct mdns_side *side) {
        size_t kept = 0;

        for (size_t i = 0; i < side->n_joined; i++)
                if (interfaces_of(&side->relay->interfaces, side->joined[i]))
                        side->joined[kept++] = side->joined[i];
        side->n_joined = kept;
}

static void trouble(struct mdns_relay *m, int fault, const char *what, const char *where) {
        (void) snprintf(m->trouble, sizeof(m->trouble), "not possible: %s%s: %s", what, where,
                        strerror(-fault));
}

static void join_all(struct mdns_side *side) {
        const struct interfaces *all = &side->relay->interfaces;

        for (size_t i = 0; i < all->n; i++) {
                const struct interface *at = &all->list[i];
                bool has_family = side->family == ENDPOINT_IP6 ? at->has_ip6 : at->has_ip4;
                int r;

                if (!has_family || is_joined(side, at->index))
                        continue;
                r = multicast_join(side->fd, side->family, at->index);
                if (r < 0)
                        trouble(side->relay, error_fold(r), "cannot join the group on ", at->name);
                else
                        side->joined[side->n_joined++] = at->index;
        }
}

/* ---- receiving ---- */

/* The one used longest ago makes room: a flood under many names meets the total. */
static struct mdns_source *source_of(struct mdns_relay *m, const struct endpoint *from) {
        struct mdns_source *oldest = &m->sources[0];
        struct endpoint bare = *from;

        bare.port = 0;
        for (size_t i = 0; i < MDNS_RELAY_SOURCES; i++) {
                struct mdns_source *s = &m->sources[i];

                if (endpoint_equal(&s->from, &bare))
                        return s;
                if (s->used < oldest->used)
                        oldest = s;
        }
        *oldest = (struct mdns_source){ .from = bare };
        rate_init(&oldest->rate, SOURCE_BURST, SOURCE_RATE);
        return oldest;
}

static bool is_welcome(struct mdns_relay *m, const struct multicast_packet *p) {
        const struct interface *at = interfaces_of(&m->interfaces, p->interface);
        nsec_t now = shell_now(m->shell);
        struct mdns_source *source;

        if (!at || !interface_is_on_link(at, &p->from)) {
                m->n_off_link++;
                return false;
        }
        source = source_of(m, &p->from);
        source->used = now;
        if (rate_take(&source->rate, now) && rate_take(&m->received, now))
                return true;
        m->n_too_fast++;
        return false;
}

static void flush(struct mdns_user *u) {
        if (u->unit.len > 0 && channel_send(u->channel, buffer_bytes(&u->unit)) == CHANNEL_OK)
                buffer_clear(&u->unit);
}

void mdns_relay_flush(struct mdns_relay *m) {
        LIST_FOREACH (link, &m->users)
                flush(LIST_ENTRY(link, struct mdns_user, link));
}

static void give(struct mdns_user *u, struct bytes packed) {
        if (u->unit.len + packed.len + VARINT_SIZE_MAX > CHANNEL_UNIT)
                flush(u);
        if (u->unit.len + packed.len + VARINT_SIZE_MAX > CHANNEL_UNIT)
                u->relay->n_not_taken++;
        else
                frame_put(&u->unit, packed);
}

static void give_all(struct mdns_relay *m, enum endpoint_family family,
                     const struct multicast_packet *p) {
        Transport__MdnsPacket message = TRANSPORT__MDNS_PACKET__INIT;
        CLEANUP(buffer_donep) struct buffer packed = {};

        message.family = family;
        message.interface = p->interface;
        message.data = (ProtobufCBinaryData){ p->len, (uint8_t *) p->data };
        buffer_init(&packed, FRAME_MAX);
        wire_pack(&packed, &message.base);
        check(!packed.failed);
        m->n_in++;
        LIST_FOREACH (link, &m->users)
                give(LIST_ENTRY(link, struct mdns_user, link), buffer_bytes(&packed));
}

/* A socket may report an error of an interface that went: that is no reason to stop. */
static int on_ready(void *userdata, uint32_t events) {
        struct mdns_side *side = userdata;
        struct mdns_relay *m = side->relay;
        struct multicast_packet p;

        for (int i = 0; i < TURN_MAX; i++) {
                int r = multicast_receive(side->fd, &p);

                if (r < 0)
                        log_debug("mdns: cannot receive: %s", strerror(-error_fold(r)));
                if (r < 0 || r == MULTICAST_E_NONE)
                        return 0;
                if (r == MULTICAST_E_TOO_BIG)
                        m->n_too_big++;
                else if (p.len > 0 && is_welcome(m, &p))
                        give_all(m, side->family, &p);
        }
        return 0;
}

/* ---- sending ---- */

static void send_one(struct mdns_side *side, unsigned interface, struct bytes data) {
        struct mdns_relay *m = side->relay;
        int r;

        if (!rate_take(&m->sent, shell_now(m->shell))) {
                m->n_not_sent++;
                return;
        }
        r = multicast_send(side->fd, side->family, interface, data);
        m->n_out += r == 0;
        m->n_not_sent += r < 0;
        if (r < 0)
                (void) error_fold(r);
}

static void send_packet(struct mdns_relay *m, const Transport__MdnsPacket *p) {
        for (size_t i = 0; i < ELEMENTSOF(m->sides); i++) {
                struct mdns_side *side = &m->sides[i];

                if (side->fd < 0 || (p->family != 0 && p->family != side->family))
                        continue;
                for (size_t k = 0; k < side->n_joined; k++)
                        if (p->interface == 0 || p->interface == side->joined[k])
                                send_one(side, side->joined[k], BYTES(p->data.data, p->data.len));
        }
}

/* ---- sockets, while somebody asks ---- */

static void side_close(struct mdns_side *side) {
        side->source = loop_source_free(side->source);
        if (side->fd >= 0)
                (void) close(side->fd);
        side->fd = -1;
        side->n_joined = 0;
}

static void side_open(struct mdns_side *side) {
        int r = multicast_open(side->family);

        if (r >= 0) {
                side->fd = r;
                r = loop_add_io(side->relay->shell->ctx->loop, side->fd, EPOLLIN, on_ready, side,
                                &side->source);
        }
        if (r >= 0)
                return;
        trouble(side->relay, error_fold(r), "cannot open UDP port 5353",
                side->family == ENDPOINT_IP6 ? " of IPv6" : "");
        side_close(side);
}

static bool is_working(const struct mdns_relay *m) {
        return m->sides[0].n_joined > 0 || m->sides[1].n_joined > 0;
}

/* Once, until it works: a person may want to know, and can do something. */
static void complain(struct mdns_relay *m) {
        if (is_working(m)) {
                m->has_complained = false;
                return;
        }
        if (m->trouble[0] == '\0')
                (void) snprintf(m->trouble, sizeof(m->trouble),
                                "not possible: no interface that is up can multicast");
        if (!m->has_complained)
                log_warning("mdns: finding peers on the local network is %s; set mdns = no if it "
                            "is not wanted",
                            m->trouble);
        m->has_complained = true;
}

static void scan(struct mdns_relay *m) {
        int r = interfaces_find(&m->interfaces);

        m->trouble[0] = '\0';
        if (r < 0)
                trouble(m, error_fold(r), "cannot list interfaces", "");
        for (size_t i = 0; i < ELEMENTSOF(m->sides); i++) {
                struct mdns_side *side = &m->sides[i];

                if (side->fd < 0)
                        side_open(side);
                forget_gone(side);
                if (side->fd >= 0)
                        join_all(side);
        }
        complain(m);
}

static int on_rescan(void *userdata) {
        struct mdns_relay *m = userdata;

        scan(m);
        return loop_timer_set(m->rescan, nsec_add(shell_now(m->shell), RESCAN_PERIOD));
}

static void start(struct mdns_relay *m) {
        scan(m);
        check(loop_timer_set(m->rescan, nsec_add(shell_now(m->shell), RESCAN_PERIOD)) == 0);
}

static void halt(struct mdns_relay *m) {
        for (size_t i = 0; i < ELEMENTSOF(m->sides); i++)
                side_close(&m->sides[i]);
        check(loop_timer_set(m->rescan, NSEC_NEVER) == 0);
}

/* ---- channels ---- */

static void user_free(struct mdns_user *u) {
        struct mdns_relay *m = u->relay;

        frame_reader_done(&u->in);
        buffer_done(&u->unit);
        list_remove(&u->link);
        free(u);
        if (--m->n_users == 0)
                halt(m);
}

static bool take_frame(struct mdns_relay *m, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Transport__MdnsPacket *p;

        if (wire_unpack(&transport__mdns_packet__descriptor, frame, NULL, &u))
                return false;
        p = u.message;
        if (p->data.len == 0 || p->data.len > MULTICAST_PACKET_MAX)
                return false;
        send_packet(m, p);
        return true;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct mdns_user *u = userdata;
        struct bytes frame;
        int r;

        while ((r = frame_reader_next(&u->in, &data, &frame)) == FRAME_OK)
                if (!take_frame(u->relay, frame))
                        break;
        if (r == FRAME_E_MORE) {
                channel_consumed(c, 1);
                return;
        }
        channel_reset(c, RPC_E_MALFORMED,
                      "not length-prefixed MdnsPackets of 1 to 9,000 bytes each");
        user_free(u);
}

static void on_writable(struct channel *c, void *userdata) {
        flush(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        (void) channel_finish(c);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        user_free(userdata);
}

static const struct channel_handler mdns_side_handler = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

void mdns_relay_open(struct mdns_relay *m, struct channel *c) {
        struct mdns_user *u;

        if (!m->shell->settings->mdns) {
                channel_reset(c, RPC_E_QUOTA, OFF);
                return;
        }
        if (m->n_users >= MDNS_RELAY_USERS_MAX) {
                channel_reset(c, RPC_E_QUOTA, "too many channels \"mdns\" are open");
                return;
        }
        u = xnew(struct mdns_user);
        if (channel_accept(c, BYTES_NONE, &mdns_side_handler, u) != CHANNEL_OK) {
                free(u);
                return;
        }
        u->relay = m;
        u->channel = c;
        frame_reader_init(&u->in, FRAME_MAX);
        buffer_init(&u->unit, CHANNEL_UNIT);
        list_init(&u->link);
        list_push_back(&m->users, &u->link);
        if (m->n_users++ == 0)
                start(m);
}

/* ---- life ---- */

int mdns_relay_init(struct mdns_relay *m, struct shell *s) {
        *m = (struct mdns_relay){ .shell = s };
        list_init(&m->users);
        m->sides[0] = (struct mdns_side){ .relay = m, .family = ENDPOINT_IP4, .fd = -1 };
        m->sides[1] = (struct mdns_side){ .relay = m, .family = ENDPOINT_IP6, .fd = -1 };
        rate_init(&m->received, TOTAL_BURST, TOTAL_RATE);
        rate_init(&m->sent, SEND_BURST, SEND_RATE);
        return loop_add_timer(s->ctx->loop, on_rescan, m, &m->rescan);
}

static void end_all(struct mdns_relay *m, uint32_t code, const char *why) {
        struct list *link;

        while ((link = list_first(&m->users))) {
                struct mdns_user *u = LIST_ENTRY(link, struct mdns_user, link);

                channel_reset(u->channel, code, why);
                user_free(u);
        }
}

void mdns_relay_enforce(struct mdns_relay *m) {
        if (!m->shell->settings->mdns)
                end_all(m, RPC_E_QUOTA, OFF);
}

void mdns_relay_done(struct mdns_relay *m) {
        end_all(m, RPC_E_GONE, "the transport is stopping");
        m->rescan = loop_source_free(m->rescan);
}

static size_t put_name(char ret[MDNS_RELAY_STATUS_SIZE], size_t n, const char *name) {
        int more = snprintf(ret + n, MDNS_RELAY_STATUS_SIZE - n, "%s%s", n > 3 ? ", " : "", name);

        n += (size_t) more;
        return n < MDNS_RELAY_STATUS_SIZE ? n : MDNS_RELAY_STATUS_SIZE - 1;
}

char *mdns_relay_status(const struct mdns_relay *m, char ret[MDNS_RELAY_STATUS_SIZE]) {
        size_t n;

        if (!m->shell->settings->mdns || m->n_users == 0 || !is_working(m)) {
                (void) snprintf(ret, MDNS_RELAY_STATUS_SIZE, "%s",
                                !m->shell->settings->mdns ? "off"
                                : m->n_users == 0         ? "nobody asks"
                                                          : m->trouble);
                return ret;
        }
        n = (size_t) snprintf(ret, MDNS_RELAY_STATUS_SIZE, "on ");
        for (size_t i = 0; i < m->interfaces.n; i++)
                if (is_joined(&m->sides[0], m->interfaces.list[i].index) ||
                    is_joined(&m->sides[1], m->interfaces.list[i].index))
                        n = put_name(ret, n, m->interfaces.list[i].name);
        return ret;
}
