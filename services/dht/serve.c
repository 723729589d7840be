#include "services/dht/serve.h"

#include <stdio.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/canonical/record.h"
#include "services/dht/slots.h"

#define FAR_FACTOR    3 /* so many times k known peers closer: not ours to keep */
#define RFC3339_SIZE  32
#define MULTIHASH_MAX 128

/* ---- Contacts ---- */

static size_t closest(const struct serve *s, const struct dht_remote *from,
                      const struct key *target, struct contact ret[KAD_PEERS_MAX]) {
        const struct table_entry *near[KAD_PEERS_MAX];
        size_t n_near = table_closest(s->table, target, &from->contact.key, near, s->k), n = 0;
        bool has_exact = s->exact && !key_equal(&s->exact->key, &from->contact.key);

        if (has_exact && (n_near == 0 || !key_equal(&near[0]->contact.key, target)))
                ret[n++] = *s->exact;
        for (size_t i = 0; i < n_near && n < KAD_PEERS_MAX; i++)
                if (near[i]->contact.addresses)
                        ret[n++] = near[i]->contact;
        return n;
}

static int answer_with(const struct serve *s, const struct dht_remote *from,
                       struct kad_parts *parts, const struct key *target, struct refbuf **ret) {
        struct contact near[KAD_PEERS_MAX]; /* views */

        parts->closer = near;
        parts->n_closer = closest(s, from, target, near);
        *ret = kad_message_new(parts);
        return *ret ? SERVE_ANSWER : SERVE_E_STORE;
}

static int find_node(const struct serve *s, const struct dht_remote *from,
                     const struct kad_message *in, struct refbuf **ret, const char **ret_reason) {
        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = in->key };
        struct key target = in->has_target ? in->target : key_of(in->key);

        (void) ret_reason;
        return answer_with(s, from, &parts, &target, ret);
}

static int ping(const struct serve *s, const struct dht_remote *from, const struct kad_message *in,
                struct refbuf **ret, const char **ret_reason) {
        struct kad_parts parts = { .type = KAD_PING };

        (void) s, (void) from, (void) in, (void) ret_reason;
        *ret = kad_message_new(&parts);
        return *ret ? SERVE_ANSWER : SERVE_E_STORE;
}

/* ---- Values ---- */

bool serve_denies(const struct map *denied, const struct stored_record *r) {
        return denied && r->kind != RECORD_ROTATION && r->kind != RECORD_REVOCATION &&
               map_get(denied, BYTES_OF(r->publisher));
}

struct best {
        const struct serve *serve;
        struct bytes name;
        struct refbuf *value;
        int64_t received_us;
};

static bool on_value(void *userdata, const struct stored_record *r) {
        struct best *b = userdata;

        if (!b->serve->rules->is_kad(b->serve->userdata, r) || !bytes_equal(r->name, b->name) ||
            r->expires_us <= b->serve->wall_us || serve_denies(b->serve->denied, r))
                return true;
        if (b->value && b->serve->rules->select(b->serve->userdata, b->name, refbuf_bytes(b->value),
                                                r->value) <= 0)
                return true;
        refbuf_unref(b->value);
        b->value = refbuf_new(r->value);
        b->received_us = r->received_us;
        return true;
}

bool serve_best(const struct serve *s, struct bytes name, struct refbuf **ret, int64_t *ret_us) {
        struct best b = { .serve = s, .name = name };
        struct key key = key_of(name);

        if (!s->rules || !s->store->ops)
                return false;
        (void) s->store->ops->each(s->store->self, &key, on_value, &b);
        *ret = b.value;
        *ret_us = b.received_us;
        return b.value != NULL;
}

static struct bytes rfc3339(int64_t us, char ret[RFC3339_SIZE]) {
        time_t seconds = (time_t) (us / 1000000);
        struct tm tm = {};

        (void) gmtime_r(&seconds, &tm);
        return BYTES(ret, strftime(ret, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm));
}

static int get_value(const struct serve *s, const struct dht_remote *from,
                     const struct kad_message *in, struct refbuf **ret, const char **ret_reason) {
        CLEANUP(refbuf_unrefp) struct refbuf *value = NULL;
        struct kad_parts parts = { .type = KAD_GET_VALUE, .key = in->key };
        struct key target = key_of(in->key);
        char received[RFC3339_SIZE];
        int64_t us;

        (void) ret_reason;
        if (serve_best(s, in->key, &value, &us)) {
                parts.has_record = true;
                parts.record_key = in->key;
                parts.value = refbuf_bytes(value);
                parts.received = rfc3339(us, received);
        }
        return answer_with(s, from, &parts, &target, ret);
}

