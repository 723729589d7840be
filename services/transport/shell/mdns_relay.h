#pragma once

/* Channels "mdns": datagrams of multicast DNS between the local networks and the
 * services that speak it (proto/transport.proto, MdnsPacket). Never looks into
 * them. Sockets are open while a channel is; interfaces that come and go are
 * followed. What comes from elsewhere than the link, or too fast, is dropped and
 * counted: per source 20 a second (40 at once), in all 200 (400). */

#include "common/base/list.h"
#include "common/base/rate.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "services/transport/shell/interfaces.h"

#define MDNS_RELAY_USERS_MAX   8
#define MDNS_RELAY_SOURCES     64
#define MDNS_RELAY_STATUS_SIZE 256

struct shell;

struct mdns_source {
        struct endpoint from; /* without port */
        nsec_t used;
        struct rate rate;
};

/* One address family: a socket, and on which interfaces it is in the group. */
struct mdns_side {
        struct mdns_relay *relay;
        enum endpoint_family family;
        int fd; /* -1: none */
        struct loop_source *source;
        size_t n_joined;
        unsigned joined[INTERFACES_MAX];
};

struct mdns_relay {
        struct shell *shell;
        struct list users;
        size_t n_users;
        struct mdns_side sides[2];
        struct interfaces interfaces;
        struct loop_source *rescan;
        struct mdns_source sources[MDNS_RELAY_SOURCES];
        struct rate received, sent;
        bool has_complained;
        char trouble[128]; /* why it is not possible; "": it is */
        uint64_t n_in, n_out, n_off_link, n_too_fast, n_too_big, n_not_taken, n_not_sent;
};

int mdns_relay_init(struct mdns_relay *m, struct shell *s);
void mdns_relay_done(struct mdns_relay *m);
/* Accepts it, or resets it: by configuration off, or too many. */
void mdns_relay_open(struct mdns_relay *m, struct channel *c);
/* After the configuration was read again: ends the channels when it says `mdns = no`. */
void mdns_relay_enforce(struct mdns_relay *m);
/* End of a turn: what was received goes to the services. */
void mdns_relay_flush(struct mdns_relay *m);
/* For people: "off", "nobody asks", "on eth0, wlan0", or why not. Returns ret. */
char *mdns_relay_status(const struct mdns_relay *m, char ret[MDNS_RELAY_STATUS_SIZE]);
