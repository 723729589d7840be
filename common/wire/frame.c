#include "common/wire/frame.h"

#define TRIM_OVER 4096

void frame_reader_init(struct frame_reader *r, size_t cap) {
        *r = (struct frame_reader){ .cap = cap };
        buffer_init(&r->held, cap + VARINT_SIZE_MAX);
}

void frame_reader_done(struct frame_reader *r) {
        buffer_done(&r->held);
}

size_t frame_reader_held(const struct frame_reader *r) {
        return r->held.len - r->taken;
}

void frame_reader_trim(struct frame_reader *r) {
        struct buffer fitting;

        if (r->taken > 0 || r->held.capacity <= TRIM_OVER || r->held.capacity / 2 <= r->held.len)
                return;
        buffer_init(&fitting, r->held.max);
        buffer_put_bytes(&fitting, buffer_bytes(&r->held));
        if (fitting.failed) /* without memory it stays as it is */
                return;
        buffer_done(&r->held);
        r->held = fitting;
}

/* Size of the frame at the front of `in` with its prefix. Returns enum frame_result. */
static int frame_size(const struct frame_reader *r, struct bytes in, size_t *ret_prefix,
                      size_t *ret_size) {
        uint64_t len;

        switch (varint_read(in, &len, ret_prefix)) {
        case VARINT_OK:
                break;
        case VARINT_E_MORE:
                return FRAME_E_MORE;
        default:
                return FRAME_E_INVALID;
        }
        if (len > r->cap)
                return FRAME_E_TOO_BIG;
        *ret_size = *ret_prefix + (size_t) len;
        return FRAME_OK;
}

static void advance(struct bytes *in, size_t n) {
        in->data += n;
        in->len -= n;
}

static int keep(struct frame_reader *r, struct bytes in) {
        if (r->may_keep && in.len > 0 && !r->may_keep(r->userdata, in.len))
                return FRAME_E_QUOTA;
        buffer_put_bytes(&r->held, in);
        return FRAME_E_MORE;
}

/* Nothing is held: the frame may lie whole in the input and need no copy. */
static int next_direct(struct frame_reader *r, struct bytes *in, struct bytes *ret) {
        size_t prefix, size;
        int result;

        result = frame_size(r, *in, &prefix, &size);
        if (result == FRAME_OK && size <= in->len) {
                *ret = BYTES(in->data + prefix, size - prefix);
                advance(in, size);
                return FRAME_OK;
        }
        if (result != FRAME_OK && result != FRAME_E_MORE)
                return result;
        result = keep(r, *in);
        advance(in, in->len);
        return result;
}

static int next_held(struct frame_reader *r, struct bytes *in, struct bytes *ret) {
        size_t prefix, size, want;
        int result;

        /* The prefix first, byte by byte: what is behind it may be another frame's. */
        while ((result = frame_size(r, buffer_bytes(&r->held), &prefix, &size)) == FRAME_E_MORE &&
               in->len > 0) {
                result = keep(r, BYTES(in->data, 1));
                if (result != FRAME_E_MORE)
                        return result;
                advance(in, 1);
        }
        if (result != FRAME_OK)
                return result;

        want = size - r->held.len;
        if (want > in->len)
                want = in->len;
        result = keep(r, BYTES(in->data, want));
        if (result != FRAME_E_MORE)
                return result;
        advance(in, want);
        if (r->held.failed)
                return FRAME_E_TOO_BIG; /* no memory: the same end */
        if (r->held.len < size)
                return FRAME_E_MORE;
        *ret = BYTES(r->held.data + prefix, size - prefix);
        r->taken = size;
        return FRAME_OK;
}

int frame_reader_next(struct frame_reader *r, struct bytes *in, struct bytes *ret) {
        int result;

        if (r->failed)
                return r->failed;
        if (r->taken > 0) {
                buffer_clear(&r->held);
                r->taken = 0;
        }
        if (r->held.len == 0)
                result = in->len > 0 ? next_direct(r, in, ret) : FRAME_E_MORE;
        else
                result = next_held(r, in, ret);
        if (r->held.failed)
                result = FRAME_E_TOO_BIG;
        if (result != FRAME_OK && result != FRAME_E_MORE)
                r->failed = result;
        return result;
}

void frame_put(struct buffer *b, struct bytes payload) {
        buffer_put_prefixed(b, payload);
}
