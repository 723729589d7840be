#include "common/daemon/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"

#define LINE_MAX_  3072 /* below PIPE_BUF, so a ready pipe takes it whole */
#define SITE_BURST 20
#define SITE_SPAN  (5 * NSEC_PER_SEC)

#define JOURNAL    "/run/systemd/journal/socket"

static struct {
        const char *service;
        int level, journal;
        bool colour, in_trace, by_stream;
        uint64_t dropped;
} log_state = { .service = "quorate", .level = LOG_INFO, .journal = -1 };

const char *const log_level_names[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const level_colour[] = {
        [LOG_ERR] = "\033[31m",
        [LOG_WARNING] = "\033[33m",
        [LOG_NOTICE] = "\033[1m",
        [LOG_DEBUG] = "\033[2m",
};

int log_level_from_index(int index) {
        return LOG_ERR + index;
}

/* systemd says JOURNAL_STREAM=<device>:<inode>; it is ours only if stderr still is that file. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(2, &st) == 0 &&
               st.st_dev == device && st.st_ino == inode;
}

static int journal_open(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL };
        CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -1;
        return TAKE_FD(fd);
}

static void on_trace(int r, const char *func, const char *file, int line) {
        if (log_state.in_trace)
                return;
        log_state.in_trace = true;
        log_debug("fault %s in %s (%s:%d)", strerrorname_np(-r), func, file, line);
        log_state.in_trace = false;
}

void log_open(const char *service, int max_level) {
        log_state.service = service;
        log_state.level = max_level;
        log_state.journal = fd_close(log_state.journal);
        if (stderr_is_journal())
                log_state.journal = journal_open();
        log_state.colour = isatty(2);
        error_trace_to(on_trace);
}

void log_set_level(int max_level) {
        log_state.level = max_level;
}

void log_by_stream(bool on) {
        log_state.by_stream = on;
}

bool log_is_on(int level) {
        return level <= log_state.level;
}

uint64_t log_dropped(void) {
        return log_state.dropped;
}

static nsec_t now(void) {
        struct timespec ts;

        check(clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) == 0);
        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

/* The number of lines this site suppressed before the one it may write now; false:
 * this one is suppressed as well. */
static bool site_may_write(struct log_site *site, uint64_t *ret_suppressed) {
        nsec_t t = now();

        *ret_suppressed = 0;
        if (site->window == 0 || t - site->window >= SITE_SPAN) {
                *ret_suppressed = site->n_suppressed;
                site->window = t;
                site->n_written = 0;
                site->n_suppressed = 0;
        }
        if (site->n_written++ < SITE_BURST)
                return true;
        site->n_suppressed++;
        return false;
}

static void stderr_write(int level, const char *line) {
        const char *colour = log_state.colour ? level_colour[level] : NULL;
        char out[LINE_MAX_ + 256], priority[8] = "";
        struct pollfd p = { .fd = 2, .events = POLLOUT };
        int n;

        if (log_state.journal >= 0) /* sd-daemon(3) */
                (void) snprintf(priority, sizeof(priority), "<%d>", level);
        n = snprintf(out, sizeof(out), "%s%s%s: %s%s\n", priority, colour ? colour : "",
                     log_state.service, line, colour ? "\033[0m" : "");
        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(2, out, (size_t) n) != n)
                log_state.dropped++;
}

static void field(struct buffer *b, const char *name, const char *value) {
        buffer_put_bytes(b, BYTES_STR(name));
        buffer_put_u8(b, '=');
        buffer_put_bytes(b, BYTES_STR(value));
        buffer_put_u8(b, '\n');
}

static void field_u64(struct buffer *b, const char *name, const char *format, uint64_t value) {
        char text[24];

        (void) snprintf(text, sizeof(text), format[0] == 'x' ? "%016llx" : "%llu",
                        (unsigned long long) value);
        field(b, name, text);
}

/* The journal's native protocol: a datagram of NAME=value lines. */
static void journal_write(const struct log_site *site, int level, const struct log_fields *fields,
                          const char *line) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, LINE_MAX_ + 1024);
        field(&b, "MESSAGE", line);
        field_u64(&b, "PRIORITY", "d", (uint64_t) level);
        field(&b, "SYSLOG_IDENTIFIER", "quorate");
        field(&b, "QUORATE_SERVICE", log_state.service);
        field(&b, "CODE_FILE", site->file);
        field_u64(&b, "CODE_LINE", "d", (uint64_t) site->line);
        field(&b, "CODE_FUNC", site->func);
        if (fields && fields->message_id)
                field(&b, "MESSAGE_ID", fields->message_id);
        if (fields && fields->call)
                field_u64(&b, "QUORATE_CALL", "x", fields->call);
        if (fields && fields->peer)
                field(&b, "QUORATE_PEER", fields->peer);
        if (b.failed || send(log_state.journal, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                log_state.dropped++;
}

static void line_write(const struct log_site *site, int level, const struct log_fields *fields,
                       const char *text) {
        char line[LINE_MAX_];

        text_escape(BYTES_STR(text), line, sizeof(line));
        if (log_state.journal >= 0 && !log_state.by_stream)
                journal_write(site, level, fields, line);
        else
                stderr_write(level, line);
}

void log_write(struct log_site *site, int level, const struct log_fields *fields,
               const char *format, ...) {
        char text[LINE_MAX_];
        int saved_errno = errno;
        uint64_t suppressed;
        va_list args;

        if (site_may_write(site, &suppressed)) {
                if (suppressed > 0) {
                        (void) snprintf(text, sizeof(text), "%llu lines like the next suppressed",
                                        (unsigned long long) suppressed);
                        line_write(site, level, NULL, text);
                }
                va_start(args, format);
                (void) vsnprintf(text, sizeof(text), format, args);
                va_end(args);
                line_write(site, level, fields, text);
        }
        errno = saved_errno;
}

void log_error_reason(int r, const char *format, ...) {
        char text[LINE_MAX_];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        log_error("%s: %s", text, strerror(r < 0 ? -r : r));
}
