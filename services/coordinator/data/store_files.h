#pragma once

/* What the parts of the store share. Private to services/coordinator/data. */

#include "common/base/list.h"
#include "common/base/map.h"
#include "services/coordinator/data/store.h"

struct entry {
        struct list link; /* in store.entries, least recently used first */
        struct hash_value root;
        uint64_t length, cost; /* cost: see store_cost() */
        unsigned pins;
        bool partial;    /* <root>.part of a fetch nobody runs now; may be evicted like the rest */
        bool kept;       /* STORE_KEEP_PINNED */
        int64_t used_ns; /* wall clock of its last use, as its meta file has it: only while opening
                          */
};

struct store {
        char *path;
        int dir_fd, lock_fd;
        uint64_t quota, used, evicted; /* used counts the rooms of uploads and fetches too */
        size_t entries_max, n_rooms;
        struct list entries;
        struct map *by_root;
        struct map *keeps;          /* root to struct store_keep, owned */
        struct map *by_finding_key; /* of what is announced: to its root, owned */
        struct map *imports;        /* root to struct import_note of store_import.c, owned */
};

/* What an upload or a fetch under way holds: bytes of the quota, and one of the entries. */
struct room {
        uint64_t bytes;
        bool is_held;
};

/* The meta file's content: u32 manifest length, manifest, leaves. */
struct meta {
        uint8_t *bytes; /* owned; the rest are views */
        struct bytes manifest_bytes;
        struct manifest manifest;
        const struct hash_value *leaves;
};
static inline void meta_donep(struct meta *m) {
        free(m->bytes);
}

const char *file_name(const struct hash_value *root, const char *suffix, char ret[STORE_NAME_SIZE]);
/* -errno of writing: STORE_E_DISK for a full disk, else the fault. */
int disk_result(int negative_errno);
int64_t file_time_ns(const struct timespec *t);
int file_write_all(int fd, struct bytes data, uint64_t offset);
/* The same, and the kernel begins to write it down: the sync at the end finds little to do. */
int file_write_through(int fd, struct bytes data, uint64_t offset);
/* Reads and checks against the root. STORE_E_NONE, or -EBADMSG when damaged. */
int meta_read(int dir_fd, const struct hash_value *root, const char *suffix, struct meta *ret);
/* The manifest alone, checked against the root and appended to b. STORE_E_NONE, or -EBADMSG. */
int meta_read_manifest(int dir_fd, const struct hash_value *root, const char *suffix,
                       struct buffer *b);
/* Atomic and synced; the name too after fsync() of the folder. */
int file_write_whole(int dir_fd, const char *name, const struct bytes *parts, size_t n);
/* Atomic and synced. */
int meta_write(int dir_fd, const struct hash_value *root, const char *suffix, struct bytes manifest,
               const struct hash_value *leaves, uint64_t n);
/* Removes leftovers and lists what is complete into s. */
int store_scan(struct store *s);

/* <root>.keep as it was left; one that cannot be read is forgotten. */
void store_scan_keep(struct store *s, const struct hash_value *root);
/* Of two with one name, which a crash amid renaming leaves, the one written last has it. */
void store_settle_labels(struct store *s);
void store_keeps_free(struct store *s);
bool store_of_finding_key(const struct store *s, const struct hash_value *key,
                          struct hash_value *ret);
/* <root>.import as it was left; of another import version it is forgotten. */
void store_scan_import(struct store *s, const struct hash_value *source);
/* Those that made this one; NULL: all that made what is not here any more. */
void store_forget_imports(struct store *s, const struct hash_value *made);
static inline bool entry_stays(const struct entry *e) {
        return e->pins > 0 || e->kept;
}
/* Removes its files, and frees it. */
void store_evict(struct store *s, struct entry *e);

/* Complete ones only. */
struct entry *store_entry(const struct store *s, const struct hash_value *root);
struct entry *store_partial(const struct store *s, const struct hash_value *root);
/* What a dataset takes of the quota: its two files, each in whole blocks of the disk. Somebody
 * may send many that have hardly any bytes, and long schemas. */
uint64_t store_cost(uint64_t length, size_t manifest_len);
/* The entry of what an earlier fetch left, if there is one, becomes a room of one under way. */
void store_take_partial(struct store *s, const struct hash_value *root, struct room *room);
/* Removes them. */
void store_drop_partial(struct store *s, const struct hash_value *root);
/* There must be none of this root. */
struct entry *store_add_entry(struct store *s, const struct hash_value *root, uint64_t length,
                              uint64_t cost);
/* Evicts until the room can have `bytes`: it is taken, or made larger or smaller. STORE_E_QUOTA:
 * it is as it was. */
int store_reserve(struct store *s, struct room *room, uint64_t bytes);
void store_release(struct store *s, struct room *room); /* if it is held */
/* Evicts what may go until the bounds hold. */
void store_trim(struct store *s);
/* tmp_name becomes <root>.data and <root>.want (there, and synced) <root>.meta; the entry is
 * made, pinned once; the room becomes the entry's. On an error nothing has changed. */
int store_complete(struct store *s, const struct hash_value *root, const char *tmp_name,
                   uint64_t length, struct room *room);
