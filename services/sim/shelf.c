#include "services/sim/shelf.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/dht/store_memory.h"

#define SECOND_US INT64_C(1000000)

struct shelf_value {
        struct shelf_value *chain;
        size_t n_refs;
        uint64_t hash;
        struct stored_record record; /* class, subnet, received are the copy's; value has no data */
        size_t packed;               /* bytes of the value as it stands, by zstd */
        uint8_t bytes[];             /* the name, then the value */
};

/* ---- Values that many keep ---- */

void shelf_pool_init(struct shelf_pool *p) {
        *p = (struct shelf_pool){ .size = 1024 };
        p->values = xnew_n(struct shelf_value *, p->size);
        p->packer = ZSTD_createCCtx();
        p->unpacker = ZSTD_createDCtx();
        check(p->packer && p->unpacker);
}

void shelf_pool_done(struct shelf_pool *p) {
        (void) ZSTD_freeCCtx(p->packer);
        (void) ZSTD_freeDCtx(p->unpacker);
        free(p->values);
        *p = (struct shelf_pool){};
}

/* The end of a value is a signature: as good as a hash. */
static uint64_t hash_of_record(const struct stored_record *r) {
        uint64_t h = load_be64(r->key.bytes) ^ load_be64(r->slot) ^ r->sequence;

        if (r->value.len >= 8)
                h ^= load_be64(r->value.data + r->value.len - 8) * UINT64_C(0x9e3779b97f4a7c15);
        return h ^ h >> 29;
}

static uint8_t *unpack(const struct shelf_pool *p, const struct shelf_value *v) {
        size_t length = v->record.value.len;
        uint8_t *value = xmalloc(length + 1);

        check(ZSTD_decompressDCtx(p->unpacker, value, length, v->bytes + v->record.name.len,
                                  v->packed) == length);
        return value;
}

static bool is_value(const struct shelf_pool *p, const struct shelf_value *v, struct bytes value) {
        CLEANUP(freep) uint8_t *own = NULL;

        if (value.len != v->record.value.len)
                return false;
        own = unpack(p, v);
        return bytes_equal(BYTES(own, value.len), value);
}

static bool is_same(const struct shelf_pool *p, const struct shelf_value *v,
                    const struct stored_record *b) {
        const struct stored_record *a = &v->record;

        return key_equal(&a->key, &b->key) && memcmp(a->slot, b->slot, 32) == 0 &&
               a->kind == b->kind && a->sequence == b->sequence && a->expires_us == b->expires_us &&
               memcmp(a->publisher, b->publisher, 32) == 0 && bytes_equal(a->name, b->name) &&
               is_value(p, v, b->value);
}

static void pool_grow(struct shelf_pool *p) {
        struct shelf_value **old = p->values;
        size_t size = p->size;

        p->size = 2 * size;
        p->values = xnew_n(struct shelf_value *, p->size);
        for (size_t i = 0; i < size; i++)
                for (struct shelf_value *v = old[i], *next; v; v = next) {
                        next = v->chain;
                        v->chain = p->values[v->hash & (p->size - 1)];
                        p->values[v->hash & (p->size - 1)] = v;
                }
        free(old);
}

/* A simulated payload is hundreds of zeros, in bytes or digits. Returns what is to be freed. */
static uint8_t *pack(const struct shelf_pool *p, struct bytes value, size_t *ret_length) {
        size_t max = ZSTD_compressBound(value.len);
        uint8_t *packed = xmalloc(max);

        *ret_length = ZSTD_compressCCtx(p->packer, packed, max, value.data, value.len, 1);
        check(!ZSTD_isError(*ret_length));
        return packed;
}

static struct shelf_value *value_new(const struct shelf_pool *p, const struct stored_record *r,
                                     uint64_t hash) {
        size_t length;
        CLEANUP(freep) uint8_t *packed = pack(p, r->value, &length);
        struct shelf_value *v = xmalloc(sizeof(*v) + r->name.len + length);

        *v = (struct shelf_value){ .n_refs = 1, .hash = hash, .record = *r, .packed = length };
        if (r->name.len)
                memcpy(v->bytes, r->name.data, r->name.len);
        memcpy(v->bytes + r->name.len, packed, length);
        v->record.name = BYTES(v->bytes, r->name.len);
        v->record.value.data = NULL;
        return v;
}

