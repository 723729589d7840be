#include "services/dht/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

void table_init(struct table *t, const struct table_config *config, const struct key *self) {
        *t = (struct table){ .config = *config, .self = *self };
}

static void free_entry(struct table_entry *e) {
        contact_done(&e->contact);
        free(e);
}

void table_done(struct table *t) {
        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                struct table_bucket *b = &t->buckets[i];

                for (unsigned j = 0; j < b->n_entries; j++)
                        free_entry(b->slots[j].entry);
                for (unsigned j = 0; j < b->n_waiting; j++)
                        free_entry(b->waiting[j]);
                free(b->slots);
        }
}

unsigned table_bucket_of(const struct table *t, const struct key *key) {
        unsigned prefix = key_common_prefix(&t->self, key);

        return prefix < TABLE_BUCKETS ? prefix : TABLE_BUCKETS - 1;
}

struct table_entry *table_find(const struct table *t, const struct key *key) {
        const struct table_bucket *b = &t->buckets[table_bucket_of(t, key)];
        uint64_t prefix = key_prefix(key);

        for (unsigned i = 0; i < b->n_entries; i++)
                if (b->slots[i].prefix == prefix && key_equal(&b->slots[i].entry->contact.key, key))
                        return b->slots[i].entry;
        return NULL;
}

static struct table_entry *find_waiting(const struct table_bucket *b, const struct key *key) {
        for (unsigned i = 0; i < b->n_waiting; i++)
                if (key_equal(&b->waiting[i]->contact.key, key))
                        return b->waiting[i];
        return NULL;
}

/* ---- Subnets ---- */

struct subnet_count {
        unsigned in_bucket, in_table, in_wide;
};

static void count_in(const struct table_bucket *b, const struct table_entry *e, bool is_same_bucket,
                     struct subnet_count *count) {
        for (unsigned i = 0; i < b->n_entries; i++) {
                const struct table_entry *other = b->slots[i].entry;
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
                count_in(&t->buckets[i], e, i == e->bucket, &count);
        return count.in_bucket < TABLE_PER_BUCKET && count.in_table < TABLE_PER_TABLE &&
               (e->wide.family != ENDPOINT_IP6 || count.in_wide < TABLE_PER_WIDE);
}

/* ---- Coming in ---- */

static void wants_room(struct table_bucket *b, bool wanted) {
        if (wanted && !b->wants_room)
                b->probe_at = 0; /* who answered lately may be asked sooner */
        b->wants_room = wanted;
}

static void refresh(struct table *t, struct table_entry *e, const struct table_peer *peer,
                    nsec_t now) {
        struct table_bucket *b = &t->buckets[e->bucket];
        struct subnet near = e->near, wide = e->wide;

        b->probe_at = nsec_min(b->probe_at, nsec_add(now, TABLE_FRESH_MIN));
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

static void stop_waiting(struct table_bucket *b, const struct table_entry *e) {
        unsigned i = 0;

        while (b->waiting[i] != e)
                i++;
        b->n_waiting--;
        memmove(&b->waiting[i], &b->waiting[i + 1], (b->n_waiting - i) * sizeof(b->waiting[0]));
}

static int wait_for_place(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];
        struct table_entry *oldest = b->waiting[0];

        if (b->n_waiting >= TABLE_CACHE) {
                t->refused_full++;
                stop_waiting(b, oldest);
                free_entry(oldest);
        }
        e->is_waiting = true;
        b->waiting[b->n_waiting++] = e;
        wants_room(b, true);
        return TABLE_E_WAITS;
}

static void take_in(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        if (!b->slots)
                b->slots = xnew_n(struct table_slot, t->config.k);
        if (b->n_entries == 0)
                b->began = b->turned = e->answered;
        e->is_waiting = false;
        b->slots[b->n_entries++] = (struct table_slot){ key_prefix(&e->contact.key), e };
        t->n_entries++;
        b->probe_at = 0;
}

static void take_out(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];
        unsigned i = 0;

        while (b->slots[i].entry != e)
                i++;
        b->n_entries--;
        t->n_entries--;
        memmove(&b->slots[i], &b->slots[i + 1], (b->n_entries - i) * sizeof(*b->slots));
}

static void leave(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        t->n_probing -= e->is_probing;
        if (e->is_waiting)
                stop_waiting(b, e);
        else
                take_out(t, e);
        free_entry(e);
}

/* The least recently heard of, for a table that does not honour age. */
static struct table_entry *stalest_in(const struct table_bucket *b) {
        struct table_entry *stalest = NULL;

        for (unsigned i = 0; i < b->n_entries; i++)
                if (!stalest || b->slots[i].entry->answered < stalest->answered)
                        stalest = b->slots[i].entry;
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
        e = find_waiting(b, key);
        if (e)
                leave(t, e);
        e = xnew(struct table_entry);
        e->contact = contact_ref(&peer->contact);
        e->near = peer->near;
        e->wide = peer->wide;
        e->since = e->answered = now;
        e->rtt_us = (uint32_t) nsec_min(peer->rtt / NSEC_PER_USEC, UINT32_MAX);
        e->is_connected = peer->is_connected;
        e->bucket = (uint8_t) table_bucket_of(t, key);
        return insert(t, e);
}

