#pragma once

/* Just enough of protobuf's wire format to see for whom packed bytes speak: keyring
 * signs messages that others packed, and only if their first field is this node.
 * Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

/* Well-formed fields of types varint and bytes, numbers 1..max_field and never falling, the
 * first of them field 1 with exactly `value`, which does not occur again. */
bool packed_speaks_for(struct bytes message, struct bytes value, uint32_t max_field);
