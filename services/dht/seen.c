#include "services/dht/seen.h"

#include <stdlib.h>

#include "common/base/memory.h"

#define MINUTE_US    (INT64_C(60) * 1000000)
#define WEEK_MINUTES (7 * 24 * 60)
#define CAPACITY_MIN 64

void seen_init(struct seen *s, uint64_t salt) {
        *s = (struct seen){ .salt = salt };
}

void seen_done(struct seen *s) {
        free(s->entries);
        *s = (struct seen){};
}

/* The finaliser of splitmix64 over salt and key: the key is a SHA-256 already. */
static uint64_t hash_of_key(const struct seen *s, const struct key *peer) {
        uint64_t z = load_be64(peer->bytes) ^ s->salt;

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static uint64_t hash_of_entry(const struct seen_entry *e) {
        return (uint64_t) e->hash_high << 32 | e->hash_low;
}

static bool is_kept(const struct seen *s, uint64_t hash) {
        return s->level == 0 || hash >> (64 - s->level) == 0;
}

/* Where the hash is, or belongs. */
static size_t position(const struct seen *s, uint64_t hash) {
        size_t low = 0, high = s->n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (hash_of_entry(&s->entries[middle]) < hash)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void sweep(struct seen *s, uint32_t minute) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                if (is_kept(s, hash_of_entry(&s->entries[i])) &&
                    s->entries[i].minute + WEEK_MINUTES >= minute)
                        s->entries[n++] = s->entries[i];
        s->n = n;
}

static void make_room(struct seen *s, uint32_t minute) {
        if (s->n < s->capacity)
                return;
        if (s->capacity < SEEN_MAX) {
                s->capacity = s->capacity ? 2 * s->capacity : CAPACITY_MIN;
                s->entries = xrealloc(s->entries, s->capacity * sizeof(*s->entries));
                return;
        }
        sweep(s, minute);
        for (; s->n == SEEN_MAX && s->level < 63; sweep(s, minute))
                s->level++;
}

void seen_note(struct seen *s, const struct key *peer, int64_t wall_us) {
        uint64_t hash = hash_of_key(s, peer);
        uint32_t minute = (uint32_t) (wall_us / MINUTE_US);
        size_t at = position(s, hash);

        if (!is_kept(s, hash))
                return;
        if (at < s->n && hash_of_entry(&s->entries[at]) == hash) {
                s->entries[at].minute = minute;
                return;
        }
        make_room(s, minute);
        if (!is_kept(s, hash) || s->n == s->capacity)
                return;
        at = position(s, hash);
        memmove(&s->entries[at + 1], &s->entries[at], (s->n - at) * sizeof(*s->entries));
        s->entries[at] = (struct seen_entry){ (uint32_t) (hash >> 32), (uint32_t) hash, minute };
        s->n++;
}

uint64_t seen_count(const struct seen *s, int64_t within_us, int64_t wall_us) {
        int64_t first = (wall_us - within_us) / MINUTE_US;
        uint64_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                n += s->entries[i].minute >= first;
        return n << s->level;
}

void seen_pack(const struct seen *s, struct buffer *b) {
        buffer_put_u64(b, s->salt);
        buffer_put_u8(b, (uint8_t) s->level);
        buffer_put_u32(b, (uint32_t) s->n);
        for (size_t i = 0; i < s->n; i++) {
                buffer_put_u64(b, hash_of_entry(&s->entries[i]));
                buffer_put_u32(b, s->entries[i].minute);
        }
}

bool seen_unpack(struct seen *s, struct reader *r) {
        uint64_t salt = reader_u64(r), before = 0;
        unsigned level = reader_u8(r);
        uint32_t n = reader_u32(r);
        bool is_good = !r->failed && level < 64 && n <= SEEN_MAX && reader_left(r) >= n * 12;

        seen_done(s);
        seen_init(s, salt);
        if (!is_good)
                return false;
        s->level = level;
        s->capacity = SEEN_MAX;
        s->entries = xnew_n(struct seen_entry, SEEN_MAX);
        for (uint32_t i = 0; i < n && is_good; i++) {
                uint64_t hash = reader_u64(r);

                is_good = (i == 0 || hash > before) && is_kept(s, hash);
                s->entries[s->n++] = (struct seen_entry){ (uint32_t) (hash >> 32), (uint32_t) hash,
                                                          reader_u32(r) };
                before = hash;
        }
        if (!is_good) {
                seen_done(s);
                seen_init(s, salt);
        }
        return is_good;
}
