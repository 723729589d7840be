#include "services/coordinator/host_records.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

#define COMMIT_MAX (4u << 10)
/* Charged until keyring has answered, so that there is room for what it signs: a commit
 * is half of it. */
#define COMMIT_RESERVED (1u << 10)
/* With the allocator's word and the slot of a table that is half full. */
#define RECORD_BYTES (sizeof(struct record) + 24)
/* Its place in three maps: this one and those of the shares. */
#define ORIGIN_BYTES   (sizeof(struct record_origin) + 320)
#define COMMITS_PART   16 /* of the budget, for commits nobody is at */
#define STEP_US        (15 * INT64_C(1000000))
#define FORGET_AT_ONCE 4096
#define CHAINS_FIRST   64

struct record_origin {
        struct peer_id requester;
        struct subnet subnet;
        uint32_t n_records;
};

struct record_commit {
        struct list link; /* oldest first */
        struct record *record;
        uint32_t len;
        uint8_t bytes[];
};

/* The records whose job time is in one stretch of STEP_US: few enough of these are
 * alive to be kept in order by walking. */
struct step {
        struct list link;
        int64_t number;
        struct list records;
};

struct records {
        struct record **chains;
        size_t n_chains, n_records;
        uint64_t seed[2];
        struct map *origins;
        struct shares *shares;
        struct list steps[RECORD_RUNS]; /* oldest first */
        int64_t horizon[RECORD_RUNS];
        struct list commits;
        uint64_t commits_bytes;
        struct records_config config;
};

struct records *records_new(uint64_t seed, const struct records_config *config) {
        struct records *r = xnew(struct records);

        r->seed[0] = seed;
        r->seed[1] = seed * 0x9e3779b97f4a7c15 + 1;
        r->n_chains = CHAINS_FIRST;
        r->chains = xnew_n(struct record *, r->n_chains);
        r->origins = map_new(seed + 2);
        r->shares = shares_new(seed + 1, &config->shares);
        for (unsigned run = 0; run < RECORD_RUNS; run++) {
                list_init(&r->steps[run]);
                r->horizon[run] = INT64_MIN;
        }
        list_init(&r->commits);
        r->config = *config;
        return r;
}

struct records *records_free(struct records *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n_chains; i++)
                while (r->chains[i])
                        records_drop(r, r->chains[i]);
        for (unsigned run = 0; run < RECORD_RUNS; run++)
                LIST_FOREACH_SAFE (link, &r->steps[run])
                        free(LIST_ENTRY(link, struct step, link));
        map_free(r->origins);
        shares_free(r->shares);
        free(r->chains);
        free(r);
        return NULL;
}

size_t records_count(const struct records *r) {
        return r->n_records;
}

/* ---- Table ---- */

/* The job is a hash, but of bytes that its requester chose: so it is mixed with what it
 * does not know (multiply and fold, as in wyhash). */
static size_t chain_of(const struct records *r, const struct hash_value *job) {
        uint64_t a, b;
        unsigned __int128 x;

        memcpy(&a, job->bytes, sizeof(a));
        memcpy(&b, job->bytes + sizeof(a), sizeof(b));
        x = (unsigned __int128) (a ^ r->seed[0]) * (b ^ r->seed[1]);
        return (size_t) ((uint64_t) x ^ (uint64_t) (x >> 64)) & (r->n_chains - 1);
}

static void chain_put(struct records *r, struct record *record) {
        struct record **chain = &r->chains[chain_of(r, &record->job)];

        record->next = *chain;
        *chain = record;
}

static void grow(struct records *r) {
        struct record **old = r->chains, *record;
        size_t n = r->n_chains;

        r->n_chains *= 2;
        r->chains = xnew_n(struct record *, r->n_chains);
        for (size_t i = 0; i < n; i++)
                while ((record = old[i])) {
                        old[i] = record->next;
                        chain_put(r, record);
                }
        free(old);
}

static void chain_remove(struct records *r, struct record *record) {
        struct record **at = &r->chains[chain_of(r, &record->job)];

        while (*at != record)
                at = &(*at)->next;
        *at = record->next;
}

struct record *records_find(struct records *r, const struct record_key *key) {
        struct record *record = r->chains[chain_of(r, &key->job)];

