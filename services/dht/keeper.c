#include "services/dht/keeper.h"

#include <stdio.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/canonical/keychange.h"
#include "proto/keyring.pb-c.h"
#include "services/dht/keeper_internal.h"

/* As long as a letter may come again. */
#define READ_REMEMBERED_US ((MAILBOX_HOURS + MAILBOX_HOURS_AHEAD) * INT64_C(3600) * 1000000)

/* ---- what the front asks ---- */

/* What kad carries: one value a name. */
static const char *validate(void *userdata, struct bytes name, struct bytes value, int64_t now_us,
                            struct stored_record *ret) {
        struct keeper *k = userdata;
        const char *wrong = rules_validate(k->rules, name, value, now_us, ret);

        if (!wrong && !record_rule_of(ret->kind)->is_kad)
                return "topics and mailboxes are served over /quorate/record/1";
        return wrong;
}

static bool is_kad(void *userdata, const struct stored_record *r) {
        const struct record_rule *rule = record_rule_of((enum record_kind) r->kind);

        (void) userdata;
        return rule && rule->is_kad;
}

static int select_one(void *userdata, struct bytes name, struct bytes a, struct bytes b) {
        (void) userdata;
        return rules_select(name, a, b);
}

static const char *admit(void *userdata, const struct store *store, const struct stored_record *r) {
        return quota_admit(((struct keeper *) userdata)->quota, store, r);
}

static const char *admit_provider(void *userdata, const struct store *store,
                                  const struct stored_provider *p) {
        return quota_admit_provider(((struct keeper *) userdata)->quota, store, p);
}

static void maintain(void *userdata, nsec_t now) {
        struct keeper *k = userdata;

        replicate_maintain(k->replicate, now);
        pull_maintain(k->pull, now);
}

static bool request(void *userdata, const struct dht_remote *from, struct bytes message,
                    struct buffer *ret_answer, nsec_t now) {
        struct keeper *k = userdata;
        struct record_serve serve = { .rules = k->rules,
                                      .quota = k->quota,
                                      .store = dht_store(k->dht),
                                      .now_us = dht_wall_us(k->dht, now),
                                      .dht = k->dht,
                                      .radius = k->radius };

        return serve.store->ops && record_serve(&serve, from, message, ret_answer);
}

static bool is_walk(void *userdata, struct bytes message) {
        return record_is_walk(message);
}

static void on_signed(void *userdata, uint64_t id, struct bytes statement, struct bytes signature,
                      nsec_t now);

static const struct record_rules hooks = {
        .validate = validate,
        .is_kad = is_kad,
        .select = select_one,
        .admit = admit,
        .admit_provider = admit_provider,
        .maintain = maintain,
        .request = request,
        .is_walk = is_walk,
        .on_signed = on_signed,
};

/* ---- life ---- */

void keeper_config_default(struct keeper_config *ret) {
        *ret = (struct keeper_config){ .rules = { .network = "default",
                                                  .mailbox_bits = MAILBOX_WORK_BITS } };
        quota_config_default(&ret->quota);
        replicate_config_default(&ret->replicate);
        pull_config_default(&ret->pull);
}

static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        return dht_verify(((struct keeper *) userdata)->dht, key, message, signature);
}

struct keeper *keeper_new(const struct keeper_config *config, struct dht *d,
                          const struct peer_id *self, uint64_t seed) {
        struct keeper *k = xnew(struct keeper);
        struct key key = key_of_peer(self);

        k->config = *config;
        snprintf(k->network, sizeof(k->network), "%s", config->rules.network);
        k->config.rules.network = k->network;
        k->dht = d;
        k->self = *self;
        k->seed = seed;
        k->rules = rules_new(&k->config.rules);
        rules_verifier(k->rules, verify, k);
        k->quota = quota_new(&k->config.quota, &key, seed);
        k->replicate = replicate_new(&k->config.replicate, d, k->rules, seed + 1);
        k->pull = pull_new(&k->config.pull, d, k->rules, k->quota, &key, seed + 2);
        list_init(&k->pending);
        list_init(&k->errands.list);
        k->errands.dht = d;
        dht_rules(d, &hooks, k);
        return k;
}

