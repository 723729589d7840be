#include "services/dht/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

static struct table_entry *entry_of(struct list *link) {
        return LIST_ENTRY(link, struct table_entry, link);
}

void table_init(struct table *t, const struct table_config *config, const struct key *self) {
        *t = (struct table){ .config = *config, .self = *self };
        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                list_init(&t->buckets[i].entries);
                list_init(&t->buckets[i].waiting);
        }
}

static void free_entry(struct table_entry *e) {
        list_remove(&e->link);
        contact_done(&e->contact);
        free(e);
}

void table_done(struct table *t) {
        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                LIST_FOREACH_SAFE (link, &t->buckets[i].entries)
                        free_entry(entry_of(link));
                LIST_FOREACH_SAFE (waiting, &t->buckets[i].waiting)
                        free_entry(entry_of(waiting));
        }
}

unsigned table_bucket_of(const struct table *t, const struct key *key) {
        unsigned prefix = key_common_prefix(&t->self, key);

        return prefix < TABLE_BUCKETS ? prefix : TABLE_BUCKETS - 1;
}

static struct table_entry *find_in(const struct list *list, const struct key *key) {
        LIST_FOREACH (link, list)
                if (key_equal(&entry_of(link)->contact.key, key))
                        return entry_of(link);
        return NULL;
}

struct table_entry *table_find(const struct table *t, const struct key *key) {
        return find_in(&t->buckets[table_bucket_of(t, key)].entries, key);
}

/* ---- Subnets ---- */

struct subnet_count {
        unsigned in_bucket, in_table, in_wide;
};

static void count_in(const struct list *entries, const struct table_entry *e, bool is_same_bucket,
                     struct subnet_count *count) {
        LIST_FOREACH (link, entries) {
                const struct table_entry *other = entry_of(link);
                bool is_near = subnet_equal(&other->near, &e->near);

                if (other == e)
                        continue;
                count->in_bucket += is_near && is_same_bucket;
                count->in_table += is_near;
                count->in_wide += subnet_equal(&other->wide, &e->wide);
        }
}

static bool subnet_allows(const struct table *t, const struct table_entry *e) {
        struct subnet_count count = {};

        if (t->config.without_subnet_caps || e->near.family == ENDPOINT_NONE)
                return true;
        for (size_t i = 0; i < TABLE_BUCKETS; i++)
                count_in(&t->buckets[i].entries, e, i == e->bucket, &count);
        return count.in_bucket < TABLE_PER_BUCKET && count.in_table < TABLE_PER_TABLE &&
               (e->wide.family != ENDPOINT_IP6 || count.in_wide < TABLE_PER_WIDE);
}

/* ---- Coming in ---- */

static void refresh(struct table *t, struct table_entry *e, const struct table_peer *peer,
                    nsec_t now) {
        struct subnet near = e->near, wide = e->wide;

        e->answered = now;
        e->failures = 0;
        e->is_connected = peer->is_connected;
        e->rtt_us = (uint32_t) nsec_min(peer->rtt / NSEC_PER_USEC, UINT32_MAX);
        e->near = peer->near, e->wide = peer->wide;
        if (!subnet_equal(&near, &e->near) && !subnet_allows(t, e)) {
                e->near = near, e->wide = wide;
                t->refused_subnet++;
                return;
        }
        if (peer->contact.addresses)
                contact_replace(&e->contact, &peer->contact);
}

static void drop_oldest_waiting(struct table_bucket *b) {
        free_entry(entry_of(list_pop_front(&b->waiting)));
        b->n_waiting--;
}

static int wait_for_place(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        if (b->n_waiting >= TABLE_CACHE) {
                t->refused_full++;
                drop_oldest_waiting(b);
        }
        e->is_waiting = true;
        list_push_back(&b->waiting, &e->link);
        b->n_waiting++;
        b->wants_room = true;
        return TABLE_E_WAITS;
}

static void take_in(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        e->is_waiting = false;
        list_push_back(&b->entries, &e->link);
        b->n_entries++;
        t->n_entries++;
}

static void leave(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        t->n_probing -= e->is_probing;
        if (e->is_waiting)
                b->n_waiting--;
        else
                b->n_entries--, t->n_entries--;
        free_entry(e);
}

/* The least recently heard of, for a table that does not honour age. */
static struct table_entry *stalest_in(const struct table_bucket *b) {
        struct table_entry *stalest = NULL;

        LIST_FOREACH (link, &b->entries)
                if (!stalest || entry_of(link)->answered < stalest->answered)
                        stalest = entry_of(link);
        return stalest;
}

static int insert(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        if (!subnet_allows(t, e)) {
                contact_done(&e->contact);
                free(e);
                t->refused_subnet++;
                return TABLE_E_SUBNET;
        }
        if (b->n_entries >= t->config.k && t->config.without_age)
                leave(t, stalest_in(b));
        if (b->n_entries >= t->config.k)
                return wait_for_place(t, e);
        take_in(t, e);
        return TABLE_OK;
}

