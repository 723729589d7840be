#include "services/coordinator/data/manifest.h"

#include "common/wire/varint.h"

#define MANIFEST_VERSION 1

const struct merkle_names data_merkle_names = { "quorate.dleaf.1", "quorate.dnode.1" };

void manifest_encode(const struct manifest *m, struct buffer *b) {
        buffer_put_u8(b, MANIFEST_VERSION);
        buffer_put_prefixed(b, m->format);
        buffer_put_prefixed(b, m->options);
        buffer_put_prefixed(b, m->schema);
        buffer_put_u64(b, m->length);
        buffer_put_u32(b, DATA_CHUNK_SIZE);
        buffer_put(b, m->chunk_root.bytes, HASH_SIZE);
        buffer_put(b, m->salt, DATA_SALT_SIZE);
}

int manifest_decode(struct bytes in, struct manifest *ret) {
        struct reader r = reader_of(in);
        struct manifest m = {};

        if (in.len > MANIFEST_SIZE_MAX || reader_u8(&r) != MANIFEST_VERSION)
                return MANIFEST_E_MALFORMED;
        m.format = reader_prefixed(&r);
        m.options = reader_prefixed(&r);
        m.schema = reader_prefixed(&r);
        m.length = reader_u64(&r);
        if (reader_u32(&r) != DATA_CHUNK_SIZE)
                return MANIFEST_E_MALFORMED;
        reader_copy(&r, m.chunk_root.bytes, HASH_SIZE);
        reader_copy(&r, m.salt, DATA_SALT_SIZE);
        if (!reader_done(&r) || m.format.len == 0 || m.format.len > MANIFEST_FORMAT_MAX ||
            manifest_n_chunks(&m) > DATA_CHUNKS_MAX)
                return MANIFEST_E_MALFORMED;
        *ret = m;
        return MANIFEST_OK;
}

struct hash_value manifest_root(struct bytes encoded) {
        return hash_of("quorate.dset.1", encoded);
}

struct hash_value manifest_finding_key(const struct hash_value *root) {
        return hash_of("quorate.dfind.1", hash_bytes(root));
}

uint64_t manifest_n_chunks(const struct manifest *m) {
        return m->length / DATA_CHUNK_SIZE + (m->length % DATA_CHUNK_SIZE != 0);
}

size_t manifest_chunk_len(const struct manifest *m, uint64_t index) {
        uint64_t n = manifest_n_chunks(m);

        if (index >= n)
                return 0;
        return index + 1 < n ? DATA_CHUNK_SIZE : m->length - (n - 1) * DATA_CHUNK_SIZE;
}
