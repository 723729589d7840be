#pragma once

/* The files, the clock and nothing else of the machine that DuckDB sees: duckdb_libc.c
 * stands before the C library's functions and asks here. Unsealed (in the zygote, in
 * every other program) those calls go to the kernel as ever. Sealed, a path is an
 * input of the job, "/q/0" …, read from memory without a system call, or EACCES. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "services/worker/engine.h"

#define DUCKDB_PATH_SIZE 32

/* From here on; NULL: back to the machine (tests have many sessions in one process). The
 * job must outlive it. */
void duckdb_files_seal(const struct engine_job *job);
bool duckdb_files_are_sealed(void);
/* "/q/3": what input 3 is called. Returns ret. */
const char *duckdb_files_path(size_t input, char ret[DUCKDB_PATH_SIZE]);
/* Sealed: "/q/3" in what DuckDB says becomes the input's name, for that is what people know it by.
 */
void duckdb_files_name(char *text, size_t size);

/* What each answers is what the call of that name answers, errno included. */
bool duckdb_files_owns(int fd);
int duckdb_files_open(const char *path, int flags);
int duckdb_files_close(int fd);
ssize_t duckdb_files_pread(int fd, void *data, size_t size, off_t offset);
ssize_t duckdb_files_read(int fd, void *data, size_t size);
off_t duckdb_files_seek(int fd, off_t offset, int whence);
int duckdb_files_stat(const char *path, struct stat *ret);
int duckdb_files_fstat(int fd, struct stat *ret);
/* The job's time, when sealed. */
void duckdb_files_time(struct timespec *ret);
/* From the job's seed: the same bytes in the same order. */
void duckdb_files_random(void *ret, size_t size);

/* Whether the functions of duckdb_libc.c are those that a library loaded now would get.
 * NULL, or the name of one that is not. */
const char *duckdb_libc_missing(void);
