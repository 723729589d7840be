#include "services/dht/shell.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/channel.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"

/* mDNS: packets travel through transport, on a channel called "mdns". */

#define PACKET_MAX (10 * 1024)
#define AGAIN_MIN  NSEC_PER_SEC /* after the channel was reset */
#define AGAIN_MAX  (60 * NSEC_PER_SEC)

static void turn(struct shell *s);

/* ---- In ---- */

static void take_packet(struct shell *s, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Transport__MdnsPacket *in;

        if (wire_unpack(&transport__mdns_packet__descriptor, frame, NULL, &u))
                return;
        in = u.message;
        mdns_input(s->mdns, BYTES(in->data.data, in->data.len), shell_now(s));
}

/* Said once, and asked again whatever was said: its configuration may be read anew, too. */
static void again_later(struct shell *s, const char *why) {
        s->mdns_channel = NULL;
        if (s->mdns_delay == 0)
                log_notice("nobody is looked for on the local network: %s", why);
        s->mdns_delay = s->mdns_delay ? nsec_min(2 * s->mdns_delay, AGAIN_MAX) : AGAIN_MIN;
        (void) loop_timer_set(s->mdns_again, nsec_add(shell_now(s), s->mdns_delay));
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct shell *s = userdata;
        struct bytes frame;
        int r;

        while ((r = frame_reader_next(&s->mdns_reader, &data, &frame)) == FRAME_OK)
                take_packet(s, frame);
        if (r == FRAME_E_MORE) {
                channel_consumed(c, 1);
                turn(s);
                return;
        }
        channel_reset(c, RPC_E_MALFORMED, "not frames");
        again_later(s, "packets come in frames that cannot be read");
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct shell *s = userdata;

        if (code == RPC_E_GONE)
                s->mdns_channel = NULL; /* with its link, which comes again */
        else
                again_later(s, text);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct shell *s = userdata;

        s->mdns_delay = 0;
        turn(s);
}

static const struct channel_handler mdns_side = { .on_accepted = on_accepted,
                                                  .on_data = on_data,
                                                  .on_end = on_end };

/* ---- Out ---- */

/* Lossy, as multicast is: what finds no credit is not sent. */
static void send(struct shell *s, struct bytes packet) {
        Transport__MdnsPacket message = TRANSPORT__MDNS_PACKET__INIT;
        CLEANUP(buffer_donep) struct buffer body = {};
        CLEANUP(buffer_donep) struct buffer framed = {};

        message.data = (ProtobufCBinaryData){ packet.len, (uint8_t *) packet.data };
        buffer_init(&body, PACKET_MAX);
        buffer_init(&framed, PACKET_MAX);
        wire_pack(&body, &message.base);
        frame_put(&framed, buffer_bytes(&body));
        if (s->mdns_channel)
                (void) channel_send(s->mdns_channel, buffer_bytes(&framed));
}

static void turn(struct shell *s) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct contact found;

        buffer_init(&b, MDNS_OWN_MAX);
        while (mdns_output(s->mdns, &b, shell_now(s))) {
                send(s, buffer_bytes(&b));
                buffer_clear(&b);
        }
        while (mdns_found(s->mdns, &found)) {
                dht_bootstrap(s->core, &found, BOOTSTRAP_MDNS, shell_now(s));
                contact_done(&found);
        }
        (void) loop_timer_set(s->mdns_timer, s->mdns_channel ? mdns_deadline(s->mdns) : NSEC_NEVER);
        shell_turn(s);
}

static int on_timer(void *userdata) {
        turn(userdata);
        return 0;
}

static int on_again(void *userdata) {
        struct shell *s = userdata;

        if (!s->mdns_channel && streams_link(s->streams))
                shell_mdns_up(s);
        return 0;
}

/* ---- Life ---- */

int shell_mdns_start(struct shell *s) {
        struct mdns_config config;
        uint64_t seed;
        int r;

        frame_reader_init(&s->mdns_reader, PACKET_MAX);
        if (!s->config->mdns)
                return 0;
        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return error_origin(-EIO);
        mdns_config_default(&config);
        (void) snprintf(config.service.text, sizeof(config.service.text), "%s",
                        s->network->mdns_service);
        s->mdns = mdns_new(&config, &s->self, seed);
        r = loop_add_timer(s->loop, on_timer, s, &s->mdns_timer);
        return r < 0 ? r : loop_add_timer(s->loop, on_again, s, &s->mdns_again);
}

void shell_mdns_up(struct shell *s) {
        if (!s->mdns)
                return;
        frame_reader_done(&s->mdns_reader);
        frame_reader_init(&s->mdns_reader, PACKET_MAX);
        s->mdns_channel = channel_open(streams_link(s->streams), "mdns", BYTES_NONE, &mdns_side, s);
        mdns_wake(s->mdns, shell_now(s));
}

void shell_mdns_addresses(struct shell *s, const struct multiaddr *addrs, size_t n) {
        if (!s->mdns)
                return;
        mdns_addresses(s->mdns, addrs, n, shell_now(s));
        turn(s);
}

void shell_mdns_stop(struct shell *s) {
        if (s->mdns_channel)
                channel_reset(s->mdns_channel, 0, "stopping");
        s->mdns_channel = NULL;
        loop_source_free(s->mdns_timer);
        loop_source_free(s->mdns_again);
        s->mdns = mdns_free(s->mdns);
        frame_reader_done(&s->mdns_reader);
}
