#include "services/coordinator/data/provider.h"

#include "common/base/error.h"
#include "common/wire/packed.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/grid.pb-c.h"
#include "services/coordinator/data/serve.h"

#define OUT_MAX (PROVIDER_WINDOW_MAX * 64u) /* a request has at most 61 bytes */

void provider_init(struct provider *p, const struct peer_id *peer) {
        *p = (struct provider){ .report.peer = *peer, .deadline = NSEC_NEVER };
        buffer_init(&p->out, OUT_MAX);
}

void provider_done(struct provider *p) {
        buffer_done(&p->out);
}

static void put_request(struct provider *p, const Grid__DataMessage *m) {
        buffer_put_varint(&p->out, grid__data_message__get_packed_size(m));
        wire_pack(&p->out, &m->base);
        check(!p->out.failed);
}

static void put_asked(struct provider *p, ProtobufCBinaryData root, const struct asked *what) {
        Grid__DataMessage m = GRID__DATA_MESSAGE__INIT;
        Grid__ManifestRequest manifest = GRID__MANIFEST_REQUEST__INIT;
        Grid__LeavesRequest leaves = GRID__LEAVES_REQUEST__INIT;
        Grid__ChunkRequest chunk = GRID__CHUNK_REQUEST__INIT;

        if (what->kind == ASKED_MANIFEST) {
                m.body_case = GRID__DATA_MESSAGE__BODY_MANIFEST_REQUEST;
                m.manifest_request = &manifest;
                manifest.root = root;
        } else if (what->kind == ASKED_LEAVES) {
                m.body_case = GRID__DATA_MESSAGE__BODY_LEAVES_REQUEST;
                m.leaves_request = &leaves;
                leaves.root = root;
                leaves.first = what->index;
                leaves.count = what->count;
        } else {
                m.body_case = GRID__DATA_MESSAGE__BODY_CHUNK_REQUEST;
                m.chunk_request = &chunk;
                chunk.root = root;
                chunk.index = what->index;
                chunk.codec = PACKED_ZSTD;
                chunk.rate = p->link.rate;
        }
        put_request(p, &m);
}

void provider_ask(struct provider *p, const struct hash_value *root, const struct asked *what) {
        check(p->n_owed < PROVIDER_WINDOW_MAX);
        if (p->out_given == p->out.len) {
                buffer_clear(&p->out);
                p->out_given = 0;
        }
        put_asked(p, (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) root->bytes }, what);
        p->owed[(p->first + p->n_owed++) % PROVIDER_WINDOW_MAX] = *what;
}

bool provider_owes(const struct provider *p, enum asked_kind kind, uint64_t index) {
        for (unsigned i = 0; i < p->n_owed; i++) {
                const struct asked *a = &p->owed[(p->first + i) % PROVIDER_WINDOW_MAX];

                if (a->kind == kind && a->index == index)
                        return true;
        }
        return false;
}

bool provider_settle(struct provider *p, struct asked *ret) {
        if (p->n_owed == 0)
                return false;
        *ret = p->owed[p->first];
        p->first = (p->first + 1) % PROVIDER_WINDOW_MAX;
        p->n_owed--;
        return true;
}
