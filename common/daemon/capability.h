#pragma once

/* The socket is the permission. THE table of architecture.md "Sockets": every
 * socket of a node, and which service may use which. Read by the supervisor (what
 * to create and to bind-mount), by services (paths) and by the isolation tests. */

#include <stdbool.h>
#include <stddef.h>

#define CAPABILITY_PATH_SIZE 108 /* sun_path, with the final 0 */

enum capability_type {
        CAPABILITY_BUS,       /* ZeroMQ: control only */
        CAPABILITY_STREAMS,   /* ZeroMQ: control and <name>.data */
        CAPABILITY_SEQPACKET, /* SOCK_SEQPACKET */
};

struct capability {
        const char *name; /* "transport/streams": <service>/<capability> */
        enum capability_type type;
};
extern const struct capability capabilities[]; /* ends with name NULL */

struct capability_right {
        const char *service;
        const char *capability; /* "<service>/<capability>" */
};
extern const struct capability_right capability_rights[]; /* ends with service NULL */

/* All services of a node in starting order; ends with NULL. ctl and executor are not in it. */
extern const char *const capability_services[];

bool capability_is_service(const char *name); /* ctl and executor count too */
const struct capability *capability_find(const char *name);
bool capability_may_use(const char *service, const char *name);
bool capability_is_of(const struct capability *c, const char *service); /* served by */

enum capability_result {
        CAPABILITY_OK = 0,
        CAPABILITY_E_TOO_LONG, /* runtime directory too deep for sun_path */
};

/* <runtime>/<name>, or with `data` <runtime>/<name>.data. Returns enum capability_result. */
int capability_path(const char *runtime, const char *name, bool data,
                    char ret[CAPABILITY_PATH_SIZE]);
