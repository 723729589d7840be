#include "services/keyring/rules.h"

#define SPACES_16 "                "
#define SPACES_64 SPACES_16 SPACES_16 SPACES_16 SPACES_16

const char *const keyring_socket_names[_KEYRING_SOCKET_N] = {
        [KEYRING_TRANSPORT] = "transport", [KEYRING_DHT] = "dht",   [KEYRING_GOSSIP] = "gossip",
        [KEYRING_REQUESTER] = "requester", [KEYRING_HOST] = "host", [KEYRING_ADMIN] = "admin",
};

/* statement, name, socket, key, burst, per second, exact prefix of what is signed */
#define ROW(statement_, name_, socket_, key_, burst_, per_second_, prefix_)                      \
        [KEYRING_##statement_] = { .name = (name_),                                              \
                                   .socket = KEYRING_##socket_,                                  \
                                   .key = KEYRING_KEY_##key_,                                    \
                                   .prefix = { (const uint8_t *) prefix_, sizeof(prefix_) - 1 }, \
                                   .burst = (burst_),                                            \
                                   .per_second = (per_second_) }
#define VERIFY(side) SPACES_64 "TLS 1.3, " side " CertificateVerify\0"
#define RECORD       "\x12libp2p-peer-record\x02\x03\x01"

const struct keyring_rule keyring_rules[_KEYRING_STATEMENT_N] = {
        ROW(TLS_BINDING, "tls-binding", TRANSPORT, NODE, 16, 1, "libp2p-tls-handshake:"),
        ROW(TLS_SERVER, "tls-server", TRANSPORT, TLS, 1024, 512, VERIFY("server")),
        ROW(TLS_CLIENT, "tls-client", TRANSPORT, TLS, 1024, 512, VERIFY("client")),
        ROW(TLS_DIGEST, "tls-digest", TRANSPORT, TLS, 1024, 512, ""), /* P-256: 32 bytes, no more */
        ROW(CERTIFICATE, "certificate", TRANSPORT, TLS, 16, 1, "\x30"),
        ROW(PEER_RECORD, "peer-record", TRANSPORT, NODE, 32, 2, RECORD),
        ROW(DISPATCH, "dispatch", REQUESTER, NODE, 2048, 512, "quorate/1/dispatch\0"),
        ROW(VERDICT, "verdict", REQUESTER, NODE, 4096, 1024, "quorate/1/verdict\0"),
        ROW(COMMIT, "commit", HOST, NODE, 1024, 256, "quorate/1/commit\0"),
        ROW(DHT_RECORD, "record", DHT, NODE, 256, 4, "quorate/1/record\0"),
        ROW(MESSAGE, "pubsub-message", GOSSIP, NODE, 256, 32, "libp2p-pubsub:"),
        ROW(CAPABILITY, "capability", GOSSIP, NODE, 32, 4, "quorate/1/capability\0"),
        ROW(LETTER, "letter", ADMIN, NODE, 64, 4, "quorate/1/letter\0"),
        ROW(ROTATION, "rotation", ADMIN, NODE, 16, 1, "quorate/1/rotation\0"),
        ROW(REVOCATION, "revocation", ADMIN, NODE, 4, 1, "quorate/1/revocation\0"),
        ROW(OPEN_LETTER, "open-letter", ADMIN, BOX, 256, 64, ""),
};
