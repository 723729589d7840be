#include "services/coordinator/data/store_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "services/coordinator/data/store_files.h"

#define CHECKED_AT_ONCE 4 /* chunks: about 10 ms */

struct store_fetch {
        struct store *store;
        struct fetch *core;
        struct hash_value root;
        int fd; /* <root>.part */
        uint64_t length;
        struct room room;
        store_admit_fn admit; /* or NULL */
        void *userdata;

        /* What an earlier try left, until all of it was checked. */
        struct meta left;
        bool *have; /* of each chunk; NULL: nothing (more) to check */
        uint64_t next;
};

static int open_part(struct store_fetch *f) {
        char name[STORE_NAME_SIZE];

        f->fd = openat(f->store->dir_fd, file_name(&f->root, "part", name),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        return f->fd < 0 ? disk_result(-errno) : 0;
}

static int reserve(struct store_fetch *f, uint64_t length, size_t manifest_len) {
        f->length = length;
        store_take_partial(f->store, &f->root, &f->room);
        return store_reserve(f->store, &f->room, store_cost(length, manifest_len));
}

/* The core forwards negative errnos only: the two answers travel as these. */
static int as_errno(int r) {
        return r == STORE_E_QUOTA ? -EDQUOT : r == STORE_E_DISK ? -ENOSPC : r;
}

static int sink_manifest(void *userdata, struct bytes encoded, const struct manifest *m) {
        struct store_fetch *f = userdata;
        int r;

        if (f->admit && !f->admit(f->userdata, m->length))
                return -EDQUOT;
        r = reserve(f, m->length, encoded.len);
        return as_errno(r ? r : open_part(f));
}

static int sink_leaves(void *userdata, const struct hash_value *leaves, uint64_t n);

static int sink_chunk(void *userdata, uint64_t index, struct bytes data) {
        struct store_fetch *f = userdata;

        return as_errno(file_write_through(f->fd, data, index * DATA_CHUNK_SIZE));
}

static const struct fetch_sink store_sink = {
        .manifest = sink_manifest,
        .leaves = sink_leaves,
        .chunk = sink_chunk,
};

static int sink_leaves(void *userdata, const struct hash_value *leaves, uint64_t n) {
        struct store_fetch *f = userdata;

        if (store_has(f->store, &f->root)) /* published here meanwhile */
                return 0;
        return as_errno(
                meta_write(f->store->dir_fd, &f->root, "want", fetch_manifest(f->core), leaves, n));
}

/* Chunks that were never written are not read. */
static uint64_t skip_hole(const struct store_fetch *f, uint64_t chunk) {
        off_t at = lseek(f->fd, (off_t) (chunk * DATA_CHUNK_SIZE), SEEK_DATA);

        if (at < 0)
                return errno == ENXIO ? manifest_n_chunks(&f->left.manifest) : chunk;
        return (uint64_t) at / DATA_CHUNK_SIZE;
}

/* What is in the part file is believed only where its hash is right. */
static bool is_right(const struct store_fetch *f, uint64_t chunk, uint8_t *space) {
        size_t len = manifest_chunk_len(&f->left.manifest, chunk);
        ssize_t got = pread(f->fd, space, len, (off_t) (chunk * DATA_CHUNK_SIZE));
        struct hash_value leaf;

        if (got < 0 || (size_t) got != len)
                return false;
        leaf = merkle_leaf(&data_merkle_names, BYTES(space, len));
        return hash_equal(&leaf, &f->left.leaves[chunk]);
}

static void left_done(struct store_fetch *f) {
        meta_donep(&f->left);
        f->left = (struct meta){};
        free(f->have);
        f->have = NULL;
}

int store_fetch_check(struct store_fetch *f) {
        CLEANUP(freep) uint8_t *space = NULL;
        uint64_t n;
        int r;

        if (!f->have)
                return 0;
        n = manifest_n_chunks(&f->left.manifest);
        space = xmalloc(DATA_CHUNK_SIZE);
        for (unsigned i = 0; i < CHECKED_AT_ONCE && f->next < n; i++) {
                f->next = skip_hole(f, f->next);
                if (f->next < n)
                        f->have[f->next] = is_right(f, f->next, space);
                f->next++;
        }
        if (f->next < n)
                return STORE_FETCH_MORE;
        r = fetch_resume(f->core, f->left.manifest_bytes, f->left.leaves, f->have);
        left_done(f);
        return r < 0 ? error_fold(r) : r;
}

static int find_left(struct store_fetch *f) {
        int r = meta_read(f->store->dir_fd, &f->root, "want", &f->left);

        if (r == STORE_E_NONE || r == -EBADMSG)
                return 0; /* nothing usable: from the beginning */
        if (r)
                return error_fold(r);
        r = reserve(f, f->left.manifest.length, f->left.manifest_bytes.len);
        if (r)
                return r;
        r = open_part(f);
        if (r)
                return r;
        f->have = xnew_n(bool, manifest_n_chunks(&f->left.manifest));
        return 0;
}

int store_fetch_begin(struct store *s, const struct hash_value *root,
                      const struct fetch_config *config, struct store_fetch **ret) {
        CLEANUP(store_fetch_freep) struct store_fetch *f = xnew(struct store_fetch);
        int r;

        f->fd = -1;
        f->store = s;
        f->root = *root;
        f->core = fetch_new(root, config, &store_sink, f);
        r = find_left(f);
        if (r)
                return r;
        *ret = TAKE(f);
        return STORE_OK;
}

struct fetch *store_fetch_core(struct store_fetch *f) {
        return f->core;
}

void store_fetch_admit(struct store_fetch *f, store_admit_fn fn, void *userdata) {
        f->admit = fn;
        f->userdata = userdata;
}

uint64_t store_fetch_length(const struct store_fetch *f) {
        return f->length;
}

int store_fetch_finish(struct store_fetch *f) {
        char part[STORE_NAME_SIZE];

        if (store_has(f->store, &f->root))
                return store_pin(f->store, &f->root);
        if (store_partial(f->store, &f->root)) /* as leave_partial(): the part is not ours */
                return STORE_E_NONE;
        if (ftruncate(f->fd, (off_t) f->length) < 0 || fchmod(f->fd, 0444) < 0 || fsync(f->fd) < 0)
                return disk_result(-errno);
        return store_complete(f->store, &f->root, file_name(&f->root, "part", part), f->length,
                              &f->room);
}

/* The room passes to an entry that may be evicted. Where somebody else has put the dataset here
 * meanwhile, that is the entry: what came is not needed. Was it found damaged since, it has taken
 * the names of our files. */
static void leave_partial(struct store_fetch *f) {
        char name[STORE_NAME_SIZE];
        uint64_t cost = f->room.bytes;
        int dir = f->store->dir_fd;

        store_release(f->store, &f->room);
        if (store_partial(f->store, &f->root))
                return;
        if (!store_has(f->store, &f->root) &&
            faccessat(dir, file_name(&f->root, "want", name), F_OK, 0) == 0) {
                store_add_entry(f->store, &f->root, f->length, cost)->partial = true;
                return;
        }
        (void) unlinkat(dir, file_name(&f->root, "want", name), 0);
        (void) unlinkat(dir, file_name(&f->root, "part", name), 0);
}

struct store_fetch *store_fetch_free(struct store_fetch *f) {
        if (!f)
                return NULL;
        fetch_free(f->core);
        left_done(f);
        if (f->room.is_held)
                leave_partial(f);
        fd_close(f->fd);
        free(f);
        return NULL;
}
