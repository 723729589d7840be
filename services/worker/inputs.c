#include "services/worker/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"

#define ADMITTED_MAX 4096

struct input_kept {
        int fd;
        uint64_t length, used_at;
};

struct input_seen {
        uint32_t major, minor, links;
        uint64_t inode, size;
        struct statx_timestamp born, modified, changed;
};

void inputs_init(struct inputs *i, uint64_t limit) {
        *i = (struct inputs){
                .directory = -1,
                .limit = limit,
                .kept = map_new(0),
                .admitted = map_new(0),
                .seen = map_new(0),
        };
}

static void forget_seen(struct inputs *i) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (i->seen && map_next(i->seen, &cursor, &key, &value))
                free(value);
        map_free(i->seen);
        i->seen = NULL;
}

void inputs_done(struct inputs *i) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (i->kept && map_next(i->kept, &cursor, &key, &value)) {
                fd_close(((struct input_kept *) value)->fd);
                free(value);
        }
        forget_seen(i);
        map_free(i->kept);
        map_free(i->admitted);
        i->directory = fd_close(i->directory);
}

int inputs_directory(struct inputs *i, const char *path) {
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return error_origin(-errno);
        fd_closep(&i->directory);
        i->directory = fd;
        return 0;
}

/* Never out of the directory, neither by .. nor by a link. */
static int open_below(const struct inputs *i, const char *path) {
        struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                                           RESOLVE_NO_SYMLINKS };

        return (int) syscall(SYS_openat2, i->directory, path, &how, sizeof(how));
}

/* ---- is it still the file that was checked? ---- */

static bool seen_of(int fd, struct input_seen *ret) {
        struct statx st = {};

        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
                return false;
        *ret = (struct input_seen){
                st.stx_dev_major, st.stx_dev_minor, st.stx_nlink, st.stx_ino,
                st.stx_size,      st.stx_btime,     st.stx_mtime, st.stx_ctime
        };
        return true;
}

static bool same_time(struct statx_timestamp a, struct statx_timestamp b) {
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The number of an inode alone comes back with the next file; its birth does not, where
 * the file system keeps that. */
static bool is_same_file(const struct input_seen *a, const struct input_seen *b) {
        return a->major == b->major && a->minor == b->minor && a->inode == b->inode &&
               same_time(a->born, b->born);
}

/* Of one file. Eviction takes a link away and so changes ctime, which a writer who
 * sets mtime back cannot keep. */
static bool is_as_seen(const struct input_seen *was, const struct input_seen *now) {
        return was->size == now->size && same_time(was->modified, now->modified) &&
               (was->links != now->links || same_time(was->changed, now->changed));
}

static int see(struct inputs *i, struct bytes root, int fd) {
        struct input_seen now, *was = root.len ? map_get(i->seen, root) : NULL;

        if (!root.len)
                return INPUTS_OK;
        if (!seen_of(fd, &now))
                return error_origin(-errno);
        if (was && is_same_file(was, &now))
                return is_as_seen(was, &now) ? INPUTS_OK : INPUTS_E_CHANGED;
        /* Another file: fetched again. Its content is not what was checked before. */
        (void) map_remove(i->admitted, root);
        if (!was && map_count(i->seen) >= ADMITTED_MAX) {
                forget_seen(i);
                i->seen = map_new(0);
                map_free(i->admitted);
                i->admitted = map_new(0);
        }
        free(map_set(i->seen, root, xmemdup(&now, sizeof(now))));
        return INPUTS_OK;
}

bool inputs_is_unchanged(const struct inputs *i, struct bytes root, int fd) {
        const struct input_seen *was = root.len ? map_get(i->seen, root) : NULL;
        struct input_seen now;

        if (!was)
                return root.len == 0;
        return seen_of(fd, &now) && is_same_file(was, &now) && is_as_seen(was, &now);
}

static int copy_to_memory(int from, uint64_t length, int *ret) {
        CLEANUP(fd_closep) int fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        off_t offset = 0;

        if (fd < 0)
                return error_origin(-errno);
        while ((uint64_t) offset < length) {
                ssize_t n = sendfile(fd, from, &offset, length - (uint64_t) offset);

                if (n <= 0)
                        return error_origin(n < 0 ? -errno : -EIO);
        }
        if (fcntl(fd, F_ADD_SEALS, seals) < 0)
                return error_origin(-errno);
        *ret = TAKE_FD(fd);
        return 0;
}

/* The one not used for longest makes room. */
static bool evict_one(struct inputs *i) {
        struct bytes key, oldest_key = BYTES_NONE;
        struct input_kept *oldest = NULL;
        size_t cursor = 0;
        void *value;

        while (map_next(i->kept, &cursor, &key, &value)) {
                struct input_kept *k = value;

                if (!oldest || k->used_at < oldest->used_at) {
                        oldest = k;
                        oldest_key = key;
                }
        }
        if (!oldest)
                return false;
        i->used -= oldest->length;
        (void) map_remove(i->kept, oldest_key);
        fd_close(oldest->fd);
        free(oldest);
        return true;
}

static void keep(struct inputs *i, struct bytes root, int fd, uint64_t length) {
        struct input_kept *k;
        int copy;

        if (length > i->limit) /* would only push out all others */
                return;
        while (i->used + length > i->limit) {
                if (!evict_one(i))
                        return;
        }
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
                return; /* it is only a cache */
        k = xnew(struct input_kept);
        *k = (struct input_kept){ copy, length, ++i->clock };
        i->used += length;
        (void) map_set(i->kept, root, k);
}

static int take_kept(struct inputs *i, struct bytes root, uint64_t length, int *ret) {
        struct input_kept *k = root.len ? map_get(i->kept, root) : NULL;

        if (!k || k->length != length)
                return INPUTS_E_NONE;
        k->used_at = ++i->clock;
        *ret = fcntl(k->fd, F_DUPFD_CLOEXEC, 0);
        return *ret < 0 ? error_origin(-errno) : INPUTS_OK;
}

int inputs_open(struct inputs *i, const char *path, struct bytes root, uint64_t length,
                int *ret_fd) {
        CLEANUP(fd_closep) int file = -1;
        struct stat st;
        int r = take_kept(i, root, length, ret_fd);

        if (r != INPUTS_E_NONE)
                return r;
        file = i->directory >= 0 && path[0] ? open_below(i, path) : -1;
        if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
                return INPUTS_E_NONE;
        if (length == 0 || (uint64_t) st.st_size != length)
                return INPUTS_E_LENGTH;
        r = see(i, root, file);
        if (r == INPUTS_OK && length > INPUT_SMALL_MAX) {
                if (st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH))
                        return INPUTS_E_CHANGED;
                *ret_fd = TAKE_FD(file);
                return INPUTS_OK;
        }
        if (r == INPUTS_OK)
                r = copy_to_memory(file, length, ret_fd);
        if (r == INPUTS_OK && !inputs_is_unchanged(i, root, file)) {
                *ret_fd = fd_close(*ret_fd);
                return INPUTS_E_CHANGED;
        }
        if (r == 0 && root.len && !map_get(i->kept, root))
                keep(i, root, *ret_fd, length);
        return r;
}

bool inputs_is_admitted(const struct inputs *i, struct bytes root) {
        return root.len && map_get(i->admitted, root);
}

void inputs_admit(struct inputs *i, struct bytes root) {
        static int yes;

        if (root.len && map_count(i->admitted) < ADMITTED_MAX)
                (void) map_set(i->admitted, root, &yes);
}
