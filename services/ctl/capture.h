#pragma once

/* Runs one of our own programs and keeps what it prints. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/bytes.h"

struct capture {
        struct buffer out, err;
        int status; /* exit status; 128 + signal when killed */
};

/* argv ends with NULL; argv[0] is the path. clean: without QUORATE_* of our
 * environment. 0, or -errno when it could not be started. */
int capture_run(const char *const *argv, bool clean, struct capture *ret);
/* As the owner of what the program works on, in that folder (which its owner may not
 * be able to reach by its whole path). Another uid than ours: only root can. */
struct capture_as {
        uid_t uid;
        gid_t gid;
        const char *folder;
};
int capture_run_as(const char *const *argv, const struct capture_as *as, struct capture *ret);
void capture_done(struct capture *c);
static inline void capture_donep(struct capture *c) {
        capture_done(c);
}
/* Takes the next line off the text, without its end. False: there is none. */
bool capture_line(struct bytes *text, struct bytes *ret);
/* The first line of what it said on stderr, escaped, without "PROGRAM: " in front. */
const char *capture_complaint(const struct capture *c, char ret[512]);
