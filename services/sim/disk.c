#include "services/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/dht/store_memory.h"

/* What was there before a write. */
struct undo {
        struct list link;
        enum { UNDO_RECORD, UNDO_PROVIDER, UNDO_STATE } type;
        bool was_there;
        struct key key; /* of a record, with its slot and what stood there */
        uint8_t slot[32];
        struct shelf_copy copy;
        struct stored_provider provider;
        uint8_t *data;
        const char *state; /* static names only */
        struct refbuf *value;
};

static struct disk *disk_of(struct record_store *s) {
        return (struct disk *) s;
}

static struct undo *undo_new(struct disk *d, int type) {
        struct undo *u = xnew(struct undo);

        u->type = type;
        list_push_front(&d->undo, &u->link);
        return u;
}

static void undo_free(struct disk *d, struct undo *u) {
        shelf_release(d->shelf.pool, &u->copy);
        list_remove(&u->link);
        contact_done(&u->provider.contact);
        refbuf_unref(u->value);
        free(u->data);
        free(u);
}

/* ---- Writes ---- */

static void before_record(struct disk *d, const struct key *key, const uint8_t slot[32]) {
        struct undo *u = undo_new(d, UNDO_RECORD);

        u->key = *key;
        memcpy(u->slot, slot, sizeof(u->slot));
        u->copy = shelf_take(&d->shelf, key, slot);
}

static int put(struct record_store *s, const struct stored_record *r) {
        struct disk *d = disk_of(s);

        before_record(d, &r->key, r->slot);
        return shelf_put(&d->shelf, r);
}

static int remove_one(struct record_store *s, const struct key *key, const uint8_t slot[32]) {
        struct disk *d = disk_of(s);

        before_record(d, key, slot);
        return shelf_remove(&d->shelf, key, slot);
}

static bool keep_provider(void *userdata, const struct stored_provider *p) {
        struct undo *u = userdata;

        if (!key_equal(&p->contact.key, &u->provider.contact.key))
                return true;
        u->was_there = true;
        contact_done(&u->provider.contact);
        u->provider = *p;
        u->provider.contact = contact_ref(&p->contact);
        u->data = xmemdup(p->name.data, p->name.len);
        u->provider.name = BYTES(u->data, p->name.len);
        return false;
}

static void before_provider(struct disk *d, const struct key *key, const struct peer_id *peer) {
        struct undo *u = undo_new(d, UNDO_PROVIDER);

        u->provider.key = *key;
        contact_init(&u->provider.contact, peer, NULL, 0);
        (void) d->inner.ops->providers(d->inner.self, key, keep_provider, u);
}

static int provider_put(struct record_store *s, const struct stored_provider *p) {
        struct disk *d = disk_of(s);

        before_provider(d, &p->key, &p->contact.peer);
        return d->inner.ops->provider_put(d->inner.self, p);
}

static int provider_remove(struct record_store *s, const struct key *key,
                           const struct peer_id *peer) {
        struct disk *d = disk_of(s);

        before_provider(d, key, peer);
        return d->inner.ops->provider_remove(d->inner.self, key, peer);
}

static int state_put(struct record_store *s, const char *name, struct bytes value) {
        struct disk *d = disk_of(s);
        struct undo *u = undo_new(d, UNDO_STATE);

        u->state = name;
        u->was_there = d->inner.ops->state_get(d->inner.self, name, &u->value) == STORE_OK;
        return d->inner.ops->state_put(d->inner.self, name, value);
}

/* What expired is gone after a crash too: it would expire again at once. */
static size_t expire(struct record_store *s, int64_t now_us, size_t max) {
        struct disk *d = disk_of(s);
        size_t n = shelf_expire(&d->shelf, now_us, max);

        return n + d->inner.ops->expire(d->inner.self, now_us, max - n);
}

/* ---- Reads pass through ---- */

static int one(struct record_store *s, const struct key *key, const uint8_t slot[32],
               store_record_fn fn, void *userdata) {
        return shelf_one(&disk_of(s)->shelf, key, slot, fn, userdata);
}

static int each(struct record_store *s, const struct key *key, store_record_fn fn, void *userdata) {
        return shelf_each(&disk_of(s)->shelf, key, fn, userdata);
}

static int walk(struct record_store *s, const struct key *after, size_t max, store_record_fn fn,
                void *userdata) {
        return shelf_walk(&disk_of(s)->shelf, after, max, fn, userdata);
}

static int heads(struct record_store *s, const struct key *after, store_record_fn fn,
                 void *userdata) {
        return shelf_walk(&disk_of(s)->shelf, after, SIZE_MAX, fn, userdata);
}

static int own(struct record_store *s, store_record_fn fn, void *userdata) {
        return shelf_own(&disk_of(s)->shelf, fn, userdata);
}

