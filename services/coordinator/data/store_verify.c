#include "services/coordinator/data/store_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "services/coordinator/data/store_files.h"

#define HASHED_AT_ONCE 4 /* chunks: about 10 ms */

struct store_verify {
        struct store *store;
        struct hash_value root;
        int fd;
        struct meta meta;
        struct store_verify_count count;
        uint8_t *space; /* one chunk */
};

int store_verify_begin(struct store *s, const struct hash_value *root, struct store_verify **ret) {
        CLEANUP(store_verify_freep) struct store_verify *v = xnew(struct store_verify);
        char name[STORE_NAME_SIZE];
        int r;

        v->fd = -1;
        r = store_pin(s, root);
        if (r)
                return r;
        v->store = s;
        v->root = *root;
        r = meta_read(s->dir_fd, root, "meta", &v->meta);
        if (r)
                return error_fold(r);
        v->fd = openat(s->dir_fd, file_name(root, "data", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (v->fd < 0)
                return error_origin(-errno);
        /* What the disk has is to be hashed, not what memory remembers of it. */
        (void) posix_fadvise(v->fd, 0, 0, POSIX_FADV_DONTNEED);
        v->count.all = manifest_n_chunks(&v->meta.manifest);
        v->space = xmalloc(DATA_CHUNK_SIZE);
        *ret = TAKE(v);
        return STORE_OK;
}

static bool is_right(const struct store_verify *v, uint64_t chunk) {
        size_t len = manifest_chunk_len(&v->meta.manifest, chunk), have = 0;
        struct hash_value leaf;

        while (have < len) {
                ssize_t n = pread(v->fd, v->space + have, len - have,
                                  (off_t) (chunk * DATA_CHUNK_SIZE + have));

                if (n <= 0)
                        return false; /* a sector that cannot be read is as wrong as any */
                have += (size_t) n;
        }
        leaf = merkle_leaf(&data_merkle_names, BYTES(v->space, len));
        return hash_equal(&leaf, &v->meta.leaves[chunk]);
}

/* meta_read() has checked manifest and count, not that the leaves fold to the root. */
static bool leaves_are_right(const struct store_verify *v) {
        struct hash_value root;
        struct merkle m;

        merkle_init(&m, &data_merkle_names);
        for (uint64_t i = 0; i < v->count.all; i++)
                merkle_add_leaf(&m, &v->meta.leaves[i]);
        root = merkle_root(&m);
        return hash_equal(&root, &v->meta.manifest.chunk_root);
}

int store_verify_step(struct store_verify *v) {
        if (v->count.chunks == 0 && !leaves_are_right(v))
                return error_origin(-EBADMSG);
        for (unsigned i = 0; i < HASHED_AT_ONCE && v->count.chunks < v->count.all; i++) {
                if (!is_right(v, v->count.chunks) && v->count.bad++ == 0)
                        v->count.first_bad = v->count.chunks;
                v->count.chunks++;
        }
        return v->count.chunks < v->count.all ? STORE_VERIFY_MORE : 0;
}

void store_verify_count(const struct store_verify *v, struct store_verify_count *ret) {
        *ret = v->count;
}

struct store_verify *store_verify_free(struct store_verify *v) {
        if (!v)
                return NULL;
        if (v->store)
                store_unpin(v->store, &v->root);
        meta_donep(&v->meta);
        fd_close(v->fd);
        free(v->space);
        free(v);
        return NULL;
}

/* After a crash between the two there is data without meta, and want without part: both go. */
int store_demote(struct store *s, const struct hash_value *root) {
        char data[STORE_NAME_SIZE], part[STORE_NAME_SIZE], meta[STORE_NAME_SIZE],
                want[STORE_NAME_SIZE];
        struct entry *e = store_entry(s, root);
        int dir = s->dir_fd;

        if (!e)
                return STORE_E_NONE;
        if (e->pins > 0)
                return STORE_E_BUSY;
        if (fchmodat(dir, file_name(root, "data", data), 0644, 0) < 0 ||
            renameat(dir, file_name(root, "meta", meta), dir, file_name(root, "want", want)) < 0)
                return disk_result(-errno);
        if (renameat(dir, data, dir, file_name(root, "part", part)) < 0) {
                (void) renameat(dir, want, dir, meta);
                return disk_result(-errno);
        }
        e->partial = true;
        return fsync(dir) < 0 ? disk_result(-errno) : STORE_OK;
}
