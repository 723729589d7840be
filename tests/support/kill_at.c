/* For LD_PRELOAD: the process is killed just before its Nth call that changes what a folder holds
 * or makes it durable ($KILL_AT, from 1). So a test sees what every cut leaves on the disk.
 *
 * Or its disk stands still: while there is a file $STALL_IN/stall, no call that makes something
 * durable ends, and there is a file `stalled` beside it once one waits. So a test sees what leaves
 * a process before that. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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

static void stall(void) {
        const char *folder = getenv("STALL_IN");
        char gate[512], sign[512];
        int fd;

        if (!folder)
                return;
        (void) snprintf(gate, sizeof(gate), "%s/stall", folder);
        (void) snprintf(sign, sizeof(sign), "%s/stalled", folder);
        if (access(gate, F_OK) < 0)
                return;
        fd = open(sign, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0)
                (void) close(fd);
        while (access(gate, F_OK) == 0)
                (void) usleep(5000);
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
        stall();
        return REAL(int (*)(int), "fsync")(fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd) {
        stall();
        return REAL(int (*)(int), "fdatasync")(fd);
}
