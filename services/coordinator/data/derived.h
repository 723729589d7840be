#pragma once

/* A dataset that was made from another one: the options of its manifest say of which, and how.
 *
 *   options = u8 kind (2), 32-byte root of the other, prefixed import version
 *
 * What others say there is a claim and no more: an import is used where this node made it
 * (store_import_of()), and never fetched. Pure. */

#include "services/coordinator/data/manifest.h"

/* What it makes, and which bytes exactly: the same everywhere, or it has another version.
 * IMAGE_VERSION of services/worker/tables/image.h is counted in. */
#define IMPORT_VERSION     "sqlite-file/1"
#define IMPORT_VERSION_MAX 64
#define IMPORT_FORMAT      "sqlite" /* of what comes out */

struct derived {
        struct hash_value from;
        struct bytes version; /* 1 to IMPORT_VERSION_MAX bytes of printable ASCII */
};

void derived_encode(const struct derived *d, struct buffer *b);
/* Views into the manifest; false: it is derived from none that it names. */
bool derived_decode(const struct manifest *m, struct derived *ret);
