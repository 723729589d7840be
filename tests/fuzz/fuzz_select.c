#include "common/base/error.h"
#include "services/transport/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const wanted[] = { "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/a" };

static bool serves(void *userdata, struct bytes name) {
        return bytes_equal(name, BYTES_LIT("/ipfs/ping/1.0.0")) || name.len == 3;
}

struct ending {
        int result;
        size_t left;
        uint64_t sent;
};

/* What a side answers must not depend on the pieces in which it hears. */
static struct ending run(unsigned mode, struct bytes all, size_t piece) {
        struct ending e = { .result = SELECT_MORE, .left = all.len };
        struct buffer out;
        struct select s;

        buffer_init(&out, 2 * SELECT_PROPOSALS_MAX * SELECT_MESSAGE_MAX);
        if (mode == 0)
                select_init_responder(&s, serves, NULL, &out);
        else
                select_init_initiator(&s, wanted, 3, mode == 1, &out);
        for (size_t at = 0; at < all.len && e.result == SELECT_MORE; at += piece) {
                size_t n = all.len - at < piece ? all.len - at : piece;
                struct bytes in = { all.data + at, n };

                e.result = select_input(&s, &in, &out);
                e.left -= n - in.len;
                check(select_held(&s) <= SELECT_MESSAGE_MAX + VARINT_SIZE_MAX);
        }
        check(!out.failed);
        check(strlen(select_protocol(&s)) <= SELECT_NAME_MAX);
        check(e.result == SELECT_AGREED || select_protocol(&s)[0] == '\0');
        for (size_t i = 0; i < out.len; i++)
                e.sent = e.sent * 31 + out.data[i];
        select_done(&s);
        buffer_done(&out);
        return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct ending whole, pieces;

        if (size < 3)
                return 0;
        whole = run(data[0] % 3u, BYTES(data + 2, size - 2), size);
        pieces = run(data[0] % 3u, BYTES(data + 2, size - 2), data[1] % 40u + 1);
        check(whole.result == pieces.result && whole.sent == pieces.sent);
        check(whole.result == SELECT_E_INVALID || whole.left == pieces.left);
        return 0;
}
