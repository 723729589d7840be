/* Which files make up a configuration, and reading them. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/config.h"

static int read_all(int fd, struct buffer *b) {
        for (;;) {
                uint8_t *room = buffer_reserve(b, 4096);
                ssize_t n;

                if (!room)
                        return error_origin(-EFBIG);
                n = read(fd, room, 4096);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_origin(-errno);
                if (n == 0)
                        return 0;
                b->len += (size_t) n;
        }
}

static int load_file(struct config *c, const char *path, bool shared, bool must_exist,
                     char *error) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        CLEANUP(buffer_donep) struct buffer text = {};
        int r;

        if (fd < 0) {
                if (errno == ENOENT && !must_exist)
                        return 0;
                (void) snprintf(error, CONFIG_ERROR_SIZE, "%s: %s", path, strerror(errno));
                return CONFIG_E_INVALID;
        }
        buffer_init(&text, CONFIG_FILE_MAX + 8192);
        r = read_all(fd, &text);
        if (r < 0) {
                (void) snprintf(error, CONFIG_ERROR_SIZE, "%s: %s", path, strerror(-r));
                return CONFIG_E_INVALID;
        }
        return config_parse(c, path, buffer_bytes(&text), shared, error);
}

static int is_conf(const struct dirent *d) {
        size_t n = strlen(d->d_name);

        return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

static int load_folder(struct config *c, const char *path, bool shared, char *error) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(path, &entries, is_conf, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        for (int i = 0; i < n; i++) {
                CLEANUP(freep) char *file = xasprintf("%s/%s", path, entries[i]->d_name);

                if (r == 0)
                        r = load_file(c, file, shared, /* must_exist= */ true, error);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int load_pair(struct config *c, const char *folder, const char *name, bool shared,
                     char *error) {
        CLEANUP(freep) char *file = xasprintf("%s/%s.conf", folder, name);
        CLEANUP(freep) char *dropins = xasprintf("%s/%s.conf.d", folder, name);
        int r;

        r = load_file(c, file, shared, /* must_exist= */ false, error);
        return r ? r : load_folder(c, dropins, shared, error);
}

int config_load(struct config *c, const char *path, char error[CONFIG_ERROR_SIZE]) {
        struct stat st;
        int r;

        if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
                return load_file(c, path, /* shared= */ true, /* must_exist= */ true, error);
        r = load_pair(c, path, "quorate", /* shared= */ true, error);
        return r ? r : load_pair(c, path, config_service(c), /* shared= */ false, error);
}
