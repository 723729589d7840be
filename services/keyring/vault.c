#include "services/keyring/vault.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/error.h"
#include "common/crypto/sign.h"

void *vault_new(size_t n, bool *ret_locked) {
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        check(p != MAP_FAILED);
        *ret_locked = mlock(p, n) == 0;
        check(madvise(p, n, MADV_DONTDUMP) == 0);
        check(madvise(p, n, MADV_WIPEONFORK) == 0);
        return p;
}

void *vault_free(void *p, size_t n) {
        if (!p)
                return NULL;
        crypto_wipe(p, n);
        (void) munlock(p, n);
        check(munmap(p, n) == 0);
        return NULL;
}

bool vault_lock_heap(void) {
        FILE *f = fopen("/proc/self/maps", "re");
        unsigned long from = 0, to = 0;
        char line[512];
        bool found = false;

        if (!f)
                return false;
        while (!found && fgets(line, sizeof(line), f))
                found = strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &from, &to) == 2;
        fclose(f);
        return found && mlock((void *) from, to - from) == 0;
}
