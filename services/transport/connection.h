#pragma once

/* One QUIC connection to one authenticated peer. Made by quic.h, which owns it;
 * a pointer is valid from on_connected (or quic_dial()) until on_closed.
 * Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/wire/peerid.h"
#include "services/transport/path.h"
#include "services/transport/stream.h"

struct connection;

enum connection_result {
        CONNECTION_OK = 0,
        CONNECTION_E_BUSY,   /* as many streams as the peer allows; on_streams follows */
        CONNECTION_E_CLOSED, /* not confirmed yet, or closing */
        CONNECTION_E_QUOTA,  /* over a budget of ours */
        CONNECTION_E_SIZE,   /* larger than a datagram of this path */
};

enum connection_state {
        CONNECTION_HANDSHAKE = 0,
        CONNECTION_COMPLETED, /* TLS is done here; the peer may still refuse our certificate */
        CONNECTION_CONFIRMED, /* both sides accepted: reported as connected */
        CONNECTION_CLOSING,
        CONNECTION_CLOSED,
};

/* Why a connection ended; connection_end_text() says it in words. */
enum connection_end_kind {
        CONNECTION_END_LOCAL = 0,    /* connection_close() */
        CONNECTION_END_PEER,         /* the peer closed it: application code */
        CONNECTION_END_PEER_REFUSED, /* the peer closed it: transport or TLS error */
        CONNECTION_END_IDLE,
        CONNECTION_END_TIMEOUT, /* the handshake took too long: nobody answered */
        CONNECTION_END_TLS,     /* we refused the peer's certificate; see `verdict` */
        CONNECTION_END_VERSION, /* no common QUIC version */
        CONNECTION_END_RESET,   /* stateless reset: the peer forgot us */
        CONNECTION_END_LIMIT,   /* a limit of ours */
        CONNECTION_END_PROTOCOL /* the peer broke the protocol, or a fault of ours */
};

struct connection_end {
        enum connection_end_kind kind;
        bool was_confirmed;
        int verdict;   /* enum tls_verdict, for CONNECTION_END_TLS */
        uint64_t code; /* the QUIC error code, where one was seen or sent */
        uint8_t reason_len;
        uint8_t reason[64]; /* the peer's own words: untrusted, escape before showing */
};

/* One English line without the peer's words; static. */
const char *connection_end_text(const struct connection_end *end);

struct connection_stats {
        nsec_t rtt, rtt_min;
        uint64_t bytes_in, bytes_out; /* UDP payload */
        uint64_t bytes_in_flight, congestion_window;
        uint64_t queued; /* bytes charged to the connection's budget */
        uint32_t n_streams;
        uint32_t max_payload; /* UDP payload that the path carries */
};

enum connection_state connection_state(const struct connection *c);
bool connection_is_inbound(const struct connection *c);
uint64_t connection_id(const struct connection *c); /* unique within its struct quic, from 1 */
/* None before the handshake completed, unless dialled with an expected one. */
const struct peer_id *connection_peer(const struct connection *c);
struct path connection_path(const struct connection *c); /* as validated last */
void connection_stats(const struct connection *c, struct connection_stats *ret);

void *connection_userdata(const struct connection *c);
void connection_set_userdata(struct connection *c, void *userdata);

/* Opens a stream and attaches the handler. Answers enum connection_result; from
 * CONNECTION_COMPLETED on as dialler is too early: wait for on_connected. */
int connection_open_stream(struct connection *c, const struct stream_handler *handler,
                           void *userdata, struct stream **ret);

/* An unreliable datagram (RFC 9221). Answers enum connection_result; BUSY when too many
 * are queued, SIZE also when the peer takes none. */
int connection_send_datagram(struct connection *c, struct bytes data);

/* Keep-alive while at least one user needs the connection; counted. */
void connection_need(struct connection *c);
void connection_unneed(struct connection *c);

/* Says goodbye with an application error code (libp2p uses 0). on_closed comes at the
 * next expire or output, never from inside this call; streams end with STREAM_END_LOST. */
void connection_close(struct connection *c, uint64_t code);
