#pragma once

/* A dataset that was made from another one: the options of its manifest say of which, and how.
 *
 *   options = u8 kind (2), 32-byte root of the other, prefixed import version
 *
 * What others say there is a claim and no more: an import is used where this node made it
 * (store_import_of()), and never fetched. Pure. */

#include "services/coordinator/data/manifest.h"

/* What it makes, and which bytes exactly: the same everywhere, or it has another version.
 * IMAGE_VERSION of services/worker/tables/image.h is counted in. CSV and NDJSON are read by our own
 * code whatever the engine. What an engine reads (Parquet) is by its build, too, whose class stands
 * behind a '+': no build is to go on with what another one read. */
#define IMPORT_VERSION     "sqlite-file/1"
#define IMPORT_VERSION_MAX 192
#define IMPORT_FORMAT      "sqlite" /* of what comes out */

/* `class` of the engine that reads; "": our own code does. Returns ret. */
const char *import_version(const char *class, char ret[IMPORT_VERSION_MAX + 1]);
/* That class, or ""; NULL: it is no version of ours. */
const char *import_version_class(const char *version);

struct derived {
        struct hash_value from;
        struct bytes version; /* 1 to IMPORT_VERSION_MAX bytes of printable ASCII */
};

void derived_encode(const struct derived *d, struct buffer *b);
/* Views into the manifest; false: it is derived from none that it names. */
bool derived_decode(const struct manifest *m, struct derived *ret);
