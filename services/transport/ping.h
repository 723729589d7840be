#pragma once

/* /ipfs/ping/1.0.0 (libp2p/specs, ping/ping.md): 32 bytes there and back, as
 * often as the opener likes. Over stream.h alone; pure. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "services/transport/stream.h"

#define PING_PROTOCOL "/ipfs/ping/1.0.0"
#define PING_SIZE     32

/* Echoes until the peer finishes. What it sends faster than it reads is held up to
 * 4 KiB; more resets the stream. *counter grows by one with each full echo. */
void ping_serve(struct stream *s, uint64_t *counter);

struct ping;

/* rtts: n_done of them; valid during the call. `count` were asked for. */
typedef void (*ping_done_fn)(void *userdata, const nsec_t *rtts, size_t n_done, size_t count);

/* Attaches to a stream agreed on PING_PROTOCOL, sends `count` pings one after the other
 * and calls fn once; NULL when it did so at once, because nothing could be sent. *clock is the
 * current instant whenever the stream is served; the payloads come from `seed`. */
struct ping *ping_start(struct stream *s, size_t count, const nsec_t *clock, uint64_t seed,
                        ping_done_fn fn, void *userdata);
/* Ends it with what was measured so far. */
void ping_stop(struct ping *p);
