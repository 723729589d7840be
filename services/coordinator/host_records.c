#include "services/coordinator/host_records.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

#define COMMIT_MAX (4u << 10)

struct records {
        struct map *by_key;
        struct list oldest;
        struct budget *budget;
        uint32_t max;
};

struct records *records_new(uint64_t seed, uint32_t max, struct budget *budget) {
        struct records *r = xnew(struct records);

        r->by_key = map_new(seed);
        list_init(&r->oldest);
        r->budget = budget;
        r->max = max;
        return r;
}

struct records *records_free(struct records *r) {
        if (!r)
                return NULL;
        LIST_FOREACH_SAFE (link, &r->oldest)
                records_drop(r, LIST_ENTRY(link, struct record, link));
        map_free(r->by_key);
        free(r);
        return NULL;
}

/* The struct is filled with = {} or by assignment of whole members, and a peer id
 * is zero past its length: still, padding is nobody's promise, so copy. */
static size_t key_bytes(const struct record_key *key, uint8_t ret[PEER_ID_MAX + HASH_SIZE + 4]) {
        memcpy(ret, key->requester.bytes, PEER_ID_MAX);
        memcpy(ret + PEER_ID_MAX, key->job.bytes, HASH_SIZE);
        store_be32(ret + PEER_ID_MAX + HASH_SIZE, key->run);
        return PEER_ID_MAX + HASH_SIZE + 4;
}

struct record *records_find(struct records *r, const struct record_key *key) {
        uint8_t text[PEER_ID_MAX + HASH_SIZE + 4];

        return map_get(r->by_key, BYTES(text, key_bytes(key, text)));
}

struct record *records_add(struct records *r, const struct record_key *key, int64_t time_us) {
        uint8_t text[PEER_ID_MAX + HASH_SIZE + 4];
        struct record *record;

        if (map_count(r->by_key) >= r->max || budget_take(r->budget, sizeof(*record)))
                return NULL;
        record = xnew(struct record);
        record->key = *key;
        record->state = RECORD_WRITING;
        record->time_us = time_us;
        record->charged = sizeof(*record);
        buffer_init(&record->commit, COMMIT_MAX);
        list_push_back(&r->oldest, &record->link);
        check(!map_set(r->by_key, BYTES(text, key_bytes(key, text)), record));
        return record;
}

bool record_sign(struct records *r, struct record *record, struct bytes commit) {
        if (commit.len > COMMIT_MAX || budget_take(r->budget, commit.len))
                return false;
        record->charged += commit.len;
        buffer_clear(&record->commit);
        buffer_put_bytes(&record->commit, commit);
        record->state = RECORD_SIGNED;
        return !record->commit.failed;
}

void records_drop(struct records *r, struct record *record) {
        uint8_t text[PEER_ID_MAX + HASH_SIZE + 4];

        map_remove(r->by_key, BYTES(text, key_bytes(&record->key, text)));
        list_remove(&record->link);
        budget_give(r->budget, record->charged);
        buffer_done(&record->commit);
        free(record);
}

size_t records_expire(struct records *r, int64_t now_us) {
        size_t n = 0;

        LIST_FOREACH_SAFE (link, &r->oldest) {
                struct record *record = LIST_ENTRY(link, struct record, link);

                if (record->time_us > now_us - RECORD_KEPT_US)
                        break;
                if (record->job || record->state == RECORD_WRITING ||
                    record->state == RECORD_SIGNING)
                        continue;
                records_drop(r, record);
                n++;
        }
        return n;
}

size_t records_count(const struct records *r) {
        return map_count(r->by_key);
}
