#pragma once

/* What the files of services/transport/quic share with each other and nobody else. */

#include "common/base/budget.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "services/transport/connection.h"
#include "services/transport/quic.h"
#include "services/transport/quic/qcompat.h"
#include "services/transport/stream.h"
#include "services/transport/tls/session.h"

#define CID_LEN           8    /* ours; random, so that nothing can be read from them */
#define CIDS_MAX          32   /* of one connection at once, retired ones included */
#define TOKENS_MAX        8    /* reset tokens of the peer's ids in use */
#define INITIAL_MIN       1200 /* RFC 9000 14.1 */
#define PACKET_MAX        1500
#define TRAIN_MAX         65000 /* under the largest UDP payload */
#define TRAIN_PACKETS_MAX 64    /* UDP_MAX_SEGMENTS of older kernels */
#define ANSWERS_MAX       64    /* datagrams without a connection, waiting to leave */
#define DATAGRAMS_MAX     64    /* unreliable ones, waiting to leave, per connection */
#define CHUNK_OVERHEAD    64    /* charged for each queued buffer beside its bytes */
#define SHUNNED_MAX       4     /* addresses a peer may leave within seconds */
#define VECTORS_MAX       16
#define RATES             4096 /* fixed: networks that share a slot share its rate */

/* A datagram outside any connection: Retry, version negotiation, reset, refusal, farewell. */
struct quic_answer {
        struct path path;
        size_t len;
        uint8_t data[PACKET_MAX];
};

/* Handshakes begun in the second from `since`. */
struct rate {
        nsec_t since;
        uint32_t n;
};

struct quic {
        struct quic_config config;
        struct quic_events events;
        void *userdata;
        nsec_t now; /* of the call under way */
        bool is_listening;

        struct map *connections; /* id -> struct connection *, live ones */
        struct map *cids;        /* connection id -> struct connection *, closed ones as well */
        struct map *tokens;      /* stateless reset token -> who would be reset by it */
        uint64_t last_id;
        struct list ready;            /* connections that may have something to send */
        struct list closed;           /* connections that only answer late packets */
        struct list starved;          /* streams refused because of a shared budget */
        struct heap deadlines;        /* of connections */
        struct budget budget;         /* bytes queued to be sent */
        struct budget receive_budget; /* windows given to peers */
        size_t n_closed;

        struct map *per_ip, *per_net; /* -> count of inbound connections */
        struct rate rates[RATES];     /* of handshakes; a network's slot is a keyed hash */
        uint8_t rate_key[16];

        uint8_t token_keys[2][32]; /* the current one and the one before */
        nsec_t token_rotated;

        struct quic_answer *answers; /* ring */
        size_t answers_at, n_answers;
        nsec_t answers_since; /* start of the second in which n_answered were given */
        uint32_t n_answered;

        uint8_t *train;
        struct quic_answer held; /* a packet that did not fit its train */
        uint8_t held_ecn;
        struct quic_stats stats;
};

struct datagram {
        struct list link;
        struct refbuf *content;
};

/* How many bytes the peer may send ahead of what was consumed. */
struct window {
        uint64_t size, consumed; /* since `since` */
        nsec_t since;
};

/* An address that the peer left, whose packets show no move until then; see input.c. */
struct shunned {
        struct endpoint remote;
        nsec_t until;
};

/* The TLS messages that come after the handshake: where we are in the one being read. */
struct tls_late {
        size_t n_head;
        uint8_t head[4]; /* type, length */
        size_t left;     /* of its body */
};

struct connection {
        struct quic *quic;
        uint64_t id;
        void *userdata;
        ngtcp2_conn *ngtcp2; /* NULL once closed */
        struct tls_session tls;
        struct tls_late late;
        enum connection_state state;
        struct path path;

        bool is_inbound, is_reported, is_half_open, is_counted, was_confirmed;
        bool local_unknown; /* dialled from an unspecified address */
        bool path_changed, was_reset, wants_close, wants_streams;
        uint64_t close_code;

        ngtcp2_cid cids[CIDS_MAX];
        size_t n_cids;
        uint8_t tokens[TOKENS_MAX][NGTCP2_STATELESS_RESET_TOKENLEN];
        size_t n_tokens;
        struct list ready, closed; /* links */
        struct heap_entry deadline;

        struct list streams, sending, blocked, refused; /* of struct quic_stream */
        uint32_t n_streams, n_needs;
        struct budget budget;
        struct window window; /* its size is charged to the endpoint */
        uint64_t unconsumed;  /* received on all streams */
        struct list datagrams;
        uint32_t n_datagrams;
        uint64_t n_datagrams_sent, bytes_in, bytes_out;

        struct shunned shunned[SHUNNED_MAX];
        size_t n_shunned;

        struct quic_answer *farewell; /* repeated to late packets */
        uint32_t n_late;
};

struct quic_stream {
        struct stream base;
        struct connection *connection;
        struct list link;   /* in streams */
        struct list queued; /* in sending, blocked or refused, or in none */
        struct list starved;
        struct budget budget;

