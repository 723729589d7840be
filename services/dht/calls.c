/* Calls of the shell and of the record side: each begins one operation. */
#include "services/dht/calls.h"

#include "common/base/memory.h"
#include "services/dht/internal.h"

static void done(struct dht *d, uint64_t call, enum dht_code code, const char *text) {
        struct dht_action *a = dht_act(d, DHT_DONE, call);

        a->n = code;
        a->event.text = text;
}

static bool has_place(struct dht *d, uint64_t call) {
        if (d->n_operations < d->config.lookups_max)
                return true;
        dht_count(d, COUNT_LOOKUPS_REFUSED);
        if (call)
                done(d, call, DHT_E_BUSY, "too many lookups are under way");
        return false;
}

static struct operation *begin(struct dht *d, uint64_t call, enum operation_kind kind,
                               const struct key *target, nsec_t now) {
        struct operation *o;

        d->now = now;
        if (!has_place(d, call))
                return NULL;
        o = operation_new(d, kind, target, now);
        o->call = call;
        d->n_calls += call != 0;
        return o;
}

static struct operation *begin_named(struct dht *d, uint64_t call, enum operation_kind kind,
                                     struct bytes name, nsec_t now) {
        struct key target = key_of(name);
        struct operation *o;

        d->now = now;
        if (name.len == 0 || name.len > KAD_KEY_MAX) {
                if (call)
                        done(d, call, DHT_E_BAD_KEY, "a key has 1 to 1024 bytes");
                return NULL;
        }
        o = begin(d, call, kind, &target, now);
        if (o)
                o->name = refbuf_new(name);
        return o;
}

static struct refbuf *request_of(enum kad_type type, struct bytes key) {
        struct kad_parts parts = { .type = type, .key = key };

        return kad_message_new(&parts);
}

/* ---- Peers ---- */

static bool answer_at_once(struct dht *d, uint64_t call, const struct key *key) {
        const struct table_entry *e = table_find(&d->table, key);
        const struct neighbour *n = map_get(d->neighbours, key_bytes(key));
        const struct contact *c = e && e->failures == 0 ? &e->contact : n ? &n->contact : NULL;
        struct dht_result *r;

        if (!c || !c->addresses)
                return false;
        r = xnew(struct dht_result);
        r->contact = contact_ref(c);
        r->is_of_table = e && c == &e->contact;
        r->is_connected = !r->is_of_table;
        dht_act(d, DHT_RESULT, call)->result = r;
        done(d, call, DHT_OK, NULL);
        return true;
}

void dht_find_peer(struct dht *d, uint64_t call, const struct peer_id *peer, nsec_t now) {
        struct key key = key_of_peer(peer);
        struct operation *o;

        d->now = now;
        if (peer_is_denied(d, &key)) {
                done(d, call, DHT_E_REFUSED,
                     "this node blocks that peer; `quorate blocklist` says why, `quorate unblock` "
                     "ends it");
                return;
        }
        if (answer_at_once(d, call, &key))
                return;
        o = begin(d, call, OPERATION_PEER, &key, now);
        if (!o)
                return;
        o->peer = *peer;
        o->request = request_of(KAD_FIND_NODE, peer_id_bytes(peer));
        operation_begin(d, o, now);
}

void dht_find_closest(struct dht *d, uint64_t call, const struct key *key, nsec_t now) {
        struct operation *o = begin(d, call, OPERATION_CLOSEST, key, now);

        if (o)
                operation_begin(d, o, now);
}

/* ---- Values ---- */

static const char *keep_own(struct dht *d, struct bytes name, struct bytes value, nsec_t now) {
        struct stored_record r = {};
        const char *reason;

        if (!d->rules || !d->store.ops)
                return "no records are kept here";
        if (value.len == 0 || value.len > KAD_VALUE_MAX)
                return "a value has 1 to 16384 bytes";
        reason = d->rules->validate(d->rules_userdata, name, value, dht_wall_us(d, now), &r);
        if (reason)
                return reason;
        r.key = key_of(name);
        r.class = STORE_OWN;
        r.received_us = dht_wall_us(d, now);
        return d->store.ops->put(d->store.self, &r) ? "the store is full or failed" : NULL;
}

static struct operation *begin_put(struct dht *d, uint64_t call, struct bytes name,
                                   struct bytes value, nsec_t now) {
        struct operation *o = begin_named(d, call, OPERATION_PUT, name, now);

        if (!o)
                return NULL;
        o->value = refbuf_new(value);
        operation_begin(d, o, now);
        return o;
}

