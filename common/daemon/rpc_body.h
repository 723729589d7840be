#pragma once

/* Bodies of calls, for rpc_server.c and rpc_client.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/refbuf.h"
#include "common/daemon/rpc.h"
#include "common/wire/unpack.h"

struct refbuf *rpc_pack(const void *message);
