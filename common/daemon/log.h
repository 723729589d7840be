#pragma once

/* The log of a process: the journal with fields when systemd runs us (stderr is
 * JOURNAL_STREAM), else plain lines on stderr. Never blocks: what cannot be
 * written at once is dropped and counted. Each call site may write 20 lines in
 * 5 s; then it says how many it suppressed.
 *
 * Levels are those of <syslog.h>. Everything goes through text_escape(), so an
 * untrusted string cannot forge a line; quote it all the same. Cores and
 * libraries do not log. */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "common/base/nsec.h"

/* All optional: NULL or 0 leaves the field out. */
struct log_fields {
        const char *message_id; /* 32 hex digits: catalog entry */
        uint64_t call;          /* QUORATE_CALL: trace id of the call */
        const char *peer;       /* QUORATE_PEER: text of the peer id */
};

struct log_site { /* one static per call site */
        const char *func, *file;
        int line;
        unsigned n_written;
        uint64_t n_suppressed;
        nsec_t window;
};

/* Opens the journal socket if there is one, before any sandbox closes the way.
 * `service` must outlive the log. Also routes error_trace here at LOG_DEBUG. */
void log_open(const char *service, int max_level);
void log_set_level(int max_level);
/* On: without fields, by stderr, whose unit the journal knows. The sender of a datagram
 * with fields it looks up when it reads it, and finds no unit once that process has
 * ended: nothing for the words of one that cannot start. Only matters under systemd. */
void log_by_stream(bool on);
bool log_is_on(int level);
/* "error", "warning", "notice", "info", "debug"; index = enum order in log.c. */
extern const char *const log_level_names[];
int log_level_from_index(int index);
uint64_t log_dropped(void);

void log_write(struct log_site *site, int level, const struct log_fields *fields,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_with(level, fields, ...)                                                   \
        do {                                                                           \
                static struct log_site site_ = { .file = __FILE__, .line = __LINE__ }; \
                                                                                       \
                site_.func = __func__;                                                 \
                if (log_is_on(level))                                                  \
                        log_write(&site_, (level), (fields), __VA_ARGS__);             \
        } while (0)

#define log_error(...)   log_with(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_with(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...)  log_with(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...)    log_with(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_with(LOG_DEBUG, NULL, __VA_ARGS__)

/* "return log_fault(r, "cannot open %s", path)": logs with the reason, returns r. */
#define log_fault(r, ...)                              \
        ({                                             \
                int fault_ = (r);                      \
                log_error_reason(fault_, __VA_ARGS__); \
                fault_;                                \
        })
void log_error_reason(int r, const char *format, ...) __attribute__((format(printf, 2, 3)));
