#pragma once

/* Dialling policy: which address of a peer is tried, when, and when to give up.
 *
 * Pure: it neither resolves nor connects. Requests and results go in, orders
 * come out of dialer_order(), endings out of dialer_finished(). One dial per
 * peer: a second request joins the first. Candidates start 250 ms apart, or at
 * once when one failed (Happy Eyeballs, RFC 8305 section 5), families taking
 * turns. An address that failed rests, twice as long each time; while nothing at
 * all answers (our own network is down) the rests do not grow. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/wire/multiaddr.h"

#define DIAL_CANDIDATES_MAX 32
#define DIAL_TRIED_SIZE     480
#define DIAL_NAME_RESULTS   16 /* endpoints taken from one name */

struct dialer;

struct dialer_config {
        nsec_t attempt_timeout; /* for one handshake */
        nsec_t name_timeout;
        nsec_t stagger;
        nsec_t rest_min, rest_max;
        uint32_t parallel;       /* handshakes of one dial */
        uint32_t parallel_total; /* of all */
        uint32_t dials_max;
        uint32_t rests_max; /* addresses remembered as resting */
};
extern const struct dialer_config dialer_config_default;

enum dial_result {
        DIAL_OK = 0,
        DIAL_E_NO_ADDRESS,  /* nothing dialable among the addresses */
        DIAL_E_BACKING_OFF, /* all of them rest; ret_retry says until when */
        DIAL_E_BUSY,        /* as many dials as configured */
};

/* How one attempt ended. */
enum dial_outcome {
        DIAL_CONNECTED = 0,
        DIAL_NO_ANSWER,
        DIAL_REFUSED,    /* somebody answered, but would not have us or could not be spoken to */
        DIAL_WRONG_PEER, /* somebody else is there */
        DIAL_NO_NAME,    /* the name has no address */
        DIAL_NO_ROUTE,   /* we could not even send */
        DIAL_CANCELLED,
        DIAL_OUTCOME_N,
};

struct dial_request {
        struct peer_id peer; /* none: whoever is there */
        const struct multiaddr *addrs;
        size_t n_addrs;  /* best first */
        nsec_t deadline; /* of the whole dial */
        bool force;      /* resting addresses too: a person asked */
};

enum dial_order_kind {
        DIAL_ORDER_CONNECT, /* answer with dialer_ended() */
        DIAL_ORDER_RESOLVE, /* answer with dialer_resolved() */
        DIAL_ORDER_CANCEL,  /* that attempt is no longer wanted and already forgotten */
};

struct dial_order {
        enum dial_order_kind kind;
        uint64_t dial, attempt; /* unique within the dialer */
        struct peer_id peer;    /* as requested */
        struct endpoint to;     /* CONNECT */
        struct multiaddr name;  /* RESOLVE: what to look up, with /p2p/ID when known */
};

struct dial_ending {
        uint64_t dial;
        struct peer_id peer;
        enum dial_outcome outcome;   /* the most telling one, if none connected */
        uint64_t attempt;            /* that connected */
        char tried[DIAL_TRIED_SIZE]; /* "127.0.0.1:4001 no answer in 2s; ..." */
};

struct dialer *dialer_new(const struct dialer_config *config, uint64_t seed);
struct dialer *dialer_free(struct dialer *d);
/* Timeouts, stagger and counts; those of rests stay. */
void dialer_configure(struct dialer *d, const struct dialer_config *config);
DEFINE_CLEANUP(struct dialer *, dialer_free);

/* Answers enum dial_result. ret_retry is set for DIAL_E_BACKING_OFF. */
int dialer_request(struct dialer *d, const struct dial_request *request, nsec_t now,
                   uint64_t *ret_dial, nsec_t *ret_retry);
bool dialer_is_dialling(const struct dialer *d, const struct peer_id *peer);
/* The peer came to us meanwhile: nothing more is started. Handshakes under way go
 * on, because the other side may be giving up its own for the same reason. */
void dialer_satisfied(struct dialer *d, const struct peer_id *peer);
/* Connections of this node, to tell silence of a peer from an outage here. */
void dialer_set_alive(struct dialer *d, size_t n_connections);

/* What to do now; call until false, after every other call. */
bool dialer_order(struct dialer *d, nsec_t now, struct dial_order *ret);
/* `reason`: what a person reads behind the address. Unknown attempts are ignored. */
void dialer_ended(struct dialer *d, uint64_t attempt, enum dial_outcome outcome, const char *reason,
                  nsec_t now);
/* Whose name is being looked up; false: nobody waits for it any more. */
bool dialer_asked(const struct dialer *d, uint64_t attempt, struct peer_id *ret_peer,
                  struct multiaddr *ret_name);
void dialer_resolved(struct dialer *d, uint64_t attempt, const struct endpoint *found, size_t n,
                     nsec_t now);
/* Dials that are over; call until false. */
bool dialer_finished(struct dialer *d, struct dial_ending *ret);

nsec_t dialer_deadline(const struct dialer *d);
void dialer_expire(struct dialer *d, nsec_t now);

/* Until when the address rests; 0: it does not. */
nsec_t dialer_resting(const struct dialer *d, const struct endpoint *e);
/* The network changed: every address may be tried again. */
void dialer_forget_rests(struct dialer *d);
