#pragma once

/* The UDP sockets, one for each address family, used for listening and dialling
 * alike. Part of the shell: with the daemon's loop it watches udp_fd(), calls
 * udp_receive() when readable, and udp_send() with trains from quic_output().
 *
 * Trains leave by UDP_SEGMENT and arrive by UDP_GRO where the kernel has them,
 * and one by one where it refuses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "services/transport/path.h"

struct udp;

struct udp_options {
        bool no_gso, no_gro, no_ecn; /* for tests of the fallbacks */
        uint32_t buffer_bytes; /* of the socket, each way; the kernel may give less. 0: 4 MiB */
};

enum udp_result {
        UDP_OK = 0,
        UDP_E_BLOCKED, /* send: the socket is full, offer the rest again when it is writable;
                          receive: nothing is waiting */
        UDP_E_GONE,    /* send: this train cannot leave (no route, too large): drop it */
};

/* Binds. `link` numbers the paths made by this socket. IPv6 sockets are IPv6 only.
 * Returns 0 or a negative errno. */
int udp_new(const struct endpoint *bind, uint32_t link, const struct udp_options *options,
            struct udp **ret);
struct udp *udp_free(struct udp *u);
DEFINE_CLEANUP(struct udp *, udp_free);

int udp_fd(const struct udp *u);
const struct endpoint *udp_bound(const struct udp *u); /* with the port in use */

/* Reads one batch and hands each train to fn. Answers enum udp_result or a negative errno;
 * UDP_E_BLOCKED: there is no more now. */
typedef void (*udp_datagrams_fn)(void *userdata, const struct datagrams *in);
int udp_receive(struct udp *u, udp_datagrams_fn fn, void *userdata);

/* Sends the train, or what of it is left: *sent counts bytes already gone and is moved
 * on. Answers enum udp_result. */
int udp_send(struct udp *u, const struct datagrams *out, size_t *sent);
