#include "services/dht/replicate.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/rng.h"
#include "proto/keyring.pb-c.h"
#include "services/dht/errand.h"

#define HOLDERS_MAX   64
#define CHURN_WANTED  0.25 /* share of new holders at one check … */
#define CHURN_FETCHED 0.5  /* … where holders fetch what is theirs as well */
#define CHURN_STEP    2.0  /* the pause changes by no more than this at once */
#define READ_MIN      2    /* nodes that say so: one could lie */
#define SIGN_RETRY    (60 * NSEC_PER_SEC)
#define PROVIDE_US    (INT64_C(22) * 3600 * 1000000)

enum unit_kind { UNIT_TOLD, UNIT_FETCHED, UNIT_PROVIDER };

/* A record or a provider record of our own. */
struct unit {
        struct replicate *owner;
        struct key key;
        uint8_t slot[32];
        bool is_provider, is_fetched, is_busy, is_seen; /* fetched: pull.h */
        nsec_t check_at, checked, pause, sign_at;
        uint64_t sign_id;
        uint64_t holders[HOLDERS_MAX]; /* as of the last check, by the first bytes of their keys */
        size_t n_holders;
        uint64_t found[HOLDERS_MAX]; /* by the check under way */
        size_t n_found, n_new, n_read;
};

struct replicate {
        struct replicate_config config;
        struct dht *dht;
        struct rules *rules;
        struct rng rng;
        struct map *units;
        unsigned n_busy;
        bool knows_size, has_learnt_size; /* of the network; since the round before this one */
        struct errands errands;
        struct replicate_stats stats;
};

void replicate_config_default(struct replicate_config *ret) {
        *ret = (struct replicate_config){ .gap_fill = 180 * NSEC_PER_SEC,
                                          .gap_fill_fetched = 600 * NSEC_PER_SEC,
                                          .gap_fill_max = 3600 * NSEC_PER_SEC,
                                          .parallel = 4 };
}

struct replicate *replicate_new(const struct replicate_config *config, struct dht *d,
                                struct rules *rules, uint64_t seed) {
        struct replicate *r = xnew(struct replicate);

        r->config = *config;
        r->dht = d;
        r->rules = rules;
        rng_init(&r->rng, seed);
        r->units = map_new(seed);
        list_init(&r->errands.list);
        r->errands.dht = d;
        return r;
}

struct replicate *replicate_free(struct replicate *r) {
        size_t cursor = 0;
        struct bytes id;
        void *unit;

        if (!r)
                return NULL;
        while (map_next(r->units, &cursor, &id, &unit))
                free(unit);
        map_free(r->units);
        errands_drop(&r->errands);
        free(r);
        return NULL;
}

const struct replicate_stats *replicate_stats(const struct replicate *r) {
        return &r->stats;
}

/* ---- own records ---- */

#define UNIT_ID_SIZE (KEY_SIZE + 32 + 1)

static struct bytes unit_id(const struct key *key, const uint8_t slot[32], bool is_provider,
                            uint8_t ret[UNIT_ID_SIZE]) {
        memcpy(ret, key->bytes, KEY_SIZE);
        memcpy(ret + KEY_SIZE, slot, 32);
        ret[KEY_SIZE + 32] = is_provider;
        return BYTES(ret, UNIT_ID_SIZE);
}

static nsec_t pause_min(const struct unit *u) {
        const struct replicate_config *c = &u->owner->config;

        return u->is_fetched ? c->gap_fill_fetched : c->gap_fill;
}

/* The first look comes soon, but not of all at once; what holders fetch can wait. */
static struct unit *see_unit(struct replicate *r, const struct key *key, const uint8_t slot[32],
                             enum unit_kind kind, nsec_t now) {
        uint8_t room[UNIT_ID_SIZE];
        bool is_provider = kind == UNIT_PROVIDER;
        struct bytes id = unit_id(key, slot, is_provider, room);
        struct unit *u = map_get(r->units, id);
        nsec_t soonest;

        if (!u) {
                u = xnew(struct unit);
                u->owner = r;
                u->key = *key;
                memcpy(u->slot, slot, sizeof(u->slot));
                u->is_provider = is_provider;
                u->is_fetched = kind == UNIT_FETCHED;
                u->pause = pause_min(u);
                u->checked = now;
                soonest = u->is_fetched ? u->pause / 2 : 0;
                u->check_at = nsec_add(now, soonest + rng_below(&r->rng, u->pause - soonest + 1));
                if (r->has_learnt_size)
                        u->check_at = now;
                (void) map_set(r->units, id, u);
        }
        u->is_seen = true;
        return u;
}

