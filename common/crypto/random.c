#include "common/crypto/random.h"

#include <sodium.h>

#include "common/base/error.h"

void crypto_start(void) {
        check(sodium_init() >= 0);
}

void random_bytes(void *ret, size_t n) {
        randombytes_buf(ret, n);
}

uint64_t random_u64(void) {
        uint64_t v;

        random_bytes(&v, sizeof(v));
        return v;
}
