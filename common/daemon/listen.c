#include "common/daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"

#define BACKLOG 128

static struct {
        char **names; /* NULL-terminated; one per descriptor from SD_LISTEN_FDS_START on */
        bool *is_taken;
        unsigned n;
} listeners;

int listen_init(void) {
        char **names = NULL;
        int n;

        /* Also sets FD_CLOEXEC on each. */
        n = sd_listen_fds_with_names(/* unset_environment= */ true, &names);
        if (n < 0)
                return error_origin(n);
        listeners.names = names;
        listeners.n = (unsigned) n;
        listeners.is_taken = xnew_n(bool, (size_t) n + 1);
        return 0;
}

int listen_take(const char *name) {
        for (unsigned i = 0; i < listeners.n; i++) {
                if (listeners.is_taken[i] || strcmp(listeners.names[i], name) != 0)
                        continue;
                listeners.is_taken[i] = true;
                return SD_LISTEN_FDS_START + (int) i;
        }
        return -1;
}

static int make_parents(const char *path) {
        char folder[CAPABILITY_PATH_SIZE];

        (void) snprintf(folder, sizeof(folder), "%s", path);
        for (char *p = strchr(folder + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = 0;
                if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                        return error_origin(-errno);
                *p = '/';
        }
        return 0;
}

static int unlink_stale(const char *path) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : error_origin(-errno);
        if (!S_ISSOCK(st.st_mode))
                return error_origin(-EEXIST); /* never remove a file that is not a socket */
        return unlink(path) < 0 ? error_origin(-errno) : 0;
}

int listen_create(const char *path, enum capability_type type, unsigned mode) {
        int kind = type == CAPABILITY_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEANUP(fd_closep) int fd = -1;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return error_origin(-ENAMETOOLONG);
        strcpy(address.sun_path, path);
        r = make_parents(path);
        if (r == 0)
                r = unlink_stale(path);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_origin(-errno);
        /* Mode before listen(): nobody connects in between. */
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
            listen(fd, BACKLOG) < 0)
                return error_origin(-errno);
        return TAKE_FD(fd);
}

/* First above the target range, so that no dup2() overwrites one still needed. */
static int move_to_places(const int *fds, unsigned n) {
        CLEANUP(freep) int *high = xnew_n(int, n + 1);

        for (unsigned i = 0; i < n; i++) {
                high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + (int) n);
                if (high[i] < 0)
                        return error_origin(-errno);
        }
        for (unsigned i = 0; i < n; i++)
                if (dup2(high[i], SD_LISTEN_FDS_START + (int) i) < 0)
                        return error_origin(-errno);
        return 0;
}

/* sd_listen_fds(3): a count of 0 is an error, not none. */
static int hand_down_none(void) {
        static const char *const variables[] = { "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID" };

        for (size_t i = 0; i < ELEMENTSOF(variables); i++)
                if (unsetenv(variables[i]) < 0)
                        return error_origin(-errno);
        return 0;
}

int listen_hand_down(const int *fds, const char *const *names, unsigned n) {
        CLEANUP(buffer_donep) struct buffer joined = {};
        char number[24];
        int r;

        if (n == 0)
                return hand_down_none();
        r = move_to_places(fds, n);
        if (r < 0)
                return r;
        buffer_init(&joined, 1 << 16);
        for (unsigned i = 0; i < n; i++) {
                if (i > 0)
                        buffer_put_u8(&joined, ':');
                buffer_put_bytes(&joined, BYTES_STR(names[i]));
        }
        buffer_put_u8(&joined, 0);
        if (joined.failed)
                return error_origin(-E2BIG);
        (void) snprintf(number, sizeof(number), "%u", n);
        if (setenv("LISTEN_FDS", number, 1) < 0 ||
            setenv("LISTEN_FDNAMES", (char *) joined.data, 1) < 0)
                return error_origin(-errno);
        (void) snprintf(number, sizeof(number), "%d", (int) getpid());
        return setenv("LISTEN_PID", number, 1) < 0 ? error_origin(-errno) : 0;
}