void dht_put(struct dht *d, uint64_t call, struct bytes name, struct bytes value, nsec_t now) {
        const char *reason;

        d->now = now;
        reason = keep_own(d, name, value, now);
        if (reason)
                done(d, call, DHT_E_REFUSED, reason);
        else
                (void) begin_put(d, call, name, value, now);
}

void dht_get(struct dht *d, uint64_t call, struct bytes name, nsec_t now) {
        struct operation *o = begin_named(d, call, OPERATION_GET, name, now);

        if (!o)
                return;
        o->request = request_of(KAD_GET_VALUE, name);
        operation_begin(d, o, now);
}

struct own_slot {
        struct bytes name;
        uint8_t slot[32];
        bool is_found;
};

static bool on_own(void *userdata, const struct stored_record *r) {
        struct own_slot *own = userdata;

        if (r->class != STORE_OWN || !bytes_equal(r->name, own->name))
                return true;
        memcpy(own->slot, r->slot, sizeof(own->slot));
        own->is_found = true;
        return false;
}

void dht_unput(struct dht *d, uint64_t call, struct bytes name, nsec_t now) {
        struct own_slot own = { .name = name };
        struct key key = key_of(name);

        d->now = now;
        if (d->store.ops)
                (void) d->store.ops->each(d->store.self, &key, on_own, &own);
        if (own.is_found)
                (void) d->store.ops->remove(d->store.self, &key, own.slot);
        done(d, call, own.is_found ? DHT_OK : DHT_E_NOT_FOUND, NULL);
}

/* ---- Providers ---- */

static const char *keep_providing(struct dht *d, struct bytes multihash, bool on, nsec_t now) {
        int64_t wall = dht_wall_us(d, now), life = (int64_t) (d->config.ttl_max / NSEC_PER_USEC);
        struct stored_provider p = { .key = key_of(multihash),
                                     .name = multihash,
                                     .contact = d->own,
                                     .received_us = wall,
                                     .expires_us = wall + life,
                                     .class = STORE_OWN };

        if (!d->store.ops)
                return "no providers are kept here";
        if (!on)
                return d->store.ops->provider_remove(d->store.self, &p.key, &d->self) ==
                                       STORE_E_FAILED
                               ? "the store failed"
                               : NULL;
        return d->store.ops->provider_put(d->store.self, &p) ? "the store is full or failed" : NULL;
}

void dht_provide(struct dht *d, uint64_t call, struct bytes multihash, bool on, nsec_t now) {
        const char *reason;
        struct operation *o;

        d->now = now;
        reason = on && !d->own.addresses ? "this node has no address that others could use"
                                         : keep_providing(d, multihash, on, now);
        if (reason || !on) {
                done(d, call, reason ? DHT_E_REFUSED : DHT_OK, reason);
                return;
        }
        o = begin_named(d, call, OPERATION_PROVIDE, multihash, now);
        if (o)
                operation_begin(d, o, now);
}

void dht_find_providers(struct dht *d, uint64_t call, struct bytes multihash, unsigned max,
                        nsec_t now) {
        struct operation *o = begin_named(d, call, OPERATION_PROVIDERS, multihash, now);

        if (!o)
                return;
        o->max = max > 0 && max < FOUND_PROVIDERS_MAX ? max : FOUND_PROVIDERS_MAX;
        o->told = xnew_n(struct told_provider, FOUND_PROVIDERS_MAX);
        o->providers = map_new(rng_u64(&d->rng));
        o->request = request_of(KAD_GET_PROVIDERS, multihash);
        operation_add_providers(d, o);
        operation_begin(d, o, now);
}

void dht_cancel(struct dht *d, uint64_t call, nsec_t now) {
        d->now = now;
        LIST_FOREACH_SAFE (link, &d->operations) {
                struct operation *o = LIST_ENTRY(link, struct operation, link);

                if (o->call != call || call == 0)
                        continue;
                done(d, call, DHT_E_TIMED_OUT, "cancelled");
                operation_free(d, o);
        }
}

/* ---- The record side ---- */

bool dht_locate(struct dht *d, const struct key *key, dht_located_fn fn, void *userdata,
                nsec_t now) {
        struct operation *o = begin(d, 0, OPERATION_LOCATE, key, now);

        if (!o)
                return false;
        o->located = fn;
        o->userdata = userdata;
        operation_begin(d, o, now);
        return true;
}