static void free_pending(struct pending *p) {
        size_t cursor = 0;
        struct bytes slot;
        void *value;

        while (p->values && map_next(p->values, &cursor, &slot, &value))
                found_free(value);
        map_free(p->values);
        free(p->givers);
        refbuf_unref(p->name);
        refbuf_unref(p->tombstone);
        list_remove(&p->link);
        p->keeper->n_pending--;
        free(p);
}

struct keeper *keeper_free(struct keeper *k) {
        if (!k)
                return NULL;
        errands_drop(&k->errands);
        LIST_FOREACH_SAFE (it, &k->pending)
                free_pending(LIST_ENTRY(it, struct pending, link));
        replicate_free(k->replicate);
        pull_free(k->pull);
        rules_free(k->rules);
        quota_free(k->quota);
        free(k);
        return NULL;
}

void keeper_region(struct keeper *k, double radius) {
        quota_region(k->quota, radius);
        pull_region(k->pull, radius);
        k->radius = radius;
}

struct rules *keeper_rules(struct keeper *k) {
        return k->rules;
}

const struct quota *keeper_quota(const struct keeper *k) {
        return k->quota;
}

const struct replicate_stats *keeper_replication(const struct keeper *k) {
        return replicate_stats(k->replicate);
}

const struct pull_stats *keeper_pulls(const struct keeper *k) {
        return pull_stats(k->pull);
}

/* ---- calls ---- */

struct pending *keeper_begin(struct keeper *k, const struct keeper_call *call, nsec_t now) {
        static const struct keeper_result busy = { .code = KEEPER_E_BUSY };
        struct pending *p;

        if (k->n_pending >= KEEPER_PENDING_MAX) {
                call->done(call->userdata, &busy, now);
                return NULL;
        }
        p = xnew(struct pending);
        p->keeper = k;
        p->call = *call;
        list_push_back(&k->pending, &p->link);
        k->n_pending++;
        return p;
}

void keeper_end(struct pending *p, enum keeper_code code, const char *text,
                const struct errand_sum *sum, nsec_t now) {
        struct keeper_result result = { .code = code, .text = text, .sequence = p->sequence };

        if (p->name)
                result.name = refbuf_bytes(p->name);
        if (sum) {
                result.n_asked = sum->n_asked;
                result.n_stored = sum->n_ok;
        }
        p->call.done(p->call.userdata, &result, now);
        free_pending(p);
}

void keeper_told(void *userdata, const struct errand_sum *sum, nsec_t now) {
        keeper_end(userdata, sum->n_answered ? KEEPER_OK : KEEPER_E_NOBODY, NULL, sum, now);
}

void keeper_tell(struct pending *p, struct bytes message, const struct errand_calls *calls,
                 nsec_t now) {
        struct key key = key_of(refbuf_bytes(p->name));

        if (!errand_begin(&p->keeper->errands, &key, message, calls, p, now))
                keeper_end(p, KEEPER_E_BUSY, NULL, NULL, now);
}

struct refbuf *keeper_mailbox_name(const struct peer_id *peer) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        (void) record_name_put(&name, RECORD_MAILBOX, peer, BYTES_NONE);
        return refbuf_new(buffer_bytes(&name));
}

static const struct errand_calls tell_calls = { .done = keeper_told };

/* ---- own records ---- */

static bool see_sequence(void *userdata, const struct stored_record *r) {
        *(uint64_t *) userdata = r->sequence;
        return false;
}