static int own_providers(struct record_store *s, store_provider_fn fn, void *userdata) {
        return disk_of(s)->inner.ops->own_providers(disk_of(s)->inner.self, fn, userdata);
}

static uint64_t count_key(struct record_store *s, const struct key *key) {
        return shelf_count_key(&disk_of(s)->shelf, key);
}

static uint64_t count_publisher(struct record_store *s, const uint8_t publisher[32]) {
        return shelf_count_publisher(&disk_of(s)->shelf, publisher);
}

static uint64_t count_subnet(struct record_store *s, const struct subnet *subnet) {
        const struct disk *d = disk_of(s);

        return shelf_count_subnet(&d->shelf, subnet) +
               d->inner.ops->count_subnet(d->inner.self, subnet);
}

static int providers(struct record_store *s, const struct key *key, store_provider_fn fn,
                     void *userdata) {
        return disk_of(s)->inner.ops->providers(disk_of(s)->inner.self, key, fn, userdata);
}

static uint64_t count_provider(struct record_store *s, const struct peer_id *peer) {
        return disk_of(s)->inner.ops->count_provider(disk_of(s)->inner.self, peer);
}

static void counts(struct record_store *s, struct store_counts *ret) {
        disk_of(s)->inner.ops->counts(disk_of(s)->inner.self, ret);
        ret->records = disk_of(s)->shelf.n;
        ret->bytes = disk_of(s)->shelf.bytes;
}

static int state_get(struct record_store *s, const char *name, struct refbuf **ret) {
        return disk_of(s)->inner.ops->state_get(disk_of(s)->inner.self, name, ret);
}

static const struct store_ops ops = {
        .put = put,
        .remove = remove_one,
        .one = one,
        .each = each,
        .walk = walk,
        .heads = heads,
        .own = own,
        .own_providers = own_providers,
        .count_key = count_key,
        .count_publisher = count_publisher,
        .count_subnet = count_subnet,
        .provider_put = provider_put,
        .provider_remove = provider_remove,
        .providers = providers,
        .count_provider = count_provider,
        .expire = expire,
        .counts = counts,
        .state_put = state_put,
        .state_get = state_get,
};

/* ---- Life ---- */

void disk_init(struct disk *d, struct shelf_pool *pool, uint64_t seed) {
        *d = (struct disk){ .inner = store_memory_new(&store_limits_default, seed) };
        shelf_init(&d->shelf, pool);
        list_init(&d->undo);
}

static void forget(struct disk *d) {
        LIST_FOREACH_SAFE (it, &d->undo)
                undo_free(d, LIST_ENTRY(it, struct undo, link));
}

void disk_done(struct disk *d) {
        if (!d->inner.ops)
                return;
        forget(d);
        shelf_done(&d->shelf);
        store_memory_free(&d->inner);
        refbuf_unref(d->gossip);
        refbuf_unref(d->gossip_synced);
        *d = (struct disk){};
}

struct store disk_store(struct disk *d) {
        return (struct store){ &ops, (struct record_store *) d };
}

void disk_gossip_put(struct disk *d, struct refbuf *state) {
        refbuf_unref(d->gossip);
        d->gossip = refbuf_ref(state);
}

bool disk_is_dirty(const struct disk *d) {
        return !list_is_empty(&d->undo) || d->gossip != d->gossip_synced;
}

void disk_sync(struct disk *d) {
        if (!disk_is_dirty(d))
                return;
        d->n_syncs++;
        forget(d);
        if (d->gossip)
                (void) refbuf_ref(d->gossip);
        refbuf_unref(d->gossip_synced);
        d->gossip_synced = d->gossip;
}

static void undo(struct disk *d, struct undo *u) {
        const struct store_ops *inner = d->inner.ops;

        d->n_undone++;
        if (u->type == UNDO_RECORD) {
                shelf_restore(&d->shelf, &u->key, u->slot, u->copy);
                u->copy.value = NULL; /* given away */
        } else if (u->type == UNDO_PROVIDER) {
                (void) inner->provider_remove(d->inner.self, &u->provider.key,
                                              &u->provider.contact.peer);
                if (u->was_there)
                        (void) inner->provider_put(d->inner.self, &u->provider);
        } else {
                (void) inner->state_put(d->inner.self, u->state,
                                        u->was_there ? refbuf_bytes(u->value) : BYTES_NONE);
        }
}

void disk_crash(struct disk *d) {
        LIST_FOREACH_SAFE (it, &d->undo) {
                undo(d, LIST_ENTRY(it, struct undo, link));
                undo_free(d, LIST_ENTRY(it, struct undo, link));
        }
        refbuf_unref(d->gossip);
        d->gossip = d->gossip_synced ? refbuf_ref(d->gossip_synced) : NULL;
}

void disk_wipe(struct disk *d) {
        forget(d);
        shelf_done(&d->shelf);
        store_memory_free(&d->inner);
        d->inner = store_memory_new(&store_limits_default, 1);
}
