#include "services/dht/store_rows.h"

#include <stdio.h>
#include <string.h>

#include "services/dht/store_order.h"

#define COLUMNS \
        "key, slot, kind, class, name, value, sequence, publisher, subnet, received, expires"
#define PROVIDER_COLUMNS "key, id, peer, name, addresses, class, received, expires, subnet"

const char *const store_rows_statements[_STATEMENT_N] = {
        [BEGIN] = "BEGIN IMMEDIATE",
        [COMMIT] = "COMMIT",
        [ROLLBACK] = "ROLLBACK",
        [PUT] = "INSERT INTO record(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
                " ?11) ON CONFLICT(key, slot) DO UPDATE SET kind = ?3, class = max(class, ?4),"
                " name = ?5, value = ?6, sequence = ?7, publisher = ?8, subnet = ?9,"
                " received = ?10, expires = ?11",
        [REMOVE] = "DELETE FROM record WHERE key = ?1 AND slot = ?2",
        [ONE] = "SELECT " COLUMNS " FROM record WHERE key = ?1 AND slot = ?2",
        [EACH] = "SELECT " COLUMNS " FROM record WHERE key = ?1 ORDER BY slot",
        [WALK] = "SELECT " COLUMNS " FROM record WHERE key > ?1 ORDER BY key, slot",
        [HEADS] = "SELECT key, slot, kind, sequence, publisher, expires FROM record INDEXED BY"
                  " record_head WHERE key > ?1 ORDER BY key, slot",
        [RECORD_HEAD] = "SELECT class, publisher, subnet, length(name) + length(value) FROM record"
                        " WHERE key = ?1 AND slot = ?2",
        [COUNT] = "SELECT n FROM counter WHERE scope = ?1 AND id = ?2",
        [COUNT_UP] = "INSERT INTO counter(scope, id, n) VALUES(?1, ?2, ?3)"
                     " ON CONFLICT(scope, id) DO UPDATE SET n = n + ?3",
        [COUNT_DROP] = "DELETE FROM counter WHERE scope = ?1 AND id = ?2 AND n = 0",
        [PROVIDER_PUT] = "INSERT INTO provider(" PROVIDER_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
                         " ?7, ?8, ?9) ON CONFLICT(key, id) DO UPDATE SET name = ?4,"
                         " addresses = ?5, class = max(class, ?6), received = ?7, expires = ?8,"
                         " subnet = ?9",
        [PROVIDER_HEAD] = "SELECT subnet FROM provider WHERE key = ?1 AND id = ?2",
        [PROVIDERS] = "SELECT " PROVIDER_COLUMNS " FROM provider WHERE key = ?1 ORDER BY id",
        [PROVIDER_REMOVE] = "DELETE FROM provider WHERE key = ?1 AND id = ?2",
        [OWN] = "SELECT " COLUMNS " FROM record WHERE class = 1 ORDER BY key, slot",
        [OWN_PROVIDERS] = "SELECT " PROVIDER_COLUMNS " FROM provider WHERE class = 1",
        [EXPIRED_RECORD] = "SELECT key, slot FROM record WHERE class = 0 AND expires <= ?1"
                           " ORDER BY expires LIMIT 1",
        [EXPIRED_PROVIDER] = "SELECT key, id, peer FROM provider WHERE class = 0 AND"
                             " expires <= ?1"
                             " ORDER BY expires LIMIT 1",
        [STATE_PUT] = "INSERT INTO state(name, value) VALUES(?1, ?2)"
                      " ON CONFLICT(name) DO UPDATE SET value = ?2",
        [STATE_GET] = "SELECT value FROM state WHERE name = ?1",
};

/* Scopes of `counter`; numbers are in the file. */
enum scope { TOTAL = 0, BY_KEY = 1, BY_PUBLISHER = 2, BY_SUBNET = 3, BY_PROVIDER = 4 };
#define TOTAL_RECORDS   BYTES_LIT("records")
#define TOTAL_BYTES     BYTES_LIT("bytes")
#define TOTAL_PROVIDERS BYTES_LIT("providers")

/* ---- statements ---- */

