#include "services/keyring/confine.h"

#include <sys/mman.h>

#include "common/base/memory.h"
#include "common/daemon/sandbox.h"

#define ALL(name_) \
        { .name = (name_), .arg = -1, }
/* Never with PROT_EXEC. */
#define NO_EXEC(name_) \
        { .name = (name_), .arg = 2, .mask = PROT_EXEC }

/* All that serving and stopping take. A row more needs a reason. */
static const struct sandbox_call calls[] = {
        /* sockets that are there, or that come through a listener that is */
        ALL("read"),
        ALL("write"),
        ALL("readv"),
        ALL("writev"),
        ALL("recvmsg"),
        ALL("sendmsg"),
        ALL("recvfrom"),
        ALL("sendto"),
        ALL("accept4"),
        ALL("getsockopt"),
        ALL("setsockopt"),
        ALL("getsockname"),
        ALL("getpeername"),
        ALL("shutdown"),
        ALL("close"),
        ALL("fcntl"),
        /* the loop */
        ALL("epoll_wait"),
        ALL("epoll_pwait"),
        ALL("epoll_pwait2"),
        ALL("epoll_ctl"),
        ALL("poll"),
        ALL("ppoll"),
        ALL("timerfd_create"),
        ALL("timerfd_settime"),
        ALL("signalfd4"),
        /* memory */
        ALL("brk"),
        ALL("munmap"),
        ALL("mremap"),
        ALL("madvise"),
        ALL("mlock"),
        ALL("munlock"),
        NO_EXEC("mmap"),
        NO_EXEC("mprotect"),
        /* the C library */
        ALL("futex"),
        ALL("getrandom"),
        ALL("clock_gettime"),
        ALL("clock_nanosleep"),
        ALL("gettimeofday"),
        ALL("time"),
        ALL("getpid"),
        ALL("gettid"),
        ALL("getuid"),
        ALL("geteuid"),
        ALL("getrusage"),
        ALL("fstat"),
        ALL("newfstatat"),
        ALL("lseek"),
        ALL("rt_sigaction"),
        ALL("rt_sigprocmask"),
        ALL("rt_sigreturn"),
        ALL("sigaltstack"),
        ALL("restart_syscall"),
        ALL("tgkill"),
        ALL("exit"),
        ALL("exit_group"),
};

int confine_serving(void) {
        return sandbox_seccomp(calls, ELEMENTSOF(calls), SANDBOX_ALLOW, SANDBOX_EPERM);
}
