#pragma once

/* Rows as SQLite's records, and how much of one stands in a leaf. Private to image*.c. */

#include "services/worker/tables/image.h"

#define USABLE      IMAGE_PAGE
#define PAGE_HEADER 8 /* of a leaf */
#define SPILL_BYTES (USABLE - 4)

/* SQLite's varint: 7 bits a byte, the high ones first; the ninth has 8. */
size_t record_varint_size(uint64_t v);
size_t record_varint(uint64_t v, uint8_t *ret);

size_t record_size(const struct table_value *values, size_t n);
/* Writes record_size() bytes. */
void record_write(const struct table_value *values, size_t n, uint8_t *ret);

/* Of `size` bytes of a record those that stand in a leaf; the rest spills over. */
size_t record_local(size_t size);
static inline uint64_t record_spill_pages(size_t size) {
        return (size - record_local(size) + SPILL_BYTES - 1) / SPILL_BYTES;
}
/* Its cell in a leaf, the pointer to it not counted. */
size_t record_cell_size(size_t size, uint64_t rowid);
