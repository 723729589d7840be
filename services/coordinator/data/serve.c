#include "services/coordinator/data/serve.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/frame.h"
#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"

static const struct unpack_limits request_limits = {
        .depth = 2, .fields = 16, .unknown = 8, .memory = 8 << 10
};

struct serving {
        const struct serve_source *source;
        void *userdata;
        struct hash_value root;
        const struct serve_packer *packer;
        struct buffer body;   /* what the source wrote */
        struct buffer packed; /* the same, packed */
};

static bool root_of(const ProtobufCBinaryData *root, struct hash_value *ret) {
        if (root->len != HASH_SIZE)
                return false;
        memcpy(ret->bytes, root->data, HASH_SIZE);
        return true;
}

static ProtobufCBinaryData pb_bytes(struct bytes v) {
        return (ProtobufCBinaryData){ .len = v.len, .data = (uint8_t *) v.data };
}

static int put_answer(struct buffer *out, const Grid__DataMessage *answer) {
        size_t len = grid__data_message__get_packed_size(answer);

        buffer_put_varint(out, len);
        wire_pack(out, &answer->base);
        return out->failed ? error_origin(-ENOBUFS) : SERVE_OK;
}

static int put_missing(struct serving *s, uint64_t index, int code, struct buffer *out) {
        Grid__Missing missing = GRID__MISSING__INIT;
        Grid__DataMessage answer = GRID__DATA_MESSAGE__INIT;

        missing.root = pb_bytes(hash_bytes(&s->root));
        missing.index = index;
        missing.code = (uint32_t) code;
        answer.body_case = GRID__DATA_MESSAGE__BODY_MISSING;
        answer.missing = &missing;
        return put_answer(out, &answer);
}

static int serve_manifest(struct serving *s, const Grid__DataMessage *in, struct buffer *out) {
        Grid__Manifest manifest = GRID__MANIFEST__INIT;
        Grid__DataMessage answer = GRID__DATA_MESSAGE__INIT;
        int r;

        if (!root_of(&in->manifest_request->root, &s->root))
                return SERVE_E_MALFORMED;
        r = s->source->manifest(s->userdata, &s->root, &s->body);
        if (r)
                return put_missing(s, 0, r, out);
        manifest.root = pb_bytes(hash_bytes(&s->root));
        manifest.manifest = pb_bytes(buffer_bytes(&s->body));
        answer.body_case = GRID__DATA_MESSAGE__BODY_MANIFEST;
        answer.manifest = &manifest;
        return put_answer(out, &answer);
}

static int serve_leaves(struct serving *s, const Grid__DataMessage *in, struct buffer *out) {
        const Grid__LeavesRequest *request = in->leaves_request;
        Grid__Leaves leaves = GRID__LEAVES__INIT;
        Grid__DataMessage answer = GRID__DATA_MESSAGE__INIT;
        int r;

        if (!root_of(&request->root, &s->root) || request->count == 0 ||
            request->count > DATA_LEAVES_MAX)
                return SERVE_E_MALFORMED;
        r = s->source->leaves(s->userdata, &s->root, request->first, request->count, &s->body);
        if (r)
                return put_missing(s, request->first, r, out);
        leaves.root = pb_bytes(hash_bytes(&s->root));
        leaves.first = request->first;
        leaves.hashes = pb_bytes(buffer_bytes(&s->body));
        answer.body_case = GRID__DATA_MESSAGE__BODY_LEAVES;
        answer.leaves = &leaves;
        return put_answer(out, &answer);
}

static bool pack(struct serving *s, const Grid__ChunkRequest *in, Grid__Chunk *ret) {
        ret->length = s->body.len;
        return in->codec == PACKED_ZSTD && s->packer &&
               s->packer->pack(s->packer->userdata, in->rate, buffer_bytes(&s->body), &s->packed,
                               &ret->length);
}

static int serve_chunk(struct serving *s, const Grid__DataMessage *in, struct buffer *out) {
        Grid__Chunk chunk = GRID__CHUNK__INIT;
        Grid__DataMessage answer = GRID__DATA_MESSAGE__INIT;
        int r;

        if (!root_of(&in->chunk_request->root, &s->root))
                return SERVE_E_MALFORMED;
        r = s->source->chunk(s->userdata, &s->root, in->chunk_request->index, &s->body);
        if (r)
                return put_missing(s, in->chunk_request->index, r, out);
        chunk.root = pb_bytes(hash_bytes(&s->root));
        chunk.index = in->chunk_request->index;
        if (pack(s, in->chunk_request, &chunk)) {
                chunk.codec = PACKED_ZSTD;
                chunk.data = pb_bytes(buffer_bytes(&s->packed));
        } else {
                chunk.length = 0;
                chunk.data = pb_bytes(buffer_bytes(&s->body));
        }
        answer.body_case = GRID__DATA_MESSAGE__BODY_CHUNK;
        answer.chunk = &chunk;
        return put_answer(out, &answer);
}

static const struct {
        Grid__DataMessage__BodyCase body;
        int (*serve)(struct serving *s, const Grid__DataMessage *in, struct buffer *out);
} requests[] = {
        { GRID__DATA_MESSAGE__BODY_MANIFEST_REQUEST, serve_manifest },
        { GRID__DATA_MESSAGE__BODY_LEAVES_REQUEST, serve_leaves },
        { GRID__DATA_MESSAGE__BODY_CHUNK_REQUEST, serve_chunk },
};

int serve_request(const struct serve_source *source, void *userdata,
                  const struct serve_packer *packer, struct bytes request, struct buffer *out) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct serving s = { .source = source, .userdata = userdata, .packer = packer };
        const Grid__DataMessage *in;
        int r = SERVE_E_MALFORMED;

        if (request.len > DATA_REQUEST_MAX ||
            wire_unpack(&grid__data_message__descriptor, request, &request_limits, &u))
                return SERVE_E_MALFORMED;
        in = u.message;
        buffer_init(&s.body, DATA_ANSWER_MAX);
        buffer_init(&s.packed, DATA_CHUNK_SIZE);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                if (requests[i].body == in->body_case)
                        r = requests[i].serve(&s, in, out);
        buffer_done(&s.body);
        buffer_done(&s.packed);
        return r;
}
