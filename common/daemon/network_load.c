/* The part of network.h that reads a file and writes the log. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/network.h"
#include "common/daemon/service.h"

/* Longer content comes back cut, and is refused for its length. */
static int read_file(int fd, uint8_t ret[NETWORK_SECRET_FILE_LIMIT], size_t *ret_n) {
        size_t len = 0;

        while (len < NETWORK_SECRET_FILE_LIMIT) {
                ssize_t n = read(fd, ret + len, NETWORK_SECRET_FILE_LIMIT - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                len += (size_t) n;
        }
        *ret_n = len;
        return 0;
}

/* False: said why. */
static bool read_secret(const char *path, uint8_t ret[NETWORK_SECRET_FILE_LIMIT], size_t *ret_n) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : 0;
        struct stat st;

        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0 && (!S_ISREG(st.st_mode) || st.st_mode & S_IRWXO)) {
                log_error("[network] secret-file: %s is open to every user, or no plain file; "
                          "chmod 640 it",
                          path);
                return false;
        }
        if (r == 0)
                r = read_file(fd, ret, ret_n);
        if (r < 0)
                log_error("[network] secret-file: cannot read %s: %s; keep it in the "
                          "folder that --config names (a folder, not one file: services see "
                          "nothing beside it), readable for this service: chgrp quorate, chmod 640",
                          path, strerror(-r));
        return r == 0;
}

static int load(const struct network_settings *v, struct bytes secret,
                const struct config_list *bootstrap, struct network *ret) {
        char error[NETWORK_ERROR_SIZE];
        int r = network_of(v, secret, ret, error);

        if (r == NETWORK_OK && bootstrap)
                r = network_check_bootstrap(ret, bootstrap, error);
        if (r == NETWORK_OK)
                return 0;
        network_wipe(ret);
        log_error("%s", error);
        return service_refuse();
}

int network_load(const struct network_settings *v, const struct config_list *bootstrap,
                 struct network *ret) {
        uint8_t text[NETWORK_SECRET_FILE_LIMIT];
        size_t n = 0;
        int r;

        if (v->secret_file[0] && !read_secret(v->secret_file, text, &n))
                return service_refuse();
        r = load(v, BYTES(text, n), bootstrap, ret);
        explicit_bzero(text, sizeof(text));
        return r;
}

/* Services see the configuration's folder and nothing beside it. */
static bool is_seen(const char *path, const char *config_path) {
        CLEANUP(freep) char *file = realpath(path, NULL);
        CLEANUP(freep) char *folder = realpath(config_path, NULL);
        size_t n = folder ? strlen(folder) : 0;

        if (!file || !folder || (strncmp(file, folder, n) == 0 && file[n] == '/'))
                return true; /* what is not there is said by whoever reads it */
        log_error("[network] secret-file: %s is not below %s, and services see nothing else; put "
                  "both files into one folder and name that folder as --config",
                  path, config_path);
        return false;
}

int network_check(const struct network_settings *v, const struct config_list *bootstrap,
                  const char *config_path) {
        static const char in_its_place[] = "2b7e151628aed2a6abf7158809cf4f3c"; /* nobody uses it */
        CLEANUP(freep) struct network *n = xnew(struct network);
        bool is_closed;
        int r;

        if (v->secret_file[0] && !is_seen(v->secret_file, config_path))
                return service_refuse();
        is_closed = v->secret_file[0] && access(v->secret_file, R_OK) < 0 && errno == EACCES;
        r = is_closed ? load(v, BYTES_STR(in_its_place), bootstrap, n)
                      : network_load(v, bootstrap, n);
        if (r == 0 && is_closed)
                log_warning("[network] secret-file: %s is closed to you, so only its place was "
                            "looked at; look again as the user whom the services run as, or root",
                            v->secret_file);
        network_wipe(n);
        return r;
}
