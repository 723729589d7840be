#include "services/keyring/confine.h"

#include "common/base/memory.h"
#include "common/daemon/sandbox.h"

#define ALL(name_) \
        { .name = (name_), .arg = -1, }

static const struct sandbox_call calls[] = {
        ALL("open"),    ALL("openat"), ALL("openat2"),      ALL("creat"),
        ALL("connect"), ALL("bind"),   ALL("memfd_create"), ALL("truncate"),
        ALL("unlink"),  ALL("rename"), ALL("unlinkat"),     ALL("renameat2"),
};

int confine_files(void) {
        return sandbox_seccomp(calls, ELEMENTSOF(calls), SANDBOX_EPERM, SANDBOX_ALLOW);
}