/* Above what we have, and above what an earlier life with another store had. */
static uint64_t next_sequence(const struct keeper *k, enum record_kind kind, struct bytes name,
                              nsec_t now) {
        uint64_t wall = (uint64_t) dht_wall_us(k->dht, now), last = 0;
        const struct store *store = dht_store(k->dht);
        struct key key = key_of(name), self = key_of_peer(&k->self);
        static const uint8_t only[32];

        if (!name.len || !store->ops)
                return wall;
        (void) store->ops->one(store->self, &key, record_rule_of(kind)->is_kad ? only : self.bytes,
                               see_sequence, &last);
        return last >= wall && last < UINT64_MAX ? last + 1 : wall;
}

/* Asks keyring; goes on in on_signed(). */
static void sign(struct pending *p, struct bytes label, struct bytes payload, uint32_t ttl_s,
                 nsec_t now) {
        Keyring__SignRecordRequest request = KEYRING__SIGN_RECORD_REQUEST__INIT;
        const struct keeper *k = p->keeper;
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, RECORD_BYTES_MAX);
        request.kind = p->kind;
        request.network = (char *) k->network;
        request.label = record_binary(label);
        request.sequence = p->sequence;
        request.created_us = dht_wall_us(k->dht, now);
        request.ttl_s = ttl_s ? ttl_s : record_rule_of(p->kind)->ttl_s;
        request.payload = record_binary(payload);
        wire_pack(&b, &request.base);
        if (b.failed)
                keeper_end(p, KEEPER_E_INVALID, "the payload is too long", NULL, now);
        else
                p->sign_id = dht_sign(p->keeper->dht, buffer_bytes(&b));
}

void keeper_put(struct keeper *k, const struct keeper_record *what, const struct keeper_call *call,
                nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        if (!p)
                return;
        p->kind = what->kind;
        if (what->kind >= _RECORD_SIGNED_N ||
            !record_name_put(&name, what->kind, &k->self, what->label)) {
                keeper_end(p, KEEPER_E_INVALID, "no such kind, or not a label for it", NULL, now);
                return;
        }
        if (what->ttl_s > record_rule_of(what->kind)->ttl_max_s) { /* keyring would not sign it */
                keeper_end(p, KEEPER_E_INVALID,
                           "it would live longer than its kind may: a topic 24h, others 48h", NULL,
                           now);
                return;
        }
        p->name = refbuf_new(buffer_bytes(&name));
        p->sequence = next_sequence(k, what->kind, buffer_bytes(&name), now);
        sign(p, what->label, what->payload, what->ttl_s, now);
}

static void on_stored(void *userdata, unsigned n_copies, nsec_t now) {
        struct errand_sum sum = { .n_asked = n_copies, .n_ok = n_copies };

        keeper_end(userdata, n_copies ? KEEPER_OK : KEEPER_E_NOBODY, NULL, &sum, now);
}

/* Kept by us from now on, whoever else takes it. */
static void publish(struct pending *p, struct bytes value, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer message = {};
        struct keeper *k = p->keeper;
        const struct store *store = dht_store(k->dht);
        struct bytes name = refbuf_bytes(p->name);
        struct stored_record r;
        const char *wrong = rules_validate(k->rules, name, value, dht_wall_us(k->dht, now), &r);

        r.class = STORE_OWN;
        if (wrong) {
                keeper_end(p, KEEPER_E_INVALID, wrong, NULL, now);
        } else if (!store->ops || store->ops->put(store->self, &r)) {
                keeper_end(p, KEEPER_E_BUSY, "the store is full or failed", NULL, now);
        } else if (record_rule_of(r.kind)->is_kad) {
                if (!dht_put_again(k->dht, name, value, on_stored, p, now))
                        keeper_end(p, KEEPER_E_BUSY, NULL, NULL, now);
        } else {
                buffer_init(&message, RECORD_MESSAGE_MAX);
                record_put_store(&message, name, value);
                keeper_tell(p, buffer_bytes(&message), &tell_calls, now);
        }
}

