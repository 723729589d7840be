/* What people said of datasets, one small file each:
 *   u8 version (1), u8 flags, u64 time in µs, u8 length of the label, label */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/data/store_files.h"

#define KEEP_VERSION  1
#define LABEL_SEED    0x6c6162656c /* this node's people choose them */
#define KEEP_SIZE_MAX (1 + 1 + 8 + 1 + STORE_LABEL_SIZE)

bool store_keep_of(const struct store *s, const struct hash_value *root, struct store_keep *ret) {
        const struct store_keep *keep = map_get(s->keeps, hash_bytes(root));

        *ret = keep ? *keep : (struct store_keep){};
        return keep;
}

bool store_is_label(const char *label) {
        struct hash_value root;
        size_t n = strlen(label);

        if (n == 0 || n >= STORE_LABEL_SIZE || !utf8_is_valid(BYTES(label, n)))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((uint8_t) label[i] < 0x20 || label[i] == 0x7f || label[i] == '@')
                        return false;
        return n != 2 * HASH_SIZE || !hex_decode(label, root.bytes, HASH_SIZE);
}

bool store_find_label(const struct store *s, const char *label, struct hash_value *ret) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (map_next(s->keeps, &cursor, &key, &value))
                if (*label && strcmp(((struct store_keep *) value)->label, label) == 0) {
                        memcpy(ret->bytes, key.data, HASH_SIZE);
                        return true;
                }
        return false;
}

bool store_of_finding_key(const struct store *s, const struct hash_value *key,
                          struct hash_value *ret) {
        const struct hash_value *root = map_get(s->by_finding_key, hash_bytes(key));

        if (root)
                *ret = *root;
        return root;
}

/* In memory: what the files say. */
static void remember(struct store *s, const struct hash_value *root,
                     const struct store_keep *keep) {
        struct entry *e = map_get(s->by_root, hash_bytes(root));
        struct hash_value key = manifest_finding_key(root);

        if (e)
                e->kept = keep->flags & STORE_KEEP_PINNED;
        free(keep->flags & STORE_KEEP_ANNOUNCED
                     ? map_set(s->by_finding_key, hash_bytes(&key), xmemdup(root, sizeof(*root)))
                     : map_remove(s->by_finding_key, hash_bytes(&key)));
        free(keep->flags ? map_set(s->keeps, hash_bytes(root), xmemdup(keep, sizeof(*keep)))
                         : map_remove(s->keeps, hash_bytes(root)));
}

static int write_keep(const struct store *s, const char *name, const struct store_keep *keep) {
        uint8_t head[11] = { KEEP_VERSION, keep->flags };
        const struct bytes parts[] = { BYTES_OF(head), BYTES_STR(keep->label) };

        store_be64(head + 2, (uint64_t) keep->time_us);
        head[10] = (uint8_t) strlen(keep->label);
        return file_write_whole(s->dir_fd, name, parts, ELEMENTSOF(parts));
}

int store_set_keep(struct store *s, const struct hash_value *root, const struct store_keep *keep) {
        bool is_new = !map_get(s->keeps, hash_bytes(root));
        char name[STORE_NAME_SIZE];
        int r = 0;

        file_name(root, "keep", name);
        if (is_new && !keep->flags)
                return STORE_OK;
        if (is_new && map_count(s->keeps) >= STORE_KEEPS_MAX)
                return STORE_E_QUOTA;
        if (keep->flags)
                r = write_keep(s, name, keep);
        else if (unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT)
                r = disk_result(-errno);
        if (r == 0 && fsync(s->dir_fd) < 0)
                r = disk_result(-errno);
        if (r == 0)
                remember(s, root, keep);
        return r;
}

static bool read_keep(const struct store *s, const char *name, struct store_keep *ret) {
        CLEANUP(fd_closep) int fd = -1;
        uint8_t bytes[KEEP_SIZE_MAX + 1];
        struct reader r;
        size_t label;
        ssize_t n;

        fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
        if (n < 0)
                return false;
        r = reader_of(BYTES(bytes, (size_t) n));
        if (reader_u8(&r) != KEEP_VERSION)
                return false;
        ret->flags = reader_u8(&r);
        ret->time_us = (int64_t) reader_u64(&r);
        label = reader_u8(&r);
        return label < STORE_LABEL_SIZE && reader_copy(&r, ret->label, label) && reader_done(&r) &&
               ret->flags;
}

