#include "services/coordinator/host_records.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

#define COMMIT_MAX (4u << 10)
/* Charged when a record is made, so that there is room for what keyring will sign: a
 * commit is half of it. */
#define RECORD_RESERVED (sizeof(struct record) + (1u << 10))

struct records {
        struct map *by_key;
        struct list oldest;
        struct shares *shares;
        struct records_config config;
};

struct records *records_new(uint64_t seed, const struct records_config *config) {
        struct records *r = xnew(struct records);

        r->by_key = map_new(seed);
        list_init(&r->oldest);
        r->shares = shares_new(seed + 1, &config->shares);
        r->config = *config;
        return r;
}

struct records *records_free(struct records *r) {
        if (!r)
                return NULL;
        LIST_FOREACH_SAFE (link, &r->oldest)
                records_drop(r, LIST_ENTRY(link, struct record, link));
        map_free(r->by_key);
        shares_free(r->shares);
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

int records_room(const struct records *r, const struct peer_id *requester,
                 const struct subnet *subnet) {
        if (budget_left(r->config.budget) < RECORD_RESERVED)
                return SHARES_E_FULL;
        return shares_check(r->shares, requester, subnet);
}

struct record *records_add(struct records *r, const struct record_key *key,
                           const struct subnet *subnet, int64_t time_us) {
        uint8_t text[PEER_ID_MAX + HASH_SIZE + 4];
        struct record *record;

        if (map_count(r->by_key) >= r->config.shares.max ||
            budget_take(r->config.budget, RECORD_RESERVED))
                return NULL;
        record = xnew(struct record);
        record->key = *key;
        record->state = RECORD_WRITING;
        record->time_us = time_us;
        record->subnet = *subnet;
        record->charged = RECORD_RESERVED;
        buffer_init(&record->commit, COMMIT_MAX);
        list_push_back(&r->oldest, &record->link);
        shares_hold(r->shares, &key->requester, subnet);
        check(!map_set(r->by_key, BYTES(text, key_bytes(key, text)), record));
        return record;
}

bool record_sign(struct records *r, struct record *record, struct bytes commit) {
        uint64_t cost = sizeof(*record) + commit.len;

        if (commit.len > COMMIT_MAX)
                return false;
        if (cost > record->charged && budget_take(r->config.budget, cost - record->charged))
                return false;
        if (cost < record->charged)
                budget_give(r->config.budget, record->charged - cost);
        record->charged = cost;
        buffer_clear(&record->commit);
        buffer_put_bytes(&record->commit, commit);
        record->state = RECORD_SIGNED;
        return !record->commit.failed;
}

void records_drop(struct records *r, struct record *record) {
        uint8_t text[PEER_ID_MAX + HASH_SIZE + 4];

        map_remove(r->by_key, BYTES(text, key_bytes(&record->key, text)));
        list_remove(&record->link);
        shares_give(r->shares, &record->key.requester, &record->subnet);
        budget_give(r->config.budget, record->charged);
        buffer_done(&record->commit);
        free(record);
}

int64_t records_expire(struct records *r, int64_t now_us) {
        int64_t newest = 0;

        LIST_FOREACH_SAFE (link, &r->oldest) {
                struct record *record = LIST_ENTRY(link, struct record, link);

                if (record->time_us > now_us - RECORD_KEPT_US)
                        break;
                if (record->job || record->state == RECORD_WRITING ||
                    record->state == RECORD_SIGNING)
                        continue;
                newest = record->time_us;
                records_drop(r, record);
        }
        return newest;
}

size_t records_count(const struct records *r) {
        return map_count(r->by_key);
}
