/* A world of its own for one test: a network with a loopback and nothing else, its processes, its
 * mounts. So tests may run side by side: no port, no multicast and no abstract socket is another
 * test's, and with the test ends all that it started.
 *
 *     world COMMAND [ARGUMENTS...]      exits like COMMAND; 128 and the signal when that ended it
 *
 * Root makes it by its rights, others inside a user namespace where they stay who they are. Where
 * neither may be, tests take turns as on one machine, and say so. */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARTS (CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC)

enum { CANNOT_RUN = 126, SIGNALLED = 128 };

static bool write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);

        (void) close(fd);
        return ok;
}

static bool map_ourselves(uid_t uid, gid_t gid) {
        char users[64], groups[64];

        (void) snprintf(users, sizeof(users), "%u %u 1", uid, uid);
        (void) snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
        return write_file("/proc/self/setgroups", "deny") &&
               write_file("/proc/self/uid_map", users) && write_file("/proc/self/gid_map", groups);
}

/* For us, but for the processes: the next child is their first. */
static bool leave(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();

        if (uid == 0) /* a user namespace would lack the other uids that tests of root need */
                return unshare(PARTS) == 0;
        return unshare(CLONE_NEWUSER | PARTS) == 0 && map_ourselves(uid, gid);
}

static bool raise_loopback(void) {
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bool ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;

        (void) close(fd);
        return ok;
}

/* The first process of the new world. */
static bool settle(void) {
        return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
               mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 &&
               raise_loopback();
}

static int code_of(int status) {
        return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int wait_for(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return CANNOT_RUN;
        return code_of(status);
}

_Noreturn static void become(char **command) {
        (void) execvp(command[0], command);
        (void) fprintf(stderr, "world: %s: %s\n", command[0], strerror(errno));
        _exit(CANNOT_RUN);
}

static int run(char **command) {
        pid_t pid = fork();

        if (pid == 0)
                become(command);
        return pid < 0 ? CANNOT_RUN : wait_for(pid);
}

/* As the first process: orphans are ours to bury. When we end, so does what is left. */
static int rule(char **command) {
        pid_t pid = fork(), ended;
        int status = 0;

        if (pid == 0)
                become(command);
        do
                ended = waitpid(-1, &status, 0);
        while (ended != pid && (ended >= 0 || errno == EINTR));
        return ended == pid ? code_of(status) : CANNOT_RUN;
}

/* Without a command only whether there could be such a world: what failed half way cannot be
 * undone. */
static int in_own_world(char **command) {
        pid_t pid;

        if (!leave())
                return CANNOT_RUN;
        pid = fork();
        if (pid == 0)
                _exit(!settle() ? CANNOT_RUN : command ? rule(command) : 0);
        return pid < 0 ? CANNOT_RUN : wait_for(pid);
}

static bool is_possible(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(in_own_world(NULL));
        return pid > 0 && wait_for(pid) == 0;
}

/* This file is the lock. We hold it, and nothing that a test leaves behind does. */
static int in_turn(char **command) {
        int lock = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        (void) fprintf(stderr, "# world: no right to namespaces here, so tests take turns\n");
        if (lock < 0 || flock(lock, LOCK_EX) < 0)
                return CANNOT_RUN;
        return run(command);
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "--possible") == 0)
                return is_possible() ? EXIT_SUCCESS : EXIT_FAILURE;
        if (argc < 2) {
                (void) fprintf(stderr, "usage: world COMMAND [ARGUMENTS...]\n");
                return 2;
        }
        return is_possible() ? in_own_world(argv + 1) : in_turn(argv + 1);
}
