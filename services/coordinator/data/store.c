#include "services/coordinator/data/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "services/coordinator/data/store_files.h"

#define MAP_SEED 0x73746f7265 /* roots are hashes: nobody chooses where they fall */

static int lock_directory(struct store *s) {
        s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->lock_fd < 0)
                return error_origin(-errno);
        if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? STORE_E_LOCKED : error_origin(-errno);
        return 0;
}

int store_open(const char *path, uint64_t quota, struct store **ret) {
        CLEANUP(store_freep) struct store *s = xnew(struct store);
        int r;

        s->dir_fd = s->lock_fd = -1;
        s->path = xstrdup(path);
        s->quota = quota;
        s->entries_max = STORE_ENTRIES_MAX;
        s->by_root = map_new(MAP_SEED);
        s->keeps = map_new(MAP_SEED);
        s->by_finding_key = map_new(MAP_SEED);
        s->imports = map_new(MAP_SEED);
        list_init(&s->entries);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return error_origin(-errno);
        s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->dir_fd < 0)
                return error_origin(-errno);
        r = lock_directory(s);
        if (r)
                return r;
        r = store_scan(s);
        if (r)
                return error_fold(r);
        store_trim(s);
        *ret = TAKE(s);
        return 0;
}

static void entry_free(struct store *s, struct entry *e) {
        list_remove(&e->link);
        map_remove(s->by_root, hash_bytes(&e->root));
        free(e);
}

struct store *store_free(struct store *s) {
        struct list *link;

        if (!s)
                return NULL;
        while ((link = list_first(&s->entries)))
                entry_free(s, LIST_ENTRY(link, struct entry, link));
        map_free(s->by_root);
        store_keeps_free(s);
        fd_close(s->lock_fd);
        fd_close(s->dir_fd);
        free(s->path);
        free(s);
        return NULL;
}

const char *store_path(const struct store *s) {
        return s->path;
}

uint64_t store_used(const struct store *s) {
        return s->used;
}

uint64_t store_evicted(const struct store *s) {
        return s->evicted;
}

size_t store_count(const struct store *s) {
        return map_count(s->by_root);
}

uint64_t store_quota(const struct store *s) {
        return s->quota;
}

struct entry *store_entry(const struct store *s, const struct hash_value *root) {
        struct entry *e = map_get(s->by_root, hash_bytes(root));

        return e && !e->partial ? e : NULL;
}

struct entry *store_partial(const struct store *s, const struct hash_value *root) {
        struct entry *e = map_get(s->by_root, hash_bytes(root));

        return e && e->partial ? e : NULL;
}

void store_take_partial(struct store *s, const struct hash_value *root, struct room *room) {
        struct entry *e = store_partial(s, root);

        if (!e)
                return;
        check(!room->is_held);
        *room = (struct room){ e->cost, true };
        s->n_rooms++;
        entry_free(s, e);
}

static bool is_kept(const struct store *s, const struct hash_value *root) {
        struct store_keep keep;

        return store_keep_of(s, root, &keep) && keep.flags & STORE_KEEP_PINNED;
}

