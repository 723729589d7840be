#include "services/dht/contact.h"

#include <string.h>

#include "common/wire/varint.h"

/* Somebody else's address is of no use, and to name the peer once is enough. */
static bool take_address(struct buffer *b, const struct multiaddr *in, const struct peer_id *peer) {
        struct multiaddr a = *in;
        struct peer_id named;

        if (multiaddr_peer(&a, &named)) {
                if (!peer_id_is_none(peer) && !peer_id_equal(&named, peer))
                        return false;
                multiaddr_strip_peer(&a);
        }
        if (a.len == 0 || multiaddr_scope(&a) == SCOPE_UNUSABLE ||
            b->len + varint_size(a.len) + a.len > CONTACT_BYTES_MAX)
                return false;
        buffer_put_prefixed(b, multiaddr_bytes(&a));
        return true;
}

void contact_init(struct contact *ret, const struct peer_id *peer, const struct multiaddr *addrs,
                  size_t n) {
        uint8_t room[CONTACT_BYTES_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        size_t taken = 0;

        *ret = (struct contact){ .peer = *peer };
        if (!peer_id_is_none(peer))
                ret->key = key_of_peer(peer);
        for (size_t i = 0; i < n && taken < CONTACT_ADDRESSES_MAX; i++)
                taken += take_address(&b, &addrs[i], peer);
        if (b.len > 0)
                ret->addresses = refbuf_new(buffer_bytes(&b));
}

void contact_done(struct contact *c) {
        refbuf_unref(c->addresses);
        *c = (struct contact){};
}

struct contact contact_ref(const struct contact *c) {
        struct contact other = *c;

        if (other.addresses)
                refbuf_ref(other.addresses);
        return other;
}

void contact_replace(struct contact *c, const struct contact *by) {
        struct contact old = *c;

        *c = contact_ref(by);
        contact_done(&old);
}

bool contact_next_address(const struct contact *c, size_t *cursor, struct bytes *ret) {
        struct reader r;

        if (!c->addresses || *cursor >= c->addresses->len)
                return false;
        r = reader_of(refbuf_bytes(c->addresses));
        r.pos = *cursor;
        *ret = reader_prefixed(&r);
        *cursor = r.pos;
        return !r.failed;
}

size_t contact_addresses(const struct contact *c, struct multiaddr *ret, size_t max) {
        size_t cursor = 0, n = 0;
        struct bytes address;

        while (n < max && contact_next_address(c, &cursor, &address))
                n += multiaddr_parse(address, &ret[n]) == MULTIADDR_OK;
        return n;
}

struct subnet subnet_exact(const struct endpoint *e) {
        struct subnet s = { .family = e->family };

        memcpy(s.prefix, e->addr,
               e->family == ENDPOINT_IP4   ? 3
               : e->family == ENDPOINT_IP6 ? 6
                                           : 0);
        return s;
}

bool subnet_is_local(const struct endpoint *e) {
        enum endpoint_scope scope = endpoint_scope(e);

        return scope >= SCOPE_LOOPBACK && scope <= SCOPE_PRIVATE;
}

struct subnet subnet_counted(const struct endpoint *e) {
        return subnet_is_local(e) ? (struct subnet){} : subnet_exact(e);
}

struct subnet subnet_wide(const struct endpoint *e) {
        struct subnet s = subnet_counted(e);

        if (s.family == ENDPOINT_IP6)
                s.prefix[4] = s.prefix[5] = 0;
        return s;
}
