/* Stands before the C library: exported by the program, and a program's symbols come
 * before those of libraries, so that what DuckDB's library calls by these names is here.
 * Which names: what `nm -D --undefined-only libduckdb.so` lists of files, directories,
 * sockets and clocks (both spellings where there are two). The program's own calls come
 * here as well, so unsealed each is the system call and nothing else. */

/* Their headers would call open() open64(), and define an inline one. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "services/worker/confine.h"
#include "services/worker/duckdb/duckdb_files.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static int denied(void) {
        errno = EACCES;
        return -1;
}

/* The C library's own. */
#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static __typeof__(&syscall) next_syscall;

static __typeof__(&syscall) kernel_of(void) {
        if (!next_syscall)
                next_syscall = NEXT(syscall);
        return next_syscall;
}
#define kernel(...) kernel_of()(__VA_ARGS__)

static bool sealed(void) {
        return duckdb_files_are_sealed();
}

/* ---- opening ---- */

static int open_at(int dir, const char *path, int flags, mode_t mode) {
        if (sealed())
                return duckdb_files_open(path, flags);
        return (int) kernel(SYS_openat, dir, path, flags, mode);
}

#define MODE_OF(last)                                                                \
        ({                                                                           \
                va_list args_;                                                       \
                mode_t mode_;                                                        \
                va_start(args_, last);                                               \
                mode_ = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args_, mode_t) : 0; \
                va_end(args_);                                                       \
                mode_;                                                               \
        })

EXPORT int open(const char *path, int flags, ...) {
        return open_at(AT_FDCWD, path, flags, MODE_OF(flags));
}

EXPORT int open64(const char *path, int flags, ...) {
        return open_at(AT_FDCWD, path, flags, MODE_OF(flags));
}

EXPORT int openat(int dir, const char *path, int flags, ...) {
        return open_at(dir, path, flags, MODE_OF(flags));
}

EXPORT int openat64(int dir, const char *path, int flags, ...) {
        return open_at(dir, path, flags, MODE_OF(flags));
}

