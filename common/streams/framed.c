#include "common/streams/framed.h"

#include "common/base/memory.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "common/streams/places.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/transport.pb-c.h"

#define QUEUE_MAX  (64 * 1024 * 1024)  /* callers stop far before */
#define QUEUE_KEPT 4096                /* of its memory when it is empty */
#define LINGER     (10 * NSEC_PER_SEC) /* of a stream that nobody listens to */

struct framed {
        struct place place;
        struct loop *loop;
        struct channel *channel;
        const struct framed_handler *handler;
        void *userdata;
        struct peer_id peer;
        struct frame_reader reader;
        struct buffer queue;
        size_t kept;     /* by the caller */
        bool is_inbound; /* what we answer is charged as what it says is */
        bool wants_finish, is_open, in_callback, is_over;
        bool is_deaf; /* what comes is thrown away */
};

/* ---- What it makes us keep ---- */

static bool hold(struct framed *f, size_t more) {
        size_t queued = f->is_inbound ? f->queue.capacity : 0;

        return place_hold(&f->place, f->reader.held.len + f->kept + queued + more,
                          loop_now(f->loop));
}

static bool may_keep(void *userdata, size_t n) {
        return hold(userdata, n);
}

bool framed_keep(struct framed *f, size_t n) {
        size_t before = f->kept;

        f->kept = n;
        if (hold(f, 0))
                return true;
        f->kept = before;
        return false;
}

/* Behind whatever came: what of it is still here, and whether more of it is awaited. */
static void settle(struct framed *f) {
        if (f->is_deaf)
                frame_reader_done(&f->reader);
        frame_reader_trim(&f->reader);
        place_begun(&f->place, frame_reader_held(&f->reader) > 0, loop_now(f->loop));
        (void) hold(f, 0);
}

/* ---- Life ---- */

static struct framed *framed_new(const struct framed_home *home, size_t frame_max,
                                 const struct framed_handler *handler, void *userdata) {
        struct framed *f = xnew(struct framed);

        f->loop = home->loop;
        f->handler = handler;
        f->userdata = userdata;
        f->is_deaf = frame_max == 0;
        frame_reader_init(&f->reader, frame_max);
        f->reader.may_keep = may_keep;
        f->reader.userdata = f;
        buffer_init(&f->queue, QUEUE_MAX);
        return f;
}

static void framed_free(struct framed *f) {
        place_leave(&f->place);
        frame_reader_done(&f->reader);
        buffer_done(&f->queue);
        free(f);
}

/* Inside a callback f must outlive it. */
static void leave(struct framed *f) {
        f->is_over = true;
        f->channel = NULL;
        if (!f->in_callback)
                framed_free(f);
}

void framed_reset(struct framed *f, uint32_t code, const char *text) {
        if (f->channel)
                channel_reset(f->channel, code, text);
        leave(f);
}

static void drop_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
}

static const struct framed_handler nobody = { .on_end = drop_end };

void framed_detach(struct framed *f) {
        f->handler = &nobody;
        f->userdata = NULL;
        f->is_deaf = true;
        place_ends_by(&f->place, nsec_add(loop_now(f->loop), LINGER));
        if (!f->in_callback)
                settle(f);
}

/* A frame of it may be in use further up: then what it holds goes when that is over. */
void framed_lost(struct place *p) {
        struct framed *f = container_of(p, struct framed, place);

        if (f->channel)
                channel_reset(f->channel, RPC_E_QUOTA, p->why);
        f->channel = NULL;
        f->is_deaf = true;
        f->kept = 0;
        buffer_done(&f->queue);
        if (!f->in_callback)
                frame_reader_done(&f->reader);
}

static void end(struct framed *f, uint32_t code, const char *text);

void framed_end_lost(struct place *p) {
        end(container_of(p, struct framed, place), RPC_E_QUOTA, p->why);
}

const struct framed_handler *framed_handler_of(const struct framed *f) {
        return f->handler;
}

void *framed_userdata(const struct framed *f) {
        return f->userdata;
}

/* ---- Out ---- */

static void flush(struct framed *f) {
        size_t taken = 0;

        while (f->channel && f->is_open && taken < f->queue.len) {
                size_t n = f->queue.len - taken;

                n = n < CHANNEL_UNIT ? n : CHANNEL_UNIT;
                if (channel_send(f->channel, BYTES(f->queue.data + taken, n)) != CHANNEL_OK)
                        break;
                taken += n;
        }
        buffer_consume(&f->queue, taken);
        if (f->queue.len == 0 && f->queue.capacity > QUEUE_KEPT)
                buffer_done(&f->queue);
        if (f->wants_finish && f->is_open && f->queue.len == 0 && f->channel)
                (void) channel_finish(f->channel);
}

void framed_send(struct framed *f, struct bytes frame) {
        if (f->place.is_lost)
                return;
        frame_put(&f->queue, frame);
        flush(f);
        if (!hold(f, 0))
                place_over_quota(&f->place, loop_now(f->loop));
}

