#pragma once

/* A socket on the port and groups of multicast DNS (RFC 6762): 224.0.0.251 and
 * ff02::fb, port 5353, shared with other programs of the machine. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/endpoint.h"

#define MULTICAST_PACKET_MAX 9000 /* RFC 6762, section 17 */

enum multicast_result {
        MULTICAST_OK = 0,
        MULTICAST_E_NONE,    /* nothing more there */
        MULTICAST_E_TOO_BIG, /* cut off: pass it over */
};

/* Non-blocking, in no group yet. Returns a descriptor or a fault. */
int multicast_open(enum endpoint_family family);
/* On one interface; once more does no harm. Returns 0 or a fault. */
int multicast_join(int fd, enum endpoint_family family, unsigned interface);
/* To the group on one interface, hop limit 255; our own sockets hear it, too. Returns 0 or a
 * fault; a full queue is one (-EAGAIN): packets get lost anyway. */
int multicast_send(int fd, enum endpoint_family family, unsigned interface, struct bytes packet);

struct multicast_packet {
        struct endpoint from;
        unsigned interface;
        size_t len;
        uint8_t data[MULTICAST_PACKET_MAX];
};
/* Returns enum multicast_result or a fault. */
int multicast_receive(int fd, struct multicast_packet *ret);
