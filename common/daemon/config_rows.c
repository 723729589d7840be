#include "common/daemon/config_rows.h"

#include <stdio.h>
#include <string.h>

#include "common/wire/multiaddr.h"

static bool refuse(char why[CONFIG_WHY_SIZE], const char *text) {
        (void) snprintf(why, CONFIG_WHY_SIZE, "%s", text);
        return false;
}

bool config_is_peer(const char *row, char why[CONFIG_WHY_SIZE]) {
        struct peer_id id;

        return peer_id_from_text(BYTES_STR(row), &id) ||
               refuse(why, "is no peer id; write one whole (12D3KooW…), as `quorate status` of "
                           "that node shows it");
}

bool config_is_peer_or_all(const char *row, char why[CONFIG_WHY_SIZE]) {
        struct peer_id id;

        return strcmp(row, "all") == 0 || peer_id_from_text(BYTES_STR(row), &id) ||
               refuse(why, "is no peer id; write one whole (12D3KooW…), or all");
}

/* This node dials QUIC and nothing else. */
static bool can_be_dialled(const struct multiaddr *whole) {
        struct multiaddr a = *whole;
        enum endpoint_family family;
        struct peer_id id;
        struct bytes name;
        uint16_t port;

        if (multiaddr_peer(&a, &id))
                multiaddr_strip_peer(&a);
        return multiaddr_is_dialable_quic(&a) || multiaddr_dnsaddr(&a, &name) ||
               (multiaddr_name(&a, &name, &port, &family) && port > 0);
}

static bool leads_nowhere(const struct multiaddr *a) {
        struct endpoint e;

        return multiaddr_endpoint(a, &e) && endpoint_scope(&e) == SCOPE_UNUSABLE;
}

/* "nobody@host:port": said of the id, not of the address. */
static bool has_wrong_id(const char *row) {
        const char *at = strchr(row, '@');
        struct peer_id id;

        return *row != '/' && at && !peer_id_from_text(BYTES(row, at - row), &id);
}

bool config_is_place(const char *row, char why[CONFIG_WHY_SIZE]) {
        struct multiaddr a;
        int r = multiaddr_from_config(BYTES_STR(row), &a);

        if (r == MULTIADDR_OK && can_be_dialled(&a))
                return true;
        if (has_wrong_id(row))
                return refuse(why, "has no peer id before its @; write one whole (12D3KooW…), or "
                                   "host:port alone");
        if (r == MULTIADDR_E_INVALID)
                return refuse(why, "is no address; write host:port, peerid@host:port or "
                                   "/ip4/1.2.3.4/udp/4001/quic-v1/p2p/PEERID");
        if (r == MULTIADDR_OK && leads_nowhere(&a))
                return refuse(why, "leads nowhere: an address for examples, for many or for none; "
                                   "write that of a node");
        return refuse(why, "cannot be dialled: nodes speak QUIC over UDP alone, and port 0 is "
                           "none; write /ip4/1.2.3.4/udp/4001/quic-v1, or host:port");
}

bool config_is_peer_at(const char *row, char why[CONFIG_WHY_SIZE]) {
        struct multiaddr a;
        struct peer_id id;

        if (peer_id_from_text(BYTES_STR(row), &id))
                return true;
        if (multiaddr_from_config(BYTES_STR(row), &a) == MULTIADDR_OK && multiaddr_peer(&a, &id))
                return config_is_place(row, why);
        return refuse(why, "does not say who that is; write a peer id, peerid@host:port, or a "
                           "multiaddr with /p2p/PEERID");
}
