#include "services/coordinator/data/store_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/io.h"

const char *file_name(const struct hash_value *root, const char *suffix,
                      char ret[STORE_NAME_SIZE]) {
        hex_encode(hash_bytes(root), ret);
        snprintf(ret + 2 * HASH_SIZE, STORE_NAME_SIZE - 2 * HASH_SIZE, ".%s", suffix);
        return ret;
}

int disk_result(int negative_errno) {
        if (negative_errno == -ENOSPC || negative_errno == -EDQUOT || negative_errno == -EFBIG)
                return STORE_E_DISK;
        return error_origin(negative_errno);
}

int file_write_all(int fd, struct bytes data, uint64_t offset) {
        int r = io_write_at(fd, data, offset);

        return r ? disk_result(r) : 0;
}

int file_write_through(int fd, struct bytes data, uint64_t offset) {
        int r = file_write_all(fd, data, offset);

        if (r == 0)
                (void) sync_file_range(fd, (off_t) offset, (off_t) data.len, SYNC_FILE_RANGE_WRITE);
        return r;
}

static int read_whole(int dir_fd, const char *name, uint8_t **ret, size_t *ret_len) {
        CLEANUP(fd_closep) int fd = -1;
        CLEANUP(freep) uint8_t *data = NULL;
        struct stat st;
        size_t have = 0;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? STORE_E_NONE : error_origin(-errno);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (st.st_size > (off_t) (MANIFEST_SIZE_MAX + 4 + (uint64_t) DATA_CHUNKS_MAX * HASH_SIZE))
                return error_origin(-EBADMSG);
        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return error_origin(-ENOMEM);
        while (have < (size_t) st.st_size) {
                ssize_t n = read(fd, data + have, (size_t) st.st_size - have);

                if (n <= 0)
                        return error_origin(n < 0 ? -errno : -EBADMSG);
                have += (size_t) n;
        }
        *ret = TAKE(data);
        *ret_len = have;
        return 0;
}

int meta_read(int dir_fd, const struct hash_value *root, const char *suffix, struct meta *ret) {
        CLEANUP(meta_donep) struct meta m = {};
        char name[STORE_NAME_SIZE];
        struct hash_value found;
        struct reader r;
        size_t len;
        int e;

        e = read_whole(dir_fd, file_name(root, suffix, name), &m.bytes, &len);
        if (e)
                return e;
        r = reader_of(BYTES(m.bytes, len));
        m.manifest_bytes = reader_take(&r, reader_u32(&r));
        found = manifest_root(m.manifest_bytes);
        if (r.failed || !hash_equal(&found, root) ||
            manifest_decode(m.manifest_bytes, &m.manifest) ||
            reader_left(&r) != manifest_n_chunks(&m.manifest) * HASH_SIZE)
                return error_origin(-EBADMSG);
        m.leaves = (const struct hash_value *) (r.data + r.pos);
        *ret = m;
        m.bytes = NULL;
        return 0;
}

static int manifest_from(int fd, const struct hash_value *root, struct buffer *b) {
        uint8_t len[4], *to;
        struct hash_value found;
        size_t n;

        if (pread(fd, len, sizeof(len), 0) != sizeof(len))
                return error_origin(-EBADMSG);
        n = load_be32(len);
        to = n <= MANIFEST_SIZE_MAX ? buffer_reserve(b, n) : NULL;
        if (!to || pread(fd, to, n, sizeof(len)) != (ssize_t) n)
                return error_origin(-EBADMSG);
        found = manifest_root(BYTES(to, n));
        if (!hash_equal(&found, root))
                return error_origin(-EBADMSG);
        b->len += n;
        return 0;
}

