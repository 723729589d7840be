#pragma once

/* The dataset cache: one directory of immutable files named by their roots.
 *
 *   <root>.data   the bytes, 0444, written once, never truncated
 *   <root>.meta   manifest and leaf list; written last, so it stands for "complete"
 *   <root>.part, <root>.want   a fetch under way: data, and what .meta will be; counted too
 *   <root>.keep   that people want it to stay (store_set_keep()); also of one that is not here
 *   <root>.import what an import of this node made of it (store_set_import())
 *   *.tmp         anything a crash left behind; removed at opening
 *
 * Everything is written under another name, synced and renamed. A quota bounds
 * the bytes on disk, meta files and the rest of each file's last block included, and
 * STORE_ENTRIES_MAX how many there are; the least recently used dataset that is neither
 * pinned nor kept goes first. Opens files: shells only. One process per directory (locked). Not
 * thread-safe. */

#include "services/coordinator/data/manifest.h"
#include "services/coordinator/data/serve.h"

#define STORE_NAME_SIZE   80  /* "<64 hex>.data" and its 0 */
#define STORE_LABEL_SIZE  129 /* what people call it: 1 to 128 bytes of UTF-8, and its 0 */
#define STORE_KEEPS_MAX   65536

#define STORE_ENTRIES_MAX 65536 /* complete, fetched in part, and on their way */
#define STORE_BLOCK       4096  /* a file takes whole ones */

struct store;
struct upload;

enum store_result {
        STORE_OK = 0,
        STORE_E_NONE,   /* no such dataset here */
        STORE_E_QUOTA,  /* LIMIT{data}: does not fit beside what is pinned, bytes or number */
        STORE_E_DISK,   /* LIMIT{disk}: the file system is full */
        STORE_E_LENGTH, /* more or fewer bytes than declared */
        STORE_E_SCHEMA, /* options and schema do not fit a manifest */
        STORE_E_LOCKED, /* another process has the directory */
        STORE_E_BUSY,   /* a job reads it */
};

/* path is created when missing (0755: workers read it). Removes leftovers.
 * Returns enum store_result or a fault. */
int store_open(const char *path, uint64_t quota, struct store **ret);
struct store *store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free);

const char *store_path(const struct store *s);
uint64_t store_used(const struct store *s);    /* bytes on disk, and promised */
uint64_t store_evicted(const struct store *s); /* datasets that made room, since opening */
uint64_t store_quota(const struct store *s);
size_t store_count(const struct store *s); /* datasets, complete and fetched in part */
bool store_has(const struct store *s, const struct hash_value *root);
/* The data file's name below store_path(), for a worker to open. */
const char *store_name(const struct hash_value *root, char ret[STORE_NAME_SIZE]);
/* Bytes of a complete dataset. */
int store_length(const struct store *s, const struct hash_value *root, uint64_t *ret);

/* The encoded manifest, checked against the root; of one that is fetched in part too.
 * Appended to b. STORE_E_NONE, or a fault. */
int store_manifest(const struct store *s, const struct hash_value *root, struct buffer *b);

/* While pinned it is not evicted; counted. Returns STORE_E_NONE when it is not here. */
int store_pin(struct store *s, const struct hash_value *root);
void store_unpin(struct store *s, const struct hash_value *root);

/* What people said of a dataset: holds after a restart, and for one that is not here (yet). */
enum store_keep_flag {
        STORE_KEEP_PINNED = 1,    /* never evicted */
        STORE_KEEP_ANNOUNCED = 2, /* others were told that it is here, and not yet the contrary */
};
struct store_keep {
        uint8_t flags;                /* enum store_keep_flag */
        int64_t time_us;              /* wall clock: since when */
        char label[STORE_LABEL_SIZE]; /* "": none */
};
/* Synced before it returns; no flags: forgotten. Over STORE_KEEPS_MAX: STORE_E_QUOTA. */
int store_set_keep(struct store *s, const struct hash_value *root, const struct store_keep *keep);
/* False, and all zero: nothing was said of it. */
bool store_keep_of(const struct store *s, const struct hash_value *root, struct store_keep *ret);
/* 1 to 128 bytes of UTF-8 without control characters, that nobody takes for a root or NAME@PEER. */
bool store_is_label(const char *label);
/* The one that is called this; false: none. */
bool store_find_label(const struct store *s, const char *label, struct hash_value *ret);

/* One dataset of a listing: complete, fetched in part, or only kept in mind. */
struct store_item {
        struct hash_value root;
        uint64_t length; /* 0: not known */
        unsigned pins;   /* of jobs and clients */
        bool is_complete, is_partial;
        struct store_keep keep;
};
/* All of them, least recently used first; `fn` answers false to end it. It must not change
 * the store. */
void store_each(const struct store *s, bool (*fn)(void *userdata, const struct store_item *item),
                void *userdata);

/* What an import of this node (derived.h) made of `source`, if it is here: nobody else can say
 * so. store_set_import() is not synced: lost, the import is made again, and is the same. It is
 * forgotten with the dataset that was made. 0, STORE_E_DISK or a fault. */
bool store_import_of(const struct store *s, const struct hash_value *source,
                     struct hash_value *ret);
/* Of the engine that read `source` for it, "" our own code; NULL: there is none. Valid until the
 * next call that changes the store. */
const char *store_import_class(const struct store *s, const struct hash_value *source);
/* `class` as store_import_class() has it. It takes the place of an older one. */
int store_set_import(struct store *s, const struct hash_value *source,
                     const struct hash_value *made, const char *class);

/* Removes the bytes, of a fetch in part too, what PINNED it, and what an import made of it.
 * STORE_E_BUSY, STORE_E_NONE, or a fault. */
int store_remove(struct store *s, const struct hash_value *root);

/* A dataset from a client, in order. length is what it declared: room for it is
 * made at once. secret: DATA_SALT_SIZE bytes that only this node knows, from which the
 * salt is derived together with the content, so that the same content again is the same
 * dataset; zeros for public data, whose salt is zero. */
int upload_begin(struct store *s, struct bytes format, uint64_t length,
                 const uint8_t secret[DATA_SALT_SIZE], struct upload **ret);
int upload_write(struct upload *u, struct bytes data);
/* All bytes came: they stand in upload_name() below store_path(), for an executor to look at,
 * which then says what goes into the manifest (copied; none: both stay empty). */
int upload_complete(struct upload *u);
const char *upload_name(const struct upload *u);
void upload_describe(struct upload *u, struct bytes options, struct bytes schema);
/* This salt instead of one of its own: what is made of a dataset has that one's. */
void upload_salt(struct upload *u, const uint8_t salt[DATA_SALT_SIZE]);
/* upload_complete() if that was not done, then syncs, names it by its root, pins it once.
 * STORE_E_SCHEMA: the manifest would be too long. STORE_E_QUOTA: there is no room for it. */
int upload_finish(struct upload *u, struct hash_value *ret_root);
struct upload *upload_free(struct upload *u); /* unfinished: removes what was written */
DEFINE_CLEANUP(struct upload *, upload_free);

extern const struct serve_source store_serve_source; /* userdata: the struct store */
