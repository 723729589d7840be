/* What is known of others: who may come into the table, who is connected, who is denied. */
#include <string.h>

#include "common/base/memory.h"
#include "services/dht/internal.h"

/* ---- Denied ---- */

#define STATE_DENIED "denied" /* their keys, one behind the other */

static char mark;

bool peer_is_denied(const struct dht *d, const struct key *key) {
        return map_get(d->denied, key_bytes(key)) != NULL;
}

void dht_deny(struct dht *d, const struct peer_id *peer, bool denied, nsec_t now) {
        struct key key = key_of_peer(peer);

        d->now = now;
        if (!denied) {
                (void) map_remove(d->denied, key_bytes(&key));
                return;
        }
        if (map_count(d->denied) < DHT_DENIED_MAX)
                (void) map_set(d->denied, key_bytes(&key), &mark);
        table_remove(&d->table, &key);
        peerstore_remove(&d->peerstore, &key);
        LIST_FOREACH_SAFE (link, &d->operations) {
                struct operation *o = LIST_ENTRY(link, struct operation, link);

                lookup_remove(o->lookup, &key);
                operation_settle(d, o, now);
        }
}

static void save_denied(struct dht *d) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct bytes key;
        size_t cursor = 0;

        if (!d->store.ops)
                return;
        buffer_init(&b, DHT_DENIED_MAX * KEY_SIZE);
        while (map_next(d->denied, &cursor, &key, NULL))
                buffer_put_bytes(&b, key);
        (void) d->store.ops->state_put(d->store.self, STATE_DENIED, buffer_bytes(&b));
}

/* As they were when this node stopped, until gossip tells the list. */
void peers_load_denied(struct dht *d) {
        CLEANUP(refbuf_unrefp) struct refbuf *state = NULL;

        if (!d->store.ops || d->store.ops->state_get(d->store.self, STATE_DENIED, &state))
                return;
        for (size_t at = 0; at + KEY_SIZE <= state->len; at += KEY_SIZE)
                if (map_count(d->denied) < DHT_DENIED_MAX)
                        (void) map_set(d->denied, BYTES(refbuf_bytes(state).data + at, KEY_SIZE),
                                       &mark);
}

/* Who stays denied is not let in for a moment: a lookup that goes on might meet it. */
void dht_deny_list(struct dht *d, const struct peer_id *peers, size_t n, nsec_t now) {
        struct map *before = d->denied;
        bool is_changed;

        d->denied = map_new(rng_u64(&d->rng));
        for (size_t i = 0; i < n; i++) {
                struct key key = key_of_peer(&peers[i]);

                if (map_get(before, key_bytes(&key)))
                        (void) map_set(d->denied, key_bytes(&key), &mark);
        }
        is_changed = map_count(d->denied) < map_count(before);
        for (size_t i = 0; i < n; i++) {
                struct key key = key_of_peer(&peers[i]);

                if (map_get(before, key_bytes(&key)))
                        continue;
                dht_deny(d, &peers[i], true, now);
                is_changed = true;
        }
        map_free(before);
        if (is_changed)
                save_denied(d);
}

/* ---- Rates of those who ask ---- */

/* Who asked least has the fullest bucket, and loses nothing by being forgotten. */
static size_t rate_place(struct peer_rates *rates, const struct key *key) {
        size_t fullest = 0;

        for (size_t i = 0; i < rates->n; i++) {
                if (key_equal(&rates->peers[i].key, key))
                        return i;
                if (rates->peers[i].full < rates->peers[fullest].full)
                        fullest = i;
        }
        if (rates->n < SERVE_PEERS)
                fullest = rates->n++;
        rates->peers[fullest].key = *key;
        rates->peers[fullest].full = 0;
        return fullest;
}

static bool take_of(struct peer_rates *rates, const struct key *key, struct rate rate,
                    unsigned units, nsec_t now) {
        size_t place = rate_place(rates, key);
        bool may;

        rate.full = rates->peers[place].full;
        may = rate_take_n(&rate, units, now);
        rates->peers[place].full = rate.full;
        return may;
}

bool peer_rate(struct dht *d, const struct peer_id *peer, unsigned units, nsec_t now) {
        struct key key = key_of_peer(peer);
        struct rate rate;

        rate_init(&rate, SERVE_BURST, SERVE_RATE);
        return take_of(&d->rates, &key, rate, units, now);
}

/* Only who may be in a table has anything to fetch here, and a page of it costs a thousand times
 * what a question costs the asker: a subnet has so many, and so have all together. */
