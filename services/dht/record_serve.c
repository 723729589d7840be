#include "services/dht/record_serve.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/crypto/hash.h"
#include "services/dht/calls.h"
#include "services/dht/mailbox.h"
#include "services/dht/region.h"

static bool is_denied(const struct record_serve *s, const struct stored_record *r) {
        return s->dht && dht_denies(s->dht, r);
}

/* ---- keeping ---- */

struct held {
        const struct stored_record *offered;
        bool is_read, is_newer, is_same;
};

static bool compare_held(void *userdata, const struct stored_record *r) {
        struct held *h = userdata;

        h->is_read = r->kind == RECORD_TOMBSTONE;
        h->is_same = bytes_equal(r->value, h->offered->value);
        h->is_newer = rules_select(r->name, r->value, h->offered->value) < 0;
        return false;
}

int record_keep(const struct record_serve *s, struct stored_record *r, bool *ret_is_new) {
        struct held h = { .offered = r };
        int e;

        *ret_is_new = false;
        if (is_denied(s, r))
                return RECORD__RESULT__RESULT_REFUSED;
        e = s->store->ops->one(s->store->self, &r->key, r->slot, compare_held, &h);
        if (e == STORE_E_FAILED)
                return RECORD__RESULT__RESULT_FAILED;
        if (h.is_read)
                return RECORD__RESULT__RESULT_READ;
        if (h.is_newer)
                return RECORD__RESULT__RESULT_OLD;
        if (h.is_same)
                return RECORD__RESULT__RESULT_OK;
        if (quota_admit(s->quota, s->store, r))
                return RECORD__RESULT__RESULT_REFUSED;
        if (s->store->ops->put(s->store->self, r))
                return RECORD__RESULT__RESULT_FAILED;
        *ret_is_new = true;
        return RECORD__RESULT__RESULT_OK;
}

static void serve_store(const struct record_serve *s, const struct dht_remote *from,
                        const Record__Request *in, Record__Reply *reply) {
        struct stored_record r;
        bool is_new;

        reply->result = RECORD__RESULT__RESULT_INVALID;
        if (rules_validate(s->rules, record_bytes(in->store->name), record_bytes(in->store->value),
                           s->now_us, &r))
                return;
        r.subnet = subnet_counted(&from->endpoint);
        if (r.kind == RECORD_MAILBOX) /* the sender is hidden: who brings it is charged */
                memcpy(r.publisher, from->contact.key.bytes, sizeof(r.publisher));
        reply->result = (Record__Result) record_keep(s, &r, &is_new);
}

/* ---- pages ---- */

struct page {
        const struct record_serve *serve;
        enum record_kind kind;
        struct bytes after;
        size_t max, n, bytes;
        ProtobufCBinaryData values[RECORD_PAGE_MAX];
        uint8_t last[32];
        bool has_more;
        struct buffer *copies; /* views of the store end with the call */
};

static bool fill_page(void *userdata, const struct stored_record *r) {
        struct page *p = userdata;

        if (r->kind != p->kind || r->expires_us <= p->serve->now_us || is_denied(p->serve, r) ||
            (p->after.len && memcmp(r->slot, p->after.data, 32) <= 0))
                return true;
        p->has_more = p->n == p->max || (p->n > 0 && p->bytes + r->value.len > RECORD_PAGE_BYTES);
        if (p->has_more)
                return false;
        /* offsets for now: the buffer may move */
        p->values[p->n].data = (uint8_t *) (uintptr_t) p->copies->len;
        p->values[p->n++].len = r->value.len;
        buffer_put_bytes(p->copies, r->value);
        p->bytes += r->value.len;
        memcpy(p->last, r->slot, sizeof(p->last));
        return true;
}

