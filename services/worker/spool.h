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

/* Where spools come from: their budget, and files that are empty again. A new file
 * costs more than the rest of a small job, since a file system looks for an inode
 * that was not deleted lately. */
#define SPOOL_IDLE_MAX 4

struct spool_store {
        struct budget budget;
        int directory;
        struct spool_file {
                int fd, write_fd; /* the second goes to the executor */
        } idle[SPOOL_IDLE_MAX];
        size_t n_idle;
};

struct spool {
        struct spool_store *store;
        struct spool_file file;
        bool has_writer; /* an executor may still write */
        uint64_t limit;  /* bytes taken from the budget */
        struct spool_entry *entries;
        size_t n, capacity;
        uint64_t end; /* indexed up to here */
};

/* `directory` is a descriptor and stays the caller's. */
void spool_store_init(struct spool_store *store, int directory, uint64_t limit);
void spool_store_done(struct spool_store *store);

/* Takes `limit` from the budget. Returns enum spool_result or a fault. */
int spool_open(struct spool *s, struct spool_store *store, uint64_t limit);
void spool_writer_ended(struct spool *s); /* the executor is reaped: the file may serve again */
void spool_done(struct spool *s);         /* what it held is gone, the budget has its bytes back */

/* Reads on until there are n batches, as the executor said. Returns enum spool_result. */
int spool_index(struct spool *s, uint64_t n);
/* Gives back to the budget what the finished result does not need. */
void spool_shrink(struct spool *s);

/* Appends the batch to b. Returns enum spool_result or a fault. */
int spool_read(const struct spool *s, uint64_t index, struct buffer *b);
int spool_digest(const struct spool *s, uint64_t index, struct hash_value *ret);
