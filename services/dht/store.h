#pragma once

/* Where records, providers and health live. The disk is an argument of the core:
 * the simulator passes store_memory, the shell store_sqlite. Every call is
 * synchronous; the shell commits all writes of a turn in one transaction before
 * it lets an answer of that turn out, so what is acknowledged survives kill -9.
 *
 * Quotas are decided by the caller (rules.h, serve.h) with the counts offered
 * here; a store only refuses when it is full or fails. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/refbuf.h"
#include "services/dht/contact.h"
#include "services/dht/key.h"

enum store_result {
        STORE_OK = 0,
        STORE_E_NONE,   /* not there */
        STORE_E_FULL,   /* the total quota (records or bytes) */
        STORE_E_FAILED, /* disk; the shell has logged it */
};

enum store_class { STORE_FOREIGN = 0, STORE_OWN }; /* own ones are republished and never evicted */

/* One value under a key. Several may stand under one key: `slot` tells them apart
 * (record table in README.md: publisher for topics, content hash for mailboxes). */
struct stored_record {
        struct key key; /* key_of(name) */
        uint8_t slot[32];
        uint8_t kind; /* enum record_kind, rules.h */
        enum store_class class;
        struct bytes name;  /* the record's key as sent, "/endpoint/…" */
        struct bytes value; /* as sent */
        uint64_t sequence;
        uint8_t publisher[32];           /* SHA-256 of the publisher's peer id; zero: none */
        struct subnet subnet;            /* of who stored it here */
        bool is_handed_on;               /* by a holder, on the way in only: not a column */
        int64_t received_us, expires_us; /* wall clock */
};

struct stored_provider {
        struct key key;
        struct bytes name; /* multihash */
        struct contact contact;
        struct subnet subnet; /* of who stored it here: that provider; zero for our own */
        int64_t received_us, expires_us;
        enum store_class class;
};

typedef bool (*store_record_fn)(void *userdata, const struct stored_record *r); /* false: stop */
typedef bool (*store_provider_fn)(void *userdata, const struct stored_provider *p);

struct store_counts {
        uint64_t records, bytes, providers;
};

struct record_store; /* the implementation's own */

struct store_ops {
        int (*put)(struct record_store *s,
                   const struct stored_record *r); /* replaces (key, slot) */
        int (*remove)(struct record_store *s, const struct key *key, const uint8_t slot[32]);
        /* The one value at (key, slot), or STORE_E_NONE. */
        int (*one)(struct record_store *s, const struct key *key, const uint8_t slot[32],
                   store_record_fn fn, void *userdata);
        /* All values under a key, by slot; views are valid during the call. */
        int (*each)(struct record_store *s, const struct key *key, store_record_fn fn,
                    void *userdata);
        /* In key order, then by slot, starting behind `after` (NULL: from the beginning). Ends with
         * the key that brings it to `max` values or more: no key is ever cut in two. */
        int (*walk)(struct record_store *s, const struct key *after, size_t max, store_record_fn fn,
                    void *userdata);
        /* The same, all of them, but of each only key, slot, kind, sequence, publisher and
         * expires_us: what lies beside one another on disk, so that many can be looked at. */
        int (*heads)(struct record_store *s, const struct key *after, store_record_fn fn,
                     void *userdata);
        /* The STORE_OWN ones, in key order, then by slot; own providers in no order. */
        int (*own)(struct record_store *s, store_record_fn fn, void *userdata);
        int (*own_providers)(struct record_store *s, store_provider_fn fn, void *userdata);
        uint64_t (*count_key)(struct record_store *s, const struct key *key);
        uint64_t (*count_publisher)(struct record_store *s, const uint8_t publisher[32]);
        /* Records and providers seen there. */
        uint64_t (*count_subnet)(struct record_store *s, const struct subnet *subnet);

        int (*provider_put)(struct record_store *s, const struct stored_provider *p);
        int (*provider_remove)(struct record_store *s, const struct key *key,
                               const struct peer_id *peer);
        int (*providers)(struct record_store *s, const struct key *key, store_provider_fn fn,
                         void *userdata);
        uint64_t (*count_provider)(struct record_store *s, const struct peer_id *peer);

        /* Removes what expired, but nothing of our own; at most `max` rows, returns how many. */
        size_t (*expire)(struct record_store *s, int64_t now_us, size_t max);
        void (*counts)(struct record_store *s, struct store_counts *ret);

        /* Small named values: the peer store, who is denied, sequence numbers. */
        int (*state_put)(struct record_store *s, const char *name, struct bytes value);
        int (*state_get)(struct record_store *s, const char *name, struct refbuf **ret);
};

struct store {
        const struct store_ops *ops;
        struct record_store *self;
};
