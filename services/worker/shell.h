#pragma once

#include "common/daemon/service.h"

int shell_start(struct service_context *ctx, void **ret);
void shell_drain(struct service_context *ctx, void *s);
void *shell_stop(struct service_context *ctx, void *s);
