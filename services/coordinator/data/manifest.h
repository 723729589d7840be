#pragma once

/* What a dataset root stands for: root = H(`quorate.dset.1`, manifest).
 *
 *   manifest = u8 version (1), prefixed format, prefixed options, prefixed schema,
 *              u64 length, u32 chunk size, 32-byte chunk root, 16-byte salt
 * prefixed = varint length, bytes. The chunk root is the Merkle root of the
 * chunks in order, names `quorate.dleaf.1` and `quorate.dnode.1`
 * (common/crypto/merkle.h); every chunk has 1 MiB but the last, which has 1 byte
 * to 1 MiB; no bytes, no chunks. The salt is random unless the data is public
 * (then zero), so that a root says nothing about secret content. Pure. */

#include "common/crypto/hash.h"
#include "common/crypto/merkle.h"

#define DATA_CHUNK_SIZE     (1u << 20)
#define DATA_CHUNKS_MAX     (1u << 20) /* 1 TiB */
#define DATA_SALT_SIZE      16
#define MANIFEST_SIZE_MAX   (256u << 10)
#define MANIFEST_FORMAT_MAX 32

extern const struct merkle_names data_merkle_names;

struct manifest {
        struct bytes format;  /* "sqlite", "csv", "ndjson", "parquet" */
        struct bytes options; /* of the format, fixed at publishing; empty for all but csv */
        struct bytes schema;  /* of the tables, as the executor wrote it; sqlite: may be empty */
        uint64_t length;      /* bytes */
        struct hash_value chunk_root;
        uint8_t salt[DATA_SALT_SIZE];
};

enum manifest_result {
        MANIFEST_OK = 0,
        MANIFEST_E_MALFORMED,
};

/* The buffer fails when it has no room for MANIFEST_SIZE_MAX. */
void manifest_encode(const struct manifest *m, struct buffer *b);
/* Strict; views into `in`. Returns enum manifest_result. */
int manifest_decode(struct bytes in, struct manifest *ret);

struct hash_value manifest_root(struct bytes encoded);
/* Under this others find who has a dataset: H(`quorate.dfind.1`, root). A root entitles to the
 * content, so it is told to nobody who did not show the manifest first. */
struct hash_value manifest_finding_key(const struct hash_value *root);
uint64_t manifest_n_chunks(const struct manifest *m);
/* Length of chunk `index`, 0 past the end. */
size_t manifest_chunk_len(const struct manifest *m, uint64_t index);
