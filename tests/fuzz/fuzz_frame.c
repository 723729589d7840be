#include "common/base/error.h"
#include "common/wire/frame.h"

#define CAP 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says in pieces of which size the rest arrives; the frames found
 * must not depend on it. */
static uint64_t digest_of_frames(const uint8_t *data, size_t size, size_t piece, int *ret_end) {
        uint64_t digest = 1469598103934665603u; /* FNV-1a */
        struct frame_reader r;
        int result = FRAME_E_MORE;

        frame_reader_init(&r, CAP);
        for (size_t at = 0; at < size && result == FRAME_E_MORE; at += piece) {
                struct bytes in = BYTES(data + at, size - at < piece ? size - at : piece), out;

                while ((result = frame_reader_next(&r, &in, &out)) == FRAME_OK) {
                        check(out.len <= CAP);
                        for (size_t i = 0; i < out.len; i++)
                                digest = (digest ^ out.data[i]) * 1099511628211u;
                        digest = (digest ^ 0x100) * 1099511628211u;
                }
                check(frame_reader_held(&r) <= CAP + VARINT_SIZE_MAX);
        }
        frame_reader_done(&r);
        *ret_end = result;
        return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        int whole_end, pieces_end;
        uint64_t whole, pieces;

        if (size < 2)
                return 0;
        whole = digest_of_frames(data + 1, size - 1, size, &whole_end);
        pieces = digest_of_frames(data + 1, size - 1, data[0] % 64u + 1, &pieces_end);
        check(whole == pieces && whole_end == pieces_end);
        return 0;
}
