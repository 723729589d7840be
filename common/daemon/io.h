#pragma once

/* Reading and writing the whole of something on a blocking descriptor: past signals and short
 * counts, which a pipe, a full disk and a quota give. All return 0 or -errno. */

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/base/bytes.h"

int io_write(int fd, struct bytes data);
int io_write_at(int fd, struct bytes data, uint64_t offset);
/* Uses up `iov`. */
int io_writev(int fd, struct iovec *iov, int n);
/* Exactly n bytes; -EIO: it ends before. */
int io_read(int fd, void *to, size_t n);
int io_read_at(int fd, void *to, size_t n, uint64_t offset);
