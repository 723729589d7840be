#pragma once

/* Where the keyring meets the kernel: seed file, locked memory, sockets. */

#include "common/daemon/service.h"

int shell_start(struct service_context *ctx, void **ret);
void *shell_stop(struct service_context *ctx, void *s);