static void read_page(struct page *p, struct bytes name, uint32_t max, Record__Reply *reply) {
        struct key key = key_of(name);
        const struct store *store = p->serve->store;

        p->max = max && max < RECORD_PAGE_MAX ? max : RECORD_PAGE_MAX;
        if (store->ops->each(store->self, &key, fill_page, p) == STORE_E_FAILED)
                reply->result = RECORD__RESULT__RESULT_FAILED;
        for (size_t i = 0; i < p->n; i++)
                p->values[i].data = p->copies->data + (uintptr_t) p->values[i].data;
        reply->values = p->values;
        reply->n_values = p->n;
        if (p->has_more)
                reply->next = record_binary(BYTES_OF(p->last));
}

static void read_find(const Record__Request *in, struct page *p, Record__Reply *reply) {
        p->kind = RECORD_TOPIC;
        p->after = record_bytes(in->find->after);
        read_page(p, record_bytes(in->find->name), in->find->max, reply);
}

/* Only to the recipient: how many letters somebody gets is his own business. */
static void read_list(const Record__Request *in, const struct dht_remote *from, struct page *p,
                      Record__Reply *reply) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        p->kind = RECORD_MAILBOX;
        p->after = record_bytes(in->list->after);
        if (record_name_put(&name, RECORD_MAILBOX, &from->contact.peer, BYTES_NONE))
                read_page(p, buffer_bytes(&name), in->list->max, reply);
}

/* ---- tombstones ---- */

struct mailbox_look {
        struct stored_record *tombstone;
        bool is_letter;
        size_t n_tombstones;
};

/* Who brought a letter has what it leaves here to answer for as long as it is kept; but in an
 * account of its own, or a sender would have no place left because his letters are read. */
static void charge_sender(struct stored_record *tombstone, const struct stored_record *letter) {
        struct hash_value account = hash_of("quorate.read.1", BYTES_OF(letter->publisher));

        tombstone->subnet = letter->subnet;
        if (letter->class == STORE_FOREIGN) /* our own costs nobody else */
                memcpy(tombstone->publisher, account.bytes, sizeof(tombstone->publisher));
        else
                memset(tombstone->publisher, 0, sizeof(tombstone->publisher));
}

static bool look_at_letter(void *userdata, const struct stored_record *r) {
        struct mailbox_look *look = userdata;

        look->is_letter = r->kind == RECORD_MAILBOX;
        look->tombstone->expires_us = r->expires_us;
        charge_sender(look->tombstone, r);
        return false;
}

static bool count_tombstones(void *userdata, const struct stored_record *r) {
        ((struct mailbox_look *) userdata)->n_tombstones += r->kind == RECORD_TOMBSTONE;
        return true;
}

static bool may_stay(const struct record_serve *s, const struct mailbox_look *look) {
        return look->n_tombstones < MAILBOX_TOMBSTONES &&
               s->store->ops->count_publisher(s->store->self, look->tombstone->publisher) <
                       record_rule_of(RECORD_TOMBSTONE)->per_publisher;
}

/* The letter makes place for the receipt that it was read, for as long as it could come again. Ours
 * goes first: what replaces it would be our own as well, and never expire. */
static void bury(const struct record_serve *s, struct stored_record *tombstone, struct bytes slot) {
        struct mailbox_look look = { .tombstone = tombstone };
        const struct store *store = s->store;

        memcpy(tombstone->slot, slot.data, sizeof(tombstone->slot));
        if (store->ops->one(store->self, &tombstone->key, tombstone->slot, look_at_letter, &look) ||
            !look.is_letter)
                return;
        (void) store->ops->each(store->self, &tombstone->key, count_tombstones, &look);
        (void) store->ops->remove(store->self, &tombstone->key, tombstone->slot);
        if (may_stay(s, &look))
                (void) store->ops->put(store->self, tombstone);
}

