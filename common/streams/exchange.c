#include "common/streams/exchange.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/loop.h"

/* A question of ours. */
struct asking {
        struct heap_entry due;
        struct exchange *all;
        uint64_t id;
        struct framed *stream;
        struct framed_remote remote;
        bool has_remote, wants_answer, ends_late;
        struct refbuf *frame; /* until the stream stands */
        struct held *held;    /* transport was not there when it was asked */
};

/* What a stream is opened with, ours. */
struct held {
        struct framed_open open;
        struct multiaddr *addresses;
        char *protocol;
        nsec_t due; /* of the answer */
};

/* A stream that a peer asks on. */
struct serving {
        struct exchange *all;
        struct framed *stream;
        struct framed_remote remote;
        size_t protocol;
        uint64_t question;     /* 0: none is being answered */
        bool is_finished;      /* the peer asks no more */
        struct buffer waiting; /* later questions of this stream, as frames with u32 lengths */
};

#define WAITING_MAX (256 * 1024)

struct exchange {
        struct loop *loop;
        struct streams *streams;
        const struct exchange_events *events;
        void *userdata;
        struct loop_source *timer;
        struct heap due;
        struct map *asking, *serving; /* by id; by question */
        struct map *streams_in;       /* all struct serving, by address */
        uint64_t next_question;
};

/* ---- Asking ---- */

static struct held *held_free(struct held *h) {
        if (h) {
                free(h->addresses);
                free(h->protocol);
                free(h);
        }
        return NULL;
}

static struct held *hold(const struct framed_open *open, const char *protocol, nsec_t due) {
        struct held *h = xnew(struct held);

        h->due = due;
        h->addresses = xmemdup(open->addresses, open->n_addresses * sizeof(*open->addresses));
        h->protocol = xstrdup(protocol);
        h->open = *open;
        h->open.addresses = h->addresses;
        h->open.protocols = (const char *const *) &h->protocol;
        return h;
}

static void asking_free(struct asking *a) {
        heap_remove(&a->all->due, &a->due);
        (void) map_remove_u64(a->all->asking, a->id);
        refbuf_unref(a->frame);
        held_free(a->held);
        free(a);
}

/* The question is forgotten first: what it leads to may ask again under its id. */
static void complete(struct asking *a, enum exchange_result result, struct bytes answer) {
        struct exchange *x = a->all;
        struct framed_remote remote = a->remote;
        bool has_remote = a->has_remote;
        uint64_t id = a->id;

        asking_free(a);
        x->events->on_done(x->userdata, id, result, has_remote ? &remote : NULL, answer);
}

static void asking_open(struct framed *f, void *userdata, const char *protocol,
                        const struct framed_remote *remote) {
        struct asking *a = userdata;

        a->remote = *remote;
        a->has_remote = true;
        framed_send(f, refbuf_bytes(a->frame));
        a->frame = refbuf_unref(a->frame);
        if (!a->ends_late)
                framed_finish(f);
        if (a->wants_answer)
                return;
        framed_detach(f);
        complete(a, EXCHANGE_OK, BYTES_NONE);
}

static void asking_frame(struct framed *f, void *userdata, struct bytes frame) {
        struct asking *a = userdata;
        CLEANUP(refbuf_unrefp) struct refbuf *copy = refbuf_new(frame);

        if (a->ends_late)
                framed_finish(f);
        framed_detach(f);
        complete(a, EXCHANGE_OK, refbuf_bytes(copy));
}

static const enum exchange_result results[] = {
        [TRANSPORT__STREAM_ERROR__STREAM_OK] = EXCHANGE_E_RESET, /* closed without an answer */
        [TRANSPORT__STREAM_ERROR__UNREACHABLE] = EXCHANGE_E_UNREACHABLE,
        [TRANSPORT__STREAM_ERROR__NO_PROTOCOL] = EXCHANGE_E_PROTOCOL,
        [TRANSPORT__STREAM_ERROR__REFUSED] = EXCHANGE_E_RESET,
        [TRANSPORT__STREAM_ERROR__TIMED_OUT] = EXCHANGE_E_TIMEOUT,
        [TRANSPORT__STREAM_ERROR__WRONG_PEER] = EXCHANGE_E_UNREACHABLE,
        [TRANSPORT__STREAM_ERROR__PEER_RESET] = EXCHANGE_E_RESET,
        [TRANSPORT__STREAM_ERROR__CONNECTION_LOST] = EXCHANGE_E_RESET,
        [TRANSPORT__STREAM_ERROR__NO_ADDRESS] = EXCHANGE_E_UNREACHABLE,
        [TRANSPORT__STREAM_ERROR__BACKING_OFF] = EXCHANGE_E_UNREACHABLE,
};