static bool is_known(const uint64_t *keys, size_t n, uint64_t key) {
        for (size_t i = 0; i < n; i++)
                if (keys[i] == key)
                        return true;
        return false;
}

/* Only who was not responsible at the last check. */
static bool wants(void *userdata, const struct contact *node) {
        struct unit *u = userdata;
        bool is_new = !is_known(u->holders, u->n_holders, key_prefix(&node->key));

        if (u->n_found < HOLDERS_MAX)
                u->found[u->n_found++] = key_prefix(&node->key);
        u->n_new += is_new;
        return is_new && !u->is_provider;
}

/* So that as many of the holders as wanted are new at the next check. */
static void set_pause(struct unit *u) {
        double share = (double) u->n_new / (double) u->n_found;
        double wanted = u->is_fetched ? CHURN_FETCHED : CHURN_WANTED;
        double factor = share > 0 ? wanted / share : CHURN_STEP;
        const struct replicate_config *c = &u->owner->config;

        factor = factor > CHURN_STEP       ? CHURN_STEP
                 : factor < 1 / CHURN_STEP ? 1 / CHURN_STEP
                                           : factor;
        u->pause = (nsec_t) ((double) u->pause * factor);
        u->pause = nsec_min(nsec_max(u->pause, pause_min(u)), c->gap_fill_max);
}

/* A letter that its recipient has read is nobody's any more. */
static struct refbuf *heard(void *userdata, const struct contact *node,
                            const Record__Reply *reply) {
        struct unit *u = userdata;

        u->n_read += reply->result == RECORD__RESULT__RESULT_READ;
        return NULL;
}

static void provide(struct unit *u, nsec_t now);

static void on_checked(void *userdata, const struct errand_sum *sum, nsec_t now) {
        struct unit *u = userdata;
        struct replicate *r = u->owner;

        r->stats.told += sum->n_asked;
        r->stats.stored += sum->n_ok;
        u->is_busy = false;
        r->n_busy--;
        if (u->n_read >= READ_MIN)
                (void) dht_store(r->dht)->ops->remove(dht_store(r->dht)->self, &u->key, u->slot);
        u->check_at = nsec_add(now, u->pause);
        if (u->n_found == 0)
                return;       /* nobody was there to ask: that says nothing about them */
        if (u->n_holders > 0) /* at the first look everybody is new */
                set_pause(u);
        if (u->is_provider && (double) u->n_new > CHURN_WANTED / 2 * (double) u->n_found)
                provide(u, now);
        memcpy(u->holders, u->found, u->n_found * sizeof(u->found[0]));
        u->n_holders = u->n_found;
        u->check_at = nsec_add(now, u->pause);
}

static const struct errand_calls check_calls = { .wants = wants,
                                                 .heard = heard,
                                                 .done = on_checked };

static void check_unit(struct unit *u, struct bytes message, nsec_t now) {
        struct replicate *r = u->owner;

        u->n_found = u->n_new = u->n_read = 0;
        if (!errand_begin(&r->errands, &u->key, message, &check_calls, u, now))
                return;
        r->stats.checks++;
        r->n_busy++;
        u->is_busy = true;
}

/* The same again with a new date: its TTL counts from there. */
static void sign_again(struct unit *u, const struct record_statement *s, nsec_t now) {
        Keyring__SignRecordRequest request = KEYRING__SIGN_RECORD_REQUEST__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        char network[RECORD_NETWORK_MAX + 1] = "";

        buffer_init(&b, RECORD_BYTES_MAX);
        memcpy(network, s->network.data, s->network.len);
        request.kind = s->kind;
        request.network = network;
        request.label = record_binary(s->label);
        request.sequence = s->sequence;
        request.created_us = dht_wall_us(u->owner->dht, now);
        request.ttl_s = s->ttl_s;
        request.payload = record_binary(s->payload);
        wire_pack(&b, &request.base);
        u->sign_id = dht_sign(u->owner->dht, buffer_bytes(&b));
        u->sign_at = nsec_add(now, SIGN_RETRY);
        u->owner->stats.signed_again++;
}

/* Again, so long after it was said; or at once, where it was said by a clock that ran ahead and was
 * put right since: others refuse what is dated so, or forget it sooner than its date tells us. */
