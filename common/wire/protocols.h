#pragma once

/* The components of multiaddrs: one row each, for the binary and the text form.
 * Only multiaddr*.c includes this. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define MULTIADDR_PREFIXED (-1)

struct multiaddr_protocol {
        const char *name;
        uint32_t code; /* enum multiaddr_code */
        int size;      /* bytes of the value, or MULTIADDR_PREFIXED: varint length first */
        bool (*is_valid)(struct bytes value); /* NULL: every value of that size */
        /* NULL both: no value. put appends the text of a valid value; get appends the
         * value of a text, false when there is none. */
        void (*put_text)(struct buffer *b, struct bytes value);
        bool (*get_text)(struct buffer *b, struct bytes text);
};

const struct multiaddr_protocol *multiaddr_protocol_by_code(uint64_t code);
const struct multiaddr_protocol *multiaddr_protocol_by_name(struct bytes name);
