#include "services/transport/shell/events.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/daemon/log.h"
#include "proto/transport.pb-c.h"
#include "services/transport/shell/shell.h"

/* Counters of refusals, by their names among the metrics. */
static const struct limit {
        const char *metric;
        size_t offset; /* in struct metrics_copy */
} limits[] = {
        { "refused_limit", offsetof(struct metrics_copy, quic.refused_limit) },
        { "retries", offsetof(struct metrics_copy, quic.retries) },
        { "streams_refused", offsetof(struct metrics_copy, transport.streams_refused) },
        { "identify_refused", offsetof(struct metrics_copy, transport.hearings_refused) },
        { "connections_trimmed", offsetof(struct metrics_copy, transport.contacts_trimmed) },
};
_Static_assert(ELEMENTSOF(limits) <= EVENTS_LIMITS, "as many as are remembered");

int events_open(struct shell *s) {
        int r = monitor_new(s->ctx, &s->events.monitor);

        return r < 0 ? log_fault(r, "cannot serve transport/events") : r;
}

void events_close(struct shell *s) {
        s->events.monitor = monitor_free(s->events.monitor);
}

void events_peer(struct shell *s, const struct peer *peer, bool connected) {
        const struct peer_attempt *last = peer_attempt(peer, 0);
        Transport__PeerEvent event = TRANSPORT__PEER_EVENT__INIT;
        char address[MULTIADDR_TEXT_SIZE] = "";

        event.peer = (ProtobufCBinaryData){ peer->id.len, (uint8_t *) peer->id.bytes };
        event.connected = connected;
        event.inbound = last && last->inbound;
        event.address = last ? multiaddr_text(&last->addr, address) : address;
        event.outcome = (char *) (last ? last->outcome : "");
        monitor_tell(s->events.monitor, "Peer", &event);
}

void events_observed(struct shell *s) {
        const struct observed *seen = transport_observed(s->transport);
        char text[OBSERVED_ADDRS_MAX][ENDPOINT_TEXT_SIZE + 32], whole[MULTIADDR_TEXT_SIZE];
        Transport__ObservedEvent event = TRANSPORT__OBSERVED_EVENT__INIT;
        char *list[OBSERVED_ADDRS_MAX];
        struct observed_address o;

        event.believed = list;
        for (size_t i = 0; observed_address(seen, i, &o); i++) {
                struct multiaddr a = multiaddr_from_endpoint(&o.at);

                if (!o.is_believed)
                        continue;
                (void) snprintf(text[event.n_believed], sizeof(text[0]), "%s",
                                multiaddr_text(&a, whole));
                list[event.n_believed] = text[event.n_believed];
                event.n_believed++;
        }
        monitor_tell(s->events.monitor, "Observed", &event);
}

void events_limits(struct shell *s) {
        struct events *e = &s->events;
        nsec_t now = shell_now(s);

        if (!e->monitor || now - e->looked < NSEC_PER_SEC)
                return;
        e->looked = now;
        shell_refresh_metrics(s);
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                Transport__LimitEvent event = TRANSPORT__LIMIT_EVENT__INIT;
                uint64_t n;

                memcpy(&n, (const char *) &s->metrics + limits[i].offset, sizeof(n));
                event.metric = (char *) limits[i].metric;
                event.refused = n - e->seen[i];
                e->seen[i] = n;
                if (event.refused > 0)
                        monitor_tell(e->monitor, "Limit", &event);
        }
}
