#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "services/coordinator/data/store_files.h"

struct store_fetch {
        struct store *store;
        struct fetch *core;
        struct hash_value root;
        int fd; /* <root>.part */
        uint64_t length;
        bool reserved;
};

static int open_part(struct store_fetch *f) {
        char name[STORE_NAME_SIZE];

        f->fd = openat(f->store->dir_fd, file_name(&f->root, "part", name),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        return f->fd < 0 ? disk_result(-errno) : 0;
}

static int reserve(struct store_fetch *f, uint64_t length) {
        int r;

        store_forget_partial(f->store, &f->root);
        r = store_reserve(f->store, length);
        if (r)
                return r;
        f->reserved = true;
        f->length = length;
        return 0;
}

/* The core forwards negative errnos only: the two answers travel as these. */
static int as_errno(int r) {
        return r == STORE_E_QUOTA ? -EDQUOT : r == STORE_E_DISK ? -ENOSPC : r;
}

static int sink_manifest(void *userdata, struct bytes encoded, const struct manifest *m) {
        struct store_fetch *f = userdata;
        int r = reserve(f, m->length);

        (void) encoded;
        return as_errno(r ? r : open_part(f));
}

static int sink_leaves(void *userdata, const struct hash_value *leaves, uint64_t n);

static int sink_chunk(void *userdata, uint64_t index, struct bytes data) {
        struct store_fetch *f = userdata;

        return as_errno(file_write_all(f->fd, data, index * DATA_CHUNK_SIZE));
}

static const struct fetch_sink store_sink = {
        .manifest = sink_manifest,
        .leaves = sink_leaves,
        .chunk = sink_chunk,
};

static int sink_leaves(void *userdata, const struct hash_value *leaves, uint64_t n) {
        struct store_fetch *f = userdata;

        return as_errno(
                meta_write(f->store->dir_fd, &f->root, "want", fetch_manifest(f->core), leaves, n));
}

/* What is in the part file is believed only where its hash is right. */
static void mark_verified(struct store_fetch *f, const struct meta *m, bool *have) {
        CLEANUP(freep) uint8_t *chunk = xmalloc(DATA_CHUNK_SIZE);
        uint64_t n = manifest_n_chunks(&m->manifest);
        struct hash_value leaf;

        for (uint64_t i = 0; i < n; i++) {
                size_t len = manifest_chunk_len(&m->manifest, i);
                ssize_t got = pread(f->fd, chunk, len, (off_t) (i * DATA_CHUNK_SIZE));

                if (got < 0 || (size_t) got != len)
                        continue;
                leaf = merkle_leaf(&data_merkle_names, BYTES(chunk, len));
                have[i] = hash_equal(&leaf, &m->leaves[i]);
        }
}

static int resume(struct store_fetch *f) {
        CLEANUP(meta_donep) struct meta m = {};
        CLEANUP(freep) bool *have = NULL;
        int r;

        r = meta_read(f->store->dir_fd, &f->root, "want", &m);
        if (r == STORE_E_NONE || r == -EBADMSG)
                return 0; /* nothing usable: from the beginning */
        if (r)
                return error_fold(r);
        r = reserve(f, m.manifest.length);
        if (r)
                return r;
        r = open_part(f);
        if (r)
                return r;
        have = xnew_n(bool, manifest_n_chunks(&m.manifest));
        mark_verified(f, &m, have);
        return fetch_resume(f->core, m.manifest_bytes, m.leaves, have);
}

int store_fetch_begin(struct store *s, const struct hash_value *root,
                      const struct fetch_config *config, struct store_fetch **ret) {
        CLEANUP(store_fetch_freep) struct store_fetch *f = xnew(struct store_fetch);
        int r;

        f->fd = -1;
        f->store = s;
        f->root = *root;
        f->core = fetch_new(root, config, &store_sink, f);
        r = resume(f);
        if (r)
                return r;
        *ret = TAKE(f);
        return STORE_OK;
}

struct fetch *store_fetch_core(struct store_fetch *f) {
        return f->core;
}

int store_fetch_finish(struct store_fetch *f) {
        char part[STORE_NAME_SIZE], want[STORE_NAME_SIZE], meta[STORE_NAME_SIZE];
        int dir = f->store->dir_fd, r;

        if (store_has(f->store, &f->root))
                return store_pin(f->store, &f->root);
        if (ftruncate(f->fd, (off_t) f->length) < 0 || fchmod(f->fd, 0444) < 0 || fsync(f->fd) < 0)
                return disk_result(-errno);
        r = store_complete(f->store, &f->root, file_name(&f->root, "part", part), f->length);
        if (r)
                return r;
        f->reserved = false;
        if (renameat(dir, file_name(&f->root, "want", want), dir,
                     file_name(&f->root, "meta", meta)) < 0)
                return disk_result(-errno);
        return fsync(dir) < 0 ? disk_result(-errno) : STORE_OK;
}

/* The reservation passes to an entry that may be evicted. */
static void leave_partial(struct store_fetch *f) {
        char name[STORE_NAME_SIZE];

        if (faccessat(f->store->dir_fd, file_name(&f->root, "want", name), F_OK, 0) == 0) {
                store_add_entry(f->store, &f->root, f->length)->partial = true;
                return;
        }
        store_unreserve(f->store, f->length);
        (void) unlinkat(f->store->dir_fd, file_name(&f->root, "part", name), 0);
}

struct store_fetch *store_fetch_free(struct store_fetch *f) {
        if (!f)
                return NULL;
        fetch_free(f->core);
        if (f->reserved)
                leave_partial(f);
        fd_close(f->fd);
        free(f);
        return NULL;
}