void table_connected(struct table *t, struct table_entry *e) {
        (void) t;
        e->is_connected = true;
}

void table_disconnected(struct table *t, struct table_entry *e, nsec_t now) {
        if (!e->is_connected)
                return;
        e->is_connected = false;
        e->answered = now;
        t->buckets[e->bucket].probe_at = 0;
}

bool table_has_room(const struct table *t, const struct key *key) {
        return t->buckets[table_bucket_of(t, key)].n_entries < t->config.k;
}

/* ---- Going out ---- */

void table_doubt(struct table *t, struct table_entry *e, nsec_t now) {
        if (e->failures < UINT8_MAX)
                e->failures++;
        e->failed = now;
        t->buckets[e->bucket].probe_at = 0;
}

/* The newest first: it is the likeliest to live still. */
static void promote(struct table *t, struct table_bucket *b) {
        while (b->n_waiting > 0 && b->n_entries < t->config.k) {
                struct table_entry *e = b->waiting[--b->n_waiting];

                if (!subnet_allows(t, e)) {
                        t->refused_subnet++;
                        free_entry(e);
                        continue;
                }
                take_in(t, e);
                t->promoted++;
        }
        wants_room(b, b->n_waiting > 0);
}

void table_evict(struct table *t, struct table_entry *e) {
        struct table_bucket *b = &t->buckets[e->bucket];

        if (e->answered - e->since >= TABLE_YOUNG) /* ids made up to be lost count for nothing */
                t->lost += 1.0 / (double) t->n_entries;
        leave(t, e);
        t->evicted++;
        promote(t, b);
}

/* ---- Turns ---- */

static unsigned neighbours_of(const struct table *t, const struct table_entry *e) {
        struct subnet_count count = {};

        for (size_t i = 0; i < TABLE_BUCKETS && e->near.family != ENDPOINT_NONE; i++)
                count_in(&t->buckets[i], e, false, &count);
        return count.in_table;
}

/* The newest of those whose subnet is rarest, and heard of so lately that it lives. */
static struct table_entry *next_in_turn(const struct table *t, const struct table_bucket *b,
                                        nsec_t now) {
        struct table_entry *best = NULL;
        unsigned fewest = 0;

        for (unsigned i = b->n_waiting; i > 0; i--) {
                struct table_entry *e = b->waiting[i - 1];
                unsigned n = neighbours_of(t, e);

                if (nsec_sub(now, e->answered) < TABLE_FRESH_MIN && subnet_allows(t, e) &&
                    (!best || n < fewest))
                        best = e, fewest = n;
        }
        return best;
}

static bool is_turn(const struct table *t, const struct table_bucket *b, nsec_t now) {
        bool is_young = nsec_sub(now, b->began) < TABLE_YOUNG;

        if (b->n_entries < t->config.k || b->n_waiting == 0)
                return false;
        if (nsec_sub(now, b->turned) < (is_young ? TABLE_TURN_YOUNG : TABLE_TURN))
                return false;
        return is_young || (t->lost - b->lost) * t->config.k >= TABLE_TURN_FOR;
}

/* One of those who have lived longest: whatever comes and goes, these nobody drives out. */
static bool is_kept(const struct table_bucket *b, unsigned at, nsec_t now) {
        const struct table_entry *e = b->slots[at].entry;
        unsigned older = 0;

        if (e->failures > 0 || nsec_sub(now, e->since) < TABLE_YOUNG)
                return false;
        for (unsigned i = 0; i < b->n_entries; i++) {
                const struct table_entry *other = b->slots[i].entry;

                older += other->failures == 0 &&
                         (other->since < e->since || (other->since == e->since && i < at));
        }
        return older < TABLE_KEPT;
}

static struct table_entry *draw(const struct table_bucket *b, uint64_t random, nsec_t now) {
        struct table_entry *e = NULL;
        unsigned n = 0;

        for (unsigned i = 0; i < b->n_entries; i++)
                n += !is_kept(b, i, now);
        random = n > 0 ? random % n : 0;
        for (unsigned i = 0; i < b->n_entries; i++)
                if (!is_kept(b, i, now) && random-- == 0)
                        e = b->slots[i].entry;
        return e;
}

unsigned table_turn(struct table *t, uint64_t random, nsec_t now) {
        unsigned n = 0;

        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                struct table_bucket *b = &t->buckets[i];
                bool is_due = is_turn(t, b, now);
                struct table_entry *in = is_due ? next_in_turn(t, b, now) : NULL,
                                   *out = in ? draw(b, random + i, now) : NULL;

                if (!out)
                        continue;
                stop_waiting(b, in);
                leave(t, out);
                take_in(t, in);
                wants_room(b, false); /* until the next newcomer */
                b->turned = now;
                b->lost = t->lost;
                n++;
        }
        t->turned += n;
        return n;
}

