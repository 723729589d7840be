#pragma once

/* The layout of one packet on a seqpacket link: length of the header (2 bytes,
 * big-endian), Header, body. Pure. */

#include "common/base/bytes.h"
#include "common/daemon/link.h"

/* Writes prefix and header to ret; returns their length, 0: does not fit. */
size_t packet_begin(const struct Bus__Header *h, uint8_t ret[2 + LINK_HEADER_MAX]);

/* Views into `in` and space; false: not one. */
bool packet_parse(struct bytes in, struct link_header_space *space, struct frame *ret);
