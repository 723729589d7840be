#pragma once

/* What a verb takes from a file or from standard input, whole. */

#include "common/base/bytes.h"
#include "services/ctl/command.h"

/* path NULL or "-": standard input. Into ret, whose `max` is the most it may have.
 * EXIT_OK, or an exit code after complaining for `verb`. */
int input_file_read(const struct command_context *ctx, const char *verb, const char *path,
                    struct buffer *ret);