size_t framed_queued(const struct framed *f) {
        return f->queue.len;
}

void framed_finish(struct framed *f) {
        f->wants_finish = true;
        flush(f);
}

/* ---- In ---- */

static void end(struct framed *f, uint32_t code, const char *text) {
        f->in_callback = true;
        f->channel = NULL;
        f->handler->on_end(f, f->userdata, code, text);
        framed_free(f);
}

/* Whether f is still there, and not lost. */
static bool left_callback(struct framed *f) {
        f->in_callback = false;
        if (f->is_over) {
                framed_free(f);
                return false;
        }
        settle(f);
        return !f->place.is_lost;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct framed *f = userdata;
        struct bytes frame;
        int r = FRAME_E_MORE;

        f->in_callback = true;
        while (!f->is_over && !f->is_deaf &&
               (r = frame_reader_next(&f->reader, &data, &frame)) == FRAME_OK) {
                place_heard(&f->place, loop_now(f->loop));
                f->handler->on_frame(f, f->userdata, frame);
        }
        if (r == FRAME_E_QUOTA)
                place_over_quota(&f->place, loop_now(f->loop));
        if (!left_callback(f))
                return;
        channel_consumed(c, 1);
        if (f->is_deaf || r == FRAME_E_MORE)
                return;
        channel_reset(c, RPC_E_MALFORMED, "a frame is malformed or too long");
        end(f, RPC_E_MALFORMED, "a frame is malformed or too long");
}

static void on_writable(struct channel *c, void *userdata) {
        struct framed *f = userdata;

        f->in_callback = true;
        flush(f);
        if (f->handler->on_sent)
                f->handler->on_sent(f, f->userdata);
        (void) left_callback(f);
}

static void on_finish(struct channel *c, void *userdata) {
        struct framed *f = userdata;

        if (!f->handler->on_finish)
                return;
        f->in_callback = true;
        f->handler->on_finish(f, f->userdata);
        (void) left_callback(f);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        end(userdata, code, text);
}

static void remote_of(const Transport__Remote *in, const struct peer_id *peer,
                      struct framed_remote *ret) {
        *ret = (struct framed_remote){ .peer = *peer };
        if (!in)
                return;
        (void) multiaddr_parse(BYTES(in->address.data, in->address.len), &ret->address);
        ret->is_relayed = in->limited;
        ret->rtt = in->rtt_us * NSEC_PER_USEC;
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct framed *f = userdata;
        const Transport__StreamAccepted *in;
        struct framed_remote remote;

        if (wire_unpack(&transport__stream_accepted__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a StreamAccepted");
                end(f, RPC_E_MALFORMED, "not a StreamAccepted");
                return;
        }
        in = u.message;
        f->is_open = true;
        remote_of(in->remote, &f->peer, &remote);
        f->in_callback = true;
        if (f->handler->on_open)
                f->handler->on_open(f, f->userdata, in->protocol, &remote);
        if (left_callback(f))
                flush(f);
}

static const struct channel_handler channel_side = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

/* ---- Opening ---- */

struct framed *framed_open(const struct framed_home *home, struct link *transport,
                           const struct framed_open *o, const struct framed_handler *handler,
                           void *userdata) {
        const struct place_stream as = { .peer = &o->peer, .protocol = PLACES_OWN };
        ProtobufCBinaryData addresses[FRAMED_ADDRESSES_MAX];
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        struct framed *f;

        for (size_t i = 0; i < o->n_addresses && i < FRAMED_ADDRESSES_MAX; i++)
                addresses[open.n_addresses++] =
                        (ProtobufCBinaryData){ o->addresses[i].len,
                                               (uint8_t *) o->addresses[i].bytes };
        open.addresses = addresses;
        open.told = o->is_told;
        open.idle = o->is_idle;
        open.peer = (ProtobufCBinaryData){ o->peer.len, (uint8_t *) o->peer.bytes };
        open.protocols = (char **) o->protocols;
        open.n_protocols = o->n_protocols;
        open.timeout_ms = (uint32_t) (o->timeout / NSEC_PER_MSEC);
        f = framed_new(home, o->frame_max, handler, userdata);
        f->peer = o->peer;
        f->channel = channel_open_message(transport, "stream", &open, &channel_side, f);
        if (!f->channel) {
                framed_free(f);
                return NULL;
        }
        place_enter(home->places, &f->place, &as, loop_now(home->loop));
        return f;
}

struct framed *framed_accept(const struct framed_home *home, struct channel *c,
                             const struct place_stream *as, size_t frame_max,
                             const struct framed_handler *handler, void *userdata) {
        struct framed *f = framed_new(home, frame_max, handler, userdata);

        if (channel_accept(c, BYTES_NONE, &channel_side, f) != CHANNEL_OK) {
                framed_free(f);
                return NULL;
        }
        f->channel = c;
        f->is_open = true;
        f->is_inbound = true;
        place_enter(home->places, &f->place, as, loop_now(home->loop));
        return f;
}
