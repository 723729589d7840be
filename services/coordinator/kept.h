#pragma once

/* The folder of answers that were verified: one file each, named by its key, least recently used
 * first out. What is in a file is nobody's business here; whoever reads one checks all of it.
 *
 * A file is complete or not there: it is written beside and renamed. No disk is waited for: what
 * a power cut leaves half written does not verify, and is asked for anew. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/refbuf.h"
#include "common/crypto/hash.h"

struct kept_limits {
        uint64_t bytes, entry; /* of all, of one; bytes 0: nothing is kept */
        uint32_t entries;
};
struct kept_figures {
        uint64_t bytes, entries;                   /* now */
        uint64_t kept, evicted, refused, failures; /* since the start */
};

struct kept;

#define KEPT_SUFFIX    ".answer"
#define KEPT_NAME_SIZE (2 * HASH_SIZE + sizeof(KEPT_SUFFIX))
/* What the file of this key is called. Returns ret. */
const char *kept_name(const struct hash_value *key, char ret[KEPT_NAME_SIZE]);

/* Reads what is there, oldest use first, and makes it fit the limits. The folder is made when it
 * is not there. Returns 0 or a fault. */
int kept_open(const char *folder, const struct kept_limits *limits, struct kept **ret);
struct kept *kept_free(struct kept *a);
DEFINE_CLEANUP(struct kept *, kept_free);

/* NULL: there is none. One that cannot be read goes, and is a failure. */
struct refbuf *kept_find(struct kept *a, const struct hash_value *key);
bool kept_has(const struct kept *a, const struct hash_value *key);

enum kept_result {
        KEPT_OK = 0,
        KEPT_E_SIZE, /* more than the limits allow: refused, nothing was written */
        KEPT_E_DISK, /* not written; the one that was there stays */
};
/* Others make room before a byte is written. Returns enum kept_result. */
int kept_put(struct kept *a, const struct hash_value *key, struct bytes file);
void kept_drop(struct kept *a, const struct hash_value *key);

const struct kept_figures *kept_figures(const struct kept *a);
