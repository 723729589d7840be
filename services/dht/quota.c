#include "services/dht/quota.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/crypto/hash.h"
#include "services/dht/mailbox.h"
#include "services/dht/rules.h"
#include "services/dht/slots.h"

#define TOPIC_PER_SUBNET 4
#define PER_WIDE         16
#define EVICTIONS_MAX    8  /* for one newcomer */
#define FARTHEST_BITS    24 /* of the key space that the search for the farthest tells apart */
#define FARTHEST_LOOK    64 /* own records in the way */

struct quota {
        struct quota_config config;
        struct key self;
        struct hash_value secret;
        double radius;
        struct quota_stats stats;
};

void quota_config_default(struct quota_config *ret) {
        *ret = (struct quota_config){ .records_max = 100000,
                                      .bytes_max = UINT64_C(128) << 20,
                                      .per_subnet = 1024,
                                      .per_wide = 8192,
                                      .providers_per_key = 128,
                                      .keys_per_provider = 4096,
                                      .region_slack = 4 };
}

struct quota *quota_new(const struct quota_config *config, const struct key *self, uint64_t seed) {
        struct quota *q = xnew(struct quota);
        uint8_t bytes[8];

        store_be64(bytes, seed);
        q->config = *config;
        q->self = *self;
        q->secret = hash_of("quorate.rank.1", BYTES_OF(bytes));
        return q;
}

struct quota *quota_free(struct quota *q) {
        free(q);
        return NULL;
}

void quota_region(struct quota *q, double radius) {
        q->radius = radius;
}

const struct quota_stats *quota_stats(const struct quota *q) {
        return &q->stats;
}

static const char *refuse(uint64_t *counter, const char *why) {
        (*counter)++;
        return why;
}

/* ---- places under one key ---- */

struct members {
        const struct quota *quota;
        const struct stored_record *newcomer;
        size_t n, of_publisher;
        bool is_deleted;
        struct slot_member list[SLOTS_MAX];
};

static uint64_t rank_of(const struct quota *q, const struct key *key, const uint8_t slot[32]) {
        uint8_t input[KEY_SIZE + 32];
        struct hash_value h;

        memcpy(input, key->bytes, KEY_SIZE);
        memcpy(input + KEY_SIZE, slot, 32);
        h = hash_keyed(hash_bytes(&q->secret), BYTES_OF(input));
        return load_be64(h.bytes);
}

static struct slot_member member_of(const struct quota *q, const struct stored_record *r) {
        struct slot_member m = { .subnet = r->subnet, .rank = rank_of(q, &r->key, r->slot) };

        memcpy(m.slot, r->slot, sizeof(m.slot));
        return m;
}

static bool gather(void *userdata, const struct stored_record *r) {
        struct members *m = userdata;

        if (r->kind != m->newcomer->kind)
                return true; /* tombstones take no places */
        if (memcmp(r->publisher, m->newcomer->publisher, sizeof(r->publisher)) == 0)
                m->of_publisher++;
        if (m->n < SLOTS_MAX && r->class == STORE_FOREIGN)
                m->list[m->n++] = member_of(m->quota, r);
        return true;
}

/* A place that is free, or made so: *ret_victim is who goes for it, n for nobody. */
static const char *find_place(struct quota *q, const struct slots_limits *limits,
                              const struct slot_member *list, size_t n,
                              const struct slot_member *newcomer, size_t *ret_victim) {
        *ret_victim = n;
        switch (slots_admit(limits, list, n, newcomer, ret_victim)) {
        case SLOTS_ROOM:
                return NULL;
        case SLOTS_REPLACE:
                q->stats.evicted++;
                return NULL;
        case SLOTS_E_SUBNET:
                return refuse(&q->stats.refused_subnet, "its subnet has enough places there");
        default:
                return refuse(&q->stats.refused_key, "all places there are taken");
        }
}

static const struct slots_limits topic_limits = { .total = SLOTS_MAX,
                                                  .per_subnet = TOPIC_PER_SUBNET,
                                                  .per_wide = PER_WIDE };
static const struct slots_limits mailbox_limits = { .total = MAILBOX_LETTERS,
                                                    .per_subnet = MAILBOX_PER_SUBNET,
                                                    .per_wide = MAILBOX_PER_SUBNET,
                                                    .is_fixed = true };

/* A holder hands on what people of many subnets stored with it: as long as there are free places it
 * may take them, and then it is the first to give one up. */
