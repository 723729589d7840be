#include "common/base/memory.h"
#include "tests/support/dhts.h"

/* A list: tests hold a few hundred values. States are kept as records of class -1. */
struct item {
        struct list link;
        struct stored_record record;
        struct stored_provider provider;
        struct refbuf *name, *value;
        enum { ITEM_RECORD, ITEM_PROVIDER, ITEM_STATE } type;
};

static struct list *items_of(struct record_store *s) {
        return (struct list *) s;
}

static void drop(struct item *i) {
        list_remove(&i->link);
        refbuf_unref(i->name);
        refbuf_unref(i->value);
        contact_done(&i->provider.contact);
        free(i);
}

void dhts_store_done(struct list *records) {
        LIST_FOREACH_SAFE (link, records)
                drop(LIST_ENTRY(link, struct item, link));
}

static int remove_slot(struct record_store *s, const struct key *key, const uint8_t slot[32]) {
        LIST_FOREACH_SAFE (link, items_of(s)) {
                struct item *i = LIST_ENTRY(link, struct item, link);

                if (i->type == ITEM_RECORD && key_equal(&i->record.key, key) &&
                    memcmp(i->record.slot, slot, 32) == 0)
                        drop(i);
        }
        return STORE_OK;
}

static struct item *add(struct record_store *s, struct bytes name, struct bytes value) {
        struct item *i = xnew(struct item);

        list_init(&i->link);
        i->name = refbuf_new(name);
        i->value = refbuf_new(value);
        list_push_back(items_of(s), &i->link);
        return i;
}

static int put(struct record_store *s, const struct stored_record *r) {
        struct item *i;

        (void) remove_slot(s, &r->key, r->slot);
        i = add(s, r->name, r->value);
        i->record = *r;
        i->record.name = refbuf_bytes(i->name);
        i->record.value = refbuf_bytes(i->value);
        return STORE_OK;
}

static int each(struct record_store *s, const struct key *key, store_record_fn fn, void *userdata) {
        LIST_FOREACH_SAFE (link, items_of(s)) {
                struct item *i = LIST_ENTRY(link, struct item, link);

                if (i->type == ITEM_RECORD && key_equal(&i->record.key, key) &&
                    !fn(userdata, &i->record))
                        break;
        }
        return STORE_OK;
}

static int provider_put(struct record_store *s, const struct stored_provider *p) {
        struct item *i = add(s, p->name, BYTES_NONE);

        i->type = ITEM_PROVIDER;
        i->provider = *p;
        i->provider.contact = contact_ref(&p->contact);
        i->provider.name = refbuf_bytes(i->name);
        return STORE_OK;
}

static int providers(struct record_store *s, const struct key *key, store_provider_fn fn,
                     void *userdata) {
        LIST_FOREACH_SAFE (link, items_of(s)) {
                struct item *i = LIST_ENTRY(link, struct item, link);

                if (i->type == ITEM_PROVIDER && key_equal(&i->provider.key, key) &&
                    !fn(userdata, &i->provider))
                        break;
        }
        return STORE_OK;
}

static size_t expire(struct record_store *s, int64_t now_us, size_t max) {
        size_t n = 0;

        LIST_FOREACH_SAFE (link, items_of(s)) {
                struct item *i = LIST_ENTRY(link, struct item, link);
                int64_t expires = i->type == ITEM_RECORD     ? i->record.expires_us
                                  : i->type == ITEM_PROVIDER ? i->provider.expires_us
                                                             : INT64_MAX;

                if (expires <= now_us && n++ < max)
                        drop(i);
        }
        return n;
}

static void counts(struct record_store *s, struct store_counts *ret) {
        *ret = (struct store_counts){};
        LIST_FOREACH (link, items_of(s)) {
                const struct item *i = LIST_ENTRY(link, struct item, link);

                ret->records += i->type == ITEM_RECORD;
                ret->providers += i->type == ITEM_PROVIDER;
                ret->bytes += i->value->len;
        }
}

static struct item *state_find(struct record_store *s, const char *name) {
        LIST_FOREACH (link, items_of(s)) {
                struct item *i = LIST_ENTRY(link, struct item, link);

                if (i->type == ITEM_STATE && bytes_equal(refbuf_bytes(i->name), BYTES_STR(name)))
                        return i;
        }
        return NULL;
}

static int state_put(struct record_store *s, const char *name, struct bytes value) {
        struct item *i = state_find(s, name);

        if (i)
                drop(i);
        add(s, BYTES_STR(name), value)->type = ITEM_STATE;
        return STORE_OK;
}

static int state_get(struct record_store *s, const char *name, struct refbuf **ret) {
        struct item *i = state_find(s, name);

        if (!i)
                return STORE_E_NONE;
        *ret = refbuf_ref(i->value);
        return STORE_OK;
}

static const struct store_ops ops = { .put = put,
                                      .remove = remove_slot,
                                      .each = each,
                                      .provider_put = provider_put,
                                      .providers = providers,
                                      .expire = expire,
                                      .counts = counts,
                                      .state_put = state_put,
                                      .state_get = state_get };

struct store dhts_store(struct dhts_node *node) {
        return (struct store){ &ops, (struct record_store *) &node->store };
}

/* ---- Rules ---- */

static const char *validate(void *userdata, struct bytes name, struct bytes value, int64_t now_us,
                            struct stored_record *ret) {
        (void) userdata;
        if (name.len < 4 || memcmp(name.data, "/t/", 3) != 0)
                return "no such namespace";
        if (value.len < 8)
                return "a value begins with its sequence number";
        *ret = (struct stored_record){ .name = name,
                                       .value = value,
                                       .key = key_of(name),
                                       .sequence = load_be64(value.data),
                                       .expires_us = now_us + INT64_C(48) * 3600 * 1000000 };
        return NULL;
}

static bool is_kad(void *userdata, const struct stored_record *r) {
        (void) userdata, (void) r;
        return true;
}

static int choose(void *userdata, struct bytes name, struct bytes a, struct bytes b) {
        uint64_t x = load_be64(a.data), y = load_be64(b.data);

        (void) userdata, (void) name;
        return x == y ? bytes_compare(a, b) : x > y ? -1 : 1;
}

static const char *admit(void *userdata, const struct store *store, const struct stored_record *r) {
        (void) userdata, (void) store, (void) r;
        return NULL;
}

static const char *admit_provider(void *userdata, const struct store *store,
                                  const struct stored_provider *p) {
        (void) userdata, (void) store, (void) p;
        return NULL;
}

const struct record_rules dhts_rules = { .validate = validate,
                                         .is_kad = is_kad,
                                         .select = choose,
                                         .admit = admit,
                                         .admit_provider = admit_provider };