        while (record && (!hash_equal(&record->job, &key->job) || record->run != key->run ||
                          !peer_id_equal(&record->origin->requester, &key->requester)))
                record = record->next;
        return record;
}

struct record_key record_key(const struct record *record) {
        return (struct record_key){ .requester = record->origin->requester,
                                    .job = record->job,
                                    .run = record->run };
}

const struct subnet *record_subnet(const struct record *record) {
        return &record->origin->subnet;
}

/* ---- Origins ---- */

static struct bytes origin_key(const struct peer_id *requester, const struct subnet *subnet,
                               uint8_t ret[sizeof(struct peer_id) + sizeof(struct subnet)]) {
        memcpy(ret, requester, sizeof(*requester));
        memcpy(ret + sizeof(*requester), subnet, sizeof(*subnet));
        return BYTES(ret, sizeof(*requester) + sizeof(*subnet));
}

static struct record_origin *origin_of(struct records *r, const struct peer_id *requester,
                                       const struct subnet *subnet) {
        uint8_t text[sizeof(struct peer_id) + sizeof(struct subnet)];
        struct bytes key = origin_key(requester, subnet, text);
        struct record_origin *o = map_get(r->origins, key);

        if (o)
                return o;
        if (budget_take(r->config.budget, ORIGIN_BYTES))
                return NULL;
        o = xnew(struct record_origin);
        o->requester = *requester;
        o->subnet = *subnet;
        check(!map_set(r->origins, key, o));
        return o;
}

/* One of its records is gone, or never came to be. */
static void origin_done(struct records *r, struct record_origin *o) {
        uint8_t text[sizeof(struct peer_id) + sizeof(struct subnet)];

        if (o->n_records > 0)
                return;
        map_remove(r->origins, origin_key(&o->requester, &o->subnet, text));
        budget_give(r->config.budget, ORIGIN_BYTES);
        free(o);
}

/* ---- Steps of job time ---- */

static struct step *step_of(struct records *r, unsigned run, int64_t job_time_us) {
        int64_t number = job_time_us / STEP_US;
        struct list *at = r->steps[run].previous;
        struct step *s;

        while (at != &r->steps[run] && LIST_ENTRY(at, struct step, link)->number > number)
                at = at->previous;
        s = LIST_ENTRY(at, struct step, link);
        if (at != &r->steps[run] && s->number == number)
                return s;
        s = xnew(struct step);
        s->number = number;
        list_init(&s->records);
        list_push_front(at, &s->link);
        return s;
}

/* ---- Commits in memory ---- */

static uint64_t commit_bytes(const struct record_commit *c) {
        return sizeof(*c) + 8 + c->len;
}

/* What it is charged with beyond RECORD_BYTES. */
static uint64_t charge_of(const struct record *record) {
        if (record->state < RECORD_SIGNED)
                return COMMIT_RESERVED;
        return record->commit ? commit_bytes(record->commit) : 0;
}

static void commit_drop(struct records *r, struct record *record) {
        struct record_commit *c = TAKE(record->commit);

        if (!c)
                return;
        r->commits_bytes -= commit_bytes(c);
        list_remove(&c->link);
        free(c);
}

/* The oldest first, but for those that a job is at. */
static void commits_shrink(struct records *r, uint64_t bytes) {
        LIST_FOREACH_SAFE (link, &r->commits) {
                struct record_commit *c = LIST_ENTRY(link, struct record_commit, link);

                if (r->commits_bytes <= bytes)
                        break;
                if (c->record->busy)
                        continue;
                budget_give(r->config.budget, commit_bytes(c));
                commit_drop(r, c->record);
        }
}

static bool commit_keep(struct records *r, struct record *record, struct bytes commit) {
        uint64_t old = charge_of(record);
        struct record_commit *c;
        uint64_t cost = sizeof(*c) + 8 + commit.len;

        if (commit.len == 0 || commit.len > COMMIT_MAX)
                return false;
        if (cost > old && budget_take(r->config.budget, cost - old))
                return false;
        if (cost < old)
                budget_give(r->config.budget, old - cost);
        commit_drop(r, record);
        c = xmalloc(sizeof(*c) + commit.len);
        c->record = record;
        c->len = (uint32_t) commit.len;
        memcpy(c->bytes, commit.data, commit.len);
        list_push_back(&r->commits, &c->link);
        r->commits_bytes += cost;
        record->commit = c;
        record->state = RECORD_SIGNED;
        commits_shrink(r, r->config.budget->limit / COMMITS_PART);
        return true;
}

