#pragma once

/* SHELLS ONLY: the kernel's random source, through libsodium. Cores never
 * include this; they take what they need as arguments (tests/style checks). */

#include <stddef.h>
#include <stdint.h>

/* Once per process before anything of common/crypto: picks the fast
 * implementations and opens the random source. Aborts when there is none.
 * Calling it again is harmless. Pure code works without it, slower. */
void crypto_start(void);

void random_bytes(void *ret, size_t n);
uint64_t random_u64(void);
