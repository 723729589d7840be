#include "services/dht/peerstore.h"

#include "common/wire/varint.h"

void peerstore_done(struct peerstore *p) {
        for (size_t i = 0; i < p->n; i++)
                contact_done(&p->peers[i].contact);
        p->n = 0;
}

static void take_out(struct peerstore *p, size_t i) {
        contact_done(&p->peers[i].contact);
        p->n--;
        memmove(&p->peers[i], &p->peers[i + 1], (p->n - i) * sizeof(p->peers[0]));
}

static size_t find(const struct peerstore *p, const struct key *peer) {
        size_t i = 0;

        while (i < p->n && !key_equal(&p->peers[i].contact.key, peer))
                i++;
        return i;
}

/* Sorted by trust, the older one first among equals; the least trusted falls out. */
static void insert(struct peerstore *p, const struct contact *c, uint32_t trust) {
        size_t at = find(p, &c->key);

        if (at < p->n)
                take_out(p, at);
        for (at = p->n; at > 0 && p->peers[at - 1].trust < trust; at--)
                continue;
        if (at == PEERSTORE_MAX)
                return;
        if (p->n == PEERSTORE_MAX)
                contact_done(&p->peers[--p->n].contact);
        memmove(&p->peers[at + 1], &p->peers[at], (p->n - at) * sizeof(p->peers[0]));
        p->peers[at] = (struct remembered){ contact_ref(c), trust };
        p->n++;
}

/* What was believed at the start is not lost by having begun to count anew. */
static uint32_t trust_in(const struct peerstore *p, const struct table_entry *e) {
        nsec_t minutes = (e->answered - e->since) / (60 * NSEC_PER_SEC) + 1;
        uint32_t trust = (uint32_t) nsec_min(minutes, PEERSTORE_TRUST_MAX);
        size_t i = find(p, &e->contact.key);

        return i < p->n && p->peers[i].trust > trust ? p->peers[i].trust : trust;
}

void peerstore_update(struct peerstore *p, const struct table *t) {
        for (size_t i = 0; i < TABLE_BUCKETS; i++)
                for (unsigned j = 0; j < t->buckets[i].n_entries; j++) {
                        const struct table_entry *e = t->buckets[i].slots[j].entry;

                        if (e->failures == 0 && e->contact.addresses)
                                insert(p, &e->contact, trust_in(p, e));
                }
}

void peerstore_failed(struct peerstore *p, const struct key *peer) {
        size_t i = find(p, peer);
        struct contact c;
        uint32_t trust;

        if (i == p->n)
                return;
        trust = p->peers[i].trust / 2;
        c = contact_ref(&p->peers[i].contact);
        take_out(p, i);
        if (trust > 0)
                insert(p, &c, trust);
        contact_done(&c);
}

void peerstore_remove(struct peerstore *p, const struct key *peer) {
        size_t i = find(p, peer);

        if (i < p->n)
                take_out(p, i);
}

void peerstore_pack(const struct peerstore *p, struct buffer *b) {
        buffer_put_u8(b, (uint8_t) p->n);
        for (size_t i = 0; i < p->n; i++) {
                const struct contact *c = &p->peers[i].contact;

                buffer_put_prefixed(b, peer_id_bytes(&c->peer));
                buffer_put_u32(b, p->peers[i].trust);
                buffer_put_prefixed(b, c->addresses ? refbuf_bytes(c->addresses) : BYTES_NONE);
        }
}

static bool unpack_one(struct peerstore *p, struct reader *r) {
        struct bytes id = reader_prefixed(r);
        uint32_t trust = reader_u32(r) / 2 + 1; /* the least trusted fail before they fade */
        struct reader addresses = reader_of(reader_prefixed(r));
        struct multiaddr addrs[CONTACT_ADDRESSES_MAX];
        struct contact c;
        struct peer_id peer;
        size_t n = 0;

        if (r->failed || !peer_id_parse(id, &peer))
                return false;
        while (n < CONTACT_ADDRESSES_MAX && reader_left(&addresses) > 0 && !addresses.failed)
                n += multiaddr_parse(reader_prefixed(&addresses), &addrs[n]) == MULTIADDR_OK;
        contact_init(&c, &peer, addrs, n);
        if (n > 0)
                insert(p, &c, trust < PEERSTORE_TRUST_MAX ? trust : PEERSTORE_TRUST_MAX);
        contact_done(&c);
        return true;
}

bool peerstore_unpack(struct peerstore *p, struct reader *r) {
        unsigned n = reader_u8(r);

        while (n > 0 && unpack_one(p, r))
                n--;
        return n == 0 && !r->failed;
}
