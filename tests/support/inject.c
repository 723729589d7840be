#include "tests/support/inject.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"

bool inject_is_possible(void) {
#ifdef __x86_64__
        return geteuid() == 0;
#else
        return false;
#endif
}

#ifdef __x86_64__
#define SYSCALL_SIZE 2 /* of the instruction 0f 05 */

static void wait_stopped(pid_t pid) {
        int status;

        check(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
}

/* The process sleeps in a system call, so the instruction before its pc makes one. */
long inject_call(pid_t pid, long number, long a, long b, long c) {
        struct user_regs_struct before, regs;

        check(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
        check(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
        wait_stopped(pid);
        check(ptrace(PTRACE_GETREGS, pid, 0, &before) == 0);
        regs = before;
        regs.rip -= SYSCALL_SIZE;
        regs.orig_rax = (unsigned long long) -1; /* no restart of the interrupted one */
        regs.rax = (unsigned long long) number;
        regs.rdi = (unsigned long long) a;
        regs.rsi = (unsigned long long) b;
        regs.rdx = (unsigned long long) c;
        check(ptrace(PTRACE_SETREGS, pid, 0, &regs) == 0);
        check(ptrace(PTRACE_SINGLESTEP, pid, 0, 0) == 0);
        wait_stopped(pid);
        check(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0);
        check(ptrace(PTRACE_SETREGS, pid, 0, &before) == 0);
        check(ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
        return (long) regs.rax;
}
#else
long inject_call(pid_t pid, long number, long a, long b, long c) {
        (void) pid, (void) number, (void) a, (void) b, (void) c;
        return -1;
}
#endif