int meta_read_manifest(int dir_fd, const struct hash_value *root, const char *suffix,
                       struct buffer *b) {
        CLEANUP(fd_closep) int fd = -1;
        char name[STORE_NAME_SIZE];

        fd = openat(dir_fd, file_name(root, suffix, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? STORE_E_NONE : error_origin(-errno);
        return manifest_from(fd, root, b);
}

int file_write_whole(int dir_fd, const char *name, const struct bytes *parts, size_t n) {
        CLEANUP(fd_closep) int fd = -1;
        static const char tmp[] = "whole.tmp";
        uint64_t at = 0;
        int r = 0;

        fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return disk_result(-errno);
        for (size_t i = 0; i < n && r == 0; at += parts[i++].len)
                r = file_write_all(fd, parts[i], at);
        if (r == 0 && fsync(fd) < 0)
                r = disk_result(-errno);
        if (r == 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
                r = disk_result(-errno);
        if (r)
                (void) unlinkat(dir_fd, tmp, 0);
        return r;
}

int meta_write(int dir_fd, const struct hash_value *root, const char *suffix, struct bytes manifest,
               const struct hash_value *leaves, uint64_t n) {
        char name[STORE_NAME_SIZE];
        uint8_t len[4];
        const struct bytes parts[] = { BYTES_OF(len), manifest, BYTES(leaves, n * HASH_SIZE) };

        store_be32(len, (uint32_t) manifest.len);
        return file_write_whole(dir_fd, file_name(root, suffix, name), parts, ELEMENTSOF(parts));
}

/* "<64 hex>.<suffix>" */
static bool parse_name(const char *name, struct hash_value *ret, const char **ret_suffix) {
        char hex[2 * HASH_SIZE + 1];

        if (strlen(name) < sizeof(hex) + 1 || name[2 * HASH_SIZE] != '.')
                return false;
        memcpy(hex, name, 2 * HASH_SIZE);
        hex[2 * HASH_SIZE] = 0;
        *ret_suffix = name + sizeof(hex);
        return hex_decode(hex, ret->bytes, HASH_SIZE);
}

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), m = strlen(end);

        return n >= m && strcmp(s + n - m, end) == 0;
}

int64_t file_time_ns(const struct timespec *t) {
        return (int64_t) t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct entry *add_found(struct store *s, const struct hash_value *root,
                               const struct meta *m) {
        return store_add_entry(s, root, m->manifest.length,
                               store_cost(m->manifest.length, m->manifest_bytes.len));
}

static void scan_complete(struct store *s, const struct hash_value *root) {
        CLEANUP(meta_donep) struct meta m = {};
        char name[STORE_NAME_SIZE];
        struct stat st, used;

        if (meta_read(s->dir_fd, root, "meta", &m) == 0 &&
            fstatat(s->dir_fd, file_name(root, "data", name), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && (uint64_t) st.st_size == m.manifest.length &&
            fstatat(s->dir_fd, file_name(root, "meta", name), &used, AT_SYMLINK_NOFOLLOW) == 0) {
                add_found(s, root, &m)->used_ns = file_time_ns(&used.st_mtim);
                return;
        }
        /* Damaged: as good as absent; it will be fetched again. */
        (void) unlinkat(s->dir_fd, file_name(root, "data", name), 0);
        (void) unlinkat(s->dir_fd, file_name(root, "meta", name), 0);
}

static bool exists(const struct store *s, const struct hash_value *root, const char *suffix) {
        char name[STORE_NAME_SIZE];

        return faccessat(s->dir_fd, file_name(root, suffix, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Data whose meta never came is unreachable. */
static void scan_data(struct store *s, const struct hash_value *root) {
        char name[STORE_NAME_SIZE];

        if (!exists(s, root, "meta"))
                (void) unlinkat(s->dir_fd, file_name(root, "data", name), 0);
}

/* A fetch under way when the process ended: kept, counted, continued when asked for again. */
static void scan_partial(struct store *s, const struct hash_value *root) {
        CLEANUP(meta_donep) struct meta m = {};
        char name[STORE_NAME_SIZE];

        if (!exists(s, root, "meta") && meta_read(s->dir_fd, root, "want", &m) == 0) {
                add_found(s, root, &m)->partial = true;
                return;
        }
        (void) unlinkat(s->dir_fd, file_name(root, "want", name), 0);
        (void) unlinkat(s->dir_fd, file_name(root, "part", name), 0);
}

/* Of a fetch whose data never came, or an upload that was cut short. */
static void scan_want(struct store *s, const struct hash_value *root) {
        char name[STORE_NAME_SIZE];

        if (!exists(s, root, "part"))
                (void) unlinkat(s->dir_fd, file_name(root, "want", name), 0);
}

static const struct {
        const char *suffix;
        void (*scan)(struct store *s, const struct hash_value *root);
} scans[] = {
        { "meta", scan_complete }, { "data", scan_data },       { "part", scan_partial },
        { "want", scan_want },     { "keep", store_scan_keep }, { "import", store_scan_import },
};

static void scan_name(struct store *s, const char *name) {
        struct hash_value root;
        const char *suffix;

        if (ends_with(name, ".tmp"))
                (void) unlinkat(s->dir_fd, name, 0);
        else if (parse_name(name, &root, &suffix))
                for (size_t i = 0; i < ELEMENTSOF(scans); i++)
                        if (strcmp(suffix, scans[i].suffix) == 0)
                                scans[i].scan(s, &root);
}

static int compare_use(const void *a, const void *b) {
        const struct entry *x = *(struct entry *const *) a, *y = *(struct entry *const *) b;

        return x->used_ns < y->used_ns ? -1 : x->used_ns > y->used_ns;
}

/* Fetches in part were never used: they go first. */
static void sort_by_use(struct store *s) {
        CLEANUP(freep) struct entry **sorted = xnew_n(struct entry *, store_count(s) + 1);
        size_t n = 0;

        LIST_FOREACH (link, &s->entries)
                sorted[n++] = LIST_ENTRY(link, struct entry, link);
        qsort(sorted, n, sizeof(struct entry *), compare_use);
        for (size_t i = 0; i < n; i++) {
                list_remove(&sorted[i]->link);
                list_push_back(&s->entries, &sorted[i]->link);
        }
}

int store_scan(struct store *s) {
        int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *d;
        DIR *dir;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                fd_close(fd);
                return error_origin(-errno);
        }
        while ((d = readdir(dir)))
                scan_name(s, d->d_name);
        closedir(dir);
        sort_by_use(s);
        store_settle_labels(s);
        store_forget_imports(s, NULL);
        return 0;
}
