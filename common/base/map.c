#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"

#define SLOT_EMPTY   ((uint32_t) -1)
#define SLOT_DELETED ((uint32_t) -2)
#define SLOTS_FIRST  16
#define SPACIOUS     32

/* Peer ids, hashes and numbers stand in the entry itself. */
#define KEY_INLINE 40

struct entry {
        void *value; /* NULL: removed, skipped by iteration */
        uint32_t hash;
        uint32_t key_len;
        union {
                uint8_t own[KEY_INLINE];
                uint8_t *elsewhere; /* longer ones */
        };
};

/* Open addressing from slots to entries; entries stand in insertion order. */
struct map {
        uint64_t seed;
        struct entry *entries;
        uint32_t *slots;
        size_t n_entries, n_live, n_slots;
        size_t capacity; /* of entries; at most half as many as slots */
        size_t first;    /* all before it are removed: who removes the oldest does not search */
};

/* SipHash-1-3 with both halves of the key drawn from the seed (Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF", 2012). */
static inline uint64_t rotl(uint64_t x, int b) {
        return x << b | x >> (64 - b);
}

#define SIPROUND(v)                           \
        do {                                  \
                v[0] += v[1];                 \
                v[1] = rotl(v[1], 13) ^ v[0]; \
                v[0] = rotl(v[0], 32);        \
                v[2] += v[3];                 \
                v[3] = rotl(v[3], 16) ^ v[2]; \
                v[0] += v[3];                 \
                v[3] = rotl(v[3], 21) ^ v[0]; \
                v[2] += v[1];                 \
                v[1] = rotl(v[1], 17) ^ v[2]; \
                v[2] = rotl(v[2], 32);        \
        } while (0)

static uint32_t hash_of(const struct map *m, struct bytes key) {
        const uint64_t k0 = m->seed, k1 = m->seed * 0x9e3779b97f4a7c15 + 1;
        uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                          k1 ^ 0x7465646279746573 };
        uint64_t last = (uint64_t) key.len << 56, word;
        size_t i;

        for (i = 0; i + 8 <= key.len; i += 8) {
                memcpy(&word, key.data + i, 8);
                v[3] ^= word;
                SIPROUND(v);
                v[0] ^= word;
        }
        for (size_t j = 0; i + j < key.len; j++)
                last |= (uint64_t) key.data[i + j] << (8 * j);
        v[3] ^= last;
        SIPROUND(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int r = 0; r < 3; r++)
                SIPROUND(v);
        return (uint32_t) (v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static struct bytes key_of(const struct entry *e) {
        return BYTES(e->key_len <= KEY_INLINE ? e->own : e->elsewhere, e->key_len);
}

static void key_free(struct entry *e) {
        if (e->value && e->key_len > KEY_INLINE)
                free(e->elsewhere);
}

static void key_copy(struct entry *e, struct bytes key) {
        check(key.len <= UINT32_MAX);
        e->key_len = (uint32_t) key.len;
        if (key.len > KEY_INLINE)
                e->elsewhere = xmemdup(key.data, key.len);
        else if (key.len > 0)
                memcpy(e->own, key.data, key.len);
}

struct map *map_new(uint64_t seed) {
        struct map *m = xnew(struct map);

        m->seed = seed;
        return m;
}

struct map *map_free(struct map *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_entries; i++)
                key_free(&m->entries[i]);
        free(m->entries);
        free(m->slots);
        free(m);
        return NULL;
}

size_t map_count(const struct map *m) {
        return m->n_live;
}

static bool entry_is(const struct entry *e, uint32_t hash, struct bytes key) {
        return e->hash == hash && bytes_equal(key_of(e), key);
}

static uint32_t *slot_of(const struct map *m, uint32_t hash, struct bytes key) {
        if (m->n_slots == 0)
                return NULL;
        for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
                if (m->slots[i] == SLOT_EMPTY)
                        return NULL;
                if (m->slots[i] != SLOT_DELETED && entry_is(&m->entries[m->slots[i]], hash, key))
                        return &m->slots[i];
        }
}

