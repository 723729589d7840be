/* Reading what many may write: topics, mailboxes, receipts. */

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/memory.h"
#include "services/dht/keeper_internal.h"

#define VALUES_MAX 1024 /* of one call */

static bool copy_tombstone(void *userdata, const struct stored_record *r) {
        if (r->kind == RECORD_TOMBSTONE)
                *(struct refbuf **) userdata = refbuf_new(r->value);
        return false;
}

/* We have read that letter: the tombstone is for who still shows it. */
static bool is_read(struct pending *p, const struct stored_record *r) {
        const struct store *store = dht_store(p->keeper->dht);
        struct refbuf *tombstone = NULL;

        if (store->ops)
                (void) store->ops->one(store->self, &r->key, r->slot, copy_tombstone, &tombstone);
        if (!tombstone)
                return false;
        refbuf_unref(p->tombstone);
        p->tombstone = tombstone;
        return true;
}

struct found *found_free(struct found *f) {
        if (!f)
                return NULL;
        refbuf_unref(f->value);
        free(f);
        return NULL;
}

static void take_over(struct pending *p, const uint8_t slot[32], const struct found *value) {
        struct found *f = xnew(struct found), *before;

        *f = *value;
        before = map_set(p->values, BYTES(slot, 32), f);
        if (before)
                givers_count(p->givers, before->group, false);
        givers_count(p->givers, f->group, true);
        found_free(before);
}

/* Of that group the one that the fewest nodes name. */
static void give_up(struct pending *p, size_t group) {
        struct found *fewest = NULL;
        uint8_t slot[32];
        size_t cursor = 0;
        struct bytes key;
        void *at;

        while (map_next(p->values, &cursor, &key, &at)) {
                struct found *f = at;

                if (f->group != group || (fewest && f->n_copies >= fewest->n_copies))
                        continue;
                fewest = f;
                memcpy(slot, key.data, sizeof(slot));
        }
        if (!fewest)
                return;
        (void) map_remove(p->values, BYTES_OF(slot));
        givers_count(p->givers, group, false);
        found_free(fewest);
}

static bool has_place(struct pending *p, size_t group) {
        size_t loser;

        if (map_count(p->values) < VALUES_MAX)
                return true;
        loser = group == GIVER_SELF ? GIVER_SELF : givers_loser(p->givers, group);
        if (loser == GIVER_SELF)
                return false;
        give_up(p, loser);
        return true;
}

/* The same value once more. */
static void count_copy(struct pending *p, struct found *held, size_t group) {
        if (group == GIVER_SELF)
                return;
        held->n_copies++;
        if (!givers_moves(p->givers, held->group, group))
                return;
        givers_count(p->givers, held->group, false);
        givers_count(p->givers, group, true);
        held->group = group;
}

/* Takes a value over if it is new or better; false: it is not one. `group`: of who gave it. */
static bool take_value(struct pending *p, struct bytes value, size_t group, nsec_t now) {
        struct keeper *k = p->keeper;
        struct bytes name = refbuf_bytes(p->name);
        struct stored_record r;
        struct found *held;

        if (rules_validate(k->rules, name, value, dht_wall_us(k->dht, now), &r))
                return false;
        if (dht_denies(k->dht, &r) || (r.kind == RECORD_MAILBOX && is_read(p, &r)))
                return true;
        held = map_get(p->values, BYTES_OF(r.slot));
        if (held && bytes_equal(refbuf_bytes(held->value), value))
                count_copy(p, held, group);
        else if (held ? rules_select(name, refbuf_bytes(held->value), value) > 0
                      : has_place(p, group))
                take_over(p, r.slot,
                          &(struct found){ refbuf_new(value), group != GIVER_SELF, group });
        return true;
}

/* The clock of the call: what is read was asked for a moment ago. */
struct reading {
        struct pending *pending;
        nsec_t now;
};

