#pragma once

/* The spool as executor writes and worker reads it, batches one behind the other:
 * u32 length, the batch, its digest. An unlinked file; nobody else ever sees it. */

#include <stdint.h>

#include "common/crypto/hash.h"

#define SPOOL_HEADER_SIZE  4
#define SPOOL_RECORD_EXTRA (SPOOL_HEADER_SIZE + HASH_SIZE)