static const struct slots_limits *places_of(const struct slots_limits *limits, bool is_handed_on,
                                            struct slots_limits *ret) {
        *ret = *limits;
        if (is_handed_on)
                ret->per_subnet = ret->per_wide = limits->total;
        return ret;
}

static const char *admit_place(struct quota *q, const struct store *store,
                               const struct stored_record *in) {
        struct slots_limits shared;
        const struct slots_limits *limits =
                places_of(in->kind == RECORD_MAILBOX ? &mailbox_limits : &topic_limits,
                          in->is_handed_on, &shared);
        struct members m = { .quota = q, .newcomer = in };
        struct slot_member newcomer = member_of(q, in);
        const char *wrong;
        size_t victim;

        if (store->ops->each(store->self, &in->key, gather, &m) == STORE_E_FAILED)
                return "the store failed";
        if (in->kind == RECORD_MAILBOX && m.of_publisher >= MAILBOX_PER_SENDER)
                return refuse(&q->stats.refused_publisher, "that sender has enough letters there");
        wrong = find_place(q, limits, m.list, m.n, &newcomer, &victim);
        if (!wrong && victim < m.n)
                (void) store->ops->remove(store->self, &in->key, m.list[victim].slot);
        return wrong;
}

/* ---- the whole ---- */

struct found {
        struct key key;
        uint8_t slot[32];
        bool is_there;
};

static bool take_first(void *userdata, const struct stored_record *r) {
        struct found *f = userdata;

        if (r->class != STORE_FOREIGN)
                return true;
        f->key = r->key;
        memcpy(f->slot, r->slot, sizeof(f->slot));
        f->is_there = true;
        return false;
}

/* The first record of others at or behind `from`. */
static struct found first_from(const struct store *store, struct key from) {
        struct found f = {};
        bool is_zero = true;

        /* walk() starts behind a key: give it the one before. */
        for (size_t i = KEY_SIZE; i-- > 0 && is_zero;) {
                is_zero = from.bytes[i] == 0;
                from.bytes[i]--;
        }
        (void) store->ops->walk(store->self, is_zero ? NULL : &from, FARTHEST_LOOK, take_first, &f);
        return f;
}

static void set_bit(struct key *k, unsigned bit, bool on) {
        uint8_t mask = (uint8_t) (0x80 >> bit % 8);

        k->bytes[bit / 8] = (uint8_t) (on ? k->bytes[bit / 8] | mask : k->bytes[bit / 8] & ~mask);
}

static bool get_bit(const struct key *k, unsigned bit) {
        return k->bytes[bit / 8] & 0x80 >> bit % 8;
}

/* XOR distance orders keys by how long a prefix they share with ours: bit by bit into
 * the half that is not ours, where there is anything. */
static struct found farthest(const struct quota *q, const struct store *store) {
        struct key prefix = {};

        for (unsigned bit = 0; bit < FARTHEST_BITS; bit++) {
                bool ours = get_bit(&q->self, bit);
                struct found f;

                set_bit(&prefix, bit, !ours);
                f = first_from(store, prefix);
                if (!f.is_there || key_common_prefix(&f.key, &prefix) <= bit)
                        set_bit(&prefix, bit, ours);
        }
        return first_from(store, prefix);
}

static bool is_full(const struct quota *q, const struct store *store, uint64_t size) {
        struct store_counts counts;

        store->ops->counts(store->self, &counts);
        return counts.records >= q->config.records_max || counts.bytes + size > q->config.bytes_max;
}

static const char *make_room(struct quota *q, const struct store *store,
                             const struct stored_record *in) {
        for (size_t i = 0; is_full(q, store, in->name.len + in->value.len); i++) {
                struct found f = farthest(q, store);

                if (i == EVICTIONS_MAX || !f.is_there ||
                    key_compare(&q->self, &in->key, &f.key) >= 0)
                        return refuse(&q->stats.refused_total,
                                      "full, with records that are nearer to this node");
                q->stats.evicted++;
                (void) store->ops->remove(store->self, &f.key, f.slot);
        }
        return NULL;
}

static bool is_far(const struct quota *q, const struct key *key) {
        double limit = q->radius * q->config.region_slack;

        return limit > 0 && limit < 1 && key_distance(&q->self, key) > limit;
}

static bool subnet_is_over(const struct quota *q, const struct store *store,
                           const struct subnet *subnet) {
        struct subnet wide = *subnet;

        if (!subnet->family)
                return false;
        if (store->ops->count_subnet(store->self, subnet) >= q->config.per_subnet)
                return true;
        if (subnet->family != ENDPOINT_IP6)
                return false;
        wide.prefix[4] = wide.prefix[5] = 0;
        return store->ops->count_subnet(store->self, &wide) >= q->config.per_wide;
}

