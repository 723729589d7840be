#pragma once

/* A service's connection to transport: the protocols it serves, streams that
 * peers open to it, peers it wants kept, and who is connected (watch). Comes and
 * goes with transport; what was asked for is asked again by itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/streams/framed.h"
#include "common/streams/places.h"
#include "proto/transport.pb-c.h"

struct service_context;
struct streams;

/* One protocol that is served. */
struct streams_protocol {
        const char *id;        /* copied */
        uint32_t max_per_peer; /* inbound streams; 0: 32 */
        size_t frame_max;
        const struct framed_handler *handler; /* of inbound streams */
        bool is_idle;  /* open ones keep no connection alive; streams_keep() does */
        bool is_asked; /* a stream is for questions: where none comes, it ends */
        size_t max;    /* inbound streams, of all peers; 0: 512 */
};
#define STREAMS_PROTOCOLS_MAX PLACES_PROTOCOLS

struct streams_events {
        /* A peer opened a stream; returns its userdata, NULL refuses it. */
        void *(*on_inbound)(void *userdata, size_t protocol, const struct framed_remote *remote);
        /* The stream on_inbound() spoke of; the handler's callbacks follow. */
        void (*on_accepted)(void *userdata, void *stream_userdata, struct framed *f);
        /* It was withdrawn before it could be accepted. */
        void (*on_withdrawn)(void *userdata, size_t protocol, void *stream_userdata);
        /* A peer came, changed or went (proto/transport.proto, PeerChange). May be NULL. */
        void (*on_peer)(void *userdata, const Transport__PeerChange *change);
        /* Identity and announced addresses, at first and whenever they change. */
        void (*on_self)(void *userdata, const Transport__SelfReply *self);
        /* transport is there (again): nothing of before is left, peers are told anew; or gone. */
        void (*on_up)(void *userdata);
        void (*on_down)(void *userdata);
        /* All that was denied until now is in force and on transport's disk, or transport is gone
         * or could not (logged). May be NULL. */
        void (*on_denied)(void *userdata);
};

/* Connects to transport/streams. limits: of what streams may keep here. Returns 0 or a fault. */
int streams_new(struct service_context *ctx, const struct places_limits *limits,
                const struct streams_events *events, void *userdata, struct streams **ret);
struct streams *streams_free(struct streams *s); /* always NULL; streams end without callbacks */
DEFINE_CLEANUP(struct streams *, streams_free);

/* Replaces what is served. protocols' handlers must stay. */
void streams_serve(struct streams *s, const struct streams_protocol *protocols, size_t n);
void streams_keep(struct streams *s, const struct peer_id *peer, bool needed);
/* Disconnected and refused from now on. transport keeps the list under the service's name, so that
 * the next one refuses them from its first packet on, whether this service is there or not. */
void streams_deny(struct streams *s, const struct peer_id *peer, bool denied);
/* The list is as this service knows it from an earlier life: only now may transport take it, even
 * an empty one, for the one it has. */
void streams_denying(struct streams *s);
bool streams_is_denying(const struct streams *s); /* what on_denied() says */
bool streams_is_up(const struct streams *s);
/* While transport is not there: until when it is worth to wait for it, 3 s after it went (or we
 * began). It was started again, or we stood still for so long that we lost each other. */
nsec_t streams_back_by(const struct streams *s);
/* For metrics: what became of streams, and what they hold now. */
struct streams_counter {
        const char *name;
        uint64_t value;
};
#define STREAMS_COUNTERS (_PLACES_COUNTS + 2)
void streams_counters(const struct streams *s, struct streams_counter ret[STREAMS_COUNTERS]);
/* NULL while transport is not there. */
struct link *streams_link(const struct streams *s);
struct framed *streams_open(struct streams *s, const struct framed_open *o,
                            const struct framed_handler *handler, void *userdata);
