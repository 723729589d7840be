#pragma once

/* A QUIC v1 endpoint (RFC 9000) as libp2p uses it: datagrams and `now` in,
 * datagrams and one deadline out. It owns its connections, listens and dials
 * over the same paths, and meets neither socket nor clock. Several may live in
 * one process. Not thread-safe.
 *
 * A turn of the shell: quic_input() for what arrived, quic_expire() when the
 * deadline passed, then quic_output() until it is false or a send blocks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "common/wire/peerid.h"
#include "services/transport/connection.h"
#include "services/transport/path.h"
#include "services/transport/stream.h"
#include "services/transport/tls.h"

#define QUIC_RESET_KEY_SIZE 32

struct quic;

enum quic_congestion { QUIC_CUBIC = 0, QUIC_BBR };

/* The least buffer to send from: whoever waits until half of it is free can write then. */
#define QUIC_SEND_BYTES_MIN (2 * STREAM_WRITE_MAX)

struct quic_limits {
        uint32_t connections; /* in total, both directions */
        uint32_t inbound;     /* of these; 0: three quarters, so that dialling keeps the rest */
        uint32_t connections_per_ip;  /* inbound */
        uint32_t connections_per_net; /* inbound, per IPv4 /24 and IPv6 /48 */
        uint32_t handshakes_per_net;  /* a second, begun by others */
        uint32_t half_open;           /* inbound handshakes not confirmed */
        uint32_t retry_above; /* half-open handshakes from which addresses must prove themselves */
        uint32_t streams;     /* inbound, open at once, per connection */
        uint64_t stream_send_bytes; /* queued and unacknowledged; all three >= the MIN above */
        uint64_t connection_send_bytes;
        uint64_t total_send_bytes;
        uint64_t stream_window; /* received and not consumed; grown to this by need */
        uint64_t connection_window;
        uint64_t total_receive_bytes; /* windows of all connections together */
        bool exempt_loopback;         /* no limits per ip and net for loopback addresses */
};

struct quic_config {
        struct tls_context *tls; /* borrowed */
        struct quic_limits limits;
        enum quic_congestion congestion;
        nsec_t idle_timeout, handshake_timeout, keep_alive;
        uint32_t max_payload; /* UDP payload we try to send at most (path MTU discovery) */
        uint8_t reset_key[QUIC_RESET_KEY_SIZE]; /* persistent: a restarted node is recognised */
};

void quic_config_default(struct quic_config *ret); /* tls and reset_key are left empty */

/* Calls out; userdata first. on_connected and on_closed must not be NULL. */
struct quic_events {
        /* Unpredictable bytes: connection ids, tokens, path challenges. */
        void (*random)(void *userdata, void *ret, size_t n);
        /* Whether a connection to this peer may exist; asked inside the handshake. NULL: all. */
        bool (*allow)(void *userdata, const struct peer_id *peer, bool inbound);
        void (*on_connected)(void *userdata, struct connection *c); /* confirmed */
        /* Exactly once for each connection that was dialled or reported. */
        void (*on_closed)(void *userdata, struct connection *c, const struct connection_end *end);
        /* A stream opened by the peer, before its first byte: attach a handler or abandon it. */
        void (*on_stream)(void *userdata, struct connection *c, struct stream *s);
        /* The peer allows more streams, after CONNECTION_E_BUSY. */
        void (*on_streams)(void *userdata, struct connection *c);
        void (*on_datagram)(void *userdata, struct connection *c, struct bytes data);
        /* The peer moved (NAT rebinding) and proved its new address. */
        void (*on_path)(void *userdata, struct connection *c, const struct path *path);
};

enum quic_result {
        QUIC_OK = 0,
        QUIC_E_LIMIT, /* as many connections as configured */
};

/* Counters, for metrics. */
struct quic_stats {
        uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
        uint64_t dropped_garbage, dropped_small_initial, dropped_unknown;
        uint64_t accepted, refused_limit, handshakes_failed, retries, resets, version_negotiations;
        uint32_t n_connections, n_inbound, n_half_open;
};

struct quic *quic_new(const struct quic_config *config, const struct quic_events *events,
                      void *userdata);
/* Streams and connections end with on_close and on_closed before it returns. */
struct quic *quic_free(struct quic *q);

/* Whether inbound connections are accepted; false at the start. */
void quic_listen(struct quic *q, bool on);
/* Takes over limits, congestion control and timeouts, for connections made from now on. */
void quic_configure(struct quic *q, const struct quic_config *config);
/* For handshakes begun from now on. */
void quic_set_tls(struct quic *q, struct tls_context *tls);

/* Begins a handshake. `expected` NULL accepts any peer (an address without an id).
 * Answers enum quic_result. on_connected or on_closed follows. */
int quic_dial(struct quic *q, const struct path *path, const struct peer_id *expected, nsec_t now,
              struct connection **ret);

/* Tries another way to the same peer, such as a direct path beside a relay tunnel. It is
 * used once it proved itself: on_path tells. Dialled connections only (RFC 9000 9).
 * Answers CONNECTION_E_CLOSED before the connection is confirmed or when it was not
 * dialled, CONNECTION_E_BUSY when the peer allows it not, or not yet. */
int quic_migrate(struct quic *q, struct connection *c, const struct path *path, nsec_t now);

void quic_input(struct quic *q, const struct datagrams *in, nsec_t now);
nsec_t quic_deadline(const struct quic *q); /* NSEC_NEVER when idle */
void quic_expire(struct quic *q, nsec_t now);
/* The next train to send, all over one path; valid until the next call on q. */
bool quic_output(struct quic *q, struct datagrams *ret, nsec_t now);

/* Closes every connection with this code; on_closed follows as datagrams go out. */
void quic_close_all(struct quic *q, uint64_t code, nsec_t now);

/* Walks the connections in the order they were made; *cursor starts at 0. */
struct connection *quic_next_connection(const struct quic *q, size_t *cursor);
void quic_stats(const struct quic *q, struct quic_stats *ret);