void keeper_publish(struct keeper *k, struct bytes value, const struct keeper_call *call,
                    nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        struct keychange_parts parts;

        if (!p)
                return;
        if (keychange_split(value, &parts) != KEYCHANGE_OK) {
                keeper_end(p, KEEPER_E_INVALID, "neither a rotation nor a revocation", NULL, now);
                return;
        }
        p->kind = parts.fields.kind == KEYCHANGE_ROTATION ? RECORD_ROTATION : RECORD_REVOCATION;
        (void) record_name_put(&name, p->kind, &parts.fields.peer, BYTES_NONE);
        p->name = refbuf_new(buffer_bytes(&name));
        p->sequence = (uint64_t) parts.fields.created_us;
        publish(p, value, now);
}

/* So that a letter which somebody still hands on is not shown again (keeper_find.c). */
static void remember_read(struct pending *p, struct bytes tombstone, nsec_t now) {
        const struct store *store = dht_store(p->keeper->dht);
        int64_t wall = dht_wall_us(p->keeper->dht, now);
        struct stored_record r = { .kind = RECORD_TOMBSTONE,
                                   .name = refbuf_bytes(p->name),
                                   .value = tombstone,
                                   .received_us = wall,
                                   .expires_us = wall + READ_REMEMBERED_US };
        struct record_parts parts;

        if (!store->ops || record_split(tombstone, &parts) != RECORD_OK)
                return;
        r.key = key_of(r.name);
        for (size_t at = 0; at + 32 <= parts.fields.payload.len; at += 32) {
                memcpy(r.slot, parts.fields.payload.data + at, 32);
                (void) store->ops->put(store->self, &r);
        }
}

static void bury(struct pending *p, struct bytes tombstone, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer message = {};

        buffer_init(&message, RECORD_MESSAGE_MAX);
        remember_read(p, tombstone, now);
        record_put_delete(&message, tombstone);
        keeper_tell(p, buffer_bytes(&message), &tell_calls, now);
}

static struct pending *pending_by_sign(struct keeper *k, uint64_t id) {
        LIST_FOREACH (it, &k->pending) {
                struct pending *p = LIST_ENTRY(it, struct pending, link);

                if (p->sign_id == id)
                        return p;
        }
        return NULL;
}

static void on_signed(void *userdata, uint64_t id, struct bytes statement, struct bytes signature,
                      nsec_t now) {
        CLEANUP(buffer_donep) struct buffer value = {};
        struct keeper *k = userdata;
        struct pending *p = pending_by_sign(k, id);

        if (replicate_signed(k->replicate, id, statement, signature, now) || !p || id == 0)
                return;
        p->sign_id = 0;
        buffer_init(&value, RECORD_BYTES_MAX);
        buffer_put_bytes(&value, statement);
        buffer_put_bytes(&value, signature);
        if (signature.len == 0 || value.failed)
                keeper_end(p, KEEPER_E_KEYRING, NULL, NULL, now);
        else if (p->kind == RECORD_TOMBSTONE)
                bury(p, buffer_bytes(&value), now);
        else
                publish(p, buffer_bytes(&value), now);
}

/* ---- mailboxes, writing ---- */

void keeper_send(struct keeper *k, struct bytes letter, const struct keeper_call *call,
                 nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);
        struct letter l;

        if (!p)
                return;
        if (!letter_read(letter, &l)) {
                keeper_end(p, KEEPER_E_INVALID, "not a letter", NULL, now);
                return;
        }
        p->kind = RECORD_MAILBOX;
        p->name = keeper_mailbox_name(&l.recipient);
        publish(p, letter, now);
}

void keeper_forget(struct keeper *k, const uint8_t (*slots)[32], size_t n,
                   const struct keeper_call *call, nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);

        if (!p)
                return;
        if (n == 0 || n > MAILBOX_DELETES_MAX) {
                keeper_end(p, KEEPER_E_INVALID, "one to eight letters at once", NULL, now);
                return;
        }
        p->kind = RECORD_TOMBSTONE;
        p->name = keeper_mailbox_name(&k->self);
        p->sequence = next_sequence(k, p->kind, BYTES_NONE, now);
        sign(p, BYTES_NONE, BYTES(slots, 32 * n), 0, now);
}
