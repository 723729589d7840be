#include "services/coordinator/shell_serve.h"

#include "common/daemon/rpc.h"
#include "common/wire/frame.h"
#include "common/wire/packed.h"
#include "services/coordinator/faults.h"

struct serving {
        struct list link;
        struct servings *all;
        struct channel *channel;
        struct frame_reader requests;
        struct buffer held;    /* requests read but not yet answered: at most one unit */
        struct refbuf *answer; /* under way, from `sent` on */
        size_t sent;
        unsigned owed; /* units in `held` whose credit is not yet returned */
        bool finished; /* the peer asks no more */
        bool is_far;   /* in the public internet, or behind a relay */
        struct pays pays;
};

static void serving_free(struct serving *s) {
        list_remove(&s->link);
        s->all->n_streams--;
        frame_reader_done(&s->requests);
        buffer_done(&s->held);
        refbuf_unref(s->answer);
        free(s);
}

static void serving_fail(struct serving *s, const char *why) {
        channel_reset(s->channel, RPC_E_MALFORMED, why);
        serving_free(s);
}

/* True when all of the answer has left. */
static bool send_answer(struct serving *s) {
        while (s->answer) {
                size_t left = s->answer->len - s->sent;
                size_t n = left < CHANNEL_UNIT ? left : CHANNEL_UNIT;

                if (channel_send_refbuf(s->channel, s->answer, s->sent, n) != CHANNEL_OK)
                        return false;
                s->sent += n;
                s->all->bytes += n;
                if (s->sent == s->answer->len)
                        s->answer = refbuf_unref(s->answer);
        }
        return true;
}

static bool pack(void *userdata, uint64_t rate, struct bytes chunk, struct buffer *b,
                 uint64_t *length) {
        struct serving *s = userdata;
        const struct serving_config *c = &s->all->config;
        const struct faults faults = { .mode = (enum fault_mode) c->fault };
        nsec_t began;
        bool is_shorter;

        if (chunk.len < PACKED_LEAST || !pays(&s->pays, pays_link(c->zstd, rate, s->is_far)))
                return false;
        began = loop_now(s->all->loop);
        is_shorter = packed_put(chunk, b);
        pays_tried(&s->pays, chunk.len, is_shorter ? b->len : chunk.len,
                   nsec_sub(loop_now(s->all->loop), began));
        faults_packed(&faults, length);
        s->all->packed += is_shorter ? chunk.len : 0;
        return is_shorter;
}

/* Returns false when the stream had to be ended. */
static bool answer_one(struct serving *s, struct bytes request) {
        const struct serve_packer packer = { pack, s };
        CLEANUP(buffer_donep) struct buffer out = {};

        buffer_init(&out, DATA_ANSWER_MAX);
        if (serve_request(&store_serve_source, s->all->store, &packer, request, &out)) {
                serving_fail(s, "not a request of /quorate" DATA_PROTOCOL);
                return false;
        }
        s->all->requests++;
        s->answer = refbuf_new(buffer_bytes(&out));
        s->sent = 0;
        return true;
}

/* Next request in `held`: enum frame_result; the bytes it took are dropped. */
static int next_request(struct serving *s, struct bytes *ret) {
        struct bytes in = buffer_bytes(&s->held);
        int r = frame_reader_next(&s->requests, &in, ret);

        /* The frame may be a view into `held`: it moves only with the next call. */
        *ret = r == FRAME_OK ? BYTES(xmemdup(ret->data, ret->len), ret->len) : BYTES_NONE;
        buffer_consume(&s->held, s->held.len - in.len);
        return r;
}

static void serve_on(struct serving *s) {
        while (send_answer(s)) {
                struct bytes request;
                int r = next_request(s, &request);
                bool alive = r != FRAME_OK || answer_one(s, request);

                free((void *) request.data);
                if (!alive)
                        return;
                if (r == FRAME_E_TOO_BIG || r == FRAME_E_INVALID) {
                        serving_fail(s, "malformed frame");
                        return;
                }
                if (r != FRAME_E_MORE)
                        continue;
                channel_consumed(s->channel, s->owed);
                s->owed = 0;
                if (s->finished)
                        channel_finish(s->channel);
                return;
        }
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct serving *s = userdata;

        /* The window is one stream's share; requests are small, so it never holds that much. */
        buffer_put_bytes(&s->held, data);
        s->owed++;
        if (s->held.failed)
                serving_fail(s, "too many requests at once");
        else
                serve_on(s);
}

static void on_writable(struct channel *c, void *userdata) {
        serve_on(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        struct serving *s = userdata;

        s->finished = true;
        serve_on(s);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        serving_free(userdata);
}

static const struct channel_handler handler = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

void servings_init(struct servings *s, struct loop *loop, struct store *store,
                   const struct serving_config *config) {
        *s = (struct servings){ .loop = loop, .store = store, .config = *config };
        list_init(&s->streams);
}

void servings_done(struct servings *s) {
        struct list *link;

        while ((link = list_first(&s->streams))) {
                struct serving *one = LIST_ENTRY(link, struct serving, link);

                channel_reset(one->channel, RPC_E_GONE, "stopping");
                serving_free(one);
        }
}

void servings_accept(struct servings *s, struct channel *c, bool is_far) {
        struct serving *one;

        if (s->n_streams >= s->config.max_streams) {
                s->refused++;
                channel_reset(c, RPC_E_QUOTA, "serves as many as it may; try another provider");
                return;
        }
        one = xnew(struct serving);
        one->all = s;
        one->channel = c;
        one->is_far = is_far;
        frame_reader_init(&one->requests, DATA_REQUEST_MAX);
        buffer_init(&one->held, 2 * CHANNEL_UNIT);
        list_push_back(&s->streams, &one->link);
        s->n_streams++;
        if (channel_accept(c, BYTES_NONE, &handler, one) != CHANNEL_OK)
                serving_free(one);
}
