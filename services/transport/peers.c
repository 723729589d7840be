#include "services/transport/peers.h"

#include "common/base/error.h"
#include "common/crypto/identity.h"

#define RECORD_SHARE 1024 /* bytes of signed records for each peer that may be known */

struct peers {
        size_t max;
        struct map *by_id;
        struct list by_use; /* longest unused first */
        struct budget records;
};

struct peers *peers_new(size_t max, uint64_t seed) {
        struct peers *p = xnew(struct peers);

        p->max = max;
        p->by_id = map_new(seed);
        list_init(&p->by_use);
        budget_init(&p->records, (uint64_t) max * RECORD_SHARE, NULL);
        return p;
}

static void drop_record(struct peer *peer) {
        budget_give(&peer->book->records, peer->record_len);
        free(TAKE(peer->record));
        peer->record_len = 0;
}

static void peer_free(struct peers *p, struct peer *peer) {
        drop_record(peer);
        map_remove(p->by_id, peer_id_bytes(&peer->id));
        list_remove(&peer->by_use);
        free(peer->addrs);
        free(peer->agent);
        free(peer->protocols);
        free(peer->attempts);
        free(peer);
}

struct peers *peers_free(struct peers *p) {
        struct list *link;

        if (!p)
                return NULL;
        while ((link = list_first(&p->by_use)))
                peer_free(p, LIST_ENTRY(link, struct peer, by_use));
        map_free(p->by_id);
        free(p);
        return NULL;
}

struct peer *peers_find(const struct peers *p, const struct peer_id *id) {
        return map_get(p->by_id, peer_id_bytes(id));
}

/* It was reached by us, now or in an earlier life. */
static bool is_proven(const struct peer *peer) {
        for (size_t i = 0; i < peer->n_addrs; i++)
                if (peer->addrs[i].sources & (ADDRESS_WORKED | ADDRESS_CACHED))
                        return true;
        return false;
}

/* Strangers make room first: coming to us under many names costs little. */
static struct peer *dispensable(const struct peers *p) {
        struct peer *proven = NULL;

        LIST_FOREACH (link, &p->by_use) {
                struct peer *peer = LIST_ENTRY(link, struct peer, by_use);

                if (peer->n_holds > 0 || peer->pinned)
                        continue;
                if (!is_proven(peer))
                        return peer;
                if (!proven)
                        proven = peer;
        }
        return proven;
}

static bool make_room(struct peers *p) {
        struct peer *peer;

        if (map_count(p->by_id) < p->max)
                return true;
        peer = dispensable(p);
        if (peer)
                peer_free(p, peer);
        return peer != NULL;
}

static uint16_t work_of(const struct peer_id *id) {
        struct sign_public key;

        return peer_id_ed25519(id, &key) ? (uint16_t) identity_work(&key) : 0;
}

struct peer *peers_get(struct peers *p, const struct peer_id *id) {
        struct peer *peer = peers_find(p, id);

        if (!peer) {
                if (!make_room(p))
                        return NULL;
                peer = xnew(struct peer);
                peer->id = *id;
                peer->book = p;
                peer->work = work_of(id);
                list_init(&peer->by_use);
                map_set(p->by_id, peer_id_bytes(id), peer);
        }
        list_remove(&peer->by_use);
        list_push_back(&p->by_use, &peer->by_use);
        return peer;
}

size_t peers_count(const struct peers *p) {
        return map_count(p->by_id);
}

const struct budget *peers_records(const struct peers *p) {
        return &p->records;
}

struct peer *peers_next(const struct peers *p, size_t *cursor) {
        struct bytes key;
        void *peer;

        return map_next(p->by_id, cursor, &key, &peer) ? peer : NULL;
}

void peer_hold(struct peer *peer) {
        peer->n_holds++;
}

void peer_release(struct peer *peer) {
        check(peer->n_holds > 0);
        peer->n_holds--;
}

static struct peer_address *find_address(const struct peer *peer, const struct multiaddr *addr) {
        for (size_t i = 0; i < peer->n_addrs; i++)
                if (multiaddr_equal(&peer->addrs[i].addr, addr))
                        return &peer->addrs[i];
        return NULL;
}

static void remove_address(struct peer *peer, struct peer_address *a) {
        *a = peer->addrs[--peer->n_addrs];
}

/* Sources are ordered by their bits, so that the greater number is the better address. */
static unsigned worth(const struct peer_address *a) {
        return a->sources;
}

static bool make_room_for_address(struct peer *peer, enum address_source source) {
        struct peer_address *weakest = NULL;

        if (peer->n_addrs < PEER_ADDRS_MAX)
                return true;
        for (size_t i = 0; i < peer->n_addrs; i++)
                if (!weakest || worth(&peer->addrs[i]) < worth(weakest))
                        weakest = &peer->addrs[i];
        if (worth(weakest) >= source)
                return false;
        remove_address(peer, weakest);
        return true;
}