static void on_told(struct dht *d, struct ask *a, const struct kad_message *answer,
                    const struct bytes *message, nsec_t now) {
        (void) d, (void) answer;
        if (a->told)
                a->told(a->owner, &a->contact.peer, message, now);
}

bool dht_tell(struct dht *d, const struct contact *to, struct bytes message, dht_told_fn fn,
              void *userdata, nsec_t now) {
        CLEANUP(refbuf_unrefp) struct refbuf *data = NULL;
        struct ask *a;

        d->now = now;
        if (message.len > KAD_MESSAGE_MAX || map_count(d->ask_ids) >= ASKS_MAX ||
            peer_is_denied(d, &to->key))
                return false;
        data = refbuf_new(message);
        a = ask_send(d, to, DHT_PROTOCOL_RECORD, data, fn != NULL);
        a->owner = userdata;
        a->told = fn;
        a->done = on_told;
        return true;
}

bool dht_put_again(struct dht *d, struct bytes name, struct bytes value, dht_stored_fn fn,
                   void *userdata, nsec_t now) {
        struct operation *o = begin_put(d, 0, name, value, now);

        if (!o)
                return false;
        o->stored = fn;
        o->userdata = userdata;
        return true;
}

bool dht_provide_again(struct dht *d, struct bytes multihash, dht_stored_fn fn, void *userdata,
                       nsec_t now) {
        struct operation *o;

        if (!d->own.addresses)
                return false;
        o = begin_named(d, 0, OPERATION_PROVIDE, multihash, now);
        if (!o)
                return false;
        o->stored = fn;
        o->userdata = userdata;
        operation_begin(d, o, now);
        return true;
}

uint64_t dht_sign(struct dht *d, struct bytes request) {
        dht_act(d, DHT_SIGN, ++d->last_id)->data = refbuf_new(request);
        return d->last_id;
}

static void on_signed(struct dht *d, uint64_t id, struct bytes statement, struct bytes signature,
                      nsec_t now) {
        d->now = now;
        if (d->rules && d->rules->on_signed)
                d->rules->on_signed(d->rules_userdata, id, statement, signature, now);
}

void dht_signed(struct dht *d, uint64_t id, struct bytes statement, struct bytes signature,
                nsec_t now) {
        on_signed(d, id, statement, signature, now);
}

void dht_sign_failed(struct dht *d, uint64_t id, nsec_t now) {
        on_signed(d, id, BYTES_NONE, BYTES_NONE, now);
}

bool dht_denies(const struct dht *d, const struct stored_record *r) {
        return serve_denies(d->denied, r);
}

bool dht_is_server(const struct dht *d) {
        return d->is_server;
}

bool dht_is_responsible(const struct dht *d, const struct key *key) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = table_closest(&d->table, key, NULL, near, d->config.k);

        return n < d->config.k || key_compare(key, &d->self_key, &near[n - 1]->contact.key) < 0;
}

void dht_around(const struct dht *d, const struct key *point, struct dht_around *ret) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = table_closest(&d->table, point, point, near, DHT_AROUND_MAX);

        for (size_t i = 0; i < n; i++)
                ret->prefixes[i] = key_prefix(&near[i]->contact.key);
        ret->prefixes[n] = key_prefix(&d->self_key);
        ret->n = n + 1;
}

size_t dht_rank_around(const struct dht_around *a, const struct key *key, const struct key *who) {
        uint64_t prefix = key_prefix(key), distance = key_prefix(who) ^ prefix;
        size_t rank = 0;

        for (size_t i = 0; i < a->n; i++)
                rank += (a->prefixes[i] ^ prefix) < distance;
        return rank;
}

int64_t dht_wall_us(const struct dht *d, nsec_t now) {
        return d->wall_offset_us + (int64_t) (now / NSEC_PER_USEC);
}

const struct store *dht_store(const struct dht *d) {
        return &d->store;
}

/* ---- Looking ---- */

struct subnet dht_subnet_of(const struct dht *d, const struct key *peer) {
        const struct neighbour *n = map_get(d->neighbours, key_bytes(peer));
        const struct table_entry *e = n ? NULL : table_find(&d->table, peer);

        return n ? subnet_counted(&n->endpoint) : e ? e->near : (struct subnet){};
}

size_t dht_closest_known(const struct dht *d, const struct key *key, struct contact *ret,
                         size_t max) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = table_closest(&d->table, key, NULL, near,
                                 max < TABLE_CLOSEST ? max : TABLE_CLOSEST);

        for (size_t i = 0; i < n; i++)
                ret[i] = contact_ref(&near[i]->contact);
        return n;
}
