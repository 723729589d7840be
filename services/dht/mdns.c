#include "services/dht/mdns.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/rate.h"
#include "common/base/rng.h"

#define PEER_NAME_SIZE  40 /* the specification asks for 32 or more */
#define FIRST_QUESTIONS 3  /* a second apart: who starts just after us is found at once */
#define ANSWER_DELAY    (20 * NSEC_PER_MSEC) /* RFC 6762, section 6: 20 to 120 ms */
#define ANSWER_SPREAD   (100 * NSEC_PER_MSEC)
#define ANSWER_APART    NSEC_PER_SEC /* RFC 6762, section 6: at most one a second */
#define FOUND_AGAIN     (60 * NSEC_PER_SEC)
#define FOUND_MAX       64 /* waiting for mdns_found() */

/* Whom we heard of. */
struct heard {
        struct list link; /* in `peers`, the one heard of longest ago first */
        struct peer_id peer;
        nsec_t told;
        uint64_t addresses; /* a fingerprint: told again when it changes */
};
struct found {
        struct list link;
        struct contact contact;
};

struct mdns {
        struct mdns_config config;
        struct peer_id self;
        char name[PEER_NAME_SIZE + 1];
        struct multiaddr own[MDNS_ADDRESSES_MAX];
        size_t n_own;
        struct rng rng;
        unsigned asked; /* questions since we woke */
        nsec_t next_question, next_answer, answered;
        struct map *heard;
        struct list peers, found;
        size_t n_found;
        struct rate newcomers;
        struct mdns_stats stats;
};

void mdns_config_default(struct mdns_config *ret) {
        *ret = (struct mdns_config){
                .service = { "_p2p" },
                .interval = 10 * NSEC_PER_SEC,
                .peers_max = 256,
                .new_per_minute = 64,
        };
}

struct mdns *mdns_new(const struct mdns_config *config, const struct peer_id *self, uint64_t seed) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        struct mdns *m = xnew(struct mdns);

        m->config = *config;
        m->self = *self;
        rng_init(&m->rng, seed);
        for (size_t i = 0; i < PEER_NAME_SIZE; i++)
                m->name[i] = letters[rng_below(&m->rng, sizeof(letters) - 1)];
        m->next_answer = NSEC_NEVER;
        m->heard = map_new(rng_u64(&m->rng));
        list_init(&m->peers);
        list_init(&m->found);
        rate_init(&m->newcomers, config->new_per_minute, (config->new_per_minute + 59) / 60);
        return m;
}

static void forget(struct mdns *m, struct heard *h) {
        (void) map_remove(m->heard, peer_id_bytes(&h->peer));
        list_remove(&h->link);
        free(h);
}

struct mdns *mdns_free(struct mdns *m) {
        struct contact c;

        if (!m)
                return NULL;
        while (mdns_found(m, &c))
                contact_done(&c);
        while (!list_is_empty(&m->peers))
                forget(m, LIST_ENTRY(list_first(&m->peers), struct heard, link));
        map_free(m->heard);
        free(m);
        return NULL;
}

/* ---- Ourselves ---- */

/* An address of the wide network is nobody's business on this one. */
static bool is_local(const struct multiaddr *a) {
        enum endpoint_scope scope = multiaddr_scope(a);

        return multiaddr_is_dialable_quic(a) && scope >= SCOPE_LOOPBACK && scope <= SCOPE_PRIVATE;
}

void mdns_addresses(struct mdns *m, const struct multiaddr *addrs, size_t n, nsec_t now) {
        m->n_own = 0;
        for (size_t i = 0; i < n && m->n_own < MDNS_ADDRESSES_MAX; i++) {
                struct multiaddr a = addrs[i];

                if (!is_local(&a))
                        continue;
                if (!multiaddr_has(&a, MULTIADDR_P2P) && !multiaddr_append_peer(&a, &m->self))
                        continue;
                m->own[m->n_own++] = a;
        }
        mdns_wake(m, now);
}

void mdns_wake(struct mdns *m, nsec_t now) {
        m->asked = 0;
        m->next_question = now;
        if (m->n_own > 0)
                m->next_answer = nsec_min(m->next_answer,
                                          nsec_max(now, nsec_add(m->answered, ANSWER_APART)));
}

/* ---- Others ---- */

static uint64_t fingerprint(const struct contact *c) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, against nobody: it only saves work */

        for (size_t i = 0; c->addresses && i < c->addresses->len; i++)
                h = (h ^ c->addresses->data[i]) * UINT64_C(0x100000001b3);
        return h;
}

