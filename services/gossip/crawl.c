#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/neighbours.h"

/* Who is there, for people: asks peers for the peers they know, and those for
 * theirs, breadth first. Each is asked once; a peer that lies about thousands
 * fills its own 256 places and nobody else's; addresses of private networks that
 * strangers tell are never dialled unless this node is on such a network itself. */

#define PEERS_DEFAULT   1000
#define PEERS_CEILING   10000
#define TIMEOUT_DEFAULT (30 * NSEC_PER_SEC)
#define PAGES_MAX       4   /* of one peer */
#define TOLD_MAX        256 /* taken from one peer */
#define CHECKS_EACH     4   /* signatures checked in all, for each peer that may be found */

struct sighted {
        struct gossip_sighting s;
        bool is_asked;
        unsigned pages, told, checks;
};

struct crawl {
        int depth;
        size_t peers_max;
        bool discover, capped;
        struct map *seen; /* peer -> index + 1 */
        struct sighted *list;
        size_t checks;                           /* of signatures */
        size_t n, capacity, asked, failed, next; /* next: the first not asked yet */
};

static void step(struct gossip *g, struct call *c, nsec_t now);

/* ---- What was seen ---- */

static struct sighted *sight(struct crawl *w, const struct peer_id *peer) {
        uintptr_t at = (uintptr_t) map_get(w->seen, peer_id_bytes(peer));

        if (at > 0)
                return &w->list[at - 1];
        if (w->n >= w->peers_max) {
                w->capped = true;
                return NULL;
        }
        if (w->n == w->capacity) {
                w->capacity = w->capacity > 0 ? 2 * w->capacity : 64;
                w->list = xrealloc(w->list, w->capacity * sizeof(*w->list));
        }
        w->list[w->n] = (struct sighted){ .s.contact.peer = *peer, .s.age = NSEC_NEVER };
        (void) map_set(w->seen, peer_id_bytes(peer), (void *) (uintptr_t) (w->n + 1));
        return &w->list[w->n++];
}

static void set_addresses(const struct gossip *g, struct gossip_contact *c,
                          const struct multiaddr *addrs, size_t n) {
        c->n_addresses = gossip_dialable(g, addrs, n, c->addresses, GOSSIP_ADDRESSES_MAX);
}

/* Passed over for want of an address when its turn was: now it has one. */
static void has_address(struct crawl *w, const struct sighted *s) {
        size_t at = (size_t) (s - w->list);

        if (s->s.contact.n_addresses > 0 && !s->is_asked && at < w->next)
                w->next = at;
}

/* ---- Answers ---- */

static struct sighted *told(struct gossip *g, struct crawl *w, struct sighted *via,
                            const struct peer_id *peer) {
        size_t before = w->n, by = (size_t) (via - w->list);
        struct sighted *s;

        if (peer_id_equal(peer, &g->self) || via->told >= TOLD_MAX)
                return NULL;
        s = sight(w, peer);
        via = &w->list[by];
        if (w->n > before) {
                via->told++;
                s->s.via = via->s.contact.peer;
                s->s.depth = via->s.depth + 1;
        }
        return s;
}

/* Signatures cost: nobody makes us check more of them than it may tell us of peers. */
static bool may_check(struct crawl *w, struct sighted *via) {
        if (via->checks >= TOLD_MAX || w->checks >= CHECKS_EACH * w->peers_max) {
                w->capped |= w->checks >= CHECKS_EACH * w->peers_max;
                return false;
        }
        via->checks++;
        w->checks++;
        return true;
}