static bool is_due(const struct replicate *r, int64_t said_us, int64_t period_us, nsec_t now) {
        int64_t age_us = dht_wall_us(r->dht, now) - said_us;

        return age_us >= period_us || age_us < -RULES_SKEW_US;
}

static bool is_stale(const struct replicate *r, const struct record_statement *s, nsec_t now) {
        return is_due(r, s->created_us, (int64_t) record_republish_s(s->ttl_s) * 1000000, now);
}

struct round {
        struct replicate *replicate;
        nsec_t now;
        bool has_expired; /* one letter a round is soon enough */
        struct key expired;
        uint8_t expired_slot[32];
        struct unit *fading; /* what its holders date by when it came: to be brought again */
        struct refbuf *fading_value;
};

/* True for what no signature of ours dates: rotations, revocations, public keys. */
static bool is_undated(const struct stored_record *rec) {
        const struct record_rule *rule = record_rule_of(rec->kind);

        return rule && (rule->writer == WRITER_ITS_KEY || rule->writer == WRITER_EVIDENT);
}

static bool fades(const struct replicate *r, const struct stored_record *rec, nsec_t now) {
        uint32_t ttl_s = record_rule_of(rec->kind)->ttl_s;

        return is_due(r, rec->expires_us - (int64_t) ttl_s * 1000000,
                      (int64_t) record_republish_s(ttl_s) * 1000000, now);
}

static bool on_own_record(void *userdata, const struct stored_record *rec) {
        struct round *round = userdata;
        struct replicate *r = round->replicate;
        enum unit_kind kind = record_rule_of(rec->kind)->is_kad ? UNIT_FETCHED : UNIT_TOLD;
        struct unit *u = see_unit(r, &rec->key, rec->slot, kind, round->now);
        CLEANUP(buffer_donep) struct buffer message = {};
        struct record_parts parts;

        if (u->is_busy)
                return true;
        if (rec->kind == RECORD_MAILBOX && rec->expires_us <= dht_wall_us(r->dht, round->now)) {
                round->expired = rec->key;
                memcpy(round->expired_slot, rec->slot, sizeof(round->expired_slot));
                round->has_expired = true;
                return true;
        }
        if (record_split(rec->value, &parts) == RECORD_OK &&
            is_stale(r, &parts.fields, round->now)) {
                if (u->sign_at <= round->now)
                        sign_again(u, &parts.fields, round->now);
                return true;
        }
        if (is_undated(rec) && fades(r, rec, round->now)) {
                if (!round->fading) {
                        round->fading = u;
                        round->fading_value = refbuf_new(rec->value);
                }
                return true;
        }
        if (u->check_at > round->now || r->n_busy >= r->config.parallel)
                return true;
        buffer_init(&message, RECORD_MESSAGE_MAX);
        record_put_store(&message, rec->name, rec->value);
        check_unit(u, buffer_bytes(&message), round->now);
        return true;
}

static void on_published(void *userdata, unsigned n_copies, nsec_t now) {
        struct replicate *r = userdata;

        (void) now;
        r->stats.stored += n_copies;
}

static bool copy_name(void *userdata, const struct stored_record *r) {
        *(struct refbuf **) userdata = refbuf_new(r->name);
        return false;
}

/* Into the store, and to all: a node that has it dates it anew. */
static void renew(struct unit *u, struct bytes value, nsec_t now) {
        CLEANUP(refbuf_unrefp) struct refbuf *name = NULL;
        const struct store *store = dht_store(u->owner->dht);
        struct stored_record r;
        int64_t wall = dht_wall_us(u->owner->dht, now);

        (void) store->ops->one(store->self, &u->key, u->slot, copy_name, &name);
        if (!name || rules_validate(u->owner->rules, refbuf_bytes(name), value, wall, &r))
                return;
        r.class = STORE_OWN;
        if (store->ops->put(store->self, &r))
                return;
        u->n_holders = 0;
        u->check_at = now;
        if (record_rule_of(r.kind)->is_kad &&
            dht_put_again(u->owner->dht, refbuf_bytes(name), value, on_published, u->owner, now))
                u->check_at = nsec_add(now, u->pause);
}

static struct unit *unit_by_sign(struct replicate *r, uint64_t id) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(r->units, &cursor, &key, &value))
                if (((struct unit *) value)->sign_id == id && id != 0)
                        return value;
        return NULL;
}