bool peer_may_walk(struct dht *d, const struct dht_remote *from, nsec_t now) {
        struct subnet subnet = subnet_counted(&from->endpoint);
        struct key key = {};
        struct rate rate;

        if (from->pow_bits < d->config.pow_bits) {
                dht_count(d, COUNT_WALKS_WEAK);
                return false;
        }
        memcpy(key.bytes, &subnet, sizeof(subnet));
        rate_init(&rate, WALK_SUBNET_BURST, WALK_SUBNET_RATE);
        if ((subnet.family == ENDPOINT_NONE || take_of(&d->walk_rates, &key, rate, 1, now)) &&
            rate_take(&d->walks, now))
                return true;
        dht_count(d, COUNT_WALKS_LIMITED);
        return false;
}

/* ---- Subnets ---- */

/* network.md: exempt in private networks, for peers found by mDNS, and where this node
 * itself has only such addresses. Unknown and relayed addresses count as one subnet. */
static void set_subnets(const struct dht *d, const struct endpoint *e, bool is_mdns,
                        struct table_peer *ret) {
        bool exempts = d->config.is_private || is_mdns || d->is_local;

        if (e->family == ENDPOINT_NONE) {
                ret->near.family = ret->wide.family = SUBNET_UNRESOLVED;
                return;
        }
        if (exempts && subnet_is_local(e))
                return;
        ret->near = subnet_exact(e);
        ret->wide = subnet_wide(e);
}

/* ---- Answers and failures ---- */

static struct neighbour *neighbour_of(const struct dht *d, const struct key *key) {
        return map_get(d->neighbours, key_bytes(key));
}

/* What it announces; else where we reached it, which is no use if it dialled us. */
static struct contact best_contact(const struct dht_remote *from, const struct contact *dialled) {
        struct multiaddr address = multiaddr_from_endpoint(&from->endpoint);
        struct contact c;

        if (from->contact.addresses)
                return contact_ref(&from->contact);
        if (dialled && dialled->addresses)
                return contact_ref(dialled);
        contact_init(&c, &from->contact.peer, &address,
                     !from->is_inbound && from->endpoint.family != ENDPOINT_NONE);
        return c;
}

static void take_in(struct dht *d, const struct dht_remote *from, const struct contact *dialled,
                    nsec_t rtt, nsec_t now) {
        CLEANUP(contact_donep) struct contact c = best_contact(from, dialled);
        struct table_peer peer = { .contact = c, .rtt = rtt };
        struct neighbour *n = neighbour_of(d, &c.key);

        peer.is_connected = n != NULL;
        set_subnets(d, &from->endpoint, from->is_mdns || (n && n->is_mdns), &peer);
        if (n)
                n->is_verified = true;
        if (table_answered(&d->table, &peer, now) != TABLE_OK)
                return;
        if (!d->is_bootstrapped)
                maintain_joined(d, now);
}

void peer_answered(struct dht *d, const struct dht_remote *from, const struct contact *dialled,
                   nsec_t rtt, nsec_t now) {
        const struct key *key = &from->contact.key;

        if (health_answered(&d->health, key, &from->endpoint, now))
                dht_event(d, "recovered", "peers answer again", 0);
        for (size_t i = 0; i < d->n_own; i++)
                if (memcmp(d->own_endpoints[i].addr, from->endpoint.addr, 16) == 0)
                        health_hairpin_works(&d->health);
        mode_peer(&d->mode, &from->endpoint, from->is_inbound, now);
        if (peer_is_denied(d, key))
                return;
        if (from->pow_bits < d->config.pow_bits) {
                dht_count(d, COUNT_PEERS_WEAK);
                return;
        }
        seen_note(&d->seen, key, dht_wall_us(d, now)); /* a name without work costs nothing */
        take_in(d, from, dialled, rtt, now);
}

static bool is_own_address(const struct dht *d, const struct endpoint *e) {
        for (size_t i = 0; i < d->n_own; i++)
                if (d->own_endpoints[i].family == e->family &&
                    memcmp(d->own_endpoints[i].addr, e->addr, 16) == 0 && !subnet_is_local(e))
                        return true;
        return false;
}

/* Whether all its addresses lead through our own router and back. */
static bool is_hairpin(const struct dht *d, const struct contact *c) {
        struct multiaddr addrs[CONTACT_ADDRESSES_MAX];
        size_t n = contact_addresses(c, addrs, ELEMENTSOF(addrs));
        struct endpoint e;

        for (size_t i = 0; i < n; i++)
                if (!multiaddr_endpoint(&addrs[i], &e) || !is_own_address(d, &e))
                        return false;
        return n > 0;
}

/* The first failure may be a lost packet: only the probe that follows it decides. */
void peer_refused(struct dht *d, const struct contact *c, nsec_t now) {
        struct table_entry *e = table_find(&d->table, &c->key);

        if (e && e->is_probing && e->failures > 0)
                table_evict(&d->table, e);
        else if (e)
                table_doubt(&d->table, e, now);
}

