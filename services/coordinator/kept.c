#include "services/coordinator/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/io.h"

#define SUFFIX KEPT_SUFFIX

struct entry {
        struct list recent;
        struct hash_value key;
        uint64_t size;
};

struct kept {
        int dir;
        struct kept_limits limits;
        struct map *entries; /* key -> struct entry */
        struct list recent;  /* used longest ago first */
        struct kept_figures figures;
};

const char *kept_name(const struct hash_value *key, char ret[KEPT_NAME_SIZE]) {
        hex_encode(hash_bytes(key), ret);
        memcpy(ret + 2 * HASH_SIZE, SUFFIX, sizeof(SUFFIX));
        return ret;
}

static struct entry *entry_of(const struct kept *a, const struct hash_value *key) {
        return map_get(a->entries, hash_bytes(key));
}

static void add(struct kept *a, const struct hash_value *key, uint64_t size) {
        struct entry *e = xnew(struct entry);

        e->key = *key;
        e->size = size;
        map_set(a->entries, hash_bytes(key), e);
        list_push_back(&a->recent, &e->recent);
        a->figures.bytes += size;
        a->figures.entries++;
}

static void forget(struct kept *a, struct entry *e) {
        a->figures.bytes -= e->size;
        a->figures.entries--;
        map_remove(a->entries, hash_bytes(&e->key));
        list_remove(&e->recent);
        free(e);
}

static void take_away(struct kept *a, struct entry *e) {
        char name[KEPT_NAME_SIZE];

        (void) unlinkat(a->dir, kept_name(&e->key, name), 0);
        forget(a, e);
}

/* Least recently used first; `stays` may be NULL. */
static void make_room(struct kept *a, uint64_t bytes, uint32_t entries, const struct entry *stays) {
        LIST_FOREACH_SAFE (it, &a->recent) {
                struct entry *e = LIST_ENTRY(it, struct entry, recent);

                if (a->figures.bytes + bytes <= a->limits.bytes &&
                    a->figures.entries + entries <= a->limits.entries)
                        return;
                if (e == stays)
                        continue;
                take_away(a, e);
                a->figures.evicted++;
        }
}

/* ---- What is there at the start ---- */

struct found {
        struct hash_value key;
        uint64_t size;
        struct timespec used;
};

