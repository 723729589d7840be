#pragma once

/* What the files of services/transport/core share with each other and nobody
 * else: the connection manager behind transport.h. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rate.h"
#include "common/base/rng.h"
#include "services/transport/met.h"
#include "services/transport/select.h"
#include "services/transport/transport.h"

#define INBOUND_KINDS_MAX 32 /* protocols counted per peer */
#define STREAMS_PER_PEER  32
#define PINS_MAX          64
#define PROTOCOLS_MAX     64
#define PIN_PAUSE_MIN     (1 * NSEC_PER_SEC)
#define PIN_PAUSE_MAX     (60 * NSEC_PER_SEC)
#define PUSH_DELAY        (1 * NSEC_PER_SEC)
#define CONTACTS_PER_PEER 8
#define HEARINGS_BURST    20 /* identify messages of one peer at once; each may cost a signature */
#define HEARINGS_RATE     2  /* a second, on average */

/* Something with a deadline; the owner is found by container_of(). */
struct timer {
        struct heap_entry entry;
        void (*fire)(struct transport *t, struct timer *timer);
};

/* One protocol that this node serves. */
struct served {
        struct transport_protocol protocol;
        uint64_t number; /* never used again */
};

/* What the manager keeps of a peer while it has connections, dials or tags (peer->manager). */
struct acquaintance {
        struct peer *peer;
        struct list contacts; /* oldest first */
        struct list openings; /* waiting for a connection */
        size_t n_openings;    /* in whatever stage: they point here */
        size_t n_keeps;       /* tags: dialled again when lost */
        bool is_pinned, is_announced;
        unsigned n_failures; /* dials in a row, for the pause of kept peers */
        struct timer redial;
        struct rate hearings;
        struct connection *needed; /* the connection that holds our keep-alive */
        struct inbound_count {
                uint64_t protocol;
                uint32_t n;
        } inbound[INBOUND_KINDS_MAX];
};

/* A connection, or an attempt at one. */
struct contact {
        struct list in_acquaintance; /* once confirmed */
        struct list waiting;         /* openings that wait for the peer's stream credit */
        struct transport *transport;
        struct acquaintance *acquaintance; /* NULL until confirmed */
        struct connection *connection;
        uint64_t attempt, dial; /* of the dialler; 0: inbound */
        struct endpoint remote;
        nsec_t began, since;
        bool is_confirmed, is_unwanted;
};

enum opening_stage { OPENING_DIAL, OPENING_STREAM, OPENING_SELECT };

/* A request of transport_open(). */
struct opening {
        struct list link; /* in acquaintance, contact or transport->unclaimed */
        uint64_t number, dial;
        enum opening_stage stage;
        enum transport_code outcome;
        struct transport *transport;
        struct transport_open request; /* without the pointers to the caller's memory */
        char *names;
        const char *proposals[TRANSPORT_PROPOSALS_MAX];
        struct acquaintance *acquaintance; /* NULL: the peer is not known yet */
        struct stream *stream;             /* from OPENING_SELECT on */
        struct select select;
        struct timer timer;
        nsec_t began;
        struct multiaddr *unnamed;      /* owned: the address that was dialled without an id */
        char text[TRANSPORT_TEXT_SIZE]; /* what was tried so far */
};

/* A stream of a protocol, once agreed: what is to be undone when it is gone. */
struct tag {
        struct transport *transport;
        struct connection *needed; /* NULL: it keeps nothing alive */
        uint64_t protocol;         /* counted inbound; 0: not */
};

/* An inbound stream that is not agreed on yet. */
struct negotiation {
        struct list link;
        struct transport *transport;
        struct stream *stream;
        struct select select;
        struct timer timer;
};

/* A pinned address whose peer is not known yet, or was never reached. */
struct pin {
        struct multiaddr addr;
        struct peer_id peer; /* none until known */
        uint64_t opening;
        unsigned n_failures;
        char why[TRANSPORT_PIN_WHY]; /* the latest failure, cut; "": none yet */
        struct timer timer;
        struct transport *transport;
};