static void asking_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        struct asking *a = userdata;

        a->stream = NULL;
        complete(a, code < ELEMENTSOF(results) ? results[code] : EXCHANGE_E_RESET, BYTES_NONE);
}

static const struct framed_handler asking_side = { .on_open = asking_open,
                                                   .on_frame = asking_frame,
                                                   .on_end = asking_end };

static void arm(struct exchange *x) {
        (void) loop_timer_set(x->timer, heap_when(&x->due));
}

void exchange_begin(struct exchange *x, const struct exchange_ask *in) {
        struct framed_open open = { .peer = in->peer,
                                    .addresses = in->addresses,
                                    .n_addresses = in->n_addresses,
                                    .is_told = in->is_told,
                                    .protocols = &in->protocol,
                                    .n_protocols = 1,
                                    .frame_max = in->answer_max,
                                    .timeout = in->timeout };
        struct asking *a = xnew(struct asking);
        nsec_t due = nsec_add(loop_now(x->loop), in->timeout);

        a->all = x;
        a->id = in->id;
        a->wants_answer = in->wants_answer;
        a->ends_late = in->ends_late && in->wants_answer;
        a->frame = refbuf_new(in->frame);
        a->stream = streams_open(x->streams, &open, &asking_side, a);
        (void) map_set_u64(x->asking, a->id, a);
        if (!a->stream) { /* it fails at a later turn, never inside this call */
                a->held = hold(&open, in->protocol, due);
                due = nsec_min(due, streams_back_by(x->streams));
        }
        heap_set(&x->due, &a->due, due);
        arm(x);
}

void exchange_up(struct exchange *x) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(x->asking, &cursor, &key, &value)) {
                struct asking *a = value;

                if (!a->held)
                        continue;
                a->stream = streams_open(x->streams, &a->held->open, &asking_side, a);
                if (!a->stream)
                        continue;
                heap_set(&x->due, &a->due, a->held->due);
                a->held = held_free(a->held);
        }
        arm(x);
}

void exchange_cancel(struct exchange *x, uint64_t id) {
        struct asking *a = map_get_u64(x->asking, id);

        if (!a)
                return;
        if (a->stream)
                framed_reset(a->stream, 0, "no longer needed");
        asking_free(a);
}

static int on_due(void *userdata) {
        struct exchange *x = userdata;
        struct heap_entry *e;

        while ((e = heap_pop_due(&x->due, loop_now(x->loop)))) {
                struct asking *a = container_of(e, struct asking, due);
                struct framed *f = TAKE(a->stream);

                if (f)
                        framed_reset(f, 0, "timed out");
                complete(a, f ? EXCHANGE_E_TIMEOUT : EXCHANGE_E_UNREACHABLE, BYTES_NONE);
        }
        arm(x);
        return 0;
}

size_t exchange_open(const struct exchange *x) {
        return map_count(x->asking);
}

/* ---- Serving ---- */

void *exchange_inbound(struct exchange *x, size_t protocol, const struct framed_remote *remote) {
        struct serving *v = xnew(struct serving);

        v->all = x;
        v->protocol = protocol;
        v->remote = *remote;
        buffer_init(&v->waiting, WAITING_MAX);
        (void) map_set_u64(x->streams_in, (uintptr_t) v, v);
        return v;
}

static void serving_free(struct serving *v) {
        struct exchange *x = v->all;

        (void) map_remove_u64(x->streams_in, (uintptr_t) v);
        if (v->question)
                (void) map_remove_u64(x->serving, v->question);
        buffer_done(&v->waiting);
        free(v);
}

void exchange_accepted(struct exchange *x, void *stream, struct framed *f) {
        ((struct serving *) stream)->stream = f;
}