/* So many that we know are closer: who sends it here does not look for its place. */
static bool is_far(const struct serve *s, const struct key *key) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = FAR_FACTOR * s->k < TABLE_CLOSEST ? FAR_FACTOR * s->k : TABLE_CLOSEST;

        return table_closest(s->table, key, NULL, near, n) == n &&
               key_compare(key, &near[n - 1]->contact.key, &s->self_key) < 0;
}

struct rival {
        const struct serve *serve;
        const struct stored_record *offered;
        struct subnet subnet; /* who brings it is charged; of what is held already, who did */
        bool is_outdated;
};

static bool on_rival(void *userdata, const struct stored_record *held) {
        struct rival *r = userdata;

        if (memcmp(held->slot, r->offered->slot, sizeof(held->slot)) != 0 ||
            held->expires_us <= r->serve->wall_us || !bytes_equal(held->name, r->offered->name))
                return true;
        r->is_outdated = r->serve->rules->select(r->serve->userdata, held->name, held->value,
                                                 r->offered->value) < 0;
        if (bytes_equal(held->value, r->offered->value))
                r->subnet = held->subnet;
        return !r->is_outdated;
}

static int keep(const struct serve *s, const struct dht_remote *from, struct stored_record *record,
                const char **ret_reason) {
        struct rival rival = { .serve = s,
                               .offered = record,
                               .subnet = subnet_counted(&from->endpoint) };

        (void) s->store->ops->each(s->store->self, &record->key, on_rival, &rival);
        if (rival.is_outdated) {
                *ret_reason = "a newer value is held";
                return SERVE_E_REFUSED;
        }
        record->class = STORE_FOREIGN;
        record->subnet = rival.subnet;
        record->received_us = s->wall_us;
        *ret_reason = s->rules->admit(s->userdata, s->store, record);
        if (*ret_reason)
                return SERVE_E_REFUSED;
        return s->store->ops->put(s->store->self, record) ? SERVE_E_STORE : SERVE_ANSWER;
}

static int put_value(const struct serve *s, const struct dht_remote *from,
                     const struct kad_message *in, struct refbuf **ret, const char **ret_reason) {
        struct kad_parts parts = { .type = KAD_PUT_VALUE,
                                   .key = in->key,
                                   .has_record = true,
                                   .record_key = in->key,
                                   .value = in->value };
        struct stored_record record = {};
        struct key key = key_of(in->key);
        int r;

        if (!in->has_record || !bytes_equal(in->record_key, in->key) || in->value.len == 0)
                return SERVE_E_INVALID;
        *ret_reason = s->rules && s->store->ops ? NULL : "no records are kept here";
        if (*ret_reason)
                return SERVE_E_REFUSED;
        if (is_far(s, &key))
                return SERVE_E_FAR;
        *ret_reason = s->rules->validate(s->userdata, in->key, in->value, s->wall_us, &record);
        if (*ret_reason)
                return SERVE_E_REFUSED;
        record.key = key;
        if (serve_denies(s->denied, &record)) {
                *ret_reason = "its publisher is on the deny list";
                return SERVE_E_REFUSED;
        }
        r = keep(s, from, &record, ret_reason);
        if (r)
                return r;
        *ret = kad_message_new(&parts);
        return *ret ? SERVE_ANSWER : SERVE_E_STORE;
}

/* ---- Providers ---- */

struct providers {
        const struct serve *serve;
        const struct key *asker;
        struct bytes name;
        struct contact list[SLOTS_MAX + 1]; /* others, and this node */
        struct slot_member members[SLOTS_MAX + 1];
        size_t n;
};

/* New for each asker and question: nobody can choose ids that are always told. */
static uint64_t rank_of(const struct providers *all, const struct key *who) {
        uint8_t input[2 * KEY_SIZE + 8];
        struct hash_value h;

        memcpy(input, all->asker->bytes, KEY_SIZE);
        memcpy(input + KEY_SIZE, who->bytes, KEY_SIZE);
        store_be64(input + 2 * KEY_SIZE, (uint64_t) all->serve->wall_us);
        h = hash_keyed(hash_bytes(all->serve->secret), BYTES_OF(input));
        return load_be64(h.bytes);
}

static bool on_provider(void *userdata, const struct stored_provider *p) {
        struct providers *all = userdata;

        if (!bytes_equal(p->name, all->name) || p->expires_us <= all->serve->wall_us ||
            map_get(all->serve->denied, key_bytes(&p->contact.key)))
                return true;
        all->members[all->n] =
                (struct slot_member){ .subnet = p->subnet, .rank = rank_of(all, &p->contact.key) };
        all->list[all->n++] = contact_ref(&p->contact);
        return all->n < ELEMENTSOF(all->list);
}