static int by_use(const void *a, const void *b) {
        const struct timespec *x = &((const struct found *) a)->used,
                              *y = &((const struct found *) b)->used;

        if (x->tv_sec != y->tv_sec)
                return x->tv_sec < y->tv_sec ? -1 : 1;
        return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static bool read_name(const char *name, struct hash_value *ret) {
        char hex[2 * HASH_SIZE + 1];

        if (strlen(name) != KEPT_NAME_SIZE - 1 || strcmp(name + 2 * HASH_SIZE, SUFFIX) != 0)
                return false;
        memcpy(hex, name, 2 * HASH_SIZE);
        hex[2 * HASH_SIZE] = 0;
        return hex_decode(hex, ret->bytes, HASH_SIZE);
}

/* What is not an answer was being written when we were killed, or is not ours: it goes. */
static bool look_at(struct kept *a, const char *name, struct found *ret) {
        struct stat st;

        if (name[0] == '.')
                return false;
        if (read_name(name, &ret->key) && fstatat(a->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && (uint64_t) st.st_size <= a->limits.entry) {
                ret->size = (uint64_t) st.st_size;
                ret->used = st.st_mtim;
                return true;
        }
        (void) unlinkat(a->dir, name, 0);
        return false;
}

static int read_folder(struct kept *a) {
        CLEANUP(freep) struct found *all = NULL;
        int fd = fcntl(a->dir, F_DUPFD_CLOEXEC, 0);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        size_t n = 0, capacity = 0;
        struct dirent *e;

        if (!d)
                return error_origin(-errno);
        while ((e = readdir(d))) {
                if (n == capacity) {
                        capacity = capacity ? 2 * capacity : 64;
                        all = xrealloc(all, capacity * sizeof(*all));
                }
                n += look_at(a, e->d_name, &all[n]);
        }
        (void) closedir(d);
        if (n > 0)
                qsort(all, n, sizeof(*all), by_use);
        for (size_t i = 0; i < n; i++)
                add(a, &all[i].key, all[i].size);
        make_room(a, 0, 0, NULL);
        return 0;
}

int kept_open(const char *folder, const struct kept_limits *limits, struct kept **ret) {
        CLEANUP(kept_freep) struct kept *a = xnew(struct kept);
        int r;

        a->limits = *limits;
        a->entries = map_new(0);
        list_init(&a->recent);
        a->dir = -1;
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                return error_origin(-errno);
        a->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (a->dir < 0)
                return error_origin(-errno);
        r = read_folder(a);
        if (r)
                return r;
        *ret = TAKE(a);
        return 0;
}

struct kept *kept_free(struct kept *a) {
        if (!a)
                return NULL;
        LIST_FOREACH_SAFE (it, &a->recent)
                forget(a, LIST_ENTRY(it, struct entry, recent));
        map_free(a->entries);
        if (a->dir >= 0)
                (void) close(a->dir);
        free(a);
        return NULL;
}

/* ---- Use ---- */

bool kept_has(const struct kept *a, const struct hash_value *key) {
        return entry_of(a, key);
}

/* The whole file, which has the length that is known of it; or NULL. */
static struct refbuf *read_file(struct kept *a, const struct entry *e) {
        CLEANUP(refbuf_unrefp) struct refbuf *b = NULL;
        char name[KEPT_NAME_SIZE];
        CLEANUP(fd_closep)
        int fd = openat(a->dir, kept_name(&e->key, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t) st.st_size != e->size)
                return NULL;
        b = refbuf_alloc(e->size);
        if (read(fd, b->data, e->size) != (ssize_t) e->size)
                return NULL;
        /* By this the next start knows what was used last. */
        (void) futimens(fd, (const struct timespec[2]){ { .tv_nsec = UTIME_NOW },
                                                        { .tv_nsec = UTIME_NOW } });
        return TAKE(b);
}

struct refbuf *kept_find(struct kept *a, const struct hash_value *key) {
        struct entry *e = entry_of(a, key);
        struct refbuf *b = e ? read_file(a, e) : NULL;

        if (!e)
                return NULL;
        if (!b) {
                a->figures.failures++;
                take_away(a, e);
                return NULL;
        }
        list_remove(&e->recent);
        list_push_back(&a->recent, &e->recent);
        return b;
}

static int write_file(struct kept *a, const struct hash_value *key, struct bytes file) {
        char name[KEPT_NAME_SIZE], temporary[KEPT_NAME_SIZE + 4];
        CLEANUP(fd_closep) int fd = -1;
        int r;

        (void) snprintf(temporary, sizeof(temporary), "%s.tmp", kept_name(key, name));
        (void) unlinkat(a->dir, temporary, 0);
        fd = openat(a->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_origin(-errno);
        r = error_fold(io_write(fd, file));
        if (!r && renameat(a->dir, temporary, a->dir, name) < 0)
                r = error_origin(-errno);
        if (r)
                (void) unlinkat(a->dir, temporary, 0);
        return r;
}

/* The new one and the old one are there side by side for a moment, and both are paid for. */
int kept_put(struct kept *a, const struct hash_value *key, struct bytes file) {
        struct entry *old = entry_of(a, key);

        if (file.len > a->limits.entry || file.len + (old ? old->size : 0) > a->limits.bytes) {
                a->figures.refused++;
                return KEPT_E_SIZE;
        }
        make_room(a, file.len, !old, old);
        if (write_file(a, key, file)) {
                a->figures.failures++;
                return KEPT_E_DISK;
        }
        if (old)
                forget(a, old);
        add(a, key, file.len);
        a->figures.kept++;
        return KEPT_OK;
}

void kept_drop(struct kept *a, const struct hash_value *key) {
        struct entry *e = entry_of(a, key);

        if (e)
                take_away(a, e);
}

const struct kept_figures *kept_figures(const struct kept *a) {
        return &a->figures;
}
