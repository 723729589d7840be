#include "services/dht/region.h"

#include <string.h>

#include "services/dht/calls.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define KEY_ROWS  128  /* looked at for one of the wanted */
#define LIST_ROWS 2048 /* looked at for one page of a list: half a millisecond of a full store */
#define PAGE_SOFT (RECORD_ENTRIES_MAX - KEY_ROWS)

/* ---- entries ---- */

/* Rotations, revocations and public keys live on from whenever somebody brings them. */
static bool is_dated(const struct stored_record *r) {
        enum record_writer writer = record_rule_of(r->kind)->writer;

        return writer != WRITER_ITS_KEY && writer != WRITER_EVIDENT;
}

bool region_entry_of(const struct stored_record *r, struct region_entry *ret) {
        if (r->kind == RECORD_TOPIC || r->kind == RECORD_TOMBSTONE || !record_rule_of(r->kind))
                return false;
        *ret = (struct region_entry){
                .key = key_prefix(&r->key),
                .version = r->kind == RECORD_MAILBOX ? load_be64(r->slot) : r->sequence,
                .is_letter = r->kind == RECORD_MAILBOX,
                .minute = is_dated(r) ? (uint32_t) (r->expires_us / MINUTE_US) : 0,
        };
        return true;
}

struct region_entry region_entry_read(const uint8_t in[RECORD_ENTRY]) {
        return (struct region_entry){ .key = load_be64(in),
                                      .version = load_be64(in + 8),
                                      .minute = load_be32(in + 16) };
}

bool region_is_newer(const struct region_entry *offered, const struct region_entry *held) {
        if (held->is_letter)
                return offered->version != held->version;
        if (offered->version != held->version)
                return offered->version > held->version;
        return offered->minute > held->minute;
}

/* ---- where ---- */

/* So many leading bits all keys within the radius share with the point. */
static unsigned shared_bits(double radius) {
        unsigned bits = 0;

        for (; bits < 63 && radius <= 0.5; bits++)
                radius *= 2;
        return bits;
}

/* The key before the first that shares that many bits; false: there is none before. */
static bool key_before(const struct key *key, unsigned bits, struct key *ret) {
        *ret = *key;
        for (unsigned bit = bits; bit < KEY_BITS; bit++)
                ret->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        for (size_t i = KEY_SIZE; i-- > 0;)
                if (ret->bytes[i]--)
                        return true;
        return false;
}

void region_walk(const struct store *store, const struct key *point, double radius,
                 const struct key *after, store_record_fn fn, void *userdata) {
        struct key before;
        bool is_behind = key_before(point, shared_bits(radius), &before);

        if (after && (!is_behind || memcmp(after->bytes, before.bytes, KEY_SIZE) > 0)) {
                before = *after;
                is_behind = true;
        }
        (void) store->ops->heads(store->self, is_behind ? &before : NULL, fn, userdata);
}

bool region_is_past(const struct key *point, double radius, const struct key *key) {
        return key_common_prefix(point, key) < shared_bits(radius);
}

/* ---- for whom ---- */

struct asker {
        const struct record_serve *serve;
        const struct key *key;
        double radius;
        struct dht_around around;
};

static void asker_init(struct asker *a, const struct record_serve *s,
                       const struct dht_remote *from) {
        *a = (struct asker){ .serve = s,
                             .key = &from->contact.key,
                             .radius = REGION_SLACK * s->radius };
        if (s->dht)
                dht_around(s->dht, a->key, &a->around);
}

static bool is_for(const struct asker *a, const struct stored_record *r, struct region_entry *ret) {
        return r->expires_us > a->serve->now_us && region_entry_of(r, ret) &&
               !(a->serve->dht && dht_denies(a->serve->dht, r)) &&
               key_distance(a->key, &r->key) <= a->radius &&
               dht_rank_around(&a->around, &r->key, a->key) < REGION_K;
}

/* ---- Region ---- */

struct listing {
        struct asker asker;
        struct buffer *copies;
        size_t n, n_rows;
        struct key last; /* looked at */
        bool has_more;
};

