#include "common/daemon/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int manager = -1;

/* A manager that cannot be told is no reason to stop serving: failures stay silent. */

void notify_init(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;
        int fd;

        if (manager >= 0 || n == 0 || n >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, n);
        if (path[0] == '@') /* the abstract namespace has no final 0 */
                address.sun_path[0] = 0;
        else
                n++;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *) &address,
                               (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n)) == 0) {
                manager = fd;
                return;
        }
        if (fd >= 0)
                (void) close(fd);
}

static void tell(const char *text) {
        if (manager >= 0)
                (void) send(manager, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_ready(void) {
        tell("READY=1");
}

void notify_reloading(void) {
        struct timespec ts = {};
        char text[80];

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        (void) snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                        (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000);
        tell(text);
}

void notify_stopping(void) {
        tell("STOPPING=1");
}

void notify_watchdog(void) {
        tell("WATCHDOG=1");
}

void notify_layers(unsigned layers) {
        char text[32];

        (void) snprintf(text, sizeof(text), "X_LAYERS=%u", layers);
        tell(text);
}

void notify_status(const char *format, ...) {
        char text[256] = "STATUS=";
        size_t n = strlen(text);
        va_list args;

        va_start(args, format);
        (void) vsnprintf(text + n, sizeof(text) - n, format, args);
        va_end(args);
        tell(text);
}
