#pragma once

/* /perf/1.0.0 (libp2p/specs, perf/perf.md): the opener says how many bytes it
 * wants, sends as many as it likes, finishes; then the other side sends. An
 * amplifier by design: serve only those on a list. Over stream.h alone; pure. */

#include <stdint.h>

#include "common/base/nsec.h"
#include "services/transport/stream.h"

#define PERF_PROTOCOL "/perf/1.0.0"

void perf_serve(struct stream *s);

struct perf;

struct perf_result {
        bool is_complete;  /* false: the peer gave up in between */
        uint64_t up, down; /* bytes written, and received */
        nsec_t up_took, down_took;
};
typedef void (*perf_done_fn)(void *userdata, const struct perf_result *result);

/* Attaches to a stream agreed on PERF_PROTOCOL and calls fn once, never from inside.
 * The upload is timed until the peer's first answer, the download from there. */
struct perf *perf_start(struct stream *s, uint64_t upload, uint64_t download, const nsec_t *clock,
                        perf_done_fn fn, void *userdata);
/* Ends it as incomplete. */
void perf_stop(struct perf *p);
