#pragma once

/* What this node answers to a kad message of another. Says only what it knows by
 * itself: contacts of the table, which answered us, and values that passed the
 * record table. Pure; the caller rations requests before it reads them. */

#include "common/base/map.h"
#include "common/crypto/hash.h"
#include "services/dht/dht.h"
#include "services/dht/message.h"
#include "services/dht/table.h"

#define SERVE_PEERS 96 /* whose rate is remembered */
#define SERVE_RATE  16 /* units per second and peer … */
#define SERVE_BURST 96 /* … a lookup asks a peer once or twice, a republish many times */
#define SERVE_WRITE 4  /* units of what costs a signature check or a disk write */

struct serve {
        const struct table *table;
        const struct store *store;        /* ops NULL: nothing is kept */
        const struct record_rules *rules; /* or NULL */
        void *userdata;
        const struct peer_id *self;
        struct key self_key;
        const struct map *denied;    /* by key; they and what they wrote are shown to nobody */
        const struct contact *exact; /* the very peer asked for, when it is connected; or NULL */
        const struct hash_value *secret; /* decides who is told when not all can be */
        unsigned k;
        int64_t wall_us, provider_life_us;
};

enum serve_result {
        SERVE_ANSWER = 0, /* *ret_answer */
        SERVE_NOTHING,    /* done; this message has no answer */
        SERVE_E_INVALID,  /* makes no sense */
        SERVE_E_REFUSED,  /* *ret_reason names the rule */
        SERVE_E_FAR,      /* others are much closer to that key */
        SERVE_E_STORE,    /* full, or failed */
};

/* Returns enum serve_result. */
int serve_message(const struct serve *s, const struct dht_remote *from,
                  const struct kad_message *in, struct refbuf **ret_answer,
                  const char **ret_reason);
/* Units it costs. */
unsigned serve_cost(struct bytes message);

/* Whom this node knows to provide something, KAD_PEERS_MAX at most, as it tells that asker; each
 * for contact_done(). Returns how many. */
size_t serve_providers(const struct serve *s, const struct key *asker, struct bytes name,
                       struct contact ret[KAD_PEERS_MAX]);
/* Whether who answers for it is denied. Rotations and revocations are never denied: who revokes its
 * key is denied for that, and whoever brings word of it is welcome. */
bool serve_denies(const struct map *denied, const struct stored_record *r);
/* The best valid value under a name that this node holds; returns whether there is one.
 * ret is released with refbuf_unref(), *ret_us is when it came. */
bool serve_best(const struct serve *s, struct bytes name, struct refbuf **ret, int64_t *ret_us);