void table_remove(struct table *t, const struct key *key) {
        struct table_bucket *b = &t->buckets[table_bucket_of(t, key)];
        struct table_entry *e = table_find(t, key);

        if (!e)
                e = find_waiting(b, key);
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

/* Of a full bucket a few may be gone: any of the others does. */
static nsec_t silence_allowed(const struct table *t, const struct table_bucket *b,
                              const struct table_entry *e) {
        nsec_t least = b->n_entries < t->config.k ? 0 : TABLE_FRESH_FULL;

        return b->wants_room ? TABLE_FRESH_MIN : nsec_max(fresh_for(e), least);
}

static nsec_t due(const struct table *t, const struct table_bucket *b,
                  const struct table_entry *e) {
        if (e->is_probing || e->is_connected)
                return NSEC_NEVER;
        if (e->failures > 0)
                return nsec_add(e->failed, TABLE_DOUBT);
        return nsec_add(e->answered, silence_allowed(t, b, e));
}

/* Of one that is due: the more, the sooner. */
static double urgency(const struct table *t, const struct table_bucket *b,
                      const struct table_entry *e, nsec_t now) {
        if (e->failures > 0)
                return 1e6;
        return (b->wants_room ? 1e3 : 1) *
               ((double) nsec_sub(now, e->answered) / (double) silence_allowed(t, b, e));
}

/* The most urgent of the bucket, if it is more so than `most`. */
static struct table_entry *most_urgent_in(const struct table *t, struct table_bucket *b, nsec_t now,
                                          double *most) {
        struct table_entry *best = NULL;

        b->probe_at = NSEC_NEVER;
        for (unsigned i = 0; i < b->n_entries; i++) {
                struct table_entry *e = b->slots[i].entry;
                nsec_t when = due(t, b, e);
                double u = when <= now ? urgency(t, b, e, now) : 0;

                b->probe_at = nsec_min(b->probe_at, when);
                if (u > *most)
                        *most = u, best = e;
        }
        return best;
}

struct table_entry *table_next_probe(struct table *t, nsec_t now) {
        struct table_entry *best = NULL;
        double most = 0;

        if (t->n_probing >= TABLE_PROBES_MAX)
                return NULL;
        for (size_t i = 0; i < TABLE_BUCKETS; i++) {
                struct table_bucket *b = &t->buckets[i];
                struct table_entry *e =
                        b->probe_at <= now ? most_urgent_in(t, b, now, &most) : NULL;

                if (e)
                        best = e;
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
        wants_room(&t->buckets[e->bucket], false); /* until the next newcomer */
        t->buckets[e->bucket].probe_at = 0;
}

/* ---- Looking ---- */

struct nearest {
        const struct key *target, *except;
        uint64_t prefix; /* of the target */
        const struct table_entry **entries;
        uint64_t distances[TABLE_CLOSEST]; /* the first 64 bits */
        size_t n, max;
};

static bool is_nearer(const struct nearest *near, uint64_t distance, const struct table_entry *e,
                      size_t than) {
        if (distance != near->distances[than])
                return distance < near->distances[than];
        return key_compare(near->target, &e->contact.key, &near->entries[than]->contact.key) < 0;
}

static void offer(struct nearest *near, const struct table_slot *s) {
        uint64_t distance = s->prefix ^ near->prefix;
        size_t at = near->n;

        if (at == near->max && distance > near->distances[at - 1])
                return;
        if (s->entry->failures > 0 ||
            (near->except && key_equal(near->except, &s->entry->contact.key)))
                return;
        while (at > 0 && is_nearer(near, distance, s->entry, at - 1))
                at--;
        if (at >= near->max)
                return;
        if (near->n < near->max)
                near->n++;
        memmove(&near->entries[at + 1], &near->entries[at],
                (near->n - at - 1) * sizeof(*near->entries));
        memmove(&near->distances[at + 1], &near->distances[at],
                (near->n - at - 1) * sizeof(*near->distances));
        near->entries[at] = s->entry;
        near->distances[at] = distance;
}

static void offer_all(struct nearest *near, const struct table_bucket *b) {
        for (unsigned i = 0; i < b->n_entries; i++)
                offer(near, &b->slots[i]);
}

/* The target's own bucket is nearest to it; the deeper ones differ from it in that bucket's bit,
 * all at like distance; then each shallower one is farther than the one before. */
size_t table_closest(const struct table *t, const struct key *target, const struct key *except,
                     const struct table_entry **ret, size_t max) {
        unsigned own = table_bucket_of(t, target);
        struct nearest near = { .target = target,
                                .except = except,
                                .prefix = key_prefix(target),
                                .entries = ret,
                                .max = max < TABLE_CLOSEST ? max : TABLE_CLOSEST };

        offer_all(&near, &t->buckets[own]);
        if (near.n < near.max)
                for (unsigned i = own + 1; i < TABLE_BUCKETS; i++)
                        offer_all(&near, &t->buckets[i]);
        for (unsigned i = own; i > 0 && near.n < near.max; i--)
                offer_all(&near, &t->buckets[i - 1]);
        return near.n;
}