static void serve_delete(const struct record_serve *s, const Record__Request *in,
                         Record__Reply *reply) {
        struct bytes value = record_bytes(in->delete_->tombstone);
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        struct stored_record r = { .kind = RECORD_TOMBSTONE, .value = value };
        struct record_parts parts;

        reply->result = RECORD__RESULT__RESULT_INVALID;
        if (rules_open(s->rules, RECORD_TOMBSTONE, value, s->now_us, &parts) ||
            !record_name_put(&name, RECORD_MAILBOX, &parts.fields.publisher, BYTES_NONE))
                return;
        r.name = buffer_bytes(&name);
        r.key = key_of(r.name);
        r.received_us = s->now_us;
        for (size_t at = 0; at + 32 <= parts.fields.payload.len; at += 32)
                bury(s, &r, BYTES(parts.fields.payload.data + at, 32));
        reply->result = RECORD__RESULT__RESULT_OK;
}

struct states {
        Record__SlotState list[RECORD_STATES_MAX], *pointers[RECORD_STATES_MAX];
        struct buffer *copies;
        size_t at; /* which one is being read */
};

static bool read_state(void *userdata, const struct stored_record *r) {
        struct states *states = userdata;
        Record__SlotState *state = &states->list[states->at];

        state->held = r->kind == RECORD_MAILBOX;
        if (r->kind != RECORD_TOMBSTONE)
                return false;
        state->tombstone.data = (uint8_t *) (uintptr_t) states->copies->len;
        state->tombstone.len = r->value.len;
        buffer_put_bytes(states->copies, r->value);
        return false;
}

static void read_status(const struct record_serve *s, const Record__Request *in,
                        struct states *states, Record__Reply *reply) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        struct peer_id recipient;
        struct key key;

        if (!peer_id_parse(record_bytes(in->status->recipient), &recipient) ||
            !record_name_put(&name, RECORD_MAILBOX, &recipient, BYTES_NONE)) {
                reply->result = RECORD__RESULT__RESULT_INVALID;
                return;
        }
        key = key_of(buffer_bytes(&name));
        for (size_t i = 0; i < in->status->n_slots; i++) {
                record__slot_state__init(&states->list[i]);
                states->list[i].slot = in->status->slots[i];
                states->pointers[i] = &states->list[i];
                states->at = i;
                (void) s->store->ops->one(s->store->self, &key, in->status->slots[i].data,
                                          read_state, states);
        }
        for (size_t i = 0; i < in->status->n_slots; i++)
                if (states->list[i].tombstone.len)
                        states->list[i].tombstone.data =
                                states->copies->data + (uintptr_t) states->list[i].tombstone.data;
        reply->states = states->pointers;
        reply->n_states = in->status->n_slots;
}

bool record_serve(const struct record_serve *s, const struct dht_remote *from, struct bytes message,
                  struct buffer *ret) {
        CLEANUP(record_request_donep) struct record_request request = {};
        CLEANUP(buffer_donep) struct buffer copies = {};
        struct page page = { .serve = s, .copies = &copies };
        struct states states = { .copies = &copies };
        struct region_page held = {};
        Record__Reply reply = RECORD__REPLY__INIT;

        buffer_init(&copies, RECORD_MESSAGE_MAX);
        if (!record_request_read(message, &request))
                return false;
        switch (request.in->body_case) {
        case RECORD__REQUEST__BODY_STORE:
                serve_store(s, from, request.in, &reply);
                break;
        case RECORD__REQUEST__BODY_FIND:
                read_find(request.in, &page, &reply);
                break;
        case RECORD__REQUEST__BODY_LIST:
                read_list(request.in, from, &page, &reply);
                break;
        case RECORD__REQUEST__BODY_DELETE:
                serve_delete(s, request.in, &reply);
                break;
        case RECORD__REQUEST__BODY_REGION:
                region_list(s, from, record_bytes(request.in->region->after), &copies, &held,
                            &reply);
                break;
        case RECORD__REQUEST__BODY_FETCH:
                region_fetch(s, from, record_bytes(request.in->fetch->wanted), &copies, &held,
                             &reply);
                break;
        default:
                read_status(s, request.in, &states, &reply);
        }
        if (copies.failed)
                return false;
        wire_pack(ret, &reply.base);
        return !ret->failed;
}
