#pragma once

/* What may be signed: the table "statement, socket, key, exact prefix, rate".
 * keyring.c refuses whatever has no row, comes over another socket than its row's,
 * or does not begin with its row's prefix. Pure. */

#include <stdint.h>

#include "common/base/bytes.h"

enum keyring_socket {
        KEYRING_TRANSPORT,
        KEYRING_DHT,
        KEYRING_GOSSIP,
        KEYRING_REQUESTER,
        KEYRING_HOST,
        KEYRING_ADMIN,
        _KEYRING_SOCKET_N,
};

enum keyring_statement {
        KEYRING_TLS_BINDING,
        KEYRING_TLS_SERVER,
        KEYRING_TLS_CLIENT,
        KEYRING_TLS_DIGEST,
        KEYRING_CERTIFICATE,
        KEYRING_PEER_RECORD,
        KEYRING_DISPATCH,
        KEYRING_VERDICT,
        KEYRING_COMMIT,
        KEYRING_DHT_RECORD,
        KEYRING_MESSAGE,
        KEYRING_CAPABILITY,
        KEYRING_LETTER,
        KEYRING_ROTATION,
        KEYRING_REVOCATION,
        KEYRING_OPEN_LETTER, /* signs nothing: the rate at which boxes are opened */
        _KEYRING_STATEMENT_N,
};

enum keyring_key {
        KEYRING_KEY_NODE, /* the Ed25519 identity */
        KEYRING_KEY_TLS,  /* a TLS key; never says anything about the node by itself */
        KEYRING_KEY_BOX,  /* X25519: opens, and cannot sign */
};

struct keyring_rule {
        const char *name;
        enum keyring_socket socket;
        enum keyring_key key;
        struct bytes prefix; /* of the bytes signed */
        uint32_t burst, per_second;
};

extern const struct keyring_rule keyring_rules[_KEYRING_STATEMENT_N];

/* "transport": the socket is keyring/<name>. */
extern const char *const keyring_socket_names[_KEYRING_SOCKET_N];