static int failed(struct record_store *s) {
        snprintf(s->error, sizeof(s->error), "%s", sqlite3_errmsg(s->db));
        s->is_failed = true;
        return STORE_E_FAILED;
}

static void bind_bytes(sqlite3_stmt *st, int at, struct bytes v) {
        sqlite3_bind_blob64(st, at, v.len ? (const void *) v.data : "", v.len, SQLITE_STATIC);
}

static struct bytes column(sqlite3_stmt *st, int at) {
        const void *data = sqlite3_column_blob(st, at);

        return BYTES(data, (size_t) sqlite3_column_bytes(st, at));
}

static bool column_copy(sqlite3_stmt *st, int at, void *ret, size_t n) {
        struct bytes v = column(st, at);

        if (v.len != n)
                return false;
        memcpy(ret, v.data, n);
        return true;
}

static void rest(sqlite3_stmt *st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
}

/* Steps a statement that gives no rows. */
static int run(struct record_store *s, enum statement_index which) {
        int r = sqlite3_step(s->statement[which]);

        rest(s->statement[which]);
        return r == SQLITE_DONE ? STORE_OK : failed(s);
}

/* Before the first write of a transaction. */
static int begin(struct record_store *s) {
        if (s->is_failed)
                return STORE_E_FAILED;
        if (s->is_dirty)
                return STORE_OK;
        s->is_dirty = true;
        return run(s, BEGIN);
}

/* ---- counts ---- */

static uint64_t get_count(struct record_store *s, enum scope scope, struct bytes id) {
        sqlite3_stmt *st = s->statement[COUNT];
        uint64_t n = 0;

        sqlite3_bind_int(st, 1, scope);
        bind_bytes(st, 2, id);
        if (sqlite3_step(st) == SQLITE_ROW)
                n = (uint64_t) sqlite3_column_int64(st, 0);
        rest(st);
        return n;
}

static int count(struct record_store *s, enum scope scope, struct bytes id, int64_t by) {
        sqlite3_stmt *st = s->statement[COUNT_UP];
        int r;

        sqlite3_bind_int(st, 1, scope);
        bind_bytes(st, 2, id);
        sqlite3_bind_int64(st, 3, by);
        r = run(s, COUNT_UP);
        if (r || by > 0)
                return r;
        sqlite3_bind_int(s->statement[COUNT_DROP], 1, scope);
        bind_bytes(s->statement[COUNT_DROP], 2, id);
        return run(s, COUNT_DROP);
}

/* What of a record is counted. */
struct head {
        struct key key;
        enum store_class class;
        uint8_t publisher[32];
        struct subnet subnet;
        int64_t bytes;
};

static int count_in_subnet(struct record_store *s, const struct subnet *subnet, int64_t by) {
        struct subnet wide = store_subnet_wide(subnet);
        int e = subnet->family ? count(s, BY_SUBNET, BYTES(subnet, sizeof(*subnet)), by) : STORE_OK;

        if (!e && subnet->family && !subnet_equal(&wide, subnet))
                e = count(s, BY_SUBNET, BYTES(&wide, sizeof(wide)), by);
        return e;
}

static int count_record(struct record_store *s, const struct head *h, int64_t by) {
        static const uint8_t nobody[32];
        int e = count(s, TOTAL, TOTAL_RECORDS, by);

        if (!e)
                e = count(s, TOTAL, TOTAL_BYTES, by * h->bytes);
        if (!e)
                e = count(s, BY_KEY, key_bytes(&h->key), by);
        if (!e && memcmp(h->publisher, nobody, sizeof(nobody)) != 0)
                e = count(s, BY_PUBLISHER, BYTES_OF(h->publisher), by);
        return e ? e : count_in_subnet(s, &h->subnet, by);
}

static uint64_t sqlite_count_key(struct record_store *s, const struct key *key) {
        return get_count(s, BY_KEY, key_bytes(key));
}

static uint64_t sqlite_count_publisher(struct record_store *s, const uint8_t publisher[32]) {
        return get_count(s, BY_PUBLISHER, BYTES(publisher, 32));
}

static uint64_t sqlite_count_subnet(struct record_store *s, const struct subnet *subnet) {
        return get_count(s, BY_SUBNET, BYTES(subnet, sizeof(*subnet)));
}

