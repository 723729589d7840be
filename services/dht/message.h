#pragma once

/* Messages of /quorate/kad/1.0.0 (libp2p specs, kad-dht), bounded.
 *
 * Lengths and list sizes are checked on the raw bytes, before anything is
 * unpacked: at most 64 KiB, 20 closer peers, 20 providers, 32 addresses each (8
 * are kept), a key of 1..1024 bytes, a value of 16 KiB. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/wire/unpack.h"
#include "services/dht/contact.h"

#define KAD_MESSAGE_MAX   (64 * 1024)
#define KAD_KEY_MAX       1024
#define KAD_VALUE_MAX     (16 * 1024)
#define KAD_PEERS_MAX     20
#define KAD_ADDRESSES_MAX 32 /* accepted of one peer */

enum kad_type {
        KAD_PUT_VALUE = 0,
        KAD_GET_VALUE = 1,
        KAD_ADD_PROVIDER = 2,
        KAD_GET_PROVIDERS = 3,
        KAD_FIND_NODE = 4,
        KAD_PING = 5,
        _KAD_TYPE_N,
};

enum kad_result {
        KAD_OK = 0,
        KAD_E_INVALID, /* not such a message */
        KAD_E_LIMIT,   /* one with more in it than is allowed */
};

/* A message read: views into it, contacts of its own. A peer whose id is
 * malformed is left out and counted, an address likewise by contact_init(). */
struct kad_message {
        enum kad_type type;
        struct bytes key; /* empty in most answers */
        bool has_target, has_record;
        struct key target; /* of FIND_NODE, instead of the key's hash */
        struct bytes record_key, value, received;
        struct contact closer[KAD_PEERS_MAX], providers[KAD_PEERS_MAX];
        size_t n_closer, n_providers, n_skipped;
        struct unpacked unpacked;
};

/* Returns enum kad_result; on KAD_OK release with kad_message_done(). */
int kad_message_read(struct bytes in, struct kad_message *ret);
void kad_message_done(struct kad_message *m);
static inline void kad_message_donep(struct kad_message *m) {
        kad_message_done(m);
}

/* What goes out; all views. */
struct kad_parts {
        enum kad_type type;
        struct bytes key;
        const struct key *target; /* or NULL */
        bool has_record;
        struct bytes record_key, value, received;
        const struct contact *closer, *providers;
        size_t n_closer, n_providers; /* at most KAD_PEERS_MAX each */
};

/* Without a length prefix. The buffer fails when it does not fit. */
void kad_message_put(struct buffer *b, const struct kad_parts *parts);
/* The same as bytes of its own; NULL when it is longer than KAD_MESSAGE_MAX. */
struct refbuf *kad_message_new(const struct kad_parts *parts);
