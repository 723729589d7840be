#include "services/transport/shell/served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/daemon/io.h"

#define FILE_MAX 512 /* two lines */

/* One line each, as endpoint_text() has it; "" when there is none. */
static void read_lines(const char *folder, char ret[FILE_MAX]) {
        CLEANUP(freep) char *path = xasprintf("%s/listened", folder);
        CLEANUP(fd_closep)
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n = fd < 0 ? 0 : read(fd, ret, FILE_MAX - 1);

        ret[n > 0 ? n : 0] = 0;
}

bool served_at(const char *folder, const struct endpoint *at) {
        char lines[FILE_MAX], wanted[ENDPOINT_TEXT_SIZE], *save = NULL;

        read_lines(folder, lines);
        endpoint_text(at, wanted);
        for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (strcmp(line, wanted) == 0)
                        return true;
        return false;
}

/* Whole or as before; not synced, since it only decides between two kinds of waiting. */
static int replace(const char *folder, const char *lines) {
        CLEANUP(freep) char *path = xasprintf("%s/listened", folder);
        CLEANUP(freep) char *part = xasprintf("%s.part", path);
        CLEANUP(fd_closep)
        int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r = fd < 0 ? -errno : io_write(fd, BYTES_STR(lines));

        return r ? r : rename(part, path) < 0 ? -errno : 0;
}

int served_note(const char *folder, const struct endpoint *list, size_t n) {
        char before[FILE_MAX], now[FILE_MAX] = "", text[ENDPOINT_TEXT_SIZE];
        size_t len = 0;

        for (size_t i = 0; i < n && len < FILE_MAX - ENDPOINT_TEXT_SIZE - 1; i++) {
                endpoint_text(&list[i], text);
                len += (size_t) snprintf(now + len, FILE_MAX - len, "%s\n", text);
        }
        read_lines(folder, before);
        return strcmp(before, now) == 0 ? 0 : replace(folder, now);
}
