#pragma once

/* A job's result on disk, in an unlinked file of the worker's state directory:
 * the executor appends batches, the worker indexes and serves them. What the file
 * holds is foreign: lengths are checked before they are believed. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/budget.h"
#include "common/base/bytes.h"
#include "common/crypto/hash.h"

#define SPOOL_BATCHES_MAX (1u << 18)

enum spool_result {
        SPOOL_OK = 0,
        SPOOL_E_QUOTA,     /* the worker's spools are full */
        SPOOL_E_MALFORMED, /* not what an executor of ours writes */
        SPOOL_E_NONE,      /* no such batch (yet) */
};

struct spool_entry {
        uint64_t offset; /* of the batch itself */
        uint32_t length;
};

struct spool {
        int fd, write_fd; /* the second goes to the executor and is closed here then */
        uint64_t limit;   /* bytes taken from the budget */
        struct budget *budget;
        struct spool_entry *entries;
        size_t n, capacity;
        uint64_t end; /* indexed up to here */
};

/* `directory` is a descriptor. Takes `limit` from the budget. Returns enum
 * spool_result or a fault. */
int spool_open(struct spool *s, int directory, uint64_t limit, struct budget *budget);
void spool_close_writer(struct spool *s);
void spool_done(struct spool *s); /* the file is gone, the budget has its bytes back */

/* Reads on until there are n batches, as the executor said. Returns enum spool_result. */
int spool_index(struct spool *s, uint64_t n);
/* Gives back to the budget what the finished result does not need. */
void spool_shrink(struct spool *s);

/* Appends the batch to b. Returns enum spool_result or a fault. */
int spool_read(const struct spool *s, uint64_t index, struct buffer *b);
int spool_digest(const struct spool *s, uint64_t index, struct hash_value *ret);
