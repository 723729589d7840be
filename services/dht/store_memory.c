#include "services/dht/store_memory.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/rng.h"
#include "services/dht/store_order.h"

#define STATE_NAME_MAX 64

const struct store_limits store_limits_default = { .records = 100000,
                                                   .bytes = UINT64_C(128) << 20,
                                                   .providers = 100000 };

/* A record or a provider: both are found by (key, what tells them apart), and expire. */
struct item {
        struct order_node node;   /* key and slot, or key and SHA-256 of the provider's id */
        struct heap_entry expiry; /* of others' */
        struct list own;          /* in the list of own ones */
        union {
                struct stored_record record; /* name and value stand in `data` */
                struct stored_provider provider;
        };
        uint8_t *data;
};

struct record_store {
        struct store_limits limits;
        struct order records, providers;
        struct heap record_expiry, provider_expiry;
        struct list own_records, own_providers;
        struct map *keys, *publishers, *subnets, *peers; /* counts */
        struct map *state;                               /* name -> struct refbuf */
        struct store_counts counts;
};

/* ---- counts ---- */

static uint64_t get_count(const struct map *m, struct bytes id) {
        return (uintptr_t) map_get(m, id);
}

static void count(struct map *m, struct bytes id, int by) {
        uint64_t n = get_count(m, id) + (uint64_t) (int64_t) by;

        if (n == 0)
                (void) map_remove(m, id);
        else
                (void) map_set(m, id, (void *) (uintptr_t) n);
}

static void count_in_subnet(struct record_store *s, const struct subnet *subnet, int by) {
        struct subnet wide = store_subnet_wide(subnet);

        if (subnet->family)
                count(s->subnets, BYTES(subnet, sizeof(*subnet)), by);
        if (subnet->family && !subnet_equal(&wide, subnet))
                count(s->subnets, BYTES(&wide, sizeof(wide)), by);
}

static void count_record(struct record_store *s, const struct stored_record *r, int by) {
        s->counts.records += (uint64_t) (int64_t) by;
        s->counts.bytes += (r->name.len + r->value.len) * (uint64_t) (int64_t) by;
        count(s->keys, key_bytes(&r->key), by);
        if (store_has_publisher(r))
                count(s->publishers, BYTES_OF(r->publisher), by);
        count_in_subnet(s, &r->subnet, by);
}

/* ---- records ---- */

static struct item *item_of(struct order_node *node) {
        return node ? container_of(node, struct item, node) : NULL;
}

static struct item *item_by_expiry(struct heap_entry *e) {
        return e ? container_of(e, struct item, expiry) : NULL;
}

static void drop_record(struct record_store *s, struct item *item) {
        count_record(s, &item->record, -1);
        order_remove(&s->records, &item->node);
        heap_remove(&s->record_expiry, &item->expiry);
        list_remove(&item->own);
        free(item->data);
        free(item);
}

static bool has_room(const struct record_store *s, const struct stored_record *r,
                     const struct item *old) {
        uint64_t bytes = r->name.len + r->value.len, gone = 0;

        if (old)
                gone = old->record.name.len + old->record.value.len;
        return r->class == STORE_OWN || (old && old->record.class == STORE_OWN) ||
               (s->counts.records - !!old < s->limits.records &&
                s->counts.bytes - gone + bytes <= s->limits.bytes);
}

/* In order; a node has few of its own. */
static void insert_own(struct record_store *s, struct item *item) {
        struct list *at = &s->own_records;

        LIST_FOREACH (it, &s->own_records)
                if (memcmp(&LIST_ENTRY(it, struct item, own)->node.id, &item->node.id,
                           sizeof(item->node.id)) > 0) {
                        at = it;
                        break;
                }
        list_insert_before(at, &item->own);
}

static int memory_put(struct record_store *s, const struct stored_record *r) {
        struct order_id id = order_id_of(&r->key, r->slot);
        struct item *old = item_of(order_find(&s->records, &id)), *item;

        if (!has_room(s, r, old))
                return STORE_E_FULL;
        item = xnew(struct item);
        item->node.id = id;
        item->record = *r;
        item->data = xmalloc(r->name.len + r->value.len + 1);
        if (r->name.len)
                memcpy(item->data, r->name.data, r->name.len);
        if (r->value.len)
                memcpy(item->data + r->name.len, r->value.data, r->value.len);
        item->record.name = BYTES(item->data, r->name.len);
        item->record.value = BYTES(item->data + r->name.len, r->value.len);
        if (old && old->record.class == STORE_OWN)
                item->record.class = STORE_OWN;
        if (old)
                drop_record(s, old); /* after the copy: the caller may put what he was shown */
        order_insert(&s->records, &item->node);
        list_init(&item->own);
        if (item->record.class == STORE_OWN)
                insert_own(s, item);
        else
                heap_set(&s->record_expiry, &item->expiry, (nsec_t) r->expires_us);
        count_record(s, &item->record, 1);
        return STORE_OK;
}

