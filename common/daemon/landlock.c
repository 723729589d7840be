/* Landlock by raw system calls: Debian 12's header ends at ABI 3, kernels do not.
 * Source: Documentation/userspace-api/landlock.rst of Linux 6.12. */

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/sandbox.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_VERSION  (1u << 0)
#define RULE_PATH       1

#define FS_EXECUTE      (1ull << 0)
#define FS_WRITE_FILE   (1ull << 1)
#define FS_READ_FILE    (1ull << 2)
#define FS_READ_DIR     (1ull << 3)
#define FS_TRUNCATE     (1ull << 14)
#define FS_IOCTL_DEV    (1ull << 15)
#define FS_OF_FILES     (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READ         (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)

#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT  (1ull << 0)
#define SCOPE_SIGNAL    (1ull << 1)

struct ruleset {
        uint64_t fs, net, scoped;
};
struct path_rule {
        uint64_t allowed;
        int32_t parent;
} __attribute__((packed));

/* By ABI: the rights it knows, and how much of struct ruleset it reads. */
static const struct {
        uint64_t fs;
        size_t size;
} abis[] = {
        { 0, 0 },
        { (1ull << 13) - 1, 8 },
        { (1ull << 14) - 1, 8 },  /* 2: REFER */
        { (1ull << 15) - 1, 8 },  /* 3: TRUNCATE */
        { (1ull << 15) - 1, 16 }, /* 4: TCP */
        { (1ull << 16) - 1, 16 }, /* 5: IOCTL_DEV */
        { (1ull << 16) - 1, 24 }, /* 6: scopes */
};

int sandbox_landlock_abi(void) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

        return abi < 0 ? 0 : (int) abi;
}

static int add_path(int ruleset, const struct sandbox_path *p, uint64_t handled) {
        CLEANUP(fd_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
        struct path_rule rule = { .allowed = (p->writable ? ~0ull : FS_READ) & handled,
                                  .parent = fd };
        struct stat st;

        if (fd < 0)
                return errno == ENOENT || errno == EACCES ? 0 : error_origin(-errno);
        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (!S_ISDIR(st.st_mode))
                rule.allowed &= FS_OF_FILES;
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) < 0)
                return error_origin(-errno);
        return 0;
}

static unsigned layers_of(const struct ruleset *r) {
        return SANDBOX_LAYER_LANDLOCK_FS | (r->net ? SANDBOX_LAYER_LANDLOCK_NET : 0) |
               (r->scoped ? SANDBOX_LAYER_LANDLOCK_SCOPE : 0);
}

int sandbox_landlock(const struct sandbox_path *paths, bool net, bool scope, unsigned *ret_layers) {
        size_t abi = (size_t) sandbox_landlock_abi();
        CLEANUP(fd_closep) int fd = -1;
        struct ruleset r = {};
        int result;

        if (abi == 0)
                return 0;
        if (abi >= ELEMENTSOF(abis))
                abi = ELEMENTSOF(abis) - 1;
        r.fs = abis[abi].fs;
        r.net = net && abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
        r.scoped = scope && abi >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0;
        fd = (int) syscall(SYS_landlock_create_ruleset, &r, abis[abi].size, 0);
        if (fd < 0)
                return error_origin(-errno);
        for (; paths && paths->path; paths++) {
                result = add_path(fd, paths, r.fs);
                if (result < 0)
                        return result;
        }
        if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return error_origin(-errno);
        *ret_layers |= layers_of(&r);
        return 0;
}