void store_scan_keep(struct store *s, const struct hash_value *root) {
        struct store_keep keep = {};
        char name[STORE_NAME_SIZE];

        if (read_keep(s, file_name(root, "keep", name), &keep))
                remember(s, root, &keep);
        else
                (void) unlinkat(s->dir_fd, name, 0);
}

static int64_t written_ns(const struct store *s, const struct hash_value *root) {
        char name[STORE_NAME_SIZE];
        struct stat st;

        return fstatat(s->dir_fd, file_name(root, "keep", name), &st, AT_SYMLINK_NOFOLLOW) == 0
                       ? file_time_ns(&st.st_mtim)
                       : 0;
}

/* If the disk refuses, it is settled at the next opening; in memory it is now. */
static void lose_label(struct store *s, const struct hash_value *root) {
        struct store_keep keep;

        (void) store_keep_of(s, root, &keep);
        keep.label[0] = 0;
        if (store_set_keep(s, root, &keep))
                remember(s, root, &keep);
}

void store_settle_labels(struct store *s) {
        CLEANUP(map_freep) struct map *named = map_new(LABEL_SEED);
        size_t n = map_count(s->keeps), i = 0, cursor = 0;
        CLEANUP(freep) struct hash_value *roots = xnew_n(struct hash_value, n + 1);
        struct bytes key;
        void *value;

        while (map_next(s->keeps, &cursor, &key, &value))
                memcpy(roots[i++].bytes, key.data, HASH_SIZE);
        for (i = 0; i < n; i++) {
                const struct store_keep *keep = map_get(s->keeps, hash_bytes(&roots[i]));
                const struct hash_value *other = map_get(named, BYTES_STR(keep->label));

                if (!*keep->label)
                        continue;
                if (other && written_ns(s, other) > written_ns(s, &roots[i])) {
                        lose_label(s, &roots[i]);
                        continue;
                }
                (void) map_set(named, BYTES_STR(keep->label), &roots[i]);
                if (other)
                        lose_label(s, other);
        }
}

static void free_values(struct map *m) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (map_next(m, &cursor, &key, &value))
                free(value);
        map_free(m);
}

void store_keeps_free(struct store *s) {
        free_values(s->keeps);
        free_values(s->by_finding_key);
        free_values(s->imports);
}

void store_each(const struct store *s, bool (*fn)(void *userdata, const struct store_item *item),
                void *userdata) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        LIST_FOREACH (link, &s->entries) {
                const struct entry *e = LIST_ENTRY(link, struct entry, link);
                struct store_item item = { .root = e->root,
                                           .length = e->length,
                                           .pins = e->pins,
                                           .is_complete = !e->partial,
                                           .is_partial = e->partial };

                (void) store_keep_of(s, &e->root, &item.keep);
                if (!fn(userdata, &item))
                        return;
        }
        while (map_next(s->keeps, &cursor, &key, &value)) {
                struct store_item item = { .keep = *(const struct store_keep *) value };

                memcpy(item.root.bytes, key.data, HASH_SIZE);
                if (!map_get(s->by_root, key) && !fn(userdata, &item))
                        return;
        }
}

/* What was made of it goes along, unless somebody reads or wants it. */
static void remove_import(struct store *s, const struct hash_value *source) {
        struct hash_value made;
        struct entry *e = store_import_of(s, source, &made) ? store_entry(s, &made) : NULL;

        if (e && !entry_stays(e))
                store_evict(s, e);
}

int store_remove(struct store *s, const struct hash_value *root) {
        struct entry *e = map_get(s->by_root, hash_bytes(root));
        struct store_keep keep;
        bool is_kept = store_keep_of(s, root, &keep);
        int r = STORE_OK;

        if (!e && !(keep.flags & STORE_KEEP_PINNED))
                return STORE_E_NONE;
        if (e && e->pins > 0)
                return STORE_E_BUSY;
        keep.flags &= (uint8_t) ~STORE_KEEP_PINNED;
        if (is_kept)
                r = store_set_keep(s, root, &keep);
        if (r == STORE_OK && e) {
                remove_import(s, root);
                store_evict(s, e);
        }
        return r;
}
