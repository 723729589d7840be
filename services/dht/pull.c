#include "services/dht/pull.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/rng.h"
#include "services/dht/region.h"

#define AMONG_MAX   20
#define OWN_MAX     96                  /* under one key: a mailbox holds 64 letters */
#define RETRY       (15 * NSEC_PER_SEC) /* doubled with each neighbour that fails */
#define INVALID_MAX 3 /* records of one giver that the table refuses: then he is left */

struct pull {
        struct pull_config config;
        struct dht *dht;
        struct rules *rules;
        struct quota *quota;
        struct key self;
        struct rng rng;
        double radius;
        nsec_t at;
        unsigned n_asked;  /* since we came, up to `first` */
        unsigned n_failed; /* in a row */
        struct pull_stats stats;

        /* The round under way. */
        bool is_busy, has_next, has_resume;
        struct contact from;
        struct key next;
        struct key resume; /* the next round begins behind it, where this one had no time left */
        unsigned n_questions, n_invalid, n_kept;
        uint8_t *wanted; /* RECORD_WANTED bytes each */
        size_t n_wanted, n_done;
};

void pull_config_default(struct pull_config *ret) {
        *ret = (struct pull_config){ .pause = 600 * NSEC_PER_SEC,
                                     .first = 3,
                                     .near = 8,
                                     .among = AMONG_MAX,
                                     .questions = 20 };
}

struct pull *pull_new(const struct pull_config *config, struct dht *d, struct rules *rules,
                      struct quota *quota, const struct key *self, uint64_t seed) {
        struct pull *p = xnew(struct pull);

        p->config = *config;
        p->dht = d;
        p->rules = rules;
        p->quota = quota;
        p->self = *self;
        rng_init(&p->rng, seed);
        return p;
}

static void let_go(struct pull *p) {
        contact_done(&p->from);
        free(p->wanted);
        p->from = (struct contact){};
        p->wanted = NULL;
        p->n_wanted = p->n_done = 0;
        p->is_busy = false;
}

struct pull *pull_free(struct pull *p) {
        if (p)
                let_go(p);
        free(p);
        return NULL;
}

void pull_region(struct pull *p, double radius) {
        p->radius = radius;
}

const struct pull_stats *pull_stats(const struct pull *p) {
        return &p->stats;
}

/* ---- a round: one neighbour ---- */

enum ending { WHOLE, PART, FAILED };

/* The first ones follow each other; so does the next when this one left something undone. */
static void end_round(struct pull *p, enum ending how, nsec_t now) {
        nsec_t pause = p->config.pause;

        p->at = now;
        if (how == FAILED) {
                p->stats.failed++;
                p->at = nsec_add(now, nsec_min(RETRY << p->n_failed, pause));
                p->n_failed += p->n_failed < 8;
        } else if (how == WHOLE) {
                p->n_failed = 0;
                p->n_asked += p->n_asked < p->config.first;
                if (p->n_asked >= p->config.first)
                        p->at = nsec_add(now,
                                         pause - pause / 4 + rng_below(&p->rng, pause / 2 + 1));
        }
        let_go(p);
}

static void on_region(void *userdata, const struct peer_id *from, const struct bytes *message,
                      nsec_t now);
static void on_fetched(void *userdata, const struct peer_id *from, const struct bytes *message,
                       nsec_t now);

static void ask_region(struct pull *p, struct bytes after, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer message = {};

        buffer_init(&message, RECORD_MESSAGE_MAX);
        record_put_region(&message, after);
        if (!dht_tell(p->dht, &p->from, buffer_bytes(&message), on_region, p, now))
                end_round(p, FAILED, now);
}

/* The next round, of whichever neighbour, goes on behind the key that this one came to, so that a
 * mailbox full of large letters keeps nobody from what lies behind it. */
static void leave_off(struct pull *p) {
        p->has_resume = p->n_done < p->n_wanted || p->has_next;
        p->resume = p->next;
        if (p->n_done < p->n_wanted) {
                memset(p->resume.bytes, 0xff, KEY_SIZE);
                memcpy(p->resume.bytes, p->wanted + p->n_done * RECORD_WANTED, 8);
        }
}