static uint64_t sqlite_count_provider(struct record_store *s, const struct peer_id *peer) {
        return get_count(s, BY_PROVIDER, peer_id_bytes(peer));
}

static void sqlite_counts(struct record_store *s, struct store_counts *ret) {
        ret->records = get_count(s, TOTAL, TOTAL_RECORDS);
        ret->bytes = get_count(s, TOTAL, TOTAL_BYTES);
        ret->providers = get_count(s, TOTAL, TOTAL_PROVIDERS);
}

/* ---- records ---- */

static void bind_id(sqlite3_stmt *st, const struct key *key, const uint8_t slot[32]) {
        bind_bytes(st, 1, key_bytes(key));
        bind_bytes(st, 2, BYTES(slot, 32));
}

/* STORE_OK, STORE_E_NONE or STORE_E_FAILED. */
static int read_head(struct record_store *s, const struct key *key, const uint8_t slot[32],
                     struct head *ret) {
        sqlite3_stmt *st = s->statement[RECORD_HEAD];
        bool good;
        int r;

        bind_id(st, key, slot);
        r = sqlite3_step(st);
        if (r != SQLITE_ROW) {
                rest(st);
                return r == SQLITE_DONE ? STORE_E_NONE : failed(s);
        }
        *ret = (struct head){ .key = *key, .class = (enum store_class) sqlite3_column_int(st, 0) };
        good = column_copy(st, 1, ret->publisher, sizeof(ret->publisher)) &&
               column_copy(st, 2, &ret->subnet, sizeof(ret->subnet));
        ret->bytes = sqlite3_column_int64(st, 3);
        rest(st);
        return good ? STORE_OK : failed(s);
}

static bool has_room(struct record_store *s, const struct head *in, const struct head *old) {
        struct store_counts counts;
        uint64_t gone = old ? (uint64_t) old->bytes : 0;

        if (in->class == STORE_OWN || (old && old->class == STORE_OWN))
                return true;
        sqlite_counts(s, &counts);
        return counts.records - !!old < s->limits.records &&
               counts.bytes - gone + (uint64_t) in->bytes <= s->limits.bytes;
}

static int write_record(struct record_store *s, const struct stored_record *r) {
        sqlite3_stmt *st = s->statement[PUT];

        bind_id(st, &r->key, r->slot);
        sqlite3_bind_int(st, 3, r->kind);
        sqlite3_bind_int(st, 4, r->class);
        bind_bytes(st, 5, r->name);
        bind_bytes(st, 6, r->value);
        sqlite3_bind_int64(st, 7, (int64_t) r->sequence);
        bind_bytes(st, 8, BYTES_OF(r->publisher));
        bind_bytes(st, 9, BYTES(&r->subnet, sizeof(r->subnet)));
        sqlite3_bind_int64(st, 10, r->received_us);
        sqlite3_bind_int64(st, 11, r->expires_us);
        return run(s, PUT);
}

static int sqlite_put(struct record_store *s, const struct stored_record *r) {
        struct head in = { .key = r->key,
                           .class = r->class,
                           .subnet = r->subnet,
                           .bytes = (int64_t) (r->name.len + r->value.len) };
        struct head old;
        int e = read_head(s, &r->key, r->slot, &old), has_old = e == STORE_OK;

        memcpy(in.publisher, r->publisher, sizeof(in.publisher));
        if (e == STORE_E_FAILED)
                return e;
        if (!has_room(s, &in, has_old ? &old : NULL))
                return STORE_E_FULL;
        e = begin(s);
        if (!e && has_old)
                e = count_record(s, &old, -1);
        if (!e)
                e = write_record(s, r);
        return e ? e : count_record(s, &in, 1);
}

static int sqlite_remove(struct record_store *s, const struct key *key, const uint8_t slot[32]) {
        struct head old;
        int e = read_head(s, key, slot, &old);

        if (!e)
                e = begin(s);
        if (e)
                return e;
        bind_id(s->statement[REMOVE], key, slot);
        e = run(s, REMOVE);
        return e ? e : count_record(s, &old, -1);
}