static bool list_one(void *userdata, const struct stored_record *r) {
        struct listing *l = userdata;
        struct region_entry e;

        if (region_is_past(l->asker.key, l->asker.radius, &r->key))
                return false;
        l->has_more = l->n >= RECORD_ENTRIES_MAX ||
                      ((l->n >= PAGE_SOFT || l->n_rows >= LIST_ROWS) &&
                       !key_equal(&l->last, &r->key)); /* no key is cut in two */
        if (l->has_more)
                return false;
        l->n_rows++;
        l->last = r->key;
        if (!is_for(&l->asker, r, &e))
                return true;
        buffer_put_u64(l->copies, e.key);
        buffer_put_u64(l->copies, e.version);
        buffer_put_u32(l->copies, e.minute);
        l->n++;
        return true;
}

void region_list(const struct record_serve *s, const struct dht_remote *from, struct bytes after,
                 struct buffer *copies, struct region_page *page, Record__Reply *reply) {
        struct listing l = { .copies = copies };
        struct key key;

        if (s->radius <= 0 || !from->is_server)
                return;
        asker_init(&l.asker, s, from);
        if (after.len)
                memcpy(key.bytes, after.data, KEY_SIZE);
        region_walk(s->store, l.asker.key, l.asker.radius, after.len ? &key : NULL, list_one, &l);
        reply->held = record_binary(buffer_bytes(copies));
        page->next = l.last;
        if (l.has_more)
                reply->next = record_binary(key_bytes(&page->next));
}

/* ---- Fetch ---- */

struct fetching {
        struct asker asker;
        struct buffer *copies;
        struct region_page *page;
        uint64_t key, version;
        size_t n, n_rows;
        struct key found;
        uint8_t slot[32];
        bool is_found, is_full;
};

/* Offsets for now: the buffer may move. */
static ProtobufCBinaryData copy(struct buffer *b, struct bytes v) {
        ProtobufCBinaryData ret = { .len = v.len, .data = (uint8_t *) (uintptr_t) b->len };

        buffer_put_bytes(b, v);
        return ret;
}

static bool look_at_one(void *userdata, const struct stored_record *r) {
        struct fetching *f = userdata;
        struct region_entry e;

        if (key_prefix(&r->key) != f->key || f->n_rows++ >= KEY_ROWS)
                return false;
        if (!is_for(&f->asker, r, &e) || (r->kind == RECORD_MAILBOX && e.version != f->version))
                return true;
        f->found = r->key;
        memcpy(f->slot, r->slot, sizeof(f->slot));
        f->is_found = true;
        return false;
}

static bool copy_one(void *userdata, const struct stored_record *r) {
        struct fetching *f = userdata;
        Record__Store *out = &f->page->stores[f->n];

        f->is_full = f->n == RECORD_PAGE_MAX ||
                     (f->n > 0 && f->copies->len + r->value.len > RECORD_PAGE_BYTES);
        if (f->is_full)
                return false;
        record__store__init(out);
        out->name = copy(f->copies, r->name);
        out->value = copy(f->copies, r->value);
        f->n++;
        return false;
}

static void fetch(struct fetching *f, const uint8_t wanted[RECORD_WANTED]) {
        const struct store *store = f->asker.serve->store;
        struct key from = {}, before;
        bool is_behind;

        memcpy(from.bytes, wanted, 8);
        is_behind = key_before(&from, 64, &before);
        f->key = load_be64(wanted);
        f->version = load_be64(wanted + 8);
        f->n_rows = 0;
        f->is_found = false;
        (void) store->ops->heads(store->self, is_behind ? &before : NULL, look_at_one, f);
        if (f->is_found)
                (void) store->ops->one(store->self, &f->found, f->slot, copy_one, f);
}

void region_fetch(const struct record_serve *s, const struct dht_remote *from, struct bytes wanted,
                  struct buffer *copies, struct region_page *page, Record__Reply *reply) {
        struct fetching f = { .copies = copies, .page = page };

        if (s->radius <= 0 || !from->is_server)
                return;
        asker_init(&f.asker, s, from);
        for (size_t at = 0; at < wanted.len && !f.is_full; at += RECORD_WANTED)
                fetch(&f, wanted.data + at);
        for (size_t i = 0; i < f.n; i++) {
                page->pointers[i] = &page->stores[i];
                page->stores[i].name.data = copies->data + (uintptr_t) page->stores[i].name.data;
                page->stores[i].value.data = copies->data + (uintptr_t) page->stores[i].value.data;
        }
        reply->stores = page->pointers;
        reply->n_stores = f.n;
}