static uint64_t in_blocks(uint64_t bytes) {
        return (bytes + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
}

uint64_t store_cost(uint64_t length, size_t manifest_len) {
        const struct manifest m = { .length = length };

        return in_blocks(length) + in_blocks(4 + manifest_len + manifest_n_chunks(&m) * HASH_SIZE);
}

struct entry *store_add_entry(struct store *s, const struct hash_value *root, uint64_t length,
                              uint64_t cost) {
        struct entry *e = xnew(struct entry);

        check(!map_get(s->by_root, hash_bytes(root)));
        e->root = *root;
        e->length = length;
        e->cost = cost;
        s->used += cost;
        e->kept = is_kept(s, root);
        list_push_back(&s->entries, &e->link);
        map_set(s->by_root, hash_bytes(root), e);
        return e;
}

bool store_has(const struct store *s, const struct hash_value *root) {
        return store_entry(s, root);
}

const char *store_name(const struct hash_value *root, char ret[STORE_NAME_SIZE]) {
        return file_name(root, "data", ret);
}

int store_length(const struct store *s, const struct hash_value *root, uint64_t *ret) {
        const struct entry *e = store_entry(s, root);

        if (!e)
                return STORE_E_NONE;
        *ret = e->length;
        return STORE_OK;
}

int store_pin(struct store *s, const struct hash_value *root) {
        struct entry *e = store_entry(s, root);
        char name[STORE_NAME_SIZE];

        if (!e)
                return STORE_E_NONE;
        e->pins++;
        /* So that the order of use survives a restart; where the disk refuses it does not. */
        (void) utimensat(s->dir_fd, file_name(root, "meta", name), NULL, AT_SYMLINK_NOFOLLOW);
        list_remove(&e->link);
        list_push_back(&s->entries, &e->link);
        return STORE_OK;
}

void store_unpin(struct store *s, const struct hash_value *root) {
        struct entry *e = store_entry(s, root);

        check(e && e->pins > 0);
        e->pins--;
}

/* meta first: data without it is an orphan that the next opening removes. */
void store_evict(struct store *s, struct entry *e) {
        char name[STORE_NAME_SIZE];

        (void) unlinkat(s->dir_fd, file_name(&e->root, e->partial ? "want" : "meta", name), 0);
        (void) unlinkat(s->dir_fd, file_name(&e->root, e->partial ? "part" : "data", name), 0);
        store_forget_imports(s, &e->root);
        s->used -= e->cost;
        entry_free(s, e);
}

/* What cannot be evicted, this room left out. */
static void count_staying(const struct store *s, const struct room *room, uint64_t *ret_bytes,
                          size_t *ret_n) {
        *ret_bytes = s->used - room->bytes;
        *ret_n = map_count(s->by_root) + s->n_rooms - room->is_held;
        LIST_FOREACH (link, &s->entries) {
                const struct entry *e = LIST_ENTRY(link, struct entry, link);

                if (!entry_stays(e)) {
                        *ret_bytes -= e->cost;
                        --*ret_n;
                }
        }
}

static bool is_over(const struct store *s) {
        return s->used > s->quota || map_count(s->by_root) + s->n_rooms > s->entries_max;
}

void store_trim(struct store *s) {
        LIST_FOREACH_SAFE (link, &s->entries) {
                struct entry *e = LIST_ENTRY(link, struct entry, link);

                if (!is_over(s))
                        break;
                if (entry_stays(e))
                        continue;
                store_evict(s, e);
                s->evicted++;
        }
}

int store_reserve(struct store *s, struct room *room, uint64_t bytes) {
        uint64_t staying;
        size_t n;

        count_staying(s, room, &staying, &n);
        if (bytes > s->quota || staying > s->quota - bytes || n >= s->entries_max)
                return STORE_E_QUOTA;
        store_release(s, room);
        *room = (struct room){ bytes, true };
        s->n_rooms++;
        s->used += bytes;
        store_trim(s);
        return STORE_OK;
}

void store_release(struct store *s, struct room *room) {
        check(room->bytes <= s->used && s->n_rooms >= room->is_held);
        s->used -= room->bytes;
        s->n_rooms -= room->is_held;
        *room = (struct room){};
}

void store_drop_partial(struct store *s, const struct hash_value *root) {
        struct entry *e = store_partial(s, root);

        if (e)
                store_evict(s, e);
}

/* Both names or neither: after an error nothing of it is here, and its parts are what they were. */
static int name_parts(const struct store *s, const struct hash_value *root, const char *tmp_name) {
        char data[STORE_NAME_SIZE], want[STORE_NAME_SIZE], meta[STORE_NAME_SIZE];
        int dir = s->dir_fd, r;

        file_name(root, "data", data);
        file_name(root, "want", want);
        file_name(root, "meta", meta);
        if (renameat(dir, tmp_name, dir, data) < 0)
                return disk_result(-errno);
        if (renameat(dir, want, dir, meta) == 0 && fsync(dir) == 0)
                return 0;
        r = disk_result(-errno);
        (void) renameat(dir, meta, dir, want);
        (void) renameat(dir, data, dir, tmp_name);
        return r;
}

int store_complete(struct store *s, const struct hash_value *root, const char *tmp_name,
                   uint64_t length, struct room *room) {
        int r = name_parts(s, root, tmp_name);
        uint64_t cost = room->bytes;

        if (r)
                return r;
        store_release(s, room);
        store_add_entry(s, root, length, cost)->pins = 1;
        return STORE_OK;
}

static int missing_of(int r) {
        return r == STORE_E_NONE ? DATA_MISSING_ROOT : DATA_MISSING_IO;
}

int store_manifest(const struct store *s, const struct hash_value *root, struct buffer *b) {
        if (store_entry(s, root))
                return meta_read_manifest(s->dir_fd, root, "meta", b);
        return store_partial(s, root) ? meta_read_manifest(s->dir_fd, root, "want", b)
                                      : STORE_E_NONE;
}

static int source_manifest(void *userdata, const struct hash_value *root, struct buffer *b) {
        const struct store *s = userdata;
        struct hash_value found = *root;
        int r = STORE_E_NONE;

        /* Who looks for what is announced need not tell us its root: we are to show that we have
         * it. */
        if (store_has(s, root) || (store_of_finding_key(s, root, &found) && store_has(s, &found)))
                r = store_manifest(s, &found, b);
        return r ? missing_of(r) : 0;
}

static int source_leaves(void *userdata, const struct hash_value *root, uint64_t first,
                         size_t count, struct buffer *b) {
        CLEANUP(meta_donep) struct meta m = {};
        struct store *s = userdata;
        int r = store_has(s, root) ? meta_read(s->dir_fd, root, "meta", &m) : STORE_E_NONE;
        uint64_t n;

        if (r)
                return missing_of(r);
        n = manifest_n_chunks(&m.manifest);
        if (first > n || count > n - first)
                return DATA_MISSING_RANGE;
        buffer_put(b, m.leaves + first, count * HASH_SIZE);
        return 0;
}

static int source_chunk(void *userdata, const struct hash_value *root, uint64_t index,
                        struct buffer *b) {
        CLEANUP(fd_closep) int fd = -1;
        const struct store *s = userdata;
        const struct entry *e = store_entry(s, root);
        struct manifest m = { .length = e ? e->length : 0 };
        size_t len = manifest_chunk_len(&m, index), have = 0;
        char name[STORE_NAME_SIZE];
        uint8_t *to;

        if (!e)
                return DATA_MISSING_ROOT;
        if (len == 0)
                return DATA_MISSING_RANGE;
        fd = openat(s->dir_fd, file_name(root, "data", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        to = buffer_reserve(b, len);
        if (fd < 0 || !to)
                return DATA_MISSING_IO;
        while (have < len) {
                ssize_t n =
                        pread(fd, to + have, len - have, (off_t) (index * DATA_CHUNK_SIZE + have));

                if (n <= 0)
                        return DATA_MISSING_IO;
                have += (size_t) n;
        }
        b->len += len;
        return 0;
}

const struct serve_source store_serve_source = {
        .manifest = source_manifest,
        .leaves = source_leaves,
        .chunk = source_chunk,
};