static bool read_record(sqlite3_stmt *st, struct stored_record *ret) {
        *ret = (struct stored_record){ .kind = (uint8_t) sqlite3_column_int(st, 2),
                                       .class = (enum store_class) sqlite3_column_int(st, 3),
                                       .name = column(st, 4),
                                       .value = column(st, 5),
                                       .sequence = (uint64_t) sqlite3_column_int64(st, 6),
                                       .received_us = sqlite3_column_int64(st, 9),
                                       .expires_us = sqlite3_column_int64(st, 10) };
        return column_copy(st, 0, ret->key.bytes, KEY_SIZE) &&
               column_copy(st, 1, ret->slot, sizeof(ret->slot)) &&
               column_copy(st, 7, ret->publisher, sizeof(ret->publisher)) &&
               column_copy(st, 8, &ret->subnet, sizeof(ret->subnet));
}

/* Shows the rows of a bound statement; with `max` it ends between two keys. */
static int show(struct record_store *s, sqlite3_stmt *st, size_t max, store_record_fn fn,
                void *userdata, size_t *ret_n) {
        struct stored_record record;
        struct key last = {};
        bool good = true;
        int r;

        *ret_n = 0;
        while ((r = sqlite3_step(st)) == SQLITE_ROW) {
                good = read_record(st, &record);
                if (!good || (*ret_n >= max && !key_equal(&record.key, &last)))
                        break;
                last = record.key;
                (*ret_n)++;
                if (!fn(userdata, &record))
                        break;
        }
        good = good && (r == SQLITE_ROW || r == SQLITE_DONE);
        rest(st);
        return good ? STORE_OK : failed(s);
}

static int sqlite_one(struct record_store *s, const struct key *key, const uint8_t slot[32],
                      store_record_fn fn, void *userdata) {
        size_t n;
        int r;

        bind_id(s->statement[ONE], key, slot);
        r = show(s, s->statement[ONE], 1, fn, userdata, &n);
        return r == STORE_OK && n == 0 ? STORE_E_NONE : r;
}

static int sqlite_own(struct record_store *s, store_record_fn fn, void *userdata) {
        size_t n;

        return show(s, s->statement[OWN], SIZE_MAX, fn, userdata, &n);
}

static int sqlite_each(struct record_store *s, const struct key *key, store_record_fn fn,
                       void *userdata) {
        size_t n;
        int r;

        bind_bytes(s->statement[EACH], 1, key_bytes(key));
        r = show(s, s->statement[EACH], SIZE_MAX, fn, userdata, &n);
        return r == STORE_OK && n == 0 ? STORE_E_NONE : r;
}

static int sqlite_walk(struct record_store *s, const struct key *after, size_t max,
                       store_record_fn fn, void *userdata) {
        size_t n;

        bind_bytes(s->statement[WALK], 1, after ? key_bytes(after) : BYTES_NONE);
        return show(s, s->statement[WALK], max, fn, userdata, &n);
}

static bool read_head_row(sqlite3_stmt *st, struct stored_record *ret) {
        *ret = (struct stored_record){ .kind = (uint8_t) sqlite3_column_int(st, 2),
                                       .sequence = (uint64_t) sqlite3_column_int64(st, 3),
                                       .expires_us = sqlite3_column_int64(st, 5) };
        return column_copy(st, 0, ret->key.bytes, KEY_SIZE) &&
               column_copy(st, 1, ret->slot, sizeof(ret->slot)) &&
               column_copy(st, 4, ret->publisher, sizeof(ret->publisher));
}

static int sqlite_heads(struct record_store *s, const struct key *after, store_record_fn fn,
                        void *userdata) {
        sqlite3_stmt *st = s->statement[HEADS];
        struct stored_record record;
        bool good = true;
        int r;

        bind_bytes(st, 1, after ? key_bytes(after) : BYTES_NONE);
        while ((r = sqlite3_step(st)) == SQLITE_ROW) {
                good = read_head_row(st, &record);
                if (!good || !fn(userdata, &record))
                        break;
        }
        good = good && (r == SQLITE_ROW || r == SQLITE_DONE);
        rest(st);
        return good ? STORE_OK : failed(s);
}

/* ---- providers ---- */

