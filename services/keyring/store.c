#include "services/keyring/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/crypto/sign.h"
#include "services/keyring/seedfile.h"

#define MODE_BITS       07777
#define MODE_SECRET     0600
#define MODE_CREDENTIAL 0440 /* the group bits are the mask of systemd's ACL */

static int refuse(char error[STORE_ERROR_SIZE], const char *path, const char *why) {
        snprintf(error, STORE_ERROR_SIZE, "%s: %s", path, why);
        return STORE_E_REFUSED;
}

static int check_owner(const struct store_file *f, const struct stat *st,
                       char error[STORE_ERROR_SIZE]) {
        unsigned mode = st->st_mode & MODE_BITS;
        unsigned allowed = f->is_credential ? MODE_CREDENTIAL : MODE_SECRET;

        if (!S_ISREG(st->st_mode))
                return refuse(error, f->path, "not a regular file");
        if (st->st_uid != geteuid() && !(f->is_credential && st->st_uid == 0)) {
                snprintf(error, STORE_ERROR_SIZE,
                         "%s: owned by uid %u, not by us (%u); chown it, or run as that user",
                         f->path, (unsigned) st->st_uid, (unsigned) geteuid());
                return STORE_E_REFUSED;
        }
        if (mode & ~allowed) {
                snprintf(error, STORE_ERROR_SIZE,
                         "%s: mode %04o lets others at a secret; chmod 600 it (and ask yourself "
                         "who has read it)",
                         f->path, mode);
                return STORE_E_REFUSED;
        }
        return STORE_OK;
}

/* At most `size` bytes; a longer file is refused. */
static int read_secret(const struct store_file *f, uint8_t *ret, size_t size, size_t *ret_len,
                       char error[STORE_ERROR_SIZE]) {
        CLEANUP(fd_closep) int fd = -1;
        struct stat st;
        ssize_t n;
        int r;

        fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return refuse(error, f->path, "no such file; make a seed with `quorate key new`");
        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse(error, f->path, strerror(errno));
        r = check_owner(f, &st, error);
        if (r)
                return r;
        if (st.st_size > (off_t) size)
                return refuse(error, f->path, "longer than such a file can be");
        n = read(fd, ret, (size_t) st.st_size);
        if (n != st.st_size)
                return refuse(error, f->path, n < 0 ? strerror(errno) : "changed while being read");
        *ret_len = (size_t) n;
        return STORE_OK;
}

int store_load_passphrase(const struct store_file *file, uint8_t ret[STORE_PASSPHRASE_MAX],
                          size_t *ret_len, char error[STORE_ERROR_SIZE]) {
        size_t n;
        int r;

        r = read_secret(file, ret, STORE_PASSPHRASE_MAX, &n, error);
        if (r)
                return r;
        if (n > 0 && ret[n - 1] == '\n')
                n--;
        if (n == 0)
                return refuse(error, file->path, "the passphrase is empty; write one line");
        *ret_len = n;
        return STORE_OK;
}

int store_load_seed(const struct store_file *seed, const struct store_file *passphrase,
                    uint8_t ret_seed[SEAL_SEED_SIZE], char error[STORE_ERROR_SIZE]) {
        uint8_t content[SEEDFILE_MAX + 1], phrase[STORE_PASSPHRASE_MAX];
        size_t n = 0, n_phrase = 0;
        int r;

        r = read_secret(seed, content, sizeof(content), &n, error);
        if (r == STORE_OK && passphrase->path)
                r = store_load_passphrase(passphrase, phrase, &n_phrase, error);
        if (r == STORE_OK) {
                r = seedfile_decode(BYTES(content, n), BYTES(phrase, n_phrase), ret_seed);
                if (r)
                        r = refuse(error, seed->path, seedfile_result_text(r));
        }
        crypto_wipe(content, sizeof(content));
        crypto_wipe(phrase, sizeof(phrase));
        return r;
}

/* Its file has no name yet, and nothing of it is left when we are killed. */
static int open_nameless(const char *path) {
        CLEANUP(freep) char *copy = xstrdup(path);

        return open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE_SECRET);
}

/* The name is on disk only when its folder is. */
static int sync_folder(const char *path) {
        CLEANUP(freep) char *copy = xstrdup(path);
        CLEANUP(fd_closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* All of it, or -errno. */
static int write_whole(int fd, struct bytes content) {
        ssize_t n = write(fd, content.data, content.len);

        if (n >= 0 && n != (ssize_t) content.len)
                return -ENOSPC;
        return n < 0 || fchmod(fd, MODE_SECRET) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int give_name(int fd, const char *path) {
        char self[32];

        (void) snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int store_create(const char *path, struct bytes content, char error[STORE_ERROR_SIZE]) {
        CLEANUP(fd_closep) int fd = open_nameless(path);
        int r = fd < 0 ? -errno : write_whole(fd, content);

        if (r == -EOPNOTSUPP)
                return refuse(error, path, "its file system has no O_TMPFILE; choose another one");
        if (r == 0)
                r = give_name(fd, path);
        if (r == -EEXIST)
                return refuse(error, path,
                              "exists; a seed is never overwritten, choose a new name");
        if (r == 0) {
                r = sync_folder(path);
                if (r < 0)
                        (void) unlink(path); /* said to have failed: not there */
        }
        return r < 0 ? refuse(error, path, strerror(-r)) : STORE_OK;
}

void store_remove(const char *path) {
        (void) unlink(path);
}

int64_t store_wall_us(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
