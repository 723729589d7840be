#pragma once

/* What a file is that was taken for another: by how it begins, for people. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"

enum file_kind {
        FILE_UNKNOWN,
        FILE_EMPTY,
        FILE_RECEIPT,
        FILE_ROWS,
        FILE_SQLITE,
        FILE_TEXT,
        _FILE_KIND_N,
};

enum file_kind file_kind_of(struct bytes file);
/* True: all but one byte of how `kind` begins is there; *ret_at is which one. */
bool file_kind_nearly(struct bytes file, enum file_kind kind, size_t *ret_at);
const char *file_kind_text(enum file_kind kind); /* "a receipt", "a SQLite database" */