static struct shelf_value *intern(struct shelf_pool *p, const struct stored_record *r) {
        uint64_t hash = hash_of_record(r);
        struct shelf_value *v = p->values[hash & (p->size - 1)];

        while (v && !(v->hash == hash && is_same(p, v, r)))
                v = v->chain;
        if (v) {
                v->n_refs++;
                return v;
        }
        if (p->n_values >= p->size)
                pool_grow(p);
        v = value_new(p, r, hash);
        v->chain = p->values[hash & (p->size - 1)];
        p->values[hash & (p->size - 1)] = v;
        p->n_values++;
        return v;
}

void shelf_release(struct shelf_pool *p, struct shelf_copy *c) {
        struct shelf_value *v = c->value, **at;

        c->value = NULL;
        if (!v || --v->n_refs > 0)
                return;
        at = &p->values[v->hash & (p->size - 1)];
        while (*at != v)
                at = &(*at)->chain;
        *at = v->chain;
        p->n_values--;
        free(v);
}

/* ---- Places ---- */

static int compare(const struct shelf_copy *c, const struct key *key, const uint8_t slot[32]) {
        int r = memcmp(c->value->record.key.bytes, key->bytes, sizeof(key->bytes));

        return r ? r : memcmp(c->value->record.slot, slot, 32);
}