static bool take_own(void *userdata, const struct stored_record *r) {
        struct reading *reading = userdata;

        if (r->kind != RECORD_TOMBSTONE)
                (void) take_value(reading->pending, r->value, GIVER_SELF, reading->now);
        return true;
}

/* One node may name a value on several of its pages: never more copies than nodes. */
static void show_all(struct pending *p, const struct errand_sum *sum, nsec_t now) {
        size_t cursor = 0;
        struct stored_record r;
        struct bytes slot;
        void *at;

        while (map_next(p->values, &cursor, &slot, &at)) {
                const struct found *f = at;

                if (!rules_validate(p->keeper->rules, refbuf_bytes(p->name), refbuf_bytes(f->value),
                                    dht_wall_us(p->keeper->dht, now), &r) &&
                    !dht_denies(p->keeper->dht, &r))
                        p->call.found(p->call.userdata, &r,
                                      f->n_copies < sum->n_answered ? f->n_copies
                                                                    : sum->n_answered);
        }
}

static void on_read(void *userdata, const struct errand_sum *sum, nsec_t now) {
        struct pending *p = userdata;
        bool is_there = map_count(p->values) > 0 || sum->n_answered > 0;

        show_all(p, sum, now);
        keeper_end(p, is_there ? KEEPER_OK : KEEPER_E_NOBODY, NULL, sum, now);
}

/* One bad value, or more than a holder can have, and no more is read of that node: to check costs
 * us. */
static bool take_page(struct pending *p, const struct contact *node, const Record__Reply *reply) {
        struct subnet subnet = dht_subnet_of(p->keeper->dht, &node->key);
        size_t giver = givers_find(p->givers, &node->key, &subnet);
        size_t group = givers_group(p->givers, giver);

        for (size_t i = 0; i < reply->n_values; i++)
                if (!givers_give(p->givers, giver) ||
                    !take_value(p, record_bytes(reply->values[i]), group, p->began))
                        return false;
        return reply->next.len > 0 && reply->n_values > 0;
}

static struct refbuf *heard_find(void *userdata, const struct contact *node,
                                 const Record__Reply *reply) {
        CLEANUP(buffer_donep) struct buffer next = {};
        struct pending *p = userdata;

        if (!take_page(p, node, reply))
                return NULL;
        buffer_init(&next, RECORD_MESSAGE_MAX);
        record_put_find(&next, refbuf_bytes(p->name), record_bytes(reply->next), 0);
        return refbuf_new(buffer_bytes(&next));
}

static struct refbuf *heard_list(void *userdata, const struct contact *node,
                                 const Record__Reply *reply) {
        CLEANUP(refbuf_unrefp) struct refbuf *tombstone = NULL;
        CLEANUP(buffer_donep) struct buffer next = {};
        struct pending *p = userdata;

        buffer_init(&next, RECORD_MESSAGE_MAX);
        if (take_page(p, node, reply)) {
                record_put_list(&next, record_bytes(reply->next), 0);
                return refbuf_new(buffer_bytes(&next));
        }
        tombstone = TAKE(p->tombstone);
        if (!tombstone)
                return NULL;
        record_put_delete(&next, refbuf_bytes(tombstone));
        return refbuf_new(buffer_bytes(&next));
}

static const struct errand_calls find_calls = { .heard = heard_find, .done = on_read };
static const struct errand_calls list_calls = { .heard = heard_list, .done = on_read };

static struct pending *begin_reading(struct keeper *k, struct refbuf *name,
                                     const struct keeper_call *call, nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);
        const struct store *store = dht_store(k->dht);
        struct reading reading = { .pending = p, .now = now };
        struct key key;

        if (!p) {
                refbuf_unref(name);
                return NULL;
        }
        p->began = now;
        p->name = name;
        p->values = map_new(k->seed);
        p->givers = xnew(struct givers);
        key = key_of(refbuf_bytes(name));
        if (store->ops)
                (void) store->ops->each(store->self, &key, take_own, &reading);
        return p;
}

