#pragma once

/* The messages of /ipfs/id/1.0.0 and /ipfs/id/push/1.0.0 (libp2p/specs,
 * identify/README.md; signed peer records as deployed).
 *
 * Pure: builds what we say about ourselves, and folds what a peer says about
 * itself over up to 10 messages of one stream, 8 KiB each. What a peer says is
 * bounded here, once: at most 32 addresses and 64 protocol ids. An address or
 * protocol we cannot keep is skipped, the message stays valid. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define IDENTIFY_MESSAGE_MAX   8192
#define IDENTIFY_MESSAGES_MAX  10
#define IDENTIFY_ADDRS_MAX     32
#define IDENTIFY_PROTOCOLS_MAX 64
#define IDENTIFY_AGENT_MAX     127
#define IDENTIFY_NAMES_SIZE    4096 /* all protocol ids with their final zeros */
#define IDENTIFY_RECORD_MAX    2048 /* of a signed record that is kept; a longer one only counts */

#define IDENTIFY_VERSION       "quorate/1"

/* What we say. Views; the caller keeps what they point to. */
struct identify_self {
        struct sign_public key;
        const struct multiaddr *listen;
        size_t n_listen;
        const char *const *protocols;
        size_t n_protocols;
        const char *agent;
        struct bytes record; /* envelope, or empty */
};

/* Behind its length prefix. observed may be NULL. The buffer fails when it does not fit. */
void identify_put(struct buffer *b, const struct identify_self *self,
                  const struct multiaddr *observed);

/* What a peer said. About 15 KiB: one per stream being read, not one per peer. */
struct identify {
        bool has_addrs, has_protocols, has_agent, has_observed;
        size_t n_addrs, n_protocols, n_messages, n_skipped;
        uint64_t record_seq; /* 0: the addresses are not signed */
        struct multiaddr observed;
        struct multiaddr addrs[IDENTIFY_ADDRS_MAX];
        char agent[IDENTIFY_AGENT_MAX + 1]; /* as sent: escape before showing */
        char names[IDENTIFY_NAMES_SIZE];    /* n_protocols strings, one behind the other */
        size_t names_len;
        uint8_t record[IDENTIFY_RECORD_MAX]; /* the envelope as sent */
        size_t record_len;                   /* 0: none, or too long to keep */
};

enum identify_result {
        IDENTIFY_OK = 0,
        IDENTIFY_E_INVALID,  /* not such a message */
        IDENTIFY_E_KEY,      /* the key is not this peer's */
        IDENTIFY_E_TOO_MANY, /* an eleventh message */
};

void identify_init(struct identify *id);

/* One message of the authenticated peer `from`, merged with the earlier ones of
 * its stream as protobuf merges: lists grow, single fields are replaced. A
 * signed record that verifies and is this peer's replaces plain addresses; one
 * that does not is ignored and counted in n_skipped. At most one signature
 * check per message. Returns enum identify_result. */
int identify_add(struct identify *id, struct bytes message, const struct peer_id *from);

/* i < n_protocols; walks from the front. */
const char *identify_protocol(const struct identify *id, size_t i);