/* What a holder hands on is charged to its subnet, since nobody else answers for it, but must not
 * take all that the people there may store themselves. */
bool quota_takes_from(const struct quota *q, const struct store *store,
                      const struct subnet *holder) {
        return !holder->family ||
               store->ops->count_subnet(store->self, holder) < q->config.per_subnet / 2;
}

static bool publisher_is_over(const struct store *store, const struct stored_record *in) {
        static const uint8_t nobody[32];
        const struct record_rule *rule = record_rule_of(in->kind);

        return memcmp(in->publisher, nobody, sizeof(nobody)) != 0 &&
               store->ops->count_publisher(store->self, in->publisher) >= rule->per_publisher;
}

static bool is_deleted(void *userdata, const struct stored_record *r) {
        *(bool *) userdata = r->kind == RECORD_TOMBSTONE;
        return false;
}

const char *quota_admit(struct quota *q, const struct store *store,
                        const struct stored_record *in) {
        const struct record_rule *rule = record_rule_of(in->kind);
        bool deleted = false;
        const char *wrong = NULL;

        if (!rule)
                return "the record table has no such kind";
        if (store->ops->one(store->self, &in->key, in->slot, is_deleted, &deleted) == STORE_OK)
                return deleted && in->kind == RECORD_MAILBOX ? "its recipient has read it" : NULL;
        if (in->class == STORE_OWN)
                return NULL;
        if (is_far(q, &in->key))
                return refuse(&q->stats.refused_region, "its key is far from this node");
        if (publisher_is_over(store, in))
                return refuse(&q->stats.refused_publisher,
                              "that publisher has enough records here");
        if (subnet_is_over(q, store, &in->subnet) ||
            (in->is_handed_on && !quota_takes_from(q, store, &in->subnet)))
                return refuse(&q->stats.refused_subnet, "its subnet has enough records here");
        if (!rule->is_kad)
                wrong = admit_place(q, store, in);
        return wrong ? wrong : make_room(q, store, in);
}

/* ---- providers ---- */

struct provider_places {
        const struct quota *quota;
        const struct stored_provider *in;
        bool is_there, is_settled; /* it has a place; one of the subnet that it is seen at now */
        size_t n;                  /* of others */
        struct slot_member list[SLOTS_MAX];
        struct peer_id peers[SLOTS_MAX];
};

static struct slot_member provider_member(const struct quota *q, const struct stored_provider *p) {
        return (struct slot_member){ .subnet = p->subnet,
                                     .rank = rank_of(q, &p->key, p->contact.key.bytes) };
}

static bool gather_provider(void *userdata, const struct stored_provider *p) {
        struct provider_places *all = userdata;

        if (peer_id_equal(&p->contact.peer, &all->in->contact.peer)) {
                all->is_there = true;
                all->is_settled = subnet_equal(&p->subnet, &all->in->subnet);
        } else if (p->class == STORE_FOREIGN && all->n < SLOTS_MAX) {
                all->peers[all->n] = p->contact.peer;
                all->list[all->n++] = provider_member(all->quota, p);
        }
        return true;
}

const char *quota_admit_provider(struct quota *q, const struct store *store,
                                 const struct stored_provider *in) {
        const struct slots_limits limits = { .total = q->config.providers_per_key,
                                             .per_subnet = TOPIC_PER_SUBNET,
                                             .per_wide = PER_WIDE };
        struct provider_places all = { .quota = q, .in = in };
        struct slot_member newcomer = provider_member(q, in);
        const char *wrong;
        size_t victim;

        if (store->ops->providers(store->self, &in->key, gather_provider, &all) == STORE_E_FAILED)
                return "the store failed";
        if (all.is_settled || in->class == STORE_OWN)
                return NULL;
        if (is_far(q, &in->key))
                return refuse(&q->stats.refused_region, "its key is far from this node");
        if (!all.is_there && store->ops->count_provider(store->self, &in->contact.peer) >=
                                     q->config.keys_per_provider)
                return refuse(&q->stats.refused_publisher, "that provider has enough keys here");
        if (subnet_is_over(q, store, &in->subnet))
                return refuse(&q->stats.refused_subnet, "its subnet has enough records here");
        wrong = find_place(q, &limits, all.list, all.n, &newcomer, &victim);
        if (!wrong && victim < all.n)
                (void) store->ops->provider_remove(store->self, &in->key, &all.peers[victim]);
        return wrong;
}
