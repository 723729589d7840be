#include "services/coordinator/voter.h"

#include <stdio.h>

#include "common/base/text.h"

static void name_group(struct voter *v, const char *fact, bool measured, const char *value) {
        v->fact = fact;
        v->is_measured = measured;
        (void) snprintf(v->group, sizeof(v->group), "%s:%s", fact, value);
}

/* "192.0.2.0/24", "2001:db8:1::/48": the prefix alone, written by us. */
static void subnet_text(const struct endpoint *e, unsigned bits, char *ret, size_t ret_size) {
        const uint8_t *a = e->addr;

        if (e->family == ENDPOINT_IP4)
                (void) snprintf(ret, ret_size, "%u.%u.%u.0/24", a[0], a[1], a[2]);
        else if (bits == 48)
                (void) snprintf(ret, ret_size, "%02x%02x:%02x%02x:%02x%02x::/48", a[0], a[1], a[2],
                                a[3], a[4], a[5]);
        else
                (void) snprintf(ret, ret_size, "%02x%02x:%02x%02x::/32", a[0], a[1], a[2], a[3]);
}

static bool has_operator(const struct candidate *c) {
        static const uint8_t none[OPERATOR_SIZE];

        return memcmp(c->operator_key, none, sizeof(none)) != 0;
}

static void by_operator(const struct candidate *c, struct voter *ret) {
        char hex[2 * OPERATOR_SIZE + 1];

        hex_encode(BYTES(c->operator_key, OPERATOR_SIZE), hex);
        name_group(ret, "operator", true, hex);
}

static void by_address(const struct stream_remote *remote, const struct endpoint *e,
                       struct voter *ret) {
        char text[64];

        subnet_text(e, 48, text, sizeof(text));
        name_group(ret, remote->is_relayed ? "relay" : "subnet", true, text);
        if (e->family == ENDPOINT_IP6)
                subnet_text(e, 32, ret->block, sizeof(ret->block));
}

void voter_of(const struct candidate *c, const struct stream_remote *remote, bool independence,
              struct voter *ret) {
        char text[PEER_ID_TEXT_SIZE];
        struct endpoint e = {};

        *ret = (struct voter){};
        if (has_operator(c)) {
                by_operator(c, ret);
                return;
        }
        if (independence && multiaddr_endpoint(&remote->address, &e) &&
            endpoint_scope(&e) == SCOPE_PUBLIC) {
                by_address(remote, &e, ret);
                return;
        }
        name_group(ret, "peer", true, peer_id_text(&c->peer, text));
}

uint64_t voter_claimed(const struct candidate *c, bool independence) {
        struct stream_remote remote = { .peer = c->peer };
        struct voter v;

        if (c->n_addresses > 0)
                remote.address = c->addresses[0];
        voter_of(c, &remote, independence, &v);
        return candidate_claim(BYTES_STR(v.group));
}