        /* Buffers from the first not wholly acknowledged byte on: a ring. */
        struct refbuf **chunks;
        size_t n_chunks, first, capacity;
        uint64_t acked;     /* offset of the first chunk's first byte */
        uint64_t sent, end; /* offsets: next byte to send, end of what is queued */
        size_t next_chunk;  /* holds the byte at `sent`; counted from `first` */
        size_t next_at;     /* and its place in there */

        struct window window;
        uint64_t unconsumed;
        bool wants_room, wants_fin, fin_sent, is_shut, is_stopped, is_closed;
};

/* path.c */
void path_to_ngtcp2(const struct path *p, ngtcp2_path_storage *ret);
void path_from_ngtcp2(const ngtcp2_path *p, struct path *ret);

/* connection.c */
struct connection_start {
        const struct path *path;
        const ngtcp2_pkt_hd *hd;        /* inbound: the first packet's header */
        const ngtcp2_cid *original;     /* inbound after Retry: the first DCID of all */
        const struct peer_id *expected; /* outbound; NULL: anybody */
};
/* Answers QUIC_OK or QUIC_E_LIMIT. */
int connection_new(struct quic *q, const struct connection_start *start, struct connection **ret);
struct connection *connection_free(struct connection *c);
void connection_wake(struct connection *c);
void connection_schedule(struct connection *c, nsec_t expiry);
bool connection_add_cid(struct connection *c, const ngtcp2_cid *cid);
void connection_remove_cid(struct connection *c, const ngtcp2_cid *cid);
void connection_add_token(struct connection *c, const uint8_t *token);
void connection_remove_token(struct connection *c, const uint8_t *token);
void connection_confirm(struct connection *c);
void connection_keep_alive(struct connection *c); /* from now on; it is needed */

/* closing.c */
void connection_fail(struct connection *c, int liberr);
void connection_goodbye(struct connection *c);
void connection_finish(struct connection *c, const struct connection_end *end);
void connection_late(struct connection *c);

/* callbacks.c */
extern const ngtcp2_callbacks connection_callbacks;

/* late.c */
/* False: a TLS message that nobody may send after a QUIC handshake. */
bool tls_late_input(struct tls_late *l, bool is_inbound, struct bytes data);

/* input.c */
void connection_input(struct connection *c, const ngtcp2_path *path, const ngtcp2_pkt_info *info,
                      struct bytes packet);

/* output.c */
bool connection_train(struct connection *c, struct datagrams *ret);

/* accept.c */
/* Who gets the packet after all: a new connection, one that is reset by it, or NULL. */
struct connection *quic_stranger(struct quic *q, const struct path *path,
                                 const ngtcp2_version_cid *vc, struct bytes packet);

/* answers.c */
struct quic_answer *quic_answer_begin(struct quic *q, const struct path *path); /* NULL: too many */
void quic_answer_end(struct quic *q, struct quic_answer *a,
                     ptrdiff_t len); /* <= 0: nothing to send */
bool quic_answer_next(struct quic *q, struct datagrams *ret);
void quic_answer_versions(struct quic *q, const struct path *path, const ngtcp2_version_cid *vc);
void quic_answer_reset(struct quic *q, const struct path *path, struct bytes packet);
void quic_answer_retry(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd);
void quic_answer_refuse(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd,
                        uint64_t code);
/* Of a Retry token; false when it is not one of ours for this address. */
bool retry_token_valid(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd,
                       ngtcp2_cid *ret_original);

/* limits.c */
/* Whether an address must prove itself first: under load, and before the second half of what it
 * and its network may have is given away, since anybody can write any source address. */
bool limits_want_proof(struct quic *q, const struct endpoint *remote);
/* Counts the handshake that is about to begin. */
bool limits_admit(struct quic *q, const struct endpoint *remote);
void limits_count(struct quic *q, const struct endpoint *remote, int by); /* +1 or -1 */

/* window.c */
bool window_open(struct connection *c); /* false: the budget for windows is used up */
void window_close(struct connection *c);
uint64_t window_first(const struct quic *q); /* of a stream */
void window_received(struct connection *c, uint64_t n);
void window_consumed(struct connection *c, struct quic_stream *s, uint64_t n); /* s NULL: gone */

/* stream_quic.c */
struct quic_stream *quic_stream_new(struct connection *c, int64_t id, bool is_inbound);
void quic_stream_end(struct quic_stream *s, enum stream_end end); /* on_close, then freed */
size_t quic_stream_vectors(const struct quic_stream *s, size_t enough, ngtcp2_vec *ret,
                           size_t *ret_len);
void quic_stream_sent(struct quic_stream *s, size_t n, bool fin);
void quic_stream_acked(struct quic_stream *s, uint64_t upto);
void quic_stream_received(struct quic_stream *s, struct bytes data, bool fin);
bool quic_stream_has_output(const struct quic_stream *s);
void quic_stream_unblock(struct quic_stream *s);
void quic_stream_refused(struct quic_stream *s); /* the peer reads no more */
void quic_feed_starved(struct quic *q);