void exchange_withdrawn(struct exchange *x, void *stream) {
        serving_free(stream);
}

/* Forgotten first: whoever hears that it is gone may answer questions at once, this one too. */
static void serving_gone(struct serving *v) {
        struct exchange *x = v->all;
        uint64_t question = v->question;

        serving_free(v);
        if (question)
                x->events->on_gone(x->userdata, question);
}

static void hand_over(struct serving *v, struct bytes frame) {
        struct exchange *x = v->all;

        v->question = ++x->next_question;
        (void) map_set_u64(x->serving, v->question, v);
        x->events->on_question(x->userdata, v->question, v->protocol, &v->remote, frame);
}

static void serving_frame(struct framed *f, void *userdata, struct bytes frame) {
        struct serving *v = userdata;

        v->stream = f;
        if (v->question == 0) {
                hand_over(v, frame);
                return;
        }
        if (framed_keep(f, v->waiting.len + 4 + frame.len)) {
                buffer_put_u32(&v->waiting, (uint32_t) frame.len);
                buffer_put_bytes(&v->waiting, frame);
                if (!v->waiting.failed)
                        return;
        }
        framed_reset(f, 1, "too many questions at once");
        serving_gone(v);
}

/* The next question, or the end. */
static void go_on(struct serving *v) {
        CLEANUP(refbuf_unrefp) struct refbuf *frame = NULL;
        struct reader r;

        v->question = 0;
        if (v->waiting.len == 0) {
                buffer_done(&v->waiting);
                if (v->is_finished)
                        framed_finish(v->stream);
                return;
        }
        r = reader_of(buffer_bytes(&v->waiting));
        frame = refbuf_new(reader_take(&r, reader_u32(&r)));
        buffer_consume(&v->waiting, r.pos);
        (void) framed_keep(v->stream, v->waiting.len);
        hand_over(v, refbuf_bytes(frame));
}

static struct serving *take_question(struct exchange *x, uint64_t question) {
        return map_remove_u64(x->serving, question);
}

void exchange_answer(struct exchange *x, uint64_t question, struct bytes frame) {
        struct serving *v = take_question(x, question);

        if (!v)
                return;
        framed_send(v->stream, frame);
        go_on(v);
}

void exchange_done(struct exchange *x, uint64_t question) {
        struct serving *v = take_question(x, question);

        if (v)
                go_on(v);
}

void exchange_refuse(struct exchange *x, uint64_t question) {
        struct serving *v = take_question(x, question);

        if (!v)
                return;
        v->question = 0;
        framed_reset(v->stream, 1, "refused");
        serving_free(v);
}

static void serving_finish(struct framed *f, void *userdata) {
        struct serving *v = userdata;

        v->is_finished = true;
        if (v->question == 0)
                framed_finish(f);
}

static void serving_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        serving_gone(userdata);
}

const struct framed_handler exchange_serving = { .on_frame = serving_frame,
                                                 .on_finish = serving_finish,
                                                 .on_end = serving_end };

/* ---- Life ---- */

struct exchange *exchange_new(struct loop *loop, struct streams *streams,
                              const struct exchange_events *events, void *userdata) {
        struct exchange *x = xnew(struct exchange);

        x->loop = loop;
        x->streams = streams;
        x->events = events;
        x->userdata = userdata;
        heap_init(&x->due);
        x->asking = map_new(1);
        x->serving = map_new(2);
        x->streams_in = map_new(3);
        check(loop_add_timer(loop, on_due, x, &x->timer) == 0);
        return x;
}

static void free_all(struct exchange *x) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(x->asking, &cursor, &key, &value))
                exchange_cancel(x, ((struct asking *) value)->id);
        cursor = 0;
        while (map_next(x->streams_in, &cursor, &key, &value)) {
                struct serving *v = value;

                if (v->stream)
                        framed_reset(v->stream, 0, "stopping");
                serving_free(v);
        }
}

struct exchange *exchange_free(struct exchange *x) {
        if (!x)
                return NULL;
        free_all(x);
        loop_source_free(x->timer);
        heap_done(&x->due);
        map_free(x->asking);
        map_free(x->serving);
        map_free(x->streams_in);
        free(x);
        return NULL;
}
