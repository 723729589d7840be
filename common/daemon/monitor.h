#pragma once

/* The socket <service>/events: a snapshot of a service's metrics for gateway and
 * ctl. Every service with a bus serves it with one call in start(). */

#include "common/daemon/service.h"

struct monitor;

/* Serves ctx->metrics on the passed listener "<name>/events"; without one, which is
 * no error, *ret is NULL. Returns 0 or a fault. */
int monitor_new(struct service_context *ctx, struct monitor **ret);
struct monitor *monitor_free(struct monitor *m);
DEFINE_CLEANUP(struct monitor *, monitor_free);
