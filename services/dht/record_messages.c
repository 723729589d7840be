#include "services/dht/record_messages.h"

#include "common/base/error.h"
#include "common/wire/varint.h"
#include "services/dht/record.h"

static const struct unpack_limits limits = {
        .depth = 2, .fields = 256, .unknown = 16, .memory = 256 * 1024
};

static bool is_slot(ProtobufCBinaryData v) {
        return v.len == 32;
}

static bool is_cursor(ProtobufCBinaryData v) {
        return v.len == 0 || is_slot(v);
}

static bool is_name(ProtobufCBinaryData v) {
        return v.len > 0 && v.len <= RECORD_NAME_MAX;
}

static bool status_is_good(const Record__Status *s) {
        for (size_t i = 0; i < s->n_slots; i++)
                if (!is_slot(s->slots[i]))
                        return false;
        return s->n_slots <= RECORD_STATES_MAX;
}

static bool request_is_good(const Record__Request *in) {
        switch (in->body_case) {
        case RECORD__REQUEST__BODY_STORE:
                return is_name(in->store->name);
        case RECORD__REQUEST__BODY_FIND:
                return is_name(in->find->name) && is_cursor(in->find->after);
        case RECORD__REQUEST__BODY_LIST:
                return is_cursor(in->list->after);
        case RECORD__REQUEST__BODY_DELETE:
                return true;
        case RECORD__REQUEST__BODY_STATUS:
                return status_is_good(in->status);
        case RECORD__REQUEST__BODY_REGION:
                return is_cursor(in->region->after);
        case RECORD__REQUEST__BODY_FETCH:
                return in->fetch->wanted.len > 0 && in->fetch->wanted.len % RECORD_WANTED == 0 &&
                       in->fetch->wanted.len <= RECORD_PAGE_MAX * (size_t) RECORD_WANTED;
        default:
                return false;
        }
}

bool record_is_walk(struct bytes message) {
        struct reader r = reader_of(message);

        while (reader_left(&r) > 0) {
                uint64_t tag = reader_varint(&r);

                if (tag >> 3 == RECORD__REQUEST__BODY_REGION ||
                    tag >> 3 == RECORD__REQUEST__BODY_FETCH)
                        return true;
                if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_VARINT)
                        (void) reader_varint(&r);
                else if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
                        (void) reader_prefixed(&r);
                else
                        return true; /* of no request: the dearer of the two */
                if (r.failed)
                        return true;
        }
        return false;
}

static bool reply_is_good(const Record__Reply *in) {
        for (size_t i = 0; i < in->n_states; i++)
                if (!is_slot(in->states[i]->slot))
                        return false;
        for (size_t i = 0; i < in->n_stores; i++)
                if (!is_name(in->stores[i]->name))
                        return false;
        return in->n_values <= RECORD_PAGE_MAX && in->n_states <= RECORD_STATES_MAX &&
               in->n_stores <= RECORD_PAGE_MAX && in->held.len % RECORD_ENTRY == 0 &&
               in->held.len <= RECORD_ENTRIES_MAX * (size_t) RECORD_ENTRY && is_cursor(in->next);
}

static bool read_message(const ProtobufCMessageDescriptor *type, struct bytes in,
                         struct unpacked *ret) {
        return in.len <= RECORD_MESSAGE_MAX && wire_unpack(type, in, &limits, ret) == UNPACK_OK;
}

bool record_request_read(struct bytes in, struct record_request *ret) {
        *ret = (struct record_request){};
        if (!read_message(&record__request__descriptor, in, &ret->unpacked))
                return false;
        ret->in = ret->unpacked.message;
        if (request_is_good(ret->in))
                return true;
        record_request_donep(ret);
        return false;
}

bool record_reply_read(struct bytes in, struct record_reply *ret) {
        *ret = (struct record_reply){};
        if (!read_message(&record__reply__descriptor, in, &ret->unpacked))
                return false;
        ret->in = ret->unpacked.message;
        if (reply_is_good(ret->in))
                return true;
        record_reply_donep(ret);
        return false;
}

void record_put_store(struct buffer *b, struct bytes name, struct bytes value) {
        Record__Store store = RECORD__STORE__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        store.name = record_binary(name);
        store.value = record_binary(value);
        out.body_case = RECORD__REQUEST__BODY_STORE;
        out.store = &store;
        wire_pack(b, &out.base);
}

void record_put_find(struct buffer *b, struct bytes name, struct bytes after, uint32_t max) {
        Record__Find find = RECORD__FIND__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        find.name = record_binary(name);
        find.after = record_binary(after);
        find.max = max;
        out.body_case = RECORD__REQUEST__BODY_FIND;
        out.find = &find;
        wire_pack(b, &out.base);
}

void record_put_list(struct buffer *b, struct bytes after, uint32_t max) {
        Record__List list = RECORD__LIST__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        list.after = record_binary(after);
        list.max = max;
        out.body_case = RECORD__REQUEST__BODY_LIST;
        out.list = &list;
        wire_pack(b, &out.base);
}

void record_put_delete(struct buffer *b, struct bytes tombstone) {
        Record__Delete delete = RECORD__DELETE__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        delete.tombstone = record_binary(tombstone);
        out.body_case = RECORD__REQUEST__BODY_DELETE;
        out.delete_ = &delete;
        wire_pack(b, &out.base);
}

void record_put_status(struct buffer *b, struct bytes recipient, const uint8_t (*slots)[32],
                       size_t n) {
        ProtobufCBinaryData list[RECORD_STATES_MAX];
        Record__Status status = RECORD__STATUS__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        check(n <= RECORD_STATES_MAX);
        for (size_t i = 0; i < n; i++)
                list[i] = record_binary(BYTES(slots[i], 32));
        status.recipient = record_binary(recipient);
        status.slots = list;
        status.n_slots = n;
        out.body_case = RECORD__REQUEST__BODY_STATUS;
        out.status = &status;
        wire_pack(b, &out.base);
}

void record_put_region(struct buffer *b, struct bytes after) {
        Record__Region region = RECORD__REGION__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        region.after = record_binary(after);
        out.body_case = RECORD__REQUEST__BODY_REGION;
        out.region = &region;
        wire_pack(b, &out.base);
}

void record_put_fetch(struct buffer *b, struct bytes wanted) {
        Record__Fetch fetch = RECORD__FETCH__INIT;
        Record__Request out = RECORD__REQUEST__INIT;

        fetch.wanted = record_binary(wanted);
        out.body_case = RECORD__REQUEST__BODY_FETCH;
        out.fetch = &fetch;
        wire_pack(b, &out.base);
}
