#pragma once

/* The transport of one node as a state machine: a QUIC endpoint, the book of
 * peers, dialling, protocol negotiation, and the protocols every libp2p peer
 * serves (identify, push, ping, perf). Datagrams, calls and `now` in; datagrams,
 * callbacks and a deadline out. It meets neither socket nor clock, and never
 * looks into what the other protocols carry.
 *
 * Callbacks may come from inside any call that takes `now`; a callback for a
 * request never comes from inside that request. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "services/transport/dial.h"
#include "services/transport/met.h"
#include "services/transport/observed.h"
#include "services/transport/peers.h"
#include "services/transport/quic.h"
#include "services/transport/stream.h"

struct transport;

/* Numbers of proto/transport.proto, StreamError. */
enum transport_code {
        TRANSPORT_OK = 0,
        TRANSPORT_E_UNREACHABLE = 1,
        TRANSPORT_E_NO_PROTOCOL = 2,
        TRANSPORT_E_REFUSED = 3,
        TRANSPORT_E_TIMED_OUT = 4,
        TRANSPORT_E_WRONG_PEER = 5,
        TRANSPORT_E_RESET = 6,
        TRANSPORT_E_LOST = 7,
        TRANSPORT_E_NO_ADDRESS = 8,
        TRANSPORT_E_BACKING_OFF = 9,
};
#define TRANSPORT_TEXT_SIZE 640

/* Whether loopback addresses that others announced are dialled. */
enum loopback_policy {
        LOOPBACK_AUTO = 0, /* only while this node itself has nothing but loopback addresses */
        LOOPBACK_ALWAYS,
        LOOPBACK_NEVER,
};

struct transport_config {
        struct quic_config quic;
        struct dialer_config dialer;
        struct sign_public key; /* our identity, as in quic.tls */
        const char *agent;
        enum loopback_policy loopback;
        const struct peer_id *perf_allowed; /* who may use /perf/1.0.0 */
        size_t n_perf_allowed;
        bool perf_for_all;
        size_t peers_max, openings_max;
        nsec_t negotiate_timeout, identify_timeout;
        uint64_t seed; /* for jitter and maps; secrets come from events.random */
};
/* All but quic.tls, quic.reset_key, key and seed. */
void transport_config_default(struct transport_config *ret);

/* Counters of what this node refused or gave up, beside quic_stats(). */
struct transport_stats {
        uint64_t streams_in, streams_out, streams_refused, negotiations_failed;
        uint64_t dials, dial_failures, identified, identify_failures, pushes_sent, pushes_received;
        uint64_t pings_answered, perf_refused;
        uint64_t hearings_refused, contacts_trimmed;
};

struct transport_events {
        void (*random)(void *userdata, void *ret, size_t n);
        /* NULL: everybody. Asked inside the handshake, and before a dial. */
        bool (*allow)(void *userdata, const struct peer_id *peer, bool inbound);
        /* Look the name up; answer with transport_resolved(). */
        void (*resolve)(void *userdata, uint64_t attempt, const struct multiaddr *name);
        /* First connection of a peer, last one gone, identify heard. All may be NULL. */
        void (*on_peer)(void *userdata, const struct peer *peer, bool connected);
        void (*on_identified)(void *userdata, const struct peer *peer);
        /* While connected: it has one connection more or fewer, or one changed its address. */
        void (*on_moved)(void *userdata, const struct peer *peer);
        /* An address without an id: who was there the first time (is_new), or that somebody else is
         * there now (is_other), or no longer. */
        void (*on_met)(void *userdata, const struct met_entry *met, bool is_new);
        /* What is believed of transport_observed() has changed. */
        void (*on_observed)(void *userdata);
};

struct transport *transport_new(const struct transport_config *config,
                                const struct transport_events *events, void *userdata);
/* Every open request ends with TRANSPORT_E_LOST, every stream with on_close. */
struct transport *transport_free(struct transport *t);
DEFINE_CLEANUP(struct transport *, transport_free);

/* Takes over what may change while it runs: limits, timeouts and congestion control of quic, for
 * connections made from now on; the dialer's timeouts, loopback, agent and who may measure, at
 * once. agent and perf_allowed must stay; tls, keys, seed and table sizes are left as they are. */
void transport_reconfigure(struct transport *t, const struct transport_config *c, nsec_t now);
/* Closes the connections of peers that `allow` no longer wants; how many peers. */
size_t transport_enforce_allow(struct transport *t);

/* ---- five verbs ---- */

void transport_input(struct transport *t, const struct datagrams *in, nsec_t now);
bool transport_output(struct transport *t, struct datagrams *ret, nsec_t now);
nsec_t transport_deadline(const struct transport *t);
void transport_expire(struct transport *t, nsec_t now);
/* Starts what callbacks asked for; call it before transport_output() in every turn. */
void transport_work(struct transport *t, nsec_t now);

