#pragma once

/* What a user's data file is: its format by its first bytes, else by the end of its
 * name; and the name its table gets. What is in it, only executors look at. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/client/quorate.h"

#define DATA_NAME_SIZE 64

struct data_file {
        int fd;             /* of a SQLite database a snapshot, else the file as it lies */
        const char *format; /* "sqlite", "csv", "ndjson", "parquet" */
        uint64_t length;
};

/* Opened with the user's rights. QUORATE_OK and fd, to be closed; or why not. */
int data_file_open(struct quorate *q, const char *path, struct data_file *ret);
/* An unlinked copy in $TMPDIR, for who maps it: nobody writes that one. */
int data_file_copy(struct quorate *q, const char *path, const struct data_file *f, int *ret_fd);

/* One table, not a database; false too when it cannot be opened. */
bool data_file_is_table(const char *path);
/* "main" for a SQLite database and what cannot be opened; of a table the file's name
 * without its end, made letters, digits and _. */
void data_file_name(const char *path, char ret[DATA_NAME_SIZE]);
/* The names of a question's inputs, those that have none given one. QUORATE_E_USAGE: two
 * inputs have the same, in any case of letters. */
int data_file_names(struct quorate *q, const struct quorate_input *inputs, size_t n,
                    char (*ret)[DATA_NAME_SIZE]);
