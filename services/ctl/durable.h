#pragma once

/* Changes of files that are on the disk when the call returns. 0 or -errno. */

#include <sys/types.h>

#include "common/base/bytes.h"

/* The whole file, 0600, or the one before: never a part of it. */
int durable_write(const char *path, struct bytes content);
/* The same, with this mode whatever the umask is. */
int durable_write_mode(const char *path, struct bytes content, mode_t mode);
int durable_rename(const char *from, const char *to);
/* A second name; fine when both are the same file already. */
int durable_link(const char *from, const char *to);
