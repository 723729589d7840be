#pragma once

/* Makes a running process do a system call of our choice, as a debugger would: what
 * its confinement is worth when its code is somebody else's. Root, x86-64. */

#include <stdbool.h>
#include <sys/types.h>

/* False: not possible here (not root, another machine, ptrace forbidden). */
bool inject_is_possible(void);

/* What the kernel answered: a result or a negative errno. The process goes on as before. */
long inject_call(pid_t pid, long number, long a, long b, long c);