size_t serve_providers(const struct serve *s, const struct key *asker, struct bytes name,
                       struct contact ret[KAD_PEERS_MAX]) {
        struct providers all = { .serve = s, .asker = asker, .name = name };
        struct key target = key_of(name);
        size_t chosen[KAD_PEERS_MAX], n;

        if (s->store->ops)
                (void) s->store->ops->providers(s->store->self, &target, on_provider, &all);
        n = slots_choose(all.members, all.n, chosen, KAD_PEERS_MAX);
        for (size_t i = 0; i < n; i++)
                ret[i] = contact_ref(&all.list[chosen[i]]);
        for (size_t i = 0; i < all.n; i++)
                contact_done(&all.list[i]);
        return n;
}

static int get_providers(const struct serve *s, const struct dht_remote *from,
                         const struct kad_message *in, struct refbuf **ret,
                         const char **ret_reason) {
        struct kad_parts parts = { .type = KAD_GET_PROVIDERS, .key = in->key };
        struct contact told[KAD_PEERS_MAX];
        struct key target = key_of(in->key);
        int r;

        (void) ret_reason;
        parts.providers = told;
        parts.n_providers = serve_providers(s, &from->contact.key, in->key, told);
        r = answer_with(s, from, &parts, &target, ret);
        for (size_t i = 0; i < parts.n_providers; i++)
                contact_done(&told[i]);
        return r;
}

static int keep_provider(const struct serve *s, const struct dht_remote *from,
                         const struct contact *who, struct bytes name, const char **ret_reason) {
        struct stored_provider p = { .key = key_of(name),
                                     .name = name,
                                     .contact = *who,
                                     .subnet = subnet_counted(&from->endpoint),
                                     .received_us = s->wall_us,
                                     .expires_us = s->wall_us + s->provider_life_us,
                                     .class = STORE_FOREIGN };

        *ret_reason = s->rules->admit_provider(s->userdata, s->store, &p);
        if (*ret_reason)
                return SERVE_E_REFUSED;
        return s->store->ops->provider_put(s->store->self, &p) ? SERVE_E_STORE : SERVE_NOTHING;
}

/* Everybody speaks for himself: entries of other peers are passed over. */
static int add_provider(const struct serve *s, const struct dht_remote *from,
                        const struct kad_message *in, struct refbuf **ret,
                        const char **ret_reason) {
        struct key key = key_of(in->key);

        (void) ret;
        if (in->key.len > MULTIHASH_MAX)
                return SERVE_E_INVALID;
        *ret_reason = s->rules && s->rules->admit_provider && s->store->ops
                              ? NULL
                              : "no providers are kept here";
        if (*ret_reason)
                return SERVE_E_REFUSED;
        if (is_far(s, &key))
                return SERVE_E_FAR;
        for (size_t i = 0; i < in->n_providers; i++)
                if (peer_id_equal(&in->providers[i].peer, &from->contact.peer) &&
                    in->providers[i].addresses)
                        return keep_provider(s, from, &in->providers[i], in->key, ret_reason);
        return SERVE_NOTHING;
}

/* ---- Dispatch ---- */

struct serve_row {
        int (*handle)(const struct serve *s, const struct dht_remote *from,
                      const struct kad_message *in, struct refbuf **ret, const char **ret_reason);
        bool needs_key;
        unsigned cost;
};
static const struct serve_row rows[_KAD_TYPE_N] = {
        [KAD_PUT_VALUE] = { put_value, true, SERVE_WRITE },
        [KAD_GET_VALUE] = { get_value, true, 1 },
        [KAD_ADD_PROVIDER] = { add_provider, true, SERVE_WRITE },
        [KAD_GET_PROVIDERS] = { get_providers, true, 1 },
        [KAD_FIND_NODE] = { find_node, true, 1 },
        [KAD_PING] = { ping, false, 1 },
};

int serve_message(const struct serve *s, const struct dht_remote *from,
                  const struct kad_message *in, struct refbuf **ret_answer,
                  const char **ret_reason) {
        const struct serve_row *row = &rows[in->type];

        *ret_answer = NULL;
        *ret_reason = NULL;
        if (row->needs_key && in->key.len == 0)
                return SERVE_E_INVALID;
        return row->handle(s, from, in, ret_answer, ret_reason);
}

/* By its first field alone, before anything is parsed; reads are cheap, all else is not. */
unsigned serve_cost(struct bytes message) {
        if (message.len >= 2 && message.data[0] == 0x08 && message.data[1] < _KAD_TYPE_N)
                return rows[message.data[1]].cost;
        return SERVE_WRITE;
}
