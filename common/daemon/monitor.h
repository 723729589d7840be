#pragma once

/* The socket <service>/events: a snapshot of a service's metrics, and its events, for
 * dashboards. Every service with a bus serves it with one call in start(). */

#include "common/daemon/service.h"

struct monitor;

/* Serves ctx->metrics on the passed listener "<name>/events"; without one, which is
 * no error, *ret is NULL. Returns 0 or a fault. */
int monitor_new(struct service_context *ctx, struct monitor **ret);
/* Tells every follower; never waits, and drops what is too much (bus.proto, Follow). `name` and
 * message are promised by the service's proto. `m` may be NULL. */
void monitor_tell(struct monitor *m, const char *name, const void *message);
/* After what tells; before the metrics. */
struct monitor *monitor_free(struct monitor *m);
DEFINE_CLEANUP(struct monitor *, monitor_free);
