#pragma once

/* transport/events: what dashboards may follow, and the metrics. */

#include "common/base/nsec.h"
#include "common/daemon/monitor.h"

struct shell;
struct peer;

#define EVENTS_LIMITS 8

struct events {
        struct monitor *monitor; /* NULL: nobody handed the socket down */
        nsec_t looked;
        uint64_t seen[EVENTS_LIMITS];
};

/* Returns 0 or a fault. */
int events_open(struct shell *s);
void events_close(struct shell *s);

void events_peer(struct shell *s, const struct peer *peer, bool connected);
void events_observed(struct shell *s);
/* In every turn: looks once a second whether a limit refused something. */
void events_limits(struct shell *s);
