#pragma once

/* The shell of transport: sockets, keys, clock and disk around struct transport,
 * and the two services it offers on the bus. */

#include "common/base/budget.h"
#include "common/daemon/service.h"
#include "services/transport/config.h"
#include "services/transport/shell/addresses.h"
#include "services/transport/shell/deny.h"
#include "services/transport/shell/events.h"
#include "services/transport/shell/keys.h"
#include "services/transport/shell/mdns_relay.h"
#include "services/transport/shell/names.h"
#include "services/transport/shell/policy.h"
#include "services/transport/shell/store.h"
#include "services/transport/shell/watch.h"
#include "services/transport/transport.h"
#include "services/transport/udp.h"

struct peers_service;
struct streams_service;

/* One UDP socket, and a train that it would not take yet. */
struct outlet {
        struct shell *shell;
        struct udp *udp;
        struct loop_source *source;
        struct datagrams held;
        uint8_t *held_bytes;
        size_t sent;
        bool is_blocked;
};

struct metrics_copy {
        struct quic_stats quic;
        struct transport_stats transport;
        uint64_t n_connections, n_inbound, n_half_open, n_unroutable;
        uint64_t n_denied, n_not_allowed, record_bytes, records_refused;
};

/* What it was started with and cannot change. */
struct shell_fixed {
        int certificate;
        uint64_t max_peers;
        size_t n_listen;
        char listen[512], resolver[64], network[64];
};

struct shell {
        struct service_context *ctx;
        const struct transport_settings *settings;
        struct keys *keys;
        struct identity_watch *identity;
        struct tls_context *certificate; /* the latest; sessions may use older ones */
        struct policy *policy;
        struct shell_fixed fixed;
        struct transport *transport;
        struct outlet outlets[2];
        size_t n_outlets;
        struct loop_source *timer, *prepare, *housekeeping;
        struct names *names;
        struct store *store;
        struct addresses addresses, local; /* announced; those of the interfaces alone */
        struct peers_service *peers_service;
        struct streams_service *streams_service;
        struct metrics_copy metrics;
        struct events events;
        struct denials *denials;
        struct watch watch;
        struct mdns_relay mdns;
        bool is_draining, is_observed_new,
                is_record_due; /* keyring did not sign our addresses yet */
        nsec_t places_at; /* from then on the log says again that no place to begin is any good */
};

int shell_check(const struct service_context *ctx);
int shell_start(struct service_context *ctx, void **ret);
int shell_reload(struct service_context *ctx, void *s);
void shell_drain(struct service_context *ctx, void *s);
void *shell_stop(struct service_context *ctx, void *s);

/* ourselves.c: tells others where we are, if that changed. */
void shell_find_addresses(struct shell *s);
void shell_remember_fixed(struct shell *s, const struct transport_settings *v);

/* Fills shell->metrics from the core. */
void shell_refresh_metrics(struct shell *s);
nsec_t shell_now(const struct shell *s);
int64_t shell_wall_us(void);

/* sockets.c */
int sockets_open(struct shell *s);
void sockets_close(struct shell *s);
/* True: there is more to send than fits one turn. */
bool sockets_send(struct shell *s, nsec_t now);

/* rpc_peers.c and rpc_streams.c: transport/peers and transport/streams */
int peers_service_new(struct shell *s, struct peers_service **ret);
struct peers_service *peers_service_free(struct peers_service *p);
int streams_service_new(struct shell *s, struct streams_service **ret);
struct streams_service *streams_service_free(struct streams_service *p);
/* Our addresses changed: event "Self" to everybody. */
void streams_service_tell(struct streams_service *p);
/* End of a turn: what was received and fills no whole unit goes to the services now. */
void streams_service_flush(struct streams_service *p);
