#pragma once

/* The DHT of one node as a state machine. What it learns comes in through the
 * calls below, each with `now` (monotonic); what it wants done comes out of
 * dht_output(). Call that until it is empty after every input, and dht_expire()
 * at dht_deadline(). Same inputs, same seed: same actions, byte for byte.
 *
 * Views handed in are valid during the call only. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/crypto/sign.h"
#include "services/dht/action.h"
#include "services/dht/contact.h"
#include "services/dht/hooks.h"
#include "services/dht/settings.h"
#include "services/dht/status.h"
#include "services/dht/store.h"

struct dht;

/* Numbers of proto/dht.proto, DhtError. */
enum dht_code {
        DHT_OK = 0,
        DHT_E_NOT_FOUND = 1, /* asked everybody who should have it */
        DHT_E_NO_PEERS = 2,  /* nobody to ask */
        DHT_E_REFUSED = 3,   /* the record table or a quota; the text names the rule */
        DHT_E_TIMED_OUT = 4,
        DHT_E_BUSY = 5, /* too many lookups of this caller */
        DHT_E_BAD_KEY = 6,
        DHT_E_KEYRING = 7,
        DHT_E_INVALID = 8, /* what was to be put, whoever is asked; the text names the rule */
};

/* Another way to check signatures than Ed25519, for simulations; NULL: sign_verify(). */
typedef bool (*dht_verify_fn)(void *userdata, const struct sign_public *key, struct bytes message,
                              struct bytes signature);

struct dht *dht_new(const struct dht_config *config, const struct peer_id *self,
                    const struct store *store, uint64_t seed);
struct dht *dht_free(struct dht *d); /* always NULL; the store is the caller's */
DEFINE_CLEANUP(struct dht *, dht_free);

/* The record table (hooks.h); without it no value is accepted. Both outlive the dht. */
void dht_rules(struct dht *d, const struct record_rules *rules, void *userdata);
void dht_verifier(struct dht *d, dht_verify_fn fn, void *userdata);
/* Before anything else, and again when the wall clock jumped: µs since 1970 at `now`. */
void dht_clock(struct dht *d, nsec_t now, int64_t wall_us);
/* Reads what an earlier life left in the store and begins to bootstrap. */
void dht_start(struct dht *d, nsec_t now);
/* Writes the peer store down (also done every minute). */
void dht_stop(struct dht *d, nsec_t now);

bool dht_output(struct dht *d, struct dht_action *ret); /* dht_action_done() it */
nsec_t dht_deadline(const struct dht *d);               /* NSEC_NEVER when idle */
void dht_expire(struct dht *d, nsec_t now);

/* ---- What transport tells ---- */

/* Who is at the other end, as this node's own handshake validated it. */
struct dht_remote {
        struct contact contact;   /* addresses: those it announces (identify), or none yet */
        struct endpoint endpoint; /* where it is now; family none: relayed or unknown */
        bool is_inbound;          /* it dialled our listening socket */
        bool is_server;           /* identify lists our kad protocol */
        bool is_mdns;             /* found on the local network */
        unsigned pow_bits;        /* of its key */
        nsec_t rtt;
};
/* Identify was heard (also when it changed); the last connection went. */
void dht_peer_identified(struct dht *d, const struct dht_remote *remote, nsec_t now);
void dht_peer_gone(struct dht *d, const struct peer_id *peer, nsec_t now);
/* Own announced addresses, as often as they change. */
void dht_addresses(struct dht *d, const struct multiaddr *addrs, size_t n, nsec_t now);
/* Somewhere to begin: configured, from mDNS, from a person. */
enum bootstrap_source { BOOTSTRAP_CONFIG = 0, BOOTSTRAP_MDNS, BOOTSTRAP_PERSON, BOOTSTRAP_MEMORY };
void dht_bootstrap(struct dht *d, const struct contact *c, enum bootstrap_source source,
                   nsec_t now);
/* The network changed or came back: forget back-offs, look again. */
void dht_network_changed(struct dht *d, nsec_t now);
#define DHT_DENIED_MAX 4096 /* as many as gossip keeps */
/* Effective at once: out of tables, lookups, providers and answers; what it published is neither
 * shown nor taken. What is held of it already comes to light again when that is lifted. */
void dht_deny(struct dht *d, const struct peer_id *peer, bool denied, nsec_t now);
/* These and nobody else; kept over a restart. */
void dht_deny_list(struct dht *d, const struct peer_id *peers, size_t n, nsec_t now);

/* ---- Streams ---- */

/* One message of an inbound stream; answered by DHT_ANSWER or DHT_REFUSE of the same id. */
void dht_request(struct dht *d, uint64_t id, const struct dht_remote *from,
                 enum dht_protocol protocol, struct bytes message, nsec_t now);
/* The asker went away; its id is forgotten. */
void dht_request_gone(struct dht *d, uint64_t id, nsec_t now);
/* A DHT_ASK; `from` is who answered, authenticated. */
void dht_answered(struct dht *d, uint64_t id, const struct dht_remote *from, struct bytes message,
                  nsec_t now);
enum dht_failure { DHT_UNREACHABLE = 0, DHT_NO_PROTOCOL, DHT_RESET, DHT_SILENT };
void dht_failed(struct dht *d, uint64_t id, enum dht_failure why, nsec_t now);
/* A DHT_CONNECT; peer NULL or none: nobody, and `why` not. */
void dht_connected(struct dht *d, uint64_t id, const struct peer_id *peer, const char *why,
                   nsec_t now);
void dht_signed(struct dht *d, uint64_t id, struct bytes statement, struct bytes signature,
                nsec_t now);
void dht_sign_failed(struct dht *d, uint64_t id, nsec_t now);

/* ---- Calls; each ends with one DHT_DONE, after any number of DHT_RESULT ---- */

struct dht_result {
        struct contact contact;      /* of a peer or provider */
        struct refbuf *name, *value; /* of a record; value as signed */
        uint64_t sequence;
        struct peer_id publisher;
        unsigned copies;    /* how many of those asked had this very value */
        bool is_unverified; /* a hint: never answered us itself */
        /* Of a peer that was not looked up: it stands in the table, or is connected only. */
        bool is_of_table, is_connected;
};
void dht_result_free(struct dht_result *r);

void dht_find_peer(struct dht *d, uint64_t call, const struct peer_id *peer, nsec_t now);
void dht_find_closest(struct dht *d, uint64_t call, const struct key *key, nsec_t now);
/* A value of ours, already signed or (content-hashed) needing no signature; kept and republished.
 */
void dht_put(struct dht *d, uint64_t call, struct bytes name, struct bytes value, nsec_t now);
void dht_get(struct dht *d, uint64_t call, struct bytes name, nsec_t now);
void dht_unput(struct dht *d, uint64_t call, struct bytes name,
               nsec_t now); /* no longer republished */
void dht_provide(struct dht *d, uint64_t call, struct bytes multihash, bool on, nsec_t now);
void dht_find_providers(struct dht *d, uint64_t call, struct bytes multihash, unsigned max,
                        nsec_t now);
void dht_cancel(struct dht *d, uint64_t call, nsec_t now);