static int memory_remove(struct record_store *s, const struct key *key, const uint8_t slot[32]) {
        struct order_id id = order_id_of(key, slot);
        struct item *item = item_of(order_find(&s->records, &id));

        if (!item)
                return STORE_E_NONE;
        drop_record(s, item);
        return STORE_OK;
}

static int memory_one(struct record_store *s, const struct key *key, const uint8_t slot[32],
                      store_record_fn fn, void *userdata) {
        struct order_id id = order_id_of(key, slot);
        struct item *item = item_of(order_find(&s->records, &id));

        if (!item)
                return STORE_E_NONE;
        (void) fn(userdata, &item->record);
        return STORE_OK;
}

static int memory_each(struct record_store *s, const struct key *key, store_record_fn fn,
                       void *userdata) {
        struct order_id from = { .key = *key };
        size_t n = 0;

        for (struct order_node *node = order_from(&s->records, &from, true);
             node && key_equal(&node->id.key, key); node = order_next(&s->records, node), n++)
                if (!fn(userdata, &item_of(node)->record))
                        return STORE_OK;
        return n > 0 ? STORE_OK : STORE_E_NONE;
}

static int memory_walk(struct record_store *s, const struct key *after, size_t max,
                       store_record_fn fn, void *userdata) {
        struct order_id from = {};
        struct key last = {};
        size_t n = 0;

        if (after)
                from.key = *after;
        memset(from.slot, after ? 0xff : 0, sizeof(from.slot));
        for (struct order_node *node = order_from(&s->records, &from, !after); node;
             node = order_next(&s->records, node), n++) {
                if (n >= max && !key_equal(&node->id.key, &last))
                        break;
                last = node->id.key;
                if (!fn(userdata, &item_of(node)->record))
                        break;
        }
        return STORE_OK;
}

static int memory_heads(struct record_store *s, const struct key *after, store_record_fn fn,
                        void *userdata) {
        return memory_walk(s, after, SIZE_MAX, fn, userdata);
}

static int memory_own(struct record_store *s, store_record_fn fn, void *userdata) {
        LIST_FOREACH_SAFE (it, &s->own_records)
                if (!fn(userdata, &LIST_ENTRY(it, struct item, own)->record))
                        break;
        return STORE_OK;
}

static uint64_t memory_count_key(struct record_store *s, const struct key *key) {
        return get_count(s->keys, key_bytes(key));
}

static uint64_t memory_count_publisher(struct record_store *s, const uint8_t publisher[32]) {
        return get_count(s->publishers, BYTES(publisher, 32));
}

static uint64_t memory_count_subnet(struct record_store *s, const struct subnet *subnet) {
        return get_count(s->subnets, BYTES(subnet, sizeof(*subnet)));
}

/* ---- providers ---- */

static void drop_provider(struct record_store *s, struct item *item) {
        s->counts.providers--;
        count(s->peers, peer_id_bytes(&item->provider.contact.peer), -1);
        count_in_subnet(s, &item->provider.subnet, -1);
        order_remove(&s->providers, &item->node);
        heap_remove(&s->provider_expiry, &item->expiry);
        list_remove(&item->own);
        contact_done(&item->provider.contact);
        free(item->data);
        free(item);
}

static int memory_provider_put(struct record_store *s, const struct stored_provider *p) {
        struct order_id id = order_id_of(&p->key, p->contact.key.bytes);
        struct item *old = item_of(order_find(&s->providers, &id)), *item;

        if (p->class != STORE_OWN && !old && s->counts.providers >= s->limits.providers)
                return STORE_E_FULL;
        item = xnew(struct item);
        item->node.id = id;
        item->provider = *p;
        item->provider.contact = contact_ref(&p->contact);
        item->data = xmemdup(p->name.data ? p->name.data : (const uint8_t *) "", p->name.len);
        item->provider.name = BYTES(item->data, p->name.len);
        if (old && old->provider.class == STORE_OWN)
                item->provider.class = STORE_OWN;
        if (old)
                drop_provider(s, old);
        order_insert(&s->providers, &item->node);
        list_init(&item->own);
        if (item->provider.class == STORE_OWN)
                list_push_back(&s->own_providers, &item->own);
        else
                heap_set(&s->provider_expiry, &item->expiry, (nsec_t) p->expires_us);
        count(s->peers, peer_id_bytes(&p->contact.peer), 1);
        count_in_subnet(s, &p->subnet, 1);
        s->counts.providers++;
        return STORE_OK;
}

