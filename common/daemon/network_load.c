/* The part of network.h that reads a file and writes the log. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
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
                          "nothing beside it), readable for this service",
                          path, strerror(-r));
        return r == 0;
}

int network_load(const struct network_settings *v, const struct config_list *bootstrap,
                 struct network *ret) {
        uint8_t text[NETWORK_SECRET_FILE_LIMIT];
        char error[NETWORK_ERROR_SIZE];
        size_t n = 0;
        int r;

        if (v->secret_file[0] && !read_secret(v->secret_file, text, &n))
                return service_refuse();
        r = network_of(v, BYTES(text, n), ret, error);
        if (r == NETWORK_OK && bootstrap)
                r = network_check_bootstrap(ret, bootstrap, error);
        explicit_bzero(text, sizeof(text));
        if (r == NETWORK_OK)
                return 0;
        network_wipe(ret);
        log_error("%s", error);
        return service_refuse();
}