void keeper_find(struct keeper *k, struct bytes name, const struct keeper_call *call, nsec_t now) {
        struct pending *p = begin_reading(k, refbuf_new(name), call, now);
        CLEANUP(buffer_donep) struct buffer message = {};
        struct record_name parsed;

        buffer_init(&message, RECORD_MESSAGE_MAX);
        if (!p)
                return;
        if (!record_name_read(name, &parsed) || parsed.rule->kind != RECORD_TOPIC) {
                keeper_end(p, KEEPER_E_INVALID, "not the name of a topic", NULL, now);
                return;
        }
        record_put_find(&message, name, BYTES_NONE, 0);
        keeper_tell(p, buffer_bytes(&message), &find_calls, now);
}

void keeper_mailbox(struct keeper *k, const struct keeper_call *call, nsec_t now) {
        struct pending *p = begin_reading(k, keeper_mailbox_name(&k->self), call, now);
        CLEANUP(buffer_donep) struct buffer message = {};

        buffer_init(&message, RECORD_MESSAGE_MAX);
        if (!p)
                return;
        record_put_list(&message, BYTES_NONE, 0);
        keeper_tell(p, buffer_bytes(&message), &list_calls, now);
}

/* ---- receipts ---- */

static bool names_slot(struct bytes payload, const uint8_t slot[32]) {
        for (size_t at = 0; at + 32 <= payload.len; at += 32)
                if (memcmp(payload.data + at, slot, 32) == 0)
                        return true;
        return false;
}

/* Only the recipient's own signature is believed. */
static struct refbuf *heard_status(void *userdata, const struct contact *node,
                                   const Record__Reply *reply) {
        struct pending *p = userdata;
        struct keeper *k = p->keeper;
        struct record_parts parts;

        for (size_t i = 0; i < reply->n_states && map_count(p->values) == 0; i++) {
                struct bytes value = record_bytes(reply->states[i]->tombstone);

                if (value.len &&
                    !rules_open(k->rules, RECORD_TOMBSTONE, value, dht_wall_us(k->dht, p->began),
                                &parts) &&
                    peer_id_equal(&parts.fields.publisher, &p->recipient) &&
                    names_slot(parts.fields.payload, p->slot))
                        take_over(p, p->slot, &(struct found){ refbuf_new(value), 1, GIVER_SELF });
        }
        return NULL;
}

static void on_status(void *userdata, const struct errand_sum *sum, nsec_t now) {
        struct pending *p = userdata;
        const struct found *f = map_get(p->values, BYTES_OF(p->slot));
        struct stored_record r = { .kind = RECORD_TOMBSTONE, .name = refbuf_bytes(p->name) };

        if (f) {
                r.value = refbuf_bytes(f->value);
                memcpy(r.slot, p->slot, sizeof(r.slot));
                p->call.found(p->call.userdata, &r, f->n_copies);
        }
        keeper_told(p, sum, now);
}

static const struct errand_calls status_calls = { .heard = heard_status, .done = on_status };

void keeper_receipt(struct keeper *k, const struct peer_id *recipient, const uint8_t slot[32],
                    const struct keeper_call *call, nsec_t now) {
        struct pending *p = keeper_begin(k, call, now);
        CLEANUP(buffer_donep) struct buffer message = {};
        uint8_t slots[1][32];

        buffer_init(&message, RECORD_MESSAGE_MAX);
        if (!p)
                return;
        memcpy(slots[0], slot, 32);
        memcpy(p->slot, slot, 32);
        p->began = now;
        p->recipient = *recipient;
        p->values = map_new(k->seed);
        p->name = keeper_mailbox_name(recipient);
        record_put_status(&message, peer_id_bytes(recipient), slots, 1);
        keeper_tell(p, buffer_bytes(&message), &status_calls, now);
}