EXPORT int creat(const char *path, mode_t mode) {
        return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int close(int fd) {
        if (duckdb_files_owns(fd))
                return duckdb_files_close(fd);
        return (int) kernel(SYS_close, fd);
}

/* ---- reading ---- */

EXPORT ssize_t read(int fd, void *data, size_t size) {
        if (duckdb_files_owns(fd))
                return duckdb_files_read(fd, data, size);
        return kernel(SYS_read, fd, data, size);
}

EXPORT ssize_t pread(int fd, void *data, size_t size, off_t offset) {
        if (duckdb_files_owns(fd))
                return duckdb_files_pread(fd, data, size, offset);
        return kernel(SYS_pread64, fd, data, size, offset);
}

EXPORT ssize_t pread64(int fd, void *data, size_t size, off_t offset) {
        return pread(fd, data, size, offset);
}

EXPORT off_t lseek(int fd, off_t offset, int whence) {
        if (duckdb_files_owns(fd))
                return duckdb_files_seek(fd, offset, whence);
        return kernel(SYS_lseek, fd, offset, whence);
}

EXPORT off_t lseek64(int fd, off_t offset, int whence) {
        return lseek(fd, offset, whence);
}

/* ---- what a file is ---- */

static int stat_at(const char *path, struct stat *ret, int flags) {
        if (sealed())
                return duckdb_files_stat(path, ret);
        return (int) kernel(SYS_newfstatat, AT_FDCWD, path, ret, flags);
}

static int stat_of(int fd, struct stat *ret) {
        if (duckdb_files_owns(fd))
                return duckdb_files_fstat(fd, ret);
        return (int) kernel(SYS_newfstatat, fd, "", ret, AT_EMPTY_PATH);
}

EXPORT int stat(const char *path, struct stat *ret) {
        return stat_at(path, ret, 0);
}

EXPORT int lstat(const char *path, struct stat *ret) {
        return stat_at(path, ret, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat(int fd, struct stat *ret) {
        return stat_of(fd, ret);
}

/* One structure on 64 bits. */
EXPORT int stat64(const char *path, struct stat64 *ret) {
        return stat_at(path, (struct stat *) ret, 0);
}

EXPORT int lstat64(const char *path, struct stat64 *ret) {
        return stat_at(path, (struct stat *) ret, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat64(int fd, struct stat64 *ret) {
        return stat_of(fd, (struct stat *) ret);
}

/* The names these had up to glibc 2.32; the official library was built with such a one. */
int __xstat(int version, const char *path, struct stat *ret);
int __lxstat(int version, const char *path, struct stat *ret);
int __fxstat(int version, int fd, struct stat *ret);

EXPORT int __xstat(int version, const char *path, struct stat *ret) {
        return stat_at(path, ret, 0);
}

EXPORT int __lxstat(int version, const char *path, struct stat *ret) {
        return stat_at(path, ret, AT_SYMLINK_NOFOLLOW);
}

EXPORT int __fxstat(int version, int fd, struct stat *ret) {
        return stat_of(fd, ret);
}

EXPORT int access(const char *path, int mode) {
        struct stat st;

        if (!sealed())
                return (int) kernel(SYS_faccessat, AT_FDCWD, path, mode);
        return (mode & (W_OK | X_OK)) ? denied() : duckdb_files_stat(path, &st);
}

static int control(int fd, int command, void *argument) {
        if (duckdb_files_owns(fd)) /* locks, flags: there is nobody to lock it against */
                return 0;
        return (int) kernel(SYS_fcntl, fd, command, argument);
}

#define ARGUMENT_OF(last)                   \
        ({                                  \
                va_list args_;              \
                void *p_;                   \
                va_start(args_, last);      \
                p_ = va_arg(args_, void *); \
                va_end(args_);              \
                p_;                         \
        })

EXPORT int fcntl(int fd, int command, ...) {
        return control(fd, command, ARGUMENT_OF(command));
}

EXPORT int fcntl64(int fd, int command, ...) {
        return control(fd, command, ARGUMENT_OF(command));
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
        void *argument = ARGUMENT_OF(request);

        if (!sealed())
                return (int) kernel(SYS_ioctl, fd, request, argument);
        errno = ENOTTY;
        return -1;
}

/* ---- what is only refused: EACCES where the filter of system calls would kill ---- */

EXPORT int unlink(const char *path) {
        return sealed() ? denied() : (int) kernel(SYS_unlinkat, AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path) {
        return sealed() ? denied() : (int) kernel(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int mkdir(const char *path, mode_t mode) {
        return sealed() ? denied() : (int) kernel(SYS_mkdirat, AT_FDCWD, path, mode);
}

EXPORT int rename(const char *from, const char *to) {
        return sealed() ? denied() : (int) kernel(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int chdir(const char *path) {
        return sealed() ? denied() : (int) kernel(SYS_chdir, path);
}

EXPORT ssize_t readlink(const char *path, char *ret, size_t size) {
        return sealed() ? denied() : kernel(SYS_readlinkat, AT_FDCWD, path, ret, size);
}

EXPORT int socket(int domain, int type, int protocol) {
        return sealed() ? denied() : (int) kernel(SYS_socket, domain, type, protocol);
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t size) {
        return sealed() ? denied() : (int) kernel(SYS_connect, fd, address, size);
}

EXPORT int bind(int fd, const struct sockaddr *address, socklen_t size) {
        return sealed() ? denied() : (int) kernel(SYS_bind, fd, address, size);
}

/* The spool is ours to write. */
EXPORT ssize_t write(int fd, const void *data, size_t size) {
        return sealed() && fd != CONFINE_SPOOL_FD ? denied() : kernel(SYS_write, fd, data, size);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        return sealed() ? denied() : kernel(SYS_pwrite64, fd, data, size, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
        return pwrite(fd, data, size, offset);
}

EXPORT int remove(const char *path) {
        return sealed() ? denied() : NEXT(remove)(path);
}

static void *no_pointer(void) {
        errno = EACCES;
        return NULL;
}

EXPORT FILE *fopen(const char *path, const char *mode) {
        return sealed() ? no_pointer() : NEXT(fopen)(path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode) {
        return sealed() ? no_pointer() : NEXT(fopen64)(path, mode);
}

EXPORT DIR *opendir(const char *path) {
        return sealed() ? no_pointer() : NEXT(opendir)(path);
}

EXPORT struct dirent *readdir(DIR *d) {
        return sealed() ? no_pointer() : NEXT(readdir)(d);
}

EXPORT struct dirent64 *readdir64(DIR *d) {
        return sealed() ? no_pointer() : NEXT(readdir64)(d);
}

EXPORT char *realpath(const char *path, char *ret) {
        return sealed() ? no_pointer() : NEXT(realpath)(path, ret);
}

EXPORT char *getcwd(char *ret, size_t size) {
        return sealed() ? no_pointer() : NEXT(getcwd)(ret, size);
}

EXPORT int statvfs(const char *path, struct statvfs *ret) {
        return sealed() ? denied() : NEXT(statvfs)(path, ret);
}

/* ---- the clock and the process: the job's, or nothing ---- */

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret) {
        static __typeof__(&clock_gettime) next;

        if (clock == CLOCK_REALTIME && sealed()) {
                duckdb_files_time(ret);
                return 0;
        }
        if (!next)
                next = NEXT(clock_gettime); /* no system call, where the kernel helps */
        return next(clock, ret);
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        ret->tv_sec = t.tv_sec;
        ret->tv_usec = t.tv_nsec / 1000;
        return 0;
}

EXPORT time_t time(time_t *ret) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        if (ret)
                *ret = t.tv_sec;
        return t.tv_sec;
}

/* Nobody to wait for: sleep_ms() is over at once. */
EXPORT int nanosleep(const struct timespec *wanted, struct timespec *ret_left) {
        return sealed() ? 0 : (int) kernel(SYS_nanosleep, wanted, ret_left);
}

EXPORT int sched_yield(void) {
        return sealed() ? 0 : (int) kernel(SYS_sched_yield);
}

/* A file of the machine's tells it. An executor has one processor, whatever the machine has. */
EXPORT int get_nprocs(void) {
        return sealed() ? 1 : NEXT(get_nprocs)();
}

EXPORT pid_t getpid(void) {
        return sealed() ? 1 : (pid_t) kernel(SYS_getpid);
}

/* So DuckDB seeds its generators. */
EXPORT long syscall(long number, ...) {
        long a[6];
        va_list args;

        va_start(args, number);
        for (size_t i = 0; i < 6; i++)
                a[i] = va_arg(args, long); /* more than it has are garbage, which nobody reads */
        va_end(args);
        if (number != SYS_getrandom || !sealed())
                return kernel(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        duckdb_files_random((void *) a[0], (size_t) a[1]);
        return a[1];
}

EXPORT ssize_t getrandom(void *ret, size_t size, unsigned flags) {
        return syscall(SYS_getrandom, ret, size, (unsigned long) flags);
}

/* ---- whether they stand in the way ---- */

#define NAME(name) \
        { #name, (void *) name }

const char *duckdb_libc_missing(void) {
        static const struct {
                const char *name;
                void *function;
        } names[] = {
                NAME(open),      NAME(open64),     NAME(openat),        NAME(openat64),
                NAME(creat),     NAME(close),      NAME(read),          NAME(pread),
                NAME(pread64),   NAME(lseek),      NAME(lseek64),       NAME(stat),
                NAME(lstat),     NAME(fstat),      NAME(stat64),        NAME(lstat64),
                NAME(fstat64),   NAME(__xstat),    NAME(__lxstat),      NAME(__fxstat),
                NAME(access),    NAME(fcntl),      NAME(fcntl64),       NAME(ioctl),
                NAME(unlink),    NAME(rmdir),      NAME(mkdir),         NAME(rename),
                NAME(chdir),     NAME(readlink),   NAME(socket),        NAME(remove),
                NAME(fopen),     NAME(opendir),    NAME(realpath),      NAME(getcwd),
                NAME(statvfs),   NAME(nanosleep),  NAME(clock_gettime), NAME(gettimeofday),
                NAME(time),      NAME(getpid),     NAME(sched_yield),   NAME(fopen64),
                NAME(getrandom), NAME(syscall),    NAME(connect),       NAME(bind),
                NAME(write),     NAME(pwrite),     NAME(pwrite64),      NAME(readdir),
                NAME(readdir64), NAME(get_nprocs),
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (dlsym(RTLD_DEFAULT, names[i].name) != names[i].function)
                        return names[i].name;
        }
        return NULL;
}