bool replicate_signed(struct replicate *r, uint64_t id, struct bytes statement,
                      struct bytes signature, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer value = {};
        struct unit *u = unit_by_sign(r, id);

        if (!u)
                return false;
        u->sign_id = 0;
        buffer_init(&value, RECORD_BYTES_MAX);
        buffer_put_bytes(&value, statement);
        buffer_put_bytes(&value, signature);
        if (signature.len && !value.failed)
                renew(u, buffer_bytes(&value), now);
        return true;
}

/* ---- own providers ---- */

struct provider_copy {
        const struct unit *unit;
        struct stored_provider found;
        struct refbuf *name;
};

static bool copy_provider(void *userdata, const struct stored_provider *p) {
        struct provider_copy *c = userdata;

        if (p->class != STORE_OWN || memcmp(p->contact.key.bytes, c->unit->slot, KEY_SIZE) != 0)
                return true;
        c->found = *p;
        c->found.contact = contact_ref(&p->contact);
        c->name = refbuf_new(p->name);
        return false;
}

static void provide(struct unit *u, nsec_t now) {
        struct replicate *r = u->owner;
        const struct store *store = dht_store(r->dht);
        struct provider_copy c = { .unit = u };
        int64_t wall = dht_wall_us(r->dht, now), life;

        (void) store->ops->providers(store->self, &u->key, copy_provider, &c);
        if (!c.name)
                return;
        life = c.found.expires_us - c.found.received_us;
        c.found.name = refbuf_bytes(c.name);
        if (dht_provide_again(r->dht, c.found.name, on_published, r, now)) {
                c.found.received_us = wall;
                c.found.expires_us = wall + life;
                (void) store->ops->provider_put(store->self, &c.found);
                r->stats.provided++;
        }
        contact_done(&c.found.contact);
        refbuf_unref(c.name);
}

struct due {
        struct round round;
        struct unit *units[64]; /* what must be said again: not while the store shows rows */
        size_t n;
};

static bool on_own_provider(void *userdata, const struct stored_provider *p) {
        struct due *due = userdata;
        struct replicate *r = due->round.replicate;
        nsec_t now = due->round.now;
        struct unit *u = see_unit(r, &p->key, p->contact.key.bytes, UNIT_PROVIDER, now);

        if (u->is_busy)
                return true;
        if (is_due(r, p->received_us, PROVIDE_US, now)) {
                if (due->n < ELEMENTSOF(due->units))
                        due->units[due->n++] = u;
        } else if (u->check_at <= now && r->n_busy < r->config.parallel) {
                check_unit(u, BYTES_NONE, now);
        }
        return true;
}

/* ---- the round ---- */

/* What a node that has just come publishes is stored on the k closest alone, which ids planted
 * around the key may all be: it is looked after as soon as it is known who else should have it. */
static void look_at_size(struct replicate *r, nsec_t now) {
        bool knew_size = r->knows_size;
        size_t cursor = 0;
        struct bytes id;
        void *value;

        r->knows_size = dht_knows_size(r->dht);
        r->has_learnt_size = r->knows_size && !knew_size;
        while (r->has_learnt_size && map_next(r->units, &cursor, &id, &value))
                ((struct unit *) value)->check_at = now;
}

/* Units of what is no longer ours, unless an answer is under way. */
static void sweep(struct replicate *r) {
        uint8_t room[UNIT_ID_SIZE];
        size_t cursor = 0;
        struct bytes id;
        void *value;

        while (map_next(r->units, &cursor, &id, &value)) {
                struct unit *u = value;

                if (!u->is_seen && !u->is_busy) {
                        (void) map_remove(r->units,
                                          unit_id(&u->key, u->slot, u->is_provider, room));
                        free(u);
                } else {
                        u->is_seen = false;
                }
        }
}

void replicate_maintain(struct replicate *r, nsec_t now) {
        struct due due = { .round = { .replicate = r, .now = now } };
        const struct store *store = dht_store(r->dht);

        if (!store->ops || !store->ops->own)
                return;
        look_at_size(r, now);
        (void) store->ops->own(store->self, on_own_record, &due.round);
        if (due.round.has_expired)
                (void) store->ops->remove(store->self, &due.round.expired, due.round.expired_slot);
        if (due.round.fading)
                renew(due.round.fading, refbuf_bytes(due.round.fading_value), now);
        refbuf_unref(due.round.fading_value);
        (void) store->ops->own_providers(store->self, on_own_provider, &due);
        for (size_t i = 0; i < due.n; i++)
                provide(due.units[i], now);
        sweep(r);
}
