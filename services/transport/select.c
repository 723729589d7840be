#include "services/transport/select.h"

#include "common/base/error.h"

#define GREETING BYTES_LIT("/multistream/1.0.0\n")
#define REFUSAL  BYTES_LIT("na\n")

static void put_name(struct buffer *out, const char *name) {
        size_t len = strlen(name);

        check(len <= SELECT_NAME_MAX);
        buffer_put_varint(out, len + 1);
        buffer_put(out, name, len);
        buffer_put_u8(out, '\n');
}

static void init(struct select *s, struct buffer *out) {
        *s = (struct select){};
        frame_reader_init(&s->reader, SELECT_MESSAGE_MAX);
        frame_put(out, GREETING);
}

void select_init_initiator(struct select *s, const char *const *proposals, size_t n,
                           bool optimistic, struct buffer *out) {
        check(n > 0);
        init(s, out);
        s->proposals = proposals;
        s->n_proposals = n;
        s->optimistic = optimistic;
        put_name(out, proposals[s->n_tried++]);
}

void select_init_responder(struct select *s, select_serves_fn serves, void *userdata,
                           struct buffer *out) {
        init(s, out);
        s->serves = serves;
        s->userdata = userdata;
}

void select_done(struct select *s) {
        frame_reader_done(&s->reader);
}

static int agree(struct select *s, struct bytes name) {
        memcpy(s->name, name.data, name.len);
        s->name[name.len] = '\0';
        return SELECT_AGREED;
}

/* The answer to our latest proposal: its echo, or a refusal. */
static int hear_answer(struct select *s, struct bytes message, struct buffer *out) {
        const char *proposed = s->proposals[s->n_tried - 1];
        struct bytes name = { message.data, message.len - 1 };

        if (bytes_equal(name, BYTES_STR(proposed)))
                return agree(s, name);
        if (!bytes_equal(message, REFUSAL))
                return SELECT_E_INVALID;
        if (s->optimistic || s->n_tried == s->n_proposals)
                return SELECT_E_NONE;

        put_name(out, s->proposals[s->n_tried++]);
        return SELECT_MORE;
}

static int hear_proposal(struct select *s, struct bytes message, struct buffer *out) {
        struct bytes name = { message.data, message.len - 1 };

        if (name.len <= SELECT_NAME_MAX && s->serves(s->userdata, name)) {
                frame_put(out, message);
                return agree(s, name);
        }
        if (++s->n_tried == SELECT_PROPOSALS_MAX)
                return SELECT_E_INVALID;
        frame_put(out, REFUSAL);
        return SELECT_MORE;
}

static int hear(struct select *s, struct bytes message, struct buffer *out) {
        if (message.len == 0 || message.data[message.len - 1] != '\n')
                return SELECT_E_INVALID;
        if (!s->greeted) {
                s->greeted = bytes_equal(message, GREETING);
                return s->greeted ? SELECT_MORE : SELECT_E_INVALID;
        }
        return s->serves ? hear_proposal(s, message, out) : hear_answer(s, message, out);
}

int select_input(struct select *s, struct bytes *in, struct buffer *out) {
        struct bytes message;

        while (s->outcome == SELECT_MORE) {
                int r = frame_reader_next(&s->reader, in, &message);

                if (r == FRAME_E_MORE)
                        return SELECT_MORE;
                s->outcome = r ? SELECT_E_INVALID : hear(s, message, out);
        }
        return s->outcome;
}

const char *select_protocol(const struct select *s) {
        return s->name;
}

size_t select_held(const struct select *s) {
        return frame_reader_held(&s->reader);
}
