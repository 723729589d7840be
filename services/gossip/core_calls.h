#pragma once

/* Draws and crawls of the gossip core: calls, the questions they ask, and what serves
 * those of others. core.h has the rest. */

#include "services/gossip/core.h"

/* A question under way. */
struct ask;
typedef void (*ask_fn)(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now);
typedef void (*lookup_fn)(struct gossip *g, struct ask *a, const struct gossip_contact *list,
                          size_t n, nsec_t now);
struct lookup {
        uint8_t key[32];
        size_t n;
        bool local; /* from dht's table alone */
        lookup_fn fn;
};
struct ask {
        struct list link;
        uint64_t id;
        nsec_t deadline;
        struct call *call;
        struct gossip_contact to;
        ask_fn on_reply;    /* reply NULL: failed or timed out */
        lookup_fn on_found; /* of a lookup instead */
        uint64_t tag;       /* the call's own: a depth, a prefix */
};

enum call_kind { CALL_DRAW = 0, CALL_CRAWL, CALL_SPREAD, _CALL_KINDS };

/* A draw or crawl, by the number its caller gave it. */
struct call {
        struct list link;
        uint64_t number;
        enum call_kind kind;
        nsec_t deadline;
        nsec_t wake;     /* of a draw: to look after it again */
        unsigned n_asks; /* under way */
        bool is_over;
        void *state; /* struct draw, struct crawl; of a spread what is told, a struct refbuf */
};

/* ---- ask.c ---- */

#define DRAW_AHEAD 40               /* shards that a draw asks at once */
#define DRAW_ASKS  (2 * DRAW_AHEAD) /* each may be late and get a companion */

/* Returns the question under way, or NULL when the call has too many. */
struct ask *ask_peer(struct gossip *g, struct call *call, const struct gossip_contact *to,
                     const Peers__Request *request, ask_fn fn, nsec_t now);
struct ask *ask_lookup(struct gossip *g, struct call *call, const struct lookup *l, nsec_t now);
void ask_forget_call(struct gossip *g, struct call *call);
void ask_expire(struct gossip *g, nsec_t now);
nsec_t ask_deadline(const struct gossip *g);
void ask_free(struct gossip *g, struct ask *a);
/* NULL: too many calls. */
struct call *call_new(struct gossip *g, uint64_t number, enum call_kind kind, nsec_t deadline);
void call_free(struct gossip *g, struct call *c);

/* ---- collect.c, crawl.c, spread.c: what a call does when its time is over, and owns ---- */

void draw_wake(struct gossip *g, struct call *c, nsec_t now);
void draw_end(struct gossip *g, struct call *c, nsec_t now);
void draw_free(struct call *c);
void crawl_end(struct gossip *g, struct call *c, nsec_t now);
void crawl_free(struct call *c);
/* One that is news to us, whole and verified; a few a second, the rest are told by others. */
void spread_revocation(struct gossip *g, struct bytes value, nsec_t now);
void spread_end(struct gossip *g, struct call *c, nsec_t now);
void spread_free(struct call *c);

/* ---- serve.c ---- */

#define GOSSIP_OTHERS_MAX 8 /* peers of other shards in an answer: named, and heeded */
void serve(struct gossip *g, uint64_t id, struct bytes question, nsec_t now);
