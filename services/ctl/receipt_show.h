#pragma once

/* A receipt file, checked offline and shown. Needs no network and no state. */

#include "services/ctl/command.h"

/* rows NULL: without. Complains about unreadable files. Returns the exit code. */
int receipt_verify_file(const struct command_context *ctx, const char *path, const char *rows);
int receipt_show_file(const struct command_context *ctx, const char *path);
