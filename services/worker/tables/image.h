#pragma once

/* A typed table as a SQLite database file, written front to back without SQLite: what comes
 * out depends on the schema and the rows alone, not on a build, a heap or a clock. That is what
 * makes an import one dataset on all hosts (README.md, "Import"). Format:
 * https://www.sqlite.org/fileformat.html. Pure.
 *
 * Pages of 4096 bytes: the head (page 1 and, for a long CREATE TABLE, what it spills over to),
 * then leaves and what their rows spill over to in the order of the rows, which are rowids 1, 2 …;
 * inner pages as they become full; last of all the root. The head is a function of schema, name
 * and number of pages, and always as long: whoever opens the file gives the table the name of
 * its input by laying another head over it. */

#include "services/worker/tables/rows.h"

#define IMAGE_VERSION 1 /* counted up when any byte of it changes */
#define IMAGE_PAGE    4096u
#define IMAGE_TABLE   "data" /* as it is called in the file itself */
#define IMAGE_NAME    63     /* bytes a name has at most */
#define IMAGE_PAGES   UINT32_C(0xfffffffe)

/* "INTEGER", "REAL", "TEXT", "BLOB": what a column of this type is there. */
const char *image_type(enum cell_type type);

/* What the first pass over the rows counts, so that the second can write front to back. */
struct image_size {
        uint64_t rows, leaves, spilled; /* pages, both */
        size_t left;                    /* bytes free in the last leaf */
};
void image_count(struct image_size *s, const struct table_value *values, size_t n);
/* Pages of the file; 0: more than a SQLite file can have. */
uint32_t image_pages(const struct schema *schema, const struct image_size *s);
/* Pages of the head. */
uint32_t image_head_pages(const struct schema *schema);
/* Appends the head; the buffer fails when it has no room. `name` is at most IMAGE_NAME long. */
void image_head(const struct schema *schema, const char *name, uint32_t pages, struct buffer *ret);

/* One page after the other; 0, or a fault or answer that is passed up. */
typedef int (*image_page_fn)(void *userdata, const uint8_t page[IMAGE_PAGE]);

struct image;
/* Writes a table that was counted; `schema` must outlive it. Each but image_new() returns 0 or
 * what fn said; image_add() -EINVAL when there are more rows than were counted. */
struct image *image_new(const struct schema *schema, const struct image_size *size,
                        image_page_fn fn, void *userdata);
int image_begin(struct image *i);
int image_add(struct image *i, const struct table_value *values);
/* -EINVAL: fewer rows than were counted, or others. */
int image_end(struct image *i);
struct image *image_free(struct image *i);
DEFINE_CLEANUP(struct image *, image_free);