struct transport {
        struct transport_config config;
        struct transport_events events;
        void *userdata;
        nsec_t now;
        struct quic *quic;
        struct peers *peers;
        struct dialer *dialer;
        struct rng rng;
        struct heap timers;
        struct transport_stats stats;

        struct path links[2];
        size_t n_links;

        struct map *openings;  /* number -> struct opening */
        struct list unclaimed; /* openings whose peer is not known */
        struct list ended;     /* openings to be reported */
        struct list negotiations;
        uint64_t last_number;
        size_t n_contacts; /* confirmed */

        struct served served[PROTOCOLS_MAX];
        size_t n_served;
        struct pin pins[PINS_MAX];
        size_t n_pins;
        struct met met;

        struct multiaddr *addrs;
        size_t n_addrs;
        struct buffer record;
        struct timer push_timer;
        struct observed *observed;
        struct timer observed_timer;
};

/* timers: one shot, harmless to stop twice */
void timer_init(struct timer *timer, void (*fire)(struct transport *t, struct timer *timer));
void timer_set(struct transport *t, struct timer *timer, nsec_t when);
void timer_stop(struct transport *t, struct timer *timer);

/* acquaintance.c: found or made; NULL when the book of peers is full. Dropped when nothing is left.
 */
struct acquaintance *acquaintance_of(const struct transport *t, const struct peer_id *id);
struct acquaintance *acquaintance_get(struct transport *t, const struct peer_id *id);
void acquaintance_drop(struct transport *t, struct acquaintance *a);
struct contact *acquaintance_best(const struct transport *t, const struct acquaintance *a);
/* Closes the oldest inbound connection of a peer that has too many. */
void acquaintance_trim(struct acquaintance *a);
/* Moves our keep-alive to the best connection, or off when nobody wants it. */
void acquaintance_tend(struct transport *t, struct acquaintance *a);
bool acquaintance_is_kept(const struct acquaintance *a);
uint32_t *acquaintance_inbound(struct acquaintance *a,
                               uint64_t protocol); /* NULL: too many kinds */

/* transport.c: whether `allow` wants this peer. */
bool transport_allows(struct transport *t, const struct peer_id *peer);

/* connecting.c: dial orders, connections coming and going */
void connecting_run(struct transport *t);
int connecting_request(struct transport *t, const struct transport_open *o, uint64_t *ret_dial,
                       char text[TRANSPORT_TEXT_SIZE]);
void connecting_redial(struct transport *t, struct acquaintance *a);
/* At once after no failure, else after a jittered pause that doubles up to a minute. */
void connecting_schedule(struct transport *t, struct timer *timer, unsigned n_failures);
void connecting_on_connected(void *userdata, struct connection *c);
void connecting_on_closed(void *userdata, struct connection *c, const struct connection_end *end);
void connecting_on_path(void *userdata, struct connection *c, const struct path *path);

/* opening.c */
void opening_proceed(struct transport *t, struct opening *o, struct contact *contact);
void opening_end(struct transport *t, struct opening *o, enum transport_code code,
                 const char *text);
void opening_report_all(struct transport *t);
void opening_retry_busy(void *userdata, struct connection *c);
void opening_free_all(struct transport *t);
void opening_on_ending(struct transport *t, const struct dial_ending *e);
/* Connects without a known peer that this contact's dial was for. */
void opening_claim(struct transport *t, struct contact *contact);
void opening_contact_gone(struct transport *t, struct contact *contact, const char *why);

/* inbound.c */
void inbound_on_stream(void *userdata, struct connection *c, struct stream *s);
struct served *inbound_find(struct transport *t, struct bytes name);
/* Once per stream; keeps the connection alive when `needed` is set. */
void stream_tag(struct stream *s, const struct tag *tag);

/* exchange.c: identify and push over streams */
void exchange_start(struct transport *t);
void exchange_ask(struct transport *t, struct contact *contact);
void exchange_changed(struct transport *t);
