#pragma once

/* Which network a node belongs to: section [network], read by every service that
 * speaks to other nodes. A network is its name and, if it has one, its secret:
 * both go into whatever other nodes see of it, the names of protocols, of the mDNS
 * service and of topics, and what records say of their network, so that nodes of
 * different networks never understand each other by accident. Other nodes are never
 * told the name itself: that is for people. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/daemon/config.h"
#include "common/daemon/config_rows.h"
#include "common/wire/peerid.h"

#define NETWORK_DEFAULT           "public"
#define NETWORK_NAME_MAX          32
#define NETWORK_FINGERPRINT_SIZE  17 /* 16 hex digits and the final 0 */
#define NETWORK_PROTOCOL_SIZE     128
#define NETWORK_SECRET_SIZE       32
#define NETWORK_SECRET_MIN        16 /* bytes in the file: 128 bits */
#define NETWORK_SECRET_MAX        64
#define NETWORK_ERROR_SIZE        512
#define NETWORK_SECRET_FILE_LIMIT 256

enum network_mode {
        NETWORK_PUBLIC = 0,
        NETWORK_PRIVATE, /* only peers on `allow`; starts only with a name, a secret and a list */
};

struct network_settings {
        char *name, *secret_file;
        int mode; /* enum network_mode */
        struct config_list allow;
};

extern const char *const network_modes[];

/* The section's rows, last in a service's table: `s` its struct's tag, `m` a member of type struct
 * network_settings. */
#define NETWORK_ROWS(s, m)                                                                        \
        CONFIG_SECTION("network"),                                                                \
                CONFIG_STRING(s, m.name, "name", NETWORK_DEFAULT,                                 \
                              "nodes of other names do not understand this one"),                 \
                CONFIG_ENUM(s, m.mode, "mode", "public", network_modes,                           \
                            "private: needs a name, a secret-file and allow, else nothing "       \
                            "starts"),                                                            \
                CONFIG_STRING(s, m.secret_file, "secret-file", "",                                \
                              "absolute path of 32 to 128 hex digits that all nodes of the "      \
                              "network share; below the configuration's folder"),                 \
                CONFIG_LIST_OF(s, m.allow, "allow", config_is_peer,                               \
                               "peer ids of the network, if others are to be refused inside the " \
                               "handshake")

/* About 11 KiB. */
struct network {
        char name[NETWORK_NAME_MAX + 1];
        enum network_mode mode;
        char fingerprint[NETWORK_FINGERPRINT_SIZE]; /* "": the public default network */
        char prefix[32];                            /* of protocols: "/quorate", or with "-" and
                                                       the fingerprint */
        char mdns_service[32];                      /* "_p2p", or likewise */
        bool has_secret;
        uint8_t secret[NETWORK_SECRET_SIZE]; /* HKDF-SHA256(the file's, "quorate/v1/network") */
        size_t n_allow;
        struct peer_id allow[CONFIG_LIST_MAX];
};

enum network_result {
        NETWORK_OK = 0,
        NETWORK_E_REFUSED, /* the error says what is wrong and what to do */
};

/* `secret` is the content of secret-file, empty without one. Pure. Returns enum network_result. */
int network_of(const struct network_settings *v, struct bytes secret, struct network *ret,
               char error[NETWORK_ERROR_SIZE]);
/* A private network must not lead its nodes elsewhere: every row of a `bootstrap` list names a
 * peer on `allow`. Pure. Returns enum network_result. */
int network_check_bootstrap(const struct network *n, const struct config_list *rows,
                            char error[NETWORK_ERROR_SIZE]);

/* For start() and reload(): reads secret-file, and says in the log what is wrong. `bootstrap` may
 * be NULL. Returns 0, or service_refuse()'s fault. */
int network_load(const struct network_settings *v, const struct config_list *bootstrap,
                 struct network *ret);
/* For check_config(): the rules of network_load(), and that secret-file lies where services see it.
 * Who may not read it as the user he is is warned, and told about the rest. */
int network_check(const struct network_settings *v, const struct config_list *bootstrap,
                  const char *config_path);
/* For those who need no secret any more. */
void network_wipe(struct network *n);

/* On the list, or there is none. */
bool network_allows(const struct network *n, const struct peer_id *peer);
/* prefix and `rest` ("/job/1"); returns ret. */
char *network_protocol(const struct network *n, const char *rest, char ret[NETWORK_PROTOCOL_SIZE]);
/* What topics and records call it: NETWORK_DEFAULT for the public default network, else the
 * fingerprint. As long as the network. */
const char *network_on_wire(const struct network *n);
/* By the protocols that a peer serves: those of another network of this software, none of ours. */
bool network_is_elsewhere(const struct network *n, char *const *protocols, size_t n_protocols);

/* What names the meeting points of a private network at that time: HKDF-SHA256(secret,
 * "quorate/v1/topic", then the hour since 1970 in 8 bytes). Whoever looks for others asks for the
 * hours before and after as well: clocks differ. Pure; the network has a secret (checked). */
void network_topic_secret(const struct network *n, int64_t wall_seconds,
                          uint8_t ret[NETWORK_SECRET_SIZE]);
