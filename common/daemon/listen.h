#pragma once

/* Listening sockets handed down by systemd or `quorate run` (LISTEN_FDS,
 * LISTEN_FDNAMES), by capability path: "transport/streams",
 * "transport/streams.data". No service binds or unlinks a path itself. */

#include "common/daemon/capability.h"

/* Takes them over from the environment (and clears it). Call once, before any
 * descriptor is opened. Returns 0 or a fault; none is no error. */
int listen_init(void);

/* The descriptor, now the caller's; -1: none was passed. Each can be taken once. */
int listen_take(const char *name);

/* For the supervisor and tests: makes missing parent folders (0700), removes a
 * stale socket, binds and listens with `mode`. Returns a descriptor or a fault. */
int listen_create(const char *path, enum capability_type type, unsigned mode);

/* For the supervisor, in the child just before exec: gives the descriptors their
 * places from 3 on and sets LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID. */
int listen_hand_down(const int *fds, const char *const *names, unsigned n);