int table_answered(struct table *t, const struct table_peer *peer, nsec_t now) {
        const struct key *key = &peer->contact.key;
        struct table_entry *e = table_find(t, key);
        struct table_bucket *b = &t->buckets[table_bucket_of(t, key)];

        if (key_equal(key, &t->self))
                return TABLE_E_SELF;
        if (e) {
                refresh(t, e, peer, now);
                return TABLE_OK;
        }
        e = find_in(&b->waiting, key);
        if (e)
                leave(t, e);
        e = xnew(struct table_entry);
        list_init(&e->link);
        e->contact = contact_ref(&peer->contact);
        e->near = peer->near;
        e->wide = peer->wide;
        e->since = e->answered = now;
        e->rtt_us = (uint32_t) nsec_min(peer->rtt / NSEC_PER_USEC, UINT32_MAX);
        e->is_connected = peer->is_connected;
        e->bucket = (uint8_t) table_bucket_of(t, key);
        return insert(t, e);
}

bool table_has_room(const struct table *t, const struct key *key) {
        return t->buckets[table_bucket_of(t, key)].n_entries < t->config.k;
}

/* ---- Going out ---- */

void table_doubt(struct table *t, struct table_entry *e, nsec_t now) {
        if (e->failures < UINT8_MAX)
                e->failures++;
        e->failed = now;
}

/* The newest first: it is the likeliest to live still. */
static void promote(struct table *t, struct table_bucket *b) {
        while (b->n_waiting > 0 && b->n_entries < t->config.k) {
                struct table_entry *e = entry_of(b->waiting.previous);

                list_remove(&e->link);
                b->n_waiting--;
                if (!subnet_allows(t, e)) {
                        t->refused_subnet++;
                        free_entry(e);
                        continue;
                }
                take_in(t, e);
                t->promoted++;
        }
        b->wants_room = b->n_waiting > 0;
}

void table_evict(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        leave(t, e);
        t->evicted++;
        promote(t, b);
}

void table_remove(struct table *t, const struct key *key) {
        struct table_bucket *b = &t->buckets[table_bucket_of(t, key)];
        struct table_entry *e = find_in(&b->entries, key);

        if (!e)
                e = find_in(&b->waiting, key);
        if (!e)
                return;
        leave(t, e);
        promote(t, b);
}

/* ---- Probes ---- */

/* Who has lived for long will live for long: asked less and less often. */
static nsec_t fresh_for(const struct table_entry *e) {
        nsec_t half_age = (e->answered - e->since) / 2;

        return nsec_min(nsec_max(half_age, TABLE_FRESH_MIN), TABLE_FRESH_MAX);
}

/* 0: no need; else the more, the sooner. */
static double urgency(const struct table_bucket *b, const struct table_entry *e, nsec_t now) {
        nsec_t silent = nsec_sub(now, e->answered);
        nsec_t limit = b->wants_room ? TABLE_FRESH_MIN : fresh_for(e);

        if (e->is_probing || e->is_connected)
                return 0;
        if (e->failures > 0)
                return nsec_sub(now, e->failed) < TABLE_DOUBT ? 0 : 1e6;
        return silent < limit ? 0 : (b->wants_room ? 1e3 : 1) * ((double) silent / (double) limit);
}

struct table_entry *table_next_probe(const struct table *t, nsec_t now) {
        struct table_entry *best = NULL;
        double most = 0;

        if (t->n_probing >= TABLE_PROBES_MAX)
                return NULL;
        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                const struct table_bucket *b = &t->buckets[i];

                LIST_FOREACH (link, &b->entries) {
                        double u = urgency(b, entry_of(link), now);

                        if (u > most)
                                most = u, best = entry_of(link);
                }
        }
        return best;
}

void table_probe_begins(struct table *t, struct table_entry *e) {
        t->n_probing += !e->is_probing;
        e->is_probing = true;
}

void table_probe_ends(struct table *t, struct table_entry *e) {
        t->n_probing -= e->is_probing;
        e->is_probing = false;
        t->buckets[e->bucket].wants_room = false; /* until the next newcomer */
}

/* ---- Looking ---- */

struct nearest {
        const struct key *target, *except;
        const struct table_entry **entries;
        size_t n, max;
};

static void offer(struct nearest *near, const struct table_entry *e) {
        size_t at = near->n;

        if (e->failures > 0 || (near->except && key_equal(near->except, &e->contact.key)))
                return;
        while (at > 0 &&
               key_compare(near->target, &e->contact.key, &near->entries[at - 1]->contact.key) < 0)
                at--;
        if (at >= near->max)
                return;
        if (near->n < near->max)
                near->n++;
        memmove(&near->entries[at + 1], &near->entries[at],
                (near->n - at - 1) * sizeof(*near->entries));
        near->entries[at] = e;
}

size_t table_closest(const struct table *t, const struct key *target, const struct key *except,
                     const struct table_entry **ret, size_t max) {
        struct nearest near = { .target = target,
                                .except = except,
                                .entries = ret,
                                .max = max < TABLE_CLOSEST ? max : TABLE_CLOSEST };

        for (size_t i = 0; i < TABLE_BUCKETS; i++)
                LIST_FOREACH (link, &t->buckets[i].entries)
                        offer(&near, entry_of(link));
        return near.n;
}