static void take_record(struct gossip *g, struct crawl *w, size_t via, struct bytes bytes,
                        nsec_t now) {
        CLEANUP(capability_donep) struct capability r = {};
        uint64_t wall = gossip_wall(g, now);
        struct sighted *s;

        if (!may_check(w, &w->list[via]) || !gossip_take_record(g, bytes, now, &r))
                return;
        s = told(g, w, &w->list[via], &r.peer);
        if (!s)
                return;
        s->s.is_verified = true;
        s->s.age = wall > r.sequence ? wall - r.sequence : 0;
        /* What it says itself stands above what others said of it. */
        if (!s->s.record)
                s->s.record = refbuf_ref(r.raw);
        if (r.n_addresses > 0 && s->s.depth > 0)
                s->s.contact.n_addresses =
                        gossip_addresses_of(g, &r, s->s.contact.addresses, GOSSIP_ADDRESSES_MAX);
        has_address(w, s);
}

static void take_known(struct gossip *g, struct crawl *w, size_t via, const Peers__KnownPeer *in) {
        struct multiaddr addrs[GOSSIP_ADDRESSES_MAX];
        struct sighted *s;
        struct peer_id peer;
        size_t n = 0;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer))
                return;
        s = told(g, w, &w->list[via], &peer);
        if (!s || s->s.contact.n_addresses > 0)
                return;
        for (size_t i = 0; i < in->n_addresses && n < GOSSIP_ADDRESSES_MAX; i++)
                if (multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len),
                                    &addrs[n]) == MULTIADDR_OK)
                        n++;
        set_addresses(g, &s->s.contact, addrs, n);
        has_address(w, s);
}

static bool ask_page(struct gossip *g, struct call *c, size_t at, struct bytes after, nsec_t now);

/* The last peer of a page is where the next one begins: of its records and of the others. */
static struct peer_id last_of(const Peers__Reply *reply) {
        CLEANUP(capability_donep) struct capability record = {};
        struct peer_id last = {}, known;

        if (reply->n_records > 0) {
                ProtobufCBinaryData r = reply->records[reply->n_records - 1];

                if (capability_read(BYTES(r.data, r.len), &record) == CAPABILITY_OK)
                        last = record.peer;
        }
        if (reply->n_known > 0) {
                ProtobufCBinaryData k = reply->known[reply->n_known - 1]->peer;

                if (peer_id_parse(BYTES(k.data, k.len), &known) &&
                    peer_id_compare(&known, &last) > 0)
                        last = known;
        }
        return last;
}

static void next_page(struct gossip *g, struct call *c, size_t at, const Peers__Reply *reply,
                      nsec_t now) {
        struct peer_id last = last_of(reply);
        struct crawl *w = c->state;

        if (reply->truncated && w->list[at].pages < PAGES_MAX && w->list[at].told < TOLD_MAX &&
            !peer_id_is_none(&last))
                (void) ask_page(g, c, at, peer_id_bytes(&last), now);
}

static void on_list(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now) {
        struct crawl *w = a->call->state;
        size_t at = a->tag;

        if (!reply) {
                w->failed++;
                step(g, a->call, now);
                return;
        }
        w->list[at].s.is_verified = true;
        for (size_t i = 0; i < reply->n_records; i++)
                take_record(g, w, at, BYTES(reply->records[i].data, reply->records[i].len), now);
        for (size_t i = 0; i < reply->n_known; i++)
                take_known(g, w, at, reply->known[i]);
        next_page(g, a->call, at, reply, now);
        step(g, a->call, now);
}

static bool ask_page(struct gossip *g, struct call *c, size_t at, struct bytes after, nsec_t now) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__List list = PEERS__LIST__INIT;
        struct crawl *w = c->state;
        struct ask *a;

        list.after = (ProtobufCBinaryData){ after.len, (uint8_t *) after.data };
        list.max = TOLD_MAX;
        request.body_case = PEERS__REQUEST__BODY_LIST;
        request.list = &list;
        a = ask_peer(g, c, &w->list[at].s.contact, &request, on_list, now);
        if (!a)
                return false;
        a->tag = at;
        w->list[at].pages++;
        w->list[at].is_asked = true;
        return true;
}

/* ---- Going on ---- */

static bool is_asked_for(const struct gossip *g, const struct crawl *w, const struct sighted *s) {
        if (w->depth >= 0 && (int) s->s.depth >= w->depth && s->s.depth > 0)
                return false;
        return !s->is_asked && !gossip_is_blocked(g, &s->s.contact.peer) &&
               (s->s.contact.n_addresses > 0 || gossip_known(g, &s->s.contact.peer));
}