/* Where it was seen. STORE_OK, STORE_E_NONE or STORE_E_FAILED. */
static int provider_head(struct record_store *s, const struct key *key, const uint8_t id[32],
                         struct subnet *ret) {
        sqlite3_stmt *st = s->statement[PROVIDER_HEAD];
        bool good;
        int r;

        bind_id(st, key, id);
        r = sqlite3_step(st);
        good = r == SQLITE_ROW ? column_copy(st, 0, ret, sizeof(*ret)) : r == SQLITE_DONE;
        rest(st);
        if (!good)
                return failed(s);
        return r == SQLITE_ROW ? STORE_OK : STORE_E_NONE;
}

static int count_provider(struct record_store *s, const struct peer_id *peer,
                          const struct subnet *subnet, int64_t by) {
        int e = count(s, TOTAL, TOTAL_PROVIDERS, by);

        if (!e)
                e = count(s, BY_PROVIDER, peer_id_bytes(peer), by);
        return e ? e : count_in_subnet(s, subnet, by);
}

static int write_provider(struct record_store *s, const struct stored_provider *p) {
        sqlite3_stmt *st = s->statement[PROVIDER_PUT];

        bind_id(st, &p->key, p->contact.key.bytes);
        bind_bytes(st, 3, peer_id_bytes(&p->contact.peer));
        bind_bytes(st, 4, p->name);
        bind_bytes(st, 5, p->contact.addresses ? refbuf_bytes(p->contact.addresses) : BYTES_NONE);
        sqlite3_bind_int(st, 6, p->class);
        sqlite3_bind_int64(st, 7, p->received_us);
        sqlite3_bind_int64(st, 8, p->expires_us);
        bind_bytes(st, 9, BYTES(&p->subnet, sizeof(p->subnet)));
        return run(s, PROVIDER_PUT);
}

static int sqlite_provider_put(struct record_store *s, const struct stored_provider *p) {
        struct subnet old;
        int e = provider_head(s, &p->key, p->contact.key.bytes, &old), is_new = e == STORE_E_NONE;

        if (e == STORE_E_FAILED)
                return e;
        if (is_new && p->class != STORE_OWN &&
            get_count(s, TOTAL, TOTAL_PROVIDERS) >= s->limits.providers)
                return STORE_E_FULL;
        e = begin(s);
        if (!e && !is_new)
                e = count_provider(s, &p->contact.peer, &old, -1);
        if (!e)
                e = write_provider(s, p);
        return e ? e : count_provider(s, &p->contact.peer, &p->subnet, 1);
}

static bool read_provider(sqlite3_stmt *st, struct stored_provider *ret) {
        struct bytes addresses = column(st, 4);

        ret->name = column(st, 3);
        ret->class = (enum store_class) sqlite3_column_int(st, 5);
        ret->received_us = sqlite3_column_int64(st, 6);
        ret->expires_us = sqlite3_column_int64(st, 7);
        if (!column_copy(st, 0, ret->key.bytes, KEY_SIZE) ||
            !column_copy(st, 1, ret->contact.key.bytes, KEY_SIZE) ||
            !column_copy(st, 8, &ret->subnet, sizeof(ret->subnet)) ||
            !peer_id_parse(column(st, 2), &ret->contact.peer))
                return false;
        ret->contact.addresses = addresses.len ? refbuf_new(addresses) : NULL;
        return true;
}

static int show_providers(struct record_store *s, sqlite3_stmt *st, store_provider_fn fn,
                          void *userdata, size_t *ret_n) {
        bool good = true, go_on = true;
        int r = SQLITE_ROW;

        for (*ret_n = 0; good && go_on && (r = sqlite3_step(st)) == SQLITE_ROW; (*ret_n)++) {
                struct stored_provider p = {};

                good = read_provider(st, &p);
                if (good)
                        go_on = fn(userdata, &p);
                contact_done(&p.contact);
        }
        rest(st);
        return good && (r == SQLITE_ROW || r == SQLITE_DONE) ? STORE_OK : failed(s);
}

static int sqlite_providers(struct record_store *s, const struct key *key, store_provider_fn fn,
                            void *userdata) {
        size_t n;
        int r;

        bind_bytes(s->statement[PROVIDERS], 1, key_bytes(key));
        r = show_providers(s, s->statement[PROVIDERS], fn, userdata, &n);
        return r == STORE_OK && n == 0 ? STORE_E_NONE : r;
}

