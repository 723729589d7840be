#include "services/transport/perf.h"

#include "common/base/memory.h"

#define PIECE (64 * 1024)

/* Zeros still to be sent, and the FIN behind them. */
struct flow {
        struct refbuf *piece;
        uint64_t left;
};

static void flow_init(struct flow *f, uint64_t n) {
        f->piece = refbuf_alloc(PIECE);
        memset(f->piece->data, 0, PIECE);
        f->left = n;
}

static int flow_piece(struct stream *s, struct flow *f) {
        if (f->left >= PIECE)
                return stream_write_refbuf(s, f->piece);
        return stream_write(s, BYTES(f->piece->data, f->left));
}

/* False: the peer wants no more. */
static bool flow_push(struct stream *s, struct flow *f) {
        while (f->left > 0) {
                int r = flow_piece(s, f);

                if (r == STREAM_E_FULL)
                        return true;
                if (r)
                        return false;
                f->left -= f->left < PIECE ? f->left : PIECE;
        }
        stream_finish(s);
        return true;
}

/* ---- the answering side ---- */

struct answer {
        uint8_t wanted[8];
        size_t n_wanted; /* bytes of it that have come */
        bool is_sending;
        struct flow flow;
};

static void answer_drop(struct stream *s) {
        struct answer *a = s->userdata;

        refbuf_unref(a->flow.piece);
        free(a);
        stream_abandon(s, 0);
}

static void answer_on_data(struct stream *s, struct bytes data) {
        struct answer *a = s->userdata;

        stream_consumed(s, data.len);
        for (size_t i = 0; i < data.len && a->n_wanted < sizeof(a->wanted); i++)
                a->wanted[a->n_wanted++] = data.data[i];
}

static void answer_push(struct stream *s) {
        struct answer *a = s->userdata;

        if (a->is_sending && !flow_push(s, &a->flow))
                answer_drop(s);
}

static void answer_on_fin(struct stream *s) {
        struct answer *a = s->userdata;

        if (a->n_wanted < sizeof(a->wanted)) {
                answer_drop(s);
                return;
        }
        a->is_sending = true;
        flow_init(&a->flow, load_be64(a->wanted));
        answer_push(s);
}

static void answer_on_reset(struct stream *s, uint64_t code) {
        answer_drop(s);
}

static void answer_on_close(struct stream *s, enum stream_end end) {
        struct answer *a = s->userdata;

        refbuf_unref(a->flow.piece);
        free(a);
}

static const struct stream_handler answering = {
        .on_data = answer_on_data,
        .on_fin = answer_on_fin,
        .on_reset = answer_on_reset,
        .on_stop = answer_on_reset,
        .on_writable = answer_push,
        .on_close = answer_on_close,
};

void perf_serve(struct stream *s) {
        stream_attach(s, &answering, xnew(struct answer));
}

/* ---- the asking side ---- */

struct perf {
        struct stream *stream;
        const nsec_t *clock;
        struct flow flow;
        uint64_t upload, download, received;
        nsec_t began, answered;
        bool is_flowing;
        perf_done_fn fn;
        void *userdata;
};

static void perf_end(struct perf *p, bool complete) {
        struct perf_result result = {
                .is_complete = complete,
                .up = p->upload - p->flow.left,
                .down = p->received,
                .up_took = nsec_sub(p->answered, p->began),
                .down_took = nsec_sub(*p->clock, p->answered),
        };

        p->fn(p->userdata, &result);
        refbuf_unref(p->flow.piece);
        free(p);
}

void perf_stop(struct perf *p) {
        stream_abandon(p->stream, 0);
        perf_end(p, false);
}

static void perf_on_writable(struct stream *s) {
        struct perf *p = s->userdata;

        if (!p->is_flowing)
                return;
        if (!flow_push(s, &p->flow))
                perf_stop(p);
        else
                p->is_flowing = p->flow.left > 0;
}

static void perf_complete(struct perf *p) {
        struct stream *s = p->stream;

        s->handler = NULL;
        s->userdata = NULL;
        stream_stop(s, 0);
        perf_end(p, true);
}

static void perf_on_data(struct stream *s, struct bytes data) {
        struct perf *p = s->userdata;

        stream_consumed(s, data.len);
        if (p->received == 0)
                p->answered = *p->clock;
        p->received += data.len;
        if (p->received > p->download)
                perf_stop(p);
        else if (p->received == p->download && !p->is_flowing)
                perf_complete(p);
}

static void perf_on_fin(struct stream *s) {
        struct perf *p = s->userdata;

        if (p->received == 0)
                p->answered = *p->clock;
        if (p->received == p->download && !p->is_flowing)
                perf_complete(p);
        else
                perf_stop(p);
}

static void perf_on_reset(struct stream *s, uint64_t code) {
        perf_stop(s->userdata);
}

static void perf_on_close(struct stream *s, enum stream_end end) {
        perf_end(s->userdata, false);
}

static const struct stream_handler measuring = {
        .on_data = perf_on_data,
        .on_fin = perf_on_fin,
        .on_reset = perf_on_reset,
        .on_stop = perf_on_reset,
        .on_writable = perf_on_writable,
        .on_close = perf_on_close,
};

struct perf *perf_start(struct stream *s, uint64_t upload, uint64_t download, const nsec_t *clock,
                        perf_done_fn fn, void *userdata) {
        struct perf *p = xnew(struct perf);
        uint8_t wanted[8];

        *p = (struct perf){
                .stream = s,
                .clock = clock,
                .upload = upload,
                .download = download,
                .began = *clock,
                .is_flowing = true,
                .fn = fn,
                .userdata = userdata,
        };
        flow_init(&p->flow, upload);
        stream_attach(s, &measuring, p);
        store_be64(wanted, download);
        /* A stream just agreed on has room for this; if it was reset meanwhile, on_close tells. */
        if (stream_write(s, BYTES_OF(wanted)) == STREAM_OK && flow_push(s, &p->flow))
                p->is_flowing = p->flow.left > 0;
        return p;
}