/* NULL: not kept. */
static struct peer_address *get_address(struct peer *peer, const struct multiaddr *addr,
                                        enum address_source source) {
        struct multiaddr plain = *addr;
        struct peer_address *a;

        multiaddr_strip_peer(&plain);
        if (plain.len == 0)
                return NULL;
        a = find_address(peer, &plain);
        if (!a) {
                if (!make_room_for_address(peer, source))
                        return NULL;
                peer->addrs = xrealloc(peer->addrs, (peer->n_addrs + 1) * sizeof(*peer->addrs));
                a = &peer->addrs[peer->n_addrs++];
                *a = (struct peer_address){ .addr = plain };
        }
        a->sources |= source;
        return a;
}

void peer_add_address(struct peer *peer, const struct multiaddr *addr, enum address_source source) {
        (void) get_address(peer, addr, source);
}

void peer_address_worked(struct peer *peer, const struct multiaddr *addr, nsec_t now) {
        struct peer_address *a = get_address(peer, addr, ADDRESS_WORKED);

        if (a)
                a->worked = now;
}

void peer_drop_address(struct peer *peer, const struct multiaddr *addr) {
        struct multiaddr plain = *addr;
        struct peer_address *a;

        multiaddr_strip_peer(&plain);
        a = find_address(peer, &plain);
        if (a && !(a->sources & ADDRESS_PINNED))
                remove_address(peer, a);
}

void peer_unpin_address(struct peer *peer, const struct multiaddr *addr) {
        struct multiaddr plain = *addr;
        struct peer_address *a;

        multiaddr_strip_peer(&plain);
        a = find_address(peer, &plain);
        if (!a)
                return;
        a->sources &= (uint8_t) ~ADDRESS_PINNED;
        if (!a->sources)
                remove_address(peer, a);
}

static void forget_announced(struct peer *peer) {
        for (size_t i = peer->n_addrs; i-- > 0;) {
                struct peer_address *a = &peer->addrs[i];

                a->sources &= (uint8_t) ~(ADDRESS_IDENTIFY | ADDRESS_SIGNED);
                if (!a->sources)
                        remove_address(peer, a);
        }
}

static void set_protocols(struct peer *peer, const struct identify *id) {
        free(peer->protocols);
        peer->protocols = xmemdup(id->names, id->names_len);
        peer->n_protocols = id->n_protocols;
}

/* An older one that would stay would say what is no longer true. */
static void keep_record(struct peer *peer, const struct identify *id) {
        drop_record(peer);
        if (id->record_len == 0 || budget_take(&peer->book->records, id->record_len) != BUDGET_OK)
                return;
        peer->record = xmemdup(id->record, id->record_len);
        peer->record_len = id->record_len;
}

void peer_identified(struct peer *peer, const struct identify *id) {
        enum address_source source = id->record_seq > 0 ? ADDRESS_SIGNED : ADDRESS_IDENTIFY;

        peer->identified = true;
        if (id->has_addrs && (id->record_seq == 0 || id->record_seq >= peer->record_seq)) {
                peer->record_seq = id->record_seq > 0 ? id->record_seq : peer->record_seq;
                if (id->record_seq > 0)
                        keep_record(peer, id);
                forget_announced(peer);
                for (size_t i = 0; i < id->n_addrs; i++)
                        peer_add_address(peer, &id->addrs[i], source);
        }
        if (id->has_protocols)
                set_protocols(peer, id);
        if (id->has_agent) {
                free(peer->agent);
                peer->agent = xstrdup(id->agent);
        }
}

const char *peer_next_protocol(const struct peer *peer, size_t *cursor) {
        const char *name = peer->protocols;

        if (*cursor >= peer->n_protocols)
                return NULL;
        for (size_t i = 0; i < *cursor; i++)
                name += strlen(name) + 1;
        (*cursor)++;
        return name;
}

bool peer_speaks(const struct peer *peer, const char *protocol) {
        const char *name = peer->protocols;

        for (size_t i = 0; i < peer->n_protocols; i++, name += strlen(name) + 1)
                if (strcmp(name, protocol) == 0)
                        return true;
        return false;
}

void peer_attempted(struct peer *peer, const struct peer_attempt *attempt) {
        if (!peer->attempts)
                peer->attempts = xnew_n(struct peer_attempt, PEER_ATTEMPTS_MAX);
        peer->attempts[peer->next_attempt] = *attempt;
        peer->next_attempt = (peer->next_attempt + 1) % PEER_ATTEMPTS_MAX;
        if (peer->n_attempts < PEER_ATTEMPTS_MAX)
                peer->n_attempts++;
}

const struct peer_attempt *peer_attempt(const struct peer *peer, size_t i) {
        if (i >= peer->n_attempts)
                return NULL;
        return &peer->attempts[(peer->next_attempt + PEER_ATTEMPTS_MAX - 1 - i) %
                               PEER_ATTEMPTS_MAX];
}