static int sqlite_own_providers(struct record_store *s, store_provider_fn fn, void *userdata) {
        size_t n;

        return show_providers(s, s->statement[OWN_PROVIDERS], fn, userdata, &n);
}

/* ---- what expires ---- */

/* The next one due: its ids to ret. STORE_OK, STORE_E_NONE, STORE_E_FAILED. */
static int next_due(struct record_store *s, enum statement_index which, int64_t now_us,
                    struct key *ret_key, uint8_t ret_id[32], struct peer_id *ret_peer) {
        sqlite3_stmt *st = s->statement[which];
        bool good;
        int r;

        sqlite3_bind_int64(st, 1, now_us);
        r = sqlite3_step(st);
        if (r != SQLITE_ROW) {
                rest(st);
                return r == SQLITE_DONE ? STORE_E_NONE : failed(s);
        }
        good = column_copy(st, 0, ret_key->bytes, KEY_SIZE) && column_copy(st, 1, ret_id, 32) &&
               (!ret_peer || peer_id_parse(column(st, 2), ret_peer));
        rest(st);
        return good ? STORE_OK : failed(s);
}

static int remove_provider(struct record_store *s, const struct key *key, const uint8_t id[32],
                           const struct peer_id *peer) {
        struct subnet subnet;
        int e = provider_head(s, key, id, &subnet);

        if (!e)
                e = begin(s);
        if (e)
                return e;
        bind_id(s->statement[PROVIDER_REMOVE], key, id);
        e = run(s, PROVIDER_REMOVE);
        return e ? e : count_provider(s, peer, &subnet, -1);
}

static int sqlite_provider_remove(struct record_store *s, const struct key *key,
                                  const struct peer_id *peer) {
        struct key id = key_of_peer(peer);

        return remove_provider(s, key, id.bytes, peer);
}

static size_t sqlite_expire(struct record_store *s, int64_t now_us, size_t max) {
        struct peer_id peer;
        struct key key;
        uint8_t id[32];
        size_t n = 0;

        while (n < max && !next_due(s, EXPIRED_RECORD, now_us, &key, id, NULL) &&
               !sqlite_remove(s, &key, id))
                n++;
        while (n < max && !next_due(s, EXPIRED_PROVIDER, now_us, &key, id, &peer) &&
               !remove_provider(s, &key, id, &peer))
                n++;
        return n;
}

/* ---- state ---- */

static int sqlite_state_put(struct record_store *s, const char *name, struct bytes value) {
        int e = begin(s);

        if (e)
                return e;
        sqlite3_bind_text(s->statement[STATE_PUT], 1, name, -1, SQLITE_STATIC);
        bind_bytes(s->statement[STATE_PUT], 2, value);
        return run(s, STATE_PUT);
}

static int sqlite_state_get(struct record_store *s, const char *name, struct refbuf **ret) {
        sqlite3_stmt *st = s->statement[STATE_GET];
        int r;

        sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
        r = sqlite3_step(st);
        if (r == SQLITE_ROW)
                *ret = refbuf_new(column(st, 0));
        rest(st);
        if (r == SQLITE_ROW)
                return STORE_OK;
        return r == SQLITE_DONE ? STORE_E_NONE : failed(s);
}

const struct store_ops store_rows_ops = {
        .put = sqlite_put,
        .remove = sqlite_remove,
        .one = sqlite_one,
        .each = sqlite_each,
        .walk = sqlite_walk,
        .heads = sqlite_heads,
        .own = sqlite_own,
        .own_providers = sqlite_own_providers,
        .count_key = sqlite_count_key,
        .count_publisher = sqlite_count_publisher,
        .count_subnet = sqlite_count_subnet,
        .provider_put = sqlite_provider_put,
        .provider_remove = sqlite_provider_remove,
        .providers = sqlite_providers,
        .count_provider = sqlite_count_provider,
        .expire = sqlite_expire,
        .counts = sqlite_counts,
        .state_put = sqlite_state_put,
        .state_get = sqlite_state_get,
};
