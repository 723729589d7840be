#pragma once

/* One question, one answer on a stream of its own (libp2p kad-dht, /quorate/peers/1
 * and their like). Asking: opened, asked, answered or timed out, each exactly once.
 * Serving: the frames of a peer's stream, one after the other; a peer may ask
 * several questions on one stream, the next is read when the last was answered. */

#include "common/base/cleanup.h"
#include "common/streams/streams.h"

struct loop;
struct exchange;

enum exchange_result {
        EXCHANGE_OK = 0,
        EXCHANGE_E_UNREACHABLE, /* no address answered, or transport stays away */
        EXCHANGE_E_PROTOCOL,    /* the peer does not speak it */
        EXCHANGE_E_RESET,       /* it refused, or broke the frames */
        EXCHANGE_E_TIMEOUT,
};

/* answer: valid during the call; empty unless result is EXCHANGE_OK. remote NULL: never there. */
typedef void (*exchange_fn)(void *userdata, uint64_t id, enum exchange_result result,
                            const struct framed_remote *remote, struct bytes answer);

struct exchange_events {
        exchange_fn on_done;
        /* A question; answer it with exchange_answer() or exchange_refuse(). */
        void (*on_question)(void *userdata, uint64_t question, size_t protocol,
                            const struct framed_remote *remote, struct bytes frame);
        /* Its asker went away: the number is forgotten. */
        void (*on_gone)(void *userdata, uint64_t question);
};

struct exchange *exchange_new(struct loop *loop, struct streams *streams,
                              const struct exchange_events *events, void *userdata);
struct exchange *exchange_free(struct exchange *x); /* always NULL; nothing completes */
DEFINE_CLEANUP(struct exchange *, exchange_free);

struct exchange_ask {
        uint64_t id; /* the caller's own, not in use */
        struct peer_id peer;
        const struct multiaddr *addresses;
        size_t n_addresses;
        bool is_told; /* by strangers */
        const char *protocol;
        struct bytes frame;
        size_t answer_max;
        nsec_t timeout;    /* from the question to the answer, the dial included */
        bool wants_answer; /* false: done when the frame has left */
        /* Our side of the stream ends behind the answer instead of with the question, which takes
         * two packets more. js-libp2p resets a stream on which it reads the end before its answer
         * has left, and the answer is lost. */
        bool ends_late;
};
/* While transport is away, but may be back (streams_back_by()), the question waits for it. */
void exchange_begin(struct exchange *x, const struct exchange_ask *a);
void exchange_up(struct exchange *x); /* transport is there (again): for struct streams_events */
void exchange_cancel(struct exchange *x, uint64_t id); /* no on_done() follows */

/* For struct streams_protocol.handler (with is_asked) and struct streams_events of those who serve.
 */
extern const struct framed_handler exchange_serving;
void *exchange_inbound(struct exchange *x, size_t protocol, const struct framed_remote *remote);
void exchange_accepted(struct exchange *x, void *stream, struct framed *f);
void exchange_withdrawn(struct exchange *x, void *stream);

/* Unknown numbers (the asker went away meanwhile) are ignored. */
void exchange_answer(struct exchange *x, uint64_t question, struct bytes frame);
void exchange_done(struct exchange *x, uint64_t question); /* no answer is due: read on */
void exchange_refuse(struct exchange *x, uint64_t question);
size_t exchange_open(const struct exchange *x); /* questions of ours under way */