static bool takes_more(const struct pull *p) {
        struct subnet subnet = dht_subnet_of(p->dht, &p->from.key);

        return quota_takes_from(p->quota, dht_store(p->dht), &subnet);
}

static void go_on(struct pull *p, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer message = {};
        size_t left = p->n_wanted - p->n_done;

        if (left == 0 && !p->has_next) {
                end_round(p, WHOLE, now);
                return;
        }
        /* It has its share here, and somebody of another subnet goes on; or no time is left. */
        if (!takes_more(p) || p->n_questions++ >= p->config.questions) {
                leave_off(p);
                end_round(p, p->n_kept ? PART : FAILED, now); /* it only kept us busy */
                return;
        }
        if (left == 0) {
                ask_region(p, key_bytes(&p->next), now);
                return;
        }
        buffer_init(&message, RECORD_MESSAGE_MAX);
        left = left < RECORD_PAGE_MAX ? left : RECORD_PAGE_MAX;
        record_put_fetch(&message,
                         BYTES(p->wanted + p->n_done * RECORD_WANTED, left * RECORD_WANTED));
        if (!dht_tell(p->dht, &p->from, buffer_bytes(&message), on_fetched, p, now))
                end_round(p, FAILED, now);
}

/* ---- what is listed, against what we hold ---- */

struct comparison {
        struct pull *pull;
        struct bytes held; /* what is left of their entries, in the order of the keys */
        uint64_t last;
        int64_t now_us;
        struct region_entry own[OWN_MAX]; /* ours under the key being looked at */
        uint64_t key;
        size_t n_own;
};

static bool is_wanted(const struct comparison *c, const struct region_entry *offered) {
        for (size_t i = 0; i < c->n_own; i++)
                if (!region_is_newer(offered, &c->own[i]))
                        return false;
        return true;
}

static void want(struct pull *p, const uint8_t *entry) {
        memcpy(p->wanted + p->n_wanted * RECORD_WANTED, entry, RECORD_WANTED);
        p->n_wanted++;
        p->stats.wanted++;
}

/* Their entries up to the key that is being looked at. */
static void settle(struct comparison *c, uint64_t before) {
        while (c->held.len) {
                struct region_entry offered = region_entry_read(c->held.data);

                if (offered.key >= before)
                        return;
                if (offered.key != c->key || is_wanted(c, &offered))
                        want(c->pull, c->held.data);
                c->held.data += RECORD_ENTRY;
                c->held.len -= RECORD_ENTRY;
        }
}

static bool compare_one(void *userdata, const struct stored_record *r) {
        struct comparison *c = userdata;
        struct region_entry own;

        if (!region_entry_of(r, &own) || r->expires_us <= c->now_us)
                return true;
        if (own.key > c->last)
                return false;
        if (own.key != c->key) {
                settle(c, own.key);
                c->key = own.key;
                c->n_own = 0;
        }
        if (c->n_own < ELEMENTSOF(c->own))
                c->own[c->n_own++] = own;
        return c->held.len > 0;
}

/* Entries must come in order: who does not keep to it is told of no more than he lists. */
static void choose(struct pull *p, struct bytes held, nsec_t now) {
        struct comparison c = { .pull = p, .held = held, .now_us = dht_wall_us(p->dht, now) };

        free(p->wanted);
        p->wanted = xnew_n(uint8_t, held.len / RECORD_ENTRY * RECORD_WANTED + 1);
        p->n_wanted = p->n_done = 0;
        p->stats.listed += held.len / RECORD_ENTRY;
        if (held.len == 0)
                return;
        c.last = region_entry_read(held.data + held.len - RECORD_ENTRY).key;
        region_walk(dht_store(p->dht), &p->self, REGION_SLACK * 2 * p->radius, NULL, compare_one,
                    &c);
        settle(&c, UINT64_MAX);
}

/* False: the round is over. */
static bool read_reply(struct pull *p, const struct bytes *message, struct record_reply *ret,
                       nsec_t now) {
        if (message && record_reply_read(*message, ret) && !ret->in->result)
                return true;
        end_round(p, FAILED, now);
        return false;
}

