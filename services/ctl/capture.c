#include "services/ctl/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"

#define OUTPUT_MAX (1u << 20)

extern char **environ;

static void clean_environment(void) {
        for (char **e = environ; *e;) {
                char name[128];
                size_t n = strcspn(*e, "=");

                if (strncmp(*e, "QUORATE_", 8) != 0 || n >= sizeof(name)) {
                        e++;
                        continue;
                }
                memcpy(name, *e, n);
                name[n] = 0;
                (void) unsetenv(name); /* moves the next one here */
        }
}

static bool become(const struct capture_as *as) {
        if (chdir(as->folder) < 0)
                return false;
        if (geteuid() == as->uid)
                return true;
        return setgroups(0, NULL) == 0 && setresgid(as->gid, as->gid, as->gid) == 0 &&
               setresuid(as->uid, as->uid, as->uid) == 0;
}

struct program {
        const char *const *argv;
        bool clean;
        const struct capture_as *as; /* NULL: as we are */
};

_Noreturn static void child_main(const struct program *p, int out, int err) {
        int nothing = open("/dev/null", O_RDONLY);

        (void) dup2(nothing, STDIN_FILENO);
        (void) dup2(out, STDOUT_FILENO);
        (void) dup2(err, STDERR_FILENO);
        if (p->clean)
                clean_environment();
        if (!p->as || become(p->as))
                (void) execv(p->argv[0], (char *const *) p->argv);
        _exit(127);
}

static bool read_some(int fd, struct buffer *to) {
        uint8_t bytes[4096];
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n > 0)
                buffer_put(to, bytes, (size_t) n);
        return n > 0 || (n < 0 && errno == EINTR);
}

static void read_both(int out, int err, struct capture *c) {
        struct pollfd p[] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };

        while (p[0].fd >= 0 || p[1].fd >= 0) {
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return;
                if (p[0].revents && !read_some(out, &c->out))
                        p[0].fd = -1;
                if (p[1].revents && !read_some(err, &c->err))
                        p[1].fd = -1;
        }
}

static int run(const struct program *p, struct capture *ret) {
        int out[2], err[2], status = 0, e = 0;
        pid_t child;

        buffer_init(&ret->out, OUTPUT_MAX);
        buffer_init(&ret->err, OUTPUT_MAX);
        if (pipe2(out, O_CLOEXEC) < 0)
                return -errno;
        if (pipe2(err, O_CLOEXEC) < 0) {
                e = -errno;
                fd_close(out[0]);
                fd_close(out[1]);
                return e;
        }
        child = fork();
        if (child == 0)
                child_main(p, out[1], err[1]);
        e = child < 0 ? -errno : 0;
        fd_close(out[1]);
        fd_close(err[1]);
        if (child > 0)
                read_both(out[0], err[0], ret);
        fd_close(out[0]);
        fd_close(err[0]);
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
                continue;
        ret->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return e;
}

int capture_run(const char *const *argv, bool clean, struct capture *ret) {
        return run(&(struct program){ .argv = argv, .clean = clean }, ret);
}

int capture_run_as(const char *const *argv, const struct capture_as *as, struct capture *ret) {
        return run(&(struct program){ .argv = argv, .as = as }, ret);
}

void capture_done(struct capture *c) {
        buffer_done(&c->out);
        buffer_done(&c->err);
}

bool capture_line(struct bytes *text, struct bytes *ret) {
        const uint8_t *end;

        if (text->len == 0)
                return false;
        end = memchr(text->data, '\n', text->len);
        *ret = BYTES(text->data, end ? (size_t) (end - text->data) : text->len);
        *text = end ? BYTES(end + 1, text->len - ret->len - 1) : BYTES_NONE;
        return true;
}

const char *capture_complaint(const struct capture *c, char ret[512]) {
        const char *text = (const char *) c->err.data;
        size_t n = 0, skip;

        while (n < c->err.len && text[n] != '\n')
                n++;
        for (skip = 0; skip < n && text[skip] != ' '; skip++)
                continue;
        /* "quorate-keyring: …": ours, said again by whoever shows it. */
        skip = skip > 0 && skip + 1 < n && text[skip - 1] == ':' && text[0] == 'q' ? skip + 1 : 0;
        return text_escape(BYTES(c->err.data + skip, n - skip), ret, 512);
}
