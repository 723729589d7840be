#pragma once

/* What came of [transport] bootstrap. */

#include "common/daemon/rpc.h"
#include "proto/transport.pb-c.h"
#include "services/transport/shell/shell.h"

/* Into the reply, which lives as long as the call. */
void places_describe(const struct shell *s, struct call *call, Transport__StatusReply *ret);
/* Now and then. */
void places_tick(struct shell *s);
