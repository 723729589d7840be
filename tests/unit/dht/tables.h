#pragma once

/* A table, and people for it. */

#include "common/base/rng.h"
#include "services/dht/table.h"
#include "tests/support/test.h"

#define MINUTE (60 * NSEC_PER_SEC)

static const struct table_config plain = { .k = 20 };

/* A peer in that bucket, at that address. */
static inline struct table_peer somebody(const struct table *t, struct rng *rng, unsigned bucket,
                                         const char *at) {
        struct table_peer p = {};
        uint8_t random[KEY_SIZE];
        struct endpoint e;

        rng_bytes(rng, random, sizeof(random));
        p.contact.key = key_in_bucket(&t->self, bucket, random);
        p.contact.peer.len = 1;
        if (at) {
                assert_true(endpoint_from_text(at, &e));
                p.near = subnet_exact(&e);
                p.wide = subnet_wide(&e);
        }
        return p;
}

static inline struct table_peer anybody(const struct table *t, struct rng *rng, unsigned bucket) {
        char at[64];

        (void) snprintf(at, sizeof(at), "%u.%u.%u.1:1", (unsigned) rng_below(rng, 90) + 11,
                        (unsigned) rng_below(rng, 250), (unsigned) rng_below(rng, 250));
        return somebody(t, rng, bucket, at);
}

static inline void begin(struct table *t, struct rng *rng, const struct table_config *config) {
        struct key self;

        rng_init(rng, 7);
        rng_bytes(rng, self.bytes, KEY_SIZE);
        table_init(t, config, &self);
}

static inline unsigned answer_probes(struct table *t, bool alive, nsec_t now) {
        struct table_entry *e;
        unsigned n = 0;

        while ((e = table_next_probe(t, now))) {
                table_probe_begins(t, e);
                table_probe_ends(t, e);
                n++;
                if (alive)
                        e->answered = now, e->failures = 0;
                else
                        table_evict(t, e);
        }
        return n;
}

static inline void fill(struct table *t, struct rng *rng, unsigned bucket, unsigned n,
                        struct table_peer *ret, nsec_t now) {
        for (unsigned i = 0; i < n; i++) {
                ret[i] = anybody(t, rng, bucket);
                assert_int_equal(table_answered(t, &ret[i], now), TABLE_OK);
        }
}

static inline unsigned still_in(const struct table *t, const struct table_peer *peers, unsigned n) {
        unsigned in = 0;

        for (unsigned i = 0; i < n; i++)
                in += table_find(t, &peers[i].contact.key) != NULL;
        return in;
}

/* Once a second somebody from a subnet of his own wants in; all who are in live. */
static inline nsec_t flood(struct table *t, struct rng *rng, nsec_t now, nsec_t end) {
        for (; now < end; now += NSEC_PER_SEC) {
                struct table_peer p = anybody(t, rng, 0);

                (void) table_answered(t, &p, now);
                (void) answer_probes(t, true, now);
                (void) table_turn(t, rng_u64(rng), now);
                assert_int_equal(t->buckets[0].n_entries, 20);
        }
        return now;
}
