#include "services/ctl/input_file.h"

#include <errno.h>
#include <fcntl.h>

#define PART 4096

static ssize_t read_part(int fd, struct buffer *b) {
        uint8_t part[PART];
        ssize_t n;

        do
                n = read(fd, part, sizeof(part));
        while (n < 0 && errno == EINTR);
        if (n > 0)
                buffer_put(b, part, (size_t) n);
        return n;
}

int input_file_read(const struct command_context *ctx, const char *verb, const char *path,
                    struct buffer *ret) {
        bool is_stdin = !path || strcmp(path, "-") == 0;
        CLEANUP(fd_closep) int fd = -1;
        ssize_t n;

        if (!is_stdin)
                fd = open(path, O_RDONLY | O_CLOEXEC);
        if (!is_stdin && fd < 0)
                return complain(ctx, EXIT_USAGE, "%s: %s: %s; give another file", verb, path,
                                strerror(errno));
        do
                n = read_part(is_stdin ? STDIN_FILENO : fd, ret);
        while (n > 0 && !ret->failed);
        if (ret->failed)
                return complain(ctx, EXIT_USAGE,
                                "%s: %s is longer than %zu bytes; give less, or share it as a "
                                "dataset",
                                verb, is_stdin ? "the input" : path, ret->max);
        if (n < 0)
                return complain(ctx, EXIT_USAGE, "%s: %s: %s; give another file", verb,
                                is_stdin ? "standard input" : path, strerror(errno));
        return EXIT_OK;
}