static int memory_providers(struct record_store *s, const struct key *key, store_provider_fn fn,
                            void *userdata) {
        struct order_id from = { .key = *key };
        size_t n = 0;

        for (struct order_node *node = order_from(&s->providers, &from, true);
             node && key_equal(&node->id.key, key); node = order_next(&s->providers, node), n++)
                if (!fn(userdata, &item_of(node)->provider))
                        return STORE_OK;
        return n > 0 ? STORE_OK : STORE_E_NONE;
}

static int memory_provider_remove(struct record_store *s, const struct key *key,
                                  const struct peer_id *peer) {
        struct key id_key = key_of_peer(peer);
        struct order_id id = order_id_of(key, id_key.bytes);
        struct item *item = item_of(order_find(&s->providers, &id));

        if (!item)
                return STORE_E_NONE;
        drop_provider(s, item);
        return STORE_OK;
}

static int memory_own_providers(struct record_store *s, store_provider_fn fn, void *userdata) {
        LIST_FOREACH_SAFE (it, &s->own_providers)
                if (!fn(userdata, &LIST_ENTRY(it, struct item, own)->provider))
                        break;
        return STORE_OK;
}

static uint64_t memory_count_provider(struct record_store *s, const struct peer_id *peer) {
        return get_count(s->peers, peer_id_bytes(peer));
}

/* ---- the whole ---- */

static size_t memory_expire(struct record_store *s, int64_t now_us, size_t max) {
        nsec_t now = (nsec_t) now_us;
        struct item *item;
        size_t n = 0;

        for (; n < max && (item = item_by_expiry(heap_first(&s->record_expiry))) &&
               heap_when(&s->record_expiry) <= now;
             n++)
                drop_record(s, item);
        for (; n < max && (item = item_by_expiry(heap_first(&s->provider_expiry))) &&
               heap_when(&s->provider_expiry) <= now;
             n++)
                drop_provider(s, item);
        return n;
}

static void memory_counts(struct record_store *s, struct store_counts *ret) {
        *ret = s->counts;
}

static int memory_state_put(struct record_store *s, const char *name, struct bytes value) {
        check(strlen(name) <= STATE_NAME_MAX);
        refbuf_unref(map_set(s->state, BYTES_STR(name), refbuf_new(value)));
        return STORE_OK;
}

static int memory_state_get(struct record_store *s, const char *name, struct refbuf **ret) {
        struct refbuf *value = map_get(s->state, BYTES_STR(name));

        if (!value)
                return STORE_E_NONE;
        *ret = refbuf_ref(value);
        return STORE_OK;
}

static const struct store_ops memory_ops = {
        .put = memory_put,
        .remove = memory_remove,
        .one = memory_one,
        .each = memory_each,
        .walk = memory_walk,
        .heads = memory_heads,
        .own = memory_own,
        .own_providers = memory_own_providers,
        .count_key = memory_count_key,
        .count_publisher = memory_count_publisher,
        .count_subnet = memory_count_subnet,
        .provider_put = memory_provider_put,
        .provider_remove = memory_provider_remove,
        .providers = memory_providers,
        .count_provider = memory_count_provider,
        .expire = memory_expire,
        .counts = memory_counts,
        .state_put = memory_state_put,
        .state_get = memory_state_get,
};

struct store store_memory_new(const struct store_limits *limits, uint64_t seed) {
        struct record_store *s = xnew(struct record_store);

        s->limits = *limits;
        order_init(&s->records, seed);
        order_init(&s->providers, seed + 1);
        list_init(&s->own_records);
        list_init(&s->own_providers);
        heap_init(&s->record_expiry);
        heap_init(&s->provider_expiry);
        s->keys = map_new(seed);
        s->publishers = map_new(seed);
        s->subnets = map_new(seed);
        s->peers = map_new(seed);
        s->state = map_new(seed);
        return (struct store){ &memory_ops, s };
}

void store_memory_free(struct store *store) {
        struct record_store *s = store->self;
        size_t cursor = 0;
        struct bytes name;
        void *value;

        if (!s)
                return;
        while (s->records.root)
                drop_record(s, item_of(s->records.root));
        while (s->providers.root)
                drop_provider(s, item_of(s->providers.root));
        while (map_next(s->state, &cursor, &name, &value))
                refbuf_unref(value);
        heap_done(&s->record_expiry);
        heap_done(&s->provider_expiry);
        map_free(s->keys);
        map_free(s->publishers);
        map_free(s->subnets);
        map_free(s->peers);
        map_free(s->state);
        free(s);
        *store = (struct store){};
}
