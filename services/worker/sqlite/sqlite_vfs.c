/* The file system a job's statement sees: its inputs as /q/0, /q/1 …, read-only
 * and in memory; the job's clock; the job's randomness. Nothing else exists: no
 * journals, no temporary files, no libraries. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/crypto/hash.h"
#include "services/worker/sqlite/sqlite_session.h"

#define JULIAN_UNIX_EPOCH_MS 210866760000000LL /* 1970-01-01 in SQLite's Julian milliseconds */
#define FILE_PREFIX          "/q/"

static struct engine_session *bound;

struct image {
        sqlite3_file base;
        const uint8_t *data;
        sqlite3_int64 len;
        struct bytes head; /* stands before the same bytes of data; may be empty */
};

static int image_close(sqlite3_file *f) {
        return SQLITE_OK;
}

static void copy_out(const struct image *i, uint8_t *ret, size_t amount, size_t offset) {
        size_t n = offset < i->head.len ? i->head.len - offset : 0;

        n = n < amount ? n : amount;
        if (n > 0)
                memcpy(ret, i->head.data + offset, n);
        if (n < amount)
                memcpy(ret + n, i->data + offset + n, amount - n);
}

static int image_read(sqlite3_file *f, void *ret, int amount, sqlite3_int64 offset) {
        struct image *i = (struct image *) f;
        sqlite3_int64 there = offset < i->len ? i->len - offset : 0;

        if (there >= amount) {
                copy_out(i, ret, (size_t) amount, (size_t) offset);
                return SQLITE_OK;
        }
        memset(ret, 0, (size_t) amount);
        if (there > 0)
                copy_out(i, ret, (size_t) there, (size_t) offset);
        return SQLITE_IOERR_SHORT_READ;
}

static int image_write(sqlite3_file *f, const void *data, int amount, sqlite3_int64 offset) {
        return SQLITE_READONLY;
}

static int image_truncate(sqlite3_file *f, sqlite3_int64 size) {
        return SQLITE_READONLY;
}

static int image_sync(sqlite3_file *f, int flags) {
        return SQLITE_OK;
}

static int image_size(sqlite3_file *f, sqlite3_int64 *ret) {
        *ret = ((struct image *) f)->len;
        return SQLITE_OK;
}

static int image_lock(sqlite3_file *f, int level) {
        return level > SQLITE_LOCK_SHARED ? SQLITE_READONLY : SQLITE_OK;
}

static int image_reserved(sqlite3_file *f, int *ret) {
        *ret = 0;
        return SQLITE_OK;
}

static int image_control(sqlite3_file *f, int op, void *argument) {
        return SQLITE_NOTFOUND;
}

static int image_sector(sqlite3_file *f) {
        return 4096;
}

/* Immutable: no locks, no journal, no look at the file's age. */
static int image_traits(sqlite3_file *f) {
        return SQLITE_IOCAP_IMMUTABLE;
}

static int image_fetch(sqlite3_file *f, sqlite3_int64 offset, int amount, void **ret) {
        struct image *i = (struct image *) f;
        sqlite3_int64 head = (sqlite3_int64) i->head.len;

        *ret = NULL; /* it is read */
        if (offset + amount <= head)
                *ret = (void *) (i->head.data + offset);
        else if (offset >= head && offset + amount <= i->len)
                *ret = (void *) (i->data + offset);
        return SQLITE_OK;
}

static int image_unfetch(sqlite3_file *f, sqlite3_int64 offset, void *page) {
        return SQLITE_OK;
}

static const sqlite3_io_methods image_methods = {
        .iVersion = 3,
        .xClose = image_close,
        .xRead = image_read,
        .xWrite = image_write,
        .xTruncate = image_truncate,
        .xSync = image_sync,
        .xFileSize = image_size,
        .xLock = image_lock,
        .xUnlock = image_lock,
        .xCheckReservedLock = image_reserved,
        .xFileControl = image_control,
        .xSectorSize = image_sector,
        .xDeviceCharacteristics = image_traits,
        .xFetch = image_fetch,
        .xUnfetch = image_unfetch,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                    int *ret_flags) {
        struct image *i = (struct image *) f;
        const struct engine_input *in;
        char *end;
        unsigned long n;

        *i = (struct image){};
        if (!bound || !name || strncmp(name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0 ||
            !(flags & SQLITE_OPEN_MAIN_DB))
                return SQLITE_CANTOPEN;
        n = strtoul(name + strlen(FILE_PREFIX), &end, 10);
        if (*end || n >= bound->job->n_inputs || !bound->job->inputs[n].data)
                return SQLITE_CANTOPEN;

        in = &bound->job->inputs[n];
        *i = (struct image){
                .base.pMethods = &image_methods,
                .data = in->data,
                .len = (sqlite3_int64) in->length,
                .head = buffer_bytes(&bound->heads[n]),
        };
        if (ret_flags)
                *ret_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
        return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
        return SQLITE_READONLY;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret) {
        *ret = 0;
        return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int size, char *ret) {
        (void) snprintf(ret, (size_t) size, "%s", name);
        return SQLITE_OK;
}

static void *vfs_dlopen(sqlite3_vfs *vfs, const char *name) {
        return NULL;
}

static void vfs_dlerror(sqlite3_vfs *vfs, int size, char *ret) {
        (void) snprintf(ret, (size_t) size, "no libraries here");
}

static void (*vfs_dlsym(sqlite3_vfs *vfs, void *handle, const char *name))(void) {
        return NULL;
}

static void vfs_dlclose(sqlite3_vfs *vfs, void *handle) {
}

/* H(`quorate.random.1`, seed, u64 counter) one behind the other. Without a job
 * all zero: nothing that matters is drawn before one is bound. */
static int vfs_randomness(sqlite3_vfs *vfs, int size, char *ret) {
        int done = 0;

        memset(ret, 0, (size_t) size);
        while (bound && done < size) {
                uint8_t counter[8];
                struct hash_value h;
                int n = size - done < HASH_SIZE ? size - done : HASH_SIZE;

                store_be64(counter, bound->random_counter++);
                h = hash_of2("quorate.random.1", BYTES_OF(bound->job->seed), BYTES_OF(counter));
                memcpy(ret + done, h.bytes, (size_t) n);
                done += n;
        }
        return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
        return 0;
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *ret) {
        int64_t usec = bound ? bound->job->time_us : 0;

        *ret = JULIAN_UNIX_EPOCH_MS + usec / 1000;
        return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret) {
        sqlite3_int64 ms;

        (void) vfs_time64(vfs, &ms);
        *ret = (double) ms / 86400000.0;
        return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int size, char *ret) {
        return 0;
}

static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct image),
        .mxPathname = 64,
        .zName = SQLITE_VFS_NAME,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_path,
        .xDlOpen = vfs_dlopen,
        .xDlError = vfs_dlerror,
        .xDlSym = vfs_dlsym,
        .xDlClose = vfs_dlclose,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
        .xCurrentTimeInt64 = vfs_time64,
};

int sqlite_vfs_register(void) {
        return sqlite3_vfs_register(&vfs, 1);
}

void sqlite_vfs_bind(struct engine_session *s) {
        check(!bound || !s); /* one job, one process */
        bound = s;
}