static void slot_link(struct map *m, uint32_t index) {
        size_t i = m->entries[index].hash & (m->n_slots - 1);

        while (m->slots[i] != SLOT_EMPTY)
                i = (i + 1) & (m->n_slots - 1);
        m->slots[i] = index;
}

/* Room for an eighth more: a node has dozens of maps, and most stay as large as they are. */
static void resize(struct map *m) {
        size_t wanted = m->n_entries + m->n_entries / 8 + 4;

        m->capacity = wanted < m->n_slots / 2 ? wanted : m->n_slots / 2;
        m->entries = xrealloc(m->entries, m->capacity * sizeof(*m->entries));
}

/* Drops removed entries and sizes the table for one more; order is kept. */
static void rebuild(struct map *m) {
        size_t n = 0, n_slots = SLOTS_FIRST;

        while (n_slots < (m->n_live + 1) * 4)
                n_slots *= 2;
        for (size_t i = 0; i < m->n_entries; i++)
                if (m->entries[i].value)
                        m->entries[n++] = m->entries[i];
        m->n_entries = n;
        m->n_slots = n_slots;
        m->first = 0;
        resize(m);
        m->slots = xrealloc(m->slots, n_slots * sizeof(*m->slots));
        memset(m->slots, 0xff, n_slots * sizeof(*m->slots));
        for (size_t i = 0; i < n; i++)
                slot_link(m, (uint32_t) i);
}

/* Where keys come and go, removed entries would fill up all that slots allow: memory for the most
 * that were ever there, and more. A sixteenth is enough to pay for moving the others. */
static bool is_loose(const struct map *m) {
        return m->n_entries - m->n_live >= m->n_entries / 16 + 1;
}

/* Most are gone, and will not come back all at once. */
static bool is_spacious(const struct map *m) {
        return m->capacity > SPACIOUS && m->n_live < m->capacity / 3;
}

size_t map_room(const struct map *m) {
        return m->capacity;
}

void *map_get(const struct map *m, struct bytes key) {
        uint32_t *slot = slot_of(m, hash_of(m, key), key);

        return slot ? m->entries[*slot].value : NULL;
}

void *map_set(struct map *m, struct bytes key, void *value) {
        uint32_t hash = hash_of(m, key);
        uint32_t *slot = slot_of(m, hash, key);
        void *old;

        if (slot) {
                old = m->entries[*slot].value;
                m->entries[*slot].value = value;
                return old;
        }
        if (m->n_entries >= m->n_slots / 2 || (m->n_entries == m->capacity && is_loose(m)) ||
            is_spacious(m))
                rebuild(m);
        else if (m->n_entries == m->capacity)
                resize(m);
        m->entries[m->n_entries] = (struct entry){ .hash = hash, .value = value };
        key_copy(&m->entries[m->n_entries], key);
        slot_link(m, (uint32_t) m->n_entries++);
        m->n_live++;
        return NULL;
}

void *map_remove(struct map *m, struct bytes key) {
        uint32_t *slot = slot_of(m, hash_of(m, key), key);
        struct entry *e;
        void *value;

        if (!slot)
                return NULL;
        e = &m->entries[*slot];
        value = e->value;
        key_free(e);
        *e = (struct entry){};
        *slot = SLOT_DELETED;
        m->n_live--;
        while (m->first < m->n_entries && !m->entries[m->first].value)
                m->first++;
        return value;
}

bool map_next(const struct map *m, size_t *cursor, struct bytes *ret_key, void **ret_value) {
        if (*cursor < m->first)
                *cursor = m->first;
        for (; *cursor < m->n_entries; (*cursor)++) {
                const struct entry *e = &m->entries[*cursor];

                if (!e->value)
                        continue;
                (*cursor)++;
                if (ret_key)
                        *ret_key = key_of(e);
                if (ret_value)
                        *ret_value = e->value;
                return true;
        }
        return false;
}

void *map_get_u64(const struct map *m, uint64_t key) {
        return map_get(m, BYTES(&key, sizeof(key)));
}

void *map_set_u64(struct map *m, uint64_t key, void *value) {
        return map_set(m, BYTES(&key, sizeof(key)), value);
}

void *map_remove_u64(struct map *m, uint64_t key) {
        return map_remove(m, BYTES(&key, sizeof(key)));
}
