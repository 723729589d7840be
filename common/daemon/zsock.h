#pragma once

/* One ZeroMQ socket on the loop, and its monitor. ZMQ_FD is edge-triggered and
 * stays silent after the socket was used from our side, so the socket is asked
 * once more before the loop sleeps. Closing is only allowed outside callbacks. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <zmq.h>

#include "common/base/bytes.h"
#include "common/base/refbuf.h"

struct loop;
struct zsock;

struct zsock_message {
        struct bytes identity; /* ROUTER only */
        struct bytes header, body;
        void *frame; /* for zsock_read_peer() */
};

/* Who sent it, by the kernel; the descriptor is that of the connection and matches
 * monitor events. What cannot be read is nobody. */
struct zsock_peer {
        int fd;
        uid_t uid;
        gid_t gid;
        pid_t pid;
};
void zsock_read_peer(const struct zsock_message *m, struct zsock_peer *ret);

struct zsock_handler {
        /* A message of two frames (three with identity); others are dropped. */
        int (*message)(void *userdata, const struct zsock_message *m);
        /* A connection ended (ZMQ_EVENT_DISCONNECTED, _CLOSED, failed handshakes). */
        int (*closed)(void *userdata, int fd);
};

struct zsock_options {
        int type; /* ZMQ_ROUTER or ZMQ_DEALER */
        size_t message_max;
        int receive_mark; /* messages kept for us while we do not read */
        int priority;     /* loop_source_priority() */
        const char *path; /* socket path */
        int listen_fd;    /* ROUTER: taken over */
};

/* Returns 0 or a fault. */
int zsock_new(struct loop *loop, const struct zsock_options *o, const struct zsock_handler *handler,
              void *userdata, struct zsock **ret);
struct zsock *zsock_free(struct zsock *z);

enum zsock_result {
        ZSOCK_OK = 0,
        ZSOCK_E_FULL,
        ZSOCK_E_GONE, /* no such identity */
};
/* Returns enum zsock_result or a fault. A refbuf the body points into is shared, not copied. */
int zsock_send(struct zsock *z, struct bytes identity, struct bytes header, struct bytes body,
               struct refbuf *refbuf);

/* Handles every monitor event there is. A connection is never heard of before its
 * predecessor on the same descriptor was reported closed, if this was called first. */
int zsock_drain_monitor(struct zsock *z);