void peer_failed(struct dht *d, const struct contact *c, nsec_t now) {
        bool is_charged = health_failed(&d->health, c, now);

        peerstore_failed(&d->peerstore, &c->key);
        if (is_charged && is_hairpin(d, c))
                health_hairpin_failed(&d->health, now);
        if (is_charged)
                peer_refused(d, c, now);
}

bool peer_is_usable(const struct dht *d, const struct contact *c, nsec_t now) {
        if (peer_is_denied(d, &c->key) || key_equal(&c->key, &d->self_key))
                return false;
        if (!c->addresses)
                return neighbour_of(d, &c->key) != NULL;
        return !(health_hairpin_is_broken(&d->health, now) && is_hairpin(d, c));
}

static void on_verified(struct dht *d, struct ask *a, const struct kad_message *answer,
                        const struct bytes *message, nsec_t now) {
        (void) a, (void) message, (void) now;
        if (answer)
                dht_count(d, COUNT_VERIFIED);
}

void peer_verify(struct dht *d, const struct contact *c, nsec_t now) {
        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = peer_id_bytes(&d->self) };
        CLEANUP(refbuf_unrefp) struct refbuf *message = NULL;

        if (table_find(&d->table, &c->key) || !table_has_room(&d->table, &c->key) ||
            !peer_is_usable(d, c, now) || !health_may_ask(&d->health, c, now) ||
            !rate_take(&d->verifications, now))
                return;
        message = kad_message_new(&parts);
        ask_send(d, c, DHT_PROTOCOL_KAD, message, true)->done = on_verified;
}

/* Who was met when it could not be asked: the budget was spent, it was backed off, its answer was
 * lost. Nothing else would make us ask a peer that stays connected. */
void peers_verify_rest(struct dht *d, nsec_t now) {
        size_t cursor = 0;
        void *value;

        while (map_next(d->neighbours, &cursor, NULL, &value)) {
                const struct neighbour *n = value;

                if (n->is_server && !n->is_verified && n->pow_bits >= d->config.pow_bits)
                        peer_verify(d, &n->contact, now);
        }
}

/* ---- What transport tells ---- */

static struct neighbour *neighbour_get(struct dht *d, const struct key *key) {
        struct neighbour *n = neighbour_of(d, key);

        if (n)
                return n;
        if (map_count(d->neighbours) >= NEIGHBOURS_MAX) {
                dht_count(d, COUNT_PEERS_UNCOUNTED);
                return NULL;
        }
        n = xnew(struct neighbour);
        (void) map_set(d->neighbours, key_bytes(key), n);
        return n;
}

void dht_peer_identified(struct dht *d, const struct dht_remote *remote, nsec_t now) {
        const struct key *key = &remote->contact.key;
        struct neighbour *n = neighbour_get(d, key);
        struct table_entry *e = table_find(&d->table, key);

        d->now = now;
        mode_peer(&d->mode, &remote->endpoint, remote->is_inbound, now);
        if (d->is_started && !d->is_server) /* others wait for servers: no tick later */
                maintain_mode(d);
        if (!n)
                return;
        contact_replace(&n->contact, &remote->contact);
        n->endpoint = remote->endpoint;
        n->is_server = remote->is_server;
        n->is_verified = n->is_verified && n->is_server;
        n->is_inbound = remote->is_inbound;
        n->is_mdns |= remote->is_mdns;
        n->pow_bits = remote->pow_bits;
        if (e && !remote->is_server)
                table_remove(&d->table, key); /* it no longer answers */
        else if (e)
                table_connected(&d->table, e);
        else if (remote->is_server && remote->pow_bits >= d->config.pow_bits && d->is_started &&
                 !d->config.is_passive)
                peer_verify(d, &remote->contact, now);
}

void dht_peer_gone(struct dht *d, const struct peer_id *peer, nsec_t now) {
        struct key key = key_of_peer(peer);
        struct neighbour *n = map_remove(d->neighbours, key_bytes(&key));
        struct table_entry *e = table_find(&d->table, &key);

        d->now = now;
        if (e)
                table_disconnected(&d->table, e, now);
        if (n)
                contact_done(&n->contact);
        free(n);
}

void dht_addresses(struct dht *d, const struct multiaddr *addrs, size_t n, nsec_t now) {
        d->now = now;
        contact_done(&d->own);
        contact_init(&d->own, &d->self, addrs, n);
        d->n_own = 0;
        d->is_local = n > 0;
        for (size_t i = 0; i < n; i++) {
                struct endpoint e;

                if (!multiaddr_endpoint(&addrs[i], &e) || !subnet_is_local(&e))
                        d->is_local = false;
                if (d->n_own < OWN_ADDRESSES && !multiaddr_is_relayed(&addrs[i]) &&
                    multiaddr_endpoint(&addrs[i], &e))
                        d->own_endpoints[d->n_own++] = e;
        }
        mode_own(&d->mode, d->own_endpoints, d->n_own);
}
