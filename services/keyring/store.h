#pragma once

/* Secrets on disk: reading and making the seed file. Refuses files that others
 * may read or change. Shell code: it meets the kernel. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/crypto/kdf.h"

#define STORE_ERROR_SIZE     512
#define STORE_PASSPHRASE_MAX 1024

enum store_result {
        STORE_OK = 0,
        STORE_E_REFUSED, /* the error text says which file, why, and what to do */
};

/* Where a secret lies. */
struct store_file {
        const char *path;
        bool is_credential; /* made by systemd: root may own it, its reader by ACL */
};

/* passphrase.path NULL: none. Returns enum store_result; nothing is left in memory
 * but ret_seed. */
int store_load_seed(const struct store_file *seed, const struct store_file *passphrase,
                    uint8_t ret_seed[SEAL_SEED_SIZE], char error[STORE_ERROR_SIZE]);

/* The content without one newline at its end; wipe it. Returns enum store_result. */
int store_load_passphrase(const struct store_file *file, uint8_t ret[STORE_PASSPHRASE_MAX],
                          size_t *ret_len, char error[STORE_ERROR_SIZE]);

/* A new file, 0600, on disk when this returns; an existing one is never touched. Whoever is
 * killed in between leaves the whole file or none. */
int store_create(const char *path, struct bytes content, char error[STORE_ERROR_SIZE]);
/* What was made just now, and is of no use. */
void store_remove(const char *path);
/* Wall clock, µs since 1970: of statements made beside a seed. */
int64_t store_wall_us(void);
