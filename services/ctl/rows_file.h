#pragma once

/* The rows of an answer as a file that `receipt verify --rows` reads
 * (common/canonical/qrows.h). Written beside its name and renamed at the end. */

#include "common/client/quorate.h"

struct rows_file;

struct rows_file *rows_file_new(const char *path); /* NULL: errno */
/* Call for every row; copies each batch once. 0, or -1 with errno. */
int rows_file_take(struct rows_file *f, struct quorate_result *r);
int rows_file_finish(struct rows_file *f, struct quorate_result *r);
struct rows_file *rows_file_free(struct rows_file *f); /* unfinished: removed */