static struct heard *hear(struct mdns *m, const struct peer_id *peer, nsec_t now) {
        struct heard *h = map_get(m->heard, peer_id_bytes(peer));

        if (h)
                return h;
        if (!rate_take(&m->newcomers, now))
                return NULL;
        if (map_count(m->heard) >= m->config.peers_max)
                forget(m, LIST_ENTRY(list_first(&m->peers), struct heard, link));
        h = xnew(struct heard);
        h->peer = *peer;
        list_init(&h->link);
        (void) map_set(m->heard, peer_id_bytes(peer), h);
        return h;
}

/* Takes the contact over. */
static void tell(struct mdns *m, struct contact *c, nsec_t now) {
        struct heard *h = m->n_found < FOUND_MAX ? hear(m, &c->peer, now) : NULL;
        struct found *f;

        if (!h) {
                m->stats.refused++;
                contact_done(c);
                return;
        }
        list_remove(&h->link);
        list_push_back(&m->peers, &h->link);
        if (h->told > 0 && h->addresses == fingerprint(c) && now < nsec_add(h->told, FOUND_AGAIN)) {
                contact_done(c);
                return;
        }
        h->told = nsec_max(now, 1);
        h->addresses = fingerprint(c);
        f = xnew(struct found);
        f->contact = *c;
        list_push_back(&m->found, &f->link);
        m->n_found++;
        m->stats.found++;
}

/* One message may speak for one peer only: the one its first address leads to. */
static void heard_answer(struct mdns *m, const struct mdns_message *in, nsec_t now) {
        struct multiaddr usable[MDNS_ADDRESSES_MAX];
        struct peer_id peer = {}, other;
        struct contact c;
        size_t n = 0;

        if (strcmp(in->peer_name, m->name) == 0)
                return;
        for (size_t i = 0; i < in->n_addresses; i++) {
                const struct multiaddr *a = &in->addresses[i];

                if (!is_local(a) || !multiaddr_peer(a, &other))
                        continue;
                if (peer_id_is_none(&peer))
                        peer = other;
                if (!peer_id_equal(&peer, &other))
                        continue;
                usable[n] = *a;
                multiaddr_strip_peer(&usable[n++]);
        }
        if (n == 0 || peer_id_equal(&peer, &m->self))
                return;
        contact_init(&c, &peer, usable, n);
        tell(m, &c, now);
}

static void plan_answer(struct mdns *m, nsec_t now) {
        nsec_t at = nsec_add(now, ANSWER_DELAY + rng_below(&m->rng, ANSWER_SPREAD));

        if (m->n_own > 0)
                m->next_answer =
                        nsec_min(m->next_answer, nsec_max(at, nsec_add(m->answered, ANSWER_APART)));
}

void mdns_input(struct mdns *m, struct bytes packet, nsec_t now) {
        struct mdns_message in;

        m->stats.received++;
        if (!mdns_read(packet, &m->config.service, &in))
                m->stats.malformed++;
        else if (in.kind == MDNS_QUERY)
                plan_answer(m, now);
        else if (in.kind == MDNS_ANSWER)
                heard_answer(m, &in, now);
}

bool mdns_found(struct mdns *m, struct contact *ret) {
        struct list *link = list_pop_front(&m->found);
        struct found *f;

        if (!link)
                return false;
        f = LIST_ENTRY(link, struct found, link);
        *ret = f->contact;
        free(f);
        m->n_found--;
        return true;
}

/* ---- Sending ---- */

static nsec_t until_next_question(struct mdns *m) {
        m->asked++;
        return m->asked < FIRST_QUESTIONS ? NSEC_PER_SEC : m->config.interval;
}

bool mdns_output(struct mdns *m, struct buffer *b, nsec_t now) {
        if (now >= m->next_answer) {
                m->next_answer = NSEC_NEVER;
                m->answered = now;
                m->stats.answers_sent++;
                if (mdns_put_answer(b, &m->config.service, m->name, m->own, m->n_own) > 0)
                        return true;
                buffer_clear(b);
        }
        if (now >= m->next_question) {
                m->next_question = nsec_add(now, until_next_question(m));
                m->stats.queries_sent++;
                mdns_put_query(b, &m->config.service);
                return true;
        }
        return false;
}

nsec_t mdns_deadline(const struct mdns *m) {
        return list_is_empty(&m->found) ? nsec_min(m->next_question, m->next_answer) : 0;
}

const struct mdns_stats *mdns_stats(const struct mdns *m) {
        return &m->stats;
}