/* The first that does not come before (key, slot). */
static size_t lower(const struct shelf *s, const struct key *key, const uint8_t slot[32]) {
        size_t low = 0, high = s->n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (compare(&s->copies[middle], key, slot) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct shelf_copy *find(const struct shelf *s, const struct key *key,
                               const uint8_t slot[32]) {
        size_t at = lower(s, key, slot);

        return at < s->n && compare(&s->copies[at], key, slot) == 0 ? &s->copies[at] : NULL;
}

static size_t size_of(const struct shelf_copy *c) {
        return c->value->record.name.len + c->value->record.value.len;
}

static void insert(struct shelf *s, struct shelf_copy c) {
        size_t at = lower(s, &c.value->record.key, c.value->record.slot);

        if (s->n == s->capacity) {
                s->capacity = s->capacity ? s->capacity + s->capacity / 4 + 1 : 8;
                s->copies = xrealloc(s->copies, s->capacity * sizeof(*s->copies));
        }
        memmove(&s->copies[at + 1], &s->copies[at], (s->n - at) * sizeof(c));
        s->copies[at] = c;
        s->n++;
        s->bytes += size_of(&c);
        if (c.class != STORE_OWN && c.value->record.expires_us < s->next_expiry_us)
                s->next_expiry_us = c.value->record.expires_us;
}

static void drop(struct shelf *s, struct shelf_copy *c) {
        size_t at = (size_t) (c - s->copies);

        s->bytes -= size_of(c);
        shelf_release(s->pool, c);
        s->n--;
        memmove(&s->copies[at], &s->copies[at + 1], (s->n - at) * sizeof(*c));
}

void shelf_init(struct shelf *s, struct shelf_pool *pool) {
        *s = (struct shelf){ .pool = pool, .next_expiry_us = INT64_MAX };
}

void shelf_done(struct shelf *s) {
        for (size_t i = 0; i < s->n; i++)
                shelf_release(s->pool, &s->copies[i]);
        free(s->copies);
        shelf_init(s, s->pool);
}

/* ---- Undoing ---- */

struct shelf_copy shelf_take(const struct shelf *s, const struct key *key, const uint8_t slot[32]) {
        const struct shelf_copy *c = find(s, key, slot);

        if (!c)
                return (struct shelf_copy){};
        c->value->n_refs++;
        return *c;
}

void shelf_restore(struct shelf *s, const struct key *key, const uint8_t slot[32],
                   struct shelf_copy was) {
        struct shelf_copy *c = find(s, key, slot);

        if (c)
                drop(s, c);
        if (was.value)
                insert(s, was);
}

/* ---- As a store ---- */

static bool has_room(const struct shelf *s, const struct stored_record *r,
                     const struct shelf_copy *old) {
        uint64_t bytes = r->name.len + r->value.len, gone = old ? size_of(old) : 0;

        return r->class == STORE_OWN || (old && old->class == STORE_OWN) ||
               (s->n - !!old < store_limits_default.records &&
                s->bytes - gone + bytes <= store_limits_default.bytes);
}

int shelf_put(struct shelf *s, const struct stored_record *r) {
        struct shelf_copy *old = find(s, &r->key, r->slot);
        struct shelf_copy c = { .received_s = (uint32_t) (r->received_us / SECOND_US),
                                .publisher = load_be32(r->publisher),
                                .subnet = r->subnet,
                                .class = (uint8_t) r->class };

        if (!has_room(s, r, old))
                return STORE_E_FULL;
        if (old && old->class == STORE_OWN)
                c.class = STORE_OWN;
        c.value = intern(s->pool, r); /* before the old one goes, which r may be a view of */
        if (old)
                drop(s, old);
        insert(s, c);
        return STORE_OK;
}

int shelf_remove(struct shelf *s, const struct key *key, const uint8_t slot[32]) {
        struct shelf_copy *c = find(s, key, slot);

        if (!c)
                return STORE_E_NONE;
        drop(s, c);
        return STORE_OK;
}

static bool show(const struct shelf *s, const struct shelf_copy *c, store_record_fn fn,
                 void *userdata) {
        CLEANUP(freep) uint8_t *value = unpack(s->pool, c->value);
        struct stored_record r = c->value->record;

        r.value.data = value;
        r.class = (enum store_class) c->class;
        r.subnet = c->subnet;
        r.received_us = c->received_s * SECOND_US;
        return fn(userdata, &r);
}

int shelf_one(const struct shelf *s, const struct key *key, const uint8_t slot[32],
              store_record_fn fn, void *userdata) {
        const struct shelf_copy *c = find(s, key, slot);

        if (!c)
                return STORE_E_NONE;
        (void) show(s, c, fn, userdata);
        return STORE_OK;
}

static size_t first_of(const struct shelf *s, const struct key *key) {
        static const uint8_t zero[32];

        return lower(s, key, zero);
}

static bool has_key(const struct shelf *s, size_t at, const struct key *key) {
        return at < s->n && key_equal(&s->copies[at].value->record.key, key);
}

int shelf_each(const struct shelf *s, const struct key *key, store_record_fn fn, void *userdata) {
        size_t first = first_of(s, key), at = first;

        for (; has_key(s, at, key); at++)
                if (!show(s, &s->copies[at], fn, userdata))
                        return STORE_OK;
        return at > first ? STORE_OK : STORE_E_NONE;
}

int shelf_walk(const struct shelf *s, const struct key *after, size_t max, store_record_fn fn,
               void *userdata) {
        size_t at = after ? first_of(s, after) : 0, n = 0;

        while (after && has_key(s, at, after))
                at++;
        for (; at < s->n; at++, n++) {
                if (n >= max && !has_key(s, at, &s->copies[at - 1].value->record.key))
                        break;
                if (!show(s, &s->copies[at], fn, userdata))
                        break;
        }
        return STORE_OK;
}

int shelf_own(const struct shelf *s, store_record_fn fn, void *userdata) {
        for (size_t i = 0; i < s->n; i++)
                if (s->copies[i].class == STORE_OWN && !show(s, &s->copies[i], fn, userdata))
                        break;
        return STORE_OK;
}

uint64_t shelf_count_key(const struct shelf *s, const struct key *key) {
        size_t first = first_of(s, key), at = first;

        while (has_key(s, at, key))
                at++;
        return at - first;
}

uint64_t shelf_count_publisher(const struct shelf *s, const uint8_t publisher[32]) {
        uint32_t begin = load_be32(publisher);
        uint64_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += s->copies[i].publisher == begin &&
                     memcmp(s->copies[i].value->record.publisher, publisher, 32) == 0;
        return n;
}

uint64_t shelf_count_subnet(const struct shelf *s, const struct subnet *subnet) {
        uint64_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += subnet_equal(&s->copies[i].subnet,
                                  subnet); /* v4 only: there is no wider one */
        return n;
}

/* Own ones never expire. */
size_t shelf_expire(struct shelf *s, int64_t now_us, size_t max) {
        int64_t next = INT64_MAX;
        size_t n = 0;

        if (now_us < s->next_expiry_us)
                return 0;
        for (size_t i = 0; i < s->n;) {
                struct shelf_copy *c = &s->copies[i];
                bool is_own = c->class == STORE_OWN;
                int64_t when = is_own ? INT64_MAX : c->value->record.expires_us;

                if (!is_own && when <= now_us && n < max) {
                        drop(s, c);
                        n++;
                } else {
                        next = when < next ? when : next;
                        i++;
                }
        }
        s->next_expiry_us = next;
        return n;
}