uint64_t record_digest(const struct hash_value *digest) {
        uint64_t x;

        memcpy(&x, digest->bytes, sizeof(x));
        return x;
}

bool record_sign(struct records *r, struct record *record, struct bytes commit,
                 const struct hash_value *statement) {
        if (!commit_keep(r, record, commit))
                return false;
        record->statement = record_digest(statement);
        return true;
}

bool record_recall(struct records *r, struct record *record, struct bytes commit) {
        check(record->state == RECORD_SIGNED);
        return commit_keep(r, record, commit);
}

struct bytes record_commit(const struct record *record) {
        return record->commit ? BYTES(record->commit->bytes, record->commit->len) : BYTES_NONE;
}

/* ---- Records ---- */

int records_room(struct records *r, const struct peer_id *requester, const struct subnet *subnet) {
        const uint64_t need = RECORD_BYTES + COMMIT_RESERVED + ORIGIN_BYTES;

        if (budget_left(r->config.budget) < need)
                commits_shrink(r, r->commits_bytes > need ? r->commits_bytes - need : 0);
        if (budget_left(r->config.budget) < need)
                return SHARES_E_FULL;
        return shares_check(r->shares, requester, subnet);
}

struct record *records_add(struct records *r, const struct record_key *key,
                           const struct subnet *subnet, int64_t job_time_us) {
        struct record_origin *origin;
        struct record *record;

        check(key->run < RECORD_RUNS);
        if (r->n_records >= r->config.shares.max)
                return NULL;
        origin = origin_of(r, &key->requester, subnet);
        if (!origin)
                return NULL;
        if (budget_take(r->config.budget, RECORD_BYTES + COMMIT_RESERVED)) {
                origin_done(r, origin);
                return NULL;
        }
        record = xnew(struct record);
        record->job = key->job;
        record->run = (uint8_t) key->run;
        record->state = RECORD_WRITING;
        record->job_time_us = job_time_us;
        record->origin = origin;
        origin->n_records++;
        shares_hold(r->shares, &key->requester, subnet);
        list_push_back(&step_of(r, key->run, job_time_us)->records, &record->in_step);
        if (r->n_records++ >= r->n_chains)
                grow(r);
        chain_put(r, record);
        return record;
}

void records_drop(struct records *r, struct record *record) {
        struct record_origin *origin = record->origin;

        budget_give(r->config.budget, RECORD_BYTES + charge_of(record));
        commit_drop(r, record);
        chain_remove(r, record);
        list_remove(&record->in_step);
        shares_give(r->shares, &origin->requester, &origin->subnet);
        origin->n_records--;
        origin_done(r, origin);
        r->n_records--;
        free(record);
}

void record_lose(struct records *r, struct record *record) {
        budget_give(r->config.budget, charge_of(record));
        commit_drop(r, record);
        record->state = RECORD_LOST;
}

/* ---- Time ---- */

int64_t records_horizon(const struct records *r, uint32_t run) {
        return r->horizon[run];
}

void records_raise(struct records *r, uint32_t run, int64_t job_time_us) {
        if (job_time_us > r->horizon[run])
                r->horizon[run] = job_time_us;
}

/* Those that keyring is asked for, or a job is at, stay: they are few. */
static size_t forget(struct records *r, struct step *s) {
        size_t n = 0;

        LIST_FOREACH_SAFE (link, &s->records) {
                struct record *record = LIST_ENTRY(link, struct record, in_step);

                if (record->busy || record->state < RECORD_SIGNED)
                        continue;
                records_raise(r, record->run, record->job_time_us);
                records_drop(r, record);
                n++;
        }
        if (list_is_empty(&s->records)) {
                list_remove(&s->link);
                free(s);
        }
        return n;
}

bool records_expire(struct records *r, uint32_t run, int64_t now_us) {
        int64_t before = r->horizon[run];
        size_t n = 0;

        LIST_FOREACH_SAFE (link, &r->steps[run]) {
                struct step *s = LIST_ENTRY(link, struct step, link);

                if ((s->number + 1) * STEP_US + r->config.kept_us[run] > now_us ||
                    n >= FORGET_AT_ONCE)
                        break;
                n += forget(r, s);
        }
        return r->horizon[run] > before;
}
