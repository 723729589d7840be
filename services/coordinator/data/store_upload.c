#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "services/coordinator/data/store_files.h"

#define FORMAT_SIZE (MANIFEST_FORMAT_MAX + 1)

struct upload {
        struct store *store;
        int fd;
        char tmp[STORE_NAME_SIZE];
        char format[FORMAT_SIZE];
        uint8_t secret[DATA_SALT_SIZE], salt[DATA_SALT_SIZE];
        bool has_salt;
        uint64_t length, written;
        struct buffer chunk; /* the chunk being filled */
        struct buffer options, schema;
        struct hash_value *leaves;
        size_t n_leaves;
        struct room room;
};

int upload_begin(struct store *s, struct bytes format, uint64_t length,
                 const uint8_t secret[DATA_SALT_SIZE], struct upload **ret) {
        static unsigned serial; /* names of temporary files only */
        CLEANUP(upload_freep) struct upload *u = xnew(struct upload);
        struct manifest m = { .length = length };
        int r;

        u->fd = -1;
        u->store = s;
        if (format.len == 0 || format.len > MANIFEST_FORMAT_MAX)
                return error_origin(-EINVAL);
        if (length > (uint64_t) DATA_CHUNKS_MAX * DATA_CHUNK_SIZE)
                return STORE_E_QUOTA;
        r = store_reserve(s, &u->room, store_cost(length, 0));
        if (r)
                return r;
        u->length = length;
        u->leaves = xnew_n(struct hash_value, manifest_n_chunks(&m));
        memcpy(u->format, format.data, format.len);
        memcpy(u->secret, secret, DATA_SALT_SIZE);
        buffer_init(&u->chunk, DATA_CHUNK_SIZE);
        buffer_init(&u->options, MANIFEST_SIZE_MAX);
        buffer_init(&u->schema, MANIFEST_SIZE_MAX);
        snprintf(u->tmp, sizeof(u->tmp), "upload-%u.tmp", serial++);
        u->fd = openat(s->dir_fd, u->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                       0444);
        /* A worker reads it, whose uid may be another one; our umask may forbid that. */
        if (u->fd < 0 || fchmod(u->fd, 0444) < 0)
                return disk_result(-errno);
        *ret = TAKE(u);
        return STORE_OK;
}

static int flush_chunk(struct upload *u) {
        int r;

        if (u->chunk.len == 0)
                return STORE_OK;
        r = file_write_through(u->fd, buffer_bytes(&u->chunk),
                               (uint64_t) u->n_leaves * DATA_CHUNK_SIZE);
        if (r)
                return r;
        u->leaves[u->n_leaves++] = merkle_leaf(&data_merkle_names, buffer_bytes(&u->chunk));
        buffer_clear(&u->chunk);
        return STORE_OK;
}

int upload_write(struct upload *u, struct bytes data) {
        int r;

        if (data.len > u->length - u->written)
                return STORE_E_LENGTH;
        u->written += data.len;
        while (data.len > 0) {
                size_t room = DATA_CHUNK_SIZE - u->chunk.len;
                size_t take = data.len < room ? data.len : room;

                buffer_put(&u->chunk, data.data, take);
                if (u->chunk.failed)
                        return error_origin(-ENOMEM);
                data = BYTES(data.data + take, data.len - take);
                r = u->chunk.len == DATA_CHUNK_SIZE ? flush_chunk(u) : STORE_OK;
                if (r)
                        return r;
        }
        return STORE_OK;
}

/* To others it looks drawn at random; to this node it is always the same for this content. */
static void derive_salt(const struct upload *u, const struct hash_value *chunk_root,
                        uint8_t ret[DATA_SALT_SIZE]) {
        static const uint8_t no_secret[DATA_SALT_SIZE];
        struct hash_value h;

        memcpy(ret, u->salt, DATA_SALT_SIZE); /* zeros, unless it was given */
        if (u->has_salt || memcmp(u->secret, no_secret, DATA_SALT_SIZE) == 0)
                return;
        h = hash_keyed(BYTES_OF(u->secret), hash_bytes(chunk_root));
        memcpy(ret, h.bytes, DATA_SALT_SIZE);
}

static void write_manifest(const struct upload *u, struct buffer *b) {
        struct manifest m = { .format = BYTES_STR(u->format),
                              .options = buffer_bytes(&u->options),
                              .schema = buffer_bytes(&u->schema),
                              .length = u->length };
        struct merkle tree;

        merkle_init(&tree, &data_merkle_names);
        for (size_t i = 0; i < u->n_leaves; i++)
                merkle_add_leaf(&tree, &u->leaves[i]);
        m.chunk_root = merkle_root(&tree);
        derive_salt(u, &m.chunk_root, m.salt);
        manifest_encode(&m, b);
}

/* The same content again: keep what is there. */
static int finish_known(struct upload *u, const struct hash_value *root) {
        store_release(u->store, &u->room);
        return store_pin(u->store, root);
}

static int finish_new(struct upload *u, const struct hash_value *root, struct bytes manifest) {
        int dir = u->store->dir_fd, r;
        char want[STORE_NAME_SIZE];

        if (fsync(u->fd) < 0)
                return disk_result(-errno);
        store_drop_partial(u->store, root);
        r = store_reserve(u->store, &u->room, store_cost(u->length, manifest.len));
        if (r)
                return r;
        r = meta_write(dir, root, "want", manifest, u->leaves, u->n_leaves);
        if (r)
                return r;
        r = store_complete(u->store, root, u->tmp, u->length, &u->room);
        if (r) {
                (void) unlinkat(dir, file_name(root, "want", want), 0);
                return r;
        }
        u->tmp[0] = 0;
        return STORE_OK;
}

int upload_complete(struct upload *u) {
        return u->written == u->length ? flush_chunk(u) : STORE_E_LENGTH;
}

const char *upload_name(const struct upload *u) {
        return u->tmp;
}

void upload_describe(struct upload *u, struct bytes options, struct bytes schema) {
        buffer_put_bytes(&u->options, options);
        buffer_put_bytes(&u->schema, schema);
}

void upload_salt(struct upload *u, const uint8_t salt[DATA_SALT_SIZE]) {
        memcpy(u->salt, salt, DATA_SALT_SIZE);
        u->has_salt = true;
}

int upload_finish(struct upload *u, struct hash_value *ret_root) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct hash_value root;
        int r = upload_complete(u);

        if (r)
                return r;
        buffer_init(&manifest, MANIFEST_SIZE_MAX);
        write_manifest(u, &manifest);
        if (u->options.failed || u->schema.failed || manifest.failed)
                return STORE_E_SCHEMA;
        root = manifest_root(buffer_bytes(&manifest));
        *ret_root = root;
        if (store_has(u->store, &root))
                return finish_known(u, &root);
        return finish_new(u, &root, buffer_bytes(&manifest));
}

struct upload *upload_free(struct upload *u) {
        if (!u)
                return NULL;
        store_release(u->store, &u->room);
        fd_close(u->fd);
        if (u->tmp[0])
                (void) unlinkat(u->store->dir_fd, u->tmp, 0);
        buffer_done(&u->chunk);
        buffer_done(&u->options);
        buffer_done(&u->schema);
        free(u->leaves);
        free(u);
        return NULL;
}
