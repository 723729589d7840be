#include "services/ctl/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define DEPTH_MAX 8
#define OTHERS    077u

struct giving {
        const struct ownership *o;
        const char *root; /* for people */
        char *error;
};

static int refuse(char error[256], const char *path, const char *name, const char *what) {
        (void) snprintf(error, 256, "%.120s%s%.40s: %.70s", path, *name ? "/…/" : "", name, what);
        return OWNERSHIP_E_REFUSED;
}

/* `fd` may be O_PATH, where fchmod() refuses. */
static int set_mode(int fd, mode_t mode) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return chmod(path, mode);
}

static int give_one(const struct giving *g, int fd, const struct stat *st, const char *name,
                    gid_t gid, mode_t mode) {
        bool is_ours = st->st_uid == g->o->uid && st->st_gid == gid;

        if (!is_ours && !S_ISDIR(st->st_mode) && st->st_nlink > 1)
                return refuse(g->error, g->root, name, "has a second name; remove one of them");
        if (!is_ours && fchownat(fd, "", g->o->uid, gid, AT_EMPTY_PATH) < 0)
                return refuse(g->error, g->root, name, strerror(errno));
        if (!S_ISLNK(st->st_mode) && (st->st_mode & 07777) != mode && set_mode(fd, mode) < 0)
                return refuse(g->error, g->root, name, strerror(errno));
        return OWNERSHIP_OK;
}

static int give_entry(const struct giving *g, int dir_fd, const char *name, unsigned depth,
                      bool is_shared);

static int give_entries(const struct giving *g, int fd, unsigned depth, bool is_shared) {
        DIR *dir = fdopendir(fd);
        const struct dirent *e;
        int r = OWNERSHIP_OK;

        if (!dir) {
                (void) close(fd);
                return refuse(g->error, g->root, "", strerror(errno));
        }
        while (r == OWNERSHIP_OK && (e = readdir(dir)))
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        r = give_entry(g, dirfd(dir), e->d_name, depth, is_shared);
        (void) closedir(dir);
        return r;
}

/* A folder's contents first, itself last: what is still to do stays closed. */
static int give_entry(const struct giving *g, int dir_fd, const char *name, unsigned depth,
                      bool is_shared) {
        CLEANUP(fd_closep) int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        bool enters = depth == 0 && g->o->shared && strcmp(name, g->o->shared) == 0;
        struct stat st;
        int inner, r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return errno == ENOENT ? OWNERSHIP_OK
                                       : refuse(g->error, g->root, name, strerror(errno));
        if (!S_ISDIR(st.st_mode)) /* in a shared folder a file says itself who may read it */
                return give_one(g, fd, &st, name, g->o->uid,
                                st.st_mode & 07777 & ~(is_shared ? 022u : OTHERS));
        if (depth >= DEPTH_MAX)
                return refuse(g->error, g->root, name, "too many folders; is this our state?");
        inner = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0)
                return refuse(g->error, g->root, name, strerror(errno));
        r = give_entries(g, inner, depth + 1, is_shared || enters);
        if (r)
                return r;
        return give_one(g, fd, &st, name, enters ? g->o->shared_gid : g->o->uid,
                        enters ? 0750 : 0700);
}

int ownership_give(const char *path, const struct ownership *o, char error[256]) {
        const struct giving g = { o, path, error };
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
        gid_t gid = o->shared ? o->shared_gid : o->uid;

        if (fd < 0)
                return refuse(error, path, "", strerror(errno));
        r = give_entries(&g, fd, 0, false);
        if (r)
                return r;
        if (chown(path, o->uid, gid) < 0 || chmod(path, o->shared ? 0710 : 0700) < 0)
                return refuse(error, path, "", strerror(errno));
        return OWNERSHIP_OK;
}

int ownership_open_way(const char *path, char error[256]) {
        struct stat st;

        if (stat(path, &st) < 0 ||
            ((st.st_mode & 0111) != 0111 && chmod(path, (st.st_mode & 07777) | 0111) < 0))
                return refuse(error, path, "", strerror(errno));
        return OWNERSHIP_OK;
}

int ownership_give_socket(const char *path, gid_t group, char error[256]) {
        if (lchown(path, 0, group) < 0 || chmod(path, 0660) < 0)
                return refuse(error, path, "", strerror(errno));
        return OWNERSHIP_OK;
}
