#include "services/ctl/secret_group.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "services/ctl/capture.h"

#define KEY "secret-file = "

/* False: none. */
static bool find_path(const struct capture *c, char ret[PATH_MAX]) {
        struct bytes text = buffer_bytes(&c->out), line;
        size_t n = strlen(KEY);

        while (capture_line(&text, &line)) {
                if (line.len <= n || line.len - n >= PATH_MAX || memcmp(line.data, KEY, n) != 0)
                        continue;
                (void) snprintf(ret, PATH_MAX, "%.*s", (int) (line.len - n),
                                (const char *) line.data + n);
                return true;
        }
        return false;
}

int secret_group_of(const char *binary, const char *config, gid_t *ret, char error[256]) {
        const char *argv[] = { binary, "--check-config", "--config", config, NULL };
        CLEANUP(capture_donep) struct capture c = {};
        char path[PATH_MAX];
        struct stat st;

        *ret = 0;
        if (capture_run(argv, false, &c) || !find_path(&c, path))
                return SECRET_GROUP_OK; /* whatever else is wrong the service says itself */
        if (stat(path, &st) < 0) {
                (void) snprintf(error, 256, "[network] secret-file: %.120s: %s", path,
                                strerror(errno));
                return SECRET_GROUP_E_REFUSED;
        }
        if (st.st_gid != 0 && st.st_mode & S_IRGRP) {
                *ret = st.st_gid;
                return SECRET_GROUP_OK;
        }
        (void) snprintf(error, 256,
                        "[network] secret-file: %.90s: services run under uids of their own and "
                        "cannot read it; give it a group of its own: groupadd -r quorate; "
                        "chgrp quorate it; chmod 640 it",
                        path);
        return SECRET_GROUP_E_REFUSED;
}