static void on_region(void *userdata, const struct peer_id *from, const struct bytes *message,
                      nsec_t now) {
        CLEANUP(record_reply_donep) struct record_reply reply = {};
        struct pull *p = userdata;

        (void) from;
        if (!read_reply(p, message, &reply, now))
                return;
        p->has_next = reply.in->next.len == KEY_SIZE;
        if (p->has_next)
                memcpy(p->next.bytes, reply.in->next.data, KEY_SIZE);
        choose(p, record_bytes(reply.in->held), now);
        go_on(p, now);
}

/* ---- what comes ---- */

static bool keep(struct pull *p, const Record__Store *in, nsec_t now) {
        struct record_serve serve = { .rules = p->rules,
                                      .quota = p->quota,
                                      .store = dht_store(p->dht),
                                      .now_us = dht_wall_us(p->dht, now),
                                      .dht = p->dht };
        struct stored_record r;
        bool is_new;

        p->stats.fetched++;
        if (rules_validate(p->rules, record_bytes(in->name), record_bytes(in->value), serve.now_us,
                           &r)) {
                p->n_invalid++;
                return false;
        }
        r.subnet = dht_subnet_of(p->dht, &p->from.key); /* never by what it says of itself */
        r.is_handed_on = true;
        if (r.kind == RECORD_MAILBOX) /* not its sender: who brings many of one mailbox is honest */
                memcpy(r.publisher, r.slot, sizeof(r.publisher));
        (void) record_keep(&serve, &r, &is_new);
        return is_new; /* what we hold already helps nobody, however often it is given */
}

/* Behind the last that came; when none came, behind all that were asked for. They come in the
 * order of the question, and of one key several may come: letters. So each is one step at least. */
static void step(struct pull *p, const Record__Reply *reply) {
        size_t asked = p->n_wanted - p->n_done, at = 0;

        asked = asked < RECORD_PAGE_MAX ? asked : RECORD_PAGE_MAX;
        for (size_t i = 0; i < reply->n_stores; i++) {
                struct key key = key_of(record_bytes(reply->stores[i]->name));

                while (at < asked &&
                       load_be64(p->wanted + (p->n_done + at) * RECORD_WANTED) != key_prefix(&key))
                        at++;
                at += at < asked;
        }
        p->n_done += at > 0 ? at : asked;
}

static void on_fetched(void *userdata, const struct peer_id *from, const struct bytes *message,
                       nsec_t now) {
        CLEANUP(record_reply_donep) struct record_reply reply = {};
        struct pull *p = userdata;

        (void) from;
        if (!read_reply(p, message, &reply, now))
                return;
        for (size_t i = 0; i < reply.in->n_stores && p->n_invalid < INVALID_MAX; i++) {
                bool is_kept = keep(p, reply.in->stores[i], now);

                p->stats.kept += is_kept;
                p->n_kept += is_kept;
                p->stats.refused += !is_kept;
        }
        step(p, reply.in);
        if (p->n_invalid >= INVALID_MAX)
                end_round(p, FAILED, now);
        else
                go_on(p, now);
}

/* ---- whom ---- */

void pull_maintain(struct pull *p, nsec_t now) {
        struct contact near[AMONG_MAX];
        struct bytes after;
        size_t n, chosen;

        if (p->is_busy || p->radius <= 0 || p->at > now || !dht_store(p->dht)->ops ||
            !dht_is_server(p->dht)) /* nobody asks a client for what it holds */
                return;
        n = p->n_asked < p->config.first ? p->config.near : p->config.among;
        n = dht_closest_known(p->dht, &p->self, near, n < AMONG_MAX ? n : AMONG_MAX);
        if (n == 0)
                return;
        chosen = rng_below(&p->rng, n);
        p->from = contact_ref(&near[chosen]);
        for (size_t i = 0; i < n; i++)
                contact_done(&near[i]);
        p->is_busy = true;
        p->n_questions = p->n_invalid = p->n_kept = 0;
        p->has_next = false;
        p->stats.rounds++;
        after = p->has_resume ? key_bytes(&p->resume) : BYTES_NONE;
        p->has_resume = false;
        ask_region(p, after, now);
}
