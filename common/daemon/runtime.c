#include "common/daemon/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool runtime_default(char *ret, size_t size) {
        const char *xdg = getenv("XDG_RUNTIME_DIR");
        int n;

        if (geteuid() == 0)
                n = snprintf(ret, size, "/run/quorate");
        else if (xdg && xdg[0] == '/')
                n = snprintf(ret, size, "%s/quorate", xdg);
        else
                n = snprintf(ret, size, "/tmp/quorate-%u", (unsigned) geteuid());
        return n > 0 && (size_t) n < size;
}

static bool is_ours(const struct stat *st) {
        return st->st_uid == 0 || st->st_uid == geteuid();
}

int runtime_check(const char *path, uid_t *ret_owner) {
        struct stat named, st;

        if (lstat(path, &named) < 0)
                return errno == ENOENT ? 0 : -errno;
        *ret_owner = named.st_uid;
        if (!is_ours(&named)) /* of a link too: who owns it can turn it elsewhere */
                return RUNTIME_FOREIGN;
        if (stat(path, &st) < 0)
                return -errno;
        *ret_owner = st.st_uid;
        if (!S_ISDIR(st.st_mode) || !is_ours(&st) || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return RUNTIME_FOREIGN;
        return 0;
}