static void step(struct gossip *g, struct call *c, nsec_t now) {
        struct crawl *w = c->state;

        if (w->depth != 0)
                for (; w->next < w->n && !w->capped; w->next++) {
                        if (!is_asked_for(g, w, &w->list[w->next]))
                                continue;
                        if (!ask_page(g, c, w->next, BYTES_NONE, now))
                                break;
                        w->asked++;
                }
        if (c->n_asks == 0)
                crawl_end(g, c, now);
}

static void hint(struct gossip *g, const struct gossip_sighting *s) {
        struct gossip_action *a;

        if (s->contact.n_addresses == 0)
                return;
        a = gossip_add(g, GOSSIP_HINT, 0);
        a->peer = s->contact.peer;
        gossip_set_addresses(a, s->contact.addresses, s->contact.n_addresses);
}

void crawl_end(struct gossip *g, struct call *c, nsec_t now) {
        struct crawl *w = c->state;
        struct gossip_crawled *out = xnew(struct gossip_crawled);

        out->n = w->n;
        out->asked = w->asked;
        out->failed = w->failed;
        out->capped = w->capped;
        out->timed_out = now >= c->deadline;
        out->list = xnew_n(struct gossip_sighting, w->n + 1);
        for (size_t i = 0; i < w->n; i++) {
                out->list[i] = w->list[i].s;
                w->list[i].s.record = NULL;
                if (w->discover)
                        hint(g, &out->list[i]);
        }
        gossip_add(g, GOSSIP_CRAWLED, c->number)->crawled = out;
        call_free(g, c);
}

void crawl_free(struct call *c) {
        struct crawl *w = c->state;

        for (size_t i = 0; i < w->n; i++)
                refbuf_unref(w->list[i].s.record);
        map_free(w->seen);
        free(w->list);
        free(w);
}

/* ---- Beginning ---- */

static void seed_connected(struct gossip *g, struct crawl *w) {
        struct bytes key;
        size_t cursor = 0, at;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                const struct known_peer *k = value;
                struct sighted *s = sight(w, &k->peer);

                if (!s)
                        return;
                s->s.is_verified = true; /* connected */
                s->s.age = 0;
                s->s.contact.n_addresses = 0;
                at = 0;
                while (neighbours_address(k, &at,
                                          &s->s.contact.addresses[s->s.contact.n_addresses]))
                        s->s.contact.n_addresses++;
                s->is_asked = !k->speaks_peers;
        }
}

static void seed_given(struct crawl *w, const struct gossip_crawl *in) {
        for (size_t i = 0; i < in->n_from; i++) {
                struct sighted *s = sight(w, &in->from[i].peer);

                if (!s)
                        continue;
                s->s.contact = in->from[i];
                s->s.contact.is_given = s->s.contact.n_addresses > 0;
        }
}

void gossip_crawl(struct gossip *g, uint64_t number, const struct gossip_crawl *in, nsec_t now) {
        nsec_t timeout = in->timeout > 0 ? in->timeout : TIMEOUT_DEFAULT;
        struct call *c = call_new(g, number, CALL_CRAWL, nsec_add(now, timeout));
        struct crawl *w;

        g->now = now;
        g_count(g, GOSSIP_CRAWLS);
        if (!c) {
                gossip_add(g, GOSSIP_CRAWLED, number)->crawled = xnew(struct gossip_crawled);
                return;
        }
        c->state = w = xnew(struct crawl);
        w->depth = in->depth;
        w->discover = in->discover;
        w->peers_max =
                in->peers_max > 0 && in->peers_max <= PEERS_CEILING ? in->peers_max : PEERS_DEFAULT;
        w->seen = map_new(rng_u64(&g->rng));
        if (in->n_from > 0)
                seed_given(w, in);
        else
                seed_connected(g, w);
        step(g, c, now);
}