/* A socket (one per family) that dials go out from. `local` may be unspecified. */
void transport_add_link(struct transport *t, const struct path *from);
void transport_listen(struct transport *t, bool on);
/* For connections made from now on; the older context stays in use by the others. */
void transport_set_tls(struct transport *t, struct tls_context *tls);
/* Says goodbye to everybody with the next output. */
void transport_close_all(struct transport *t, nsec_t now);
void transport_resolved(struct transport *t, uint64_t attempt, const struct endpoint *found,
                        size_t n, nsec_t now);
/* A datagram to there could not even be sent. */
void transport_unroutable(struct transport *t, const struct endpoint *to, nsec_t now);
void transport_network_changed(struct transport *t, nsec_t now);

/* ---- ourselves, as identify tells it ---- */

const char *transport_agent(const struct transport *t);

/* Both are copied, and pushed to connected peers a second after the last change. */
void transport_set_addresses(struct transport *t, const struct multiaddr *addrs, size_t n,
                             nsec_t now);
void transport_set_record(struct transport *t, struct bytes envelope, nsec_t now);

/* Where peers say we are. It is announced only when the shell sets it among the addresses. */
const struct observed *transport_observed(const struct transport *t);

/* ---- protocols ---- */

/* `name` must stay. open: the stream is agreed on; attach a handler or abandon it. */
struct transport_protocol {
        const char *name;
        uint32_t max_per_peer; /* inbound, 0: 32 */
        bool is_needed;        /* open streams of it keep the connection alive */
        void (*open)(void *userdata, struct stream *s, const char *name);
        void *userdata;
};
enum transport_result {
        TRANSPORT_DONE = 0,
        TRANSPORT_E_TAKEN, /* that name is served already */
};
/* Copied. Answers enum transport_result. */
int transport_serve(struct transport *t, const struct transport_protocol *p, nsec_t now);
/* Streams that are open stay so. */
void transport_unserve(struct transport *t, const char *name, nsec_t now);

/* ---- connecting and opening ---- */

/* Valid during the callback. */
struct transport_opened {
        enum transport_code code;
        const char *text;      /* what was tried; "" when it worked */
        struct stream *stream; /* attach a handler, or abandon it; NULL for a connect */
        const char *protocol;  /* agreed */
        struct peer_id peer;
        nsec_t took;
};
typedef void (*transport_opened_fn)(void *userdata, const struct transport_opened *o);

struct transport_open {
        struct peer_id peer;          /* none: whoever is at the addresses (connect only); of one
                                         address: who was there the first time, transport_met() */
        const char *const *protocols; /* copied; none: connect only */
        size_t n_protocols;
        const struct multiaddr *addrs; /* beside those known */
        size_t n_addrs;
        bool is_told;   /* by strangers: judged like what the peer announces itself */
        nsec_t timeout; /* 0: 10 s */
        bool force;     /* dial resting addresses too */
        bool is_needed; /* the stream keeps the connection alive */
        transport_opened_fn fn;
        void *userdata;
};
#define TRANSPORT_PROPOSALS_MAX 8

/* Always ends with one call of fn, unless cancelled. Returns a number for cancelling. */
uint64_t transport_open(struct transport *t, const struct transport_open *o, nsec_t now);
void transport_cancel(struct transport *t, uint64_t opening);
/* For the shell to fill at start, and to show. */
struct met *transport_met(struct transport *t);

/* Keep a connection to this peer open, dialling again when it is lost; counted.
 * False when the book of peers is full. */
bool transport_keep(struct transport *t, const struct peer_id *peer);
void transport_unkeep(struct transport *t, const struct peer_id *peer);
/* A peer that stays: kept, never evicted. An address without id is kept by whoever is there. */
void transport_pin(struct transport *t, const struct multiaddr *addr, nsec_t now);
/* Of a pinned address without an id: who is there, none as long as nobody was, and why that is so;
 * "": not tried yet. */
#define TRANSPORT_PIN_WHY 256
const char *transport_pin_why(const struct transport *t, const struct multiaddr *addr,
                              struct peer_id *ret);
/* The peer behind it is an ordinary one again, unless kept. */
void transport_unpin(struct transport *t, const struct multiaddr *addr, nsec_t now);
/* Closes all connections of the peer; false if there were none. */
bool transport_disconnect(struct transport *t, const struct peer_id *peer);

/* ---- looking ---- */

/* Whether this node would dial that address of a peer, from where it knows it. */
bool transport_may_dial(const struct transport *t, const struct peer_address *a);
struct peers *transport_peers(struct transport *t);
/* The connection that new streams to this peer take; NULL. */
struct connection *transport_connection(const struct transport *t, const struct peer_id *peer);
struct transport_peer_info {
        struct connection *connection; /* NULL: none */
        nsec_t since;
        size_t n_connections;
        bool has_inbound, is_dialling;
        nsec_t resting_until; /* the soonest end among its addresses; 0: none rests */
};
void transport_peer_info(const struct transport *t, const struct peer *peer,
                         struct transport_peer_info *ret);
const struct quic *transport_quic(const struct transport *t);
const struct transport_stats *transport_stats(const struct transport *t);
/* The instant of the call in progress, for handlers; stays at its address. */
const nsec_t *transport_clock(const struct transport *t);
