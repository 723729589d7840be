/* For LD_PRELOAD: the process is killed just before its Nth call that changes what a folder holds
 * or makes it durable ($KILL_AT, from 1). So a test sees what every cut leaves on the disk. */

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void step(void) {
        static long n;
        const char *at = getenv("KILL_AT"), *who = getenv("KILL_WHO");

        if (at && (!who || strcmp(program_invocation_short_name, who) == 0) && ++n == atol(at))
                (void) kill(getpid(), SIGKILL);
}

#define REAL(type, name) ((type) dlsym(RTLD_NEXT, name))

__attribute__((visibility("default"))) int rename(const char *from, const char *to) {
        step();
        return REAL(int (*)(const char *, const char *), "rename")(from, to);
}

__attribute__((visibility("default"))) int link(const char *from, const char *to) {
        step();
        return REAL(int (*)(const char *, const char *), "link")(from, to);
}

__attribute__((visibility("default"))) int unlink(const char *path) {
        step();
        return REAL(int (*)(const char *), "unlink")(path);
}

__attribute__((visibility("default"))) int fsync(int fd) {
        step();
        return REAL(int (*)(int), "fsync")(fd);
}
