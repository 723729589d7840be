#include "services/ctl/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"

/* A name is on the disk only when its folder is. */
static int sync_folder(const char *path) {
        CLEANUP(freep) char *copy = xstrdup(path);
        CLEANUP(fd_closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_fresh(const char *path, struct bytes content, mode_t mode) {
        CLEANUP(fd_closep) int fd = -1;
        ssize_t n;

        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, content.data, content.len);
        if (n != (ssize_t) content.len)
                return n < 0 ? -errno : -ENOSPC;
        return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int durable_write(const char *path, struct bytes content) {
        return durable_write_mode(path, content, 0600);
}

int durable_write_mode(const char *path, struct bytes content, mode_t mode) {
        CLEANUP(freep) char *fresh = xasprintf("%s.new", path);
        int r = write_fresh(fresh, content, mode);

        return r ? r : durable_rename(fresh, path);
}

int durable_rename(const char *from, const char *to) {
        return rename(from, to) < 0 ? -errno : sync_folder(to);
}

int durable_link(const char *from, const char *to) {
        struct stat a, b;

        if (link(from, to) == 0)
                return sync_folder(to);
        if (errno == EEXIST && stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev &&
            a.st_ino == b.st_ino)
                return sync_folder(to);
        return -errno;
}
