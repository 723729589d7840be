#include "services/dht/inherit.h"

#include "common/base/memory.h"
#include "common/canonical/keychange.h"
#include "services/dht/keeper_internal.h"

#define BATCH_MAX 16 /* keyring signs 4 records a second for long */

struct old_record {
        struct key key;
        uint8_t slot[32];
        struct refbuf *value;
};

struct batch {
        const struct keeper *keeper;
        struct old_record list[BATCH_MAX];
        size_t n;
};

static bool gather(void *userdata, const struct stored_record *r) {
        struct batch *b = userdata;
        struct record_parts parts;
        struct old_record *o;

        if (record_split(r->value, &parts) != RECORD_OK ||
            peer_id_equal(&parts.fields.publisher, &b->keeper->self))
                return true;
        o = &b->list[b->n++];
        o->key = r->key;
        memcpy(o->slot, r->slot, sizeof(o->slot));
        o->value = refbuf_new(r->value);
        return b->n < BATCH_MAX;
}

/* ---- is it us, under another key? ---- */

struct succession {
        const struct peer_id *self;
        bool is_ours;
};

static bool see_rotation(void *userdata, const struct stored_record *r) {
        struct succession *s = userdata;
        struct keychange_parts parts;

        s->is_ours = r->class == STORE_OWN && keychange_split(r->value, &parts) == KEYCHANGE_OK &&
                     peer_id_equal(&parts.fields.successor, s->self);
        return false;
}

static bool was_ours(const struct keeper *k, const struct peer_id *old) {
        struct succession s = { .self = &k->self };
        const struct store *store = dht_store(k->dht);
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        static const uint8_t only[32];
        struct key key;

        if (!record_name_put(&name, RECORD_ROTATION, old, BYTES_NONE))
                return false;
        key = key_of(buffer_bytes(&name));
        (void) store->ops->one(store->self, &key, only, see_rotation, &s);
        return s.is_ours;
}

/* ---- carrying over ---- */

struct carried {
        struct keeper *keeper;
        struct old_record old;
};

static void remove_old(struct keeper *k, const struct old_record *o) {
        const struct store *store = dht_store(k->dht);

        (void) store->ops->remove(store->self, &o->key, o->slot);
}

/* The old one goes once the new one is kept; what failed is tried again. */
static void on_carried(void *userdata, const struct keeper_result *r, nsec_t now) {
        CLEANUP(freep) struct carried *c = userdata;

        c->keeper->n_carrying--;
        if (r->code == KEEPER_OK || r->code == KEEPER_E_NOBODY || r->code == KEEPER_E_INVALID)
                remove_old(c->keeper, &c->old);
}

static void carry(struct keeper *k, const struct old_record *o, const struct record_statement *s,
                  nsec_t now) {
        struct keeper_record record = { s->kind, s->label, s->payload, s->ttl_s };
        struct carried *c = xnew(struct carried);

        c->keeper = k;
        c->old = *o;
        c->old.value = NULL;
        k->n_carrying++;
        keeper_put(k, &record, &(struct keeper_call){ .done = on_carried, .userdata = c }, now);
}

static void take(struct keeper *k, const struct old_record *o, struct inherited *ret, nsec_t now) {
        struct record_parts parts;

        (void) record_split(refbuf_bytes(o->value), &parts);
        ret->from = parts.fields.publisher;
        ret->is_predecessor = was_ours(k, &ret->from);
        if (ret->is_predecessor &&
            (parts.fields.kind == RECORD_NAME || parts.fields.kind == RECORD_TOPIC)) {
                ret->n_carried++;
                carry(k, o, &parts.fields, now);
        } else {
                ret->n_dropped++;
                remove_old(k, o);
        }
}

void keeper_inherit(struct keeper *k, struct inherited *ret, nsec_t now) {
        const struct store *store = dht_store(k->dht);
        struct batch b = { .keeper = k };

        *ret = (struct inherited){};
        if (!store->ops || k->n_carrying > 0)
                return;
        (void) store->ops->own(store->self, gather, &b);
        for (size_t i = 0; i < b.n; i++) {
                take(k, &b.list[i], ret, now);
                refbuf_unref(b.list[i].value);
        }
}
